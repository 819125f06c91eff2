"""How far messages have come: read by the other one of a pair, and by how many of a group."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Arrive

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_message_is_read_in_a_pair(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await alice.open_chat("Bob")
    await bob.tab("Chats").click()
    await alice.say("Are you there?")
    await expect(bob.entry("Alice")).to_contain_text("Are you there?")
    mark = alice.bubble("Are you there?").locator(".meta")
    await expect(mark.get_by_role("img", name="Sent")).to_be_visible()
    await bob.open_chat("Alice")
    await expect(mark.get_by_role("img", name="Read")).to_be_visible()
    await alice.reload()
    await expect(mark.get_by_role("img", name="Read")).to_be_visible()
    await expect(bob.bubble("Are you there?").locator(".state")).to_have_count(0)  # no marks on what others wrote


async def test_who_hides_what_he_reads_sees_none_of_it_either(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await alice.open_chat("Bob")
    await bob.page.get_by_title("Your profile").click()
    receipts = bob.dialog("Your profile").get_by_role("switch", name="Read receipts")
    await expect(receipts).to_be_checked()
    await receipts.uncheck()
    await expect(bob.page.get_by_text("Saved.")).to_be_visible()
    await bob.page.keyboard.press("Escape")
    await bob.open_chat("Alice")
    await alice.say("Are you there?")
    await bob.say("I am")
    await expect(alice.texts.last).to_have_text("I am")
    await alice.say("So I see")
    await expect(bob.texts.last).to_have_text("So I see")
    await expect(alice.bubble("Are you there?").get_by_role("img", name="Sent")).to_be_visible()
    await expect(alice.log.get_by_role("img", name="Read")).to_have_count(0)
    await expect(bob.bubble("I am").get_by_role("img", name="Sent")).to_be_visible()
    await bob.reload()
    await bob.page.get_by_title("Your profile").click()
    await expect(receipts).not_to_be_checked()


async def test_a_group_shows_by_how_many_and_by_whom(arrive: Arrive) -> None:
    alice, bob, carol = await arrive("Alice"), await arrive("Bob"), await arrive("Carol")
    for other in (bob, carol):
        await alice.befriend(other)
    await alice.make_group("Walk", bob, carol)
    await bob.open_chat("Walk")
    await carol.tab("Chats").click()
    await alice.say("Nine o'clock")
    await expect(bob.texts.last).to_have_text("Nine o'clock")
    count = alice.log.get_by_role("button", name="Read by 1")
    await expect(count).to_be_visible()
    await count.click()
    dialog = alice.dialog("Who has read it")
    await expect(dialog.get_by_role("status")).to_have_text("Read by 1, not yet by 1")
    await expect(dialog.locator(".person", has_text="Bob").locator(".role")).to_have_text("Read")
    await expect(dialog.locator(".person", has_text="Carol").locator(".role")).to_have_text("Not read")
    await alice.page.keyboard.press("Escape")
    await carol.open_chat("Walk")
    await expect(alice.log.get_by_role("button", name="Read by 2")).to_be_visible()
    await alice.say("Bring cake")
    await alice.act("Nine", "Who has read it")
    await expect(dialog.get_by_role("status")).to_have_text("Read by 2, not yet by 0")
