/**
 * What a screen reader says of an open chat: each new message of others once. The list of messages is not read out by
 * itself, since it is drawn anew for what is loaded, edited or read, too.
 */
import { h } from "./dom.js";
import { digestOf, isRevoked, isSystemLine } from "./message-content.js";
import { strings } from "./strings.js";

const SAID_AT_ONCE_MAX = 5;

export class Announcer {
  /** @param {number} uid the user @param {(record: object) => string} nameOf its sender's name */
  constructor(uid, nameOf) {
    this.uid = uid;
    this.nameOf = nameOf;
    this.said = null;
    this.node = h("div", { class: "is-heard", role: "status" });
  }

  /** Says what has come since the last time; nothing the first time. */
  say(talk) {
    const from = Math.max(this.said ?? talk.sequence, talk.sequence - SAID_AT_ONCE_MAX) + 1;
    this.said = talk.sequence;
    const sentences = [];
    for (let sequence = from; sequence <= talk.sequence; sequence += 1) {
      const record = talk.records.get(sequence);
      if (record && record.from_id !== this.uid) sentences.push(this.sentence(record));
    }
    if (sentences.length) this.node.replaceChildren(...sentences.map((sentence) => h("p", {}, sentence)));
  }

  sentence(record) {
    const digest = digestOf(record, this.uid);
    return isSystemLine(record) || isRevoked(record) ? digest : strings.senderPrefix(this.nameOf(record), digest);
  }
}
