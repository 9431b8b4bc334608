// A batch job's page: follows the job by the hub's events, until it is over.
import { time } from "./time.js";

const AGAIN = 4000; // milliseconds after which a stream that the browser gave up is asked for again
const texts = JSON.parse(document.getElementById("batch-texts").textContent);
const root = () => document.getElementById("batch");
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

/** Put the server's whole page in place of what was followed: other buttons, the output. */
async function showAnew() {
  const answer = await fetch(location.href);
  if (!answer.ok) throw new Error(String(answer.status));
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  root().replaceWith(document.adoptNode(page.getElementById("batch")));
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
}

function follow() {
  const events = new EventSource(root().dataset.eventsUrl);
  const again = () => {
    events.close();
    setTimeout(follow, AGAIN);
  };
  events.addEventListener("progress", async (event) => {
    try {
      await told(event);
    } catch {
      again(); // the page could not be loaded: the next stream begins with where the job is then
      return;
    }
    if (root().dataset.live === "false") events.close();
  });
  // A browser asks again where a stream ended, but not where the hub or a proxy answered an error.
  events.addEventListener("error", () => events.readyState === EventSource.CLOSED && again());
}

if (root().dataset.live === "true") follow();
