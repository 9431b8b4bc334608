// The form that publishes a version: posts to the API, shows how far it is and what is wrong.

const form = document.getElementById("publish");
const texts = JSON.parse(document.getElementById("publish-texts").textContent);
const models = JSON.parse(document.getElementById("publish-models").textContent);
const part = (name) => document.getElementById(`publish-${name}`);
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const OPTIONAL = ["architecture", "num_classes", "description", "preprocessing", "options", "metrics"];

let files = [];
let sending = null; // the XMLHttpRequest that is under way

// What a known model fills in

function known(name) {
  const wanted = name.trim().toLowerCase();
  return Object.entries(models).find(([other]) => other.toLowerCase() === wanted)?.[1];
}

function followName() {
  const model = known(part("name").value);
  part("name-hint").textContent = model ? texts.existing : texts.new;
  part("team").disabled = part("task").disabled = Boolean(model);
  if (model) {
    part("team").value = model.team;
    part("task").value = model.task;
  }
  const version = part("version");
  if (!version.dataset.edited) version.value = model?.next ?? form.dataset.firstVersion;
}

// Files

function size(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) [bytes, unit] = [bytes / 1000, unit + 1];
  return `${bytes.toFixed(unit ? 1 : 0)} ${units[unit]}`;
}

function fileLine(file) {
  const line = document.createElement("li");
  const name = Object.assign(document.createElement("span"), { textContent: file.name });
  const bytes = Object.assign(document.createElement("span"), { className: "hub-faint", textContent: size(file.size) });
  const remove = Object.assign(document.createElement("button"), {
    type: "button", className: "hub-button hub-quiet hub-small", textContent: "✕",
    ariaLabel: fill(texts.remove, { name: file.name }),
  });
  remove.addEventListener("click", () => setFiles(files.filter((other) => other !== file)));
  line.append(name, bytes, remove);
  return line;
}

function setFiles(chosen) {
  files = chosen;
  part("files").replaceChildren(...files.map(fileLine));
  if (files.length) tell("file", "");
}

function addFiles(more) {
  const added = [...more];
  const replaced = new Set(added.map((file) => file.name));
  setFiles([...files.filter((file) => !replaced.has(file.name)), ...added]);
}

// What is wrong

function tell(field, message) {
  const place = form.querySelector(`[data-error="${CSS.escape(field)}"]`);
  if (!place) return false;
  place.textContent = message;
  const input = place.closest(".hub-field").querySelector("input, textarea, select");
  if (message) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
  place.closest("details")?.toggleAttribute("open", Boolean(message) || place.closest("details").open);
  return true;
}

function alertWith(message) {
  part("error").textContent = message;
  part("error").hidden = !message;
  if (message) part("error").focus();
}

function clearErrors() {
  alertWith("");
  for (const place of form.querySelectorAll("[data-error]")) tell(place.dataset.error, "");
}

/** Show a problem document: each finding next to its field, the rest above the form. */
function showProblem(problem, status) {
  const left = (problem.errors ?? []).filter(
    ({ field, detail }) => !tell(String(field).split(".")[0], detail),
  );
  const message = problem.detail ?? fill(texts.failed, { status });
  alertWith([message, ...left.map((error) => error.detail)].join(" "));
  form.querySelector('[aria-invalid="true"]')?.focus();
}

// Sending

function body() {
  const data = new FormData(); // fields first: the files are streamed to storage as they come
  data.append("version", part("version").value.trim());
  data.append("team", part("team").value);
  data.append("task", part("task").value);
  for (const name of OPTIONAL) {
    const value = form.elements[name].value.trim();
    if (value) data.append(name, value);
  }
  const labels = part("labels").value.trim();
  if (labels) data.append("labels", new Blob([labels]), "labels.txt");
  for (const file of files) data.append("file", file, file.name);
  return data;
}

function busy(request) {
  sending = request;
  part("send").disabled = Boolean(request);
  part("cancel").hidden = part("progress").hidden = !request;
}

function showProgress(started, { loaded, total }) {
  const percent = total ? Math.round((loaded / total) * 100) : 0;
  const bar = part("progress").querySelector(".hub-bar");
  bar.setAttribute("aria-valuenow", percent);
  bar.style.setProperty("--done", `${percent}%`);
  const rate = loaded / Math.max((performance.now() - started) / 1000, 0.001);
  const values = { done: size(loaded), total: size(total), rate: size(rate) };
  part("status").textContent = loaded < total ? fill(texts.sending, values) : texts.checking;
}

function finish(request) {
  busy(null);
  let told = {};
  try {
    told = JSON.parse(request.responseText);
  } catch {
    // A proxy in between answers in HTML: its status is all there is to tell.
  }
  if (request.status !== 202) return showProblem(told, request.status);
  const name = encodeURIComponent(told.model);
  location.assign(fill(texts.pageUrl, { name, version: encodeURIComponent(told.version) }));
}

function send() {
  const request = new XMLHttpRequest(); // fetch tells no progress of what it sends
  const started = performance.now();
  const name = encodeURIComponent(part("name").value.trim());
  request.open("POST", fill(texts.publishUrl, { name }));
  request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
  request.setRequestHeader("Accept", "application/json");
  request.upload.addEventListener("progress", (event) => showProgress(started, event));
  request.addEventListener("load", () => finish(request));
  request.addEventListener("abort", () => { busy(null); alertWith(texts.cancelled); });
  request.addEventListener("error", () => { busy(null); alertWith(texts.unreachable); });
  busy(request);
  request.send(body());
}

function complete() {
  for (const name of ["name", "version"]) {
    if (!part(name).value.trim()) tell(name, part(name).validationMessage);
  }
  if (!files.length) tell("file", texts.noFile);
  const wrong = form.querySelector('[aria-invalid="true"]');
  wrong?.focus();
  return !wrong;
}

function start() {
  // The theme looks for a text field beside every file input unless it is marked so.
  for (const name of ["file", "labels-file"]) part(name).hasChangeListener = true;
  part("name").addEventListener("input", followName);
  part("version").addEventListener("input", () => { part("version").dataset.edited = "true"; });
  part("file").addEventListener("change", ({ target }) => { addFiles(target.files); target.value = ""; });
  for (const name of ["dragover", "dragleave", "drop"]) {
    part("drop").addEventListener(name, (event) => {
      event.preventDefault();
      part("drop").classList.toggle("hub-over", name === "dragover");
      if (name === "drop") addFiles(event.dataTransfer.files);
    });
  }
  part("labels-file").addEventListener("change", async ({ target }) => {
    if (target.files[0]) part("labels").value = await target.files[0].text();
    target.value = "";
  });
  part("cancel").addEventListener("click", () => sending?.abort());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearErrors();
    if (complete()) send();
  });
  window.addEventListener("beforeunload", (event) => { if (sending) event.preventDefault(); });
  followName();
}

if (form) start();
