/**
 * Which friends are online. A subscription is the connection's, so it is made again after each reconnect, and when the
 * friends change; strangers are not told about.
 */
import { PAIR } from "./xinyu.js";

const FOLLOWED_MAX = 500;

export class Presence extends EventTarget {
  /** @param {import("./xinyu.js").XinYu} client */
  constructor(client) {
    super();
    this.client = client;
    this.followed = new Set();
    this.seen = new Map();
    client.addEventListener("presence", ({ detail }) => this.learn([detail]));
    client.addEventListener("change", ({ detail }) => {
      if (detail.all || detail.rows.has("contact")) this.follow();
    });
    client.addEventListener("connection", ({ detail }) => {
      this.followed.clear();
      if (detail.name === "connected") this.follow();
      else if (this.seen.size) {
        this.seen.clear(); // what is not heard is not known
        this.dispatchEvent(new Event("change"));
      }
    });
  }

  /** {online, last_seen_ms} of the other one of a pair, where it is known. */
  of(row) {
    return row.talk_mode === PAIR ? this.seen.get(row.to_from_id) : undefined;
  }

  isOnline(row) {
    return this.of(row)?.online === true;
  }

  async follow() {
    if (this.client.connection.state.name !== "connected") return;
    const wanted = this.client
      .friends()
      .map((friend) => friend.user_id)
      .slice(0, FOLLOWED_MAX);
    const added = wanted.filter((id) => !this.followed.has(id));
    const dropped = [...this.followed].filter((id) => !wanted.includes(id));
    this.followed = new Set(wanted);
    try {
      if (dropped.length) await this.client.connection.request("presence.unsubscribe", { user_ids: dropped });
      if (added.length) this.learn((await this.client.connection.request("presence.subscribe", { user_ids: added })).users);
    } catch (error) {
      for (const id of added) this.followed.delete(id); // the next connection or change asks again
      console.warn("presence not known:", error.message);
    }
    for (const id of dropped) this.seen.delete(id);
  }

  learn(users) {
    for (const { user_id: id, online, last_seen_ms: lastSeenMs } of users) {
      if (this.followed.has(id)) this.seen.set(id, { online, last_seen_ms: lastSeenMs });
    }
    this.dispatchEvent(new Event("change"));
  }
}
