/** A face: the picture if there is one, else the first letter on a colour that belongs to the id (of another series for groups). */
import { h } from "./dom.js";

const COLOURS = 8;

export function avatar({ id, name, url = "", isGroup = false, size = "" }) {
  const kind = `avatar colour-${Math.abs(isGroup ? id + 3 : id) % COLOURS} ${isGroup ? "is-group" : ""} ${size}`;
  const letter = [...(name || "?").trim()][0] ?? "?";
  const face = h("span", { class: kind, "aria-hidden": "true" }, letter.toUpperCase());
  if (url) {
    const picture = h("img", { src: url, alt: "", loading: "lazy" });
    picture.addEventListener("error", () => picture.remove());
    face.append(picture);
  }
  return face;
}
