// Calls to the hub's API, with the session for their credential.

const TRY_AGAIN = [500, 1000, 2000, 4000]; // milliseconds, the last one for good
const PASSING = new Set([502, 503, 504]); // the hub restarts, or its storage is away

/** What the hub said no to; `problem` is its answer, `{detail, errors}` where it gave one. */
export class HubError extends Error {
  constructor(status, problem, fallback) {
    const errors = (problem.errors ?? []).map((error) => error.detail);
    super([problem.detail ?? fallback.replace("{status}", status), ...errors].join(" "));
    Object.assign(this, { status, problem });
  }
}

export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

let texts = { failed: "{status}" };

/** Say what is shown where an answer has no words of its own: `{failed}`. */
export function useTexts(given) {
  texts = given;
}

/** The answer as JSON, null where it has no body; raises `HubError`, or `TypeError` without one. */
export async function call(method, path, body, signal) {
  const headers = { Accept: "application/json", "X-CSRFToken": token() };
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal });
  // A proxy in between answers in HTML: its status is all there is to tell.
  const told = await answer.json().catch(() => null);
  if (!answer.ok) throw new HubError(answer.status, told ?? {}, texts.failed);
  return told;
}

/** Do it until the hub answers; `lost(true)` and `lost(false)` tell when it does not, and does again. */
export async function patiently(work, { signal, lost }) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const done = await work();
      if (attempt) lost(false);
      return done;
    } catch (error) {
      if (signal?.aborted || !passes(error)) throw error;
      lost(true);
      await pause(TRY_AGAIN[Math.min(attempt, TRY_AGAIN.length - 1)], signal);
    }
  }
}

const passes = (error) => error instanceof TypeError || PASSING.has(error.status);

/** Wait, but no longer than until the network is back. */
function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      window.removeEventListener("online", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    window.addEventListener("online", end);
    signal?.addEventListener("abort", end, { once: true });
  });
}

const token = () => document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
