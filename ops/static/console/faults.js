// What is wrong with a form: beside its fields, and above it.
import { fill } from "./hub.js";

const inputsOf = (place) => [...place.closest(".hub-field").querySelectorAll("input, textarea, select")];

/** Tie what may be said of a field, and its hints, to what it is said of. */
function describe(place, id) {
  place.id = id;
  const hints = [...place.parentElement.querySelectorAll(":scope > .hub-hint")];
  hints.forEach((hint, at) => (hint.id ||= `${id}-hint-${at}`));
  for (const input of inputsOf(place)) {
    const own = input.getAttribute("aria-describedby");
    const ids = [own, id, ...hints.map((hint) => hint.id)].filter(Boolean);
    input.setAttribute("aria-describedby", ids.join(" "));
  }
}

/**
 * A field's place for a fault has `data-error`, by the API's name of the field; `aliases` are names
 * of the API that go to another place. `failed` is said where an answer has no words of its own.
 */
export class Faults {
  constructor(form, above, { failed, aliases = {} }) {
    Object.assign(this, { form, above, failed, aliases });
    for (const place of form.querySelectorAll("[data-error]")) describe(place, `${form.id}-${place.dataset.error}-error`);
  }

  /** Say what is wrong with a field, or with an empty message nothing; whether there is such a field. */
  tell(field, message) {
    const place = this.form.querySelector(`[data-error="${CSS.escape(field)}"]`);
    if (!place) return false;
    place.textContent = message;
    const inputs = inputsOf(place);
    inputs.forEach((input) => input.removeAttribute("aria-invalid"));
    // Of several, the last that is shown is where it is said: those before it choose between them.
    if (message) inputs.findLast((input) => !input.closest("[hidden]")).setAttribute("aria-invalid", "true");
    place.closest("details")?.toggleAttribute("open", Boolean(message) || place.closest("details").open);
    return true;
  }

  /** Say it above the form. */
  alert(message) {
    this.above.textContent = message;
    this.above.hidden = !message;
    if (message) this.above.focus();
  }

  clear() {
    this.alert("");
    for (const place of this.form.querySelectorAll("[data-error]")) this.tell(place.dataset.error, "");
  }

  /** Show a problem document: each finding beside its field, the rest above the form. */
  show({ problem, status }) {
    const left = (problem.errors ?? []).filter(({ field, detail }) => !this.tell(this.#place(field), detail));
    const message = problem.detail ?? fill(this.failed, { status });
    this.alert([message, ...left.map((error) => error.detail)].join(" "));
    this.first?.focus();
  }

  /** The first field that is wrong, if any. */
  get first() {
    return this.form.querySelector('[aria-invalid="true"]');
  }

  #place(field) {
    const name = String(field).split(".")[0];
    return this.aliases[name] ?? name;
  }
}
