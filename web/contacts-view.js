/** Requests that wait for an answer, and the user's friends. */
import { avatar } from "./avatar.js";
import { h, reconcile } from "./dom.js";
import { icon } from "./icons.js";
import { renderSoon } from "./render-soon.js";
import { strings } from "./strings.js";
import { toast, toastError } from "./toast.js";
import { PAIR } from "./xinyu.js";

export class ContactsView {
  /**
   * @param {import("./xinyu.js").XinYu} client
   * @param {{openChat: (talkId: number) => void, addContact: () => void}} actions
   */
  constructor(client, actions) {
    this.client = client;
    this.actions = actions;
    this.requestsTitle = h("h2", { class: "section-title" }, strings.requests);
    this.requests = h("ul", { class: "person-list", "aria-label": strings.requests });
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
      this.requestsTitle,
      this.requests,
      this.friendsTitle,
      this.friends,
      this.empty,
    );
    this.soon = renderSoon(() => this.draw());
    client.addEventListener("change", this.soon);
    this.draw();
  }

  draw() {
    const requests = this.client.requests();
    const friends = this.client.friends();
    reconcile(
      this.requests,
      requests.map((row) => ({ key: String(row.id), signature: JSON.stringify(row), build: () => this.request(row) })),
    );
    reconcile(
      this.friends,
      friends.map((row) => ({ key: String(row.user_id), signature: JSON.stringify(row), build: () => this.friend(row) })),
    );
    this.requestsTitle.hidden = this.requests.hidden = requests.length === 0;
    this.friendsTitle.hidden = this.friends.hidden = friends.length === 0;
    this.empty.hidden = friends.length + requests.length > 0;
  }

  request(row) {
    const answer = async (path, note) => {
      accept.disabled = decline.disabled = true;
      try {
        await this.client.call(path, { apply_id: row.id, remark: "" });
        toast(note);
      } catch (error) {
        accept.disabled = decline.disabled = false;
        toastError(error);
      }
    };
    const accept = h("button", { class: "button is-primary is-small", type: "button" }, strings.accept);
    accept.addEventListener("click", () => answer("contact-apply/accept", strings.accepted(row.nickname)));
    const decline = h(
      "button",
      { class: "icon-button", type: "button", title: strings.decline, "aria-label": strings.declineOf(row.nickname) },
      icon("close"),
    );
    decline.addEventListener("click", () => answer("contact-apply/decline", strings.declined(row.nickname)));
    return h(
      "li",
      { class: "person" },
      avatar({ id: row.friend_id, name: row.nickname, url: row.avatar }),
      h(
        "span",
        { class: "person-text" },
        h("span", { class: "person-name" }, row.nickname),
        h("span", { class: "person-detail" }, row.remark),
      ),
      accept,
      decline,
    );
  }

  friend(row) {
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
  }
}
