"""Messages passed on: one by one, merged into one, and a card; what comes with them is the reader's to open."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Arrive
from tests.browser.person import Person

pytestmark = pytest.mark.asyncio(loop_scope="module")

GREETING = "I have accepted your request. Let's chat!"
MARKUP = "<img src=x onerror=\"document.title='caught'\"> & <b>bold</b>"


async def forward_to(person: Person, *names: str, how: str | None = None) -> None:
    dialog = person.dialog("Forward")
    for name in names:
        await dialog.get_by_role("checkbox", name=name).check()
    if how:
        await dialog.get_by_label("How").select_option(label=how)
    await dialog.get_by_role("button", name="Forward", exact=True).click()
    await expect(dialog).to_have_count(0)


async def test_one_message_goes_on_to_a_friend_and_a_group(arrive: Arrive) -> None:
    alice, bob, carol = await arrive("Alice"), await arrive("Bob"), await arrive("Carol")
    for other in (bob, carol):
        await alice.befriend(other)
    await alice.make_group("Walk", carol)
    await alice.open_chat("Bob")
    await alice.say(MARKUP)
    await expect(alice.bubble("bold")).to_have_attribute("data-state", "sent")
    await alice.act("bold", "Forward")
    dialog = alice.dialog("Forward")
    await dialog.get_by_role("button", name="Forward", exact=True).click()
    await expect(alice.page.get_by_text("Pick somebody or a group.")).to_be_visible()
    await dialog.get_by_label("Search").fill("wal")
    await expect(dialog.get_by_role("checkbox", name="Carol")).to_be_hidden()
    await dialog.get_by_label("Search").fill("")
    await forward_to(alice, "Carol", "Walk")
    await expect(alice.page.get_by_text("Forwarded.")).to_be_visible()
    await carol.open_chat("Alice")
    await expect(carol.texts).to_have_text([GREETING, MARKUP])
    await carol.open_chat("Walk")
    await expect(carol.texts).to_have_text([MARKUP])
    assert "caught" not in await carol.page.title()


async def test_several_messages_go_on_merged_and_are_opened(arrive: Arrive) -> None:
    alice, bob, carol = await arrive("Alice"), await arrive("Bob"), await arrive("Carol")
    for other in (bob, carol):
        await alice.befriend(other)
    await alice.open_chat("Bob")
    await bob.open_chat("Alice")
    await alice.say("Nine at the station")
    await expect(bob.texts.last).to_have_text("Nine at the station")
    await bob.say(MARKUP)
    await expect(alice.bubble("bold")).to_be_visible()

    # Escape ends the picking; what was picked is forgotten.
    await alice.act("Nine", "Select")
    await expect(alice.page.get_by_role("toolbar", name="Select")).to_contain_text("1 selected")
    await expect(alice.editor).to_be_hidden()
    await alice.page.keyboard.press("Escape")
    await expect(alice.editor).to_be_focused()

    await alice.act("bold", "Select")
    await alice.page.get_by_role("checkbox", name="Select the message of Alice").check()
    bar = alice.page.get_by_role("toolbar", name="Select")
    await expect(bar).to_contain_text("2 selected")
    await bar.get_by_role("button", name="Forward").click()
    await forward_to(alice, "Carol", how="Merged into one")
    await expect(alice.editor).to_be_visible()

    await carol.open_chat("Alice")
    bubble = carol.log.get_by_role("button", name="Open 2 forwarded messages")
    await expect(bubble.locator(".forward-line")).to_have_text(["Alice: Nine at the station", f"Bob: {MARKUP}"])
    await expect(carol.entry("Alice")).to_contain_text("[Forwarded messages]")
    await bubble.click()
    dialog = carol.dialog("Forwarded messages")
    await expect(dialog.locator(".text")).to_have_text(["Nine at the station", MARKUP])
    await expect(dialog.locator(".note").first).to_contain_text("Alice")
    await carol.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(bubble).to_be_focused()

    # One by one they are messages of the forwarder's own.
    await alice.act("Nine", "Select")
    await alice.page.get_by_role("checkbox", name="Select the message of Bob").last.check()
    await bar.get_by_role("button", name="Forward").click()
    await forward_to(alice, "Carol", how="One by one")
    await expect(carol.texts).to_have_text([GREETING, "Nine at the station", MARKUP])
    await carol.reload()
    await expect(carol.texts).to_have_text([GREETING, "Nine at the station", MARKUP])


async def test_a_card_is_a_way_to_its_person(arrive: Arrive) -> None:
    alice, bob, carol = await arrive("Alice"), await arrive("Bob"), await arrive("Carol")
    for other in (bob, carol):
        await alice.befriend(other)
    await alice.open_chat("Bob")
    await bob.open_chat("Alice")
    await alice.send_more("Send a contact card")
    await alice.dialog("Send a contact card").get_by_role("button", name="Carol").click()
    await expect(alice.log.get_by_role("button", name="Open the card of Carol")).to_be_visible()
    await bob.log.get_by_role("button", name="Open the card of Carol").click()
    card = bob.dialog("Contact card")
    await card.get_by_label("A few words").fill("Hello, Bob here")
    await card.get_by_role("button", name="Send request").click()
    await expect(card).to_have_count(0)
    await carol.accept(bob)
    await bob.open_chat("Alice")
    await bob.log.get_by_role("button", name="Open the card of Carol").click()
    await bob.dialog("Contact card").get_by_role("button", name="Message", exact=True).click()
    await expect(bob.page.locator(".chat-title")).to_have_text("Carol")
    await carol.open_chat("Alice")
    await alice.open_chat("Carol")
    await alice.send_more("Send a contact card")
    await alice.dialog("Send a contact card").get_by_role("button", name="Carol").click()
    await carol.log.get_by_role("button", name="Open the card of Carol").click()
    await expect(carol.dialog("Contact card")).to_contain_text("This is you.")
