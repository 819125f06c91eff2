/**
 * What this device holds of the user's talks, and how an answer or a push changes it. No I/O, no clock.
 *
 * The server's store is the truth and a push is only a hint, so everything is held against counters:
 *
 * - a talk has three cursors, `sequence` (messages), `change` (changes everybody sees) and `own` (changes only this
 *   user sees), and the ranges of numbers that are held. A held number without a record is a void: hidden or expired.
 * - a room (talk, contact, user) has one `version`; its rows ascend by it.
 *
 * Invariants
 * - A push applies only at cursor + 1, and only if it speaks of no number above `sequence`; one about one's own
 *   membership never applies. What does not apply is a GAP: the caller syncs.
 * - A pushed record does not know its reader: which reactions are his own stays as it is held, but for the one that
 *   the push names as set or taken back by him.
 * - A change never adds a record; what was recalled stays recalled. `from` (the lowest number this user may see) only
 *   grows. Unread is computed, never counted.
 * - Every method leaves cursors and rows consistent, so that whoever stores `takeChanges()` in one transaction stores a
 *   state that the server can continue from.
 */
import { addRange, dropBelow, inRanges, missingRanges, runStart } from "./ranges.js";

export const ROOMS = ["talk", "contact", "user"];
export const APPLIED = "applied";
export const OLD = "old";
export const GAP = "gap";
export const REVOKED = 1;

/** One talk as held: cursors, window, records by sequence, own membership, profile and (once opened) the roster. */
function newTalk(talkId) {
  return {
    talk_id: talkId,
    sequence: 0,
    change: 0,
    own: 0,
    from: 1,
    read_sequence: 0,
    peer_read_sequence: 0,
    mention_all_sequence: 0, // the newest message that mentions everybody, as a sync told it
    held: [],
    records: new Map(),
    member: null,
    profile: null,
    roster: null,
    roster_change: 0,
    isTold: false, // a sync has answered it: cursors, window, profile
  };
}

/** The key of a row within its room. A tombstone carries the same key fields as the row that it ends. */
export function rowKey(room, row) {
  if (room === "talk") return row.talk_id;
  if (room === "contact") return `${row.kind}:${row.kind === "contact" ? row.user_id : row.id}`;
  return "user";
}

export class Replica {
  constructor(uid) {
    this.uid = uid;
    this.changes = newChanges();
    this.forget();
  }

  /** Back to holding nothing. */
  forget() {
    this.epoch = "";
    this.versions = { talk: 0, contact: 0, user: 0 };
    this.rows = { talk: new Map(), contact: new Map(), user: new Map() };
    this.talks = new Map();
    this.needsSync = false;
    this.changes.all = true;
  }

  // ---------------------------------------------------------------- asking

  /** The body of `sync`: every cursor that this device has, zeros where it knows a talk only by its row. */
  syncRequest(next) {
    const talks = [];
    for (const talk of this.talks.values()) talks.push([talk.talk_id, talk.sequence, talk.change, talk.own]);
    for (const talkId of this.rows.talk.keys()) if (!this.talks.has(talkId)) talks.push([talkId, 0, 0, 0]);
    const request = { epoch: this.epoch, versions: { ...this.versions }, talks };
    if (next !== undefined) request.next = next;
    return request;
  }

  /** Ranges of a talk that are within its window, from `lowest` to `highest`, and not held. */
  missing(talkId, lowest = 1, highest = Infinity) {
    const talk = this.talks.get(talkId);
    return talk ? missingRanges(talk.held, Math.max(lowest, talk.from), Math.min(highest, talk.sequence)) : [];
  }

  /** The lowest number that is held without a hole up to the newest. */
  newestRunStart(talkId) {
    const talk = this.talks.get(talkId);
    return talk ? Math.max(talk.from, runStart(talk.held, talk.sequence)) : 1;
  }

  /** last_sequence - max(read, from - 1), never below 0. */
  unread(talkId) {
    const talk = this.talks.get(talkId);
    return talk ? Math.max(0, talk.sequence - Math.max(talk.read_sequence, talk.from - 1)) : 0;
  }

  /** A talk is in the list when its row is alive and something is newer than what was hidden. */
  isListed(talkId) {
    const row = this.rows.talk.get(talkId);
    const talk = this.talks.get(talkId);
    return Boolean(row && talk && talk.sequence > row.hidden_sequence);
  }

  /** The newest record of a talk, or null. */
  newestRecord(talkId) {
    const talk = this.talks.get(talkId);
    if (!talk || talk.records.size === 0) return null;
    const last = talk.records.get(talk.sequence);
    if (last) return last;
    let newest = 0;
    for (const sequence of talk.records.keys()) if (sequence > newest) newest = sequence;
    return talk.records.get(newest);
  }

  // ---------------------------------------------------------------- answers

  /** Applies one page of a sync. Throws TypeError, before anything is changed, on an answer that is none. */
  applySync(answer) {
    if (typeof answer?.epoch !== "string" || !Array.isArray(answer.talks) || typeof answer.versions !== "object") {
      throw new TypeError("not a sync answer");
    }
    if (answer.reset) this.forget();
    this.epoch = answer.epoch;
    for (const room of ROOMS) {
      this.versions[room] = answer.versions[room] ?? this.versions[room];
      for (const row of answer.rows?.[room] ?? []) this.putRow(room, row);
    }
    for (const part of answer.talks) this.applyTalk(part);
  }

  applyTalk(part) {
    const talkId = part.talk_id;
    if (!this.rows.talk.has(talkId)) {
      // Not in the list yet: the session row, when it comes, asks for the talk again.
      this.dropTalk(talkId);
      return;
    }
    const held = this.talks.get(talkId);
    if (held && (part.last_sequence < held.sequence || part.last_change < held.change || part.own < held.own)) {
      // No server that keeps its word answers this. What is held cannot be trusted: ask for the talk from zero.
      this.dropTalk(talkId);
      this.needsSync = true;
      return;
    }
    const talk = this.talk(talkId);
    const base = part.base;
    if (part.stale) {
      talk.held = [];
      talk.records.clear();
      this.markAll(talkId);
    }
    for (const record of part.records) {
      if (record.sequence > base) {
        addRange(talk.held, record.sequence, record.sequence);
        this.show(talk, record);
      } else if (talk.records.has(record.sequence)) {
        this.show(talk, record);
      }
    }
    for (const [from, to] of part.voids) {
      this.dropRecords(talk, from, to);
      addRange(talk.held, Math.max(from, base + 1), to);
    }
    this.raiseFrom(talk, part.from);
    talk.member = part.member ?? talk.member;
    talk.isTold = true;
    if (part.profile) talk.profile = part.profile;
    if (part.peer_read_sequence !== undefined) talk.peer_read_sequence = part.peer_read_sequence;
    talk.sequence = part.last_sequence;
    talk.change = part.last_change;
    talk.own = part.own;
    talk.read_sequence = Math.max(talk.read_sequence, part.read_sequence);
    talk.mention_all_sequence = part.mention_all_sequence ?? 0;
    this.mark(talkId);
  }

  /**
   * Applies the answer to `message/range`; `talk` is the object that was held when the question was asked.
   * Returns APPLIED, OLD (older than the cursors: ask again) or GAP (the talk or the epoch is another one now).
   */
  applyRange(talk, epoch, from, to, answer) {
    if (this.talks.get(talk.talk_id) !== talk || this.epoch !== epoch) return GAP;
    if (answer.change < talk.change || answer.own < talk.own) return OLD;
    for (const record of answer.records) {
      const sequence = record.sequence;
      if (sequence < talk.from || sequence > talk.sequence || sequence < from || sequence > to) continue;
      if (inRanges(talk.held, sequence)) continue; // held meanwhile, and newer
      addRange(talk.held, sequence, sequence);
      this.show(talk, record);
    }
    for (const [low, high] of answer.voids) {
      addRange(talk.held, Math.max(low, from, talk.from), Math.min(high, to, talk.sequence));
    }
    this.mark(talk.talk_id);
    return APPLIED;
  }

  /**
   * Applies the answer to `talk/members`, asked with `change` = roster_change. Returns as applyRange; OLD, too, for a
   * page of a large group's, which brings the roster nearer.
   */
  applyRoster(talk, epoch, answer) {
    if (this.talks.get(talk.talk_id) !== talk || this.epoch !== epoch) return GAP;
    if (!talk.roster || answer.change > talk.roster_change) {
      talk.roster ??= new Map();
      for (const member of answer.members) putMember(talk.roster, member);
      talk.roster_change = answer.change;
      this.mark(talk.talk_id);
    }
    return answer.change < talk.change ? OLD : APPLIED;
  }

  /**
   * The answer to one's own read. The cursor only grows, so it moves at once; the number `own` cannot: it may be that
   * of another change, whose push is still on its way.
   */
  applyRead(talkId, readSequence) {
    const talk = this.talks.get(talkId);
    const read = Math.min(readSequence, talk?.sequence ?? 0);
    if (!talk || !(read > talk.read_sequence)) return;
    talk.read_sequence = read;
    this.mark(talkId);
  }

  // ---------------------------------------------------------------- pushes

  /** Applies one server event. Returns APPLIED, OLD or GAP; after APPLIED look at `needsSync`. */
  apply(event, payload) {
    if (event === "row.changed") return this.applyRow(payload);
    const cursor = { "im.message": "sequence", "talk.changed": "change", "talk.own": "own" }[event];
    if (!cursor || !Number.isInteger(payload?.talk_id) || !Number.isInteger(payload[cursor])) return OLD;
    if (event === "im.message" && payload.body?.sequence !== payload.sequence) return OLD;
    const talk = this.talks.get(payload.talk_id);
    // Held before a sync has answered it, a talk would be named without zeros, and its profile would never be answered.
    if (!talk?.isTold) return GAP;
    const number = payload[cursor];
    if (number <= talk[cursor]) return OLD;
    if (number > talk[cursor] + 1) return GAP;
    if (event !== "im.message" && this.speaksOfMore(talk, payload)) return GAP;
    this.talks.set(talk.talk_id, talk);
    if (event === "im.message") {
      if (payload.body.from_id === this.uid) talk.read_sequence = number; // sending counts as having read
      talk.sequence = number;
      if (number >= talk.from) {
        addRange(talk.held, number, number);
        this.show(talk, payload.body);
      }
    } else {
      if (event === "talk.own") {
        talk.read_sequence = Math.max(talk.read_sequence, payload.read_sequence ?? 0);
      } else {
        for (const record of payload.records ?? []) {
          const held = talk.records.get(record.sequence);
          if (held) this.show(talk, this.asMine(record, held, payload.reaction));
        }
        if (payload.profile) talk.profile = payload.profile;
        if (payload.peer_read_sequence !== undefined) talk.peer_read_sequence = payload.peer_read_sequence;
        if (talk.roster) {
          if (number > talk.roster_change) for (const member of payload.members ?? []) putMember(talk.roster, member);
          // A number alone may stand for more members than a push would list: then the roster is asked for.
          if (talk.roster_change === number - 1 && saysSomething(payload)) talk.roster_change = number;
        }
      }
      for (const [from, to] of payload.voids ?? []) this.dropRecords(talk, from, to);
      this.raiseFrom(talk, payload.from ?? talk.from);
      talk[cursor] = number;
    }
    this.mark(talk.talk_id);
    return APPLIED;
  }

  /** True when a change names a number above `sequence`, or the user's own membership (his window may have moved). */
  speaksOfMore(talk, payload) {
    const top = talk.sequence;
    return (
      (payload.records ?? []).some((record) => record.sequence > top) ||
      (payload.voids ?? []).some(([, to]) => to > top) ||
      (payload.read_sequence ?? 0) > top ||
      (payload.from ?? 1) - 1 > top ||
      (payload.members ?? []).some((member) => member.user_id === this.uid)
    );
  }

  applyRow({ room, version, row }) {
    if (!ROOMS.includes(room) || !Number.isInteger(version) || !row) return OLD;
    if (version <= this.versions[room]) return OLD;
    if (version > this.versions[room] + 1) return GAP;
    this.versions[room] = version;
    if (room === "talk" && !row.deleted && !this.rows.talk.has(row.talk_id)) this.needsSync = true;
    this.putRow(room, row);
    return APPLIED;
  }

  // ---------------------------------------------------------------- parts

  talk(talkId) {
    let talk = this.talks.get(talkId);
    if (!talk) this.talks.set(talkId, (talk = newTalk(talkId)));
    return talk;
  }

  putRow(room, row) {
    const key = rowKey(room, row);
    if (row.deleted) {
      this.rows[room].delete(key);
      if (room === "talk") this.dropTalk(key);
    } else {
      this.rows[room].set(key, row);
      if (room === "talk") this.talk(key); // nothing has happened in it yet: zeros
    }
    changedRows(this.changes, room).add(key);
    if (room === "talk") this.mark(key);
  }

  dropTalk(talkId) {
    if (this.talks.delete(talkId)) this.markAll(talkId);
  }

  show(talk, record) {
    const held = talk.records.get(record.sequence);
    if (held?.is_revoked === REVOKED && record.is_revoked !== REVOKED) return;
    talk.records.set(record.sequence, record);
    this.mark(talk.talk_id, record.sequence);
  }

  /** A pushed record with the reactions marked that are this user's own. */
  asMine(record, held, reaction) {
    const mine = new Set((held.reactions ?? []).filter((each) => each.is_mine).map((each) => each.emoji));
    if (reaction && reaction.user_id === this.uid && reaction.sequence === record.sequence) {
      if (reaction.action === 1) mine.add(reaction.emoji);
      else mine.delete(reaction.emoji);
    }
    if (!record.reactions || mine.size === 0) return record;
    return { ...record, reactions: record.reactions.map((each) => ({ ...each, is_mine: mine.has(each.emoji) })) };
  }

  dropRecords(talk, from, to) {
    if (to - from < talk.records.size) {
      for (let sequence = from; sequence <= to; sequence += 1) this.dropRecord(talk, sequence);
    } else {
      for (const sequence of [...talk.records.keys()]) {
        if (from <= sequence && sequence <= to) this.dropRecord(talk, sequence);
      }
    }
  }

  dropRecord(talk, sequence) {
    if (talk.records.delete(sequence)) this.mark(talk.talk_id, sequence);
  }

  raiseFrom(talk, from) {
    if (!(from > talk.from)) return;
    talk.from = from;
    dropBelow(talk.held, from);
    this.dropRecords(talk, 1, from - 1);
  }

  /** Forgets all but the newest `keep` numbers; they are fetched again when somebody scrolls to them. */
  trim(talkId, keep) {
    const talk = this.talks.get(talkId);
    if (!talk) return;
    const lowest = talk.sequence - keep + 1;
    if (!talk.held.length || talk.held[0][0] >= lowest) return;
    dropBelow(talk.held, lowest);
    this.dropRecords(talk, 1, lowest - 1);
    this.mark(talkId);
  }

  // ---------------------------------------------------------------- changes

  mark(talkId, sequence) {
    let changed = this.changes.talks.get(talkId);
    if (!changed) this.changes.talks.set(talkId, (changed = { all: false, sequences: new Set() }));
    if (sequence !== undefined) changed.sequences.add(sequence);
  }

  markAll(talkId) {
    this.mark(talkId);
    this.changes.talks.get(talkId).all = true;
  }

  /** What changed since the last call, or null: {all, talks: Map(talk_id -> {all, sequences}), rows: Map(room -> keys)}. */
  takeChanges() {
    const changes = this.changes;
    if (!changes.all && changes.talks.size === 0 && changes.rows.size === 0) return null;
    this.changes = newChanges();
    return changes;
  }
}

function newChanges() {
  return { all: false, talks: new Map(), rows: new Map() };
}

function changedRows(changes, room) {
  let keys = changes.rows.get(room);
  if (!keys) changes.rows.set(room, (keys = new Set()));
  return keys;
}

/** Joins two sets of changes; `into` is changed and returned. */
export function mergeChanges(into, more) {
  into.all ||= more.all;
  for (const [talkId, { all, sequences }] of more.talks) {
    const known = into.talks.get(talkId);
    if (!known) {
      into.talks.set(talkId, { all, sequences: new Set(sequences) });
    } else {
      known.all ||= all;
      for (const sequence of sequences) known.sequences.add(sequence);
    }
  }
  for (const [room, keys] of more.rows) for (const key of keys) changedRows(into, room).add(key);
  return into;
}

function saysSomething(payload) {
  const { records, voids, members } = payload;
  if ([records, voids, members].some((list) => list?.length)) return true;
  return ["profile", "from", "peer_read_sequence"].some((name) => payload[name] !== undefined);
}

function putMember(roster, member) {
  if (member.state === "in") roster.set(member.user_id, member);
  else roster.delete(member.user_id);
}
