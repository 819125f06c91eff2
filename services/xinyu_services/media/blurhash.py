"""A picture in about thirty characters, to be shown blurred until it is loaded: BlurHash, which clients of every
platform know how to draw.

The picture is taken as a sum of cosine waves in linear light, `ACROSS` by `DOWN` of them (the first one is its average
colour). The text has their number, how strong the strongest is, and each wave's colour, in base 83
(github.com/woltapp/blurhash, Algorithm.md). The waves are few and slow, so a picture of 32 by 32 pixels says all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

ACROSS: Final = 4
DOWN: Final = 3
# One character of size, one of strength, four of the average, two of each other wave.
CHARACTERS: Final = 2 + 4 + 2 * (ACROSS * DOWN - 1)

Colour = tuple[float, float, float]

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"


def _to_linear(value: int) -> float:
    """sRGB (IEC 61966-2-1), 0 to 255."""
    part = value / 255
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


_LINEAR: Final = [_to_linear(value) for value in range(256)]


def blurhash(pixels: bytes, width: int, height: int) -> str:
    """Of a small picture: three bytes a pixel, red, green, blue, row by row."""
    light = [_LINEAR[value] for value in pixels]
    waves = [_wave(light, width, height, x, y) for y in range(DOWN) for x in range(ACROSS)]
    average, rest = waves[0], waves[1:]
    strongest = max(abs(part) for wave in rest for part in wave)
    step = max(0, min(82, int(strongest * 166 - 0.5)))
    strength = (step + 1) / 166
    return (
        _base83((ACROSS - 1) + (DOWN - 1) * 9, 1)
        + _base83(step, 1)
        + _base83(_average(average), 4)
        + "".join(_base83(_quantised(wave, strength), 2) for wave in rest)
    )


def _wave(light: Sequence[float], width: int, height: int, x: int, y: int) -> Colour:
    """How much of the wave with `x` half turns across and `y` down is in the picture."""
    across = [math.cos(math.pi * x * column / width) for column in range(width)]
    red = green = blue = 0.0
    place = 0
    for row in range(height):
        down = math.cos(math.pi * y * row / height)
        for weight in across:
            weight *= down
            red += weight * light[place]
            green += weight * light[place + 1]
            blue += weight * light[place + 2]
            place += 3
    scale = (1 if x == y == 0 else 2) / (width * height)
    return red * scale, green * scale, blue * scale


def _average(colour: Colour) -> int:
    red, green, blue = (_to_srgb(part) for part in colour)
    return (red << 16) + (green << 8) + blue


def _to_srgb(part: float) -> int:
    part = max(0.0, min(1.0, part))
    return int((part * 12.92 if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055) * 255 + 0.5)


def _quantised(wave: Colour, strength: float) -> int:
    """Nineteen steps a colour, finer near nothing."""
    value = 0
    for part in wave:
        share = part / strength
        root = math.copysign(math.sqrt(abs(share)), share)
        value = value * 19 + max(0, min(18, math.floor(root * 9 + 9.5)))
    return value


def _base83(value: int, length: int) -> str:
    return "".join(_DIGITS[value // 83**place % 83] for place in reversed(range(length)))
