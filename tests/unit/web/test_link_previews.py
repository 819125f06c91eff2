"""Previews of links: once an address, what is in sight, bounded, and silent where there are none."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETUP = """
const { LinkPreviews } = await import("/link-previews.js");
const { ApiError } = await import("/api-error.js");
const asked = [];
let answers = {};
const ask = async (url) => {
  asked.push(url);
  const answer = await (answers[url] ?? { title: url });
  if (answer instanceof Error) throw answer;
  return answer;
};
const previews = new LinkPreviews(ask);
previews.setOnline(true);
const settle = async () => { for (let turn = 0; turn < 50; turn += 1) await null; };
const see = async (...addresses) => { for (const each of addresses) previews.see(each, true); await settle(); };
const titles = (...addresses) => addresses.map((each) => previews.of(each)?.title ?? null);
"""


async def run(page: Page, body: str) -> Any:
    return await page.evaluate(f"async () => {{ {SETUP} {body} }}")


async def test_an_address_is_asked_for_once_whatever_its_place_in_the_page(page: Page) -> None:
    titles, asked = await run(
        page,
        """
        await see("https://a/", "https://a/#x", "https://b/");
        await see("https://a/#y");
        return [titles("https://a/#z", "https://b/", "https://c/"), asked];
        """,
    )
    assert titles == ["https://a/", "https://b/", None]
    assert asked == ["https://a/", "https://b/"]


async def test_what_left_the_sight_while_others_were_asked_for_is_not_asked_for(page: Page) -> None:
    before, after = await run(
        page,
        """
        let free;
        const held = new Promise((resolve) => { free = resolve; });
        for (const name of ["a", "b", "c"]) answers[name] = held.then(() => ({ title: name }));
        await see("a", "b", "c", "d", "e");
        const before = [...asked];
        previews.see("d", false);
        free();
        await settle();
        return [before, asked];
        """,
    )
    assert before == ["a", "b", "c"]
    assert after == ["a", "b", "c", "e"]


async def test_a_server_without_previews_is_asked_once(page: Page) -> None:
    asked = await run(
        page,
        """
        answers["a"] = new ApiError(404, "", "not_found");
        await see("a");
        await see("b", "a");
        return asked;
        """,
    )
    assert asked == ["a"]


async def test_a_page_without_a_preview_is_not_asked_for_again(page: Page) -> None:
    titles, asked = await run(
        page,
        """
        answers["a"] = new ApiError(404, "", "no_preview");
        answers["b"] = { title: " ", description: "x" };
        await see("a", "b");
        await see("a", "b", "c");
        return [titles("a", "b", "c"), asked];
        """,
    )
    assert titles == [None, None, "c"]
    assert asked == ["a", "b", "c"]


async def test_after_too_many_all_wait(page: Page) -> None:
    paused, asked = await run(
        page,
        """
        let wait;
        const { setTimeout: real } = globalThis;
        globalThis.setTimeout = (act, ms) => { wait = { act, ms }; return 1; };
        answers["a"] = new ApiError(429, "", "too_many", 45_000);
        await see("a");
        await see("b");
        globalThis.setTimeout = real;
        const paused = [wait.ms, [...asked]];
        delete answers["a"];
        wait.act();
        await settle();
        return [paused, asked];
        """,
    )
    assert paused == [45_000, ["a"]]
    assert asked == ["a", "a", "b"]


async def test_nothing_is_asked_without_a_connection(page: Page) -> None:
    before, after = await run(
        page,
        """
        previews.setOnline(false);
        await see("a");
        const before = asked.length;
        previews.setOnline(true);
        await settle();
        return [before, asked.length];
        """,
    )
    assert (before, after) == (0, 1)


async def test_five_hundred_are_held_and_the_latest_use_counts(page: Page) -> None:
    size, titles = await run(
        page,
        """
        for (let number = 0; number < 500; number += 1) await see(`p${number}`);
        previews.of("p0");
        await see("more");
        return [previews.known.size, titles("p0", "p1", "more")];
        """,
    )
    assert size == 500
    assert titles == ["p0", None, "more"]


async def test_only_texts_of_a_bounded_length_and_encrypted_pictures_are_kept(page: Page) -> None:
    shown = await run(
        page,
        """
        answers["a"] = { title: "t".repeat(999), description: "d".repeat(999), image: "https://a/b.png" };
        answers["b"] = { title: "b", description: 7, image: "http://a/b.png" };
        answers["c"] = { title: "c", image: "javascript:alert(1)" };
        answers["d"] = { title: { a: 1 } };
        await see("a", "b", "c", "d");
        return ["a", "b", "c", "d"].map((each) => previews.of(each));
        """,
    )
    assert shown == [
        {"title": "t" * 200, "description": "d" * 400, "image": "https://a/b.png"},
        {"title": "b", "description": "", "image": ""},
        {"title": "c", "description": "", "image": ""},
        None,
    ]
