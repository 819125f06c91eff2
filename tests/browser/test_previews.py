"""Cards below messages that name web pages. The server of these tests offers no previews, as any does by default; where
cards are shown, the test answers for it, since a server fetches from public addresses alone."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from PIL import Image
from playwright.async_api import Locator, Route, expect

from tests.browser.conftest import Arrive
from tests.browser.person import Person

pytestmark = pytest.mark.asyncio(loop_scope="module")

MARKUP = "<img src=x onerror=\"document.title='caught'\">"
ROUTE = "**/api/v1/message/preview"


def cards(person: Person) -> Locator:
    return person.log.locator(".link-card")


async def offer(person: Person, answer: Callable[[str], dict[str, str] | None]) -> list[str]:
    """Answers for the server; None = there is no preview. What was asked for is noted in the list."""
    asked: list[str] = []

    async def fulfil(route: Route) -> None:
        url = json.loads(route.request.post_data or "")["url"]
        asked.append(url)
        found = answer(url)
        if found is None:
            failure = {"code": 404, "message": "none", "data": None}
            await route.fulfill(status=404, json=failure, headers={"X-XinYu-Reason": "no_preview"})
        else:
            await route.fulfill(json=found)

    await person.page.route(ROUTE, fulfil)
    return asked


async def sights_are_told(person: Person) -> None:
    """Waits until the browser has told, and the page drawn, what is in sight."""
    await person.page.evaluate(
        """() => new Promise((resolve) => {
            const seen = new IntersectionObserver(() => { seen.disconnect(); requestAnimationFrame(() => resolve()); });
            seen.observe(document.body);
        })"""
    )


async def test_a_server_that_offers_none_is_asked_once(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await alice.open_chat("Bob")
    asked: list[str] = []
    alice.page.on("request", lambda request: asked.append(request.url) if "preview" in request.url else None)
    async with alice.page.expect_response(ROUTE) as answered:
        await alice.say("https://example.org/one")
    assert (await answered.value).headers["x-xinyu-reason"] == "not_found"
    await alice.say("https://example.org/two")
    await expect(alice.bubble("example.org/two")).to_have_attribute("data-state", "sent")
    await sights_are_told(alice)
    assert len([url for url in asked if url.endswith("message/preview")]) == 1
    await expect(cards(alice)).to_have_count(0)


async def test_a_card_is_text_and_a_link(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await alice.open_chat("Bob")
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 80, 40)).save(picture, "PNG")
    await alice.page.route(
        "https://pictures.example/here.png",
        lambda route: route.fulfill(body=picture.getvalue(), content_type="image/png"),
    )
    await alice.page.route("https://pictures.example/gone.png", lambda route: route.abort())
    pages = {
        "https://example.org/lake": {"title": MARKUP, "description": MARKUP, "image": "https://pictures.example/here.png"},
        "http://example.org/hill": {"title": "Hill", "image": "https://pictures.example/gone.png"},
    }
    asked = await offer(alice, pages.get)
    await alice.say("Look: https://example.org/lake#shore.", "http://example.org/hill", "https://example.org/none")
    card = cards(alice).nth(0)
    await expect(card.locator(".link-card-title")).to_have_text(MARKUP)
    await expect(card.locator(".link-card-description")).to_have_text(MARKUP)
    await expect(card.locator(".link-card-host")).to_have_text("example.org")
    await expect(card).to_have_attribute("href", "https://example.org/lake#shore")
    await expect(card).to_have_attribute("rel", "noopener noreferrer")
    await expect(card).to_have_attribute("target", "_blank")
    shown = card.locator("img")
    await expect(shown).to_have_js_property("naturalWidth", 8)
    await expect(shown).to_have_attribute("referrerpolicy", "no-referrer")
    await expect(cards(alice).nth(1)).to_contain_text("Hill")
    await expect(cards(alice).nth(1).locator("img")).to_have_count(0)
    # The same page again, and one without a preview.
    await alice.say("Again https://example.org/lake", "https://example.org/none?")
    await expect(cards(alice)).to_have_count(3)
    await sights_are_told(alice)
    await expect(cards(alice)).to_have_count(3)
    assert sorted(asked) == ["http://example.org/hill", "https://example.org/lake", "https://example.org/none"]
    assert "caught" not in await alice.page.title()


async def test_what_is_out_of_sight_is_not_asked_for_and_nothing_jumps(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await bob.open_chat("Alice")
    for number in range(30):
        await bob.say(f"https://example.org/{number}")
    await expect(bob.bubble("example.org/29")).to_have_attribute("data-state", "sent")
    asked = await offer(alice, lambda url: {"title": f"Page {url.rpartition('/')[2]}", "description": "words"})
    await alice.open_chat("Bob")
    await expect(cards(alice).filter(has_text="Page 29")).to_be_visible()
    await sights_are_told(alice)
    assert "https://example.org/0" not in asked
    assert len(asked) < 25
    # The newest message stays in view at the end although cards have come above it.
    log = alice.page.locator(".log")
    await expect(alice.page.locator(".chip")).to_be_hidden()
    assert await log.evaluate("(log) => log.scrollHeight - log.scrollTop - log.clientHeight") < 48
    # Further up, the line that one looks at stays where it is.
    place = "(log) => log.querySelector('.message').getBoundingClientRect().top"
    before = await log.evaluate(f"(log) => {{ log.scrollTop = 0; return ({place})(log); }}")
    await expect(cards(alice).filter(has_text="Page 0")).to_be_visible()
    await expect(cards(alice).filter(has_text="Page 3")).to_be_visible()
    assert abs(before - await log.evaluate(place)) < 2
    assert sorted(asked) == sorted(set(asked))
