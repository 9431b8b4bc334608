// A batch job's page: follows the job by the hub's events, until it is over.
import { fill } from "./hub.js";
import { Said } from "./said.js";
import { time } from "./time.js";

const AGAIN = 4000; // milliseconds after which a stream that the browser gave up is asked for again
const texts = JSON.parse(document.getElementById("batch-texts").textContent);
const root = () => document.getElementById("batch");
const said = new Said(document.getElementById("batch-said"));
const whole = new Intl.NumberFormat(document.documentElement.lang);
const number = (digits) => new Intl.NumberFormat(document.documentElement.lang, {
  minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false,
});

function showCount(name, text) {
  const place = root().querySelector(`[data-count="${name}"]`);
  if (place) place.textContent = text;
}

function showProgress(job) {
  const bar = root().querySelector(".hub-rows");
  const share = (rows) => (job.total ? (100 * rows) / job.total : 0);
  bar.style.setProperty("--done", `${share(job.done)}%`);
  bar.style.setProperty("--failed", `${share(job.failed)}%`);
  bar.setAttribute("aria-valuenow", Math.floor(share(job.done + job.failed)));
  for (const name of ["done", "failed", "chunks", "chunks_done"]) showCount(name, whole.format(job[name]));
  showCount("left", job.total === null ? "–" : whole.format(job.total - job.done - job.failed));
  showCount("rate", job.rate === null ? "–" : number(job.rate < 100 ? 1 : 0).format(job.rate));
  showCount("eta", job.eta_seconds === null ? "–" : time(job.eta_seconds, texts));
}

/** Say that no worker is there, or that one is again. */
function showStalled(reason) {
  document.getElementById("stalled").hidden = !reason;
  document.getElementById("stalled-text").textContent = reason ?? "";
}

/** Say each quarter of the rows. */
function sayProgress(job) {
  const percent = job.total ? Math.floor((100 * (job.done + job.failed)) / job.total) : 0;
  if (percent >= 25) said.say(Math.floor(percent / 25), fill(texts.percentDone, { percent }));
}

/**
 * Put the server's whole page in place of what was followed: other buttons, the output. Who was in
 * it with the keyboard stays where they were, or comes to its heading.
 */
async function showAnew() {
  const answer = await fetch(location.href);
  if (!answer.ok) throw new Error(String(answer.status));
  if (answer.redirected) return location.reload(); // to sign in again
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const now = document.adoptNode(page.getElementById("batch"));
  const held = root().contains(document.activeElement) ? document.activeElement.id : null;
  root().replaceWith(now);
  if (held !== null) (document.getElementById(held) ?? now.querySelector("h2")).focus();
  said.say(now.dataset.state, now.querySelector(".hub-head .hub-badge").textContent);
}

/** Whether the page shows other things now: another state, or what the first rows showed. */
function isOther(job) {
  const { state, known } = root().dataset;
  return job.state !== state || (known === "false" && job.chunks > 0);
}

async function told(event) {
  const job = JSON.parse(event.data);
  showStalled(job.stalled);
  showProgress(job);
  if (isOther(job)) await showAnew();
  else sayProgress(job);
}

function follow() {
  const events = new EventSource(root().dataset.eventsUrl);
  const again = () => {
    events.close();
    setTimeout(lookAgain, AGAIN);
  };
  events.addEventListener("progress", async (event) => {
    try {
      await told(event);
    } catch {
      again();
      return;
    }
    if (root().dataset.live === "false") events.close();
  });
  // A browser asks again where a stream ended, but not where the hub or a proxy answered an error.
  events.addEventListener("error", () => events.readyState === EventSource.CLOSED && again());
}

/** After a stream that failed: the page itself says where the job is, or that one has to sign in. */
async function lookAgain() {
  try {
    await showAnew();
  } catch {
    // The hub restarts, or the network is away: the next stream finds out.
  }
  if (root().dataset.live === "true") follow();
}

if (root().dataset.live === "true") follow();
