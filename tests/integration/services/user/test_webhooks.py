"""Webhooks as owners set them: what is checked, which secret is told, how it goes, and how it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.database_storage import Storage
from tests.integration.services.house import House, open_house, refused
from tests.integration.services.message.webhook_receiver import Receiver, receiving
from tests.integration.services.user.test_bots import write
from tests.integration.services.user.test_deletion import delete, register, rows, settled
from xinyu.base.config import WebhookSettings
from xinyu.base.errors import FORBIDDEN, INVALID, UNAVAILABLE, UNKNOWN_BOT, XinYuError
from xinyu.wire.v1 import message_pb2
from xinyu_services.message.webhook_model import WebhookState

STATES = "SELECT state, url FROM bot_webhook"


@pytest.fixture
async def house(storage: Storage) -> AsyncIterator[House]:
    async with open_house(storage, greeting="") as opened:
        yield opened
        await opened.delivery.close()
        await opened.outward.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def deliver(house: House) -> None:
    await settled(house)
    while not await house.delivery.look():
        await house.delivery.settle()


async def listed(house: House, owner: int) -> dict[str, Any]:
    (bot,) = (await house.post("bot/list", owner))["items"]
    return {name.removeprefix("webhook_"): value for name, value in bot.items() if name.startswith("webhook_")}


async def test_a_bot_with_a_webhook_is_told_from_the_first_message_on(house: House, receiver: Receiver) -> None:
    (ann,) = await register(house, "Ann")
    made = await house.post("bot/create", ann, name="Echo", webhook_url=receiver.url)
    receiver.secret = made["webhook_secret"]
    assert (await write(house, ann, 1, made["bot_id"])).sequence == 1
    await deliver(house)
    assert receiver.texts(made["bot_id"]) == ["tick"]
    assert receiver.taken[0].events[0]["payload"]["body"]["nickname"] == "Ann"
    assert await listed(house, ann) == {"url": receiver.url, "state": "ok", "failure": "", "failing_since_ms": 0}


async def test_each_setting_tells_another_secret(house: House, receiver: Receiver) -> None:
    (ann,) = await register(house, "Ann")
    made = await house.post("bot/create", ann, name="Echo", webhook_url=receiver.url)
    again = await house.post("bot/create", ann, name="Echo", webhook_url=receiver.url)  # a repeat
    assert again["bot_id"] == made["bot_id"]
    updated = await house.post("bot/update", ann, bot_id=made["bot_id"], webhook_url=receiver.url)
    secrets = [made["webhook_secret"], again["webhook_secret"], updated["webhook_secret"]]
    assert len({*secrets}) == 3
    # What changes no webhook tells no secret.
    assert await house.post("bot/update", ann, bot_id=made["bot_id"], name="Bell") == {}
    assert set(await house.post("bot/token-reset", ann, bot_id=made["bot_id"])) == {"bot_id", "token"}
    assert set(await house.post("bot/create", ann, name="Other")) == {"bot_id", "token"}
    receiver.secret = secrets[-1]
    await write(house, ann, 1, made["bot_id"])
    await deliver(house)
    assert receiver.texts(made["bot_id"]) == ["tick"]


async def test_how_it_goes(house: House, receiver: Receiver) -> None:
    (ann,) = await register(house, "Ann")
    bot = (await house.post("bot/create", ann, name="Echo"))["bot_id"]
    assert await listed(house, ann) == {"url": "", "state": "", "failure": "", "failing_since_ms": 0}
    await house.post("bot/update", ann, bot_id=bot, webhook_url=receiver.url)
    for status, state in ((500, "failing"), (410, "suspended")):
        receiver.status = status
        house.platform.clock.advance_s(10)
        await write(house, ann, 1, bot)
        await deliver(house)
        found = await listed(house, ann)
        assert (found["state"], found["failure"]) == (state, f"It answered {status}.")
        assert 0 < found["failing_since_ms"] <= house.platform.clock.now_ms()
    await house.post("bot/update", ann, bot_id=bot, webhook_url="")
    assert await listed(house, ann) == {"url": "", "state": "", "failure": "", "failing_since_ms": 0}
    assert await rows(house, STATES) == [(WebhookState.OFF, "")]


async def test_the_list_does_not_wait_for_the_message_room(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ann,) = await register(house, "Ann")
    await house.post("bot/create", ann, name="Echo", webhook_url=receiver.url)

    async def away(*_: object) -> None:
        raise XinYuError(UNAVAILABLE)

    monkeypatch.setattr(house.user.bots._webhooks, "load", away)
    assert (await listed(house, ann))["state"] == "unknown"


async def test_what_cannot_be_one(house: House, receiver: Receiver) -> None:
    ann, eve = await register(house, "Ann", "Eve")
    bot = (await house.post("bot/create", ann, name="Echo", webhook_url=receiver.url))["bot_id"]
    for url in (
        "hook.example", "ftp://hook.example/", "https://user:pass@hook.example/", "https://", "http://10.0.0.1/",
        "https://hook.example/a b", "https://hook.example/\n", "http://[fe80::1]/",
    ):  # fmt: skip
        await refused(house.post("bot/create", ann, name="Bad", webhook_url=url), INVALID)
        await refused(house.post("bot/update", ann, bot_id=bot, webhook_url=url), INVALID)
    with pytest.raises(msgspec.ValidationError):
        await house.post("bot/update", ann, bot_id=bot, webhook_url="https://hook.example/" + "a" * 2048)
    await refused(house.post("bot/update", eve, bot_id=bot, webhook_url=receiver.url), UNKNOWN_BOT)
    await refused(house.post("bot/update", eve, bot_id=bot, webhook_url=""), UNKNOWN_BOT)
    assert await rows(house, "SELECT webhook_url FROM bot") == [(receiver.url,)]


async def test_off_they_can_be_taken_away_only(house: House, receiver: Receiver) -> None:
    (ann,) = await register(house, "Ann")
    bot = (await house.post("bot/create", ann, name="Echo", webhook_url=receiver.url))["bot_id"]
    house.user.bots._webhook_settings = WebhookSettings()
    await refused(house.post("bot/create", ann, name="Other", webhook_url=receiver.url), FORBIDDEN)
    await refused(house.post("bot/update", ann, bot_id=bot, webhook_url=receiver.url), FORBIDDEN)
    assert await house.post("bot/update", ann, bot_id=bot, webhook_url="") == {}
    assert await rows(house, STATES) == [(WebhookState.OFF, "")]
    # One that never had any has nothing to be taken away.
    other = (await house.post("bot/create", ann, name="Other"))["bot_id"]
    assert await house.post("bot/update", ann, bot_id=other, webhook_url="") == {}
    assert len(await rows(house, STATES)) == 1


async def test_it_ends_with_its_bot_and_with_its_owner(house: House, receiver: Receiver) -> None:
    ann, bob = await register(house, "Ann", "Bob")
    one = (await house.post("bot/create", ann, name="One", webhook_url=receiver.url))["bot_id"]
    two = (await house.post("bot/create", bob, name="Two", webhook_url=receiver.url))["bot_id"]
    group = (await house.post("group/create", ann, name="Band", user_ids=[one]))["group_id"]
    await write(house, ann, 2, group)
    await deliver(house)
    assert receiver.texts(one)[-1] == "tick"
    count = len(receiver.deliveries)
    await house.post("bot/delete", ann, bot_id=one)
    await delete(house, bob)
    await settled(house)
    assert await rows(house, STATES) == [(WebhookState.OFF, "")] * 2
    assert await rows(house, "SELECT * FROM bot_webhook_talk") == []
    text = message_pb2.NewMessage(user_id=ann, talk_mode=2, to_from_id=group, msg_type=1, body=b'{"content":"alone"}')
    await house.message.send(message_pb2.SendRequest(messages=[text]))
    await deliver(house)
    assert len(receiver.deliveries) == count
    assert receiver.texts(two) == []
