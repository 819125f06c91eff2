/** What opens beside a button and closes by Escape or a click elsewhere; then the focus goes back to the button. */
import { h } from "./dom.js";

const GAP_PX = 4;

/**
 * @param {Element} button
 * @param {{class: string, role: string, label?: string, columns?: number, content: Element[]}} options `columns`: of a
 *   board, in which the arrow keys move by rows, too
 * @returns {HTMLElement} hide it by `hidePopover()`
 */
export function openPopover(button, { class: kind, role, label, columns = 1, content }) {
  const node = h("div", { class: `menu ${kind}`, role, "aria-label": label, popover: "auto" }, content);
  const steps = columns === 1 ? { ArrowDown: 1, ArrowUp: -1 } : { ArrowDown: columns, ArrowUp: -columns, ArrowRight: 1, ArrowLeft: -1 };
  node.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const all = [...node.children];
    all[(all.indexOf(document.activeElement) + step + all.length) % all.length].focus();
  });
  node.addEventListener("toggle", ({ newState }) => {
    if (newState !== "closed") return;
    button.setAttribute("aria-expanded", "false");
    if (node.contains(document.activeElement) || document.activeElement === document.body) button.focus();
    node.remove();
  });
  (button.closest("dialog") ?? document.body).append(node);
  node.showPopover();
  button.setAttribute("aria-expanded", "true");
  const at = button.getBoundingClientRect();
  const { width, height } = node.getBoundingClientRect();
  const left = Math.max(GAP_PX, Math.min(at.right - width, innerWidth - width - GAP_PX));
  const below = at.bottom + GAP_PX;
  node.style.left = `${left}px`;
  node.style.top = `${below + height > innerHeight ? Math.max(GAP_PX, at.top - height - GAP_PX) : below}px`;
  node.firstChild.focus();
  return node;
}
