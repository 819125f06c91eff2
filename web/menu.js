/** A small menu beside the button that opened it: arrow keys move, Escape or a click elsewhere closes. */
import { h } from "./dom.js";

const GAP_PX = 4;

/** @param {{label: string, danger?: boolean, act: () => void}[]} items */
export function openMenu(button, items) {
  const menu = h(
    "div",
    { class: "menu", role: "menu", popover: "auto" },
    items.map(({ label, danger, act }) =>
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
  );
  menu.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = [...menu.children];
    all[(all.indexOf(document.activeElement) + step + all.length) % all.length].focus();
  });
  menu.addEventListener("toggle", ({ newState }) => {
    if (newState !== "closed") return;
    button.setAttribute("aria-expanded", "false");
    if (menu.contains(document.activeElement) || document.activeElement === document.body) button.focus();
    menu.remove();
  });
  (button.closest("dialog") ?? document.body).append(menu);
  menu.showPopover();
  button.setAttribute("aria-expanded", "true");
  const at = button.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  const left = Math.min(Math.max(GAP_PX, at.right - width), innerWidth - width - GAP_PX);
  const below = at.bottom + GAP_PX;
  menu.style.left = `${left}px`;
  menu.style.top = `${below + height > innerHeight ? Math.max(GAP_PX, at.top - height - GAP_PX) : below}px`;
  menu.firstChild.focus();
}
