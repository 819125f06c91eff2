/** Who is typing right now: a hint that ends by itself, or when a message of that person arrives. */
import { PAIR } from "./xinyu.js";

const SHOWN_MS = 4000;
const PEOPLE_MAX = 200;

export class Typing extends EventTarget {
  /** @param {import("./xinyu.js").XinYu} client */
  constructor(client) {
    super();
    this.timers = new Map();
    client.addEventListener("typing", ({ detail }) => this.seen(detail.user_id));
    client.addEventListener("change", ({ detail }) => {
      for (const [talkId, { sequences }] of detail.talks) {
        for (const sequence of sequences) {
          const record = client.replica.talks.get(talkId)?.records.get(sequence);
          if (record) this.ended(record.from_id);
        }
      }
    });
  }

  /** Typing is told in pairs only, by the peer's user id. */
  isTyping(row) {
    return row.talk_mode === PAIR && this.timers.has(row.to_from_id);
  }

  seen(userId) {
    if (!this.timers.has(userId) && this.timers.size >= PEOPLE_MAX) return;
    clearTimeout(this.timers.get(userId));
    this.timers.set(
      userId,
      setTimeout(() => this.ended(userId), SHOWN_MS),
    );
    this.dispatchEvent(new Event("change"));
  }

  ended(userId) {
    if (!this.timers.has(userId)) return;
    clearTimeout(this.timers.get(userId));
    this.timers.delete(userId);
    this.dispatchEvent(new Event("change"));
  }
}
