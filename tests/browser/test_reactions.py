"""Reactions: picked, counted, taken back, and by whom."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Arrive

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_reactions_are_counted_and_taken_back(arrive: Arrive) -> None:
    alice, bob, carol = await arrive("Alice"), await arrive("Bob"), await arrive("Carol")
    for other in (bob, carol):
        await alice.befriend(other)
    await alice.make_group("Walk", bob, carol)
    for person in (bob, carol):
        await person.open_chat("Walk")
    await alice.say("Cake?")
    await expect(bob.bubble("Cake?")).to_be_visible()

    # By keyboard alone: the menu, the board, an emoji in its second row.
    await bob.bubble("Cake?").get_by_role("button", name="Message actions").focus()
    await bob.page.keyboard.press("Enter")
    await expect(bob.page.get_by_role("menuitem", name="Reply")).to_be_focused()
    await bob.page.keyboard.press("ArrowDown")
    await bob.page.keyboard.press("Enter")
    board = bob.page.get_by_role("menu", name="React")
    await expect(board.get_by_role("menuitem", name="👍")).to_be_focused()
    await bob.page.keyboard.press("Escape")
    await expect(board).to_have_count(0)
    await expect(bob.bubble("Cake?").get_by_role("button", name="Message actions")).to_be_focused()
    await bob.act("Cake?", "React")
    await bob.page.keyboard.press("ArrowDown")
    await bob.page.keyboard.press("Enter")
    second_row = bob.log.get_by_role("group", name="Reactions").get_by_role("button")
    await expect(second_row).to_have_attribute("aria-pressed", "true")
    await second_row.click()
    await expect(bob.log.get_by_role("group", name="Reactions")).to_have_count(0)

    for person in (bob, carol):
        await person.act("Cake?", "React")
        await person.page.get_by_role("menuitem", name="🎉").click()
    counts = [person.log.get_by_role("button", name="🎉, 2") for person in (alice, bob, carol)]
    for count, pressed in zip(counts, ("false", "true", "true"), strict=True):
        await expect(count).to_have_attribute("aria-pressed", pressed)
    await counts[0].click()
    await expect(alice.log.get_by_role("button", name="🎉, 3")).to_have_attribute("aria-pressed", "true")
    await alice.act("Cake?", "Who reacted")
    people = alice.dialog("Reactions").locator(".person")
    await expect(people).to_have_count(3)
    await expect(people.filter(has_text="Carol")).to_contain_text("🎉")
    await alice.page.keyboard.press("Escape")
    await bob.log.get_by_role("button", name="🎉, 3").click()
    await expect(carol.log.get_by_role("button", name="🎉, 2")).to_have_attribute("aria-pressed", "true")
    for person, pressed in ((alice, "true"), (bob, "false")):
        await person.reload()
        await expect(person.log.get_by_role("button", name="🎉, 2")).to_have_attribute("aria-pressed", pressed)
