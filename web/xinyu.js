/**
 * The client of one logged-in user: replica, its store, the connection, catching up and the outgoing queue, wired.
 *
 * Views read the replica and call the methods below; they are told by events of this EventTarget:
 *   "change"     detail: what `Replica.takeChanges()` gives
 *   "outgoing"   detail: {talk_id}
 *   "connection" detail: the state of the connection
 *   "typing"     detail: {user_id}
 *   "presence"   detail: {user_id, online, last_seen_ms}
 *   "groupApply" somebody wants into a group that the user manages
 *   "read"       detail: {talk_id}: the talk may be marked as read again
 *   "ended"      detail: {reason}: "unauthorized", "kicked", "replaced", "passwordChanged" or "everywhere"; the client is stopped
 */
import { ApiError } from "./api-error.js";
import { Bots } from "./bots.js";
import { Catchup } from "./catchup.js";
import { Connection } from "./connection.js";
import { GroupApplications } from "./group-applications.js";
import { LinkPreviews } from "./link-previews.js";
import { Outgoing } from "./outgoing.js";
import { People } from "./people.js";
import { Replica } from "./replica.js";
import { ReplicaStore } from "./replica-store.js";
import { h } from "./dom.js";
import { loadConfig, post, postForm } from "./rest.js";
import { Uploads } from "./uploads.js";
import { Votes } from "./votes.js";
import { bodyOf, textBody } from "./message-content.js";
import { strings } from "./strings.js";

export const PAIR = 1;
export const GROUP = 2;
const TYPING_EVERY_MS = 3000;
const READ_EVERY_MS = 300;
const ECHO_WAIT_MS = 3000;
const MEMBER_PAGES_MAX = 5; // of 1,000 names
const RECORDS_KEPT_A_CLOSED_TALK = 300;

export class XinYu extends EventTarget {
  /** @param {{token: string, uid: number, nickname: string, device_id: string}} session */
  constructor(session) {
    super();
    this.session = session;
    this.uid = session.uid;
    this.people = new People();
    this.replica = new Replica(session.uid);
    this.store = new ReplicaStore(this.replica);
    this.connection = new Connection({
      url: () => this.webSocketUrl(),
      token: session.token,
      deviceId: session.device_id,
      onState: (state) => this.connectionChanged(state),
      onReady: (ready) => {
        this.maxMessageBytes = ready.max_message_bytes ?? Infinity;
        this.catchup.connected(ready.epoch);
      },
      onEvent: (event, payload) => this.received(event, payload),
      onEnded: (reason) => this.ended(reason),
    });
    this.catchup = new Catchup(
      this.replica,
      (event, payload) => this.ask(event, payload),
      () => this.publish(),
    );
    this.outgoing = new Outgoing({
      storage: sessionStorage,
      key: `xinyu.outgoing.${session.uid}`,
      send: (entry) => this.sendNow(entry),
      onChange: (talkId) => {
        this.settleOutgoing(talkId);
        this.emit("outgoing", { talk_id: talkId });
      },
    });
    this.uploads = new Uploads({
      call: (path, body) => this.call(path, body),
      callForm: (path, file, name, fields, onProgress, signal) =>
        this.guard(postForm(path, file, name, fields, this.session.token, onProgress, signal)),
      onDone: ({ talk_id, talk_mode, to_from_id, name, size }, type, body) =>
        this.outgoing.add({ talk_id, talk_mode, to_from_id, type, body, shown: { ...body, name, size } }),
      onChange: (talkId) => this.emit("outgoing", { talk_id: talkId }),
    });
    this.votes = new Votes(this);
    this.bots = new Bots(this);
    this.previews = new LinkPreviews((url) => this.call("message/preview", { url }));
    this.applications = new GroupApplications(this);
    this.typingToldAt = new Map();
    this.reading = new Set();
    this.namesAsked = new Set();
  }

  async start() {
    await this.store.load();
    for (const talk of this.replica.talks.values()) this.learnFrom(talk, talk.records.values());
    for (const row of this.replica.rows.contact.values()) this.learnContact(row);
    for (const row of this.replica.rows.talk.values()) this.learnTalk(row);
    for (const { talk_id } of [...this.outgoing.entries]) this.settleOutgoing(talk_id);
    this.connection.start();
  }

  stop() {
    this.connection.stop();
    this.catchup.disconnected();
    this.outgoing.setOnline(false);
    this.uploads.stop();
    this.previews.stop();
    this.store.close();
  }

  /** Ends the login on this computer: nothing of the user stays in the browser. */
  async logOut() {
    this.stop();
    this.outgoing.clear();
    await this.store.destroy();
  }

  // ---------------------------------------------------------------- what arrives

  async webSocketUrl() {
    this.config ??= await loadConfig();
    return this.config.websocket_url;
  }

  /** A sync that names very many talks is too large for a frame and goes over REST. */
  ask(event, payload) {
    const isLarge = event === "sync" && payload.talks.length > 1000;
    if (isLarge && JSON.stringify(payload).length > this.maxMessageBytes / 2) return this.call("sync", payload);
    return this.connection.request(event, payload);
  }

  connectionChanged(state) {
    if (state.name !== "connected") this.catchup.disconnected();
    this.outgoing.setOnline(state.name === "connected");
    this.previews.setOnline(state.name === "connected");
    if (state.name === "waiting") this.config = undefined; // a restarted server may have moved
    this.emit("connection", state);
  }

  received(event, payload) {
    if (event === "sync.required") this.catchup.start();
    else if (event === "im.message.keyboard") this.emit("typing", { user_id: payload.from_id });
    else if (event === "im.group.apply") this.emit("groupApply", {});
    else if (event === "presence.changed") this.emit("presence", payload);
    else if (["im.message", "talk.changed", "talk.own", "row.changed"].includes(event)) {
      this.catchup.receive(event, payload);
    }
  }

  publish() {
    const changes = this.replica.takeChanges();
    if (!changes) return;
    this.store.save(changes);
    for (const [talkId, { all, sequences }] of changes.talks) {
      const talk = this.replica.talks.get(talkId);
      if (talk) this.learnFrom(talk, all ? talk.records.values() : [...sequences].map((s) => talk.records.get(s)));
    }
    if (changes.all || changes.rows.has("contact")) {
      for (const row of this.replica.rows.contact.values()) this.learnContact(row);
    }
    if (changes.all || changes.rows.has("talk")) {
      for (const row of this.replica.rows.talk.values()) this.learnTalk(row);
    }
    for (const talkId of changes.talks.keys()) this.settleOutgoing(talkId);
    this.emit("change", changes);
  }

  learnFrom(talk, records) {
    for (const record of records) {
      if (record) this.people.learn({ user_id: record.from_id, nickname: record.nickname, avatar: record.avatar });
    }
  }

  learnTalk({ talk_mode, to_from_id, is_robot }) {
    if (talk_mode === PAIR) this.bots.learn(to_from_id, is_robot);
  }

  learnContact(row) {
    if (row.kind === "contact") {
      this.people.learn(row);
      this.bots.learn(row.user_id, row.is_robot);
    } else if (row.kind === "apply") this.people.learn({ ...row, user_id: row.friend_id, remark: undefined });
  }

  /** A message that is among the records, or at or below the talk's newest number, waits no longer. */
  settleOutgoing(talkId) {
    const talk = this.replica.talks.get(talkId);
    const waiting = talk ? this.outgoing.of(talkId) : [];
    if (!waiting.length) return;
    const arrived = new Set();
    for (const record of talk.records.values()) if (record.from_id === this.uid) arrived.add(record.msg_id);
    for (const { msg_id, state, sequence } of waiting) {
      if (arrived.has(msg_id) || (state === "sent" && sequence <= talk.sequence)) this.outgoing.remove(msg_id);
    }
  }

  ended(reason) {
    if (this.isOver) return;
    if (this.endingLogins) {
      this.endedMeanwhile = reason;
      return;
    }
    this.isOver = true;
    this.stop();
    this.emit("ended", { reason });
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  // ---------------------------------------------------------------- messages

  /** Queues a text for a talk; `mentions` are user ids, 0 = everybody. Returns false when the queue is full. */
  sendText(row, content, quoteId, mentions) {
    const { talk_id, talk_mode, to_from_id } = row;
    const body = textBody(content, mentions);
    return this.outgoing.add({ talk_id, talk_mode, to_from_id, type: "text", body, quote_id: quoteId });
  }

  async sendNow({ msg_id, talk_mode, to_from_id, type, body, quote_id }) {
    const record = await this.connection.request("im.message.send", { msg_id, talk_mode, to_from_id, type, body, quote_id });
    if (!Number.isInteger(record.sequence)) throw new ApiError(500, strings.badAnswer);
    if (record.sequence === 0) return { sequence: 0, reason: bodyOf(record).invalid_reason };
    this.catchup.receive("im.message", {
      talk_id: record.talk_id,
      sequence: record.sequence,
      talk_mode,
      to_from_id,
      from_id: record.from_id,
      body: record,
    });
    return record;
  }

  /** Uploads a file and sends it; `kind` is "picture" or "file". Returns false when too many wait. */
  sendUpload(row, file, kind) {
    return this.uploads.add(row, file, kind);
  }

  /** Uploads a picture that is no message's, such as one's own face. Resolves to {src}. */
  uploadPicture(file) {
    const { signal } = new AbortController();
    return this.guard(postForm("upload/media-file", file, file.name, {}, this.session.token, () => {}, signal));
  }

  /** Fetches the file of a message, as the browser stores files. The token stands in no link that could be copied. */
  download(record) {
    const query = new URLSearchParams({ msg_id: record.msg_id, token: this.session.token });
    h("a", { href: `/api/v1/talk/file-download?${query}`, download: "" }).click();
  }

  /** Fetches all of one's own data in the same way. */
  downloadExport() {
    h("a", { href: `/api/v1/user/export?${new URLSearchParams({ token: this.session.token })}`, download: "" }).click();
  }

  async recall(row, record) {
    const { talk_mode, to_from_id, talk_id } = row;
    const answer = await this.connection.request("im.message.revoke", { talk_mode, to_from_id, msg_id: record.msg_id });
    this.expect(talk_id, "change", answer.change);
  }

  /** Sends a friend's card. Returns false when the queue is full. */
  sendCard({ talk_id, talk_mode, to_from_id }, userId, shown) {
    return this.outgoing.add({ talk_id, talk_mode, to_from_id, type: "card", body: { user_id: userId }, shown });
  }

  /** How a route names a message. */
  targetOf({ talk_mode, to_from_id }, record) {
    return { talk_mode, to_from_id, msg_id: record.msg_id };
  }

  /** Changes the words of one's own text. */
  async edit(row, record, text, mentions) {
    const body = textBody(text, mentions);
    const answer = await this.connection.request("im.message.edit", { ...this.targetOf(row, record), body });
    this.expect(row.talk_id, "change", answer.change);
  }

  async react(row, record, emoji, isSet) {
    const answer = await this.connection.request("im.message.react", { ...this.targetOf(row, record), emoji, action: isSet ? 1 : 2 });
    this.expect(row.talk_id, "change", answer.change);
  }

  async pinMessage(row, record, isSet) {
    const answer = await this.connection.request("im.message.pin", { ...this.targetOf(row, record), action: isSet ? 1 : 2 });
    this.expect(row.talk_id, "change", answer.change);
  }

  isPinned(row, record) {
    return record.is_pinned === true;
  }

  async deleteForMe(row, record) {
    const { talk_mode, to_from_id, talk_id } = row;
    const own = this.replica.talks.get(talk_id)?.own ?? 0;
    await this.call("message/delete", { talk_mode, to_from_id, msg_ids: [record.msg_id] });
    this.expect(talk_id, "own", own + 1);
  }

  /** Tells the server how far the user has read; at most one such request a talk is under way. */
  async read(talkId) {
    const talk = this.replica.talks.get(talkId);
    if (!talk || this.reading.has(talkId) || this.replica.unread(talkId) === 0) return;
    if (this.connection.state.name !== "connected") return;
    this.reading.add(talkId);
    try {
      const answer = await this.connection.request("im.talk.read", { talk_id: talkId, sequence: talk.sequence });
      this.replica.applyRead(talkId, answer.read_sequence);
      this.publish();
      this.expect(talkId, "own", answer.own);
    } catch (error) {
      console.warn("read mark not stored:", error.message); // the next look at the talk tells it again
    } finally {
      setTimeout(() => {
        this.reading.delete(talkId);
        this.emit("read", { talk_id: talkId }); // whoever shows the talk may have more by now
      }, READ_EVERY_MS);
    }
  }

  /** One's own change comes back as a push. If it does not come, it was lost: sync. */
  expect(talkId, cursor, number) {
    if (!Number.isInteger(number)) return;
    setTimeout(() => {
      const talk = this.replica.talks.get(talkId);
      if (talk && talk[cursor] < number) this.catchup.start();
    }, ECHO_WAIT_MS);
  }

  /** Tells the peer of a pair that the user types; at most once in 3 s. */
  typing(row) {
    if (row.talk_mode !== PAIR) return;
    const now = performance.now();
    if (now - (this.typingToldAt.get(row.talk_id) ?? -Infinity) < TYPING_EVERY_MS) return;
    this.typingToldAt.set(row.talk_id, now);
    this.connection.tell("im.message.keyboard", { talk_mode: row.talk_mode, to_from_id: row.to_from_id });
  }

  closeTalk(talkId) {
    this.replica.trim(talkId, RECORDS_KEPT_A_CLOSED_TALK);
    this.publish();
  }

  // ---------------------------------------------------------------- REST

  /** A REST call with this login; a 401 ends the client. */
  call(path, body) {
    return this.guard(post(path, body, this.session.token));
  }

  /**
   * A call that ends every login of the user, this one too: for `reason`. What the server says to the connection about
   * it may be here before the answer, and waits for that.
   */
  async endLogins(path, body, reason) {
    this.endingLogins = true;
    try {
      await this.call(path, body);
      this.endedMeanwhile = reason;
    } finally {
      this.endingLogins = false;
      if (this.endedMeanwhile) this.ended(this.endedMeanwhile);
    }
  }

  async guard(answer) {
    try {
      return await answer;
    } catch (error) {
      if (error.status === 401) this.ended("unauthorized");
      throw error;
    }
  }

  /** Opens (or finds) the talk with a user or of a group. Resolves to its talk_id, known to the replica. */
  async openTalk(talkMode, toFromId) {
    for (const row of this.replica.rows.talk.values()) {
      if (row.talk_mode === talkMode && row.to_from_id === toFromId && this.replica.talks.has(row.talk_id)) {
        return row.talk_id;
      }
    }
    const session = await this.call("talk/session-create", { talk_mode: talkMode, to_from_id: toFromId });
    await this.untilKnown(session.id);
    return session.id;
  }

  /** The members of a group (of very many, the first); their names are learned: the roster has ids and roles only. */
  async loadMembers(row) {
    const members = [];
    let cursor = "";
    for (let page = 0; page < MEMBER_PAGES_MAX; page += 1) {
      const answer = await this.call("group/member-list", { group_id: row.to_from_id, cursor });
      for (const { user_id, nickname, avatar, is_robot } of answer.items) {
        this.people.learn({ user_id, nickname, avatar });
        this.bots.learn(user_id, is_robot);
      }
      members.push(...answer.items);
      cursor = answer.cursor;
      if (!cursor) break;
    }
    return members;
  }

  untilKnown(talkId) {
    const isKnown = () => this.replica.rows.talk.has(talkId) && this.replica.talks.has(talkId);
    if (isKnown()) return Promise.resolve();
    this.catchup.start();
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        this.removeEventListener("change", check);
        resolve();
      };
      const check = () => {
        if (isKnown()) finish();
      };
      const timer = setTimeout(finish, 5000);
      this.addEventListener("change", check);
    });
  }

  // ---------------------------------------------------------------- what things are called

  /** {name, avatar} of a talk as this user sees it. */
  faceOf(row) {
    const profile = this.replica.talks.get(row.talk_id)?.profile;
    if (row.talk_mode === GROUP) {
      return { name: row.remark || profile?.name || strings.groupFallback, avatar: profile?.avatar || "" };
    }
    const name = row.remark || this.people.name(row.to_from_id) || profile?.name;
    if (!name) this.askName(row);
    return {
      name: name || `${strings.userFallback} ${row.to_from_id}`,
      avatar: this.people.avatar(row.to_from_id) || profile?.avatar || "",
    };
  }

  /** A chat with a stranger in which nothing has been said yet comes without a name: ask once. */
  async askName({ talk_id: talkId, to_from_id: userId }) {
    if (this.namesAsked.has(userId) || this.connection.state.name !== "connected") return;
    this.namesAsked.add(userId);
    try {
      const { nickname, avatar } = await this.call("contact/detail", { user_id: userId });
      this.people.learn({ user_id: userId, nickname, avatar });
      this.replica.mark(talkId);
      this.publish();
    } catch (error) {
      console.warn("no name for a chat:", error.message); // it goes by the number
    }
  }

  get nickname() {
    return this.replica.rows.user.get("user")?.user_info?.nickname || this.session.nickname;
  }

  /** The user's friends, by name. */
  friends() {
    const friends = [...this.replica.rows.contact.values()].filter((row) => row.kind === "contact");
    const nameOf = (row) => row.remark || row.nickname;
    return friends.sort((a, b) => nameOf(a).localeCompare(nameOf(b), strings.locale));
  }

  /** Requests of others that wait for an answer, newest first. */
  requests() {
    const mine = (row) => row.kind === "apply" && row.friend_id !== this.uid && (row.state ?? 1) === 1;
    return [...this.replica.rows.contact.values()].filter(mine).sort((a, b) => b.id - a.id);
  }
}
