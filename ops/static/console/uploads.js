// Files on their way to the hub: read, sent in parts, paused, resumed.
//
// Uppy sends the parts; what it sends where is the API's to say. The hub alone knows which parts
// arrived, so that a file that is chosen again, here or on another machine, goes on from there.
import { createSHA256 } from "../vendor/uppy/sha256.js";
import { AwsS3, Uppy } from "../vendor/uppy/uppy.js";
import { HubError, call, patiently } from "./hub.js";

const PATH = "/api/v1/uploads/";
const OPEN = `${PATH}?state=open&page_size=100`;
const PARALLEL = 4; // parts on their way at the same time, of all files together
const SLICE = 4 * 1024 * 1024; // bytes read at a time
const WINDOW = 5000; // milliseconds over which the rate is taken
const MOST_UNFINISHED = 20;
const SILENT = { debug() {}, warn() {}, error() {} };

/** For Uppy: how long to wait before a part is sent again; a lost connection is never given up. */
const RETRIES = {
  * values() {
    yield* [500, 1000, 2000];
    while (true) yield 4000;
  },
};

/**
 * The files of one publication. Each of `items` has `name`, `size`, `sent`, `rate` (bytes a
 * second), `error`, and a `state`: reading, sending, paused, waiting (for the connection),
 * unfinished (its file is not here), done (`known` where nothing had to be sent), failed.
 * A `change` event follows every change.
 */
export class Uploads extends EventTarget {
  items = [];
  #partSizes = new WeakMap();
  #uppy = new Uppy({ logger: SILENT });

  constructor() {
    super();
    this.#uppy.use(AwsS3, {
      shouldUseMultipart: true,
      limit: PARALLEL,
      retryDelays: RETRIES,
      getChunkSize: (file) => this.#partSizes.get(file),
      createMultipartUpload: (file) => handle(this.#itemOf(file)),
      listParts: (file, { signal }) => this.#arrived(this.#itemOf(file), signal),
      signPart: (file, { partNumber, signal }) => this.#sign(this.#itemOf(file), partNumber, signal),
      uploadPartBytes: (part) => this.#send(part),
      completeMultipartUpload: (file, { parts, signal }) =>
        this.#complete(this.#itemOf(file), parts, signal),
      abortMultipartUpload: () => {}, // what failed can be taken up again; removing is `remove`'s
    });
    this.#uppy.on("upload-progress", (file, { bytesUploaded }) =>
      this.#progress(this.#itemOf(file), bytesUploaded));
    this.#uppy.on("upload-success", (file) => this.#done(this.#itemOf(file)));
    this.#uppy.on("upload-error", (file, error) => this.#fail(this.#itemOf(file), error));
    for (const name of ["offline", "online"]) {
      window.addEventListener(name, () => this.items.forEach((item) => this.#lost(item, name === "offline")));
    }
    setInterval(() => this.busy && this.#changed(), 1000); // a rate falls when nothing happens
  }

  get busy() {
    return this.items.some(({ state }) => ["reading", "sending", "waiting"].includes(state));
  }

  /** What has been chosen, without what an earlier visit left. */
  get chosen() {
    return this.items.filter(({ state }) => state !== "unfinished");
  }

  get complete() {
    return this.chosen.length > 0 && this.chosen.every(({ state }) => state === "done");
  }

  /** What has arrived, as `restore` takes it after a reload. */
  get arrived() {
    const done = this.chosen.filter(({ state }) => state === "done");
    return done.map(({ name, size, sha256, upload: { id } }) => ({ name, size, sha256, id }));
  }

  /** Show what arrived before a reload, as far as the hub still has it. */
  async restore(arrived) {
    for (const { id, ...file } of arrived) {
      const upload = await call("GET", `${PATH}${id}/`).catch(() => null);
      if (upload?.state !== "complete") continue;
      this.items.push({ ...file, ...fresh(), upload, state: "done", sent: file.size });
    }
    this.#changed();
  }

  /** Begin with files; one of the same name takes the other's place. */
  add(files) {
    for (const file of files) {
      const other = this.chosen.find(({ name }) => name === file.name);
      if (other) this.remove(other);
      const item = { name: file.name, size: file.size, file, ...fresh() };
      this.items.push(item);
      this.#start(item);
    }
    this.#changed();
  }

  pause(item) {
    if (item.state !== "paused") this.#uppy.pauseResume(item.id);
    this.#set(item, { state: "paused", history: [] });
  }

  resume(item) {
    this.#set(item, { state: "sending", history: [] });
    this.#uppy.pauseResume(item.id);
  }

  /** Try again what failed. */
  retry(item) {
    this.#forget(item);
    Object.assign(item, fresh(), { sha256: item.sha256 });
    this.#start(item);
  }

  /** Take a file off the list; what was sent of it is removed from the hub. */
  remove(item) {
    item.abort.abort();
    this.items = this.items.filter((other) => other !== item);
    this.#forget(item);
    if (item.upload) call("DELETE", `${PATH}${item.upload.id}/`).catch(() => {}); // it expires
    this.#changed();
  }

  /** Show what earlier visits left: whole files as done, others to be chosen again. */
  async recall() {
    const page = await call("GET", OPEN);
    for (const upload of page.results.slice(0, MOST_UNFINISHED)) {
      if (this.items.some((item) => item.upload?.id === upload.id)) continue;
      const { parts } = await call("GET", `${PATH}${upload.id}/`);
      const item = { name: upload.filename, size: upload.size, upload, ...fresh() };
      this.items.push(Object.assign(item, { state: "unfinished", sent: sum(parts) }));
    }
    this.#changed();
  }

  async #start(item) {
    try {
      item.sha256 ??= await this.#digest(item);
      item.upload = await this.#patiently(item, () => this.#begin(item), item.abort.signal);
    } catch (error) {
      if (!item.abort.signal.aborted) this.#fail(item, error);
      return;
    }
    if (item.abort.signal.aborted) return;
    if (item.upload.state === "complete") this.#done(item, true);
    else this.#handOver(item);
  }

  async #digest(item) {
    const hash = await createSHA256();
    for (let at = 0; at < item.size; at += SLICE) {
      item.abort.signal.throwIfAborted();
      hash.update(new Uint8Array(await item.file.slice(at, at + SLICE).arrayBuffer()));
      this.#set(item, { read: Math.min(at + SLICE, item.size) });
    }
    return hash.digest("hex");
  }

  /** The upload of this content that is open already, or a new one. */
  async #begin(item) {
    const { signal } = item.abort;
    const page = await call("GET", OPEN, null, signal);
    const taken = new Set(this.chosen.map(({ upload }) => upload?.id));
    const open = page.results.find((upload) =>
      upload.sha256 === item.sha256 && upload.size === item.size && !taken.has(upload.id));
    if (!open) {
      const wanted = { filename: item.name, size: item.size, sha256: item.sha256 };
      return call("POST", PATH, wanted, signal);
    }
    this.items = this.items.filter((other) => other.state !== "unfinished" || other.upload.id !== open.id);
    return open;
  }

  #handOver(item) {
    this.#partSizes.set(item.file, item.upload.part_size);
    item.id = this.#uppy.addFile({ name: item.name, data: item.file });
    this.#uppy.setFileState(item.id, { s3Multipart: handle(item) });
    this.#set(item, { state: "sending" });
    this.#uppy.upload().catch(() => {}); // told by `upload-error`
  }

  async #arrived(item, signal) {
    const { parts } = await this.#patiently(
      item, () => call("GET", `${PATH}${item.upload.id}/`, null, signal), signal);
    this.#set(item, { sent: sum(parts) });
    return parts.map(({ number, size, etag }) => ({ PartNumber: number, Size: size, ETag: etag }));
  }

  async #sign(item, number, signal) {
    const path = `${PATH}${item.upload.id}/parts/`;
    try {
      const { parts } = await this.#patiently(
        item, () => call("POST", path, { numbers: [number] }, signal), signal);
      return { method: "PUT", url: parts[0].url, headers: parts[0].headers, item };
    } catch (error) {
      // Uppy would ask for ever; what the hub refuses ends the file's way.
      if (error instanceof HubError && !signal.aborted) {
        this.#uppy.pauseResume(item.id);
        this.#fail(item, error);
      }
      throw error;
    }
  }

  async #send(part) {
    const { item } = part.signature;
    try {
      const sent = await AwsS3.uploadPartBytes(part);
      this.#lost(item, false);
      return sent;
    } catch (error) {
      if (!part.signal.aborted && !error.source?.status) this.#lost(item, true);
      throw error;
    }
  }

  #complete(item, parts, signal) {
    const sent = parts.map(({ PartNumber, ETag }) => ({ number: PartNumber, etag: ETag }));
    const path = `${PATH}${item.upload.id}/complete/`;
    return this.#patiently(item, () => call("POST", path, { parts: sent }, signal), signal);
  }

  #patiently(item, work, signal) {
    return patiently(work, { signal, lost: (away) => this.#lost(item, away) });
  }

  #lost(item, away) {
    if (away && ["sending", "reading"].includes(item.state)) this.#set(item, { state: "waiting" });
    if (!away && item.state === "waiting" && navigator.onLine) {
      this.#set(item, { state: item.id ? "sending" : "reading", history: [] });
    }
  }

  #progress(item, sent) {
    const now = performance.now();
    const history = [...item.history.filter(([at]) => now - at < WINDOW), [now, sent]];
    this.#set(item, { sent, history });
  }

  #done(item, known = false) {
    this.#set(item, { state: "done", sent: item.size, known });
  }

  #fail(item, error) {
    const message = error instanceof HubError ? error.message : "";
    this.#set(item, { state: "failed", error: message });
  }

  #forget(item) {
    if (item.id && this.#uppy.getFile(item.id)) this.#uppy.removeFile(item.id);
    item.id = null;
  }

  #set(item, values) {
    Object.assign(item, values);
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  #itemOf(file) {
    return this.items.find(({ id }) => id === file.id) ?? fresh(); // removed meanwhile
  }
}

/** Bytes a second over the last seconds, and the seconds that are left; null where unknown. */
export function pace({ history, size, sent }) {
  const [first] = history;
  const seconds = first ? (performance.now() - first[0]) / 1000 : 0;
  const rate = seconds > 0.3 ? Math.max(sent - first[1], 0) / seconds : null;
  return { rate, left: rate ? (size - sent) / rate : null };
}

const fresh = () => ({
  state: "reading", read: 0, sent: 0, history: [], error: "", known: false, id: null,
  abort: new AbortController(),
});
const handle = ({ upload }) => ({ uploadId: upload.id, key: upload.id });
const sum = (parts) => parts.reduce((total, { size }) => total + size, 0);
