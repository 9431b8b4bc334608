// Attaching samples to a model: the form's files go to the API, with the session for credential.
const form = document.getElementById("samples-form");
const texts = JSON.parse(document.getElementById("samples-texts").textContent);
const part = (name) => document.getElementById(`samples-${name}`);

function alertWith(text) {
  part("error").textContent = text;
  part("error").hidden = !text;
}

function said(told, status) {
  const errors = (told.errors ?? []).map((error) => error.detail);
  return errors.join(" ") || told.detail || texts.failed.replace("{status}", status);
}

async function send() {
  const answer = await fetch(form.dataset.url, {
    method: "POST",
    body: new FormData(form),
    headers: { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value, Accept: "application/json" },
  });
  if (answer.status === 201) return location.reload();
  // A proxy in between answers in HTML: its status is all there is to tell.
  const told = await answer.json().catch(() => ({}));
  alertWith(said(told, answer.status));
}

part("files").hasChangeListener = true; // the theme looks for a text field beside others
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  alertWith("");
  button.disabled = true;
  part("status").textContent = texts.sending;
  try {
    await send();
  } catch {
    alertWith(texts.unreachable);
  } finally {
    button.disabled = false;
    part("status").textContent = "";
  }
});
