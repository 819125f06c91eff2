"""What a page that was cut off makes of it: nothing is lost, nothing is there twice, the order holds."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Playwright, expect

from tests.browser.conftest import Arrive
from tests.browser.cut_proxy import CutProxy
from tests.browser.person import Person
from tests.chromium import open_profile
from tests.forms import FORMS, EitherServer, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

GREETING = "I have accepted your request. Let's chat!"


async def test_what_was_sent_and_recalled_while_one_was_cut_off_is_there_once_and_in_order(
    arrive: Arrive, server: EitherServer
) -> None:
    async with CutProxy(server.websocket_port) as proxy:
        alice = await arrive("Alice", own_browser=True)
        bob = await arrive("Bob", own_browser=True, websocket_url=f"ws://127.0.0.1:{proxy.port}/ws")
        await alice.befriend(bob)
        await alice.open_chat("Bob")
        await bob.open_chat("Alice")
        await alice.say("before")
        await expect(bob.texts).to_have_text([GREETING, "before"])

        await proxy.cut()
        await expect(bob.connection).to_have_attribute("data-state", "waiting")
        ten = [f"while you were away {number}" for number in range(1, 11)]
        await alice.say(*ten)
        await expect(alice.bubble(ten[-1])).to_have_attribute("data-state", "sent")
        await alice.act(ten[3], "Recall")
        await expect(alice.line("You recalled a message")).to_be_visible()
        await expect(bob.texts).to_have_text([GREETING, "before"])

        await proxy.restore()
        await bob.connected()
        kept = [GREETING, "before", *ten[:3], *ten[4:]]
        await expect(bob.texts).to_have_text(kept)
        await expect(bob.line("Alice recalled a message")).to_have_count(1)
        sequences = await bob.log.locator("[data-sequence]").evaluate_all(
            "nodes => nodes.map(n => +n.dataset.sequence)"
        )
        assert sequences == list(range(1, len(kept) + 2))
        await alice.say("after")
        await expect(bob.texts).to_have_text([*kept, "after"])


async def test_what_was_written_while_cut_off_is_sent_once_even_over_a_reload(
    arrive: Arrive, server: EitherServer
) -> None:
    async with CutProxy(server.websocket_port) as proxy:
        alice = await arrive("Alice", websocket_url=f"ws://127.0.0.1:{proxy.port}/ws")
        bob = await arrive("Bob")
        await alice.befriend(bob)
        await alice.open_chat("Bob")
        await bob.open_chat("Alice")
        await proxy.cut()
        await expect(alice.connection).to_have_attribute("data-state", "waiting")
        await alice.say("first", "second")
        await expect(alice.bubble("second")).to_have_attribute("data-state", "sending")
        await alice.page.reload()
        await expect(alice.texts).to_have_text([GREETING, "first", "second"])
        await alice.say("third")
        await proxy.restore()
        await alice.connected()
        await expect(bob.texts).to_have_text([GREETING, "first", "second", "third"])
        await expect(alice.bubble("third")).to_have_attribute("data-state", "sent")
        await expect(alice.texts).to_have_text([GREETING, "first", "second", "third"])
        await expect(alice.log.locator("[data-state=sending]")).to_have_count(0)


async def test_an_answer_that_is_lost_makes_no_second_message(arrive: Arrive, server: EitherServer) -> None:
    """The message reaches the server, the acknowledgement does not reach the page."""
    async with CutProxy(server.websocket_port) as proxy:
        alice = await arrive("Alice", websocket_url=f"ws://127.0.0.1:{proxy.port}/ws")
        bob = await arrive("Bob")
        await alice.befriend(bob)
        await alice.open_chat("Bob")
        await bob.open_chat("Alice")
        proxy.mute_answers()
        await alice.say("once")
        await expect(bob.texts).to_have_text([GREETING, "once"])
        await expect(alice.bubble("once")).to_have_attribute("data-state", "sending")
        await proxy.cut()
        await proxy.restore()
        await expect(alice.bubble("once")).to_have_attribute("data-state", "sent", timeout=30_000)
        await alice.say("and then this")
        await expect(bob.texts).to_have_text([GREETING, "once", "and then this"])
        await expect(alice.texts).to_have_text([GREETING, "once", "and then this"])


async def test_a_dead_connection_is_noticed_by_the_heartbeat(arrive: Arrive, server: EitherServer) -> None:
    async with CutProxy(server.websocket_port) as proxy:
        alice = await arrive("Alice", websocket_url=f"ws://127.0.0.1:{proxy.port}/ws")
        accepted = proxy.accepted
        proxy.swallow()
        await expect(alice.connection).not_to_have_attribute("data-state", "connected", timeout=20_000)
        await proxy.restore()
        await alice.connected()
        assert proxy.accepted > accepted


@pytest.mark.parametrize("end", ["kill", "stop"])
@pytest.mark.parametrize("form", FORMS)
async def test_a_server_comes_back_and_nothing_is_lost(
    driver: Playwright, form: str, request: pytest.FixtureRequest, tmp_path: Path, end: str
) -> None:
    """Killed as by a power cut, or stopped in order (then it tells the pages by 1012 when to come back)."""
    with running(form, request, tmp_path / "data") as server:
        alice = await Person.arrive(await open_profile(driver, tmp_path / "alice"), server.http_url, "Alice")
        bob = await Person.arrive(await open_profile(driver, tmp_path / "bob"), server.http_url, "Bob")
        for person in (alice, bob):
            await person.register()
        await alice.befriend(bob)
        await alice.open_chat("Bob")
        await bob.open_chat("Alice")
        await alice.say("kept")
        await expect(bob.texts).to_have_text([GREETING, "kept"])
        await asyncio.to_thread(getattr(server, end))
        for person in (alice, bob):
            await expect(person.connection).to_have_attribute("data-state", "waiting")
        await bob.say("written meanwhile")
        await asyncio.to_thread(server.start)
        for person in (alice, bob):
            await person.connected()
            await expect(person.texts).to_have_text([GREETING, "kept", "written meanwhile"])
        await alice.say("and on")
        await expect(bob.texts).to_have_text([GREETING, "kept", "written meanwhile", "and on"])
        for person in (alice, bob):
            await person.reload()
            await expect(person.texts).to_have_text([GREETING, "kept", "written meanwhile", "and on"])
            await person.leave()
