/**
 * Whom one may mention in a group: who wrote lately, then the members as the server lists them, and everybody where the
 * group's rule and one's role allow it. The list is asked for when the first "@" is typed, and again when the group has
 * grown or shrunk since; of a very large group the page knows its first thousands, and whoever has written.
 */
import { ADMIN, ownRole } from "./group-members.js";
import { EVERYBODY } from "./mention-marks.js";
import { fitting } from "./mention-text.js";
import { strings } from "./strings.js";
import { GROUP } from "./xinyu.js";

const OFFERED_MAX = 30;
const EVERYBODY_MAY = 2;

export class MentionMembers {
  /**
   * @param {import("./xinyu.js").XinYu} client
   * @param {number} talkId
   * @param {() => void} onChange more of them are known
   */
  constructor(client, talkId, onChange) {
    this.client = client;
    this.talkId = talkId;
    this.onChange = onChange;
    this.listed = new Map();
    this.loadedSize = 0;
    this.hasFailed = false;
    this.loading = Promise.resolve();
  }

  /** Those whom the query fits, [{id, name, names, avatar}], at most 30; none in a chat of two. */
  offered(query) {
    const row = this.client.replica.rows.talk.get(this.talkId);
    const talk = this.client.replica.talks.get(this.talkId);
    if (!talk || row?.talk_mode !== GROUP) return [];
    this.ask();
    return fitting([...this.everybody(talk), ...this.members(talk)], query, OFFERED_MAX);
  }

  everybody(talk) {
    const isAllowed = talk.profile?.mention_all === EVERYBODY_MAY || ownRole(this.client, this.talkId) <= ADMIN;
    return isAllowed ? [{ id: EVERYBODY, name: strings.everybody, names: [strings.everybody], avatar: "" }] : [];
  }

  members(talk) {
    const people = new Map();
    const newestFirst = [...talk.records.values()].sort((a, b) => b.sequence - a.sequence);
    for (const { from_id: id, nickname, avatar } of newestFirst) {
      if (id !== 0 && !people.has(id)) people.set(id, this.listed.get(id) ?? { nickname, avatar, card: "" });
    }
    for (const [id, person] of this.listed) if (!people.has(id)) people.set(id, person);
    people.delete(this.client.uid);
    const members = [];
    for (const [id, { nickname, card, avatar }] of people) {
      if (talk.roster && !talk.roster.has(id)) continue;
      const name = oneLine(card || nickname || "");
      if (!name) continue;
      // One's own name for somebody finds him, and is not told to others.
      const names = [name, nickname, this.client.people.name(id)].filter(Boolean);
      members.push({ id, name, names: [...new Set(names)], avatar });
    }
    return members;
  }

  /** What somebody may be called in this group. */
  namesOf(id) {
    const person = this.listed.get(id);
    const nickname = id === this.client.uid ? this.client.nickname : this.client.people.nickname(id);
    return [...new Set([person?.card, person?.nickname, nickname].filter(Boolean).map(oneLine))];
  }

  /** As `load`, again where it has failed: for what the user does, not for what is drawn. */
  ask() {
    if (this.hasFailed) this.loadedSize = 0;
    return this.load();
  }

  /** Asks for the list, unless what is known is that of the roster. */
  load() {
    const row = this.client.replica.rows.talk.get(this.talkId);
    const size = this.client.replica.talks.get(this.talkId)?.roster?.size;
    if (row?.talk_mode === GROUP && size && size !== this.loadedSize) {
      this.loadedSize = size;
      this.loading = this.fetch(row);
    }
    return this.loading;
  }

  async fetch(row) {
    this.hasFailed = false;
    try {
      const members = await this.client.loadMembers(row);
      for (const { user_id: id, nickname, avatar, remark } of members) {
        this.listed.set(id, { nickname, avatar, card: remark });
      }
      this.onChange();
    } catch (error) {
      this.hasFailed = true;
      console.warn("members not loaded:", error.message);
    }
  }
}

function oneLine(name) {
  return name.replace(/\s+/g, " ").trim();
}
