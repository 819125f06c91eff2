"""A message is changed by its sender, with what it said before; messages that disappear by themselves."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Arrive

pytestmark = pytest.mark.asyncio(loop_scope="module")

GREETING = "I have accepted your request. Let's chat!"
MARKUP = "Nine, not eight <b>sharp</b>"


async def test_a_message_is_edited_and_its_history_shown(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await alice.open_chat("Bob")
    await bob.open_chat("Alice")
    await alice.say("Eight o'clock")
    await expect(bob.texts).to_have_text([GREETING, "Eight o'clock"])
    await alice.editor.fill("half a thought")
    await alice.act("Eight", "Edit")
    await expect(alice.editor).to_have_value("Eight o'clock")
    await expect(alice.editor).to_be_focused()
    await alice.editor.press("Escape")
    await expect(alice.editor).to_have_value("half a thought")  # what was being written is not lost

    await alice.act("Eight", "Edit")
    await alice.editor.fill(MARKUP)
    await alice.editor.press("Enter")
    await expect(alice.editor).to_have_value("half a thought")
    for person in (alice, bob):
        await expect(person.texts).to_have_text([GREETING, MARKUP])
        await expect(person.bubble("Nine").get_by_role("button", name="edited")).to_be_visible()
    await expect(bob.entry("Alice")).to_contain_text(MARKUP)
    await alice.act("Nine", "Edit")
    await alice.editor.fill("Ten")
    await alice.editor.press("Enter")
    await expect(bob.texts).to_have_text([GREETING, "Ten"])

    await bob.bubble("Ten").get_by_role("button", name="edited").click()
    history = bob.dialog("What it said before")
    await expect(history.locator(".text")).to_have_text(["Eight o'clock", MARKUP, "Ten"])
    await bob.page.keyboard.press("Escape")
    await expect(bob.bubble("Ten").get_by_role("button", name="edited")).to_be_focused()
    # Only the sender is offered to edit.
    await bob.bubble("Ten").get_by_role("button", name="Message actions").click()
    await expect(bob.page.get_by_role("menuitem", name="Reply")).to_be_focused()
    await expect(bob.page.get_by_role("menuitem", name="Edit")).to_have_count(0)
    await bob.page.keyboard.press("Escape")
    await bob.reload()
    await expect(bob.texts).to_have_text([GREETING, "Ten"])
    await expect(bob.bubble("Ten").get_by_role("button", name="edited")).to_be_visible()


async def test_a_quote_is_a_way_back(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await alice.open_chat("Bob")
    await bob.open_chat("Alice")
    await alice.say("Who brings the cake?")
    await expect(bob.bubble("Who brings")).to_be_visible()
    await bob.act("Who brings", "Reply")
    await bob.say("I do")
    await alice.bubble("I do").get_by_role("button", name="Who brings the cake?").click()
    await expect(alice.bubble("Who brings").first).to_be_focused()


async def test_messages_disappear_on_the_pages_own_clock(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await alice.open_chat("Bob")
    await bob.open_chat("Alice")
    await alice.say("This stays")
    await alice.pick("Disappearing messages")
    dialog = alice.dialog("Disappearing messages")
    await dialog.get_by_label("New messages disappear after").select_option(label="1 hour")
    await dialog.get_by_role("button", name="Save").click()
    await expect(bob.line("Alice lets new messages disappear after 1 hour")).to_be_visible()
    await alice.say("This goes")
    await expect(bob.texts).to_have_text([GREETING, "This stays", "This goes"])
    await expect(bob.bubble("This goes").locator(".meta").get_by_role("img", name="Disappears")).to_be_visible()
    await bob.pick("Disappearing messages")
    await expect(bob.dialog("Disappearing messages").get_by_label("New messages")).to_have_value("3600")
    await bob.page.keyboard.press("Escape")
    await alice.pick("Disappearing messages")
    await dialog.get_by_label("New messages disappear after").select_option(label="Off")
    await dialog.get_by_role("button", name="Save").click()
    await expect(bob.line("Alice lets new messages stay")).to_be_visible()
    # The clock of the page says that the hour is over, whatever the server has told.
    now_ms = await bob.page.evaluate("() => Date.now()")
    await bob.page.clock.set_system_time((now_ms + 3_700_000) / 1000)
    await alice.act("This stays", "Reply")
    await alice.say("Still here?")
    await expect(bob.bubble("Still here?")).to_be_visible()
    await expect(bob.texts.filter(has_text="This goes")).to_have_count(0)
    await expect(bob.texts.filter(has_text="This stays")).to_have_count(1)
    await expect(alice.texts.filter(has_text="This goes")).to_have_count(1)
