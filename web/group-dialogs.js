/** Making a group, its members, inviting, removing and leaving. */
import { avatar } from "./avatar.js";
import { confirmDialog, openDialog } from "./dialog.js";
import { h, reconcile } from "./dom.js";
import { renderSoon } from "./render-soon.js";
import { strings } from "./strings.js";
import { toast, toastError } from "./toast.js";
import { GROUP } from "./xinyu.js";

const NAME_MAX = 30;
const OWNER = 1;
const ADMIN = 2;

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

/**
 * The members of a group; what the user may do there depends on his role.
 * @param {import("./xinyu.js").XinYu} client
 * @param {object} row the talk's row
 */
export function openMembers(client, row) {
  const talkId = row.talk_id;
  const list = h("ul", { class: "person-list", "aria-label": strings.members });
  const inviteButton = h("button", { class: "button", type: "button", onclick: () => openInvite(client, row) }, strings.invite);
  const leaveButton = h("button", { class: "button is-danger", type: "button", onclick: leave }, strings.leaveGroup);
  const { node, close } = openDialog(
    strings.members,
    list,
    h("div", { class: "dialog-actions" }, leaveButton, inviteButton),
  );
  const soon = renderSoon(draw);
  let loadedChange = -1;
  const refresh = () => {
    soon();
    load();
  };
  client.addEventListener("change", refresh);
  node.addEventListener("close", () => client.removeEventListener("change", refresh));
  draw();
  load();

  async function load() {
    const talk = client.replica.talks.get(talkId);
    if (!talk || loadedChange === talk.change) return;
    loadedChange = talk.change;
    try {
      await Promise.all([client.catchup.loadRoster(talkId), client.loadMemberNames(row)]);
    } catch (error) {
      console.warn("members not loaded:", error.message); // the next change of the talk asks again
    }
    soon();
  }

  function draw() {
    const talk = client.replica.talks.get(talkId);
    const roster = [...(talk?.roster?.values() ?? [])];
    const own = talk?.roster?.get(client.uid)?.role ?? talk?.member?.role;
    const isIn = talk?.member?.state === "in";
    inviteButton.hidden = !isIn;
    leaveButton.hidden = !isIn || own === OWNER;
    const nameOf = ({ user_id }) => client.people.name(user_id) || (user_id === client.uid ? client.nickname : `${strings.userFallback} ${user_id}`);
    roster.sort((a, b) => a.role - b.role || nameOf(a).localeCompare(nameOf(b), strings.locale));
    reconcile(
      list,
      roster.map((member) => {
        const name = nameOf(member);
        const mayRemove = isIn && own < member.role && own <= ADMIN && member.user_id !== client.uid;
        return {
          key: String(member.user_id),
          signature: JSON.stringify([member, name, mayRemove]),
          build: () => memberItem(member, name, mayRemove),
        };
      }),
    );
  }

  function memberItem({ user_id: userId, role }, name, mayRemove) {
    const shown = userId === client.uid ? `${name} (${strings.youObject})` : name;
    const remove = h("button", { class: "button is-small", type: "button", "aria-label": `${strings.remove} ${name}` }, strings.remove);
    remove.addEventListener("click", async () => {
      if (!(await confirmDialog(strings.remove, strings.removeAsk(name), strings.remove))) return;
      try {
        await client.call("group/remove-member", { group_id: row.to_from_id, user_ids: [userId] });
      } catch (error) {
        toastError(error);
      }
    });
    return h(
      "li",
      { class: "person" },
      avatar({ id: userId, name, url: client.people.avatar(userId) }),
      h("span", { class: "person-text" }, h("span", { class: "person-name" }, shown)),
      strings.roles[role] && h("span", { class: "role" }, strings.roles[role]),
      mayRemove && remove,
    );
  }

  async function leave() {
    if (!(await confirmDialog(strings.leaveGroup, strings.leaveAsk, strings.leave))) return;
    try {
      await client.call("group/secede", { group_id: row.to_from_id });
      close();
    } catch (error) {
      toastError(error);
    }
  }
}

function openInvite(client, row) {
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
