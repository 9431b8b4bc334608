// What is wrong with a form: beside its fields, and above it.
import { fill } from "./hub.js";

/**
 * A field's place for a fault has `data-error`, by the API's name of the field; `aliases` are names
 * of the API that go to another place. `failed` is said where an answer has no words of its own.
 */
export class Faults {
  constructor(form, above, { failed, aliases = {} }) {
    Object.assign(this, { form, above, failed, aliases });
  }

  /** Say what is wrong with a field, or with an empty message nothing; whether there is such a field. */
  tell(field, message) {
    const place = this.form.querySelector(`[data-error="${CSS.escape(field)}"]`);
    if (!place) return false;
    place.textContent = message;
    const input = place.closest(".hub-field").querySelector("input, textarea, select");
    if (message) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
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
