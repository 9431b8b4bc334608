// Files that are dropped on the page.

/** Files may be dropped anywhere: beside `place`, which lights up, the browser would open them. */
export function dropAnywhere(place, take) {
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      const left = name === "drop" || (name === "dragleave" && !event.relatedTarget);
      place.classList.toggle("hub-over", !left);
      if (name === "drop") take(event.dataTransfer.files);
    });
  }
}
