// How files on their way are shown: a line each, with what can be done about it.
import { fill } from "./hub.js";
import { time } from "./time.js";
import { pace } from "./uploads.js";

const ICONS = {
  reading: "manage_search", sending: "upload", waiting: "cloud_off", paused: "pause_circle",
  unfinished: "history", done: "check_circle", failed: "error",
};

/** Keep `list` as `uploads` is; `texts` are the words. */
export function showUploads(uploads, list, texts) {
  const lines = new Map();
  const show = () => {
    for (const [item, line] of lines) {
      if (!uploads.items.includes(item)) {
        line.remove();
        lines.delete(item);
      }
    }
    for (const item of uploads.items) {
      if (!lines.has(item)) lines.set(item, list.appendChild(newLine(uploads, item, texts)));
      update(lines.get(item), item, texts);
      lines.get(item).hidden = item.state === "unfinished" && uploads.items.some(isReading(item));
    }
    list.hidden = !uploads.items.length;
  };
  let waiting = false;
  uploads.addEventListener("change", () => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => { waiting = false; show(); }, 60); // a hidden tab gets no animation frames
  });
  show();
}

/** Whether another line is reading what may be this one's file. */
const isReading = ({ name, size }) => (other) =>
  other.state === "reading" && other.name === name && other.size === size;

/** 2.4 GB */
export function size(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) [bytes, unit] = [bytes / 1000, unit + 1];
  return `${bytes.toFixed(unit ? 1 : 0)} ${units[unit]}`;
}

function newLine(uploads, item, texts) {
  const line = document.createElement("li");
  line.className = "hub-upload";
  line.innerHTML = `
    <span class="material-symbols-outlined" aria-hidden="true"></span>
    <div class="hub-upload-name"><b></b><span></span></div>
    <div class="hub-actions"></div>
    <div class="hub-bar" role="progressbar" aria-valuemin="0" aria-valuemax="100"></div>
    <p class="hub-hint"></p>`;
  line.querySelector("b").textContent = item.name;
  line.querySelector(".hub-upload-name span").textContent = size(item.size);
  line.querySelector(".hub-bar").setAttribute("aria-label", item.name);
  line.querySelector(".hub-actions").append(...buttons(uploads, item, texts));
  return line;
}

function buttons(uploads, item, texts) {
  const button = (name, icon, act) => {
    const made = document.createElement("button");
    const label = fill(texts[name], { name: item.name });
    Object.assign(made, { type: "button", className: "hub-button hub-quiet hub-small", title: label, ariaLabel: label });
    made.dataset.act = name;
    made.innerHTML = `<span class="material-symbols-outlined" aria-hidden="true">${icon}</span>`;
    made.addEventListener("click", act);
    return made;
  };
  return [
    button("pause", "pause", () => uploads.pause(item)),
    button("resume", "play_arrow", () => uploads.resume(item)),
    button("retry", "refresh", () => uploads.retry(item)),
    button("remove", "close", () => uploads.remove(item)),
  ];
}

const SHOWN = { pause: ["sending", "waiting"], resume: ["paused"], retry: ["failed"] };

function update(line, item, texts) {
  line.dataset.state = item.state;
  line.querySelector(".material-symbols-outlined").textContent = ICONS[item.state];
  const bytes = item.state === "reading" ? item.read : item.sent;
  const percent = item.size ? Math.floor((bytes / item.size) * 100) : 0;
  const bar = line.querySelector(".hub-bar");
  bar.setAttribute("aria-valuenow", percent);
  bar.style.setProperty("--done", `${percent}%`);
  line.querySelector(".hub-hint").textContent = words(item, percent, texts);
  for (const [act, states] of Object.entries(SHOWN)) {
    line.querySelector(`[data-act=${act}]`).hidden = !states.includes(item.state);
  }
}

function words(item, percent, texts) {
  if (item.state === "failed") return item.error || texts.unreadable;
  if (item.state === "done") return item.known ? texts.known : texts.done;
  const values = { percent, done: size(item.sent), total: size(item.size) };
  if (item.state !== "sending") return fill(texts[item.state], values);
  const { rate, left } = pace(item);
  const parts = [fill(texts.sending, values)];
  if (rate) parts.push(fill(texts.rate, { rate: size(rate) }), time(left, texts));
  return parts.join(" · ");
}
