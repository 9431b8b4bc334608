// A version's page: follows its processing and its variants, and tries it.
import { startTrying } from "./try.js";

const EVERY = 1000; // milliseconds
const VARIANTS_EVERY = 3000;
const texts = JSON.parse(document.getElementById("version-texts").textContent);
const root = () => document.getElementById("version");

function duration(milliseconds) {
  if (milliseconds === null) return "";
  if (milliseconds < 1000) return `${milliseconds} ms`;
  const seconds = new Intl.NumberFormat(document.documentElement.lang, {
    minimumFractionDigits: 1, maximumFractionDigits: 1, useGrouping: false,
  });
  return `${seconds.format(milliseconds / 1000)} s`;
}

function showStep(step) {
  const line = document.querySelector(`#steps [data-step="${CSS.escape(step.name)}"]`);
  if (!line) return;
  const percent = Math.round(step.progress * 100);
  line.dataset.state = step.state;
  line.querySelector("time").textContent = duration(step.duration_ms);
  line.querySelector(".hub-bar").setAttribute("aria-valuenow", percent);
  line.querySelector(".hub-bar").style.setProperty("--done", `${percent}%`);
}

/** Say that no worker is there, or that one is again. */
function showStalled(reason) {
  document.getElementById("stalled").hidden = !reason;
  document.getElementById("stalled-text").textContent = reason ?? "";
}

async function pageNow() {
  const answer = await fetch(location.href);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

/** Put the server's whole page in place of what was followed: sums, signature, reason. */
async function showFinal() {
  const page = await pageNow();
  root().replaceWith(document.adoptNode(page.getElementById("version")));
  startTrying(texts);
  followVariants();
}

/** Show the table of variants as it grows, but not under the hands of somebody who uses it. */
async function lookAtVariants() {
  const table = (await pageNow()).getElementById("variants");
  const shown = document.getElementById("variants");
  if (table && !shown.contains(document.activeElement)) shown.replaceWith(document.adoptNode(table));
}

function followVariants() {
  if (document.getElementById("variants")?.dataset.optimising !== "true") return;
  setTimeout(async () => {
    try {
      await lookAtVariants();
    } catch {
      // The hub restarts, or the network is away: look again.
    }
    followVariants();
  }, VARIANTS_EVERY);
}

async function look() {
  const answer = await fetch(root().dataset.apiUrl, { headers: { Accept: "application/json" } });
  if (!answer.ok) return answer.status === 404; // deleted meanwhile: nothing more to follow
  const version = await answer.json();
  version.steps.forEach(showStep);
  showStalled(version.stalled);
  if (!["ready", "rejected"].includes(version.state)) return false;
  await showFinal();
  return true;
}

async function follow() {
  try {
    if (await look()) return;
  } catch {
    // The hub restarts, or the network is away: look again.
  }
  setTimeout(follow, EVERY);
}

if (root().dataset.live === "true") follow();
else followVariants();
startTrying(texts);
