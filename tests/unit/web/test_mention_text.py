"""Mentions in a text: the @-word at the caret, whom it fits, and who is mentioned once the text is done."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def call(page: Page, function: str, *arguments: Any) -> Any:
    script = "async ([name, args]) => (await import('/mention-text.js'))[name](...args)"
    return await page.evaluate(script, [function, list(arguments)])


@pytest.mark.parametrize(
    ("text", "start", "query"),
    [
        ("@", 0, ""),
        ("@bo", 0, "bo"),
        ("hello @bo", 6, "bo"),
        ("a\n@bo", 2, "bo"),
        ("(@bo", 1, "bo"),
        ("你好@张", 2, "张"),
        ("\uff20张", 0, "张"),
        ("@ann @bo", 5, "bo"),
        ("@@bo", 1, "bo"),
        ("😀@bo", 2, "bo"),  # in the browser's units
    ],
)
async def test_the_word_that_ends_at_the_caret(page: Page, text: str, start: int, query: str) -> None:
    units = len(text.encode("utf-16-le")) // 2
    assert await call(page, "wordAtCaret", text + " and more", units) == {"start": start, "query": query}


@pytest.mark.parametrize("text", ["", "bo", "@bo ", "bo@example", "1@2", "@" + "b" * 31, "@bo\n"])
async def test_where_there_is_no_word(page: Page, text: str) -> None:
    assert await call(page, "wordAtCaret", text, len(text)) is None


async def test_whom_a_query_fits(page: Page) -> None:
    people = [{"names": names} for names in (["Mary Bell"], ["Rob"], ["Li", "Bella"], ["ＢＥＮ"], ["Ann"])]

    async def found(query: str, limit: int = 9) -> list[str]:
        return [person["names"][0] for person in await call(page, "fitting", people, query, limit)]

    # A name that begins so, then a later word, then any part; in the order given otherwise.
    assert await found("b") == ["Li", "ＢＥＮ", "Mary Bell", "Rob"]
    assert await found("BE") == ["Li", "ＢＥＮ", "Mary Bell"]
    assert await found("") == ["Mary Bell", "Rob", "Li", "ＢＥＮ", "Ann"]
    assert await found("", 2) == ["Mary Bell", "Rob"]
    assert await found("zoe") == []


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("@Bob see @Mary Bell", [2, 3]),
        ("@Bobby", [5]),
        ("@Bo, @Bob", [4, 2]),
        ("@Bobs @Bo1", []),
        ("@张三你好", [6]),
        ("Bob", []),
        ("@Bob @Bob", [2]),
        ("@Sam", [7]),
        ("@Sam @Sam @Sam", [7, 8]),
        ("@everybody @Bob", [0, 2]),
    ],
)
async def test_who_is_mentioned_is_who_still_stands_in_the_text(page: Page, text: str, ids: list[int]) -> None:
    names = ["everybody", "", "Bob", "Mary Bell", "Bo", "Bobby", "张三", "Sam", "Sam"]
    chosen = [{"id": number, "name": name} for number, name in enumerate(names)]
    assert await call(page, "mentionsIn", text, chosen) == ids


async def test_names_are_no_patterns(page: Page) -> None:
    places = await call(page, "placesOf", "@.* and @<b>", [".*", "<b>", "constructor"])
    assert [(place["from"], place["to"], place["name"]) for place in places] == [(0, 3, ".*"), (8, 12, "<b>")]
