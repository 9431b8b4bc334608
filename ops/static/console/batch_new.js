// The form that makes a batch job: its input is sent in parts while the form is filled in.
import { dropAnywhere } from "./drops.js";
import { Faults } from "./faults.js";
import { HubError, call, fill, useTexts } from "./hub.js";
import { Said } from "./said.js";
import { showUploads, size } from "./upload_list.js";
import { Uploads, pace } from "./uploads.js";

const form = document.getElementById("batch");
const texts = JSON.parse(document.getElementById("batch-texts").textContent);
const models = JSON.parse(document.getElementById("batch-models").textContent);
const part = (name) => document.getElementById(`batch-${name}`);
const WORDS = ["input_format", "output_format", "key", "delimiter", "encoding", "priority", "team"];
const RANGE = "range";
const said = new Said(part("said"));
const faults = new Faults(form, part("error"), { failed: texts.failed, aliases: { alias: "version" } });

let uploads;
let sending = null; // an AbortController, from “Start” until the hub has answered

// The model, and its versions

/** The name of a model as it is written, whatever way it was typed; undefined where there is none. */
function known() {
  const wanted = part("model").value.trim().toLowerCase();
  return Object.keys(models).find((name) => name.toLowerCase() === wanted);
}

function followModel() {
  const name = known();
  part("about").textContent = name ? models[name].about : "";
  part("takes").textContent = name ? models[name].takes : "";
  if (name) faults.tell("model", "");
  offerVersions(name);
}

async function offerVersions(name) {
  offer("aliases", []);
  offer("versions", []);
  if (!name) return;
  const ask = (url) => call("GET", fill(url, { name: encodeURIComponent(name) })).catch(() => ({ results: [] }));
  const [aliases, versions] = await Promise.all([ask(texts.aliasesUrl), ask(texts.versionsUrl)]);
  if (name !== known()) return; // another was typed meanwhile
  offer("aliases", aliases.results.map(({ alias, version }) => [`alias:${alias}`, `${alias} → ${version}`]));
  offer("versions", versions.results.map(({ version }) => [`version:${version}`, version]));
  choose(part("which").dataset);
}

function offer(group, options) {
  part(group).replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  part(group).hidden = !options.length;
}

/** Choose what a link named, once. */
function choose({ version, alias }) {
  const wanted = version ? `version:${version}` : `alias:${alias}`;
  const which = part("which");
  if ([...which.options].some(({ value }) => value === wanted)) which.value = wanted;
  delete which.dataset.version;
  delete which.dataset.alias;
  followWhich();
}

function followWhich() {
  part("range").hidden = part("which").value !== RANGE;
}

// The input

const byFile = () => form.elements.source.value === "file";

function followSource() {
  part("by-file").hidden = !byFile();
  part("by-prefix").hidden = byFile();
  faults.tell("input", "");
}

/** A job has one file: another takes its place. */
function take(files) {
  if (!files.length) return;
  form.elements.source.value = "file";
  followSource();
  uploads.chosen.forEach((item) => uploads.remove(item));
  uploads.add([files[0]]);
}

// What is wrong

function complete() {
  if (!part("model").value.trim()) faults.tell("model", texts.noModel);
  else if (!known()) faults.tell("model", texts.unknownModel);
  if (part("which").value === RANGE && !part("range").value.trim()) faults.tell("version", texts.noRange);
  if (byFile()) {
    if (!uploads.chosen.length) faults.tell("input", texts.noFile);
    else if (uploads.chosen[0].state === "failed") faults.tell("input", texts.failedFile);
  } else if (!part("prefix").value.trim()) faults.tell("input", texts.noPrefix);
  if (columns() === null) faults.tell("columns", texts.badJson);
  for (const name of ["top", "fail_over"]) {
    if (!form.elements[name].checkValidity()) faults.tell(name, form.elements[name].validationMessage);
  }
  faults.first?.focus();
  return !faults.first;
}

/** The columns that were typed: undefined where there are none, null where it is no object. */
function columns() {
  const text = form.elements.columns.value.trim();
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
  const said = { model: known(), input: input(), ...chosenVersion() };
  for (const name of WORDS) {
    const value = form.elements[name]?.value; // a tab is a delimiter
    if (value) said[name] = value;
  }
  if (columns()) said.columns = columns();
  if (form.elements.header.value) said.header = false;
  if (form.elements.top.value) said.top = Number(form.elements.top.value);
  if (form.elements.fail_over.value) said.fail_over = Number(form.elements.fail_over.value) / 100;
  if (form.elements.notify.checked) said.notify = true;
  return said;
}

const input = () =>
  byFile() ? { upload: uploads.chosen[0].upload.id } : { prefix: part("prefix").value.trim() };

function chosenVersion() {
  const { value } = part("which");
  if (value === RANGE) return { version: part("range").value.trim() };
  const [kind, ...rest] = value.split(":");
  return kind ? { [kind]: rest.join(":") } : {};
}

function busy(controller) {
  sending = controller;
  part("send").disabled = Boolean(controller);
  part("cancel").hidden = part("progress").hidden = !controller;
  if (controller) part("cancel").focus(); // the button that had it is off
  else said.say("", "");
}

function showProgress() {
  if (!byFile()) {
    tellStatus("creating", texts.creating);
    return;
  }
  const [item] = uploads.chosen;
  const percent = item.size ? Math.floor((item.sent / item.size) * 100) : 0;
  const bar = part("progress").querySelector(".hub-bar");
  bar.setAttribute("aria-valuenow", percent);
  bar.style.setProperty("--done", `${percent}%`);
  const values = { done: size(item.sent), total: size(item.size), rate: size(pace(item).rate ?? 0) };
  if (uploads.complete) tellStatus("creating", texts.creating);
  else tellStatus(Math.floor(percent / 25), fill(texts.waitingForFiles, values));
}

/** Show how far it is; each step of it is said. */
function tellStatus(step, text) {
  part("status").textContent = text;
  said.say(step, text);
}

/** Make the job as soon as its input has arrived. */
function goOn() {
  if (!sending || sending.asked) return;
  const [item] = uploads.chosen;
  if (byFile() && (!item || item.state === "failed")) {
    busy(null);
    faults.tell("input", item ? texts.failedFile : texts.noFile);
    return;
  }
  showProgress();
  if (!byFile() || uploads.complete) {
    sending.asked = true;
    make(sending);
  }
}

async function make(controller) {
  try {
    const { id } = await call("POST", texts.createUrl, body(), controller.signal);
    busy(null);
    window.removeEventListener("beforeunload", warn);
    location.assign(fill(texts.pageUrl, { id }));
  } catch (error) {
    busy(null);
    if (error instanceof HubError) faults.show(error);
    else faults.alert(controller.signal.aborted ? texts.cancelled : texts.unreachable);
  }
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
  part("file").hasChangeListener = true; // else the theme looks for a text field beside it
  showUploads(uploads, part("files"), texts);
  uploads.addEventListener("change", () => {
    if (uploads.chosen.some(({ state }) => state !== "failed")) faults.tell("input", "");
    goOn();
  });
  uploads.recall().catch(() => {}); // what cannot be listed now is found again by its content
  part("model").addEventListener("input", followModel);
  part("which").addEventListener("change", followWhich);
  for (const choice of form.elements.source) choice.addEventListener("change", followSource);
  part("file").addEventListener("change", ({ target }) => { take(target.files); target.value = ""; });
  dropAnywhere(part("drop"), take);
  part("cancel").addEventListener("click", cancel);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    faults.clear();
    if (!complete()) return;
    busy(new AbortController());
    goOn();
  });
  window.addEventListener("beforeunload", warn);
  followModel();
  followWhich();
  followSource();
}

if (form) start();
