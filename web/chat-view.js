/**
 * An open chat: its messages, what waits to be sent, history by scrolling, and the editor.
 *
 * The view shows the numbers from `lowest` to the newest. `lowest` only goes down, as the user scrolls up, and what is
 * missing there is fetched first. At the bottom the view sticks to the bottom; elsewhere it keeps the line that the
 * user looks at where it is. Reading is told to the server only while the page is visible and the bottom is in view.
 */
import { avatar } from "./avatar.js";
import { Composer } from "./composer.js";
import { confirmDialog } from "./dialog.js";
import { h, reconcile } from "./dom.js";
import { openMembers } from "./group-dialogs.js";
import { icon } from "./icons.js";
import { openMenu } from "./menu.js";
import { bodyOf, digestOf, TEXT } from "./message-content.js";
import { bubbleView, isLine, lineView, recordLineText } from "./message-view.js";
import { renderSoon } from "./render-soon.js";
import { strings } from "./strings.js";
import { dayOf, dayText } from "./time-text.js";
import { toast, toastError } from "./toast.js";
import { GROUP } from "./xinyu.js";

const PAGE_NUMBERS = 40;
const NEAR_TOP_PX = 240;
const AT_BOTTOM_PX = 48;
const RUN_MS = 5 * 60_000;
const RECALL_MS = 2 * 60_000;
const ADMIN = 2;

export class ChatView {
  /**
   * @param {import("./xinyu.js").XinYu} client
   * @param {import("./typing.js").Typing} typing
   * @param {number} talkId
   * @param {{back: () => void}} actions
   */
  constructor(client, typing, talkId, actions) {
    this.client = client;
    this.typing = typing;
    this.talkId = talkId;
    this.lowest = null;
    this.unreadFrom = null;
    this.isLoading = false;
    this.loadFailed = false;
    this.isAtBottom = true;
    this.newBelow = 0;
    this.seenSequence = null;
    this.rosterChange = -1;

    this.title = h("h1", { class: "chat-title" });
    this.subtitle = h("p", { class: "chat-subtitle" });
    this.face = h("span", { class: "chat-face" });
    const details = h("button", { class: "icon-button", type: "button", "aria-label": strings.chatDetails, "aria-haspopup": "menu" }, icon("more"));
    details.addEventListener("click", () => this.openDetails(details));
    this.membersButton = h(
      "button",
      { class: "icon-button", type: "button", "aria-label": strings.members, title: strings.members, hidden: true, onclick: () => openMembers(client, this.row) },
      icon("group"),
    );
    this.top = h("div", { class: "log-top" });
    this.log = h("ol", { class: "log-list", role: "log", "aria-live": "polite", tabindex: "-1" });
    this.scroller = h("div", { class: "log", tabindex: "0" }, this.top, this.log);
    this.chip = h("button", { class: "chip", type: "button", hidden: true, onclick: () => this.toBottom(true) });
    this.composer = new Composer({
      talkId,
      onSend: (text, quoteId) => this.send(text, quoteId),
      onTyping: () => this.row && client.typing(this.row),
    });
    this.node = h(
      "section",
      { class: "chat" },
      h(
        "header",
        { class: "chat-header" },
        h("button", { class: "icon-button back-button", type: "button", "aria-label": strings.back, onclick: actions.back }, icon("back")),
        this.face,
        h("div", { class: "chat-heading" }, this.title, this.subtitle),
        this.membersButton,
        details,
      ),
      h("div", { class: "log-frame" }, this.scroller, this.chip),
      this.composer.node,
    );

    this.soon = renderSoon(() => this.draw());
    this.onChange = ({ detail }) => {
      if (detail.all || detail.talks.has(talkId) || detail.rows.size) this.soon();
    };
    this.onOutgoing = ({ detail }) => {
      if (detail.talk_id === talkId) this.soon();
    };
    this.onVisible = () => this.markRead();
    this.onRead = ({ detail }) => {
      if (detail.talk_id === talkId) this.markRead();
    };
    this.onConnection = ({ detail }) => {
      if (detail.name === "connected") this.soon();
    };
    client.addEventListener("change", this.onChange);
    client.addEventListener("outgoing", this.onOutgoing);
    client.addEventListener("connection", this.onConnection);
    client.addEventListener("read", this.onRead);
    typing.addEventListener("change", this.soon);
    document.addEventListener("visibilitychange", this.onVisible);
    window.addEventListener("focus", this.onVisible);
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.resizes = new ResizeObserver(() => {
      if (this.isAtBottom) this.toBottom(false);
    });
    this.resizes.observe(this.scroller);
  }

  get row() {
    return this.client.replica.rows.talk.get(this.talkId);
  }

  get talk() {
    return this.client.replica.talks.get(this.talkId);
  }

  /** Called once the node is in the page. */
  shown() {
    this.draw();
    this.toBottom(false);
    this.composer.fit();
    if (matchMedia("(hover: hover)").matches) this.composer.focus();
  }

  // ---------------------------------------------------------------- drawing

  draw() {
    if (!this.node.isConnected) return;
    const { row, talk } = this;
    this.drawHeader();
    const before = this.anchor();
    if (row && talk) this.chooseWindow();
    reconcile(this.log, row && talk ? this.items() : []);
    this.drawTop();
    if (this.isAtBottom) this.toBottom(false);
    else this.restore(before);
    this.countNew();
    this.drawChip();
    this.markRead();
    this.fetchMissing();
  }

  drawHeader() {
    const { row, talk, client } = this;
    if (!row) {
      this.composer.block(client.catchup.isLevel ? strings.unknownChat : strings.connecting);
      return;
    }
    const face = client.faceOf(row);
    const isGroup = row.talk_mode === GROUP;
    const members = talk?.roster?.size;
    const subtitle = this.typing.isTyping(row) ? strings.typing(face.name) : isGroup && members ? strings.memberCount(members) : "";
    if (this.title.textContent !== face.name) {
      this.title.textContent = face.name;
      this.log.setAttribute("aria-label", strings.messageLog(face.name));
    }
    this.subtitle.textContent = subtitle;
    this.subtitle.classList.toggle("is-typing", this.typing.isTyping(row));
    const faceKey = JSON.stringify([face, row.to_from_id]);
    if (this.faceKey !== faceKey) {
      this.faceKey = faceKey;
      this.face.replaceChildren(avatar({ id: row.to_from_id, name: face.name, url: face.avatar, isGroup }));
    }
    this.membersButton.hidden = !isGroup;
    this.composer.block(this.blockedReason());
  }

  blockedReason() {
    const { talk, row } = this;
    const member = talk?.member;
    if (!member || row.talk_mode !== GROUP) return "";
    if (member.state !== "in") return strings.leftGroup;
    if (member.muted_until_ms > Date.now()) return strings.mutedYou;
    if (talk.profile?.mute_all && talk.profile.mute_all !== 2 && member.role > ADMIN) return strings.mutedAll;
    return "";
  }

  /** The first window: the newest numbers that are held in one run, no more than a page. */
  chooseWindow() {
    const { talk, client } = this;
    const newest = talk.sequence;
    if (this.lowest === null && newest > 0) {
      this.lowest = Math.max(talk.from, client.replica.newestRunStart(this.talkId), newest - PAGE_NUMBERS + 1);
      if (client.replica.unread(this.talkId) > 0) this.unreadFrom = Math.max(talk.read_sequence, talk.from - 1) + 1;
      this.seenSequence = newest;
    }
    if (this.lowest === null) return;
    this.lowest = Math.max(this.lowest, talk.from);
    const runStart = client.replica.newestRunStart(this.talkId);
    // After a long absence the gap can be larger than anybody wants to wait for: begin again below the newest.
    if (runStart - this.lowest > 4 * PAGE_NUMBERS) this.lowest = runStart;
  }

  items() {
    const { talk, client, row } = this;
    const isGroup = row.talk_mode === GROUP;
    const messages = [];
    const sequences = [...talk.records.keys()].filter((sequence) => sequence >= (this.lowest ?? 1)).sort((a, b) => a - b);
    const seen = new Set();
    for (const sequence of sequences) {
      const record = talk.records.get(sequence);
      if (record.from_id === client.uid) seen.add(record.msg_id);
      messages.push({ record, atMs: record.sent_at_ms, state: "sent", failure: "" });
    }
    for (const entry of client.outgoing.of(this.talkId)) {
      if (seen.has(entry.msg_id)) continue;
      const record = {
        msg_id: entry.msg_id,
        sequence: 0,
        msg_type: TEXT,
        from_id: client.uid,
        nickname: client.nickname,
        extra: JSON.stringify(entry.body),
        quote: JSON.stringify({ quote_id: entry.quote_id, content: this.quotedText(entry.quote_id) }),
      };
      const failure = strings.reasons[entry.reason] ?? (entry.message || strings.failed);
      messages.push({ record, atMs: entry.created_at_ms, state: entry.state, failure });
    }
    const items = [];
    let day = null;
    messages.forEach((message, index) => {
      const { record, atMs } = message;
      if (dayOf(atMs) !== day) {
        day = dayOf(atMs);
        const text = dayText(atMs);
        items.push({ key: `day-${day}-${index === 0 ? "top" : ""}`, signature: text, build: () => lineView(text, "is-day") });
      }
      if (this.unreadFrom !== null && record.sequence >= this.unreadFrom && !(messages[index - 1]?.record.sequence >= this.unreadFrom)) {
        items.push({ key: "unread", signature: "", build: () => lineView(strings.unreadLine, "is-unread") });
      }
      items.push(this.item(message, messages[index - 1], messages[index + 1], isGroup));
    });
    return items;
  }

  item({ record, atMs, state, failure }, before, after, isGroup) {
    const { client } = this;
    const key = `${record.from_id}-${record.msg_id}`;
    if (isLine(record)) {
      const text = recordLineText(record, client.uid);
      return { key, signature: text, build: () => this.recordLine(record, text) };
    }
    const joins = (other) =>
      other && !isLine(other.record) && other.record.from_id === record.from_id && Math.abs(other.atMs - atMs) < RUN_MS && dayOf(other.atMs) === dayOf(atMs);
    const isOwn = record.from_id === client.uid;
    const message = {
      msgId: record.msg_id,
      fromId: record.from_id,
      isOwn,
      name: client.people.name(record.from_id) || record.nickname || `${strings.userFallback} ${record.from_id}`,
      face: client.people.avatar(record.from_id) || record.avatar || "",
      showsFace: isGroup && !isOwn,
      isFirst: !joins(before),
      isLast: !joins(after),
      atMs,
      state,
      failure,
      record,
    };
    return {
      key,
      signature: JSON.stringify(message),
      build: () =>
        bubbleView(message, {
          openMenu: (button) => this.openMessageMenu(button, record, isOwn),
          retry: () => client.outgoing.retry(record.msg_id),
          discard: () => client.outgoing.remove(record.msg_id),
        }),
    };
  }

  recordLine(record, text) {
    const line = lineView(text, "is-system");
    line.dataset.msgId = record.msg_id;
    line.dataset.sequence = record.sequence;
    return line;
  }

  quotedText(msgId) {
    if (!msgId) return "";
    for (const record of this.talk.records.values()) if (record.msg_id === msgId) return digestOf(record, this.client.uid);
    return "";
  }

  drawTop() {
    const { talk } = this;
    const isBeginning = talk && this.lowest !== null && this.lowest <= talk.from;
    const isEmpty = talk && this.log.children.length === 0;
    let text = "";
    if (this.isLoading) text = strings.loadingOlder;
    else if (this.loadFailed) text = strings.loadOlderFailed;
    else if (isEmpty && (isBeginning || talk.sequence === 0)) text = strings.noMessages;
    else if (isBeginning) text = strings.beginning;
    this.top.replaceChildren(text);
    this.top.classList.toggle("is-empty-chat", Boolean(isEmpty) && !this.isLoading);
    if (this.loadFailed && !this.isLoading) {
      this.top.append(" ", h("button", { class: "link", type: "button", onclick: () => this.loadOlder() }, strings.retry));
    }
  }

  // ---------------------------------------------------------------- scrolling

  /** The first line in view and where it stands, to put it back after drawing. */
  anchor() {
    if (this.isAtBottom) return null;
    const edge = this.scroller.getBoundingClientRect().top;
    for (const node of this.log.children) {
      const { bottom, top } = node.getBoundingClientRect();
      if (bottom > edge) return { node, key: node.dataset.msgId, top };
    }
    return null;
  }

  restore(before) {
    if (!before) return;
    const node = before.node.isConnected ? before.node : before.key && this.log.querySelector(`[data-msg-id="${CSS.escape(before.key)}"]`);
    if (node) this.scroller.scrollTop += node.getBoundingClientRect().top - before.top;
  }

  toBottom(isSmooth) {
    this.isAtBottom = true;
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior: isSmooth ? "smooth" : "instant" });
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.isAtBottom = scrollHeight - scrollTop - clientHeight < AT_BOTTOM_PX;
    if (this.isAtBottom) {
      this.countNew();
      this.markRead();
    }
    this.drawChip();
    if (scrollTop < NEAR_TOP_PX && !this.loadFailed) this.loadOlder();
  }

  countNew() {
    const { talk, client } = this;
    if (!talk || this.seenSequence === null) return;
    if (this.isAtBottom) {
      this.seenSequence = talk.sequence;
      this.newBelow = 0;
      return;
    }
    this.newBelow = 0;
    for (let sequence = this.seenSequence + 1; sequence <= talk.sequence; sequence += 1) {
      const record = talk.records.get(sequence);
      if (record && record.from_id !== client.uid) this.newBelow += 1;
    }
  }

  drawChip() {
    this.chip.hidden = this.isAtBottom;
    const text = this.newBelow ? strings.newMessages(this.newBelow) : "";
    this.chip.replaceChildren(text, icon("down"));
    this.chip.setAttribute("aria-label", text || strings.toNewest);
    this.chip.classList.toggle("is-round", !text);
  }

  // ---------------------------------------------------------------- history

  /** Shows an older page, fetching what is not held. */
  async loadOlder() {
    const { talk, client } = this;
    if (!talk || this.isLoading || this.lowest === null || this.lowest <= talk.from) return;
    const target = Math.max(talk.from, this.lowest - PAGE_NUMBERS);
    if (client.replica.missing(this.talkId, target).length) {
      if (client.connection.state.name !== "connected") return;
      this.isLoading = true;
      this.loadFailed = false;
      this.drawTop();
      try {
        if (!(await client.catchup.fill(this.talkId, target))) throw new Error("range not complete");
      } catch (error) {
        console.warn("history not loaded:", error.message);
        this.loadFailed = true;
      }
      this.isLoading = false;
      if (this.loadFailed || !this.node.isConnected) {
        this.drawTop();
        return;
      }
    }
    const shownBefore = this.log.children.length;
    this.lowest = target;
    this.isAtBottom = false;
    this.draw();
    // A page of voids shows nothing new: go on until there is something to see.
    if (this.log.children.length === shownBefore || this.scroller.scrollTop < NEAR_TOP_PX) await this.loadOlder();
  }

  /** A gap inside the window (after an absence), a screen that is not full, and the roster of a group. */
  async fetchMissing() {
    const { talk, client, row } = this;
    if (!talk || !row || client.connection.state.name !== "connected") return;
    if (row.talk_mode === GROUP && talk.member?.state === "in" && this.rosterChange !== talk.change) {
      this.rosterChange = talk.change;
      client.catchup.loadRoster(this.talkId).catch((error) => console.warn("roster not loaded:", error.message));
    }
    if (this.isLoading || this.isFetching || this.lowest === null) return;
    if (client.replica.missing(this.talkId, this.lowest).length) {
      this.isFetching = true;
      try {
        await client.catchup.fill(this.talkId, this.lowest);
      } catch (error) {
        console.warn("messages not loaded:", error.message); // tried again with the next change or connection
      }
      this.isFetching = false;
    }
    const isShort = this.scroller.scrollHeight <= this.scroller.clientHeight + NEAR_TOP_PX;
    if (isShort && !this.loadFailed && this.lowest > talk.from) {
      const wasAtBottom = this.isAtBottom;
      await this.loadOlder();
      if (wasAtBottom) this.toBottom(false);
    }
  }

  markRead() {
    if (document.visibilityState !== "visible" || !this.isAtBottom || !this.node.isConnected) return;
    if (this.node.offsetParent === null) return; // the list is in front of it on a narrow screen
    this.client.read(this.talkId);
  }

  // ---------------------------------------------------------------- actions

  send(text, quoteId) {
    if (!this.row) return false;
    if (!this.client.sendText(this.row, text, quoteId)) {
      toast(strings.queueFull, "is-error");
      return false;
    }
    this.unreadFrom = null;
    this.isAtBottom = true;
    this.draw();
    return true;
  }

  openMessageMenu(button, record, isOwn) {
    const { client, row } = this;
    const items = [];
    items.push({ label: strings.reply, act: () => this.composer.reply(record, digestOf(record, client.uid)) });
    if (record.msg_type === TEXT && navigator.clipboard) {
      items.push({ label: strings.copy, act: () => navigator.clipboard.writeText(String(bodyOf(record).content ?? "")).then(() => toast(strings.copied), toastError) });
    }
    if (isOwn && Date.now() - record.sent_at_ms < RECALL_MS) {
      items.push({ label: strings.recall, act: () => client.recall(row, record).catch(toastError) });
    }
    items.push({ label: strings.deleteForMe, danger: true, act: () => client.deleteForMe(row, record).catch(toastError) });
    openMenu(button, items);
  }

  openDetails(button) {
    const { client, row, talk } = this;
    if (!row) return;
    const target = { talk_mode: row.talk_mode, to_from_id: row.to_from_id, sequence: talk?.sequence ?? 0 };
    const items = [];
    if (row.talk_mode === GROUP) items.push({ label: strings.members, act: () => openMembers(client, row) });
    items.push({
      label: strings.removeChat,
      act: () => client.call("talk/session-delete", target).then(() => location.assign("#/"), toastError),
    });
    items.push({
      label: strings.clearHistory,
      danger: true,
      act: async () => {
        if (!(await confirmDialog(strings.clearHistory, strings.clearHistoryAsk, strings.clear))) return;
        client.call("talk/session-clear-records", { ...target, sequence: this.talk?.sequence ?? 0 }).catch(toastError);
      },
    });
    openMenu(button, items);
  }

  dispose() {
    this.client.removeEventListener("change", this.onChange);
    this.client.removeEventListener("outgoing", this.onOutgoing);
    this.client.removeEventListener("connection", this.onConnection);
    this.client.removeEventListener("read", this.onRead);
    this.typing.removeEventListener("change", this.soon);
    document.removeEventListener("visibilitychange", this.onVisible);
    window.removeEventListener("focus", this.onVisible);
    this.resizes.disconnect();
    this.client.closeTalk(this.talkId);
  }
}
