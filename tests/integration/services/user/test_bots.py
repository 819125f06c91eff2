"""Bots and their owners: what is made, what it may do, and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.database_storage import Storage
from tests.integration.services.house import House, open_house, refused
from tests.integration.services.user.test_deletion import delete, eventually_no_ties, register, rows, settled
from xinyu.base.errors import (
    FORBIDDEN,
    INVALID,
    NOT_FRIEND,
    TOO_MANY_BOTS,
    UNKNOWN_BOT,
    UNKNOWN_USER,
    WRONG_PASSWORD,
)
from xinyu.wire.v1 import contact_pb2, message_pb2, talk_pb2, user_pb2
from xinyu.wire.v1.options_pb2 import CODEC_V1_JSON
from xinyu_services.user import logins


@pytest.fixture
async def house(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    async with open_house(storage, greeting="") as opened:

        async def sleep(seconds: float) -> None:
            opened.platform.clock.advance_s(seconds)

        monkeypatch.setattr(logins, "asyncio", SimpleNamespace(sleep=sleep))
        yield opened


async def create(house: House, owner: int, name: str = "Clock") -> tuple[int, str]:
    made = await house.post("bot/create", owner, name=name)
    return made["bot_id"], made["token"]


async def ended(house: House) -> dict[int, int]:
    page = await house.user.stub.list_ended_logins(user_pb2.EndedLoginsRequest())
    return {each.user_id: each.expires_until_ms for each in page.ended}


async def is_good(house: House, token: str) -> bool:
    """As a gateway sees it that has just asked which logins were ended."""
    expires_at_ms = house.user.tokens.verify(token).expires_at_ms
    return expires_at_ms > (await ended(house)).get(house.user.tokens.verify(token).user_id, 0)


async def write(house: House, sender: int, mode: int, to_from_id: int) -> message_pb2.SendResult:
    text = message_pb2.NewMessage(user_id=sender, talk_mode=mode, to_from_id=to_from_id, msg_type=1)
    text.body, text.msg_id = b'{"content":"tick"}', f"m{sender}"
    (result,) = (await house.message.send(message_pb2.SendRequest(messages=[text]))).results
    return result


async def test_a_bot_is_its_owners_friend_from_the_start(house: House) -> None:
    (ann,) = await register(house, "Ann")
    await house.platform.online(ann, 1)
    bot, token = await create(house, ann)
    access = house.user.tokens.verify(token)
    assert (access.user_id, access.platform) == (bot, "bot")
    assert [item["user_id"] for item in (await house.post("contact/list", ann))["items"]] == [bot]
    assert [item["user_id"] for item in (await house.post("contact/list", bot))["items"]] == [ann]
    assert (await write(house, bot, 1, ann)).sequence == 1
    assert (await write(house, ann, 1, bot)).sequence == 2
    await settled(house)
    assert [(each["name"], each["is_robot"]) for each in await house.sessions(ann)] == [("Clock", 1)]
    assert [(each["name"], each["is_robot"]) for each in await house.sessions(bot)] == [("Ann", 2)]
    told = [event["payload"]["row"] for event in house.platform.gateway.told(ann, 1) if event["event"] == "row.changed"]
    assert [row["user_id"] for row in told if row.get("kind") == "contact"] == [bot]
    assert {row["is_robot"] for row in told if "talk_id" in row} == {1}
    page = json.loads((await house.talk.sync(talk_pb2.SyncRequest(user_id=ann, codec=CODEC_V1_JSON))).answer)
    assert [row["is_robot"] for row in page["rows"]["talk"]] == [1]


async def test_a_bot_in_a_group(house: House) -> None:
    ann, bob = await register(house, "Ann", "Bob")
    await house.befriend(ann, bob)
    bot, _ = await create(house, ann)
    group = (await house.post("group/create", ann, name="Band", user_ids=[bob]))["group_id"]
    await refused(house.post("group/invite", bob, group_id=group, user_ids=[bot]), NOT_FRIEND)
    await house.post("group/invite", ann, group_id=group, user_ids=[bot])
    await settled(house)
    members = (await house.post("group/member-list", bob, group_id=group))["items"]
    assert {item["user_id"]: item["nickname"] for item in members} == {ann: "Ann", bob: "Bob", bot: "Clock"}
    assert (await write(house, bot, 2, group)).sequence > 0


async def test_a_repeat_makes_no_second_one(house: House) -> None:
    (ann,) = await register(house, "Ann")
    bot, token = await create(house, ann)
    again, second = await create(house, ann)
    assert again == bot
    assert await is_good(house, token)
    assert await is_good(house, second)
    house.platform.clock.advance_s(61)
    assert (await create(house, ann))[0] != bot


async def test_lists_names_and_bounds(house: House) -> None:
    ann, eve = await register(house, "Ann", "Eve")
    assert await house.post("bot/list", ann) == {"items": []}
    made = [(await create(house, ann, name))[0] for name in ("One", "Two", "Three")]
    await refused(create(house, ann, "Four"), TOO_MANY_BOTS)
    items = (await house.post("bot/list", ann))["items"]
    assert [(item["bot_id"], item["name"], item["avatar"]) for item in items] == [
        (bot, name, "") for bot, name in zip(made, ("One", "Two", "Three"), strict=True)
    ]
    webhook = {"webhook_url", "webhook_state", "webhook_failure", "webhook_failing_since_ms"}
    assert set(items[0]) == {"bot_id", "name", "avatar", "created_at"} | webhook
    assert {items[0][name] for name in webhook} == {"", 0}
    await house.post("bot/update", ann, bot_id=made[0], name="Uno")
    await house.post("bot/update", ann, bot_id=made[1])
    await settled(house)
    assert [item["name"] for item in (await house.post("bot/list", ann))["items"]] == ["Uno", "Two", "Three"]
    (name,) = (await house.user.stub.load_names(user_pb2.LoadNamesRequest(user_ids=[made[0]]))).names
    assert (name.nickname, name.is_robot) == ("Uno", True)
    assert (await house.post("bot/list", eve))["items"] == []
    for bad in ("<b>", " ", "a\x00b"):
        await refused(house.post("bot/create", eve, name=bad), INVALID)
        await refused(house.post("bot/update", ann, bot_id=made[0], name=bad), INVALID)


async def test_somebody_elses_bot_is_not_there(house: House) -> None:
    ann, eve = await register(house, "Ann", "Eve")
    bot, token = await create(house, ann)
    for path, more in (("update", {"name": "Mine"}), ("token-reset", {}), ("delete", {})):
        for bot_id in (bot, eve, ann, 777):
            await refused(house.post(f"bot/{path}", eve, bot_id=bot_id, **more), UNKNOWN_BOT)
    assert await is_good(house, token)


async def test_a_reset_voids_the_token_and_the_next_one_is_good(house: House) -> None:
    (ann,) = await register(house, "Ann")
    bot, first = await create(house, ann)
    tokens = [first]
    for _ in range(3):  # one after the other, within the same second of the clock but for the wait of a reset
        tokens.append((await house.post("bot/token-reset", ann, bot_id=bot))["token"])
        assert [await is_good(house, token) for token in tokens] == [False] * (len(tokens) - 1) + [True]
    # What the bot does itself revives nothing.
    await refused(house.post("auth/logout-all", bot), FORBIDDEN)
    assert [await is_good(house, token) for token in tokens] == [False, False, False, True]


async def test_what_a_bot_cannot_do(house: House) -> None:
    ann, bob = await register(house, "Ann", "Bob")
    bot, _ = await create(house, ann)
    await refused(house.post("bot/create", bot, name="Child"), FORBIDDEN)
    await refused(delete(house, bot, ""), WRONG_PASSWORD)
    await refused(delete(house, bot, "correct horse"), WRONG_PASSWORD)
    login = user_pb2.AuthenticateRequest(mobile=f"bot{bot}", password="", address="x", secure=True)
    await refused(house.user.stub.authenticate(login), WRONG_PASSWORD)
    await refused(house.contact.search(contact_pb2.SearchRequest(user_id=bob, mobile=f"bot{bot}")), UNKNOWN_USER)
    for asker in (ann, bob, bot):
        assert (await house.post("contact/detail", asker, user_id=bot))["mobile"] == ""
    assert (await house.post("user/detail", bot))["mobile"] == ""
    assert (await house.post("user/setting", bot))["user_info"]["mobile"] == ""


async def test_a_deleted_bot_leaves_nothing(house: House) -> None:
    (ann,) = await register(house, "Ann")
    bot, token = await create(house, ann)
    group = (await house.post("group/create", ann, name="Band", user_ids=[bot]))["group_id"]
    await house.post("bot/delete", ann, bot_id=bot)
    assert not await is_good(house, token)
    await refused(house.post("bot/delete", ann, bot_id=bot), UNKNOWN_BOT)
    assert (await house.post("bot/list", ann))["items"] == []
    await eventually_no_ties(house, bot)
    await settled(house)
    assert (await house.post("contact/list", ann))["items"] == []
    members = (await house.post("group/member-list", ann, group_id=group))["items"]
    assert [item["user_id"] for item in members] == [ann]
    await refused(house.post("contact/detail", ann, user_id=bot), UNKNOWN_USER)
    assert (await create(house, ann))[0] != bot


async def test_bots_end_with_their_owner(house: House) -> None:
    ann, bob = await register(house, "Ann", "Bob")
    bots = [await create(house, ann, name) for name in ("One", "Two")]
    other, others = await create(house, bob)
    await delete(house, ann)
    assert [await is_good(house, token) for _, token in bots] == [False, False]
    assert await is_good(house, others)
    assert await rows(house, "SELECT user_id FROM bot") == [(other,)]
    for bot, _ in bots:
        await eventually_no_ties(house, bot)
        await refused(house.post("contact/detail", bob, user_id=bot), UNKNOWN_USER)


async def test_two_requests_at_once_keep_the_bound(house: House) -> None:
    (ann,) = await register(house, "Ann")
    asked: list[Any] = await asyncio.gather(
        *(create(house, ann, f"Bot {number}") for number in range(6)), return_exceptions=True
    )
    assert sum(isinstance(each, tuple) for each in asked) == 3
    assert len((await house.post("bot/list", ann))["items"]) == 3
