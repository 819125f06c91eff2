"""Votes: asked in a group, answered in place, their results as they come, open and secret, finished."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, expect

from tests.browser.conftest import Arrive
from tests.browser.person import Person

pytestmark = pytest.mark.asyncio(loop_scope="module")

MARKUP = "<b>Lake</b>"


def vote(person: Person) -> Locator:
    return person.log.locator(".vote")


async def ask(person: Person, title: str, *options: str, several: bool = False, secret: bool = False) -> None:
    await person.send_more("New vote")
    dialog = person.dialog("New vote")
    await dialog.get_by_label("Question").fill(title)
    for number, option in enumerate(options, 1):
        if number > 2:
            await dialog.get_by_role("button", name="Add an option").click()
        await dialog.get_by_label(f"Option {number}").fill(option)
    for name, wanted in (("Several choices", several), ("Secret", secret)):
        if wanted:
            await dialog.get_by_role("switch", name=name).check()
    await dialog.get_by_role("button", name="Create").click()
    await expect(dialog).to_have_count(0)


async def test_an_open_vote_is_answered_and_finished(arrive: Arrive) -> None:
    alice, bob, carol = await arrive("Alice"), await arrive("Bob"), await arrive("Carol")
    for other in (bob, carol):
        await alice.befriend(other)
    await alice.make_group("Walk", bob, carol)
    for person in (bob, carol):
        await person.open_chat("Walk")
    await alice.send_more("New vote")
    await alice.dialog("New vote").get_by_role("button", name="Create").click()
    await expect(alice.page.get_by_text("A question and two options at least.")).to_be_visible()
    await alice.page.keyboard.press("Escape")

    await ask(alice, "Where to?", MARKUP, "Hill")
    for person in (alice, bob, carol):
        await expect(vote(person).locator(".vote-title")).to_have_text("Where to?")
        await expect(vote(person)).to_contain_text("0 of 3 voted")
    await vote(bob).get_by_role("radio", name=MARKUP).check()
    await vote(bob).get_by_role("button", name="Vote", exact=True).click()
    await expect(vote(bob)).to_contain_text("1 of 3 voted")
    await expect(vote(bob).locator(".vote-result.is-mine")).to_contain_text(MARKUP)
    # Whoever has not voted yet hears how it stands, and still has the choice.
    await expect(vote(alice)).to_contain_text("1 of 3 voted")
    await expect(vote(alice).get_by_role("radio")).to_have_count(2)
    await vote(alice).get_by_role("radio", name="Hill").check()
    await vote(alice).get_by_role("button", name="Vote", exact=True).click()
    await expect(vote(bob)).to_contain_text("2 of 3 voted")
    await vote(bob).get_by_role("button", name="Who voted").click()
    voters = bob.dialog("Who voted").locator("section")
    await expect(voters).to_have_text([f"{MARKUP} (1)Bob", "Hill (1)Alice"])
    await bob.page.keyboard.press("Escape")
    await expect(vote(bob).get_by_role("button", name="Finish")).to_have_count(0)

    await vote(alice).get_by_role("button", name="Finish").click()
    await alice.dialog("Finish").get_by_role("button", name="Finish").click()
    for person in (alice, bob, carol):
        await expect(vote(person)).to_contain_text("Finished")
        await expect(vote(person).get_by_role("radio")).to_have_count(0)
    await carol.pick("Group details")
    await carol.dialog("Group details").get_by_role("button", name="Votes").click()
    await carol.dialog("Votes").get_by_role("button", name="Where to?").click()
    await expect(carol.dialog("Vote").locator(".vote-result")).to_have_count(2)


async def test_a_secret_vote_with_several_choices(arrive: Arrive) -> None:
    alice, bob = await arrive("Alice"), await arrive("Bob")
    await alice.befriend(bob)
    await alice.make_group("Walk", bob)
    await bob.open_chat("Walk")
    await ask(alice, "Which days?", "Friday", "Saturday", "Sunday", several=True, secret=True)
    await expect(vote(bob)).to_contain_text("Several choices · Secret")
    await vote(bob).get_by_role("checkbox", name="Friday").check()
    await vote(bob).get_by_role("checkbox", name="Sunday").check()
    await vote(bob).get_by_role("button", name="Vote", exact=True).click()
    await expect(vote(bob).locator(".vote-result.is-mine")).to_have_count(2)
    await expect(vote(bob).get_by_role("button", name="Who voted")).to_have_count(0)
    await expect(vote(alice)).to_contain_text("1 of 2 voted")
    await bob.reload()
    await expect(vote(bob).locator(".vote-result.is-mine")).to_have_count(2)
