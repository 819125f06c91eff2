/** The editor of a chat: Enter sends, Shift+Enter makes a new line; drafts live as long as the page. */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { MentionPicker } from "./mention-picker.js";
import { mentionsIn } from "./mention-text.js";
import { strings } from "./strings.js";
import { toast } from "./toast.js";

const TEXT_MAX = 4096;
const HEIGHT_MAX_PX = 160;
const PICTURES = "image/jpeg,image/png,image/webp,image/gif";
const drafts = new Map();

/** Forgets what was written and not sent, when the user logs out. */
export function forgetDrafts() {
  drafts.clear();
}

export class Composer {
  /**
   * @param {object} options
   * @param {number} options.talkId
   * @param {(text: string, quoteId: string, mentions: number[]) => boolean} options.onSend false keeps the text
   * @param {(record: object, text: string, mentions: number[]) => Promise<void>} options.onEdit
   * @param {(query: string) => object[]} options.mentionable whom an @-word may mean
   * @param {(button: Element) => void} options.onMore
   * @param {(files: File[], kind: "picture" | "file") => void} options.onFiles
   * @param {() => void} options.onTyping
   */
  constructor({ talkId, onSend, onEdit, mentionable, onMore, onFiles, onTyping }) {
    this.talkId = talkId;
    this.onSend = onSend;
    this.onEdit = onEdit;
    this.quoted = null;
    this.edited = null;
    const label = strings.composer;
    this.input = h("textarea", { class: "composer-input", rows: "1", placeholder: label, "aria-label": label });
    this.restore();
    this.picker = new MentionPicker(this.input, {
      offered: mentionable,
      onChosen: ({ id, name }) => this.mentioned.push({ id, name }),
    });
    this.button = h("button", { class: "send-button", type: "submit", "aria-label": strings.send, title: strings.send }, icon("send"));
    this.quote = h("div", { class: "composer-quote", hidden: true });
    this.blocked = h("p", { class: "composer-blocked", hidden: true });
    const pickers = [
      filePicker("picture", strings.sendPicture, PICTURES, (files) => onFiles(files, "picture")),
      filePicker("file", strings.sendFile, null, (files) => onFiles(files, "file")),
    ];
    const more = h("button", { class: "icon-button", type: "button", "aria-label": strings.sendMore, title: strings.sendMore, "aria-haspopup": "menu" }, icon("plus"));
    more.addEventListener("click", () => onMore(more));
    this.form = h("form", { class: "composer-form" }, h("span", { class: "file-picker" }, more), ...pickers, this.input, this.button);
    this.node = h("div", { class: "composer" }, this.picker.node, this.quote, this.form, this.blocked);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.input.addEventListener("keydown", (event) => {
      if (this.picker.handles(event)) return;
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.submit();
      } else if (event.key === "Escape" && (this.quoted || this.edited)) {
        this.release();
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
    // What is being edited is no draft.
    if (!this.edited) {
      if (value) drafts.set(this.talkId, { text: value, mentioned: this.mentioned });
      else drafts.delete(this.talkId);
    }
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
    if (this.edited) {
      this.submitEdit(this.edited, text);
      return;
    }
    if (!this.onSend(text, this.quoted?.msg_id ?? "", this.mentions())) return;
    this.clear();
  }

  async submitEdit(record, text) {
    this.button.disabled = true;
    try {
      await this.onEdit(record, text, this.mentions());
      if (this.edited === record) this.release();
    } catch (error) {
      this.button.disabled = false;
      toast(error.message, "is-error");
    }
  }

  text() {
    return this.input.value.trim();
  }

  /** Who is mentioned in the text as it stands: user ids, 0 = everybody. */
  mentions() {
    return mentionsIn(this.text(), this.mentioned);
  }

  /** Back to what was written and not sent. */
  restore() {
    const { text, mentioned } = drafts.get(this.talkId) ?? { text: "", mentioned: [] };
    this.input.value = text;
    this.mentioned = mentioned;
  }

  clear() {
    this.input.value = "";
    this.mentioned = [];
    this.release();
    this.changed();
  }

  /** Answers a record, {msg_id}, shown as `text`. */
  reply(record, text) {
    this.release();
    this.quoted = record;
    this.showTarget(text, strings.cancelReply);
  }

  /** Changes a record whose words are `text`, and which mentions these by name. */
  edit(record, text, mentioned) {
    this.release();
    this.edited = record;
    this.mentioned = mentioned;
    this.showTarget(strings.editing, strings.cancelEdit);
    this.input.value = text;
    this.changed();
  }

  showTarget(text, cancelLabel) {
    this.quote.hidden = false;
    this.quote.append(
      h("span", { class: "quote" }, text),
      h("button", { class: "icon-button", type: "button", "aria-label": cancelLabel, onclick: () => this.release() }, icon("close")),
    );
    this.focus();
  }

  /** Ends answering or changing; what was written before an edit comes back. */
  release() {
    if (this.edited) this.restore();
    this.quoted = this.edited = null;
    this.quote.hidden = true;
    this.quote.replaceChildren();
    this.changed();
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

/** A button that lets the user pick files. */
function filePicker(iconName, label, accept, onFiles) {
  const input = h("input", { type: "file", hidden: true, multiple: true, accept, "aria-label": label });
  input.addEventListener("change", () => {
    onFiles([...input.files]);
    input.value = ""; // the same file may be picked again
  });
  const button = h("button", { class: "icon-button", type: "button", "aria-label": label, title: label, onclick: () => input.click() }, icon(iconName));
  return h("span", { class: "file-picker" }, button, input);
}
