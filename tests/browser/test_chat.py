"""Two and three people at the page: registering, finding each other, chatting, groups, history, reload."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import Arrive
from tests.browser.person import PHONE, Person

pytestmark = pytest.mark.asyncio(loop_scope="module")

GREETING = "I have accepted your request. Let's chat!"


async def test_two_people_meet_and_chat(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await expect(alice.page.get_by_text("No chats yet")).to_be_visible()
    await alice.ask(bob)
    await expect(bob.tab("Contacts").locator(".badge")).to_have_text("1")
    await bob.accept(alice)
    await expect(bob.tab("Contacts").locator(".badge")).to_be_hidden()

    # The acceptor's greeting has made the chat, unread for the one who asked.
    await expect(alice.entry("Bob")).to_contain_text(GREETING)
    await expect(alice.entry("Bob").locator(".badge")).to_have_text("1")
    assert await alice.page.title() == "(1) XinYu"
    await alice.open_chat("Bob")
    await expect(alice.entry("Bob").locator(".badge")).to_have_count(0)
    await bob.open_chat("Alice")

    await alice.say("Hi Bob!", "Two words")
    await expect(bob.texts).to_have_text([GREETING, "Hi Bob!", "Two words"])
    await expect(alice.bubble("Hi Bob!")).to_have_attribute("data-state", "sent")
    await expect(alice.bubble("Hi Bob!")).to_have_class(re.compile("is-own"))
    await expect(bob.bubble("Hi Bob!")).to_have_class(re.compile("is-other"))

    # A screen reader hears what comes from others, and nothing when a message is drawn anew.
    heard = bob.page.locator(".log-frame").get_by_role("status")
    await expect(heard).to_have_text("Alice: Two words")
    assert await bob.log.get_attribute("aria-live") == "off"
    await expect(alice.page.locator(".log-frame").get_by_role("status")).to_have_text("")

    await alice.watch(".chat-subtitle, .talk-item-digest")
    await bob.editor.press_sequentially("I am")
    await alice.has_seen("Bob is typing…", "typing…")
    await bob.editor.press("Shift+Enter")
    await bob.editor.press_sequentially("here")
    await bob.editor.press("Enter")
    await expect(alice.texts.last).to_have_text("I am\nhere", use_inner_text=True)
    await expect(alice.page.locator(".chat-subtitle")).to_have_text("online")

    await alice.act("Two words", "Recall")
    await expect(alice.line("You recalled a message")).to_be_visible()
    await expect(bob.line("Alice recalled a message")).to_be_visible()
    await expect(bob.texts).to_have_text([GREETING, "Hi Bob!", "I am here"])

    await bob.act("Hi Bob!", "Delete for me")
    await expect(bob.texts).to_have_text([GREETING, "I am here"])
    await expect(alice.texts).to_have_text([GREETING, "Hi Bob!", "I am here"])

    await alice.act("I am", "Reply")
    await alice.say("So am I")
    await expect(bob.bubble("So am I").locator(".quote")).to_contain_text("I am")

    for person, texts in (
        (alice, [GREETING, "Hi Bob!", "I am here", "So am I"]),
        (bob, [GREETING, "I am here", "So am I"]),
    ):
        await person.reload()
        await expect(person.texts).to_have_text(texts)
        await expect(person.log.locator(".line", has_text="recalled a message")).to_have_count(1)


async def test_a_reload_shows_the_chat_before_there_is_a_connection(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await alice.open_chat("Bob")
    await alice.say("Kept here")
    await expect(alice.bubble("Kept here")).to_have_attribute("data-state", "sent")
    failures = 0

    async def refuse(route: Route) -> None:
        nonlocal failures
        failures += 1
        await route.abort()

    # The longest pause of each try: after the fourth the page waits for 8 s, so that the button makes the connection
    # and not the page's own next try.
    await alice.page.add_init_script("Math.random = () => 0.999")
    await alice.page.route("**/config.json", refuse)
    await alice.page.reload()
    await expect(alice.texts).to_have_text([GREETING, "Kept here"])
    while failures < 4:
        await asyncio.sleep(0.05)
    await expect(alice.connection).to_have_attribute("data-state", "waiting")
    await alice.page.unroute("**/config.json")
    await alice.page.get_by_role("button", name="Try now").click()
    await alice.connected()


async def test_wrong_input_is_answered_kindly(arrive: Arrive) -> None:
    alice = await arrive("Alice")
    await alice.page.get_by_role("button", name="Log out").click()
    await alice.page.get_by_label("Mobile number").fill("12345")
    await alice.page.get_by_role("button", name="Log in").click()
    await expect(alice.page.get_by_role("alert")).to_contain_text("11 digits")
    await alice.log_in("not the password")
    await expect(alice.page.get_by_role("alert")).to_have_text("Wrong mobile number or password.")
    await alice.log_in()
    await alice.connected()
    await alice.page.locator(".side-header").get_by_role("button", name="Add contact").click()
    dialog = alice.page.get_by_role("dialog")
    await dialog.get_by_label("Mobile number").fill("19999999999")
    await dialog.get_by_role("button", name="Find").click()
    await expect(dialog).to_contain_text("Nobody uses this number.")
    await dialog.get_by_label("Mobile number").fill(alice.mobile)
    await dialog.get_by_role("button", name="Find").click()
    await expect(dialog).to_contain_text("That is your own number.")
    await alice.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)

    taken = await arrive("Twin", register=False)
    taken.mobile = alice.mobile
    await taken.page.get_by_role("button", name="Create account").click()
    await taken.page.get_by_label("Nickname").fill("Twin")
    await taken.page.get_by_label("Mobile number").fill(alice.mobile)
    await taken.page.get_by_label("Password").fill("another password")
    await taken.page.get_by_role("button", name="Create account").click()
    await expect(taken.page.get_by_role("alert")).to_have_text("This mobile number is already registered.")


async def test_a_group_of_three_with_its_members(arrive: Arrive) -> None:
    alice, bob, carol = await arrive("Alice"), await arrive("Bob"), await arrive("Carol")
    dave = await arrive("Dave")
    for other in (bob, carol, dave):
        await alice.befriend(other)
    await alice.make_group("Hill walk", bob, carol)
    await expect(alice.line("You created the group with Bob and Carol")).to_be_visible()
    await expect(alice.page.locator(".chat-subtitle")).to_have_text("3 members")
    await alice.say("Saturday?")
    for person in (bob, carol):
        await person.open_chat("Hill walk")
        await expect(person.line("Alice created the group")).to_be_visible()
        await expect(person.texts).to_have_text(["Saturday?"])
    await bob.say("Yes")
    await carol.say("Me too")
    for person in (alice, bob, carol):
        await expect(person.texts).to_have_text(["Saturday?", "Yes", "Me too"])
    await expect(carol.bubble("Yes").locator(".message-sender")).to_have_text("Bob")
    await expect(alice.entry("Hill walk")).to_contain_text("Carol: Me too")

    await alice.page.get_by_role("button", name="Members").click()
    panel = alice.page.get_by_role("dialog", name="Members")
    await expect(panel.locator(".person-name")).to_have_text(["Alice (you)", "Bob", "Carol"])
    await panel.get_by_role("button", name="Invite").click()
    invite = alice.page.get_by_role("dialog", name="Invite friends")
    await invite.get_by_role("checkbox", name="Dave").check()
    await invite.get_by_role("button", name="Invite").click()
    await expect(panel.locator(".person-name")).to_have_text(["Alice (you)", "Bob", "Carol", "Dave"])
    await expect(bob.line("Alice added Dave")).to_be_visible()
    await dave.open_chat("Hill walk")
    await expect(dave.texts).to_have_count(0)  # what was said before he came is not his to read

    await panel.get_by_role("button", name="Actions for Carol").click()
    await alice.page.get_by_role("menuitem", name="Remove").click()
    await alice.page.get_by_role("dialog", name="Remove").get_by_role("button", name="Remove").click()
    await expect(panel.locator(".person-name")).to_have_text(["Alice (you)", "Bob", "Dave"])
    await expect(carol.page.get_by_text("You are no longer a member of this group.")).to_be_visible()
    await expect(carol.editor).to_be_hidden()
    await alice.page.keyboard.press("Escape")

    await bob.page.get_by_role("button", name="Members").click()
    members = bob.page.get_by_role("dialog", name="Members")
    await expect(members.get_by_role("button", name="Actions for")).to_have_count(0)
    await members.get_by_role("button", name="Leave group").click()
    await bob.page.get_by_role("dialog", name="Leave group").get_by_role("button", name="Leave", exact=True).click()
    await expect(bob.page.get_by_text("You are no longer a member of this group.")).to_be_visible()
    await expect(alice.line("Bob left the group")).to_be_visible()
    await expect(alice.page.locator(".chat-subtitle")).to_have_text("2 members")


async def fill(sender: Person, receiver: Person, count: int) -> None:
    to = await receiver.user_id()
    for number in range(1, count + 1):
        body = {"talk_mode": 1, "to_from_id": to, "type": "text", "body": {"content": f"number {number}"}}
        await sender.api("message/send", body)


async def test_history_by_scrolling_and_unread_numbers(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await fill(bob, alice, 150)
    await expect(alice.entry("Bob").locator(".badge")).to_have_text("99+")
    await expect(alice.entry("Bob")).to_contain_text("number 150")
    # A device that comes later holds only the newest; the rest is fetched when looked at.
    await alice.page.get_by_role("button", name="Log out").click()
    await alice.log_in()
    await alice.connected()
    await expect(alice.entry("Bob").locator(".badge")).to_have_text("99+")
    await alice.open_chat("Bob")
    await expect(alice.texts.last).to_have_text("number 150")
    await expect(alice.entry("Bob").locator(".badge")).to_have_count(0)
    assert await alice.texts.count() < 100
    scroller = alice.page.locator(".log")
    for _ in range(400):
        await scroller.evaluate("node => { node.scrollTop = 0; }")
        if await alice.page.get_by_text("This is the beginning of the chat.").is_visible():
            break
        await alice.page.wait_for_timeout(50)
    await expect(alice.texts).to_have_text([GREETING, *(f"number {n}" for n in range(1, 151))])
    # While older messages are looked at, new ones are announced and not scrolled to.
    await fill(bob, alice, 2)
    await expect(alice.page.get_by_role("button", name="2 new messages")).to_be_visible()
    await expect(alice.entry("Bob").locator(".badge")).to_have_text("2")
    await alice.page.get_by_role("button", name="2 new messages").click()
    await expect(alice.entry("Bob").locator(".badge")).to_have_count(0)
    await expect(alice.page.locator(".chip")).to_be_hidden()


async def test_markup_is_text(arrive: Arrive) -> None:
    alice = await arrive("Alice")
    bob = await arrive("Bob \"& Co'")
    await alice.befriend(bob)
    await alice.open_chat(bob.name)
    texts = [
        "<img src=x onerror=alert(1)>",
        "<script>alert(2)</script> & &lt;b&gt;",
        "see https://example.org/a?b=1&c=2.",
    ]
    await alice.say(*texts)
    await bob.open_chat("Alice")
    await expect(bob.texts).to_have_text([GREETING, *texts])
    await expect(bob.log.locator("img, script, b")).to_have_count(0)
    link = bob.bubble("see").get_by_role("link")
    await expect(link).to_have_attribute("href", "https://example.org/a?b=1&c=2")
    await expect(link).to_have_attribute("rel", "noopener noreferrer")


async def test_a_phone_shows_list_and_chat_as_two_screens(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob", viewport={"width": 360, "height": 740}, has_touch=True)
    await alice.befriend(bob)
    await bob.open_chat("Alice")
    await expect(bob.page.locator(".side")).to_be_hidden()
    await bob.say("From a phone")
    await bob.page.get_by_role("button", name="Back to the list").click()
    await expect(bob.page.locator(".chat")).to_be_hidden()
    await alice.open_chat("Bob")
    await alice.say("To a phone")
    await expect(bob.entry("Alice").locator(".badge")).to_have_text("1")  # the list is in front: not read
    await bob.open_chat("Alice")
    await bob.page.go_back()
    await expect(bob.entry("Alice")).to_be_visible()
    assert await bob.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_lists_are_hidden_and_cleared_for_oneself_only(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob", viewport=PHONE)
    await alice.befriend(bob)
    await alice.open_chat("Bob")
    await alice.say("one", "two")
    await expect(alice.bubble("two")).to_have_attribute("data-state", "sent")
    await alice.page.get_by_role("button", name="Chat details").click()
    await alice.page.get_by_role("menuitem", name="Clear history for me").click()
    await alice.page.get_by_role("dialog").get_by_role("button", name="Clear").click()
    await expect(alice.texts).to_have_count(0)
    await alice.page.get_by_role("button", name="Chat details").click()
    await alice.page.get_by_role("menuitem", name="Remove from list").click()
    await expect(alice.entry("Bob")).to_have_count(0)
    await bob.open_chat("Alice")
    await expect(bob.texts).to_have_text([GREETING, "one", "two"])
    await bob.say("three")
    await expect(alice.entry("Bob")).to_contain_text("three")
    await alice.open_chat("Bob")
    await expect(alice.texts).to_have_text(["three"])


async def test_a_text_to_a_stranger_is_not_delivered_and_can_be_sent_again_as_a_friend(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.api("talk/session-create", {"talk_mode": 1, "to_from_id": await bob.user_id()})
    await alice.open_chat("Bob")
    await alice.say("Do you know me?", "Hello?")
    failed = alice.bubble("Do you know me?")
    await expect(failed).to_contain_text("Not delivered: you are not friends.")
    await expect(alice.entry("Bob")).to_contain_text("Not sent")
    await alice.bubble("Hello?").get_by_role("button", name="Discard").click()
    await expect(alice.texts).to_have_text(["Do you know me?"])
    await alice.befriend(bob)
    await alice.open_chat("Bob")
    await failed.get_by_role("button", name="Retry").click()
    await expect(failed).to_have_attribute("data-state", "sent")
    await bob.open_chat("Alice")
    await expect(bob.texts).to_have_text([GREETING, "Do you know me?"])


async def test_a_request_can_be_declined(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.ask(bob)
    await bob.tab("Contacts").click()
    await bob.page.get_by_role("button", name="Decline the request of Alice").click()
    await expect(bob.page.get_by_text("No contacts yet")).to_be_visible()
    await expect(bob.tab("Contacts").locator(".badge")).to_be_hidden()


async def test_two_tabs_of_one_user_agree_and_the_second_keeps_what_the_first_leaves(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    tab = await alice.context.new_page()
    await tab.goto(alice.origin)
    second = Person(alice.name, alice.origin, alice.context, tab, mobile=alice.mobile)
    await second.log_in()
    await second.connected()
    await expect(second.entry("Bob").locator(".badge")).to_have_text("1")
    await alice.open_chat("Bob")  # read in one tab is read in the other
    await expect(second.entry("Bob").locator(".badge")).to_have_count(0)
    await alice.say("From the first")
    await second.open_chat("Bob")
    await expect(second.texts).to_have_text([GREETING, "From the first"])
    await second.say("From the second")
    await expect(alice.texts).to_have_text([GREETING, "From the first", "From the second"])

    await alice.page.close()
    await second.say("Alone now")
    await expect(second.bubble("Alone now")).to_have_attribute("data-state", "sent")
    await second.page.route("**/config.json", lambda route: route.abort())
    await second.page.reload()
    await expect(second.texts).to_have_text([GREETING, "From the first", "From the second", "Alone now"])


async def test_a_login_belongs_to_its_tab(arrive: Arrive) -> None:
    alice = await arrive("Alice")
    other = await alice.context.new_page()
    await other.goto(alice.origin)
    await expect(other.get_by_role("button", name="Log in")).to_be_visible()
    await other.close()
    await alice.reload()
    await alice.page.get_by_role("button", name="Log out").click()
    await expect(alice.page.get_by_role("button", name="Log in")).to_be_visible()
    await alice.log_in()
    await alice.connected()
    await alice.page.evaluate(
        """() => {
            const session = JSON.parse(sessionStorage.getItem("xinyu.session"));
            const token = session.token.slice(0, -3) + "abc";
            sessionStorage.setItem("xinyu.session", JSON.stringify({ ...session, token }));
        }"""
    )
    await alice.page.reload()
    await expect(alice.page.get_by_role("alert")).to_have_text("Please log in again.")
    await alice.log_in()
    await alice.connected()
    await alice.page.get_by_role("button", name="Log out").click()
    await expect(alice.page.get_by_role("button", name="Log in")).to_be_visible()
    databases = await alice.page.evaluate("async () => (await indexedDB.databases()).map(({ name }) => name)")
    assert databases == []
