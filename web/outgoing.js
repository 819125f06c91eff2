/**
 * Messages that the user has sent and the server has not yet acknowledged.
 *
 * - A message gets its msg_id once, when the user presses Enter, and is stored before anything is sent: it survives a
 *   reload, and is repeated with the same msg_id until the server answers, so it arrives exactly once.
 * - One message of a talk is in flight at a time: they arrive in the order in which they were written.
 * - A temporary failure (no connection, deadline, 429, 5xx) is repeated; a refusal marks the message as failed until
 *   the user retries or discards it, and so does a wait that the server asks for and that nobody would sit through.
 * - At most 200 wait; then `add` refuses, and the text stays in the editor.
 */
import { backoffDelay } from "./backoff.js";

const QUEUE_MAX = 200;
const RETRY_MAX_MS = 15_000;
const SERVER_ERRORS_MAX = 6;
const ASKED_WAIT_MAX_MS = 30_000;

export class Outgoing {
  /**
   * @param {object} options
   * @param {Storage} options.storage
   * @param {string} options.key
   * @param {(entry: object) => Promise<object>} options.send resolves to the Record, rejects with ApiError
   * @param {(talkId: number) => void} options.onChange
   */
  constructor({ storage, key, send, onChange }) {
    this.storage = storage;
    this.key = key;
    this.send = send;
    this.onChange = onChange;
    this.busyTalks = new Set();
    this.online = false;
    this.entries = this.restore();
  }

  restore() {
    try {
      const entries = JSON.parse(this.storage.getItem(this.key) ?? "[]");
      return Array.isArray(entries) ? entries.filter(({ state }) => state !== "sent") : [];
    } catch {
      return [];
    }
  }

  store() {
    try {
      this.storage.setItem(this.key, JSON.stringify(this.entries));
    } catch (error) {
      console.warn("the outgoing queue cannot be stored:", error); // storage full: it goes on in memory
    }
  }

  /** Queues a message; `shown` is what it looks like until the server says. Returns false when too many wait already. */
  add({ talk_id, talk_mode, to_from_id, type, body, quote_id = "", shown = body }) {
    if (this.entries.length >= QUEUE_MAX) return false;
    const entry = { msg_id: newMsgId(), talk_id, talk_mode, to_from_id, type, body, quote_id, shown };
    this.entries.push({ ...entry, state: "sending", reason: "", message: "", created_at_ms: Date.now() });
    this.changed(talk_id);
    this.pump(talk_id);
    return true;
  }

  of(talkId) {
    return this.entries.filter((entry) => entry.talk_id === talkId);
  }

  retry(msgId) {
    const entry = this.find(msgId);
    if (entry?.state !== "failed") return;
    Object.assign(entry, { state: "sending", reason: "", message: "" });
    this.changed(entry.talk_id);
    this.pump(entry.talk_id);
  }

  /** Forgets a message: the user discards it, or it was seen among the talk's records. */
  remove(msgId) {
    const entry = this.find(msgId);
    if (!entry) return;
    this.entries.splice(this.entries.indexOf(entry), 1);
    this.changed(entry.talk_id);
  }

  find(msgId) {
    return this.entries.find((entry) => entry.msg_id === msgId);
  }

  setOnline(online) {
    this.online = online;
    if (online) for (const talkId of new Set(this.entries.map((entry) => entry.talk_id))) this.pump(talkId);
  }

  /** Sends what waits in one talk, in order, until there is nothing left or the connection is gone. */
  async pump(talkId) {
    if (this.busyTalks.has(talkId)) return;
    this.busyTalks.add(talkId);
    try {
      let failures = 0;
      while (this.online) {
        const entry = this.entries.find(({ talk_id, state }) => talk_id === talkId && state === "sending");
        if (!entry) break;
        try {
          const record = await this.send(entry);
          failures = 0;
          if (record.sequence > 0) this.acknowledge(entry, record.sequence);
          else this.fail(entry, record.reason ?? "undelivered", "");
        } catch (error) {
          const isServerError = error.status >= 500;
          const isTooLong = error.retryAfterMs > ASKED_WAIT_MAX_MS;
          if (error.isTemporary && !isTooLong && !(isServerError && failures >= SERVER_ERRORS_MAX)) {
            await sleep(Math.max(error.retryAfterMs ?? 0, 100 + backoffDelay(failures, RETRY_MAX_MS)));
            failures += 1;
          } else {
            failures = 0;
            this.fail(entry, error.reason ?? "", error.message);
          }
        }
      }
    } finally {
      this.busyTalks.delete(talkId);
    }
  }

  /** Stored by the server; it stays in view here until the talk's own records reach it. */
  acknowledge(entry, sequence) {
    if (!this.find(entry.msg_id)) return;
    Object.assign(entry, { state: "sent", sequence });
    this.changed(entry.talk_id);
  }

  fail(entry, reason, message) {
    if (!this.find(entry.msg_id)) return;
    Object.assign(entry, { state: "failed", reason, message });
    this.changed(entry.talk_id);
  }

  changed(talkId) {
    this.store();
    this.onChange(talkId);
  }

  clear() {
    this.entries = [];
    this.storage.removeItem(this.key);
  }
}

/** 32 hex digits, as random as the browser can. */
function newMsgId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
