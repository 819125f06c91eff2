/** The mark beside the name of a program's account. */
import { h } from "./dom.js";
import { strings } from "./strings.js";

export function botMark() {
  return h("span", { class: "bot-mark" }, strings.bot);
}
