/** What a message says: its decoded body, the sentence of a system line, and its digest for the list. */
import { strings } from "./strings.js";
import { REVOKED } from "./replica.js";

export const TEXT = 1;
export const CODE = 2;
export const IMAGE = 3;
export const AUDIO = 4;
export const VIDEO = 5;
export const FILE = 6;
export const LOCATION = 7;
export const CARD = 8;
export const FORWARD = 9;
export const VOTE = 11;
export const MIXED = 12;
export const NOTICE = 13;
/** The numbers of what this page sends, by the names under which it sends them. */
export const SENT_TYPES = { text: TEXT, image: IMAGE, file: FILE, card: CARD };
const SYSTEM_FROM = 1000;
const decoded = new WeakMap();

/** The body of a Record (its `extra` is a JSON text), {} when it cannot be read. */
export function bodyOf(record) {
  let body = decoded.get(record);
  if (!body) {
    body = parseObject(record.extra);
    decoded.set(record, body);
  }
  return body;
}

/** The body of a text that is sent. */
export function textBody(content, mentions) {
  return mentions.length ? { content, mentions } : { content };
}

export function quoteOf(record) {
  const quote = parseObject(record.quote);
  return quote.quote_id ? quote : null;
}

function parseObject(text) {
  try {
    const value = typeof text === "string" ? JSON.parse(text) : text;
    return value && typeof value === "object" ? value : {};
  } catch {
    return {};
  }
}

export function isRevoked(record) {
  return record.is_revoked === REVOKED;
}

/** A line in the middle instead of a bubble. */
export function isSystemLine(record) {
  return record.from_id === 0 || record.msg_type >= SYSTEM_FROM;
}

/** The sentence of a system record, for the user `uid`. */
export function systemSentence(record, uid) {
  const body = bodyOf(record);
  const nameOf = (id, name) => (id === uid ? strings.you : name || strings.somebody);
  const actor = nameOf(body.owner_id, body.owner_name);
  const members = (Array.isArray(body.members) ? body.members : [])
    .filter((member) => member?.user_id !== body.owner_id)
    .map((member) => (member?.user_id === uid ? strings.youObject : member?.nickname || strings.somebody));
  const sentence = strings.systemSentences[record.msg_type];
  return sentence ? sentence(actor, members, body) : String(body.content ?? strings.unknownSystem);
}

/** One line for lists: the text, or the kind of what is no text. */
export function digestOf(record, uid) {
  if (isRevoked(record)) return revokedSentence(record, uid);
  if (isSystemLine(record)) return systemSentence(record, uid);
  if (record.msg_type === TEXT) return String(bodyOf(record).content ?? "").replace(/\s+/g, " ").slice(0, 120);
  return strings.kinds[record.msg_type] ?? strings.unknownKind;
}

export function revokedSentence(record, uid) {
  return record.from_id === uid ? strings.youRecalled : strings.recalledBy(record.nickname || strings.somebody);
}
