// Tries a version: an image, or JSON, to the prediction API, and its answer as bars.

let token = { value: "", until: 0 }; // in memory only, and short-lived

function cookie(name) {
  const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
}

async function freshToken(url) {
  if (Date.now() < token.until) return token.value;
  const answer = await fetch(url, {
    method: "POST",
    headers: { "X-CSRFToken": csrfToken() },
    redirect: "error",
  });
  if (!answer.ok) throw new Error("signed out");
  const { access, seconds } = await answer.json();
  token = { value: access, until: Date.now() + (seconds - 30) * 1000 };
  return token.value;
}

function csrfToken() {
  return document.querySelector("input[name=csrfmiddlewaretoken]")?.value || cookie("csrftoken");
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function result({ label, score }) {
  const percent = score * 100;
  const bar = element("div", { className: "hub-bar" });
  bar.style.setProperty("--done", `${percent}%`);
  return element(
    "li", {},
    element("span", { textContent: label }),
    element("b", { textContent: `${percent.toFixed(percent < 10 ? 2 : 1)}%` }),
    bar,
  );
}

class Trying {
  constructor(section, texts) {
    this.texts = texts;
    this.page = document.getElementById("version").dataset;
    this.part = (name) => document.getElementById(`try-${name}`);
    if (section.dataset.kind === "image") this.takeImages();
    else this.part("send").addEventListener("click", () => this.sendJson());
  }

  takeImages() {
    const drop = this.part("drop");
    this.part("file").hasChangeListener = true; // else the theme looks for a text field beside it
    this.part("file").addEventListener("change", ({ target }) => {
      if (target.files[0]) this.sendImage(target.files[0]);
      target.value = ""; // so that the same file can be chosen again
    });
    for (const name of ["dragover", "dragleave", "drop"]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.classList.toggle("hub-over", name === "dragover");
        if (name === "drop" && event.dataTransfer.files[0]) this.sendImage(event.dataTransfer.files[0]);
      });
    }
  }

  async sendImage(file) {
    this.clear();
    if (file.type && !file.type.startsWith("image/")) return this.fail(this.texts.wrongType);
    URL.revokeObjectURL(this.part("preview").src);
    this.part("preview").src = URL.createObjectURL(file);
    const form = new FormData();
    form.append("image", file);
    const answer = await this.ask(form, {});
    if (answer) this.show(() => this.part("results").replaceChildren(...answer.predictions[0].map(result)), answer);
  }

  async sendJson() {
    this.clear();
    const text = this.part("json").value;
    try {
      JSON.parse(text);
    } catch {
      return this.fail(this.texts.badJson);
    }
    const answer = await this.ask(text, { "Content-Type": "application/json" });
    if (answer) this.show(() => (this.part("output").textContent = JSON.stringify(answer.predictions, null, 1)), answer);
  }

  /** The answer's JSON; null once the user has been told why there is none. */
  async ask(body, headers) {
    this.part("status").textContent = this.texts.trying;
    try {
      const answer = await this.post(body, headers);
      const told = await answer.json();
      if (answer.ok) return told;
      this.fail([told.detail, ...(told.errors ?? []).map((error) => error.detail)].join(" "));
    } catch (error) {
      this.fail(error.message === "signed out" ? this.texts.signedOut : this.texts.unreachable);
    }
    return null;
  }

  async post(body, headers) {
    const access = await freshToken(this.page.tokenUrl);
    const language = { "Accept-Language": document.documentElement.lang };
    return fetch(this.page.predictUrl, {
      method: "POST",
      body,
      credentials: "omit",
      headers: { ...headers, ...language, Authorization: `Bearer ${access}` },
    });
  }

  show(fill, answer) {
    fill();
    this.part("answer").hidden = false;
    this.part("answer").classList.add("hub-shown");
    const milliseconds = answer.latency_ms.toFixed(answer.latency_ms < 10 ? 1 : 0);
    const values = { ms: milliseconds, model: answer.model, version: answer.version };
    this.part("status").textContent = this.texts.latency.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  }

  clear() {
    this.part("error").hidden = true;
    this.part("answer").hidden = true;
    this.part("status").textContent = "";
  }

  fail(message) {
    this.part("status").textContent = "";
    this.part("error").textContent = message;
    this.part("error").hidden = false;
  }
}

/** Make the page's “Try it” work, where there is one. */
export function startTrying(texts) {
  const section = document.getElementById("try");
  if (section) new Trying(section, texts);
}
