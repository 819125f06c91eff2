/** What can be done with one message; what is offered depends on whose it is, what it is and who asks. */
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { openForward } from "./forward-dialog.js";
import { ADMIN, ownRole } from "./group-members.js";
import { openMenu } from "./menu.js";
import { bodyOf, TEXT } from "./message-content.js";
import { openReactionPicker, openReactors } from "./reactions-view.js";
import { openReaders } from "./readers-dialog.js";
import { strings } from "./strings.js";
import { toast, toastError } from "./toast.js";
import { GROUP } from "./xinyu.js";

const RECALL_MS = 2 * 60_000;
const EDIT_MS = 24 * 3_600_000;

/**
 * @param {Element} button
 * @param {import("./xinyu.js").XinYu} client
 * @param {object} row the talk's row
 * @param {object} record
 * @param {{reply: () => void, edit: () => void, pick: () => void}} actions what the chat does itself
 */
export function openMessageMenu(button, client, row, record, actions) {
  const isOwn = record.from_id === client.uid;
  const ageMs = Date.now() - record.sent_at_ms;
  const target = client.targetOf(row, record);
  const items = [{ label: strings.reply, act: actions.reply }];
  items.push({ label: strings.react, act: () => openReactionPicker(button, (emoji) => client.react(row, record, emoji, true).catch(toastError)) });
  if (record.reactions?.length) items.push({ label: strings.reactionsWho, act: () => openReactors(client, target) });
  if (isOwn && record.msg_type === TEXT && ageMs < EDIT_MS) items.push({ label: strings.edit, act: actions.edit });
  if (record.msg_type === TEXT && navigator.clipboard) {
    items.push({ label: strings.copy, act: () => navigator.clipboard.writeText(String(bodyOf(record).content ?? "")).then(() => toast(strings.copied), toastError) });
  }
  items.push({ label: strings.forward, act: () => openForward(client, row, [record.msg_id]) });
  items.push({ label: strings.select, act: actions.pick });
  if (row.talk_mode !== GROUP || ownRole(client, row.talk_id) <= ADMIN) {
    const isPinned = client.isPinned(row, record);
    items.push({ label: isPinned ? strings.unpinMessage : strings.pinMessage, act: () => client.pinMessage(row, record, !isPinned).catch(toastError) });
  }
  if (isOwn && row.talk_mode === GROUP) items.push({ label: strings.readers, act: () => openReaders(client, target) });
  const mayRecall = isOwn ? ageMs < RECALL_MS : row.talk_mode === GROUP && ownRole(client, row.talk_id) <= ADMIN;
  if (mayRecall) items.push({ label: strings.recall, act: () => client.recall(row, record).catch(toastError) });
  items.push({ label: strings.deleteForMe, danger: true, act: () => client.deleteForMe(row, record).catch(toastError) });
  openMenu(button, items);
}

/** A message that a quote names and that is not held: its words at least. */
export function openQuoted(quote) {
  openDialog(strings.quoted, h("p", { class: "text" }, String(quote.content ?? "")));
}
