"""A bot at the doors: its token opens REST and WebSocket, and a reset closes what it had opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.e2e.contract.bot_cases import BotPerson, eventually_refused
from tests.e2e.plain_client import Events, Person
from tests.e2e.test_sync_over_rest import closing_code
from tests.forms import FORMS, EitherServer, running
from xinyu.client.api import Api

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", params=FORMS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EitherServer]:
    with running(request.param, request, tmp_path_factory.mktemp("bots") / "data") as process:
        yield process


@pytest.fixture
async def ann(server: EitherServer, mobile: Callable[[], str]) -> AsyncIterator[Person]:
    async with Person(server, "Ann", mobile()) as ann:
        await ann.register()
        yield ann


async def test_a_bot_hears_and_answers_until_its_token_is_reset(server: EitherServer, ann: Person) -> None:
    made = await ann.ok("bot/create", {"name": "Echo"})
    bot = BotPerson(ann, made["token"])
    ticket = (await bot.ok("auth/ticket"))["ticket"]
    head = {"Authorization": f"Bearer {made['token']}"}
    async with (
        await Events.ours(server, headers=head) as events,
        await Events.ours(server, f"ticket={ticket}") as by_ticket,
        await Events.legacy(server, made["token"]) as legacy,
    ):
        assert (await events.take("session.ready"))["payload"]["uid"] == made["bot_id"]
        target = {"talk_mode": 1, "to_from_id": made["bot_id"]}
        await ann.ok("message/send", {"type": "text", **target, "body": {"content": "hello"}})
        for each in (events, by_ticket, legacy):
            await each.take("im.message")
        reply = {"type": "text", "talk_mode": 1, "to_from_id": ann.user_id, "body": {"content": "hello"}}
        assert (await events.ask("im.message.send", reply | {"msg_id": "r1"}, "a1"))["event"] == "ack"
        fresh = (await ann.ok("bot/token-reset", {"bot_id": made["bot_id"]}))["token"]
        for each in (events, by_ticket, legacy):
            assert await closing_code(each) == 4403
    await eventually_refused(bot)
    async with await Events.ours(server, headers={"Authorization": f"Bearer {fresh}"}) as again:
        assert (await again.take("session.ready"))["payload"]["uid"] == made["bot_id"]


async def test_the_sdk_makes_a_bot(server: EitherServer, ann: Person) -> None:
    api = Api(server.http_url, token=ann.token)
    made = await api.create_bot("Clock")
    assert [bot.name for bot in await api.bots()] == ["Clock"]
    assert [(friend.user_id, friend.is_robot) for friend in await api.contacts()] == [(made.bot_id, 1)]
    await api.update_bot(made.bot_id, name="Watch")
    bot = Api(server.http_url, token=made.token)
    assert (await bot.own_detail()).nickname == "Watch"
    await api.delete_bot(made.bot_id)
    assert await api.bots() == []
    await api.close()
    await bot.close()
