"""Bots: made and ended by their owner, their secrets shown once, and marked as what they are wherever they appear."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import FilePayload, Locator, expect

from tests.browser.conftest import Arrive
from tests.browser.person import PHONE, Person
from tests.browser.test_media import picture
from tests.forms import EitherServer, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAME = "Clock & Co. ' \""
SETTINGS = {
    "XINYU_BOTS__PER_USER": "2",
    "XINYU_WEBHOOKS__ENABLED": "true",
    "XINYU_WEBHOOKS__PRIVATE_ADDRESSES": "true",
}


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EitherServer]:
    with running(request.param, request, tmp_path_factory.mktemp("server") / "data", SETTINGS) as process:
        yield process


async def open_bots(person: Person) -> Locator:
    await person.page.get_by_title("Your profile").click()
    await person.dialog("Your profile").get_by_role("button", name="Your bots").click()
    return person.dialog("Your bots")


async def make(person: Person, name: str, webhook: str = "") -> None:
    await person.dialog("Your bots").get_by_role("button", name="New bot").click()
    dialog = person.dialog("New bot")
    await dialog.get_by_label("Name").fill(name)
    await dialog.get_by_label("Webhook").fill(webhook)
    await dialog.get_by_role("button", name="Create").click()


async def secret(person: Person, label: str) -> str:
    """What is shown once; then that dialog is closed."""
    dialog = person.dialog("Keep this")
    value = await dialog.get_by_label(label, exact=True).input_value()
    await dialog.get_by_role("button", name="Close").click()
    await expect(dialog).to_have_count(0)
    return value


async def call(person: Person, token: str, path: str, body: dict[str, Any]) -> int:
    """A REST call of the bot's own."""
    answer = await person.page.request.post(
        f"{person.origin}/api/v1/{path}", data=body, headers={"Authorization": f"Bearer {token}"}
    )
    return answer.status


async def test_a_bot_from_its_making_to_its_end(arrive: Arrive) -> None:
    alice = await arrive("Alice", permissions=["clipboard-read", "clipboard-write"])
    bots = await open_bots(alice)
    await expect(bots).to_contain_text("No bots yet")
    await bots.get_by_role("button", name="New bot").click()
    new = alice.dialog("New bot")
    await new.get_by_role("button", name="Create").click()
    await expect(alice.page.get_by_text("Give the bot a name.")).to_be_visible()
    await new.locator("input[type=file]").set_input_files(
        FilePayload(name="clock.png", mimeType="image/png", buffer=picture(40, 40))
    )
    await expect(new.locator(".avatar img")).to_be_visible()
    await new.get_by_label("Name").fill(NAME)
    await new.get_by_role("button", name="Create").click()
    keep = alice.dialog("Keep this")
    await expect(keep.get_by_label("Token", exact=True)).to_have_value(re.compile("^bot_"))
    await expect(keep.get_by_label("Signing secret")).to_have_count(0)
    await keep.get_by_role("button", name="Copy: Token").click()
    await expect(alice.page.get_by_text("Copied.")).to_be_visible()
    copied = await alice.page.evaluate("navigator.clipboard.readText()")
    token = await secret(alice, "Token")
    assert token == copied
    assert await call(alice, token, "user/detail", {}) == 200
    entry = bots.locator(".person", has_text=NAME)
    await expect(entry.locator(".avatar img")).to_be_visible()

    await entry.click()
    await alice.dialog(NAME).get_by_role("button", name="Make a new token").click()
    await alice.dialog("Make a new token").get_by_role("button", name="Make a new token").click()
    newer = await secret(alice, "Token")
    assert newer != token
    assert await call(alice, newer, "user/detail", {}) == 200
    while await call(alice, token, "user/detail", {}) != 401:  # void within seconds
        await alice.page.wait_for_timeout(100)

    await entry.click()
    await alice.dialog(NAME).get_by_label("Name").fill("Clock")
    await alice.dialog(NAME).get_by_role("button", name="Save").click()
    await expect(bots.locator(".person-name")).to_have_text("Clock")
    await bots.locator(".person").click()
    await alice.dialog("Clock").get_by_role("button", name="Message").click()
    await expect(alice.page.locator(".chat-title")).to_have_text("Clock")
    await expect(alice.page.get_by_role("dialog")).to_have_count(0)
    await expect(alice.page.locator(".chat-header .bot-mark")).to_have_text("Bot")
    await alice.say("What time is it?")
    await expect(alice.entry("Clock").locator(".bot-mark")).to_be_visible()
    await alice.tab("Contacts").click()
    friend = alice.page.get_by_role("list", name="Friends").locator(".person")
    await expect(friend.locator(".bot-mark")).to_be_visible()
    await alice.reload()
    await alice.tab("Contacts").click()
    await expect(friend.locator(".bot-mark")).to_be_visible()

    bots = await open_bots(alice)
    await bots.locator(".person").click()
    await alice.dialog("Clock").get_by_role("button", name="Delete the bot").click()
    confirm = alice.dialog("Delete the bot")
    await expect(confirm).to_contain_text("Clock leaves its groups and chats.")
    await confirm.get_by_role("button", name="Cancel").click()
    await expect(bots.locator(".person")).to_have_count(1)
    await alice.dialog("Clock").get_by_role("button", name="Delete the bot").click()
    await confirm.get_by_role("button", name="Delete the bot").click()
    await expect(bots).to_contain_text("No bots yet")
    await expect(alice.page.get_by_role("dialog")).to_have_count(2)
    await expect(friend).to_have_count(0)


async def test_what_is_refused_is_said_and_a_webhook_tells_its_secret_once(arrive: Arrive) -> None:
    alice = await arrive("Alice", viewport=PHONE, has_touch=True, is_mobile=True)
    bots = await open_bots(alice)
    await make(alice, "Post", "ftp://127.0.0.1/")
    await expect(alice.page.locator(".toast.is-error")).to_have_count(1)
    await expect(alice.dialog("New bot").get_by_label("Webhook")).to_have_value("ftp://127.0.0.1/")
    await alice.dialog("New bot").get_by_label("Webhook").fill("http://127.0.0.1:9/hook")
    await alice.dialog("New bot").get_by_role("button", name="Create").click()
    first = await secret(alice, "Signing secret of the webhook")
    await bots.locator(".person", has_text="Post").click()
    await expect(alice.dialog("Post").get_by_label("Webhook")).to_have_value("http://127.0.0.1:9/hook")
    # What is not changed is not sent: the secret stays.
    await alice.dialog("Post").get_by_label("Name").fill("Postman")
    await alice.dialog("Post").get_by_role("button", name="Save").click()
    await expect(bots.locator(".person-name")).to_have_text("Postman")
    await expect(alice.dialog("Keep this")).to_have_count(0)
    await bots.locator(".person").click()
    await alice.dialog("Postman").get_by_role("button", name="Make a new signing secret").click()
    await alice.dialog("Make a new signing secret").get_by_role("button", name="Make a new signing secret").click()
    assert await secret(alice, "Signing secret of the webhook") not in ("", first)

    await make(alice, "Second")
    assert await secret(alice, "Token")
    await make(alice, "Third")
    await expect(alice.page.locator(".toast.is-error").last).to_contain_text("bots")
    await expect(alice.dialog("New bot").get_by_label("Name")).to_have_value("Third")


async def test_a_bot_writes_in_a_group(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await open_bots(alice)
    await make(alice, "Clock")
    token = await secret(alice, "Token")
    await alice.dialog("Your bots").get_by_role("button", name="Close").click()
    await alice.dialog("Your profile").get_by_role("button", name="Close").click()
    await alice.tab("Contacts").click()
    await expect(alice.page.get_by_role("list", name="Friends").locator(".person")).to_have_count(2)
    await alice.page.locator(".side-header").get_by_role("button", name="New group").click()
    group = alice.dialog("New group")
    await group.get_by_label("Group name").fill("Walk")
    await group.get_by_role("checkbox", name="Clock").check()
    await group.get_by_role("checkbox", name="Bob").check()
    await group.get_by_role("button", name="Create").click()
    await expect(alice.page.locator(".chat-title")).to_have_text("Walk")
    group_id = (await alice.api("group/list", {}))["items"][0]["group_id"]
    text = {"type": "text", "talk_mode": 2, "to_from_id": group_id, "body": {"content": "It is nine."}}
    assert await call(alice, token, "message/send", text) == 200
    await expect(alice.bubble("It is nine.").locator(".message-sender .bot-mark")).to_have_text("Bot")
    await alice.page.locator(".chat-header").get_by_role("button", name="Members").click()
    members = alice.dialog("Members").locator(".person")
    await expect(members.filter(has_text="Clock").locator(".bot-mark")).to_be_visible()
    await expect(members.filter(has_text="Alice").locator(".bot-mark")).to_have_count(0)
    # Who has no bot and no chat with this one learns it from the list of members.
    await bob.open_chat("Walk")
    await bob.page.locator(".chat-header").get_by_role("button", name="Members").click()
    members = bob.dialog("Members").locator(".person")
    await expect(members.filter(has_text="Clock").locator(".bot-mark")).to_be_visible()
    await expect(members.filter(has_text="Bob").locator(".bot-mark")).to_have_count(0)
