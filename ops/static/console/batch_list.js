// The list of batch jobs: while the page is open, rows that go on are shown as they go.
const EVERY = 3000; // milliseconds
const CELLS = ".field-show_state, .field-show_progress"; // no links: nobody's focus is in them

const going = () => [...document.querySelectorAll('#result_list [data-going="true"]')];
const rowOf = (page, job) => page.querySelector(`#result_list [data-job="${job}"]`)?.closest("tr");

function showRow(row, now) {
  const cells = now.querySelectorAll(CELLS);
  row.querySelectorAll(CELLS).forEach((cell, at) => cell.replaceChildren(...cells[at].childNodes));
}

async function look() {
  const answer = await fetch(location.href);
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const mark of going()) {
    const now = rowOf(page, mark.dataset.job);
    if (now) showRow(mark.closest("tr"), now);
  }
  document.getElementById("batch-before").replaceChildren(...page.getElementById("batch-before").childNodes);
}

async function follow() {
  if (!going().length) return;
  try {
    if (!document.hidden) await look();
  } catch {
    // The hub restarts, or the network is away: look again.
  }
  setTimeout(follow, EVERY);
}

setTimeout(follow, EVERY);
