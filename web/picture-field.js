/** A face that can be changed: a picture is uploaded as soon as it is picked, and counts once the form is sent. */
import { avatar } from "./avatar.js";
import { h } from "./dom.js";
import { strings } from "./strings.js";
import { toastError } from "./toast.js";

/**
 * @param {import("./xinyu.js").XinYu} client
 * @param {{id: number, name: string, url: string, isGroup?: boolean}} shown
 * @returns {{node: Element, url: () => string}}
 */
export function pictureField(client, { id, name, url, isGroup = false }) {
  let picture = url;
  const face = h("span", {});
  const draw = () => face.replaceChildren(avatar({ id, name, url: picture, isGroup }));
  const file = h("input", { type: "file", accept: "image/png,image/jpeg,image/webp,image/gif", hidden: true });
  file.setAttribute("aria-label", strings.changePicture);
  file.addEventListener("change", async () => {
    try {
      picture = (await client.uploadPicture(file.files[0])).src;
      draw();
    } catch (error) {
      toastError(error);
    }
    file.value = ""; // the same file may be picked again
  });
  draw();
  const button = h("button", { class: "button", type: "button", onclick: () => file.click() }, strings.changePicture);
  return { node: h("div", { class: "profile-picture" }, face, button, file), url: () => picture };
}
