// Choosing two versions to compare: the button works with two, and a third takes the first's place.

for (const form of document.querySelectorAll("form:has([data-compare])")) {
  const button = form.querySelector("[data-compare]");
  let chosen = [...form.elements].filter(({ name, checked }) => name === "version" && checked);
  const show = () => { button.disabled = chosen.length !== 2; };
  document.addEventListener("change", ({ target }) => { // the boxes may stand outside of the form
    if (target.form !== form || target.name !== "version") return;
    chosen = chosen.filter((box) => box !== target);
    if (target.checked) chosen.push(target);
    while (chosen.length > 2) chosen.shift().checked = false;
    show();
  });
  show();
}
