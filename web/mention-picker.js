/**
 * The list that opens while an @-word is typed: arrows move, Enter or Tab chooses, Escape closes, and so does a click.
 * The focus stays in the text; while the list is open the text is its combobox (WAI-ARIA, "combobox" with a listbox).
 */
import { avatar } from "./avatar.js";
import { h } from "./dom.js";
import { wordAtCaret } from "./mention-text.js";
import { strings } from "./strings.js";

const LIST_ID = "mention-list";
const COMBOBOX = {
  role: "combobox",
  "aria-autocomplete": "list",
  "aria-haspopup": "listbox",
  "aria-expanded": "true",
  "aria-controls": LIST_ID,
};
const CARET_KEYS = ["ArrowLeft", "ArrowRight", "Home", "End"];

export class MentionPicker {
  /**
   * @param {HTMLTextAreaElement} input
   * @param {object} options
   * @param {(query: string) => {id: number, name: string, names: string[], avatar: string}[]} options.offered
   * @param {(person: {id: number, name: string}) => void} options.onChosen its name stands in the text by then
   */
  constructor(input, { offered, onChosen }) {
    this.input = input;
    this.offered = offered;
    this.onChosen = onChosen;
    this.people = [];
    this.word = null;
    this.active = 0;
    this.closedAt = null;
    const label = strings.mentionSomebody;
    this.node = h("ul", { class: "mention-list", id: LIST_ID, role: "listbox", "aria-label": label, hidden: true });
    this.node.addEventListener("mousedown", (event) => event.preventDefault()); // the focus stays in the text
    this.node.addEventListener("click", ({ target }) => {
      const index = [...this.node.children].indexOf(target.closest("[role=option]"));
      if (index !== -1) this.choose(index);
    });
    input.addEventListener("input", () => this.update());
    input.addEventListener("click", () => this.update());
    input.addEventListener("keyup", ({ key }) => {
      if (CARET_KEYS.includes(key)) this.update();
    });
    input.addEventListener("blur", () => this.close());
  }

  get isOpen() {
    return !this.node.hidden;
  }

  /** Looks at the word before the caret again. */
  update() {
    const { input } = this;
    const isCaret = document.activeElement === input && input.selectionStart === input.selectionEnd;
    this.word = isCaret ? wordAtCaret(input.value, input.selectionStart) : null;
    if (this.word?.start !== this.closedAt) this.closedAt = null;
    const people = this.word && this.closedAt === null ? this.offered(this.word.query) : [];
    if (!people.length) return void this.close();
    const before = this.people[this.active]?.id;
    const isSameQuery = this.isOpen && this.query === this.word.query;
    this.query = this.word.query;
    this.people = people;
    this.active = isSameQuery ? Math.max(0, people.findIndex(({ id }) => id === before)) : 0;
    this.draw();
  }

  draw() {
    this.node.replaceChildren(...this.people.map((person, index) => option(person, index)));
    this.node.hidden = false;
    for (const [name, value] of Object.entries(COMBOBOX)) this.input.setAttribute(name, value);
    this.mark();
  }

  mark() {
    [...this.node.children].forEach((node, index) => node.setAttribute("aria-selected", String(index === this.active)));
    const active = this.node.children[this.active];
    this.input.setAttribute("aria-activedescendant", active.id);
    active.scrollIntoView({ block: "nearest" });
  }

  close() {
    this.node.hidden = true;
    this.node.replaceChildren();
    this.people = [];
    for (const name of Object.keys(COMBOBOX)) this.input.removeAttribute(name);
    this.input.removeAttribute("aria-activedescendant");
  }

  /** Takes a key of the text's. False when it is none of the list's. */
  handles(event) {
    if (!this.isOpen || event.isComposing) return false;
    const count = this.people.length;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      this.active = (this.active + (event.key === "ArrowDown" ? 1 : count - 1)) % count;
      this.mark();
    } else if ((event.key === "Enter" || event.key === "Tab") && !event.shiftKey) {
      this.choose(this.active);
    } else if (event.key === "Escape") {
      this.closedAt = this.word.start; // this word is no mention
      this.close();
    } else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  choose(index) {
    const person = this.people[index];
    const { start, query } = this.word;
    this.input.setRangeText(`@${person.name} `, start, start + 1 + query.length, "end");
    this.close();
    this.onChosen(person);
    this.input.dispatchEvent(new Event("input"));
  }
}

function option({ id, name, names, avatar: url }, index) {
  const others = names.filter((each) => each !== name);
  return h(
    "li",
    { class: "mention-option", id: `${LIST_ID}-${index}`, role: "option" },
    avatar({ id, name, url, isGroup: id === 0, size: "is-small" }),
    h("span", { class: "person-name" }, name),
    others.length > 0 && h("span", { class: "person-detail" }, others.join(" · ")),
  );
}
