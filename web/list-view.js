/** The conversation list: pinned first, then newest, with digest, time and unread number; and the search over all. */
import { avatar } from "./avatar.js";
import { botMark } from "./bot-mark.js";
import { h, reconcile } from "./dom.js";
import { icon } from "./icons.js";
import { hasUnreadMention } from "./mention-marks.js";
import { digestOf, isRevoked, isSystemLine, SENT_TYPES } from "./message-content.js";
import { renderSoon } from "./render-soon.js";
import { KEYWORD_MAX, SearchResults } from "./search-results.js";
import { strings } from "./strings.js";
import { completeText, listText } from "./time-text.js";
import { GROUP, PAIR } from "./xinyu.js";

const UNREAD_SHOWN_MAX = 99;

export class ListView {
  /**
   * @param {import("./xinyu.js").XinYu} client
   * @param {import("./typing.js").Typing} typing
   * @param {import("./presence.js").Presence} presence
   * @param {() => void} addContact
   */
  constructor(client, typing, presence, addContact) {
    this.client = client;
    this.addContact = addContact;
    this.typing = typing;
    this.presence = presence;
    this.openTalkId = null;
    this.list = h("ul", { class: "talk-list" });
    this.empty = h("div", { class: "empty" });
    this.search = h("input", { class: "input search", type: "search", maxlength: KEYWORD_MAX, placeholder: strings.searchChats, "aria-label": strings.searchChats });
    this.results = new SearchResults(client, {});
    this.node = h(
      "section",
      { class: "panel", "aria-label": strings.chats },
      h("div", { class: "search-box" }, icon("search"), this.search),
      this.list,
      this.empty,
      this.results.node,
    );
    this.soon = renderSoon(() => this.draw());
    this.search.addEventListener("input", () => {
      this.soon();
      this.results.search(this.search.value.trim());
    });
    this.search.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.search.value = "";
      this.results.search("");
      this.soon();
    });
    for (const type of ["change", "outgoing"]) client.addEventListener(type, this.soon);
    for (const hints of [typing, presence]) hints.addEventListener("change", this.soon);
    this.minute = setInterval(this.soon, 60_000);
    this.draw();
  }

  /** Marks the chat that is open. */
  select(talkId) {
    this.openTalkId = talkId;
    this.draw();
  }

  /** Unread messages in all listed talks that are not silenced. */
  static unreadTotal(client) {
    let total = 0;
    for (const row of client.replica.rows.talk.values()) {
      if (client.replica.isListed(row.talk_id) && row.is_disturb !== 1) total += client.replica.unread(row.talk_id);
    }
    return total;
  }

  draw() {
    const { client } = this;
    const { replica } = client;
    const wanted = this.search.value.trim().toLowerCase();
    const entries = [];
    for (const row of replica.rows.talk.values()) {
      if (!replica.isListed(row.talk_id) && row.talk_id !== this.openTalkId) continue;
      const face = client.faceOf(row);
      if (wanted && !face.name.toLowerCase().includes(wanted)) continue;
      entries.push(this.entry(row, face));
    }
    entries.sort((a, b) => b.isPinned - a.isPinned || b.atMs - a.atMs || b.row.version - a.row.version);
    reconcile(
      this.list,
      entries.map((entry) => ({
        key: String(entry.row.talk_id),
        signature: JSON.stringify(entry),
        build: () => this.item(entry),
      })),
    );
    this.empty.hidden = entries.length > 0 || Boolean(wanted);
    if (!entries.length) {
      this.empty.replaceChildren(
        h("p", { class: "empty-title" }, strings.noChats),
        h("p", { class: "empty-hint" }, strings.noChatsHint),
        h("button", { class: "button is-primary", type: "button", onclick: this.addContact }, strings.addContact),
      );
    }
  }

  entry(row, face) {
    const { replica, outgoing, uid, people, bots } = this.client;
    const record = replica.newestRecord(row.talk_id);
    const waiting = outgoing.of(row.talk_id).at(-1);
    const unread = replica.unread(row.talk_id);
    const isOver = record?.expires_at_ms > 0 && record.expires_at_ms <= Date.now();
    let digest = record && !isOver ? digestOf(record, uid) : "";
    let kind = "";
    if (record && !isOver && !isSystemLine(record) && !isRevoked(record)) {
      if (record.from_id === uid) digest = row.talk_mode === GROUP ? strings.ownPrefix(digest) : digest;
      else if (row.talk_mode === GROUP) {
        digest = strings.senderPrefix(people.name(record.from_id) || record.nickname || strings.somebody, digest);
      }
    }
    let atMs = record?.sent_at_ms ?? 0;
    if (waiting) {
      atMs = Math.max(atMs, waiting.created_at_ms);
      if (waiting.state === "failed") [digest, kind] = [strings.failedDigest, "is-failed"];
      else digest = waiting.type === "text" ? String(waiting.body.content ?? "").slice(0, 120) : (strings.kinds[SENT_TYPES[waiting.type]] ?? "");
    }
    if (this.typing.isTyping(row)) [digest, kind] = [strings.typingShort, "is-typing"];
    return {
      row,
      face,
      digest,
      kind,
      atMs,
      time: atMs ? listText(atMs) : "",
      unread,
      isMentioned: unread > 0 && row.talk_mode === GROUP && hasUnreadMention(replica.talks.get(row.talk_id), uid),
      isBot: row.talk_mode === PAIR && bots.isRobot(row.to_from_id),
      isPinned: row.is_top === 1 ? 1 : 0,
      isMuted: row.is_disturb === 1,
      isOpen: row.talk_id === this.openTalkId,
      isOnline: this.presence.isOnline(row),
    };
  }

  item({ row, face, digest, kind, atMs, time, unread, isMentioned, isBot, isPinned, isMuted, isOpen, isOnline }) {
    const unreadText = unread > UNREAD_SHOWN_MAX ? `${UNREAD_SHOWN_MAX}+` : String(unread);
    return h(
      "li",
      {},
      h(
        "a",
        {
          class: `talk-item ${isOpen ? "is-open" : ""}`,
          href: `#/chat/${row.talk_id}`,
          "aria-current": isOpen ? "true" : null,
          "data-talk-id": row.talk_id,
        },
        h(
          "span",
          { class: isOnline ? "presence is-online" : "presence", title: isOnline ? strings.online : null },
          avatar({ id: row.to_from_id, name: face.name, url: face.avatar, isGroup: row.talk_mode === GROUP }),
        ),
        h(
          "span",
          { class: "talk-item-text" },
          h(
            "span",
            { class: "talk-item-top" },
            h("span", { class: "talk-item-name" }, face.name),
            isBot && botMark(),
            isMuted && h("span", { class: "talk-item-mark", title: strings.muted }, icon("muted")),
            isPinned === 1 && h("span", { class: "talk-item-mark", title: strings.pinned }, icon("pin")),
            atMs > 0 && h("time", { class: "talk-item-time", title: completeText(atMs) }, time),
          ),
          h(
            "span",
            { class: "talk-item-bottom" },
            isMentioned && h("span", { class: "talk-item-mention" }, strings.mentionedYou),
            h("span", { class: `talk-item-digest ${kind}` }, digest),
            unread > 0 &&
              h("span", { class: isMuted ? "badge is-quiet" : "badge", "aria-label": strings.unread(unread) }, unreadText),
          ),
        ),
      ),
    );
  }

  dispose() {
    for (const type of ["change", "outgoing"]) this.client.removeEventListener(type, this.soon);
    for (const hints of [this.typing, this.presence]) hints.removeEventListener("change", this.soon);
    clearInterval(this.minute);
  }
}
