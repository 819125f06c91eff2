"""Pinned messages: the bar above the chat, the way to them, and who may pin."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Arrive

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_pinned_messages_stand_above_the_chat(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await alice.make_group("Walk", bob)
    await bob.open_chat("Walk")
    await alice.say("Platform two", *(f"line {number}" for number in range(30)), "Nine o'clock")
    await expect(bob.texts.last).to_have_text("Nine o'clock")
    await bob.bubble("Nine").get_by_role("button", name="Message actions").click()
    await expect(bob.page.get_by_role("menuitem", name="Reply")).to_be_visible()
    await expect(bob.page.get_by_role("menuitem", name="Pin message")).to_have_count(0)  # the owner's and admins' alone
    await bob.page.keyboard.press("Escape")

    await alice.act("Platform two", "Pin message")
    bars = [person.page.get_by_role("region", name="Pinned messages") for person in (alice, bob)]
    for bar in bars:
        await expect(bar).to_contain_text("Platform two")
    await alice.act("Nine", "Pin message")
    for bar in bars:
        await expect(bar).to_contain_text("2 pinned messages")
        await expect(bar).to_contain_text("Nine o'clock")
    await bars[1].get_by_role("button", name="All pinned messages").click()
    await bob.dialog("Pinned messages").get_by_role("button", name="Platform two").click()
    await expect(bob.dialog("Pinned messages")).to_have_count(0)
    await expect(bob.bubble("Platform two")).to_be_in_viewport()
    await expect(bob.bubble("Platform two")).to_be_focused()
    await bars[1].get_by_role("button", name="Go to the pinned message: Nine o'clock").click()
    await expect(bob.bubble("Nine o'clock")).to_be_in_viewport()

    await alice.act("Nine", "Unpin message")
    for bar in bars:
        await expect(bar).to_contain_text("Platform two")
    await bob.reload()
    await expect(bars[1]).to_contain_text("Platform two")
    await alice.act("Platform two", "Recall")
    for bar in bars:
        await expect(bar).to_be_hidden()
