/**
 * Files that the user has picked and that are on their way to the server; each becomes a message when it is there.
 *
 * - One at a time, in the order in which they were picked. A picture goes as a whole, a file in parts.
 * - A temporary failure of a part is repeated; after a refusal, or too many failures, the user retries or discards. A
 *   retry of a file goes on with the first part that is missing.
 * - What is here lives as long as the page: a browser gives a file back only to who picks it again.
 */
import { backoffDelay } from "./backoff.js";

const WAITING_MAX = 20;
const TRIES_MAX = 6;
const RETRY_MAX_MS = 8_000;
const SIZE_IN_ADDRESS = /_(\d+)x(\d+)\.\w+$/;

export class Uploads {
  /**
   * @param {object} options
   * @param {(path: string, body: object) => Promise<object>} options.call
   * @param {(path: string, file: Blob, name: string, fields: object, onProgress: (bytes: number) => void, signal: AbortSignal) => Promise<object>} options.callForm
   * @param {(entry: object, type: string, body: object) => boolean} options.onDone sends the message; false = no room
   * @param {(talkId: number) => void} options.onChange
   */
  constructor({ call, callForm, onDone, onChange }) {
    this.call = call;
    this.callForm = callForm;
    this.onDone = onDone;
    this.onChange = onChange;
    this.entries = [];
    this.lastId = 0;
    this.running = null;
  }

  /** Queues a file. `kind` is "picture" or "file". Returns false when too many wait already. */
  add({ talk_id, talk_mode, to_from_id }, file, kind) {
    if (this.entries.length >= WAITING_MAX) return false;
    this.lastId += 1;
    const entry = { id: `upload-${this.lastId}`, talk_id, talk_mode, to_from_id, file, kind, name: file.name, size: file.size };
    this.entries.push({ ...entry, state: "sending", message: "", percent: 0, upload_id: "", next: 1, abort: null, created_at_ms: Date.now() });
    this.changed(talk_id);
    this.pump();
    return true;
  }

  of(talkId) {
    return this.entries.filter((entry) => entry.talk_id === talkId);
  }

  retry(id) {
    const entry = this.entries.find((each) => each.id === id);
    if (entry?.state !== "failed") return;
    Object.assign(entry, { state: "sending", message: "" });
    this.changed(entry.talk_id);
    this.pump();
  }

  /** Forgets a file, and stops it when it is under way. */
  remove(id) {
    const entry = this.entries.find((each) => each.id === id);
    if (!entry) return;
    this.entries.splice(this.entries.indexOf(entry), 1);
    entry.abort?.abort();
    this.changed(entry.talk_id);
  }

  stop() {
    for (const { id } of [...this.entries]) this.remove(id);
  }

  async pump() {
    if (this.running) return;
    while ((this.running = this.entries.find(({ state }) => state === "sending"))) await this.run(this.running);
  }

  async run(entry) {
    entry.abort = new AbortController();
    try {
      const [type, body] = entry.kind === "picture" ? await this.sendPicture(entry) : await this.sendFile(entry);
      if (!this.entries.includes(entry)) return;
      if (this.onDone(entry, type, body)) this.remove(entry.id);
      else Object.assign(entry, { state: "failed", message: "" });
    } catch (error) {
      if (error.reason === "unknown_upload") Object.assign(entry, { upload_id: "", next: 1 }); // expired: from the start
      Object.assign(entry, { state: "failed", message: error.message });
    }
    this.changed(entry.talk_id);
  }

  async sendPicture(entry) {
    const { src } = await this.form(entry, "upload/media-file", entry.file, {}, 0);
    const [, width = 0, height = 0] = SIZE_IN_ADDRESS.exec(src) ?? [];
    return ["image", { url: src, width: Number(width), height: Number(height), size: entry.size, name: entry.name.slice(0, 255) }];
  }

  async sendFile(entry) {
    if (!entry.upload_id) {
      const begun = await this.again(entry, () => this.call("upload/init-multipart", { file_name: entry.name, file_size: entry.size }));
      Object.assign(entry, { upload_id: begun.upload_id, shard_size: begun.shard_size });
    }
    const count = Math.ceil(entry.size / entry.shard_size);
    while (entry.next <= count) {
      const start = (entry.next - 1) * entry.shard_size;
      const part = entry.file.slice(start, start + entry.shard_size);
      const fields = { upload_id: entry.upload_id, split_index: entry.next, split_num: count };
      await this.form(entry, "upload/multipart", part, fields, start);
      entry.next += 1;
    }
    return ["file", { upload_id: entry.upload_id }];
  }

  form(entry, path, blob, fields, start) {
    const told = (bytes) => {
      const percent = Math.min(100, Math.floor((100 * (start + bytes)) / (entry.size || 1)));
      if (percent === entry.percent) return;
      entry.percent = percent;
      this.changed(entry.talk_id);
    };
    return this.again(entry, () => this.callForm(path, blob, entry.name, fields, told, entry.abort.signal));
  }

  async again(entry, attempt) {
    for (let failures = 0; ; failures += 1) {
      try {
        return await attempt();
      } catch (error) {
        if (!error.isTemporary || failures + 1 >= TRIES_MAX || entry.abort.signal.aborted) throw error;
        await new Promise((resolve) => setTimeout(resolve, Math.max(error.retryAfterMs ?? 0, 100 + backoffDelay(failures, RETRY_MAX_MS))));
      }
    }
  }

  changed(talkId) {
    this.onChange(talkId);
  }
}
