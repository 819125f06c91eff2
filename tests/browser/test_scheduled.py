"""Messages that are sent later: scheduled, seen to wait, taken back, sent."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Arrive

pytestmark = pytest.mark.asyncio(loop_scope="module")

GREETING = "I have accepted your request. Let's chat!"


async def test_a_message_waits_and_is_taken_back(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await alice.open_chat("Bob")
    await alice.send_more("Send later")
    await expect(alice.page.get_by_text("Write the message first.")).to_be_visible()
    await alice.editor.fill("Happy birthday <b>Bob</b>")
    await alice.send_more("Send later")
    dialog = alice.dialog("Send later")
    await dialog.get_by_label("When").fill("2020-01-01T10:00")
    await dialog.get_by_role("button", name="Schedule").click()
    await expect(alice.page.get_by_text("Pick a time in the future.")).to_be_visible()
    later = await alice.page.evaluate("() => new Date(Date.now() + 30 * 86400e3).toISOString().slice(0, 16)")
    await dialog.get_by_label("When").fill(later)
    await dialog.get_by_role("button", name="Schedule").click()
    await expect(dialog).to_have_count(0)
    await expect(alice.editor).to_have_value("")
    mark = alice.page.get_by_role("button", name="1 scheduled message")
    await expect(mark).to_be_visible()
    await alice.reload()
    await mark.click()
    waiting = alice.dialog("Scheduled messages")
    await expect(waiting.locator(".text")).to_have_text("Happy birthday <b>Bob</b>")
    await waiting.get_by_role("button", name="Cancel sending").click()
    await alice.dialog("Cancel sending").get_by_role("button", name="Cancel sending").click()
    await expect(waiting).to_contain_text("Nothing is scheduled in this chat.")
    await alice.page.keyboard.press("Escape")
    await expect(mark).to_be_hidden()
    await bob.open_chat("Alice")
    await expect(bob.texts).to_have_text([GREETING])


async def test_a_message_is_sent_when_its_time_has_come(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    to = await bob.user_id()
    now_ms = await alice.page.evaluate("() => Date.now()")
    body = {"talk_mode": 1, "to_from_id": to, "type": "text", "body": {"content": "On time"}}
    await alice.api("message/schedule", body | {"send_at_ms": now_ms + 6_000})
    await alice.open_chat("Bob")
    await bob.open_chat("Alice")
    await expect(alice.page.get_by_role("button", name="1 scheduled message")).to_be_visible()
    await expect(bob.texts).to_have_text([GREETING, "On time"])
    await expect(alice.texts).to_have_text([GREETING, "On time"])
    await expect(alice.page.get_by_role("button", name="1 scheduled message")).to_be_hidden()
