// A version's page: follows its processing, and tries it.
import { startTrying } from "./try.js";

const EVERY = 1000; // milliseconds
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

/** Put the server's whole page in place of what was followed: sums, signature, reason. */
async function showFinal() {
  const answer = await fetch(location.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  root().replaceWith(document.adoptNode(page.getElementById("version")));
  startTrying(texts);
}

async function look() {
  const answer = await fetch(root().dataset.apiUrl, { headers: { Accept: "application/json" } });
  if (!answer.ok) return answer.status === 404; // deleted meanwhile: nothing more to follow
  const version = await answer.json();
  version.steps.forEach(showStep);
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
startTrying(texts);
