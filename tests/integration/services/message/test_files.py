"""A file message is found by its msg_id alone, by those who may read it (contract: http-api, `talk/file-download`)."""

from __future__ import annotations

from tests.integration.services.house import refused
from tests.integration.services.rooms import Rooms
from xinyu.base.errors import UNKNOWN_FILE
from xinyu.wire.v1 import message_pb2


async def found(rooms: Rooms, user_id: int, msg_id: str) -> str:
    return (await rooms.messages.load_file(message_pb2.LoadFileRequest(user_id=user_id, msg_id=msg_id))).key


async def gone(rooms: Rooms, user_id: int, msg_id: str) -> None:
    request = message_pb2.LoadFileRequest(user_id=user_id, msg_id=msg_id)
    await refused(rooms.messages.load_file(request), UNKNOWN_FILE)


async def test_members_only_and_what_was_taken_back_or_hidden_is_gone(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    sent = [await rooms.send_file(1, 1, 2, f"{n}.bin") for n in range(3)]
    text = await rooms.send(1, 1, 2, "no file")
    for n, record in enumerate(sent):
        assert await found(rooms, 1, record["msg_id"]) == await found(rooms, 2, record["msg_id"]) == f"{n}.bin"
        await gone(rooms, 3, record["msg_id"])
    for msg_id in (text["msg_id"], "unknown", ""):
        await gone(rooms, 1, msg_id)
    await rooms.recall(1, 1, 2, sent[0]["msg_id"])
    await rooms.hide(2, 1, 1, sent[1]["msg_id"])
    await gone(rooms, 1, sent[0]["msg_id"])
    await gone(rooms, 2, sent[0]["msg_id"])
    await gone(rooms, 2, sent[1]["msg_id"])
    assert await found(rooms, 1, sent[1]["msg_id"]) == "1.bin"
    await rooms.clear(2, 1, 1, 4)
    await gone(rooms, 2, sent[2]["msg_id"])


async def test_who_left_reads_what_lay_in_his_window(rooms: Rooms) -> None:
    await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1)], profile_revision=1)
    before = await rooms.send_file(1, 2, 7, "before.bin")
    await rooms.roster(7, [(2, 2, 3, 2)])
    after = await rooms.send_file(1, 2, 7, "after.bin")
    assert await found(rooms, 2, before["msg_id"]) == "before.bin"
    await gone(rooms, 2, after["msg_id"])
    await rooms.roster(7, [(3, 1, 3, 3)])
    await gone(rooms, 3, before["msg_id"])


async def test_of_several_with_one_msg_id_ones_own_else_the_earliest(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    await rooms.befriend(2, 3)
    await rooms.befriend(1, 3)
    await rooms.send_file(1, 1, 2, "first.bin", msg_id="same")
    await rooms.send_file(3, 1, 2, "second.bin", msg_id="same")
    await rooms.send_file(3, 1, 1, "third.bin", msg_id="same")
    assert await found(rooms, 2, "same") == "first.bin"
    assert await found(rooms, 1, "same") == "first.bin"
    assert await found(rooms, 3, "same") in ("second.bin", "third.bin")
