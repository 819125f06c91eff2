/** Groups that anybody may find: looked through by name, and applied to. */
import { avatar } from "./avatar.js";
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { field } from "./field.js";
import { strings } from "./strings.js";
import { toast, toastError } from "./toast.js";
import { GROUP } from "./xinyu.js";

const REMARK_MAX = 100;

/**
 * @param {import("./xinyu.js").XinYu} client
 * @param {(talkId: number) => void} openChat
 */
export function openPublicGroups(client, openChat) {
  const form = h(
    "form",
    { class: "form is-row", role: "search", novalidate: true },
    field({ name: "name", label: strings.groupName, maxlength: 30, autocomplete: "off" }),
    h("button", { class: "button is-primary", type: "submit" }, strings.find),
  );
  const list = h("ul", { class: "person-list", "aria-label": strings.publicGroups });
  const note = h("p", { class: "note", "aria-live": "polite" });
  const more = h("button", { class: "button is-wide", type: "button", hidden: true }, strings.more);
  const { close } = openDialog(strings.publicGroups, form, list, note, more);
  form.elements.name.focus();
  let wanted = { page: 1, name: "" };
  let asked = 0;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    wanted = { page: 1, name: form.elements.name.value.trim() };
    load();
  });
  more.addEventListener("click", () => {
    wanted.page += 1;
    load();
  });
  load();

  async function load() {
    const number = (asked += 1);
    try {
      const { items, next } = await client.call("group/overt-list", wanted);
      if (number !== asked) return; // another search since
      if (wanted.page === 1) list.replaceChildren();
      list.append(...items.map(item));
      note.textContent = list.children.length ? "" : strings.noMatch;
      more.hidden = !next;
    } catch (error) {
      note.textContent = error.message;
    }
  }

  function item(group) {
    const open = async () => {
      try {
        openChat(await client.openTalk(GROUP, group.group_id));
        close();
      } catch (error) {
        toastError(error);
      }
    };
    const button = group.is_member
      ? h("button", { class: "button is-small", type: "button", "aria-label": `${strings.open} ${group.name}`, onclick: open }, strings.open)
      : h("button", { class: "button is-small", type: "button", "aria-label": `${strings.apply} ${group.name}`, onclick: () => openApply(client, group) }, strings.apply);
    return h(
      "li",
      { class: "person" },
      avatar({ id: group.group_id, name: group.name, url: group.avatar, isGroup: true }),
      h(
        "span",
        { class: "person-text" },
        h("span", { class: "person-name" }, group.name),
        h("span", { class: "person-detail" }, group.profile || strings.memberCount(group.count)),
      ),
      button,
    );
  }
}

function openApply(client, group) {
  const form = h(
    "form",
    { class: "form" },
    field({ name: "remark", label: strings.remark, maxlength: REMARK_MAX, value: strings.remarkDefault(client.nickname), autocomplete: "off" }),
    h("button", { class: "button is-primary is-wide", type: "submit" }, strings.sendRequest),
  );
  const { close } = openDialog(strings.applyTo(group.name), form);
  form.elements.remark.select();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await client.call("group-apply/create", { group_id: group.group_id, remark: form.elements.remark.value.trim() });
      toast(strings.requestSent(group.name));
      close();
    } catch (error) {
      toastError(error);
    }
  });
}
