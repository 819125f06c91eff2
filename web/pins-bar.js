/**
 * Above a chat: the message that was pinned last, and the way to all that are pinned.
 *
 * Pins of messages that are held are seen among the records; others may be far back, and show only as a change of the
 * talk. So the list is asked for at once when a held pin changes, and a while after any other change.
 */
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { digestOf } from "./message-content.js";
import { strings } from "./strings.js";
import { listText } from "./time-text.js";
import { toastError } from "./toast.js";

const QUIET_CHANGE_MS = 5000;

export class PinsBar {
  /**
   * @param {import("./xinyu.js").XinYu} client
   * @param {{jump: (sequence: number) => void, unpin: (record: object) => Promise<void>}} actions
   */
  constructor(client, actions) {
    this.client = client;
    this.actions = actions;
    this.records = [];
    this.loadedKey = null;
    this.loadedChange = 0;
    this.timer = null;
    this.isLoading = false;
    this.isWanted = false;
    this.current = h("button", { class: "pins-current", type: "button", "aria-label": strings.pins });
    this.current.addEventListener("click", () => this.records.length && actions.jump(this.records[0].sequence));
    this.all = h("button", { class: "icon-button", type: "button", "aria-label": strings.allPins, title: strings.allPins, onclick: () => this.openAll() }, icon("list"));
    this.node = h("section", { class: "pins", hidden: true, "aria-label": strings.pins }, icon("pin"), this.current, this.all);
  }

  /** Called whenever the chat is drawn. @param {object} row @param {object} talk as held */
  look(row, talk) {
    if (this.client.connection.state.name !== "connected") return;
    const held = [];
    for (const record of talk.records.values()) if (record.is_pinned) held.push(record.sequence);
    const key = held.sort((a, b) => a - b).join();
    if (key !== this.loadedKey) {
      this.loadedKey = key;
      this.loadedChange = talk.change;
      this.load(row);
    } else if (talk.change !== this.loadedChange && !this.timer) {
      this.timer = setTimeout(() => {
        this.timer = null;
        this.loadedChange = talk.change;
        this.load(row);
      }, QUIET_CHANGE_MS);
    }
  }

  async load(row) {
    if (this.isLoading) {
      this.isWanted = true;
      return;
    }
    this.isLoading = true;
    this.isWanted = false;
    try {
      const { talk_mode, to_from_id } = row;
      this.records = (await this.client.call("message/pins", { talk_mode, to_from_id })).items;
      this.draw();
    } catch (error) {
      console.warn("pins not loaded:", error.message); // the next change asks again
    }
    this.isLoading = false;
    if (this.isWanted) await this.load(row);
  }

  dispose() {
    clearTimeout(this.timer);
  }

  draw() {
    const [newest] = this.records;
    this.node.hidden = !newest;
    if (!newest) return;
    const text = digestOf(newest, this.client.uid);
    this.current.replaceChildren(
      h("span", { class: "pins-title" }, strings.pinCount(this.records.length)),
      h("span", { class: "pins-text" }, text),
    );
    this.current.setAttribute("aria-label", strings.toPinned(text));
  }

  openAll() {
    const list = h("ul", { class: "person-list", "aria-label": strings.pins });
    const { close } = openDialog(strings.pins, list);
    list.append(
      ...this.records.map((record) => {
        const jump = () => {
          close();
          this.actions.jump(record.sequence);
        };
        const unpin = h("button", { class: "icon-button", type: "button", "aria-label": strings.unpinMessage, title: strings.unpinMessage }, icon("close"));
        const item = h(
          "li",
          { class: "person" },
          h(
            "button",
            { class: "pins-current", type: "button", onclick: jump },
            h("span", { class: "pins-title" }, this.client.people.name(record.from_id) || record.nickname || strings.somebody, " · ", listText(record.sent_at_ms)),
            h("span", { class: "pins-text" }, digestOf(record, this.client.uid)),
          ),
          unpin,
        );
        unpin.addEventListener("click", () => this.actions.unpin(record).then(() => item.remove(), toastError));
        return item;
      }),
    );
  }
}
