"""Pictures of the page as people see it, at a desk's and at a phone's width: `pytest tests/browser/test_screenshots.py
--basetemp=DIR` leaves them in DIR. What the test itself holds: nothing sticks out sideways, every control has a name,
and no script complains."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Arrive
from tests.browser.person import PHONE, Person
from tests.browser.test_media import picture
from tests.browser.test_previews import offer

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = {
    "https://example.org/trails/lake": {
        "title": "Around the lake",
        "description": "Twelve kilometres, flat all the way. The path begins at the station and ends there, and "
        "there is cake in the middle of it.",
        "image": "https://pictures.example/lake.png",
    },
    "https://example.org/trails/hill": {"title": "Up the hill"},
}
PNG = b"\x89PNG\r\n\x1a\n"


async def shoot(person: Person, directory: Path, name: str) -> None:
    path = directory / f"{name}.png"
    await person.page.evaluate("document.fonts.ready")
    await person.page.screenshot(path=path, animations="disabled", caret="hide")
    assert path.read_bytes().startswith(PNG)
    width = await person.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width <= 0, f"{name}: {width} px stick out"
    nameless = await person.page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, select, textarea, dialog")]
            .filter((node) => !(node.textContent.trim() || node.ariaLabel || node.labels?.length || node.title))
            .map((node) => node.outerHTML)"""
    )
    assert nameless == [], f"{name}: a screen reader has no name for these"


async def test_pictures_of_the_page_in_chinese(arrive: Arrive, tmp_path: Path) -> None:
    li = await arrive("李雷", register=False, locale="zh-CN", color_scheme="dark")
    han = await arrive("韩梅梅")
    await shoot(li, tmp_path, "sign-in-chinese")
    await li.page.get_by_role("button", name="注册账号").click()
    await li.page.get_by_label("昵称").fill(li.name)
    await li.page.get_by_label("手机号").fill(li.mobile)
    await li.page.get_by_label("密码").fill("correct horse")
    await li.page.get_by_role("button", name="注册账号").click()
    await li.connected()
    await han.ask(li)
    await li.tab("通讯录").click()
    await li.page.get_by_role("button", name="接受", exact=True).click()
    await han.open_chat("李雷")
    await han.say("明天五点，老地方见？", "记得带伞")
    await li.tab("聊天").click()
    await li.entry("韩梅梅").click()
    await expect(li.texts).to_have_count(3)
    await expect(li.page.locator(".chat-subtitle")).to_have_text("在线")
    await shoot(li, tmp_path, "chat-chinese-dark")
    await li.page.get_by_title("我的资料").click()
    await shoot(li, tmp_path, "profile-chinese-dark")


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


async def test_pictures_of_what_can_be_done_with_messages(arrive: Arrive, tmp_path: Path) -> None:
    alice = await arrive("Alice")
    bob = await arrive("Bob", viewport=PHONE, device_scale_factor=2, has_touch=True, is_mobile=True)
    await alice.befriend(bob)
    await alice.open_chat("Bob")
    await bob.open_chat("Alice")
    await alice.say("The lighthouse at nine, or ten?", "I bring the thermos")
    await expect(bob.texts.last).to_have_text("I bring the thermos")
    await bob.say("Ten. I sleep long on Saturdays.")
    await expect(alice.texts.last).to_have_text("Ten. I sleep long on Saturdays.")
    await alice.act("The lighthouse", "Edit")
    await alice.editor.fill("The lighthouse at nine, or at ten?")
    await alice.editor.press("Enter")
    await expect(bob.bubble("or at ten").get_by_role("button", name="edited")).to_be_visible()
    await bob.act("thermos", "Reply")
    await bob.say("And the cake?")
    await alice.act("Ten. I sleep", "React")
    await alice.page.get_by_role("menuitem", name="👍").click()
    await expect(bob.bubble("Ten. I sleep").get_by_role("button", name="👍, 1")).to_be_visible()
    await bob.act("The lighthouse", "Pin message")
    await expect(alice.page.get_by_role("region", name="Pinned messages")).to_be_visible()
    await alice.act("The lighthouse", "Select")
    await alice.page.get_by_role("checkbox", name="Select the message of Bob").nth(1).check()
    await shoot(alice, tmp_path, "picking-desktop")
    await alice.page.get_by_role("toolbar", name="Select").get_by_role("button", name="Forward").click()
    await alice.dialog("Forward").get_by_role("checkbox", name="Bob").check()
    await alice.dialog("Forward").get_by_label("How").select_option(label="Merged into one")
    await shoot(alice, tmp_path, "forward-desktop")
    await alice.dialog("Forward").get_by_role("button", name="Forward", exact=True).click()
    await alice.send_more("Send a contact card")
    await alice.dialog("Send a contact card").get_by_role("button", name="Bob").click()
    await expect(bob.log.get_by_role("button", name="Open the card of Bob")).to_be_visible()
    for person in (alice, bob):
        await expect(person.page.locator(".toast")).to_have_count(0)
    await shoot(alice, tmp_path, "messages-desktop")
    await shoot(bob, tmp_path, "messages-phone")
    await bob.page.emulate_media(color_scheme="dark")
    await shoot(bob, tmp_path, "messages-phone-dark")
    await alice.page.get_by_label("Search", exact=True).fill("light")
    await expect(alice.page.locator(".search-results .note")).not_to_have_text("Searching…")
    await shoot(alice, tmp_path, "search-desktop")


async def test_pictures_of_a_group_that_is_run(arrive: Arrive, tmp_path: Path) -> None:
    alice = await arrive("Alice")
    bob = await arrive("Bob", viewport=PHONE, device_scale_factor=2, has_touch=True, is_mobile=True)
    await alice.befriend(bob)
    await alice.make_group("Saturday walk", bob)
    await bob.open_chat("Saturday walk")
    await alice.pick("Group details")
    details = alice.dialog("Group details")
    await details.get_by_role("button", name="Edit notice").click()
    await alice.dialog("Edit notice").get_by_label("Notice").fill("We meet at the station, platform two.")
    await alice.dialog("Edit notice").get_by_role("button", name="Save").click()
    await expect(details.get_by_role("region", name="Notice")).to_contain_text("platform two")
    await shoot(alice, tmp_path, "group-desktop")
    await alice.page.emulate_media(color_scheme="dark")
    await details.get_by_label("Slow mode").scroll_into_view_if_needed()
    await shoot(alice, tmp_path, "group-desktop-dark")
    await alice.page.keyboard.press("Escape")
    await alice.send_more("New vote")
    vote = alice.dialog("New vote")
    await vote.get_by_label("Question").fill("Where to?")
    await vote.get_by_label("Option 1").fill("Around the lake")
    await vote.get_by_label("Option 2").fill("Up the hill")
    await shoot(alice, tmp_path, "new-vote-desktop-dark")
    await vote.get_by_role("button", name="Create").click()
    await bob.log.get_by_role("radio", name="Around the lake").check()
    await shoot(bob, tmp_path, "vote-phone")
    await bob.log.locator(".vote").get_by_role("button", name="Vote", exact=True).click()
    await expect(bob.log.locator(".vote")).to_contain_text("1 of 2 voted")
    await bob.page.emulate_media(color_scheme="dark")
    await shoot(bob, tmp_path, "vote-phone-dark")
    await bob.pick("Group details")
    await expect(bob.dialog("Group details").locator(".group-head")).to_be_visible()
    await shoot(bob, tmp_path, "group-phone-dark")


async def test_pictures_of_bots(arrive: Arrive, tmp_path: Path) -> None:
    alice = await arrive("Alice")
    phone = {"viewport": PHONE, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}
    bob = await arrive("Bob", color_scheme="dark", **phone)
    for person, look in ((alice, "desktop"), (bob, "phone-dark")):
        await person.page.get_by_title("Your profile").click()
        await shoot(person, tmp_path, f"profile-{look}")
        await person.dialog("Your profile").get_by_role("button", name="Your bots").click()
        await person.dialog("Your bots").get_by_role("button", name="New bot").click()
        await person.dialog("New bot").get_by_label("Name").fill("Train times")
        await shoot(person, tmp_path, f"new-bot-{look}")
        await person.dialog("New bot").get_by_role("button", name="Create").click()
        await expect(person.dialog("Keep this")).to_be_visible()
        await shoot(person, tmp_path, f"bot-token-{look}")
        await person.dialog("Keep this").get_by_role("button", name="Close").click()
        await shoot(person, tmp_path, f"bots-{look}")
        await person.dialog("Your bots").get_by_role("button", name="Train times").click()
        await shoot(person, tmp_path, f"bot-{look}")
        await person.dialog("Train times").get_by_role("button", name="Message").click()
        await person.say("When is the next train to the lake?")
        await expect(person.entry("Train times")).to_have_count(1)
        await shoot(person, tmp_path, f"bot-chat-{look}")


async def test_pictures_of_previews(arrive: Arrive, tmp_path: Path) -> None:
    alice = await arrive("Alice")
    bob = await arrive("Bob", viewport=PHONE, device_scale_factor=2, has_touch=True, is_mobile=True)
    for person in (alice, bob):
        await offer(person, PAGES.get)
        await person.page.route(
            "https://pictures.example/lake.png",
            lambda route: route.fulfill(body=picture(160, 160), content_type="image/png"),
        )
    await alice.befriend(bob)
    await alice.open_chat("Bob")
    await bob.open_chat("Alice")
    await alice.say("Shall we? https://example.org/trails/lake")
    await expect(bob.log.locator(".link-card")).to_have_count(1)
    await bob.say("Or this one: https://example.org/trails/hill")
    await expect(alice.log.locator(".link-card")).to_have_count(2)
    for person in (alice, bob):
        await expect(person.page.locator(".toast")).to_have_count(0)
        await expect(person.log.locator(".link-card-picture")).to_have_js_property("naturalWidth", 160)
    await shoot(alice, tmp_path, "previews-desktop")
    await shoot(bob, tmp_path, "previews-phone")
    await bob.page.emulate_media(color_scheme="dark")
    await shoot(bob, tmp_path, "previews-phone-dark")


async def test_pictures_of_mentions(arrive: Arrive, tmp_path: Path) -> None:
    alice = await arrive("Alice")
    bob = await arrive("Bob", viewport=PHONE, device_scale_factor=2, has_touch=True, is_mobile=True)
    mary = await arrive("Mary Bell")
    for other in (bob, mary):
        await alice.befriend(other)
    await alice.make_group("Saturday walk", bob, mary)
    await mary.open_chat("Saturday walk")
    await mary.say("Who has the map?")
    await expect(alice.bubble("Who has the map?")).to_be_visible()
    await alice.editor.press_sequentially("@")
    await expect(alice.page.get_by_role("option")).to_have_count(3)
    await shoot(alice, tmp_path, "mention-desktop")
    await alice.editor.press_sequentially("bob")
    await alice.editor.press("Enter")
    await alice.editor.press_sequentially("has it, @mary")
    await alice.editor.press("Enter")
    await alice.editor.press_sequentially("does not.")
    await alice.editor.press("Enter")
    await bob.tab("Chats").click()
    await expect(bob.entry("Saturday walk").locator(".talk-item-mention")).to_be_visible()
    await expect(bob.page.locator(".toast")).to_have_count(0)
    await shoot(bob, tmp_path, "mentioned-list-phone")
    await bob.open_chat("Saturday walk")
    await expect(bob.log.locator(".mention")).to_have_count(2)
    await bob.editor.press_sequentially("@")
    await expect(bob.page.get_by_role("option")).to_have_count(2)
    await shoot(bob, tmp_path, "mention-phone")
    await bob.page.emulate_media(color_scheme="dark")
    await shoot(bob, tmp_path, "mention-phone-dark")
