/** A BlurHash (github.com/woltapp/blurhash, Algorithm.md) drawn as a small picture, to be shown until the real one is there. */
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";
const SIDE_PX = 32;

/** The picture as a canvas, or null for a text that is no BlurHash. */
export function blurCanvas(hash) {
  const waves = wavesOf(hash);
  if (!waves) return null;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE_PX;
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE_PX, SIDE_PX);
  image.data.set(pixelsOf(waves, SIDE_PX));
  context.putImageData(image, 0, 0);
  return canvas;
}

/** {across, down, colours}: a sum of cosine waves in linear light; null when the text cannot be read. */
export function wavesOf(hash) {
  if (typeof hash !== "string" || hash.length < 6) return null;
  const digits = Array.from(hash, (character) => DIGITS.indexOf(character));
  if (digits.includes(-1)) return null;
  const number = (from, to) => digits.slice(from, to).reduce((sum, digit) => sum * 83 + digit, 0);
  const across = (digits[0] % 9) + 1;
  const down = Math.floor(digits[0] / 9) + 1;
  if (down > 9 || hash.length !== 4 + 2 * across * down) return null;
  const strength = (digits[1] + 1) / 166;
  const average = number(2, 6);
  const colours = [[average >> 16, (average >> 8) & 255, average & 255].map(toLinear)];
  for (let index = 1; index < across * down; index += 1) {
    const value = number(4 + 2 * index, 6 + 2 * index);
    colours.push([Math.floor(value / 361), Math.floor(value / 19) % 19, value % 19].map((step) => Math.sign(step - 9) * ((step - 9) / 9) ** 2 * strength));
  }
  return { across, down, colours };
}

/** RGBA of a square picture, row by row. */
export function pixelsOf({ across, down, colours }, side) {
  const pixels = new Uint8ClampedArray(side * side * 4);
  const waves = (count) => Array.from({ length: side }, (_, at) => Array.from({ length: count }, (_each, wave) => Math.cos((Math.PI * wave * at) / side)));
  const columns = waves(across);
  const rows = waves(down);
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      const light = [0, 0, 0];
      colours.forEach((colour, index) => {
        const weight = columns[x][index % across] * rows[y][Math.floor(index / across)];
        for (let part = 0; part < 3; part += 1) light[part] += colour[part] * weight;
      });
      const at = 4 * (y * side + x);
      pixels.set([...light.map(toSrgb), 255], at);
    }
  }
  return pixels;
}

function toLinear(value) {
  const part = value / 255;
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
}

function toSrgb(part) {
  const light = Math.max(0, Math.min(1, part));
  return (light <= 0.0031308 ? light * 12.92 : 1.055 * light ** (1 / 2.4) - 0.055) * 255 + 0.5;
}
