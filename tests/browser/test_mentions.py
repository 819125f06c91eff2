"""Mentions: an @-word finds members by name and visit card, keys and touch choose, and who is mentioned sees it."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, expect

from tests.browser.conftest import Arrive
from tests.browser.person import PHONE, Person

pytestmark = pytest.mark.asyncio(loop_scope="module")


def options(person: Person) -> Locator:
    return person.page.get_by_role("listbox", name="Mention somebody").get_by_role("option")


def names(person: Person) -> Locator:
    return options(person).locator(".person-name")


async def choose(person: Person, query: str, name: str) -> None:
    await person.editor.press_sequentially(f"@{query}")
    await options(person).filter(has_text=name).click()


async def wear(person: Person, card: str) -> None:
    """Takes a name of one's own in the group that is open."""
    await person.pick("Group details")
    await person.dialog("Group details").get_by_label("Your name in this group").fill(card)
    await person.dialog("Group details").get_by_role("button", name="Save").click()
    await expect(person.page.get_by_text("Saved.")).to_be_visible()
    await person.page.keyboard.press("Escape")


async def test_members_are_found_and_hear_of_it(arrive: Arrive) -> None:
    alice, bob, carol = await arrive("Alice"), await arrive("Bob"), await arrive("Carol")
    for other in (bob, carol):
        await alice.befriend(other)
    await alice.make_group("Walk", bob, carol)
    await carol.open_chat("Walk")
    await wear(carol, "Captain")
    await carol.page.goto(f"{carol.origin}/#/")

    editor = alice.editor
    await editor.press_sequentially("Hello @")
    await expect(names(alice)).to_have_text(["everybody", "Bob", "Captain"])
    await expect(editor).to_have_attribute("aria-expanded", "true")
    await expect(editor).to_have_attribute("aria-activedescendant", re.compile("-0$"))
    await expect(editor).to_be_focused()
    await editor.press_sequentially("car")  # her nickname; the visit card is what is shown
    await expect(names(alice)).to_have_text(["Captain"])
    await editor.press("Enter")
    await expect(editor).to_have_value("Hello @Captain ")
    await expect(editor).not_to_have_attribute("role", "combobox")
    await editor.press_sequentially("and @b")
    await expect(names(alice)).to_have_text(["Bob", "everybody"])
    await editor.press("Escape")
    await expect(options(alice)).to_have_count(0)
    await editor.press_sequentially("o")
    await expect(options(alice)).to_have_count(0)
    await expect(editor).to_have_value("Hello @Captain and @bo")
    await editor.press("Enter")

    await expect(alice.log.locator(".mention")).to_have_text(["@Captain"])
    tag = carol.entry("Walk").locator(".talk-item-mention")
    await expect(tag).to_have_text("@you")
    await expect(bob.entry("Walk")).to_contain_text("Hello @Captain and @bo")
    await expect(bob.entry("Walk").locator(".talk-item-mention")).to_have_count(0)
    await carol.open_chat("Walk")
    await expect(carol.bubble("Hello").get_by_role("img", name="Mentions you")).to_be_visible()
    await expect(carol.log.locator(".mention")).to_have_text(["@Captain"])
    await expect(tag).to_have_count(0)
    await bob.open_chat("Walk")
    await expect(bob.bubble("Hello")).to_be_visible()
    await expect(bob.bubble("Hello").get_by_role("img", name="Mentions you")).to_have_count(0)

    # Arrows go round, Tab chooses; what is deleted again mentions nobody.
    await editor.press_sequentially("@")
    await editor.press("ArrowUp")
    await expect(alice.page.get_by_role("option", selected=True)).to_contain_text("Captain")
    await editor.press("ArrowDown")
    await expect(alice.page.get_by_role("option", selected=True)).to_contain_text("everybody")
    await editor.press("ArrowUp")
    await editor.press("Tab")
    await expect(editor).to_have_value("@Captain ")
    for _ in range(len("Captain ")):
        await editor.press("Backspace")
    await editor.fill("")
    await choose(alice, "b", "Bob")
    await editor.press_sequentially("only you")
    await editor.press("Enter")
    await expect(bob.bubble("only you").get_by_role("img", name="Mentions you")).to_be_visible()
    await expect(carol.bubble("only you")).to_be_visible()
    await expect(carol.bubble("only you").get_by_role("img", name="Mentions you")).to_have_count(0)

    # What is sent later mentions, too.
    await choose(alice, "b", "Bob")
    await alice.send_more("Send later")
    await alice.dialog("Send later").get_by_role("button", name="Schedule").click()
    await expect(alice.page.get_by_role("button", name="1 scheduled message")).to_be_visible()
    scheduled = (await alice.api("message/schedule-list", {}))["items"]
    assert [item["body"]["mentions"] for item in scheduled] == [[await bob.user_id()]]
    await expect(editor).to_have_value("")

    # An edit keeps whom it mentioned.
    await alice.act("only you", "Edit")
    await expect(editor).to_have_value("@Bob only you")
    await editor.press("End")
    await editor.press_sequentially(" two")
    await editor.press("Enter")
    await expect(bob.bubble("only you two").get_by_role("img", name="Mentions you")).to_be_visible()


async def test_everybody_is_offered_by_the_rule_of_the_group(arrive: Arrive) -> None:
    alice = await arrive("Alice")
    bob = await arrive("Bob", viewport=PHONE, has_touch=True, is_mobile=True)
    await alice.befriend(bob)
    await alice.make_group("Walk", bob)
    await bob.open_chat("Walk")
    await bob.editor.press_sequentially("@")
    await expect(names(bob)).to_have_text(["Alice"])
    await bob.editor.fill("")
    await alice.pick("Group details")
    await alice.dialog("Group details").get_by_label("Members may mention everybody").check()
    await alice.dialog("Group details").get_by_role("form", name="Settings").get_by_role("button", name="Save").click()
    await alice.page.keyboard.press("Escape")
    await alice.page.goto(f"{alice.origin}/#/")
    await expect(bob.page.locator(".chat-title")).to_have_text("Walk")
    await expect_offer(bob, ["everybody", "Alice"])
    await options(bob).filter(has_text="everybody").tap()
    await expect(bob.editor).to_have_value("@everybody ")
    await expect(bob.editor).to_be_focused()
    await bob.editor.press_sequentially("come")
    await bob.page.get_by_role("button", name="Send", exact=True).tap()
    await expect(alice.entry("Walk").locator(".talk-item-mention")).to_have_text("@you")
    await alice.reload()
    await expect(alice.entry("Walk").locator(".talk-item-mention")).to_have_text("@you")
    await alice.open_chat("Walk")
    await expect(alice.bubble("come").get_by_role("img", name="Mentions you")).to_be_visible()
    await expect(alice.log.locator(".mention")).to_have_text(["@everybody"])


async def expect_offer(person: Person, wanted: list[str]) -> None:
    """A new rule is on its way: types the word until it is there."""
    for _ in range(100):
        await person.editor.fill("")
        await person.editor.press_sequentially("@")
        if await names(person).all_inner_texts() == wanted:
            return
        await person.page.wait_for_timeout(100)
    raise AssertionError(await names(person).all_inner_texts())


async def test_nobody_is_offered_in_a_chat_of_two(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await alice.open_chat("Bob")
    await alice.editor.press_sequentially("@b")
    await alice.editor.press("Enter")
    await expect(alice.texts.last).to_have_text("@b")
