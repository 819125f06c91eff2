"""Pictures of the page as people see it, at a desk's and at a phone's width: `pytest tests/browser/test_screenshots.py
--basetemp=DIR` leaves them in DIR. What the test itself holds: nothing sticks out sideways, every control has a name,
and no script complains."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Arrive
from tests.browser.person import PHONE, Person

pytestmark = pytest.mark.asyncio(loop_scope="module")

PNG = b"\x89PNG\r\n\x1a\n"


async def shoot(person: Person, directory: Path, name: str) -> None:
    path = directory / f"{name}.png"
    await person.page.evaluate("document.fonts.ready")
    await person.page.screenshot(path=path, animations="disabled", caret="hide")
    assert path.read_bytes().startswith(PNG)
    width = await person.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, f"{name}: {width} px stick out"
    nameless = await person.page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, textarea, dialog")]
            .filter((node) => !(node.textContent.trim() || node.ariaLabel || node.labels?.length || node.title))
            .map((node) => node.outerHTML)"""
    )
    assert nameless == [], f"{name}: a screen reader has no name for these"


async def test_pictures_of_the_page(arrive: Arrive, tmp_path: Path) -> None:
    alice = await arrive("Alice", register=False)
    await shoot(alice, tmp_path, "sign-in-desktop")
    await alice.register()
    await shoot(alice, tmp_path, "empty-desktop")
    bob = await arrive("Bob", viewport=PHONE, device_scale_factor=2, has_touch=True, is_mobile=True)
    await shoot(bob, tmp_path, "empty-phone")
    carol, dave = await arrive("Carol"), await arrive("Dave")

    for other in (bob, carol, dave):
        await alice.befriend(other)
    await alice.open_chat("Dave")
    await alice.say("The projector is booked for Thursday.")
    await dave.open_chat("Alice")
    await dave.say("Great. I will bring the adapter this time.")
    await alice.open_chat("Carol")
    await carol.open_chat("Alice")
    await carol.say("Here is the route: https://example.org/trails/lake", "Twelve kilometres, flat all the way.")
    await expect(alice.texts).to_have_count(3)

    await alice.make_group("Saturday walk", bob, carol)
    await alice.say("Who is in for Saturday?")
    await carol.open_chat("Saturday walk")
    await carol.say("Me! Around the lake, or up the hill?")
    await bob.open_chat("Saturday walk")
    await bob.say("The lake. My knees vote against the hill.", "I can bring the big thermos")
    await alice.say("The lake it is. Meet at the station at nine, platform two.")
    await carol.act("Me!", "Reply")
    await carol.say("And cake afterwards?")
    await bob.say("Cke!", "Cake! Obviously.")
    await expect(alice.bubble("Obviously")).to_be_visible()
    await bob.act("Cke!", "Recall")
    await expect(alice.line("Bob recalled a message")).to_be_visible()
    await carol.open_chat("Alice")
    await carol.say("Shall we ask Dave too?")
    await expect(alice.entry("Carol").locator(".badge")).to_have_text("1")
    await alice.page.mouse.move(700, 780)
    await alice.page.get_by_role("status").first.wait_for()
    await expect(alice.page.locator(".toast")).to_have_count(0)
    await expect(bob.page.locator(".toast")).to_have_count(0)
    await shoot(alice, tmp_path, "chat-desktop")
    await shoot(bob, tmp_path, "chat-phone")
    await alice.page.emulate_media(color_scheme="dark")
    await bob.page.emulate_media(color_scheme="dark")
    await shoot(alice, tmp_path, "chat-desktop-dark")
    await shoot(bob, tmp_path, "chat-phone-dark")
    await bob.page.get_by_role("button", name="Back to the list").click()
    await shoot(bob, tmp_path, "list-phone-dark")
    await alice.page.emulate_media(color_scheme="light")
    await alice.page.get_by_role("button", name="Members").click()
    await expect(alice.page.get_by_role("dialog").locator(".person")).to_have_count(3)
    await shoot(alice, tmp_path, "members-desktop")
