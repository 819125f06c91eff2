/** One line of a chat: a bubble, a system sentence, a day, or the mark above what is unread. */
import { avatar } from "./avatar.js";
import { botMark } from "./bot-mark.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { linkCard } from "./link-card.js";
import { bodyView } from "./message-body.js";
import { isRevoked, isSystemLine, quoteOf, revokedSentence, systemSentence } from "./message-content.js";
import { reactionsView } from "./reactions-view.js";
import { strings } from "./strings.js";
import { clockText, completeText } from "./time-text.js";

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
 * @param {boolean} message.isBot whether the sender is a program
 * @param {boolean} message.showsFace group chats: the sender beside the bubble
 * @param {boolean} message.isFirst first of a run of one sender
 * @param {boolean} message.isLast last of it
 * @param {number} message.atMs
 * @param {"sent" | "sending" | "failed"} message.state
 * @param {boolean} message.isRead by the other one of a pair
 * @param {string} message.failure why, when failed
 * @param {object} message.record the Record, or the like of it while it waits
 * @param {number | null} message.percent of a file on its way to the server
 * @param {object | null} message.vote what a vote asks and how it stands
 * @param {boolean | null} message.isPicked while messages are being picked: whether this one is
 * @param {string[]} message.mentioned who is mentioned, by name
 * @param {boolean} message.mentionsMe or everybody
 * @param {string} message.address the web address that is previewed; "" = none
 * @param {object | null} message.preview what is known of it
 * @param {string} message.readBy how many have read it, in words; "" = not shown
 * @param {object} actions {openMenu, retry, discard, download, openCard, openForward, vote, finishVote, react, openQuote, openEdits, pick, openReaders}
 */
export function bubbleView(message, actions) {
  const { msgId, fromId, isOwn, name, face, showsFace, isFirst, isLast, atMs, state, failure, record, percent, vote, isPicked } = message;
  const isStored = state === "sent";
  const classes = [
    "message",
    isOwn ? "is-own" : "is-other",
    isFirst && "is-first",
    isLast && "is-last",
    state === "failed" && "is-failed",
    message.mentionsMe && "mentions-me",
  ];
  const menuButton = h(
    "button",
    { class: "icon-button message-menu", type: "button", "aria-label": strings.messageActions, "aria-haspopup": "menu" },
    icon("more"),
  );
  menuButton.addEventListener("click", () => actions.openMenu(menuButton));
  const upload = percent === null || state === "failed" ? null : { percent, cancel: actions.discard };
  return h(
    "li",
    {
      class: classes.filter(Boolean).join(" "),
      "data-msg-id": msgId,
      "data-sequence": record.sequence || null,
      "data-state": state,
      "data-address": message.address || null,
    },
    isPicked !== null && isStored && pickBox(message, actions),
    showsFace && h("span", { class: "message-face" }, isLast && avatar({ id: fromId, name, url: face, size: "is-small" })),
    h(
      "div",
      { class: "message-main" },
      showsFace && isFirst
        ? h("span", { class: "message-sender" }, name, message.isBot && botMark())
        : h("span", { class: "is-heard" }, strings.senderPrefix(isOwn ? strings.you : name, "")),
      h(
        "div",
        { class: "bubble-row" },
        h(
          "div",
          { class: "bubble" },
          quoteView(record, actions),
          bodyView(record, { upload, vote, mentioned: message.mentioned }, actions),
          message.preview && linkCard(message.address, message.preview),
          metaView(message, actions),
        ),
        isStored && isPicked === null && menuButton,
      ),
      reactionsView(record.reactions, actions.react),
      message.readBy && h("button", { class: "link read-by", type: "button", onclick: actions.openReaders }, message.readBy),
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

function pickBox({ isPicked, name }, actions) {
  const box = h("input", { class: "checkbox message-pick", type: "checkbox", checked: isPicked, "aria-label": strings.pickMessage(name) });
  box.addEventListener("change", () => actions.pick(box.checked));
  return box;
}

function quoteView(record, actions) {
  const quote = quoteOf(record);
  if (!quote) return null;
  return h("button", { class: "quote", type: "button", title: strings.toQuoted, onclick: () => actions.openQuote(quote) }, String(quote.content ?? ""));
}

/** Beside the text: mentions the reader, pinned, edited, ends by itself, the time, and how far it has come. */
function metaView({ record, atMs, state, isRead, isOwn, isPinned, mentionsMe }, actions) {
  const mark = (name, label) => h("span", { class: "state", role: "img", "aria-label": label, title: label }, icon(name));
  return h(
    "span",
    { class: "meta" },
    mentionsMe && mark("at", strings.mentionsYou),
    isPinned && mark("pin", strings.pinnedMessage),
    record.edited_at_ms > 0 && h("button", { class: "link edited", type: "button", title: strings.editedAt(completeText(record.edited_at_ms)), onclick: actions.openEdits }, strings.edited),
    record.expires_at_ms > 0 && mark("timer", strings.disappearsAt(completeText(record.expires_at_ms))),
    h("time", { title: completeText(atMs), datetime: new Date(atMs).toISOString() }, clockText(atMs)),
    isOwn && stateMark(isRead ? "read" : state),
  );
}

function stateMark(state) {
  const [name, label] = {
    sent: ["check", strings.sent],
    read: ["checks", strings.read],
    sending: ["clock", strings.sending],
    failed: ["alert", strings.failed],
  }[state];
  return h("span", { class: `state is-${state}`, role: "img", "aria-label": label, title: label }, icon(name));
}
