/** A small menu beside the button that opened it: arrow keys move, Escape or a click elsewhere closes. */
import { h } from "./dom.js";
import { openPopover } from "./popover.js";

/** @param {{label: string, danger?: boolean, act: () => void}[]} items */
export function openMenu(button, items) {
  const menu = openPopover(button, {
    class: "is-list",
    role: "menu",
    content: items.map(({ label, danger, act }) =>
      h(
        "button",
        {
          class: danger ? "menu-item is-danger" : "menu-item",
          type: "button",
          role: "menuitem",
          onclick: () => {
            menu.hidePopover();
            act();
          },
        },
        label,
      ),
    ),
  });
}
