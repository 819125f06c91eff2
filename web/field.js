/** Labelled fields of forms, each with a hint below it where there is one. */
import { h } from "./dom.js";

/** One line. */
export function field({ name, label, hint, ...attributes }) {
  return labelled(name, label, hint, (described) => h("input", { class: "input", name, ...described, ...attributes }));
}

/** Several lines. */
export function area({ name, label, hint, ...attributes }) {
  return labelled(name, label, hint, (described) => h("textarea", { class: "input", name, rows: 3, ...described, ...attributes }));
}

/** One of a few; `options` are [value, text]. */
export function choice({ name, label, hint, options, value, ...attributes }) {
  const texts = options.map(([key, text]) => h("option", { value: String(key), selected: String(key) === String(value) }, text));
  return labelled(name, label, hint, (described) => h("select", { class: "input", name, ...described, ...attributes }, texts));
}

/** On or off. */
export function toggle({ name, label, hint, checked, ...attributes }) {
  const hintId = hint ? `hint-${name}` : null;
  return h(
    "label",
    { class: "toggle" },
    h("span", { class: "toggle-text" }, h("span", { class: "field-label" }, label), hint && h("span", { class: "field-hint", id: hintId }, hint)),
    h("input", { class: "checkbox", type: "checkbox", role: "switch", name, checked, "aria-describedby": hintId, ...attributes }),
  );
}

function labelled(name, label, hint, build) {
  const hintId = hint ? `hint-${name}` : null;
  return h(
    "label",
    { class: "field" },
    h("span", { class: "field-label" }, label),
    build({ "aria-describedby": hintId }),
    hint && h("span", { class: "field-hint", id: hintId }, hint),
  );
}
