// Forms that the hub reads itself: each is sent once, and what is wrong with it has the focus.
const AGAIN = 10_000; // milliseconds after which one whose page never came can be sent again

const sent = new Set();

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (sent.has(form)) {
    event.preventDefault();
    return;
  }
  sent.add(form);
  setTimeout(() => sent.delete(form), AGAIN);
});

// The page may come back as it was left.
window.addEventListener("pageshow", () => sent.clear());

document.querySelector('[data-wrong], form [aria-invalid="true"]')?.focus();
