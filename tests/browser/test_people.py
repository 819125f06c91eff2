"""One's own profile and login, and what one does with a friend."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Arrive
from tests.browser.person import PASSWORD
from tests.e2e.contract.upload_cases import png

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_profile_is_changed_and_friends_see_it(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await alice.page.get_by_title("Your profile").click()
    dialog = alice.page.get_by_role("dialog")
    await dialog.locator("input[type=file]").set_input_files(
        files=[{"name": "me.png", "mimeType": "image/png", "buffer": png(40, 40)}]
    )
    await expect(dialog.locator(".avatar img")).to_be_visible()
    await dialog.get_by_label("Nickname").fill("Alice Liddell")
    await dialog.get_by_label("A few words about you").fill("Curiouser and curiouser")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_have_count(0)
    await expect(alice.page.locator(".me-name")).to_have_text("Alice Liddell")
    await bob.tab("Contacts").click()
    friend = bob.page.get_by_role("list", name="Friends").get_by_role("button", name="Alice Liddell")
    await expect(friend).to_contain_text("Curiouser and curiouser")
    await expect(friend.locator(".avatar img")).to_be_visible()


async def test_a_changed_password_ends_the_login_and_the_new_one_opens_it(arrive: Arrive) -> None:
    alice = await arrive("Alice")
    await alice.page.get_by_title("Your profile").click()
    form = alice.page.get_by_role("dialog").get_by_role("form", name="Change password")
    await form.get_by_label("Current password").fill("not the password")
    await form.get_by_label("New password").fill("another password")
    await form.get_by_role("button", name="Change password").click()
    await expect(alice.page.get_by_text("The password is wrong.")).to_be_visible()
    await form.get_by_label("Current password").fill(PASSWORD)
    await form.get_by_role("button", name="Change password").click()
    await expect(alice.page.get_by_role("alert")).to_have_text(
        "Your password was changed. Please log in with the new one."
    )
    await alice.log_in()
    await expect(alice.page.get_by_role("alert")).to_have_text("Wrong mobile number or password.")
    await alice.log_in("another password")
    await alice.connected()


async def test_all_of_ones_own_data_is_downloaded(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await alice.open_chat("Bob")
    await alice.say("For my records")
    await alice.page.get_by_title("Your profile").click()
    async with alice.page.expect_download() as started:
        await alice.page.get_by_role("dialog").get_by_role("button", name="Download all my data").click()
    download = await started.value
    assert download.suggested_filename == "xinyu-export.jsonl"
    lines = [json.loads(line) for line in (await download.path()).read_text().splitlines()]
    assert (lines[0]["nickname"], lines[-1]["kind"]) == ("Alice", "end")
    assert "For my records" in [json.loads(line["extra"]).get("content") for line in lines if line["kind"] == "message"]


async def test_a_friend_gets_a_name_is_blocked_and_is_deleted(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await alice.open_chat("Bob")
    await alice.pick("Name for this contact")
    await alice.page.get_by_role("dialog").get_by_label("Your name for Bob").fill("Bobby")
    await alice.page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(alice.page.locator(".chat-title")).to_have_text("Bobby")
    await expect(alice.entry("Bobby")).to_be_visible()

    await alice.pick("Block")
    await alice.page.get_by_role("dialog").get_by_role("button", name="Block", exact=True).click()
    await expect(alice.page.get_by_text("Bobby is blocked.")).to_be_visible()
    await bob.open_chat("Alice")
    await bob.say("Can you hear me?")
    await expect(bob.bubble("Can you hear me?")).to_have_attribute("data-state", "failed")
    await alice.pick("Unblock")
    await expect(alice.page.get_by_text("Bobby may write to you again.")).to_be_visible()
    await bob.say("And now?")
    await expect(alice.texts.last).to_have_text("And now?")

    await alice.pick("Delete contact")
    await alice.page.get_by_role("dialog").get_by_role("button", name="Delete contact").click()
    await alice.tab("Contacts").click()
    await expect(alice.page.get_by_text("No contacts yet")).to_be_visible()
