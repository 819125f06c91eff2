"""Web addresses in a text, and the one that is previewed."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("see https://a.example/x, or http://b.example", "https://a.example/x"),
        ("(http://a.example/b?c=1#d).", "http://a.example/b?c=1#d"),
        ("javascript:alert(1) ftp://a.example data:text/html,x", ""),
        ("https://", ""),
        ("https://[", ""),
        ("http://a:b:c/d", ""),
        ("https://a.example/" + "x" * 2040, ""),
        ("nothing", ""),
        ("", ""),
    ],
)
async def test_the_first_address_is_previewed(page: Page, text: str, address: str) -> None:
    script = "async (text) => (await import('/web-address.js')).previewedAddress(text)"
    assert await page.evaluate(script, text) == address
