/** Requests and applications that wait for an answer, the user's friends, and the way to public groups. */
import { avatar } from "./avatar.js";
import { botMark } from "./bot-mark.js";
import { h, reconcile } from "./dom.js";
import { icon } from "./icons.js";
import { renderSoon } from "./render-soon.js";
import { strings } from "./strings.js";
import { toast, toastError } from "./toast.js";
import { PAIR } from "./xinyu.js";

export class ContactsView {
  /**
   * @param {import("./xinyu.js").XinYu} client
   * @param {{openChat: (talkId: number) => void, addContact: () => void, findGroups: () => void}} actions
   */
  constructor(client, actions) {
    this.client = client;
    this.actions = actions;
    this.requestsTitle = h("h2", { class: "section-title" }, strings.requests);
    this.requests = h("ul", { class: "person-list", "aria-label": strings.requests });
    this.applicationsTitle = h("h2", { class: "section-title" }, strings.groupApplications);
    this.applications = h("ul", { class: "person-list", "aria-label": strings.groupApplications });
    this.findGroups = h("button", { class: "button is-wide", type: "button", onclick: () => actions.findGroups() }, icon("search"), strings.publicGroups);
    this.friendsTitle = h("h2", { class: "section-title" }, strings.friends);
    this.friends = h("ul", { class: "person-list", "aria-label": strings.friends });
    this.empty = h(
      "div",
      { class: "empty" },
      h("p", { class: "empty-title" }, strings.noContacts),
      h("p", { class: "empty-hint" }, strings.noContactsHint),
      h("button", { class: "button is-primary", type: "button", onclick: () => actions.addContact() }, strings.addContact),
    );
    this.node = h(
      "section",
      { class: "panel", "aria-label": strings.contacts },
      this.findGroups,
      this.requestsTitle,
      this.requests,
      this.applicationsTitle,
      this.applications,
      this.friendsTitle,
      this.friends,
      this.empty,
    );
    this.soon = renderSoon(() => this.draw());
    client.addEventListener("change", this.soon);
    client.applications.addEventListener("change", this.soon);
    client.bots.addEventListener("change", this.soon);
    this.draw();
  }

  draw() {
    const requests = this.client.requests();
    const friends = this.client.friends();
    const { bots } = this.client;
    reconcile(
      this.requests,
      requests.map((row) => ({ key: String(row.id), signature: JSON.stringify(row), build: () => this.request(row) })),
    );
    reconcile(
      this.friends,
      friends.map((row) => {
        const isBot = bots.isRobot(row.user_id);
        const signature = JSON.stringify([row, isBot]);
        return { key: String(row.user_id), signature, build: () => this.friend(row, isBot) };
      }),
    );
    const { items } = this.client.applications;
    reconcile(
      this.applications,
      items.map((item) => ({ key: String(item.id), signature: JSON.stringify(item), build: () => this.application(item) })),
    );
    this.applicationsTitle.hidden = this.applications.hidden = items.length === 0;
    this.requestsTitle.hidden = this.requests.hidden = requests.length === 0;
    this.friendsTitle.hidden = this.friends.hidden = friends.length === 0;
    this.empty.hidden = friends.length + requests.length + items.length > 0;
  }

  request(row) {
    const answer = (path) => this.client.call(path, { apply_id: row.id, remark: "" });
    return question({ id: row.friend_id, nickname: row.nickname, avatar: row.avatar, detail: row.remark }, [
      [() => answer("contact-apply/accept"), strings.accepted(row.nickname)],
      [() => answer("contact-apply/decline"), strings.declined(row.nickname)],
    ]);
  }

  /** Somebody wants into a group that the user manages. */
  application(item) {
    const { applications } = this.client;
    const detail = item.remark ? `${item.group_name}: ${item.remark}` : item.group_name;
    return question({ id: item.user_id, nickname: item.nickname, avatar: item.avatar, detail }, [
      [() => applications.answer("group-apply/agree", item.id), strings.agreed(item.nickname)],
      [() => applications.answer("group-apply/decline", item.id), strings.declined(item.nickname)],
    ]);
  }

  friend(row, isBot) {
    const name = row.remark || row.nickname;
    return h(
      "li",
      {},
      h(
        "button",
        { class: "person is-button", type: "button", onclick: () => this.open(row.user_id) },
        avatar({ id: row.user_id, name, url: row.avatar }),
        h(
          "span",
          { class: "person-text" },
          h("span", { class: "person-name" }, name),
          (row.remark || row.motto) && h("span", { class: "person-detail" }, row.remark ? row.nickname : row.motto),
        ),
        isBot && botMark(),
      ),
    );
  }

  async open(userId) {
    try {
      this.actions.openChat(await this.client.openTalk(PAIR, userId));
    } catch (error) {
      toastError(error);
    }
  }

  dispose() {
    this.client.removeEventListener("change", this.soon);
    this.client.applications.removeEventListener("change", this.soon);
    this.client.bots.removeEventListener("change", this.soon);
  }
}

/** Somebody who wants something, with yes and no; each an action and what is said once it is done. */
function question({ id, nickname, avatar: url, detail }, [yes, no]) {
  const answer = async ([act, note]) => {
    accept.disabled = decline.disabled = true;
    try {
      await act();
      toast(note);
    } catch (error) {
      accept.disabled = decline.disabled = false;
      toastError(error);
    }
  };
  const accept = h("button", { class: "button is-primary is-small", type: "button", onclick: () => answer(yes) }, strings.accept);
  const decline = h(
    "button",
    { class: "icon-button", type: "button", title: strings.decline, "aria-label": strings.declineOf(nickname), onclick: () => answer(no) },
    icon("close"),
  );
  return h(
    "li",
    { class: "person" },
    avatar({ id, name: nickname, url }),
    h("span", { class: "person-text" }, h("span", { class: "person-name" }, nickname), h("span", { class: "person-detail" }, detail)),
    accept,
    decline,
  );
}
