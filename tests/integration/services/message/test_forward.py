"""Forwards: who may forward what, that a repeat neither doubles nor loses, and who reads what is merged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from tests.database_storage import Storage
from tests.integration.services.embedded_platform import SettableClock
from tests.integration.services.rooms import Rooms, refused, target
from xinyu.base.errors import XinYuError
from xinyu.wire.v1 import message_pb2

ONE_BY_ONE, MERGED = 1, 2


async def forward(
    rooms: Rooms,
    user_id: int,
    source: tuple[int, int],
    msg_ids: Sequence[str],
    *,
    action: int = ONE_BY_ONE,
    users: Sequence[int] = (),
    groups: Sequence[int] = (),
    msg_id: str = "",
) -> list[message_pb2.ForwardResult]:
    request = message_pb2.ForwardRequest(
        user_id=user_id,
        source=target(*source),
        action=action,
        msg_ids=msg_ids,
        user_ids=users,
        group_ids=groups,
        msg_id=msg_id,
    )
    return list((await rooms.messages.forward(request)).results)


async def read(rooms: Rooms, user_id: int, msg_ids: Sequence[str], at: tuple[int, int] | None = None) -> list[Any]:
    request = message_pb2.LoadForwardedRequest(
        user_id=user_id,
        msg_ids=msg_ids,
        target=target(*at) if at else None,
        codec=1,  # type: ignore[arg-type]
    )
    items: list[Any] = json.loads((await rooms.messages.load_forwarded(request)).items)
    return items


def texts(records: list[Any]) -> list[str]:
    return [json.loads(record["extra"]).get("content", "") for record in records]


async def test_copies_of_their_own_types_to_friends_and_groups(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    await rooms.befriend(1, 3)
    await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1)])
    text = await rooms.send(1, 1, 2, "hello")
    file = await rooms.send_file(2, 1, 1, "a.bin")
    results = await forward(rooms, 1, (1, 2), [file["msg_id"], text["msg_id"]], users=[3], groups=[7])
    assert [(r.to_talk_mode, r.to_id, r.reason) for r in results] == [(1, 3, ""), (1, 3, ""), (2, 7, ""), (2, 7, "")]
    for user_id, mode, to_from_id, ids in ((3, 1, 1, results[:2]), (2, 2, 7, results[2:])):
        newest, before = await rooms.records(user_id, mode, to_from_id)
        assert [(r["msg_type"], r["from_id"]) for r in (before, newest)] == [(1, 1), (6, 1)]
        assert [r["msg_id"] for r in (before, newest)] == [r.msg_id for r in ids]
        assert before["extra"] == text["extra"]
        # Who got the copy may download it, by the copy's id and not by the source's.
        found = await rooms.messages.load_file(message_pb2.LoadFileRequest(user_id=user_id, msg_id=newest["msg_id"]))
        assert found.key == "a.bin"
    assert (
        await refused(rooms.messages.load_file(message_pb2.LoadFileRequest(user_id=3, msg_id=file["msg_id"])))
        == "unknown_file"
    )


async def test_only_what_the_forwarder_can_read_now(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    await rooms.befriend(1, 3)
    await rooms.befriend(2, 3)
    good = await rooms.send(2, 1, 1, "good")
    recalled = await rooms.send(1, 1, 2, "recalled")
    await rooms.recall(1, 1, 2, recalled["msg_id"])
    hidden = await rooms.send(2, 1, 1, "hidden")
    await rooms.hide(1, 1, 2, hidden["msg_id"])
    for wrong in (recalled["msg_id"], hidden["msg_id"], "nothing"):
        for action in (ONE_BY_ONE, MERGED):
            ids = [good["msg_id"], wrong]
            assert await refused(forward(rooms, 1, (1, 2), ids, action=action, users=[3])) == "unknown_message"
    assert await refused(forward(rooms, 3, (1, 1), [good["msg_id"]], users=[2])) == "unknown_message"
    assert await refused(forward(rooms, 4, (1, 2), [good["msg_id"]], users=[2])) == "unknown_talk"
    await rooms.roster(7, [(1, 1, 1, 1)])
    early = await rooms.send(1, 2, 7, "before Cid")
    await rooms.roster(7, [(3, 1, 3, 1)])
    assert await refused(forward(rooms, 2, (2, 7), [early["msg_id"]], users=[1])) == "not_member"
    assert await refused(forward(rooms, 3, (2, 7), [early["msg_id"]], users=[1])) == "unknown_message"
    assert await rooms.records(3, 1, 1) == []


async def test_each_copy_goes_by_the_rules_of_its_own_talk(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    await rooms.befriend(1, 3)
    source = await rooms.send(2, 1, 1, "pass it on")
    await rooms.messages.change_pair(
        message_pb2.ChangePairRequest(user_low=1, user_high=3, low_may_send=2, high_may_send=0, revision=2)
    )
    await rooms.roster(7, [(1, 1, 3, 1), (2, 1, 1, 1)], profile_revision=1, mute_all=True)
    results = await forward(rooms, 1, (1, 2), [source["msg_id"]], users=[1, 2, 3, 4, 99], groups=[7, 8])
    assert [(r.to_id, r.reason) for r in results] == [
        (1, "self"), (2, ""), (3, "blocked"), (4, "not_friend"), (99, "unknown_user"), (7, "muted"),
        (8, "unknown_group"),
    ]  # fmt: skip
    assert [bool(r.msg_id) for r in results] == [not r.reason for r in results]


async def test_a_repeat_neither_doubles_nor_loses(storage: Storage) -> None:
    database = await storage.open()
    clock = SettableClock()
    rooms = Rooms(database, clock=clock)
    rooms.neighbours.users = {1: "Ann", 2: "Bob", 3: "Cid"}
    await rooms.start()
    await rooms.befriend(1, 2)
    await rooms.befriend(1, 3)
    sent = [await rooms.send(1, 1, 2, str(n)) for n in range(3)]
    ids = [record["msg_id"] for record in sent]
    both = await asyncio.gather(*(forward(rooms, 1, (1, 2), ids, users=[3]) for _ in range(2)))
    assert both[0] == both[1]
    assert texts(await rooms.records(3, 1, 1)) == ["2", "1", "0"]

    # As if the first try had died after one of its messages: the repeat stores what is not there.
    def lose(connection: Any) -> None:
        connection.exec_driver_sql("DELETE FROM message WHERE sequence > 1 AND talk_id = 2")
        connection.exec_driver_sql("UPDATE talk SET last_sequence = 1 WHERE talk_id = 2")

    assert (await rooms.records(3, 1, 1))[0]["talk_id"] == 2
    await rooms.database.write(lose)
    assert await forward(rooms, 1, (1, 2), ids, users=[3]) == both[0]
    assert texts(await rooms.records(3, 1, 1)) == ["2", "1", "0"]
    # Another content, and the same one later, are forwards of their own; one with an id of its own never is.
    await forward(rooms, 1, (1, 2), ids[:1], users=[3])
    clock.advance_s(31)
    await forward(rooms, 1, (1, 2), ids, users=[3])
    assert texts(await rooms.records(3, 1, 1)) == ["2", "1", "0", "0", "2", "1", "0"]
    for _ in range(2):
        await forward(rooms, 1, (1, 2), ids[:1], users=[3], msg_id="mine")
        clock.advance_s(31)
    assert len(await rooms.records(3, 1, 1)) == 8
    await rooms.stop()
    await database.close()


async def test_whom_a_merged_forward_reaches_reads_its_sources_and_nobody_else(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    await rooms.befriend(1, 3)
    sent = [await rooms.send(1 + n % 2, 1, 2 - n % 2, f"<{n}>") for n in range(3)]
    ids = [sent[2]["msg_id"], sent[0]["msg_id"]]
    assert texts(await read(rooms, 1, ids)) == []  # not yet forwarded: found in the talk that is named
    assert texts(await read(rooms, 1, ids, at=(1, 2))) == ["<2>", "<0>"]
    assert await read(rooms, 3, ids, at=(1, 2)) == []
    (result,) = await forward(rooms, 1, (1, 2), ids, action=MERGED, users=[3])
    (record,) = await rooms.records(3, 1, 1)
    assert (record["msg_type"], record["msg_id"]) == (9, result.msg_id)
    body = json.loads(record["extra"])
    assert body["msg_ids"] == [sent[0]["msg_id"], sent[2]["msg_id"]]
    assert body["records"] == [{"nickname": "Ann", "content": "<0>"}, {"nickname": "Ann", "content": "<2>"}]
    for reader in (1, 2, 3):
        assert texts(await read(rooms, reader, ids)) == ["<2>", "<0>"]  # in the order that is asked for
    assert await read(rooms, 4, ids) == []
    assert await read(rooms, 3, [sent[1]["msg_id"]]) == []  # of the same talk, but not forwarded
    # Defect 17: what is recalled in its talk is recalled here.
    await rooms.recall(1, 1, 2, sent[0]["msg_id"])
    assert [(r["is_revoked"], r["extra"] == "{}") for r in await read(rooms, 3, ids)] == [(2, False), (1, True)]
    # And when the forward itself is taken back, it shows nothing any more.
    await rooms.recall(1, 1, 3, result.msg_id)
    assert await read(rooms, 3, ids) == []


async def test_what_is_merged_within_is_read_through_the_outer_one(rooms: Rooms) -> None:
    for pair in ((1, 2), (1, 3), (3, 4)):
        await rooms.befriend(*pair)
    file = await rooms.send_file(2, 1, 1, "deep.bin")
    (inner,) = await forward(rooms, 1, (1, 2), [file["msg_id"]], action=MERGED, users=[3])
    for action in (ONE_BY_ONE, MERGED):
        await forward(rooms, 3, (1, 1), [inner.msg_id], action=action, users=[4])
        assert [r["msg_id"] for r in await read(rooms, 4, [file["msg_id"]])] == [file["msg_id"]]
        found = await rooms.messages.load_file(message_pb2.LoadFileRequest(user_id=4, msg_id=file["msg_id"]))
        assert found.key == "deep.bin"
        for record in await rooms.records(4, 1, 3):
            await rooms.hide(4, 1, 3, record["msg_id"])
        assert await read(rooms, 4, [file["msg_id"]]) == []


async def test_a_card_shows_whom_the_server_knows(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)

    async def send(user_id: int, msg_id: str) -> dict[str, Any]:
        body = json.dumps({"user_id": user_id}).encode()
        card = message_pb2.NewMessage(
            user_id=1, talk_mode=1, to_from_id=2, msg_type=8, body=body, msg_id=msg_id, codec=1  # type: ignore[arg-type]
        )
        record: dict[str, Any] = json.loads((await rooms.send_new(card)).record)
        return record

    record = await send(3, "card")
    assert json.loads(record["extra"]) == {"user_id": 3, "nickname": "Cid", "avatar": ""}
    # The repeat is known by what was asked for, whatever its name is now.
    rooms.neighbours.users[3] = "Cyd"
    assert await send(3, "card") == record
    assert await refused(send(4, "card")) == "conflict"
    assert await refused(send(99, "other")) == "unknown_user"
    # One that is refused takes nobody with it.
    text = message_pb2.NewMessage(user_id=1, talk_mode=1, to_from_id=2, msg_type=1, body=b'{"content":"x"}')
    nobody = message_pb2.NewMessage(user_id=1, talk_mode=1, to_from_id=2, msg_type=8, body=b'{"user_id":98}')
    answer = await rooms.messages.send(message_pb2.SendRequest(messages=[nobody, text]))
    assert [bool(result.record) for result in answer.results] == [False, True]
    assert XinYuError.from_wire(answer.results[0].refusal.reason, "").reason == "unknown_user"
