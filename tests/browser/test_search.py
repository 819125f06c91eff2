"""Finding messages by a word: over all chats and in one, and going to where they stand, however far back."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Arrive
from tests.browser.person import Person

pytestmark = pytest.mark.asyncio(loop_scope="module")

MARKUP = "<img src=x onerror=\"document.title='caught'\"> 🎉🎉 lighthouse & keeper"


async def fill(sender: Person, receiver: Person, count: int) -> None:
    to = await receiver.user_id()
    for number in range(1, count + 1):
        body = {"talk_mode": 1, "to_from_id": to, "type": "text", "body": {"content": f"number {number}"}}
        await sender.api("message/send", body)


async def test_a_word_is_found_in_all_chats_and_in_one(arrive: Arrive) -> None:
    alice, bob, carol = await arrive("Alice"), await arrive("Bob"), await arrive("Carol")
    for other in (bob, carol):
        await alice.befriend(other)
    await alice.make_group("Trip", bob)
    await alice.say("The lighthouse at nine")
    await alice.open_chat("Carol")
    await alice.say(MARKUP, "明天在老地方见面")
    await expect(alice.bubble("明天")).to_have_attribute("data-state", "sent")

    field = alice.page.get_by_label("Search", exact=True)
    results = alice.page.get_by_role("list", name="Messages found")
    for _ in range(20):  # the index is written behind the send
        await field.fill("lighthous")
        await expect(alice.page.locator(".search-results .note")).not_to_have_text("Searching…")
        await field.fill("lighthouse")
        await expect(alice.page.locator(".search-results .note")).not_to_have_text("Searching…")
        if await results.get_by_role("link").count() == 2:
            break
    await expect(results.locator("mark")).to_have_text(["lighthouse", "lighthouse"])
    await expect(results.locator(".talk-item-name")).to_have_text(["Carol", "Trip"])
    await expect(results.locator(".search-hit").first).to_contain_text(MARKUP[-28:])
    await expect(results.locator(".search-hit").last).to_have_text("You: The lighthouse at nine")
    assert "caught" not in await alice.page.title()
    await results.get_by_role("link").last.press("Enter")
    await expect(alice.page.locator(".chat-title")).to_have_text("Trip")
    await expect(alice.bubble("The lighthouse at nine")).to_be_focused()

    await field.fill("老地方")
    await expect(results.locator("mark")).to_have_text(["老地方"])
    await field.press("Escape")
    await expect(results).to_be_hidden()
    await field.fill("no such word")
    await expect(alice.page.locator(".search-results").get_by_role("status")).to_have_text("Nothing found")
    await field.fill("")

    await alice.pick("Search in this chat")
    dialog = alice.dialog("Search in this chat")
    await dialog.get_by_role("searchbox").fill("lighthouse")
    await expect(dialog.locator("mark")).to_have_text(["lighthouse"])
    await dialog.get_by_role("link").click()
    await expect(dialog).to_have_count(0)
    await expect(alice.bubble("The lighthouse at nine")).to_be_focused()


async def test_a_hit_far_back_is_gone_to_without_all_that_lies_between(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await bob.open_chat("Alice")
    await bob.say("The beginning of a long story")
    await expect(bob.bubble("The beginning")).to_have_attribute("data-state", "sent")
    await fill(bob, alice, 400)
    # A device that holds only the newest.
    await alice.page.get_by_role("button", name="Log out").click()
    await alice.log_in()
    await alice.connected()
    await alice.open_chat("Bob")
    await expect(alice.texts.last).to_have_text("number 400")
    await alice.pick("Search in this chat")
    dialog = alice.dialog("Search in this chat")
    field = dialog.get_by_role("searchbox")
    for _ in range(20):
        await field.fill("long stor")
        await expect(dialog.locator(".search-results .note")).not_to_have_text("Searching…")
        await field.fill("long story")
        await expect(dialog.locator(".search-results .note")).not_to_have_text("Searching…")
        if await dialog.get_by_role("link").count():
            break
    await dialog.get_by_role("link").click()
    hit = alice.bubble("The beginning of a long story")
    await expect(hit).to_be_in_viewport()
    await expect(hit).to_be_focused()
    assert await alice.texts.count() < 100
    await expect(alice.bubble("number 400")).to_have_count(0)

    # Downwards page by page, until the newest is reached.
    scroller = alice.page.locator(".log")
    for _ in range(200):
        await scroller.evaluate("node => { node.scrollTop = node.scrollHeight; }")
        if await alice.bubble("number 400").count():
            break
        await alice.page.wait_for_timeout(50)
    numbers = [text for text in await alice.texts.all_inner_texts() if text.startswith("number")]
    assert numbers == [f"number {n}" for n in range(1, 401)]
    await scroller.evaluate("node => { node.scrollTop -= 400; }")
    await bob.say("And on it goes")
    await alice.page.locator(".chip").click()
    await expect(alice.texts.last).to_have_text("And on it goes")

    # Back again, and to the newest by the button at once.
    await alice.reload()
    await alice.pick("Search in this chat")
    await field.fill("long story")
    await dialog.get_by_role("link").click()
    await expect(hit).to_be_in_viewport()
    await alice.page.get_by_role("button", name="Jump to the newest message").click()
    await expect(alice.texts.last).to_have_text("And on it goes")
    await expect(alice.texts.last).to_be_in_viewport()
    await alice.say("What I send is seen")
    await expect(alice.texts.last).to_have_text("What I send is seen")
