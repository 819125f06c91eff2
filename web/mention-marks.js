/** Whom a message mentions, and whether that is the reader. */
import { chinese } from "./chinese.js";
import { english } from "./english.js";
import { bodyOf, isRevoked, TEXT } from "./message-content.js";

/** The id that stands for everybody among the mentions of a message. */
export const EVERYBODY = 0;

/** The ids that a record mentions. */
export function mentionsOf(record) {
  if (record.msg_type !== TEXT || isRevoked(record)) return [];
  const { mentions } = bodyOf(record);
  return Array.isArray(mentions) ? mentions.filter(Number.isInteger) : [];
}

/** True for a message of somebody else that mentions the user, or everybody. */
export function mentionsUser(record, uid) {
  if (record.from_id === uid) return false;
  const ids = mentionsOf(record);
  return ids.includes(uid) || ids.includes(EVERYBODY);
}

/** True when an unread message of a talk mentions the user, or everybody; also one that is not held here. */
export function hasUnreadMention(talk, uid) {
  const read = Math.max(talk.read_sequence, talk.from - 1);
  for (const [sequence, record] of talk.records) {
    if (sequence > read && mentionsUser(record, uid)) return true;
  }
  return talk.mention_all_sequence > read && !talk.records.has(talk.mention_all_sequence);
}

/**
 * The mentions of a record by name, as its sender may have written them.
 * @param {(id: number) => string[]} namesOf what somebody is called in the talk
 * @returns {{id: number, name: string}[]}
 */
export function mentionedNames(record, namesOf) {
  const everybody = [english.everybody, chinese.everybody];
  return mentionsOf(record).flatMap((id) => (id === EVERYBODY ? everybody : namesOf(id)).map((name) => ({ id, name })));
}
