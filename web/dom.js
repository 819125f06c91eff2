/** Elements from data. Text goes in as text nodes only; no markup is ever made from strings. */

/**
 * h("button", {class: "x", onclick: fn, "aria-label": "..."}, child, "text", null)
 * Attributes that are null, undefined or false are left out; `true` is written as an empty attribute.
 */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(node, child);
    else if (child !== null && child !== undefined && child !== false) node.append(child);
  }
}

/**
 * Makes the children of `container` show `items` with the fewest changes: a node is kept while the signature of its
 * item is the same, so that selection, focus and scrolling survive.
 * @param {Element} container
 * @param {{key: string, signature: string, build: () => Element}[]} items
 */
export function reconcile(container, items) {
  const known = container.reconciled ?? new Map();
  const next = new Map();
  let position = container.firstChild;
  for (const { key, signature, build } of items) {
    const before = known.get(key);
    let node;
    if (before && before.signature === signature) {
      node = before.node;
    } else {
      node = build();
      if (before) {
        if (before.node === position) position = node;
        before.node.replaceWith(node);
      }
    }
    next.set(key, { signature, node });
    if (node === position) position = position.nextSibling;
    else container.insertBefore(node, position);
  }
  while (position) {
    const after = position.nextSibling;
    position.remove();
    position = after;
  }
  container.reconciled = next;
}
