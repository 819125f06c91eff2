"""Pins: who may, what is listed to whom, and that a recall takes them away."""

from __future__ import annotations

import json
from typing import Any

from tests.database_storage import Storage
from tests.integration.services.rooms import GATEWAY, Rooms, refused, target
from xinyu.base.config import MessageSettings
from xinyu.wire.v1 import message_pb2

SET, CLEAR = 1, 2


async def pin(rooms: Rooms, user_id: int, at: tuple[int, int], msg_id: str, action: int = SET) -> None:
    await rooms.messages.pin(
        message_pb2.PinRequest(user_id=user_id, target=target(*at), msg_id=msg_id, action=action)
    )


async def pins(rooms: Rooms, user_id: int, at: tuple[int, int]) -> list[str]:
    request = message_pb2.LoadPinsRequest(user_id=user_id, target=target(*at), codec=1)  # type: ignore[arg-type]
    page: list[Any] = json.loads((await rooms.messages.load_pins(request)).items)
    assert all(record["is_pinned"] for record in page)
    return [record["msg_id"] for record in page]


async def test_both_of_a_pair_pin_and_the_newest_pin_comes_first(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    for codec in (0, 1):
        await rooms.routes.connect([2], GATEWAY, codec)
    for msg_id in "abc":
        await rooms.send(1, 1, 2, msg_id, msg_id=msg_id)
    await rooms.settle()
    rooms.gateway.delivered.clear()
    for user_id, peer, msg_id in ((1, 2, "b"), (2, 1, "a"), (1, 2, "c"), (1, 2, "c")):
        await pin(rooms, user_id, (1, peer), msg_id)
    await rooms.settle()
    told = rooms.gateway.of(2, 1, "talk.changed")
    assert [(p["change"], [(r["msg_id"], r["is_pinned"]) for r in p["records"]]) for p in told] == [
        (1, [("b", True)]), (2, [("a", True)]), (3, [("c", True)])
    ]  # fmt: skip
    assert rooms.gateway.of(2, 0) == []
    assert await pins(rooms, 1, (1, 2)) == await pins(rooms, 2, (1, 1)) == ["c", "a", "b"]
    assert [r["is_pinned"] for r in await rooms.records(2, 1, 1)] == [True, True, True]
    for _ in range(2):
        await pin(rooms, 2, (1, 1), "a", CLEAR)
    # What is recalled is pinned no longer, and what one has hidden one does not see.
    await rooms.recall(1, 1, 2, "c")
    assert await pins(rooms, 1, (1, 2)) == ["b"]
    await rooms.hide(2, 1, 1, "b")
    assert (await pins(rooms, 2, (1, 1)), await pins(rooms, 1, (1, 2))) == ([], ["b"])
    assert await refused(pin(rooms, 1, (1, 2), "c")) == "unknown_message"
    (talk,) = (await rooms.sync(1))["talks"]
    assert (talk["talk_id"], talk["last_change"]) == (talk_id, 5)
    assert [(r["msg_id"], r["is_pinned"]) for r in talk["records"]] == [("a", False), ("b", True), ("c", False)]


async def test_in_a_group_its_owner_and_admins(rooms: Rooms) -> None:
    await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 2, 1), (3, 1, 3, 1)])
    for msg_id in ("one", "two"):
        await rooms.send(3, 2, 7, msg_id, msg_id=msg_id)
    assert await refused(pin(rooms, 3, (2, 7), "one")) == "forbidden"
    assert await refused(pin(rooms, 4, (2, 7), "one")) == "not_member"
    await pin(rooms, 1, (2, 7), "one")
    await pin(rooms, 2, (2, 7), "two")
    assert await refused(pin(rooms, 3, (2, 7), "one", CLEAR)) == "forbidden"
    assert await pins(rooms, 3, (2, 7)) == ["two", "one"]
    # Who comes later sees only what is pinned in his window.
    await rooms.roster(7, [(4, 1, 3, 1)])
    await rooms.send(3, 2, 7, "three", msg_id="three")
    await pin(rooms, 1, (2, 7), "three")
    assert await pins(rooms, 4, (2, 7)) == ["three"]
    await rooms.roster(7, [(1, 2, 3, 2)])
    assert await refused(pin(rooms, 1, (2, 7), "one")) == "not_member"


async def test_everybody_where_that_is_set_and_no_more_than_fifty(storage: Storage) -> None:
    database = await storage.open()
    rooms = Rooms(database, settings=MessageSettings(members_may_pin=True))
    await rooms.start()
    await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1)])
    for n in range(51):
        await rooms.send(1, 2, 7, str(n), msg_id=f"m{n}")
    for n in range(50):
        await pin(rooms, 2, (2, 7), f"m{n}")
    assert await refused(pin(rooms, 2, (2, 7), "m50")) == "too_many_pins"
    await pin(rooms, 2, (2, 7), "m0", CLEAR)
    await pin(rooms, 2, (2, 7), "m50")
    assert (await pins(rooms, 1, (2, 7)))[:2] == ["m50", "m49"]
    await rooms.stop()
    await database.close()
