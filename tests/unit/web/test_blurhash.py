"""A BlurHash drawn: the text of a known picture gives its colours back, and what is no BlurHash gives nothing."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")

DRAW = """async (hash) => {
    const { blurCanvas, wavesOf } = await import("/blurhash.js");
    const canvas = blurCanvas(hash);
    if (!canvas) return null;
    const { across, down } = wavesOf(hash);
    const data = canvas.getContext("2d").getImageData(0, 0, 32, 32).data;
    const at = (x, y) => [...data.slice(4 * (32 * y + x), 4 * (32 * y + x) + 4)];
    return { across, down, corners: [at(0, 0), at(31, 0), at(0, 31), at(31, 31)] };
}"""


async def test_a_picture_of_one_colour(page: Page) -> None:
    # One wave; the average is #ff8000 : digits 29, 23, 50, 28.
    shown = await page.evaluate(DRAW, "00TNoS")
    assert shown == {"across": 1, "down": 1, "corners": [[255, 128, 0, 255]] * 4}


async def test_a_picture_that_grows_brighter_to_the_right(page: Page) -> None:
    # Two waves across, the second as strong as can be and negative: dark on the left, bright on the right.
    shown = await page.evaluate(DRAW, "1~Eyb[00")
    assert (shown["across"], shown["down"]) == (2, 1)
    left, right, left_below, right_below = shown["corners"]
    assert left == left_below == [0, 0, 0, 255]
    assert right == right_below
    assert min(right[:3]) > 200


@pytest.mark.parametrize(
    "text", ["", "00TNo", "00TNoSS", "00TN S", "L" * 27, "é" * 6, None, 7, "~" * 6, "1~Eyb[0", "\u0000" * 6]
)
async def test_what_is_no_blurhash_shows_nothing(page: Page, text: object) -> None:
    assert await page.evaluate(DRAW, text) is None
