/** What a message carries beside text: a picture, sound or film that is shown, a file that is fetched. */
import { blurCanvas } from "./blurhash.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { AUDIO, bodyOf, FILE, IMAGE, VIDEO } from "./message-content.js";
import { strings } from "./strings.js";

const SIZE_IN_ADDRESS = /_(\d+)x(\d+)\.\w+$/;
const PICTURE_MAX_PX = 320;

/**
 * The attachment of a record, or null when it has none that can be shown.
 * @param {object} record
 * @param {{percent: number, cancel: () => void} | null} upload while it is on its way to the server
 * @param {(record: object) => void} download
 */
export function attachmentView(record, upload, download) {
  const body = bodyOf(record);
  if (upload) return uploadView(body, upload);
  if (record.msg_type === FILE && body.name) return fileView(record, body, download);
  if (!isWebAddress(body.url)) return null;
  if (record.msg_type === IMAGE) return pictureView(body);
  if (record.msg_type === AUDIO) return h("audio", { class: "attachment", controls: true, preload: "metadata", src: body.url });
  if (record.msg_type === VIDEO) {
    const poster = isWebAddress(body.cover) ? body.cover : null;
    return h("video", { class: "attachment picture", controls: true, preload: "metadata", src: body.url, poster });
  }
  return null;
}

/**
 * Laid out before it is loaded: its address tells how large it is. Until then it is blurred; what is shown is the
 * thumbnail where there is one, and a click opens the whole.
 */
function pictureView({ url, thumbnail, blur }) {
  const [, width, height] = SIZE_IN_ADDRESS.exec(url) ?? [];
  const scale = Math.min(1, PICTURE_MAX_PX / Math.max(width, height, 1));
  const side = (pixels) => (pixels ? Math.max(1, Math.round(pixels * scale)) : null);
  const small = isWebAddress(thumbnail) && !url.endsWith(".gif") ? thumbnail : url; // a thumbnail does not move
  const picture = h("img", { class: "picture", src: small, alt: strings.picture, width: side(width), height: side(height), loading: "lazy", decoding: "async" });
  const blurred = width ? blurCanvas(blur) : null;
  if (blurred) {
    blurred.className = "picture-blur";
    picture.addEventListener("load", () => blurred.remove());
  }
  return h(
    "a",
    { class: "attachment picture-link", href: url, target: "_blank", rel: "noopener noreferrer", "aria-label": strings.openPicture },
    picture,
    blurred,
  );
}

function fileView(record, { name, size }, download) {
  return h(
    "button",
    { class: "attachment file", type: "button", "aria-label": strings.download(name), onclick: () => download(record) },
    icon("file"),
    h("span", { class: "file-name" }, String(name)),
    h("span", { class: "file-size" }, sizeText(size)),
  );
}

function uploadView({ name, size }, { percent, cancel }) {
  return h(
    "div",
    { class: "attachment file is-upload" },
    icon("file"),
    h("span", { class: "file-name" }, String(name)),
    h("span", { class: "file-size" }, sizeText(size)),
    h("progress", { max: "100", value: percent, "aria-label": strings.uploading(name) }),
    h("button", { class: "link", type: "button", onclick: cancel }, strings.cancel),
  );
}

function isWebAddress(url) {
  return typeof url === "string" && /^https?:\/\//.test(url);
}

function sizeText(bytes) {
  let size = Number(bytes) || 0;
  let unit = 0;
  while (size >= 1000 && unit < 3) {
    size /= 1000;
    unit += 1;
  }
  return `${size.toLocaleString(strings.locale, { maximumFractionDigits: unit ? 1 : 0 })} ${["B", "kB", "MB", "GB"][unit]}`;
}
