// The DVC part of a version's page: asks the hub for the pointers when it is opened.
import { call } from "./hub.js";

const LINES = 8; // files shown by themselves; more than these have their directory

function block(list, title, content) {
  const part = list.querySelector("template").content.cloneNode(true);
  part.querySelector("p").textContent = title;
  part.querySelector("pre").textContent = content;
  list.append(part);
}

async function fill(section) {
  const list = section.querySelector("[data-dvc-list]");
  const { remote, files, directory } = await call("GET", section.dataset.url);
  block(list, ".dvc/config", remote.config);
  for (const { path, content } of [...(directory ? [directory] : []), ...files.slice(0, LINES)]) {
    block(list, path, content);
  }
}

// Not every opening bubbles, and a page that follows its version replaces its sections.
document.addEventListener("toggle", async ({ target }) => {
  if (!target.open || !target.dataset?.url || target.dataset.filled) return;
  target.dataset.filled = "true";
  const problem = target.querySelector("[role=alert]");
  try {
    await fill(target);
    problem.hidden = true;
  } catch (error) {
    delete target.dataset.filled;
    problem.textContent = error.message;
    problem.hidden = false;
  }
}, true);
