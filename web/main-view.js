/** The logged-in page: the side with its two tabs, and the open chat beside it (or in front of it on a phone). */
import { openAddContact } from "./add-contact-dialog.js";
import { avatar } from "./avatar.js";
import { ChatView } from "./chat-view.js";
import { forgetDrafts } from "./composer.js";
import { ConnectionView } from "./connection-view.js";
import { ContactsView } from "./contacts-view.js";
import { h } from "./dom.js";
import { openNewGroup } from "./group-dialogs.js";
import { icon } from "./icons.js";
import { ListView } from "./list-view.js";
import { Presence } from "./presence.js";
import { openProfile } from "./profile-dialog.js";
import { openPublicGroups } from "./public-groups.js";
import { renderSoon } from "./render-soon.js";
import { strings, switchLanguage } from "./strings.js";
import { Typing } from "./typing.js";

export class MainView {
  /**
   * @param {import("./xinyu.js").XinYu} client
   * @param {{logOut: () => void}} actions
   */
  constructor(client, { logOut }) {
    this.client = client;
    this.typing = new Typing(client);
    this.presence = new Presence(client);
    this.chat = null;
    const openChat = (talkId) => location.assign(`#/chat/${talkId}`);
    const addContact = () => openAddContact(client, openChat);
    this.listView = new ListView(client, this.typing, this.presence, addContact);
    this.contactsView = new ContactsView(client, { openChat, addContact, findGroups: () => openPublicGroups(client, openChat) });
    this.connectionView = new ConnectionView(client);

    this.me = h("button", { class: "me", type: "button", title: strings.profile, onclick: () => openProfile(client) });
    this.chatsTab = tab(strings.chats, "#/");
    this.contactsTab = tab(strings.contacts, "#/contacts");
    this.side = h(
      "aside",
      { class: "side" },
      h(
        "header",
        { class: "side-header" },
        this.me,
        action("addPerson", strings.addContact, addContact),
        action("group", strings.newGroup, () => openNewGroup(client, openChat)),
        action("language", strings.otherLanguage, switchLanguage),
        action("logOut", strings.logOut, logOut),
      ),
      this.connectionView.node,
      h("nav", { class: "tabs" }, this.chatsTab.node, this.contactsTab.node),
      this.listView.node,
      this.contactsView.node,
    );
    this.stage = h("main", { class: "stage" });
    this.node = h("div", { class: "main-view", "data-screen": "list" }, this.side, this.stage);
    this.soon = renderSoon(() => this.drawBadges());
    this.onHash = () => this.route();
    client.addEventListener("change", this.soon);
    client.applications.addEventListener("change", this.soon);
    window.addEventListener("hashchange", this.onHash);
    this.showTab(false);
  }

  /** Called once the node is in the page. */
  shown() {
    this.drawBadges();
    this.route();
  }

  /** #/ the list, #/contacts, #/chat/TALK_ID, #/chat/TALK_ID/SEQUENCE. */
  route() {
    const [, name, id, place] = location.hash.split("/");
    const isContacts = name === "contacts";
    const talkId = name === "chat" ? Number.parseInt(id, 10) : NaN;
    if (name !== "chat" || isContacts) this.showTab(isContacts);
    this.node.dataset.screen = Number.isInteger(talkId) ? "chat" : "list";
    if (!Number.isInteger(talkId)) return void this.closeChat();
    this.openChat(talkId);
    if (!place) return;
    history.replaceState(null, "", `#/chat/${talkId}`); // so that the same place can be gone to again
    this.chat.jumpTo(Number.parseInt(place, 10));
  }

  showTab(isContacts) {
    if (isContacts) this.client.bots.know();
    this.listView.node.hidden = isContacts;
    this.contactsView.node.hidden = !isContacts;
    this.chatsTab.node.setAttribute("aria-current", isContacts ? "false" : "page");
    this.contactsTab.node.setAttribute("aria-current", isContacts ? "page" : "false");
  }

  openChat(talkId) {
    if (this.chat?.talkId === talkId) return;
    this.closeChat();
    this.chat = new ChatView(this.client, this.typing, this.presence, talkId, { back: () => location.assign("#/") });
    this.stage.replaceChildren(this.chat.node);
    this.listView.select(talkId);
    this.chat.shown();
  }

  closeChat() {
    this.chat?.dispose();
    this.chat = null;
    this.listView.select(null);
    this.stage.replaceChildren(
      h(
        "div",
        { class: "empty is-stage" },
        h("img", { class: "empty-logo", src: "logo.svg", alt: "" }),
        h("p", { class: "empty-title" }, strings.pickChat),
        h("p", { class: "empty-hint" }, strings.pickChatHint),
      ),
    );
  }

  drawBadges() {
    const unread = ListView.unreadTotal(this.client);
    const requests = this.client.requests().length + this.client.applications.items.length;
    this.chatsTab.count(unread, strings.unread(unread));
    this.contactsTab.count(requests, strings.requests);
    document.title = unread ? `(${unread}) ${strings.appName}` : strings.appName;
    const name = this.client.nickname;
    const user = this.client.replica.rows.user.get("user")?.user_info;
    const key = JSON.stringify([name, user?.avatar]);
    if (this.meKey === key) return;
    this.meKey = key;
    this.me.replaceChildren(avatar({ id: this.client.uid, name, url: user?.avatar }), h("span", { class: "me-name" }, name));
  }

  dispose() {
    window.removeEventListener("hashchange", this.onHash);
    this.client.removeEventListener("change", this.soon);
    this.client.applications.removeEventListener("change", this.soon);
    this.chat?.dispose();
    this.listView.dispose();
    this.contactsView.dispose();
    this.connectionView.dispose();
    forgetDrafts();
    document.title = strings.appName;
  }
}

function action(iconName, label, onclick) {
  return h("button", { class: "icon-button", type: "button", "aria-label": label, title: label, onclick }, icon(iconName));
}

function tab(label, href) {
  const badge = h("span", { class: "badge", hidden: true });
  const node = h("a", { class: "tab", href }, label, badge);
  return {
    node,
    count(number, description) {
      badge.hidden = number === 0;
      badge.textContent = number > 99 ? "99+" : String(number);
      badge.setAttribute("aria-label", description);
    },
  };
}
