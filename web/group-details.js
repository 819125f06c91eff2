/** What a group is: its face, notice, one's own name in it; for its managers the settings, for its owner the end. */
import { avatar } from "./avatar.js";
import { confirmDialog, openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { area, choice, field, toggle } from "./field.js";
import { openMembers, OWNER, ownRole } from "./group-members.js";
import { pictureField } from "./picture-field.js";
import { strings } from "./strings.js";
import { toast, toastError } from "./toast.js";
import { openVotes } from "./vote-dialogs.js";

const NAME_MAX = 30;
const PROFILE_MAX = 255;
const VISIT_CARD_MAX = 20;
const NOTICE_MAX = 10_000;
const SLOW_S = [0, 5, 10, 30, 60, 300, 900, 3600, 21_600];
const YES = 1;
const NO = 2;
const ADMINS_ONLY = 1;
const EVERYBODY = 2;

/**
 * @param {import("./xinyu.js").XinYu} client
 * @param {object} row the talk's row
 */
export async function openGroupDetails(client, row) {
  const { talk_id: talkId, to_from_id: groupId } = row;
  const body = h("div", { class: "group-details" });
  const { node, close } = openDialog(strings.groupDetails, body);
  let shown = "";
  let loadedChange = null;
  const refresh = () => load();
  client.addEventListener("change", refresh);
  node.addEventListener("close", () => client.removeEventListener("change", refresh));
  await load();

  async function load(isForced = false) {
    const change = client.replica.talks.get(talkId)?.change;
    if (loadedChange === change && !isForced) return;
    loadedChange = change;
    try {
      const detail = await client.call("group/detail", { group_id: groupId });
      const key = JSON.stringify([detail, ownRole(client, talkId)]);
      if (key === shown || !node.isConnected) return;
      if (body.contains(document.activeElement) && document.activeElement.matches("input:not([type=checkbox]), textarea")) return; // somebody types
      shown = key;
      draw(detail);
    } catch (error) {
      if (!shown) body.replaceChildren(h("p", { class: "form-error" }, error.message));
    }
  }

  /** Sends a change and shows what became of it. */
  async function change(path, fields, note = strings.saved) {
    try {
      await client.call(path, { group_id: groupId, ...fields });
      toast(note);
    } catch (error) {
      toastError(error);
    }
    shown = "";
    await load(true);
  }

  function draw(detail) {
    const members = client.replica.talks.get(talkId)?.roster?.size;
    const isOwner = ownRole(client, talkId) === OWNER;
    body.replaceChildren(
      h(
        "div",
        { class: "group-head" },
        avatar({ id: groupId, name: detail.group_name, url: detail.avatar, isGroup: true }),
        h(
          "div",
          { class: "person-text" },
          h("span", { class: "person-name" }, detail.group_name),
          members && h("button", { class: "link", type: "button", onclick: () => openMembers(client, row) }, strings.memberCount(members)),
        ),
      ),
      detail.profile && h("p", { class: "text" }, detail.profile),
      notice(detail),
      h("div", { class: "dialog-actions is-start" }, h("button", { class: "button is-small", type: "button", onclick: () => openVotes(client, row) }, strings.votes)),
      visitCard(detail),
      detail.is_manager && settings(detail, isOwner),
      isOwner && dismissButton(detail),
    );
    for (const empty of [...body.childNodes].filter((child) => child.nodeType === Node.TEXT_NODE)) empty.remove();
  }

  function notice(detail) {
    const edit = h("button", { class: "link", type: "button", onclick: () => openNotice(client, groupId, detail.notice?.content ?? "", () => load(true)) }, strings.editNotice);
    if (!detail.notice?.content && !detail.is_manager) return null;
    return h(
      "section",
      { class: "group-notice", "aria-label": strings.notice },
      h("h3", { class: "section-title" }, strings.notice),
      detail.notice?.content
        ? h("p", { class: "text" }, detail.notice.content)
        : h("p", { class: "note" }, strings.noNotice),
      detail.notice?.content && h("p", { class: "note" }, strings.noticeBy(detail.notice.modify_user_name || strings.somebody, detail.notice.updated_at)),
      detail.is_manager && edit,
    );
  }

  function visitCard(detail) {
    const form = h(
      "form",
      { class: "form is-row" },
      field({ name: "remark", label: strings.visitCard, maxlength: VISIT_CARD_MAX, value: detail.visit_card, autocomplete: "off" }),
      h("button", { class: "button", type: "submit" }, strings.save),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      form.elements.remark.blur();
      change("group/remark-update", { remark: form.elements.remark.value.trim() });
    });
    return form;
  }

  function settings(detail, isOwner) {
    const picture = pictureField(client, { id: groupId, name: detail.group_name, url: detail.avatar, isGroup: true });
    const form = h(
      "form",
      { class: "form", "aria-label": strings.groupSettings },
      h("h3", { class: "section-title" }, strings.groupSettings),
      picture.node,
      field({ name: "group_name", label: strings.groupName, maxlength: NAME_MAX, value: detail.group_name, autocomplete: "off" }),
      area({ name: "profile", label: strings.groupProfile, maxlength: PROFILE_MAX, value: detail.profile }),
      h("button", { class: "button is-primary is-wide", type: "submit" }, strings.save),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const { group_name, profile } = form.elements;
      if (!group_name.value.trim()) return void toast(strings.noGroupName, "is-error");
      document.activeElement?.blur();
      const fields = { group_name: group_name.value.trim(), profile: profile.value.trim(), avatar: picture.url() };
      change("group/setting", fields);
    });
    const flip = (path) => (event) => change(path, { action: event.target.checked ? YES : NO });
    return h(
      "section",
      { class: "form" },
      form,
      isOwner && toggle({ name: "overt", label: strings.overt, hint: strings.overtHint, checked: detail.is_overt === YES, onchange: flip("group/overt") }),
      toggle({ name: "mute", label: strings.muteAll, hint: strings.muteAllHint, checked: detail.is_mute === YES, onchange: flip("group/mute") }),
      choice({
        name: "slow",
        label: strings.slowMode,
        hint: strings.slowModeHint,
        value: detail.slow_mode_s,
        options: [...new Set([...SLOW_S, detail.slow_mode_s])].sort((a, b) => a - b).map((seconds) => [seconds, strings.duration(seconds)]),
        onchange: (event) => change("group/rules", { slow_mode_s: Number(event.target.value) }),
      }),
      toggle({
        name: "mention",
        label: strings.mentionAll,
        checked: detail.mention_all === EVERYBODY,
        onchange: (event) => change("group/rules", { mention_all: event.target.checked ? EVERYBODY : ADMINS_ONLY }),
      }),
    );
  }

  function dismissButton(detail) {
    const dismiss = async () => {
      if (!(await confirmDialog(strings.dismiss, strings.dismissAsk(detail.group_name), strings.dismiss))) return;
      try {
        await client.call("group/dismiss", { group_id: groupId });
        close();
      } catch (error) {
        toastError(error);
      }
    };
    return h("div", { class: "dialog-actions" }, h("button", { class: "button is-danger", type: "button", onclick: dismiss }, strings.dismiss));
  }
}

function openNotice(client, groupId, content, onSaved) {
  const form = h(
    "form",
    { class: "form" },
    area({ name: "content", label: strings.notice, hint: strings.noticeHint, maxlength: NOTICE_MAX, rows: 8, value: content }),
    h("button", { class: "button is-primary is-wide", type: "submit" }, strings.save),
  );
  const { close } = openDialog(strings.editNotice, form);
  form.elements.content.focus();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await client.call("group-notice/edit", { group_id: groupId, content: form.elements.content.value.trim() });
      toast(strings.saved);
      close();
      onSaved();
    } catch (error) {
      toastError(error);
    }
  });
}
