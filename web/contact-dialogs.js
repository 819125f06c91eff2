/** What one does with a friend: a name of one's own for him, no more messages from him, the end of the friendship. */
import { confirmDialog, openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { field } from "./field.js";
import { strings } from "./strings.js";
import { toast, toastError } from "./toast.js";

const REMARK_MAX = 10;

/** Menu items for the other one of a pair. @param {import("./xinyu.js").XinYu} client */
export function contactItems(client, row) {
  const friend = client.replica.rows.contact.get(`contact:${row.to_from_id}`);
  if (!friend) return [];
  const { name } = client.faceOf(row);
  const isBlocked = friend.is_block === 1;
  return [
    { label: strings.setRemark, act: () => openRemark(client, friend) },
    { label: isBlocked ? strings.unblock : strings.block, act: () => block(client, row.to_from_id, name, !isBlocked) },
    { label: strings.deleteContact, danger: true, act: () => remove(client, row.to_from_id, name) },
  ];
}

function openRemark(client, friend) {
  const form = h(
    "form",
    { class: "form" },
    field({ name: "remark", label: strings.remarkOf(friend.nickname), hint: strings.remarkHint, maxlength: REMARK_MAX, value: friend.remark }),
    h("button", { class: "button is-primary is-wide", type: "submit" }, strings.save),
  );
  const { close } = openDialog(strings.setRemark, form);
  form.elements.remark.select();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await client.call("contact/edit-remark", { user_id: friend.user_id, remark: form.elements.remark.value.trim() });
      close();
    } catch (error) {
      toastError(error);
    }
  });
}

async function block(client, userId, name, isBlock) {
  if (isBlock && !(await confirmDialog(strings.block, strings.blockAsk(name), strings.block))) return;
  try {
    await client.call("contact/block", { user_id: userId, action: isBlock ? 1 : 2 });
    toast(isBlock ? strings.blocked(name) : strings.unblocked(name));
  } catch (error) {
    toastError(error);
  }
}

async function remove(client, userId, name) {
  if (!(await confirmDialog(strings.deleteContact, strings.deleteContactAsk(name), strings.deleteContact))) return;
  try {
    await client.call("contact/delete", { user_id: userId });
    toast(strings.contactDeleted(name));
  } catch (error) {
    toastError(error);
  }
}
