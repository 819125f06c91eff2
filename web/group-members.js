/**
 * The members of a group with their roles; what the user may do to each depends on his own. Of many members the first
 * hundred are shown, with a field to find others and a button for more.
 */
import { avatar } from "./avatar.js";
import { botMark } from "./bot-mark.js";
import { openCard } from "./card-dialog.js";
import { confirmDialog, openDialog } from "./dialog.js";
import { h, reconcile } from "./dom.js";
import { openInvite } from "./group-dialogs.js";
import { icon } from "./icons.js";
import { fitting } from "./mention-text.js";
import { openMenu } from "./menu.js";
import { renderSoon } from "./render-soon.js";
import { strings } from "./strings.js";
import { toastError } from "./toast.js";

const SHOWN_AT_ONCE = 100;
const SEARCH_FROM = 10;
export const OWNER = 1;
export const ADMIN = 2;

/** The user's own role in the group of a talk. */
export function ownRole(client, talkId) {
  const talk = client.replica.talks.get(talkId);
  return talk?.roster?.get(client.uid)?.role ?? talk?.member?.role;
}

/**
 * @param {import("./xinyu.js").XinYu} client
 * @param {object} row the talk's row
 */
export function openMembers(client, row) {
  const { talk_id: talkId, to_from_id: groupId } = row;
  const list = h("ul", { class: "person-list", "aria-label": strings.members });
  const inviteButton = h("button", { class: "button", type: "button", onclick: () => openInvite(client, row) }, strings.invite);
  const leaveButton = h("button", { class: "button is-danger", type: "button", onclick: leave }, strings.leaveGroup);
  const search = h("input", {
    class: "input search-members",
    type: "search",
    placeholder: strings.searchChats,
    "aria-label": strings.searchMembers,
    hidden: true,
  });
  const more = h("button", { class: "button is-wide", type: "button", hidden: true }, strings.more);
  const { node, close } = openDialog(
    strings.members,
    search,
    list,
    more,
    h("div", { class: "dialog-actions" }, leaveButton, inviteButton),
  );
  const soon = renderSoon(draw);
  let loadedChange = -1;
  let shownMax = SHOWN_AT_ONCE;
  let cards = new Map();
  search.addEventListener("input", () => {
    shownMax = SHOWN_AT_ONCE;
    soon();
  });
  more.addEventListener("click", () => {
    shownMax += SHOWN_AT_ONCE;
    draw();
  });
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
      const [, members] = await Promise.all([client.catchup.loadRoster(talkId), client.loadMembers(row)]);
      cards = new Map(members.map((member) => [member.user_id, member.remark]));
    } catch (error) {
      console.warn("members not loaded:", error.message); // the next change of the talk asks again
    }
    soon();
  }

  function draw() {
    const talk = client.replica.talks.get(talkId);
    const roster = [...(talk?.roster?.values() ?? [])];
    const own = ownRole(client, talkId);
    const isIn = talk?.member?.state === "in";
    inviteButton.hidden = !isIn;
    leaveButton.hidden = !isIn || own === OWNER;
    const nameOf = ({ user_id }) => client.people.name(user_id) || (user_id === client.uid ? client.nickname : `${strings.userFallback} ${user_id}`);
    const order = new Intl.Collator(strings.locale);
    const people = roster.map((member) => {
      const [name, card] = [nameOf(member), cards.get(member.user_id) ?? ""];
      return { member, name, card, names: card ? [name, card] : [name] };
    });
    people.sort((a, b) => a.member.role - b.member.role || order.compare(a.name, b.name));
    const found = fitting(people, search.value.trim(), Infinity);
    search.hidden = people.length < SEARCH_FROM;
    more.hidden = found.length <= shownMax;
    reconcile(
      list,
      found.slice(0, shownMax).map(({ member, name, card }) => {
        const mayManage = isIn && own < member.role && own <= ADMIN && member.user_id !== client.uid;
        const isMuted = member.muted_until_ms > Date.now();
        const isBot = client.bots.isRobot(member.user_id);
        return {
          key: String(member.user_id),
          signature: JSON.stringify([member, name, card, mayManage, own, isMuted, isBot]),
          build: () => memberItem(member, name, card, isMuted, mayManage && actions(member, name, isMuted, own)),
        };
      }),
    );
  }

  function memberItem({ user_id: userId, role }, name, card, isMuted, items) {
    const open = () => openCard(client, { user_id: userId, nickname: name, avatar: client.people.avatar(userId) });
    const shown = userId === client.uid ? `${name} (${strings.youObject})` : name;
    return h(
      "li",
      { class: "person" },
      avatar({ id: userId, name, url: client.people.avatar(userId) }),
      h(
        "button",
        { class: "person-open person-text", type: "button", title: strings.openCard(name), onclick: open },
        h("span", { class: "person-name" }, shown),
        card && h("span", { class: "person-detail" }, card),
      ),
      client.bots.isRobot(userId) && botMark(),
      isMuted && h("span", { class: "role" }, strings.memberMuted),
      strings.roles[role] && h("span", { class: "role" }, strings.roles[role]),
      items && menuButton(name, items),
    );
  }

  function menuButton(name, items) {
    const button = h(
      "button",
      { class: "icon-button", type: "button", "aria-label": strings.memberActions(name), "aria-haspopup": "menu" },
      icon("more"),
    );
    button.addEventListener("click", () => openMenu(button, items));
    return button;
  }

  function actions({ user_id: userId, role }, name, isMuted, own) {
    const items = [];
    const change = (path, body, question) => async () => {
      if (question && !(await confirmDialog(question[0], question[1], question[0]))) return;
      client.call(path, { group_id: groupId, ...body }).catch(toastError);
    };
    if (own === OWNER) {
      items.push(
        role === ADMIN
          ? { label: strings.dropAdmin, act: change("group/assign-admin", { user_id: userId, action: 2 }) }
          : { label: strings.makeAdmin, act: change("group/assign-admin", { user_id: userId, action: 1 }) },
        { label: strings.handOver, act: change("group/handover", { user_id: userId }, [strings.handOver, strings.handOverAsk(name)]) },
      );
    }
    items.push(
      { label: isMuted ? strings.unmuteMember : strings.muteMember, act: change("group/no-speak", { user_id: userId, action: isMuted ? 2 : 1 }) },
      { label: strings.remove, danger: true, act: change("group/remove-member", { user_ids: [userId] }, [strings.remove, strings.removeAsk(name)]) },
    );
    return items;
  }

  async function leave() {
    if (!(await confirmDialog(strings.leaveGroup, strings.leaveAsk, strings.leave))) return;
    try {
      await client.call("group/secede", { group_id: groupId });
      close();
    } catch (error) {
      toastError(error);
    }
  }
}
