"""A group and who runs it: settings, roles, muting, notice, public groups and who asks to join them, the end."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, expect

from tests.browser.conftest import Arrive
from tests.browser.person import PHONE, Person
from tests.e2e.contract.upload_cases import png

pytestmark = pytest.mark.asyncio(loop_scope="module")

MARKUP = "<img src=x onerror=\"document.title='caught'\">"


async def details(person: Person) -> Locator:
    await person.pick("Group details")
    dialog = person.dialog("Group details")
    await expect(dialog.locator(".group-head")).to_be_visible()
    return dialog


async def act_on(person: Person, name: str, action: str) -> None:
    """In the list of members, which stays open."""
    members = person.dialog("Members")
    if await members.count() == 0:
        await person.page.locator(".chat-header").get_by_role("button", name="Members").click()
    await members.get_by_role("button", name=f"Actions for {name}").click()
    await person.page.get_by_role("menuitem", name=action, exact=True).click()


def member(person: Person, name: str) -> Locator:
    return person.dialog("Members").locator(".person", has_text=name)


async def test_settings_and_a_name_of_ones_own(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await alice.make_group("Walk", bob)
    await bob.open_chat("Walk")
    dialog = await details(alice)
    settings = dialog.get_by_role("form", name="Settings")
    await settings.locator("input[type=file]").set_input_files(
        files=[{"name": "hill.png", "mimeType": "image/png", "buffer": png(40, 40)}]
    )
    await expect(settings.locator(".avatar img")).to_be_visible()
    await settings.get_by_label("Group name").fill("")
    await settings.get_by_role("button", name="Save").click()
    await expect(alice.page.get_by_text("Give the group a name.")).to_be_visible()
    await settings.get_by_label("Group name").fill("Long walk")
    await settings.get_by_label("Description").fill(MARKUP)
    await settings.get_by_role("button", name="Save").click()
    await expect(dialog.locator(".group-head .person-name")).to_have_text("Long walk")
    await expect(dialog.get_by_text(MARKUP).first).to_be_visible()
    await expect(bob.page.locator(".chat-title")).to_have_text("Long walk")
    await expect(bob.entry("Long walk").locator(".avatar img")).to_be_visible()

    theirs = await details(bob)
    await expect(theirs.get_by_role("form", name="Settings")).to_have_count(0)
    await expect(theirs.get_by_role("button", name="Dismiss")).to_have_count(0)
    await theirs.get_by_label("Your name in this group").fill("Bobby")
    await theirs.get_by_role("button", name="Save").click()
    await expect(bob.page.get_by_text("Saved.")).to_be_visible()
    await bob.page.keyboard.press("Escape")
    theirs = await details(bob)
    await expect(theirs.get_by_label("Your name in this group")).to_have_value("Bobby")
    assert "caught" not in await alice.page.title()


async def test_roles_and_muting(arrive: Arrive) -> None:
    alice, bob, carol = await arrive("Alice"), await arrive("Bob"), await arrive("Carol")
    for other in (bob, carol):
        await alice.befriend(other)
    await alice.make_group("Walk", bob, carol)
    for person in (bob, carol):
        await person.open_chat("Walk")

    await act_on(alice, "Bob", "Make admin")
    await expect(member(alice, "Bob").locator(".role")).to_have_text(["Admin"])
    await act_on(bob, "Carol", "Mute")
    await expect(member(bob, "Carol").locator(".role")).to_have_text(["Muted"])
    await expect(carol.page.get_by_text("You are muted in this group.")).to_be_visible()
    await expect(carol.editor).to_be_hidden()
    await act_on(bob, "Carol", "Unmute")
    await expect(carol.editor).to_be_visible()
    await expect(bob.dialog("Members").get_by_role("button", name="Actions for Alice")).to_have_count(0)
    await bob.page.keyboard.press("Escape")
    await expect(bob.dialog("Members")).to_have_count(0)

    await act_on(alice, "Bob", "Make an ordinary member")
    await expect(member(alice, "Bob").locator(".role")).to_have_count(0)
    await member(alice, "Bob").get_by_role("button", name="Bob", exact=True).click()
    await alice.dialog("Contact card").get_by_role("button", name="Message").click()
    await expect(alice.page.locator(".chat-title")).to_have_text("Bob")
    await expect(alice.page.get_by_role("dialog")).to_have_count(0)
    await alice.open_chat("Walk")
    dialog = await details(alice)
    await dialog.get_by_role("switch", name="Mute everybody").check()
    await expect(bob.page.get_by_text("Only the owner and admins can write here.")).to_be_visible()
    await expect(bob.line("Alice muted everybody")).to_be_visible()
    await dialog.get_by_role("switch", name="Mute everybody").uncheck()
    await expect(bob.editor).to_be_visible()
    await dialog.get_by_label("Slow mode").select_option(label="6 hours")
    await expect(alice.page.get_by_text("Saved.").last).to_be_visible()
    await alice.page.keyboard.press("Escape")
    await bob.say("First")
    await expect(bob.bubble("First")).to_have_attribute("data-state", "sent")
    await bob.say("Second")
    await expect(bob.bubble("Second")).to_have_attribute("data-state", "failed")
    await expect(bob.log.get_by_role("alert")).to_contain_text("Slow mode")

    await act_on(alice, "Carol", "Hand over the group")
    await alice.dialog("Hand over the group").get_by_role("button", name="Hand over the group").click()
    await expect(member(alice, "Carol").locator(".role")).to_have_text(["Owner"])
    await expect(alice.dialog("Members").get_by_role("button", name="Actions for")).to_have_count(0)
    await alice.page.keyboard.press("Escape")

    dialog = await details(carol)
    await dialog.get_by_role("button", name="Dismiss the group").click()
    await carol.dialog("Dismiss the group").get_by_role("button", name="Dismiss the group").click()
    for person in (alice, bob, carol):
        await expect(person.editor).to_be_hidden()
        name = "You" if person is carol else "Carol"
        await expect(person.line(f"{name} dismissed the group")).to_be_visible()


async def test_a_notice_is_read_by_all_and_edited_by_managers(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob", viewport=PHONE)
    await alice.befriend(bob)
    await alice.make_group("Walk", bob)
    await bob.tab("Chats").click()
    await bob.entry("Walk").click()
    dialog = await details(alice)
    await expect(dialog.get_by_text("There is no notice.")).to_be_visible()
    await dialog.get_by_role("button", name="Edit notice").click()
    notice = alice.dialog("Edit notice")
    await notice.get_by_label("Notice").fill(f"Nine o'clock\n{MARKUP}")
    await notice.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_role("region", name="Notice")).to_contain_text("Nine o'clock")
    await expect(dialog.get_by_role("region", name="Notice")).to_contain_text("Alice")
    await expect(bob.log.locator(".notice")).to_contain_text(MARKUP)
    theirs = await details(bob)
    region = theirs.get_by_role("region", name="Notice")
    await expect(region).to_contain_text(MARKUP)
    await expect(region.get_by_role("button")).to_have_count(0)
    await alice.page.keyboard.press("Escape")
    dialog = await details(alice)
    await dialog.get_by_role("button", name="Edit notice").click()
    await notice.get_by_label("Notice").fill("")
    await notice.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_text("There is no notice.")).to_be_visible()
    assert "caught" not in await bob.page.title()


async def test_a_public_group_is_found_and_applied_to(arrive: Arrive) -> None:
    alice, bob, carol = await arrive("Alice"), await arrive("Bob"), await arrive("Carol")
    await alice.befriend(bob)
    name = f"Open {alice.mobile}"
    await alice.make_group(name, bob)
    dialog = await details(alice)
    await dialog.get_by_role("switch", name="Public group").check()
    await expect(alice.page.get_by_text("Saved.")).to_be_visible()
    await alice.page.keyboard.press("Escape")

    async def find(person: Person) -> Locator:
        await person.tab("Contacts").click()
        await person.page.get_by_role("button", name="Find public groups").click()
        found = person.dialog("Find public groups")
        await found.get_by_label("Group name").fill(name)
        await found.get_by_role("button", name="Find").click()
        return found

    async def apply(person: Person) -> None:
        await (await find(person)).get_by_role("button", name=f"Ask to join {name}").click()
        ask = person.dialog(f"Ask to join {name}")
        await ask.get_by_label("A few words").fill(MARKUP)
        await ask.get_by_role("button", name="Send request").click()
        await expect(ask).to_have_count(0)
        await person.page.keyboard.press("Escape")

    dave = await arrive("Dave")
    await apply(carol)
    badge = alice.tab("Contacts").locator(".badge")
    await expect(badge).to_have_text("1")
    await apply(dave)
    await expect(badge).to_have_text("2")
    await expect(bob.tab("Contacts").locator(".badge")).to_be_hidden()
    await alice.tab("Contacts").click()
    applications = alice.page.get_by_role("list", name="Asking to join your groups")
    await expect(applications.locator(".person", has_text="Carol")).to_contain_text(f"{name}: {MARKUP}")
    await applications.locator(".person", has_text="Dave").get_by_role("button", name="Decline").click()
    await expect(badge).to_have_text("1")
    await alice.reload()
    await alice.tab("Contacts").click()
    await applications.locator(".person", has_text="Carol").get_by_role("button", name="Accept").click()
    await expect(badge).to_be_hidden()
    await carol.open_chat(name)
    await carol.say("Thank you")
    await expect(carol.bubble("Thank you")).to_have_attribute("data-state", "sent")
    await (await find(carol)).get_by_role("button", name=f"Open {name}").click()
    await expect(carol.page.locator(".chat-title")).to_have_text(name)
    assert "caught" not in await alice.page.title()
