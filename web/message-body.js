/** What stands inside a bubble, by the type of its message. */
import { attachmentView } from "./attachment-view.js";
import { avatar } from "./avatar.js";
import { h } from "./dom.js";
import { placesOf } from "./mention-text.js";
import { bodyOf, CARD, CODE, digestOf, FORWARD, IMAGE, LOCATION, MIXED, NOTICE, TEXT, VOTE } from "./message-content.js";
import { strings } from "./strings.js";
import { voteView } from "./vote-view.js";
import { addressesIn } from "./web-address.js";

const PREVIEW_LINES = 4;

/**
 * @param {object} record
 * @param {object} shown {upload: {percent, cancel} | null, vote: object | null, mentioned: string[] (names)}
 * @param {object} actions {download, openCard, openForward, vote, finishVote}
 * @returns {Element}
 */
export function bodyView(record, shown, actions) {
  const body = bodyOf(record);
  const build = VIEWS[record.msg_type];
  return (build && build(body, record, shown, actions)) ?? attachmentView(record, shown.upload, actions.download) ?? h("span", { class: "text is-kind" }, digestOf(record, 0));
}

const VIEWS = {
  [TEXT]: ({ content }, record, { mentioned }) => h("span", { class: "text" }, ...linked(String(content ?? ""), mentioned)),
  [CODE]: ({ code, lang }) =>
    typeof code === "string"
      ? h("figure", { class: "code" }, lang && h("figcaption", {}, String(lang)), h("pre", { tabindex: "0" }, h("code", {}, code)))
      : null,
  [LOCATION]: ({ description, latitude, longitude }) => h("span", { class: "text" }, `${description || strings.kinds[LOCATION]} (${latitude}, ${longitude})`),
  [CARD]: cardView,
  [FORWARD]: forwardView,
  [VOTE]: (body, record, { vote }, actions) => (vote ? voteView(vote, { submit: actions.vote, finish: actions.finishVote }) : null),
  [MIXED]: mixedView,
  [NOTICE]: ({ content }) =>
    h("div", { class: "notice" }, h("p", { class: "vote-title" }, strings.notice), h("p", { class: "text" }, ...linked(String(content ?? "")))),
};

function cardView({ user_id: userId, nickname, avatar: url }, record, shown, actions) {
  if (!Number.isInteger(userId)) return null;
  const name = String(nickname || `${strings.userFallback} ${userId}`);
  return h(
    "button",
    { class: "card-body", type: "button", "aria-label": strings.openCard(name), onclick: () => actions.openCard({ user_id: userId, nickname: name, avatar: url }) },
    avatar({ id: userId, name, url: typeof url === "string" ? url : "" }),
    h("span", { class: "person-text" }, h("span", { class: "person-name" }, name), h("span", { class: "note" }, strings.card)),
  );
}

/** The first lines of messages that were forwarded together; all of them on a click. */
function forwardView({ records, msg_ids: msgIds }, record, shown, actions) {
  const lines = Array.isArray(records) ? records.slice(0, PREVIEW_LINES) : [];
  const count = Array.isArray(msgIds) ? msgIds.length : lines.length;
  return h(
    "button",
    { class: "forward-body", type: "button", "aria-label": strings.openForward(count), onclick: () => actions.openForward(record) },
    h("span", { class: "vote-title" }, strings.forwarded),
    lines.map((line) => h("span", { class: "forward-line" }, `${line?.nickname ?? strings.somebody}: ${line?.content ?? ""}`)),
    h("span", { class: "note" }, strings.messageCount(count)),
  );
}

function mixedView({ items }) {
  if (!Array.isArray(items)) return null;
  const part = (item) => {
    if (item?.type === IMAGE) return attachmentView({ msg_type: IMAGE, extra: { url: item.content } }, null, null);
    return h("span", { class: "text" }, ...linked(String(item?.content ?? "")));
  };
  return h("div", { class: "mixed" }, items.map(part));
}

/** Text with its web addresses as links, and the names of who is mentioned marked. */
function linked(text, mentioned = []) {
  const parts = [];
  let at = 0;
  for (const match of addressesIn(text)) {
    parts.push(...marked(text.slice(at, match.index), mentioned));
    parts.push(h("a", { href: match[0], target: "_blank", rel: "noopener noreferrer" }, match[0]));
    at = match.index + match[0].length;
  }
  parts.push(...marked(text.slice(at), mentioned));
  return parts;
}

function marked(text, mentioned) {
  const parts = [];
  let at = 0;
  for (const { from, to } of placesOf(text, mentioned)) {
    parts.push(text.slice(at, from), h("span", { class: "mention" }, text.slice(from, to)));
    at = to;
  }
  parts.push(text.slice(at));
  return parts;
}
