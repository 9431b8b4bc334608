// What happens on a page, for those who hear it: politely, and each step once.
export class Said {
  #step;

  /** `place` is an element with the role `status` that is on the page from the beginning. */
  constructor(place) {
    this.place = place;
  }

  say(step, text) {
    if (step === this.#step) return;
    this.#step = step;
    this.place.textContent = text;
  }
}
