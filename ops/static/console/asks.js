// Links that ask first: [data-asks] shows the question of its page in a dialog. It is the browser's
// own: the focus stays in it, Escape closes it. Where it cannot be shown, the link leads to the page.

let asking = false;

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-asks]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (asking) return;
  asking = true;
  try {
    ask(link, await question(link.href));
  } catch {
    asking = false;
    location.assign(link.href);
  }
});

async function question(url) {
  const answer = await fetch(url);
  if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const form = document.adoptNode(page.getElementById("question"));
  form.action = url;
  return form;
}

function ask(link, form) {
  const dialog = document.createElement("dialog");
  dialog.className = "hub-dialog hub-asks";
  dialog.setAttribute("aria-labelledby", "question-title");
  dialog.setAttribute("aria-describedby", "question-note");
  dialog.append(form);
  const back = form.querySelector("[data-back]");
  back.addEventListener("click", (event) => {
    event.preventDefault();
    dialog.close();
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    asking = false;
    document.getElementById(link.id)?.focus(); // another may stand in its place by now
  });
  document.body.append(dialog);
  dialog.showModal();
  back.focus();
}
