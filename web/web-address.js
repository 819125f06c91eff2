/** Web addresses in a text: http and https, without what only ends the sentence around them. */
const ADDRESS = /https?:\/\/[^\s<>"']+[^\s<>"'.,:;!?)\]}]/g;
const PREVIEWED_MAX = 2048;

/** The addresses with their places, as `String.matchAll` has them. */
export function addressesIn(text) {
  return text.matchAll(ADDRESS);
}

/** The address whose preview stands below a text: the first one, where it is one; else "". */
export function previewedAddress(text) {
  const [first] = addressesIn(text).next().value ?? [""];
  return first.length <= PREVIEWED_MAX && URL.canParse(first) ? first : "";
}
