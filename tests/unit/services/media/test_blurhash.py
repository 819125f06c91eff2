"""BlurHashes are those that every client can draw: compared with what the format's own encoder made of them."""

from __future__ import annotations

import pytest

from xinyu_services.media.blurhash import CHARACTERS, blurhash

# Made by the package blurhash 1.1.4, 4 by 3.
SLOPE = bytes(value for y in range(6) for x in range(8) for value in (x * 36, y * 51, x * y * 7 % 256))


@pytest.mark.parametrize(
    ("pixels", "width", "height", "expected"),
    [
        (SLOPE, 8, 6, "LxH.c332a{xty_NNfQnPeVf8fQf6"),
        (bytes((200, 30, 90)), 1, 1, "L~M^#v|~|~|~|~|~|~|~|~|~|~|~"),
    ],
)
def test_known_ones(pixels: bytes, width: int, height: int, expected: str) -> None:
    assert blurhash(pixels, width, height) == expected


def test_the_average_colour_comes_first() -> None:
    for colour in ((0, 0, 0), (255, 255, 255), (18, 52, 86)):
        text = blurhash(bytes(colour) * 64, 8, 8)
        assert len(text) == CHARACTERS == 28
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
        value = 0
        for character in text[2:6]:
            value = value * 83 + digits.index(character)
        assert value.to_bytes(3, "big") == bytes(colour)
