/** Making a group, and inviting friends to it. */
import { avatar } from "./avatar.js";
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { strings } from "./strings.js";
import { toast, toastError } from "./toast.js";
import { GROUP } from "./xinyu.js";

const NAME_MAX = 30;

/**
 * @param {import("./xinyu.js").XinYu} client
 * @param {(talkId: number) => void} openChat
 */
export function openNewGroup(client, openChat) {
  const friends = client.friends();
  const name = h("input", { class: "input", name: "name", maxlength: NAME_MAX, autocomplete: "off" });
  const error = h("p", { class: "form-error is-empty", role: "alert" });
  const submit = h("button", { class: "button is-primary is-wide", type: "submit" }, strings.create);
  const form = h(
    "form",
    { class: "form", novalidate: true },
    h("label", { class: "field" }, h("span", { class: "field-label" }, strings.groupName), name),
    picker(strings.pickFriends, friends, strings.noContactsHint),
    error,
    submit,
  );
  const { close } = openDialog(strings.newGroup, form);
  name.focus();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const userIds = picked(form);
    const problem = !name.value.trim() ? strings.noGroupName : !userIds.length ? strings.pickSome : "";
    error.textContent = problem;
    error.classList.toggle("is-empty", !problem);
    if (problem) return;
    submit.disabled = true;
    try {
      const { group_id: groupId } = await client.call("group/create", { name: name.value.trim(), user_ids: userIds });
      openChat(await client.openTalk(GROUP, groupId));
      close();
    } catch (failure) {
      submit.disabled = false;
      toastError(failure);
    }
  });
}

function picker(title, friends, emptyText) {
  return h(
    "fieldset",
    { class: "picker" },
    h("legend", { class: "field-label" }, title),
    friends.length === 0 && h("p", { class: "note" }, emptyText),
    friends.map((row) => {
      const name = row.remark || row.nickname;
      return h(
        "label",
        { class: "person is-button" },
        avatar({ id: row.user_id, name, url: row.avatar }),
        h("span", { class: "person-text" }, h("span", { class: "person-name" }, name)),
        h("input", { class: "checkbox", type: "checkbox", name: "user_id", value: String(row.user_id) }),
      );
    }),
  );
}

function picked(form) {
  return [...form.querySelectorAll("input[name=user_id]:checked")].map((box) => Number(box.value));
}

/** @param {import("./xinyu.js").XinYu} client @param {object} row the talk's row */
export function openInvite(client, row) {
  const roster = client.replica.talks.get(row.talk_id)?.roster;
  const friends = client.friends().filter(({ user_id }) => !roster?.has(user_id));
  const submit = h("button", { class: "button is-primary is-wide", type: "submit", disabled: friends.length === 0 }, strings.invite);
  const form = h("form", { class: "form", novalidate: true }, picker(strings.pickFriends, friends, strings.nobodyToInvite), submit);
  const { close } = openDialog(strings.inviteTitle, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const userIds = picked(form);
    if (!userIds.length) {
      toast(strings.pickSome);
      return;
    }
    submit.disabled = true;
    try {
      await client.call("group/invite", { group_id: row.to_from_id, user_ids: userIds });
      close();
    } catch (error) {
      submit.disabled = false;
      toastError(error);
    }
  });
}
