// Icons are drawn by the words of a font, which read aloud would stand in front of every name.
for (const icon of document.querySelectorAll(".material-symbols-outlined:not([aria-hidden])")) {
  const control = icon.closest("a, button");
  const isItsName = control && !control.ariaLabel && control.textContent.trim() === icon.textContent.trim();
  if (!isItsName) icon.ariaHidden = "true";
}
