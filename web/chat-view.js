/**
 * An open chat: its messages, what waits to be sent, history by scrolling, and the editor.
 *
 * The view shows the numbers from `lowest` to the newest, or to `highest` after a jump far back. `lowest` goes down as
 * the user scrolls up, `highest` goes up as he scrolls down, and what is missing there is fetched first. At the bottom
 * the view sticks to the bottom; elsewhere it keeps the line that the user looks at where it is. Reading is told to the
 * server only while the page is visible and the bottom is in view.
 */
import { Announcer } from "./announcer.js";
import { avatar } from "./avatar.js";
import { botMark } from "./bot-mark.js";
import { openCard } from "./card-dialog.js";
import { openChatMenu, openSendMenu } from "./chat-menu.js";
import { Composer } from "./composer.js";
import { h, reconcile } from "./dom.js";
import { openEdits } from "./edit-history.js";
import { openForward } from "./forward-dialog.js";
import { openForwarded } from "./forwarded-dialog.js";
import { ADMIN, openMembers, ownRole } from "./group-members.js";
import { icon } from "./icons.js";
import { mentionedNames, mentionsOf, mentionsUser } from "./mention-marks.js";
import { MentionMembers } from "./mention-members.js";
import { mentionsIn } from "./mention-text.js";
import { bodyOf, digestOf, SENT_TYPES, TEXT, VOTE } from "./message-content.js";
import { openMessageMenu, openQuoted } from "./message-menu.js";
import { bubbleView, isLine, lineView, recordLineText } from "./message-view.js";
import { PinsBar } from "./pins-bar.js";
import { ReadCount } from "./read-count.js";
import { openReaders } from "./readers-dialog.js";
import { renderSoon } from "./render-soon.js";
import { openScheduled } from "./schedule-dialogs.js";
import { strings } from "./strings.js";
import { dayOf, dayText, listText } from "./time-text.js";
import { toast, toastError } from "./toast.js";
import { previewedAddress } from "./web-address.js";
import { GROUP, PAIR } from "./xinyu.js";

const PAGE_NUMBERS = 40;
const NEAR_TOP_PX = 240;
const AT_BOTTOM_PX = 48;
const RUN_MS = 5 * 60_000;
const JUMP_FILLS_MAX = 5 * PAGE_NUMBERS;
const HIT_SHOWN_MS = 2500;
const PICKED_MAX = 100;

export class ChatView {
  /**
   * @param {import("./xinyu.js").XinYu} client
   * @param {import("./typing.js").Typing} typing
   * @param {import("./presence.js").Presence} presence
   * @param {number} talkId
   * @param {{back: () => void}} actions
   */
  constructor(client, typing, presence, talkId, actions) {
    this.client = client;
    this.typing = typing;
    this.presence = presence;
    this.talkId = talkId;
    this.lowest = null;
    this.highest = null;
    this.picked = null;
    this.unreadFrom = null;
    this.isLoading = false;
    this.loadFailed = false;
    this.isAtBottom = true;
    this.newBelow = 0;
    this.seenSequence = null;
    this.rosterChange = -1;

    this.title = h("h1", { class: "chat-title" });
    this.botMark = botMark();
    this.subtitle = h("p", { class: "chat-subtitle" });
    this.face = h("span", { class: "chat-face" });
    const details = h("button", { class: "icon-button", type: "button", "aria-label": strings.chatDetails, "aria-haspopup": "menu" }, icon("more"));
    details.addEventListener("click", () => this.row && openChatMenu(details, client, this.row));
    this.membersButton = h(
      "button",
      { class: "icon-button", type: "button", "aria-label": strings.members, title: strings.members, hidden: true, onclick: () => openMembers(client, this.row) },
      icon("group"),
    );
    this.top = h("div", { class: "log-top" });
    this.log = h("ol", { class: "log-list", role: "log", "aria-live": "off", tabindex: "-1" });
    this.announcer = new Announcer(client.uid, (record) => this.senderName(record));
    this.scroller = h("div", { class: "log", tabindex: "0" }, this.top, this.log);
    this.chip = h("button", { class: "chip", type: "button", hidden: true, onclick: () => this.toBottom(true) });
    this.members = new MentionMembers(client, talkId, () => {
      this.composer.picker.update();
      this.soon();
    });
    this.composer = new Composer({
      talkId,
      onSend: (text, quoteId, mentions) => this.send(text, quoteId, mentions),
      onEdit: (record, text, mentions) => client.edit(this.row, record, text, mentions),
      mentionable: (query) => this.members.offered(query),
      onMore: (button) => this.row && openSendMenu(button, client, this.row, this.composer),
      onFiles: (files, kind) => this.sendFiles(files, kind),
      onTyping: () => this.row && client.typing(this.row),
    });
    this.pins = new PinsBar(client, {
      jump: (sequence) => this.jumpTo(sequence),
      unpin: (record) => client.pinMessage(this.row, record, false),
    });
    this.scheduled = h("button", { class: "scheduled-mark", type: "button", hidden: true, onclick: () => openScheduled(client, this.row) });
    this.pickBar = h("div", { class: "composer pick-bar", role: "toolbar", "aria-label": strings.select, hidden: true });
    this.node = h(
      "section",
      { class: "chat" },
      h(
        "header",
        { class: "chat-header" },
        h("button", { class: "icon-button back-button", type: "button", "aria-label": strings.back, onclick: actions.back }, icon("back")),
        this.face,
        h(
          "div",
          { class: "chat-heading" },
          h("div", { class: "chat-title-row" }, this.title, this.botMark),
          this.subtitle,
        ),
        this.membersButton,
        details,
      ),
      this.pins.node,
      h("div", { class: "log-frame" }, this.scroller, this.chip, this.announcer.node),
      this.scheduled,
      this.composer.node,
      this.pickBar,
    );
    this.node.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.picked) this.endPicking();
    });

    this.soon = renderSoon(() => this.draw());
    this.readCount = new ReadCount(client, this.soon);
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
    this.hints = [typing, presence, client.votes, client.previews, client.bots];
    for (const hints of this.hints) hints.addEventListener("change", this.soon);
    document.addEventListener("visibilitychange", this.onVisible);
    window.addEventListener("focus", this.onVisible);
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.sight = new IntersectionObserver(
      (seen) => {
        for (const { target, isIntersecting } of seen) client.previews.see(target.dataset.address, isIntersecting);
      },
      { root: this.scroller },
    );
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
    for (const node of this.log.querySelectorAll("[data-address]")) this.sight.observe(node);
    this.drawTop();
    if (this.isAtBottom) this.toBottom(false);
    else this.restore(before);
    this.countNew();
    this.drawChip();
    this.markRead();
    this.fetchMissing();
    if (row && talk) this.pins.look(row, talk);
    if (talk?.isTold) this.announcer.say(talk);
  }

  presenceText(row) {
    const known = this.presence.of(row);
    if (!known) return "";
    if (known.online) return strings.online;
    return known.last_seen_ms ? strings.lastSeen(listText(known.last_seen_ms)) : "";
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
    const subtitle = this.typing.isTyping(row) ? strings.typing(face.name) : isGroup && members ? strings.memberCount(members) : this.presenceText(row);
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
    this.botMark.hidden = isGroup || !client.bots.isRobot(row.to_from_id);
    this.membersButton.hidden = !isGroup;
    this.composer.block(this.blockedReason());
    this.drawScheduled(row);
  }

  drawScheduled({ scheduled_num: waiting = 0, scheduled_failed_num: failed = 0 }) {
    this.scheduled.hidden = waiting + failed === 0;
    this.scheduled.classList.toggle("is-failed", failed > 0);
    this.scheduled.replaceChildren(icon(failed ? "alert" : "clock"), failed ? strings.scheduledFailedNum(failed) : strings.scheduledNum(waiting));
  }

  blockedReason() {
    const { talk, row } = this;
    const member = talk?.member;
    if (!member || row.talk_mode !== GROUP) return "";
    if (talk.profile?.dismissed) return strings.dismissedGroup;
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
    if (this.highest !== null) return;
    const runStart = client.replica.newestRunStart(this.talkId);
    // After a long absence the gap can be larger than anybody wants to wait for: begin again below the newest.
    if (runStart - this.lowest > 4 * PAGE_NUMBERS) this.lowest = runStart;
  }

  items() {
    const { talk, client, row } = this;
    const isGroup = row.talk_mode === GROUP;
    const messages = [];
    const top = this.highest ?? talk.sequence;
    const sequences = [...talk.records.keys()].filter((sequence) => sequence >= (this.lowest ?? 1) && sequence <= top).sort((a, b) => a - b);
    const nowMs = Date.now();
    let endsAtMs = Infinity;
    const seen = new Set();
    this.newestOwn = 0;
    for (const sequence of sequences) {
      const record = talk.records.get(sequence);
      if (record.from_id === client.uid) {
        seen.add(record.msg_id);
        if (!isLine(record)) this.newestOwn = sequence;
      }
      if (record.expires_at_ms > 0) {
        if (record.expires_at_ms <= nowMs) continue; // over, whatever has been heard of it
        endsAtMs = Math.min(endsAtMs, record.expires_at_ms);
      }
      const isRead = row.talk_mode === PAIR && sequence <= talk.peer_read_sequence;
      messages.push({ record, atMs: record.sent_at_ms, state: "sent", failure: "", isRead: isRead && record.from_id === client.uid });
    }
    this.drawAgainAt(endsAtMs);
    for (const entry of this.highest === null ? client.outgoing.of(this.talkId) : []) {
      if (seen.has(entry.msg_id)) continue;
      const record = {
        msg_id: entry.msg_id,
        sequence: 0,
        msg_type: SENT_TYPES[entry.type],
        from_id: client.uid,
        nickname: client.nickname,
        extra: JSON.stringify(entry.shown),
        quote: JSON.stringify({ quote_id: entry.quote_id, content: this.quotedText(entry.quote_id) }),
      };
      const failure = strings.reasons[entry.reason] ?? (entry.message || strings.failed);
      messages.push({ record, atMs: entry.created_at_ms, state: entry.state, failure });
    }
    for (const entry of this.highest === null ? client.uploads.of(this.talkId) : []) {
      const msg_type = SENT_TYPES[entry.kind === "picture" ? "image" : "file"];
      const extra = JSON.stringify({ name: entry.name, size: entry.size });
      const record = { msg_id: entry.id, sequence: 0, msg_type, from_id: client.uid, nickname: client.nickname, extra, quote: "{}" };
      const failure = entry.message || strings.failed;
      messages.push({ record, atMs: entry.created_at_ms, state: entry.state, failure, percent: entry.percent });
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

  item({ record, atMs, state, failure, percent = null, isRead = false }, before, after, isGroup) {
    const { client } = this;
    const key = `${record.from_id}-${record.msg_id}`;
    if (isLine(record)) {
      const text = recordLineText(record, client.uid);
      return { key, signature: text, build: () => this.recordLine(record, text) };
    }
    const joins = (other) =>
      other && !isLine(other.record) && other.record.from_id === record.from_id && Math.abs(other.atMs - atMs) < RUN_MS && dayOf(other.atMs) === dayOf(atMs);
    const isOwn = record.from_id === client.uid;
    const isText = record.msg_type === TEXT && state === "sent";
    const address = isText ? previewedAddress(String(bodyOf(record).content ?? "")) : "";
    const message = {
      msgId: record.msg_id,
      fromId: record.from_id,
      isOwn,
      name: this.senderName(record),
      face: client.people.avatar(record.from_id) || record.avatar || "",
      isBot: client.bots.isRobot(record.from_id),
      showsFace: isGroup && !isOwn,
      isFirst: !joins(before),
      isLast: !joins(after),
      atMs,
      state,
      isRead,
      failure,
      record,
      percent,
      vote: record.msg_type === VOTE ? this.voteOf(record) : null,
      isPicked: this.picked ? this.picked.has(record.msg_id) : null,
      isPinned: client.isPinned(this.row, record),
      readBy: this.readByText(record),
      address,
      preview: address ? client.previews.of(address) : null,
      mentioned: this.mentionedNames(record),
      mentionsMe: mentionsUser(record, client.uid),
    };
    return { key, signature: JSON.stringify(message), build: () => bubbleView(message, this.bubbleActions(record, percent === null ? client.outgoing : client.uploads)) };
  }

  senderName({ from_id: id, nickname }) {
    return this.client.people.name(id) || nickname || `${strings.userFallback} ${id}`;
  }

  bubbleActions(record, queue) {
    const { client, row } = this;
    const voteId = bodyOf(record).vote_id;
    return {
      openMenu: (button) =>
        openMessageMenu(button, client, row, record, {
          reply: () => this.composer.reply(record, digestOf(record, client.uid)),
          edit: () => this.edit(record),
          pick: () => this.pick(record, true),
        }),
      retry: () => queue.retry(record.msg_id),
      discard: () => queue.remove(record.msg_id),
      download: () => client.download(record),
      openCard: (person) => openCard(client, person),
      openForward: (forward) => openForwarded(client, forward, { download: (each) => client.download(each), openCard: (person) => openCard(client, person), openForward: () => {} }),
      vote: (options) => client.votes.submit(voteId, options),
      finishVote: record.from_id === client.uid || ownRole(client, this.talkId) <= ADMIN ? () => client.votes.finish(voteId) : null,
      react: (emoji, isSet) => client.react(row, record, emoji, isSet).catch(toastError),
      openQuote: (quote) => this.openQuote(quote),
      openEdits: () => openEdits(client, row, record),
      openReaders: () => openReaders(client, client.targetOf(row, record)),
      pick: (isPicked) => this.pick(record, isPicked),
    };
  }

  /** Who is mentioned, [{id, name}]: somebody with two names twice. */
  mentionedIn(record) {
    return mentionedNames(record, (id) => this.members.namesOf(id));
  }

  /** The names to be marked in a text. Where they do not account for all who are mentioned, the members are asked for. */
  mentionedNames(record) {
    const mentioned = this.mentionedIn(record);
    const ids = mentionsOf(record);
    if (mentionsIn(String(bodyOf(record).content ?? ""), mentioned).length < ids.length) this.members.load();
    return mentioned.map(({ name }) => name);
  }

  async edit(record) {
    if (mentionsOf(record).length) await this.members.ask(); // so that they stay mentioned
    this.composer.edit(record, String(bodyOf(record).content ?? ""), this.mentionedIn(record));
  }

  /** Under the user's newest message in a group. */
  readByText(record) {
    const { row, talk } = this;
    if (row.talk_mode !== GROUP || talk.member?.state !== "in" || record.sequence === 0 || record.sequence !== this.newestOwn) return "";
    const count = this.readCount.of(row, record);
    return count > 0 ? strings.readBy(count) : "";
  }

  voteOf(record) {
    const voteId = bodyOf(record).vote_id;
    if (!Number.isInteger(voteId)) return null;
    const { detail, failure } = this.client.votes.of(voteId);
    return { detail, failure };
  }

  /** Draws once more when the next message is over. */
  drawAgainAt(atMs) {
    clearTimeout(this.expiryTimer);
    if (atMs !== Infinity) this.expiryTimer = setTimeout(() => this.soon(), Math.min(atMs - Date.now() + 1, 2 ** 31 - 1));
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
    if (this.highest !== null) {
      this.highest = this.lowest = null; // from a place far back to the newest: a window of its own
      this.isAtBottom = true;
      this.draw();
    }
    this.isAtBottom = true;
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior: isSmooth ? "smooth" : "instant" });
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const belowPx = scrollHeight - scrollTop - clientHeight;
    this.isAtBottom = this.highest === null && belowPx < AT_BOTTOM_PX;
    if (this.highest !== null && belowPx < NEAR_TOP_PX) this.loadNewer();
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
    if (client.replica.missing(this.talkId, target, this.highest ?? Infinity).length) {
      if (client.connection.state.name !== "connected") return;
      this.loadFailed = false;
      this.loadFailed = !(await this.fill(target, this.highest ?? Infinity));
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

  /** Fetches what is missing there. False when it did not come. */
  async fill(lowest, highest) {
    this.isLoading = true;
    this.drawTop();
    let isComplete = false;
    try {
      isComplete = await this.client.catchup.fill(this.talkId, lowest, highest);
    } catch (error) {
      console.warn("history not loaded:", error.message);
    }
    this.isLoading = false;
    return isComplete;
  }

  /** After a jump far back: the page below, until the newest is reached. */
  async loadNewer() {
    const { talk } = this;
    if (!talk || this.isLoading || this.highest === null) return;
    const before = this.highest;
    const target = Math.min(talk.sequence, before + PAGE_NUMBERS);
    const isComplete = await this.fill(before, target);
    if (!isComplete || !this.node.isConnected || this.highest !== before) return;
    this.highest = target >= this.talk.sequence ? null : target;
    this.draw();
  }

  /** Shows the message of that number in the middle and marks it for a moment; fetches what is needed for it. */
  async jumpTo(sequence) {
    const { talk } = this;
    if (!talk || !(sequence >= talk.from && sequence <= talk.sequence)) return void toast(strings.messageGone);
    if (this.lowest === null || sequence < this.lowest || sequence > (this.highest ?? Infinity)) {
      const isNear = this.highest === null && this.lowest !== null && this.lowest - sequence < JUMP_FILLS_MAX;
      const lowest = Math.max(talk.from, sequence - PAGE_NUMBERS / 2);
      const highest = isNear ? null : Math.min(talk.sequence, sequence + PAGE_NUMBERS / 2);
      const isComplete = await this.fill(lowest, highest ?? Infinity);
      if (!this.node.isConnected) return;
      if (!isComplete) return void toast(strings.loadOlderFailed, "is-error");
      this.lowest = lowest;
      this.highest = highest === null || highest >= this.talk.sequence ? null : highest;
    }
    this.isAtBottom = false;
    this.draw();
    const node = this.log.querySelector(`[data-sequence="${Number(sequence)}"]`);
    if (!node) return void toast(strings.messageGone);
    node.scrollIntoView({ block: "center" });
    node.classList.add("is-hit");
    node.tabIndex = -1;
    node.focus({ preventScroll: true });
    setTimeout(() => node.classList.remove("is-hit"), HIT_SHOWN_MS);
  }

  /** A quote is a way to what it quotes, where that is held; else it shows its words. */
  openQuote(quote) {
    for (const record of this.talk.records.values()) {
      if (record.msg_id === quote.quote_id) return void this.jumpTo(record.sequence);
    }
    openQuoted(quote);
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
    const highest = this.highest ?? Infinity;
    if (client.replica.missing(this.talkId, this.lowest, highest).length) {
      this.isFetching = true;
      try {
        await client.catchup.fill(this.talkId, this.lowest, highest);
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

  send(text, quoteId, mentions) {
    if (!this.row) return false;
    if (!this.client.sendText(this.row, text, quoteId, mentions)) {
      toast(strings.queueFull, "is-error");
      return false;
    }
    this.showNewest();
    return true;
  }

  /** What was just sent stands at the end. */
  showNewest() {
    this.unreadFrom = null;
    this.isAtBottom = true;
    if (this.highest !== null) this.toBottom(false);
    else this.draw();
  }

  sendFiles(files, kind) {
    if (!this.row) return;
    for (const file of files) {
      if (file.size === 0) toast(strings.emptyFile, "is-error");
      else if (!this.client.sendUpload(this.row, file, kind)) toast(strings.queueFull, "is-error");
    }
    this.showNewest();
  }

  // ---------------------------------------------------------------- picking several messages

  pick(record, isPicked) {
    this.picked ??= new Map();
    if (!isPicked) this.picked.delete(record.msg_id);
    else if (this.picked.size >= PICKED_MAX) toast(strings.pickedMax(PICKED_MAX), "is-error");
    else this.picked.set(record.msg_id, record.sequence);
    this.drawPickBar();
    this.draw();
    const box = this.log.querySelector(`[data-msg-id="${CSS.escape(record.msg_id)}"] .message-pick`);
    box?.focus({ preventScroll: true }); // it was drawn anew
  }

  endPicking() {
    this.picked = null;
    this.drawPickBar();
    this.draw();
    this.composer.focus();
  }

  drawPickBar() {
    this.composer.node.hidden = Boolean(this.picked);
    this.pickBar.hidden = !this.picked;
    if (!this.picked) return;
    const forward = () => {
      const msgIds = [...this.picked].sort((a, b) => a[1] - b[1]).map(([msgId]) => msgId);
      openForward(this.client, this.row, msgIds, () => this.endPicking());
    };
    this.pickBar.replaceChildren(
      h("span", { class: "pick-count", role: "status" }, strings.pickedCount(this.picked.size)),
      h("button", { class: "button", type: "button", onclick: () => this.endPicking() }, strings.cancel),
      h("button", { class: "button is-primary", type: "button", disabled: this.picked.size === 0, onclick: forward }, strings.forward),
    );
  }

  dispose() {
    this.client.removeEventListener("change", this.onChange);
    this.client.removeEventListener("outgoing", this.onOutgoing);
    this.client.removeEventListener("connection", this.onConnection);
    this.client.removeEventListener("read", this.onRead);
    for (const hints of this.hints) hints.removeEventListener("change", this.soon);
    clearTimeout(this.expiryTimer);
    this.readCount.dispose();
    this.pins.dispose();
    document.removeEventListener("visibilitychange", this.onVisible);
    window.removeEventListener("focus", this.onVisible);
    this.resizes.disconnect();
    this.sight.disconnect();
    this.client.previews.leave();
    this.client.closeTalk(this.talkId);
  }
}
