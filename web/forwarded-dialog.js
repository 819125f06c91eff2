/** The messages of a merged forward, all of them. */
import { avatar } from "./avatar.js";
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { bodyView } from "./message-body.js";
import { bodyOf, isRevoked, revokedSentence } from "./message-content.js";
import { strings } from "./strings.js";
import { completeText } from "./time-text.js";

/**
 * @param {import("./xinyu.js").XinYu} client
 * @param {object} record of type forward
 * @param {object} actions as for a bubble's body
 */
export async function openForwarded(client, record, actions) {
  const list = h("ol", { class: "forwarded", "aria-label": strings.forwarded });
  const note = h("p", { class: "note", "aria-live": "polite" }, strings.loading);
  openDialog(strings.forwarded, list, note);
  const { msg_ids: msgIds, talk_type: talkMode } = bodyOf(record);
  try {
    const { items } = await client.call("message/forward-records", { talk_mode: Number.isInteger(talkMode) ? talkMode : 0, msg_ids: msgIds });
    list.append(...items.map((item) => itemView(client, item, actions)));
    note.textContent = items.length ? "" : strings.messageGone;
  } catch (error) {
    note.textContent = error.message;
  }
}

function itemView(client, record, actions) {
  const name = record.nickname || `${strings.userFallback} ${record.from_id}`;
  const body = isRevoked(record)
    ? h("span", { class: "text is-kind" }, revokedSentence(record, client.uid))
    : bodyView(record, { upload: null, vote: null, mentioned: [] }, actions);
  return h(
    "li",
    { class: "forwarded-item" },
    avatar({ id: record.from_id, name, url: record.avatar, size: "is-small" }),
    h("div", {}, h("p", { class: "note" }, name, " · ", completeText(record.sent_at_ms)), body),
  );
}
