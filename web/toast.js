/** Short notes at the bottom of the page, read out by screen readers. At most three at once. */
import { h } from "./dom.js";

const SHOWN_MS = 4500;
const TOASTS_MAX = 3;
const host = h("div", { class: "toasts", role: "status", "aria-live": "polite", popover: "manual" });

export function toast(text, kind = "") {
  if (!host.isConnected) document.body.append(host);
  const note = h("div", { class: `toast ${kind}` }, text);
  if (host.matches(":popover-open")) host.hidePopover();
  host.showPopover(); // above a dialog that was opened since
  host.append(note);
  while (host.children.length > TOASTS_MAX) host.firstChild.remove();
  setTimeout(() => {
    note.remove();
    if (!host.children.length && host.matches(":popover-open")) host.hidePopover();
  }, SHOWN_MS);
}

/** Shows why something did not work. */
export function toastError(error) {
  console.warn(error);
  toast(error.message, "is-error");
}
