/** One line of a chat: a bubble, a system sentence, a day, or the mark above what is unread. */
import { avatar } from "./avatar.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { bodyOf, digestOf, isRevoked, isSystemLine, quoteOf, revokedSentence, systemSentence, TEXT } from "./message-content.js";
import { strings } from "./strings.js";
import { clockText, completeText } from "./time-text.js";

const LINK = /https?:\/\/[^\s<>"']+[^\s<>"'.,:;!?)\]}]/g;

/** A sentence in the middle. */
export function lineView(text, kind) {
  return h("li", { class: `line ${kind}` }, h("span", {}, text));
}

/** True for a record that is drawn as a sentence instead of a bubble. */
export function isLine(record) {
  return isSystemLine(record) || isRevoked(record);
}

export function recordLineText(record, uid) {
  return isSystemLine(record) ? systemSentence(record, uid) : revokedSentence(record, uid);
}

/**
 * A bubble.
 * @param {object} message
 * @param {string} message.msgId
 * @param {number} message.fromId
 * @param {boolean} message.isOwn
 * @param {string} message.name the sender's name
 * @param {string} message.face the sender's avatar URL
 * @param {boolean} message.showsFace group chats: the sender beside the bubble
 * @param {boolean} message.isFirst first of a run of one sender
 * @param {boolean} message.isLast last of it
 * @param {number} message.atMs
 * @param {"sent" | "sending" | "failed"} message.state
 * @param {string} message.failure why, when failed
 * @param {object} message.record the Record, or the like of it while it waits
 * @param {{openMenu: (button: Element) => void, retry: () => void, discard: () => void}} actions
 */
export function bubbleView(message, actions) {
  const { msgId, fromId, isOwn, name, face, showsFace, isFirst, isLast, atMs, state, failure, record } = message;
  const classes = ["message", isOwn ? "is-own" : "is-other", isFirst && "is-first", isLast && "is-last", state === "failed" && "is-failed"];
  const menuButton = h(
    "button",
    { class: "icon-button message-menu", type: "button", "aria-label": strings.messageActions, "aria-haspopup": "menu" },
    icon("more"),
  );
  menuButton.addEventListener("click", () => actions.openMenu(menuButton));
  const quote = quoteOf(record);
  return h(
    "li",
    { class: classes.filter(Boolean).join(" "), "data-msg-id": msgId, "data-sequence": record.sequence || null, "data-state": state },
    showsFace && h("span", { class: "message-face" }, isLast && avatar({ id: fromId, name, url: face, size: "is-small" })),
    h(
      "div",
      { class: "message-main" },
      showsFace && isFirst && h("span", { class: "message-sender" }, name),
      h(
        "div",
        { class: "bubble-row" },
        h(
          "div",
          { class: "bubble" },
          quote && h("div", { class: "quote" }, String(quote.content ?? "")),
          record.msg_type === TEXT
            ? h("span", { class: "text" }, ...linked(String(bodyOf(record).content ?? "")))
            : h("span", { class: "text is-kind" }, digestOf(record, 0)),
          h(
            "span",
            { class: "meta" },
            h("time", { title: completeText(atMs), datetime: new Date(atMs).toISOString() }, clockText(atMs)),
            isOwn && stateMark(state),
          ),
        ),
        state === "sent" && menuButton,
      ),
      state === "failed" &&
        h(
          "div",
          { class: "failure", role: "alert" },
          h("span", {}, failure),
          h("button", { class: "link", type: "button", onclick: actions.retry }, strings.retry),
          h("button", { class: "link", type: "button", onclick: actions.discard }, strings.discard),
        ),
    ),
  );
}

function stateMark(state) {
  const [name, label] = { sent: ["check", strings.sent], sending: ["clock", strings.sending], failed: ["alert", strings.failed] }[state];
  return h("span", { class: `state is-${state}`, role: "img", "aria-label": label, title: label }, icon(name));
}

/** Text with its web addresses as links. */
function linked(text) {
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(LINK)) {
    parts.push(text.slice(at, match.index));
    parts.push(h("a", { href: match[0], target: "_blank", rel: "noopener noreferrer" }, match[0]));
    at = match.index + match[0].length;
  }
  parts.push(text.slice(at));
  return parts;
}
