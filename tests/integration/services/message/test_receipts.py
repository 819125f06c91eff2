"""Read receipts: told in pairs, asked for in groups, hidden both ways."""

from __future__ import annotations

from typing import Any

from tests.integration.services.rooms import GATEWAY, Rooms, refused, target
from xinyu.base.config import MessageSettings
from xinyu.wire.v1 import message_pb2


async def readers(
    rooms: Rooms, user_id: int, mode: int, to_from_id: int, msg_id: str
) -> tuple[dict[int, bool], int, int]:
    page = await rooms.messages.load_readers(
        message_pb2.LoadReadersRequest(user_id=user_id, target=target(mode, to_from_id), msg_id=msg_id)
    )
    return {r.user_id: r.has_read for r in page.readers}, page.read_count, page.unread_count


async def hide_reads(rooms: Rooms, user_id: int, revision: int, *, is_hidden: bool = True) -> None:
    await rooms.messages.choose_receipts(
        message_pb2.ChooseReceiptsRequest(user_id=user_id, is_hidden=is_hidden, revision=revision)
    )


async def told(rooms: Rooms, user_id: int) -> list[Any]:
    """(change, peer_read_sequence) of the pushes to his devices."""
    await rooms.settle()
    return [(p["change"], p.get("peer_read_sequence")) for p in rooms.gateway.of(user_id, 1, "talk.changed")]


async def answer(rooms: Rooms, user_id: int, talk_id: int, sequence: int, change: int = 0) -> dict[str, Any]:
    epoch = await rooms.talk_service.epoch()
    page = await rooms.sync(user_id, epoch=epoch, talks=[(talk_id, sequence, change, 0)])
    (talk,) = [talk for talk in page["talks"] if talk["talk_id"] == talk_id]
    return dict(talk)


async def test_a_pair_is_told_once_what_the_other_has_read_and_by_sync(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    await rooms.routes.connect([1, 2], GATEWAY, 1)
    for text in ("one", "two", "three"):
        await rooms.send(1, 1, 2, text)
    await rooms.read(2, talk_id, 2)
    await rooms.read(2, talk_id, 1)  # behind: nothing moves
    assert await told(rooms, 1) == [(1, 2)]
    assert await told(rooms, 2) == [(1, None)]  # the number alone: no hole in his own
    shown = await answer(rooms, 1, talk_id, 3)
    assert (shown["last_change"], shown["peer_read_sequence"]) == (1, 2)
    # What he wrote himself he has read.
    assert (await answer(rooms, 2, talk_id, 0))["peer_read_sequence"] == 3
    await rooms.send(1, 1, 2, "four")
    assert (await rooms.records(1, 1, 2))[0]["sequence"] == 4


async def test_who_hides_is_not_told_of_and_not_told(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    await rooms.routes.connect([1, 2], GATEWAY, 1)
    record = await rooms.send(1, 1, 2, "hello")
    await hide_reads(rooms, 2, 5)
    await hide_reads(rooms, 2, 4, is_hidden=False)  # an older word, late
    await rooms.read(2, talk_id)
    back = await rooms.send(2, 1, 1, "back")
    await rooms.read(1, talk_id)
    assert await told(rooms, 1) == await told(rooms, 2) == []
    for user_id in (1, 2):
        assert "peer_read_sequence" not in await answer(rooms, user_id, talk_id, 0)
    assert await refused(readers(rooms, 1, 1, 2, record["msg_id"])) == "receipts_off"
    assert await refused(readers(rooms, 2, 1, 1, back["msg_id"])) == "receipts_off"
    await hide_reads(rooms, 2, 6, is_hidden=False)
    assert await readers(rooms, 1, 1, 2, record["msg_id"]) == ({2: True}, 1, 0)
    await rooms.send(1, 1, 2, "again")
    await rooms.read(2, talk_id)
    assert await told(rooms, 1) == [(1, 3)]


async def test_nothing_is_told_between_two_of_whom_one_has_blocked_the_other(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    await rooms.routes.connect([1, 2], GATEWAY, 1)
    record = await rooms.send(1, 1, 2, "hello")
    await rooms.messages.change_pair(
        message_pb2.ChangePairRequest(user_low=1, user_high=2, low_may_send=2, high_may_send=0, revision=2)
    )
    await rooms.read(2, talk_id)
    assert await told(rooms, 1) == []
    assert await refused(readers(rooms, 1, 1, 2, record["msg_id"])) == "receipts_off"


async def test_a_groups_readers_are_those_whose_cursor_has_come_so_far(rooms: Rooms) -> None:
    talk_id = (await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1), (3, 1, 3, 1), (4, 1, 3, 1)])).talk_id
    first = await rooms.send(1, 2, 7, "one")
    rooms.neighbours.users[5] = "Eve"
    await rooms.roster(7, [(5, 1, 3, 1)])
    second = await rooms.send(1, 2, 7, "two")
    await rooms.read(2, talk_id, 1)
    await rooms.send(3, 2, 7, "an answer counts")
    assert await readers(rooms, 1, 2, 7, first["msg_id"]) == ({2: True, 3: True, 4: False}, 2, 1)
    assert await readers(rooms, 2, 2, 7, second["msg_id"]) == ({2: False, 3: True, 4: False, 5: False}, 1, 3)
    # It told nobody, and took no number: groups are asked.
    assert (await answer(rooms, 1, talk_id, 0))["last_change"] == 2
    await hide_reads(rooms, 4, 1)
    await rooms.roster(7, [(3, 2, 3, 2)])
    assert await readers(rooms, 1, 2, 7, first["msg_id"]) == ({2: True}, 1, 0)
    assert await refused(readers(rooms, 4, 2, 7, first["msg_id"])) == "receipts_off"
    assert await refused(readers(rooms, 5, 2, 7, first["msg_id"])) == "unknown_message"
    assert await refused(readers(rooms, 3, 2, 7, first["msg_id"])) == "not_member"
    assert await refused(readers(rooms, 1, 2, 7, "nothing")) == "unknown_message"
    assert await refused(readers(rooms, 6, 2, 7, first["msg_id"])) == "not_member"


async def test_names_are_told_with_the_readers(rooms: Rooms) -> None:
    await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1)])
    record = await rooms.send(1, 2, 7, "one")
    page = await rooms.messages.load_readers(
        message_pb2.LoadReadersRequest(user_id=1, target=target(2, 7), msg_id=record["msg_id"])
    )
    assert [reader.nickname for reader in page.readers] == ["Bob"]


async def test_a_large_group_has_none(traced: Any) -> None:
    rooms = Rooms(traced, settings=MessageSettings(receipts_up_to_members=2))
    await rooms.start()
    try:
        await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1)])
        record = await rooms.send(1, 2, 7, "one")
        assert await readers(rooms, 1, 2, 7, record["msg_id"]) == ({2: False}, 0, 1)
        await rooms.roster(7, [(3, 1, 3, 1)])
        assert await refused(readers(rooms, 1, 2, 7, record["msg_id"])) == "receipts_off"
    finally:
        await rooms.stop()
