/** Messages that hold a word, over all talks or in one: newest first, the word marked, each a way to its place. */
import { avatar } from "./avatar.js";
import { h } from "./dom.js";
import { bodyOf, digestOf, TEXT } from "./message-content.js";
import { strings } from "./strings.js";
import { completeText, listText } from "./time-text.js";

const WAIT_MS = 300;
const EMPTY_PAGES_MAX = 5;
const BEFORE_HIT = 24;
const SHOWN_MAX = 140;
export const KEYWORD_MAX = 64;

export class SearchResults {
  /**
   * @param {import("./xinyu.js").XinYu} client
   * @param {object} scope {} for all talks, or {talk_mode, to_from_id}
   * @param {() => void} onOpen a hit was followed
   */
  constructor(client, scope, onOpen = () => {}) {
    this.client = client;
    this.scope = scope;
    this.onOpen = onOpen;
    this.keyword = "";
    this.cursor = "";
    this.asked = 0;
    this.title = h("h2", { class: "section-title" }, strings.messages);
    this.list = h("ul", { class: "talk-list", "aria-label": strings.foundMessages });
    this.note = h("p", { class: "note", role: "status" });
    this.more = h("button", { class: "button is-wide", type: "button", hidden: true, onclick: () => this.load() }, strings.more);
    this.node = h("section", { class: "search-results", hidden: true }, this.title, this.list, this.note, this.more);
  }

  /** Searches once the user pauses; "" shows nothing. */
  search(keyword) {
    if (keyword === this.keyword) return;
    this.keyword = keyword;
    this.asked += 1; // what is under way comes too late
    clearTimeout(this.timer);
    this.node.hidden = !keyword;
    this.list.replaceChildren();
    this.more.hidden = true;
    this.cursor = "";
    if (!keyword) return;
    this.note.textContent = strings.searching;
    this.timer = setTimeout(() => this.load(), WAIT_MS);
  }

  async load() {
    const number = (this.asked += 1);
    try {
      // A page costs the server a bounded effort, and may be empty with more behind it.
      let found = 0;
      for (let page = 0; page < EMPTY_PAGES_MAX && found === 0; page += 1) {
        const request = { keyword: this.keyword, ...this.scope };
        if (this.cursor) request.cursor = this.cursor;
        const { items, cursor } = await this.client.call("message/search", request);
        if (number !== this.asked) return;
        this.list.append(...items.map((item) => this.item(item)));
        found = items.length;
        this.cursor = cursor ?? "";
        if (!this.cursor) break;
      }
      this.more.hidden = !this.cursor;
      this.note.textContent = this.list.children.length ? "" : strings.noMatch;
    } catch (error) {
      if (number === this.asked) this.note.textContent = error.message;
    }
  }

  item({ record, highlights }) {
    const { client } = this;
    const row = client.replica.rows.talk.get(record.talk_id);
    const face = row ? client.faceOf(row) : { name: record.nickname, avatar: record.avatar };
    const sender = record.from_id === client.uid ? strings.you : client.people.name(record.from_id) || record.nickname || strings.somebody;
    const isInOne = "talk_mode" in this.scope;
    return h(
      "li",
      {},
      h(
        "a",
        { class: "talk-item", href: `#/chat/${record.talk_id}/${record.sequence}`, onclick: () => this.onOpen() },
        isInOne
          ? avatar({ id: record.from_id, name: sender, url: record.avatar, size: "is-small" })
          : avatar({ id: row?.to_from_id ?? record.from_id, name: face.name, url: face.avatar, isGroup: row?.talk_mode === 2, size: "is-small" }),
        h(
          "span",
          { class: "talk-item-text" },
          h(
            "span",
            { class: "talk-item-top" },
            h("span", { class: "talk-item-name" }, isInOne ? sender : face.name),
            h("time", { class: "talk-item-time", title: completeText(record.sent_at_ms) }, listText(record.sent_at_ms)),
          ),
          h("span", { class: "search-hit" }, !isInOne && row?.talk_mode === 2 && `${sender}: `, ...marked(shownText(record), highlights)),
        ),
      ),
    );
  }
}

/** What a search looks through: the text, the code, the name of a file. */
function shownText(record) {
  const body = bodyOf(record);
  if (record.msg_type === TEXT) return String(body.content ?? "");
  const parts = Array.isArray(body.items) ? body.items.filter((item) => item?.type === 1).map((item) => String(item.content ?? "")) : [];
  return String(body.code ?? body.name ?? (parts.length ? parts.join("\n") : digestOf(record, 0)));
}

/** Around the first hit, with every hit in a <mark>. Positions count characters, not UTF-16 units. */
export function marked(text, highlights) {
  const characters = Array.from(text);
  const hits = (Array.isArray(highlights) ? highlights : []).filter(([from, to]) => from < to && to <= characters.length).sort((a, b) => a[0] - b[0]);
  const start = Math.max(0, (hits[0]?.[0] ?? 0) - BEFORE_HIT);
  const end = Math.min(characters.length, start + SHOWN_MAX);
  const parts = start > 0 ? ["…"] : [];
  let at = start;
  for (const [from, to] of hits) {
    if (from < at || to > end) continue;
    parts.push(characters.slice(at, from).join(""));
    parts.push(h("mark", {}, characters.slice(from, to).join("")));
    at = to;
  }
  parts.push(characters.slice(at, end).join(""));
  if (end < characters.length) parts.push("…");
  return parts;
}
