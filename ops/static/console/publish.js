// The form that publishes a version: its files are sent in parts while it is filled in.
import { dropAnywhere } from "./drops.js";
import { Faults } from "./faults.js";
import { HubError, call, fill, useTexts } from "./hub.js";
import { showUploads, size } from "./upload_list.js";
import { Uploads, pace } from "./uploads.js";

const form = document.getElementById("publish");
const texts = JSON.parse(document.getElementById("publish-texts").textContent);
const models = JSON.parse(document.getElementById("publish-models").textContent);
const part = (name) => document.getElementById(`publish-${name}`);
const WORDS = ["architecture", "num_classes", "labels", "description", "card", "parent"];
const OBJECTS = ["preprocessing", "options", "metrics", "parameters"];
const SOURCE = ["repository", "commit", "dataset", "run"];
const DRAFT = `publish ${location.search}`;
const ARRIVED = `${DRAFT} files`;
const faults = new Faults(form, part("error"), { failed: texts.failed, aliases: { files: "file" } });

let uploads;
let sending = null; // an AbortController, from “Publish” until the hub has answered

// What a known model fills in

function known(name) {
  const wanted = name.trim().toLowerCase();
  return Object.entries(models).find(([other]) => other.toLowerCase() === wanted)?.[1];
}

function followName() {
  const model = known(part("name").value);
  part("name-hint").textContent = model ? texts.existing : texts.new;
  part("team").disabled = Boolean(model);
  part("task").disabled = Boolean(model?.stays); // else every version was rejected for it
  if (model) {
    part("team").value = model.team;
    part("task").value = model.task;
  }
  const next = Object.entries(model?.next ?? {});
  part("next").replaceChildren(...(next.length > 1 ? next.map(nextButton) : []));
  const version = part("version");
  if (!version.dataset.edited) version.value = model?.next?.minor ?? form.dataset.firstVersion;
}

function nextButton([step, version]) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "hub-button hub-small" });
  const number = Object.assign(document.createElement("span"), { className: "hub-mono", textContent: version });
  const name = Object.assign(document.createElement("span"), { className: "hub-faint", textContent: texts[step] });
  button.append(number, " ", name);
  button.addEventListener("click", () => {
    part("version").value = version;
    part("version").dataset.edited = "true";
    saveDraft();
  });
  return button;
}

// What is typed, and what has arrived, outlives a reload

const typed = () => [...form.elements].filter(({ type, id }) => id && !["file", "submit", "button"].includes(type));

function saveDraft() {
  const values = typed().map(({ id, value, dataset }) => [id, value, dataset.edited]);
  sessionStorage.setItem(DRAFT, JSON.stringify(values));
}

function restoreDraft() {
  for (const [id, value, edited] of JSON.parse(sessionStorage.getItem(DRAFT) ?? "[]")) {
    const field = document.getElementById(id);
    if (field) field.value = value;
    if (field && edited) field.dataset.edited = edited;
  }
}

function saveArrived() {
  sessionStorage.setItem(ARRIVED, JSON.stringify(uploads.arrived));
}

async function restoreFiles() {
  await uploads.restore(JSON.parse(sessionStorage.getItem(ARRIVED) ?? "[]"));
  uploads.addEventListener("change", saveArrived);
  await uploads.recall();
}

// What is wrong

function complete() {
  for (const name of ["name", "version"]) {
    if (!part(name).value.trim()) faults.tell(name, part(name).validationMessage);
  }
  if (!uploads.chosen.length) faults.tell("file", texts.noFile);
  if (uploads.chosen.some(({ state }) => state === "failed")) faults.tell("file", texts.failedFile);
  for (const name of OBJECTS) {
    if (parsed(name) === null) faults.tell(name, texts.badJson);
  }
  faults.first?.focus();
  return !faults.first;
}

/** A JSON object that was typed: undefined where there is none, null where it is not one. */
function parsed(name) {
  const text = form.elements[name].value.trim();
  if (!text) return undefined;
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

// Sending

function body() {
  const said = { version: part("version").value.trim(), team: part("team").value, task: part("task").value };
  for (const name of WORDS) {
    const value = form.elements[name].value.trim();
    if (value) said[name] = name === "num_classes" ? Number(value) : value;
  }
  for (const name of OBJECTS) {
    if (parsed(name)) said[name] = parsed(name);
  }
  const source = SOURCE.map((name) => [name, form.elements[`source.${name}`].value.trim()]).filter(([, value]) => value);
  if (source.length) said.source = Object.fromEntries(source);
  said.files = uploads.chosen.map(({ name, upload }) => ({ upload: upload.id, path: name }));
  return said;
}

function busy(controller) {
  sending = controller;
  part("send").disabled = Boolean(controller);
  part("cancel").hidden = part("progress").hidden = !controller;
}

function showProgress() {
  const total = (field) => uploads.chosen.reduce((all, item) => all + item[field], 0);
  const percent = total("size") ? Math.floor((total("sent") / total("size")) * 100) : 0;
  const bar = part("progress").querySelector(".hub-bar");
  bar.setAttribute("aria-valuenow", percent);
  bar.style.setProperty("--done", `${percent}%`);
  const rate = uploads.chosen.reduce((all, item) => all + (item.state === "sending" ? pace(item).rate ?? 0 : 0), 0);
  const values = { done: size(total("sent")), total: size(total("size")), rate: size(rate) };
  part("status").textContent = uploads.complete ? texts.checking : fill(texts.waitingForFiles, values);
}

/** Publish as soon as the files have arrived. */
function goOn() {
  if (!sending) return;
  showProgress();
  if (uploads.chosen.some(({ state }) => state === "failed")) {
    busy(null);
    faults.tell("file", texts.failedFile);
  } else if (!uploads.chosen.length) {
    busy(null);
  } else if (uploads.complete && !sending.asked) {
    sending.asked = true;
    publish(sending);
  }
}

async function publish(controller) {
  const path = fill(texts.publishUrl, { name: encodeURIComponent(part("name").value.trim()) });
  try {
    const told = await call("POST", path, body(), controller.signal);
    uploads.removeEventListener("change", saveArrived);
    for (const kept of [DRAFT, ARRIVED]) sessionStorage.removeItem(kept);
    leave(told);
  } catch (error) {
    busy(null);
    if (error instanceof HubError) faults.show(error);
    else faults.alert(controller.signal.aborted ? texts.cancelled : texts.unreachable);
  }
}

function leave({ model, version }) {
  busy(null);
  window.removeEventListener("beforeunload", warn);
  const names = { name: encodeURIComponent(model), version: encodeURIComponent(version) };
  location.assign(fill(texts.pageUrl, names));
}

function cancel() {
  if (!sending) return;
  sending.abort();
  if (!sending.asked) {
    busy(null);
    faults.alert(texts.cancelled);
  }
}

function warn(event) {
  if (sending || uploads.busy) event.preventDefault();
}

function start() {
  useTexts(texts);
  uploads = new Uploads();
  // The theme looks for a text field beside every file input unless it is marked so.
  for (const name of ["file", "labels-file"]) part(name).hasChangeListener = true;
  restoreDraft();
  showUploads(uploads, part("files"), texts);
  uploads.addEventListener("change", () => {
    if (uploads.chosen.some(({ state }) => state !== "failed")) faults.tell("file", "");
    goOn();
  });
  part("name").addEventListener("input", followName);
  part("version").addEventListener("input", () => { part("version").dataset.edited = "true"; });
  part("file").addEventListener("change", ({ target }) => { uploads.add(target.files); target.value = ""; });
  dropAnywhere(part("drop"), (files) => uploads.add(files));
  part("labels-file").addEventListener("change", async ({ target }) => {
    if (target.files[0]) part("labels").value = await target.files[0].text();
    target.value = "";
    saveDraft();
  });
  part("cancel").addEventListener("click", cancel);
  form.addEventListener("input", saveDraft);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    faults.clear();
    if (!complete()) return;
    busy(new AbortController());
    goOn();
  });
  window.addEventListener("beforeunload", warn);
  followName();
  restoreFiles().catch(() => {}); // what cannot be listed now is found again by its content
}

if (form) start();
