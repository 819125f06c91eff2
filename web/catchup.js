/**
 * Keeps a replica level with the server over one connection: sync, ranges and rosters.
 *
 * - One sync at a time. What arrives meanwhile waits for its end; what has waited for a whole sync and still does not
 *   fit is dropped; a gap starts a sync and waits. Another epoch empties the buffer.
 * - A range or roster answer below the cursors is asked again.
 * - Every 15 minutes, with jitter, a sync notices a lost last push.
 * - The buffer is bounded: what does not fit in it is dropped, and one more sync makes up for it.
 */
import { backoffDelay } from "./backoff.js";
import { missingRanges } from "./ranges.js";
import { APPLIED, GAP, OLD } from "./replica.js";

const BUFFER_EVENTS = 2000;
const PAGES_MAX = 1000;
const SYNC_EVERY_MS = 15 * 60_000;
const RANGE_NUMBERS_MAX = 200;
const ASK_AGAIN_MAX = 8;

export class Catchup {
  /**
   * @param {import("./replica.js").Replica} replica
   * @param {(event: string, payload: object) => Promise<object>} request answers or rejects within its own deadline
   * @param {() => void} onChange called after the replica may have changed
   * @param {(ms: number) => Promise<void>} pause what passes before a failed sync is asked again
   */
  constructor(replica, request, onChange, pause = sleep) {
    this.replica = replica;
    this.request = request;
    this.onChange = onChange;
    this.pause = pause;
    this.generation = 0;
    this.disconnected();
  }

  connected(epoch) {
    this.disconnected();
    this.online = true;
    this.epoch = epoch;
    this.start();
  }

  disconnected() {
    this.generation += 1;
    this.online = false;
    this.syncing = false;
    this.wanted = false;
    this.buffer = [];
    this.filling = new Map();
    clearTimeout(this.timer);
  }

  receive(event, payload) {
    if (this.syncing) {
      this.keep(event, payload);
      return;
    }
    const result = this.replica.apply(event, payload);
    if (result === GAP) {
      this.keep(event, payload);
      this.start();
    } else if (result === APPLIED && this.replica.needsSync) {
      this.start();
    }
    this.onChange();
  }

  /** True when this connection has been synced and nothing waits. */
  get isLevel() {
    return this.online && !this.syncing;
  }

  keep(event, payload) {
    if (this.buffer.length < BUFFER_EVENTS) this.buffer.push({ event, payload });
    else this.wanted = true;
  }

  /** Starts a sync, or asks the running one to be followed by another. */
  start() {
    if (!this.online) return;
    if (this.syncing) {
      this.wanted = true;
      return;
    }
    this.syncing = true;
    this.run(this.generation).catch((error) => console.error("sync", error));
  }

  async run(generation) {
    let waited = new Set(this.buffer);
    const { replica } = this;
    this.wanted = false;
    replica.needsSync = false;
    let next;
    let failures = 0;
    for (let page = 0; page < PAGES_MAX; page += 1) {
      let answer;
      try {
        answer = await this.request("sync", replica.syncRequest(next));
        if (this.generation !== generation) return;
        replica.applySync(answer);
        if (answer.epoch !== this.epoch) {
          this.epoch = answer.epoch; // what waits was numbered in another epoch
          this.buffer = [];
          this.wanted = true;
        }
      } catch (error) {
        if (this.generation !== generation) return;
        console.warn("sync failed, asking again:", error.message);
        await this.pause(Math.max(error.retryAfterMs ?? 0, 200 + backoffDelay(failures, 30_000)));
        if (this.generation !== generation) return;
        failures += 1;
        next = undefined;
        waited = new Set(this.buffer);
        continue;
      }
      this.onChange();
      next = answer.next;
      if (next === undefined || next === null) break;
    }
    this.syncing = false;
    this.drain(waited);
    this.onChange();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.start(), SYNC_EVERY_MS * (0.8 + 0.4 * Math.random()));
    if (this.buffer.length || this.wanted || replica.needsSync) this.start();
  }

  /** Applies what waited, again and again while something moves; drops what had waited before this sync began. */
  drain(waited) {
    let moved = true;
    while (moved) {
      moved = false;
      const left = [];
      for (const entry of this.buffer) {
        const result = this.replica.apply(entry.event, entry.payload);
        if (result === GAP) left.push(entry);
        else if (result === APPLIED) moved = true;
      }
      this.buffer = left;
    }
    this.buffer = this.buffer.filter((entry) => !waited.has(entry));
  }

  /**
   * Fetches what is missing of a talk between `lowest` and `highest` (its newest number), newest first.
   * Resolves to true when nothing is missing any more. Calls for one talk run one after another.
   */
  async fill(talkId, lowest, highest = Infinity) {
    const generation = this.generation;
    const before = this.filling.get(talkId) ?? Promise.resolve();
    const mine = before.then(() => this.fillNow(talkId, lowest, highest, generation));
    this.filling.set(talkId, mine.catch(() => false));
    return mine;
  }

  async fillNow(talkId, lowest, highest, generation) {
    for (let turn = 0; turn < ASK_AGAIN_MAX; turn += 1) {
      const missing = this.replica.missing(talkId, lowest, highest);
      const talk = this.replica.talks.get(talkId);
      if (!missing.length || !talk) return Boolean(talk);
      if (!this.online || this.generation !== generation) return false;
      const to = missing[missing.length - 1][1];
      const from = Math.max(missing[missing.length - 1][0], to - RANGE_NUMBERS_MAX + 1);
      const epoch = this.replica.epoch;
      const answer = await this.request("im.message.range", { talk_id: talkId, from, to });
      if (this.generation !== generation) return false;
      const result = this.replica.applyRange(talk, epoch, from, to, answer);
      if (result === GAP) return false;
      this.onChange();
      if (result === APPLIED) {
        if (missingRanges(talk.held, from, to).length) return false; // an answer that leaves holes will not fill them later
        turn = -1; // only answers that are too old are counted
      }
    }
    return false;
  }

  /** Loads or refreshes the roster of a talk, if its cursor is behind. */
  async loadRoster(talkId) {
    const generation = this.generation;
    for (let turn = 0; turn < ASK_AGAIN_MAX; turn += 1) {
      const talk = this.replica.talks.get(talkId);
      if (!talk || !this.online || this.generation !== generation) return;
      if (talk.roster && talk.roster_change >= talk.change) return;
      const epoch = this.replica.epoch;
      const change = talk.roster ? talk.roster_change : 0;
      const answer = await this.request("im.talk.members", { talk_id: talkId, change });
      if (this.generation !== generation) return;
      const result = this.replica.applyRoster(talk, epoch, answer);
      this.onChange();
      if (result !== OLD) return;
      if (answer.change > change) turn = -1; // a page of a large group's; only answers that are too old are counted
    }
  }
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
