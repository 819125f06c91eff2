/** Modal dialogs on the browser's own <dialog>: focus stays inside, Escape closes. */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { strings } from "./strings.js";

/**
 * Opens a dialog; it is removed when closed. Resolves nothing: what happens inside is the caller's.
 * @returns {{node: HTMLDialogElement, close: () => void}}
 */
export function openDialog(title, ...content) {
  const titleId = `dialog-${Math.random().toString(36).slice(2)}`;
  const close = () => node.close();
  const node = h(
    "dialog",
    { class: "dialog", "aria-labelledby": titleId, onclose: () => node.remove() },
    h(
      "header",
      { class: "dialog-header" },
      h("h2", { id: titleId }, title),
      h("button", { class: "icon-button", type: "button", "aria-label": strings.close, onclick: close }, icon("close")),
    ),
    h("div", { class: "dialog-body" }, ...content),
  );
  node.addEventListener("click", (event) => {
    if (event.target === node) close(); // the backdrop
  });
  document.body.append(node);
  node.showModal();
  return { node, close };
}

/** Closes all that are open, before the page goes elsewhere. */
export function closeDialogs() {
  for (const node of document.querySelectorAll("dialog")) node.close();
}

/** Asks before something that cannot be undone. Resolves to true when the user agrees. */
export function confirmDialog(title, text, action) {
  return new Promise((resolve) => {
    let agreed = false;
    const { node, close } = openDialog(
      title,
      h("p", { class: "dialog-text" }, text),
      h(
        "div",
        { class: "dialog-actions" },
        h("button", { class: "button", type: "button", onclick: () => close() }, strings.cancel),
        h(
          "button",
          {
            class: "button is-danger",
            type: "button",
            onclick: () => {
              agreed = true;
              close();
            },
          },
          action,
        ),
      ),
    );
    node.addEventListener("close", () => resolve(agreed));
  });
}
