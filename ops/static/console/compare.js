// Choosing two versions to compare: the button works with two, and a third takes the first's place.

for (const form of document.querySelectorAll("form:has([data-compare])")) {
  const button = form.querySelector("[data-compare]");
  let chosen = [...form.querySelectorAll("[name=version]:checked")]; // what a browser kept
  const show = () => { button.disabled = chosen.length !== 2; };
  form.addEventListener("change", ({ target }) => {
    if (target.name !== "version") return;
    chosen = chosen.filter((box) => box !== target);
    if (target.checked) chosen.push(target);
    while (chosen.length > 2) chosen.shift().checked = false;
    show();
  });
  show();
}
