/** What an edited message said before. */
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { bodyView } from "./message-body.js";
import { strings } from "./strings.js";
import { completeText } from "./time-text.js";

/**
 * @param {import("./xinyu.js").XinYu} client
 * @param {object} row the talk's row
 * @param {object} record
 */
export async function openEdits(client, row, record) {
  const list = h("ol", { class: "edit-list", "aria-label": strings.editHistory });
  const note = h("p", { class: "note", "aria-live": "polite" }, strings.loading);
  openDialog(strings.editHistory, list, note);
  try {
    const { talk_mode, to_from_id } = row;
    const { items } = await client.call("message/edits", { talk_mode, to_from_id, msg_id: record.msg_id });
    list.append(...items.map(({ extra, edited_at_ms: atMs }) => version(record.msg_type, extra, atMs || record.sent_at_ms)));
    note.textContent = "";
  } catch (error) {
    note.textContent = error.message;
  }
}

function version(msgType, extra, atMs) {
  const body = bodyView({ msg_type: msgType, extra }, { upload: null, vote: null, mentioned: [] }, {});
  return h("li", {}, h("p", { class: "note" }, completeText(atMs)), body);
}
