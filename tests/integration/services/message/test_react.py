"""Reactions: who may, that nothing is counted twice, and that each reader knows his own."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.integration.services.rooms import GATEWAY, Rooms, refused, target
from xinyu.wire.v1 import message_pb2

ADD, REMOVE = 1, 2


async def react(rooms: Rooms, user_id: int, at: tuple[int, int], msg_id: str, emoji: str, action: int = ADD) -> Any:
    request = message_pb2.ReactRequest(
        user_id=user_id, target=target(*at), msg_id=msg_id, emoji=emoji, action=action
    )
    return json.loads((await rooms.messages.react(request)).reactions)


async def reactors(rooms: Rooms, user_id: int, at: tuple[int, int], msg_id: str, **more: Any) -> Any:
    return await rooms.messages.load_reactions(
        message_pb2.LoadReactionsRequest(user_id=user_id, target=target(*at), msg_id=msg_id, **more)
    )


def shown(reactions: Any) -> list[tuple[str, int, bool]]:
    return [(each["emoji"], each["count"], each["is_mine"]) for each in reactions]


async def test_each_reader_sees_the_counts_and_his_own(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    sent = await rooms.send(1, 1, 2, "look")
    page = await rooms.sync(2)
    assert sent["reactions"] == []
    await react(rooms, 2, (1, 1), sent["msg_id"], "👍")
    await react(rooms, 1, (1, 2), sent["msg_id"], "🎉")
    assert shown(await react(rooms, 1, (1, 2), sent["msg_id"], "👍")) == [("👍", 2, True), ("🎉", 1, True)]
    mine = [("👍", 2, True), ("🎉", 1, False)]
    assert [shown(r["reactions"]) for r in await rooms.records(2, 1, 1)] == [mine]
    ranged = await rooms.messages.load_range(
        message_pb2.LoadRangeRequest(user_id=2, talk_id=talk_id, from_sequence=1, to_sequence=1, codec=1)  # type: ignore[arg-type]
    )
    assert [shown(r["reactions"]) for r in json.loads(ranged.records)] == [mine]
    away = await rooms.sync(2, epoch=page["epoch"], versions=page["versions"], talks=[(talk_id, 1, 0, 0)])
    (talk,) = away["talks"]
    assert ([shown(r["reactions"]) for r in talk["records"]], talk["last_change"]) == ([mine], 3)
    (new,) = (await rooms.sync(2))["talks"]
    assert [shown(r["reactions"]) for r in new["records"]] == [mine]
    # What is so already changes nothing, and what is taken back goes.
    for _ in range(2):
        left = await react(rooms, 2, (1, 1), sent["msg_id"], "👍", REMOVE)
        assert shown(left) == [("👍", 1, False), ("🎉", 1, False)]
        await react(rooms, 1, (1, 2), sent["msg_id"], "🎉")
    assert (await rooms.sync(2))["talks"][0]["last_change"] == 4
    await rooms.recall(1, 1, 2, sent["msg_id"])
    assert [r["reactions"] for r in await rooms.records(1, 1, 2)] == [[]]
    assert await refused(react(rooms, 2, (1, 1), sent["msg_id"], "👍")) == "unknown_message"
    assert await refused(reactors(rooms, 2, (1, 1), sent["msg_id"])) == "unknown_message"


async def test_many_at_once_are_all_counted(rooms: Rooms) -> None:
    users = range(1, 31)
    for user in users:
        rooms.neighbours.users[user] = f"user {user}"
    await rooms.roster(7, [(user, 1, 3, 1) for user in users])
    sent = await rooms.send(1, 2, 7, "vote")
    await asyncio.gather(*(react(rooms, user, (2, 7), sent["msg_id"], "ab"[user % 2]) for user in users for _ in "xx"))
    (record,) = await rooms.records(2, 2, 7)
    assert {each["emoji"]: each["count"] for each in record["reactions"]} == {"a": 15, "b": 15}
    page = await reactors(rooms, 1, (2, 7), sent["msg_id"])
    assert sorted(item.user_id for item in page.items) == list(users)
    assert [item.nickname for item in page.items] == [f"user {item.user_id}" for item in page.items]
    assert page.next_change == 0
    only = await reactors(rooms, 1, (2, 7), sent["msg_id"], emoji="a")
    assert sorted(item.user_id for item in only.items) == list(users)[1::2]


async def test_the_list_comes_in_pages_without_a_hole(rooms: Rooms) -> None:
    users = list(range(1, 131))
    await rooms.roster(7, [(user, 1, 3, 1) for user in users])
    sent = await rooms.send(1, 2, 7, "vote")
    for user in users:
        await react(rooms, user, (2, 7), sent["msg_id"], "👍")
    first = await reactors(rooms, 1, (2, 7), sent["msg_id"])
    rest = await reactors(rooms, 1, (2, 7), sent["msg_id"], after_change=first.next_change)
    assert [item.user_id for page in (first, rest) for item in page.items] == users
    assert (len(first.items), rest.next_change) == (100, 0)


async def test_who_may_react_to_what(rooms: Rooms) -> None:
    await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1)], profile_revision=1)
    early = await rooms.send(1, 2, 7, "before Cid")
    system = message_pb2.SystemMessage(msg_id="line", sender_id=1, msg_type=1102, body=b"{}")
    await rooms.roster(7, [(3, 1, 3, 1)], message=system)
    assert await refused(react(rooms, 3, (2, 7), early["msg_id"], "👍")) == "unknown_message"
    assert await refused(react(rooms, 4, (2, 7), early["msg_id"], "👍")) == "not_member"
    assert await refused(react(rooms, 2, (2, 7), "nothing", "👍")) == "unknown_message"
    assert await refused(react(rooms, 2, (2, 7), "line", "👍")) == "forbidden"
    assert await refused(react(rooms, 2, (2, 7), early["msg_id"], "<b>")) == "invalid"
    for emoji in "abc":
        await react(rooms, 2, (2, 7), early["msg_id"], emoji)
    assert await refused(react(rooms, 2, (2, 7), early["msg_id"], "d")) == "too_many_reactions"
    await rooms.roster(7, [], profile_revision=2, mute_all=True)
    assert await refused(react(rooms, 2, (2, 7), early["msg_id"], "d")) == "muted"
    # What one has said can always be taken back, while one is there.
    assert len(await react(rooms, 2, (2, 7), early["msg_id"], "a", REMOVE)) == 2
    await rooms.hide(2, 2, 7, early["msg_id"])
    assert await refused(react(rooms, 2, (2, 7), early["msg_id"], "b", REMOVE)) == "unknown_message"
    await rooms.roster(7, [(2, 2, 3, 2)])
    assert await refused(react(rooms, 2, (2, 7), early["msg_id"], "b", REMOVE)) == "not_member"


async def test_one_push_serves_everybody_and_names_the_reactor(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    for codec in (0, 1):
        await rooms.routes.connect([1, 2], GATEWAY, codec)
    sent = await rooms.send(1, 1, 2, "look")
    await rooms.settle()
    rooms.gateway.delivered.clear()
    await react(rooms, 2, (1, 1), sent["msg_id"], "👍")
    await rooms.settle()
    record = sent | {"reactions": [{"emoji": "👍", "count": 1, "is_mine": False}]}
    reaction = {"sequence": 1, "user_id": 2, "emoji": "👍", "action": 1}
    told = {"talk_id": talk_id, "change": 1, "records": [record], "voids": [], "reaction": reaction}
    for user in (1, 2):
        assert rooms.gateway.of(user, 1, "talk.changed") == [told]
        assert rooms.gateway.of(user, 0) == []  # the reference client knows no reactions
