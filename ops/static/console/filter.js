// Badges that filter a list: [data-filters="#list"] holds buttons [data-filter], and the list's
// lines have a [data-kind]. Pressing one shows its kind alone, pressing it again shows all.

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-filter]");
  if (!button) return;
  const group = button.closest("[data-filters]");
  const on = button.getAttribute("aria-pressed") !== "true";
  for (const other of group.querySelectorAll("[data-filter]")) {
    other.setAttribute("aria-pressed", String(on && other === button));
  }
  for (const line of document.querySelectorAll(`${group.dataset.filters} [data-kind]`)) {
    line.hidden = on && line.dataset.kind !== button.dataset.filter;
  }
});
