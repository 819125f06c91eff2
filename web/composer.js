/** The editor of a chat: Enter sends, Shift+Enter makes a new line; drafts live as long as the page. */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { strings } from "./strings.js";
import { toast } from "./toast.js";

const TEXT_MAX = 4096;
const HEIGHT_MAX_PX = 160;
const drafts = new Map();

/** Forgets what was written and not sent, when the user logs out. */
export function forgetDrafts() {
  drafts.clear();
}

export class Composer {
  /**
   * @param {object} options
   * @param {number} options.talkId
   * @param {(text: string, quoteId: string) => boolean} options.onSend false keeps the text
   * @param {() => void} options.onTyping
   */
  constructor({ talkId, onSend, onTyping }) {
    this.talkId = talkId;
    this.onSend = onSend;
    this.quoted = null;
    this.input = h("textarea", { class: "composer-input", rows: "1", placeholder: strings.composer, "aria-label": strings.composer, value: drafts.get(talkId) ?? "" });
    this.button = h("button", { class: "send-button", type: "submit", "aria-label": strings.send, title: strings.send }, icon("send"));
    this.quote = h("div", { class: "composer-quote", hidden: true });
    this.blocked = h("p", { class: "composer-blocked", hidden: true });
    this.form = h("form", { class: "composer-form" }, this.input, this.button);
    this.node = h("div", { class: "composer" }, this.quote, this.form, this.blocked);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.submit();
      } else if (event.key === "Escape" && this.quoted) {
        this.reply(null);
      }
    });
    this.input.addEventListener("input", () => {
      this.changed();
      if (this.input.value.trim()) onTyping();
    });
    this.changed();
  }

  changed() {
    const { value } = this.input;
    if (value) drafts.set(this.talkId, value);
    else drafts.delete(this.talkId);
    this.button.disabled = !value.trim();
    this.fit();
  }

  /** As high as the text, up to a limit. Needs the node in the page. */
  fit() {
    this.input.style.height = "auto";
    if (this.input.scrollHeight) this.input.style.height = `${Math.min(this.input.scrollHeight, HEIGHT_MAX_PX)}px`;
  }

  submit() {
    const text = this.input.value.trim();
    if (!text) return;
    if ([...text].length > TEXT_MAX) {
      toast(strings.tooLong(TEXT_MAX), "is-error");
      return;
    }
    if (!this.onSend(text, this.quoted?.msg_id ?? "")) return;
    this.input.value = "";
    this.reply(null);
    this.changed();
  }

  /** Answers a record, {msg_id}, shown as `text`; null ends it. */
  reply(record, text = "") {
    this.quoted = record;
    this.quote.hidden = !record;
    this.quote.replaceChildren();
    if (!record) return;
    this.quote.append(
      h("span", { class: "quote" }, text),
      h("button", { class: "icon-button", type: "button", "aria-label": strings.cancelReply, onclick: () => this.reply(null) }, icon("close")),
    );
    this.focus();
  }

  /** Closes the editor with the reason, or opens it (""). */
  block(reason) {
    this.form.hidden = Boolean(reason);
    this.blocked.hidden = !reason;
    this.blocked.textContent = reason;
  }

  focus() {
    this.input.focus({ preventScroll: true });
  }
}
