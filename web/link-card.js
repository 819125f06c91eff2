/** The preview of a web page below the message that names it. It says whose page it is by the address alone. */
import { h } from "./dom.js";

/**
 * @param {string} address as the message has it
 * @param {{title: string, description: string, image: string}} preview
 */
export function linkCard(address, { title, description, image }) {
  const kind = image ? "link-card has-picture" : "link-card";
  return h(
    "a",
    { class: kind, href: address, target: "_blank", rel: "noopener noreferrer" },
    h(
      "span",
      { class: "link-card-text" },
      h("span", { class: "link-card-title", dir: "auto" }, title),
      description && h("span", { class: "link-card-description", dir: "auto" }, description),
      h("span", { class: "link-card-host" }, new URL(address).host),
    ),
    image && pictureView(image),
  );
}

/** Its place is of one size before it is loaded, and nothing moves when it cannot be. */
function pictureView(src) {
  const attributes = { class: "link-card-picture", src, alt: "", loading: "lazy", decoding: "async" };
  const picture = h("img", { ...attributes, referrerpolicy: "no-referrer" });
  picture.addEventListener("error", () => picture.remove());
  return picture;
}
