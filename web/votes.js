/**
 * Votes as last seen, by vote_id. A message names only the vote; what it asks and how it stands is asked for when it
 * comes into view, and again when its message was told anew or the connection was made anew.
 */
import { bodyOf, VOTE } from "./message-content.js";

const HELD_MAX = 500;

export class Votes extends EventTarget {
  /** @param {import("./xinyu.js").XinYu} client */
  constructor(client) {
    super();
    this.client = client;
    this.known = new Map();
    client.addEventListener("change", ({ detail }) => {
      for (const [talkId, { sequences }] of detail.talks) {
        for (const sequence of sequences) this.told(client.replica.talks.get(talkId)?.records.get(sequence));
      }
    });
    client.addEventListener("connection", ({ detail }) => {
      if (detail.name === "connected") for (const entry of this.known.values()) entry.isOld = true;
    });
  }

  told(record) {
    const entry = record?.msg_type === VOTE && this.known.get(bodyOf(record).vote_id);
    if (entry) entry.isOld = true;
  }

  /** A vote as held, {detail, failure}; asks for it when what is held is old. */
  of(voteId) {
    let entry = this.known.get(voteId);
    if (!entry) {
      if (this.known.size >= HELD_MAX) this.known.delete(this.known.keys().next().value);
      this.known.set(voteId, (entry = { detail: null, isOld: true, isAsked: false, failure: "" }));
    }
    if (entry.isOld && !entry.isAsked && this.client.connection.state.name === "connected") this.load(voteId, entry);
    return entry;
  }

  async load(voteId, entry = this.known.get(voteId)) {
    if (!entry) return;
    entry.isAsked = true;
    entry.isOld = false;
    try {
      entry.detail = await this.client.call("group-vote/detail", { vote_id: voteId });
      entry.failure = "";
    } catch (error) {
      entry.failure = error.message;
    }
    entry.isAsked = false;
    this.dispatchEvent(new Event("change"));
  }

  async submit(voteId, options) {
    await this.client.call("group-vote/submit", { vote_id: voteId, options });
    await this.load(voteId);
  }

  async finish(voteId) {
    await this.client.call("group-vote/finish", { vote_id: voteId });
    await this.load(voteId);
  }
}
