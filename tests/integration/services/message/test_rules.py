"""Rules of belonging, repeats and telling that are easily got wrong."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.database_storage import Storage
from tests.integration.services.embedded_platform import SettableClock
from tests.integration.services.rooms import GATEWAY, Rooms, refused, target
from xinyu.wire.v1 import message_pb2, talk_pb2


def system(msg_id: str, msg_type: int, sender_id: int = 1) -> message_pb2.SystemMessage:
    body = json.dumps({"owner_id": sender_id, "owner_name": "Ann", "members": []}).encode()
    return message_pb2.SystemMessage(msg_id=msg_id, sender_id=sender_id, msg_type=msg_type, body=body)


async def group_of_three(rooms: Rooms) -> int:
    return (await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1), (3, 1, 3, 1)])).talk_id


async def test_who_left_reads_hides_and_clears_up_to_where_he_left(rooms: Rooms) -> None:
    talk_id = await group_of_three(rooms)
    first = await rooms.send(1, 2, 7, "one")
    await rooms.send(1, 2, 7, "two")
    await rooms.roster(7, [(3, 2, 3, 2)])
    unseen = await rooms.send(1, 2, 7, "three")
    assert (await rooms.read(3, talk_id, 99)).read_sequence == 2
    await rooms.hide(3, 2, 7, first["msg_id"], unseen["msg_id"])
    assert [r["sequence"] for r in await rooms.records(3, 2, 7)] == [2]
    assert (await rooms.clear(3, 2, 7)).from_sequence == 3
    assert await rooms.records(3, 2, 7) == []
    (session,) = await rooms.list(3)
    assert (session["unread_num"], session["msg_text"]) == (0, "")


async def test_who_was_removed_cannot_recall(rooms: Rooms) -> None:
    await group_of_three(rooms)
    record = await rooms.send(3, 2, 7, "mine")
    await rooms.roster(7, [(3, 3, 3, 2)])
    assert await refused(rooms.recall(3, 2, 7, record["msg_id"])) == "not_member"


async def test_a_repeat_after_leaving_answers_the_stored_record(rooms: Rooms) -> None:
    await group_of_three(rooms)
    record = await rooms.send(3, 2, 7, "mine", msg_id="m1")
    await rooms.roster(7, [(3, 2, 3, 2)])
    assert await rooms.send(3, 2, 7, "mine", msg_id="m1") == record
    assert await refused(rooms.send(3, 2, 7, "another", msg_id="m2")) == "not_member"


async def test_the_removed_hear_of_it_and_of_nothing_later(rooms: Rooms) -> None:
    await group_of_three(rooms)
    for codec in (0, 1):
        await rooms.routes.connect([3], GATEWAY, codec)
    await rooms.roster(7, [(3, 3, 3, 2)], message=system("gone", 1104), message_first=True)
    await rooms.send(1, 2, 7, "without you")
    await rooms.settle()
    for codec in (0, 1):
        assert [p["body"]["msg_type"] for p in rooms.gateway.of(3, codec, "im.message")] == [1104]
    changes = rooms.gateway.of(3, 1, "talk.changed")
    assert changes[-1]["members"] == [{"user_id": 3, "role": 3, "state": "removed", "muted_until_ms": 0}]


async def test_a_repeated_roster_makes_sessions_again_and_no_second_message(rooms: Rooms) -> None:
    entries = [(1, 1, 1, 1), (2, 1, 3, 1)]
    talk = await rooms.roster(7, entries, message=system("made", 1101), profile_revision=1)

    def lose(connection: Any) -> None:
        connection.exec_driver_sql("DELETE FROM talk_session")

    await rooms.database.write(lose)  # as if it had died before it told the talk room
    again = await rooms.roster(7, entries, message=system("made", 1101), profile_revision=1)
    assert (again.last_sequence, again.change) == (talk.last_sequence, talk.change) == (1, 1)
    assert [len(await rooms.list(user_id)) for user_id in (1, 2)] == [1, 1]


async def test_a_late_repeat_revives_no_session_that_its_user_deleted(rooms: Rooms) -> None:
    await group_of_three(rooms)
    await rooms.roster(7, [(3, 2, 3, 2)])
    await rooms.talks.delete_session(talk_pb2.DeleteSessionRequest(user_id=3, target=target(2, 7)))
    await rooms.roster(7, [(3, 1, 3, 1)])
    assert await rooms.list(3) == []
    await rooms.roster(7, [(3, 1, 3, 3)])
    assert len(await rooms.list(3)) == 1


async def test_a_pair_s_word_that_is_not_newer_changes_nothing(rooms: Rooms) -> None:
    await rooms.befriend(1, 2, revision=5)
    for revision in (4, 5):
        await rooms.messages.change_pair(
            message_pb2.ChangePairRequest(user_low=1, user_high=2, low_may_send=1, high_may_send=1, revision=revision)
        )
    assert (await rooms.send(1, 1, 2, "still friends"))["sequence"] == 1


async def test_a_greeting_is_stored_once(rooms: Rooms) -> None:
    await asyncio.gather(*(rooms.befriend(1, 2, greeting=True) for _ in range(3)))
    assert len(await rooms.records(1, 1, 2)) == 1


async def test_one_talk_is_made_by_all_who_open_it_at_once(rooms: Rooms) -> None:
    opened = await asyncio.gather(
        *(
            rooms.messages.open_talk(message_pb2.OpenTalkRequest(user_id=user, target=target(1, 3 - user)))
            for user in (1, 2, 1, 2, 1)
        )
    )
    assert len({head.talk_id for head in opened}) == 1


async def test_talk_own_carries_read_from_and_voids(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    await rooms.routes.connect([2], GATEWAY, 1)
    sent = [await rooms.send(1, 1, 2, str(n)) for n in range(3)]
    await rooms.read(2, talk_id, 1)
    await rooms.hide(2, 1, 1, sent[1]["msg_id"], sent[2]["msg_id"])
    await rooms.clear(2, 1, 1, 1)
    await rooms.settle()
    assert rooms.gateway.of(2, 1, "talk.own") == [
        {"talk_id": talk_id, "own": 1, "read_sequence": 1, "from": 1, "voids": []},
        {"talk_id": talk_id, "own": 2, "read_sequence": 1, "from": 1, "voids": [[2, 3]]},
        {"talk_id": talk_id, "own": 3, "read_sequence": 1, "from": 2, "voids": []},
    ]


async def test_a_message_recalled_before_it_was_told_reaches_no_page_that_would_throw(storage: Storage) -> None:
    database = await storage.open()
    first = Rooms(database, incarnation="first")
    first.neighbours.users = {1: "Ann", 2: "Bob"}
    await first.start()
    await first.befriend(1, 2)
    await first.settle()
    await first.message_dispatcher.close()
    record = await first.send(1, 1, 2, "oops")
    await first.recall(1, 1, 2, record["msg_id"])
    second = Rooms(database, incarnation="second", neighbours=first.neighbours)
    for codec in (0, 1):
        await second.routes.connect([2], GATEWAY, codec)
    await second.take_over()
    await second.message_dispatcher.recover()
    second.message_dispatcher.start()
    second.talk_dispatcher.start()
    await second.settle()
    assert second.gateway.of(2, 0, "im.message") == []
    assert [p["body"]["is_revoked"] for p in second.gateway.of(2, 1, "im.message")] == [1]
    assert len(second.gateway.of(2, 0, "im.message.revoke")) == 1
    await second.stop()
    await first.talk_dispatcher.close()
    await database.close()


async def test_typing_reaches_the_peer_about_once_a_second(storage: Storage) -> None:
    database = await storage.open()
    clock = SettableClock()
    rooms = Rooms(database, clock=clock)
    rooms.neighbours.users = {1: "Ann", 2: "Bob", 3: "Cid"}
    await rooms.start()
    talk_id = await rooms.befriend(1, 2)
    for codec in (0, 1):
        await rooms.routes.connect([2], GATEWAY, codec)
    request = message_pb2.TypingRequest(user_id=1, target=target(1, 2))

    async def told(codec: int) -> list[dict[str, Any]]:
        while tasks := [t for t in rooms.message_dispatcher._tasks if "_deliver" in repr(t)]:
            await asyncio.wait(tasks)
        return rooms.gateway.of(2, codec, "im.message.keyboard")

    for _ in range(20):
        await rooms.messages.typing(request)
    assert await told(0) == [{"talk_mode": 1, "to_from_id": 2, "from_id": 1}]
    assert await told(1) == [{"talk_mode": 1, "to_from_id": 2, "from_id": 1, "talk_id": talk_id}]
    clock.advance_s(1.0)
    await rooms.messages.typing(request)
    assert len(await told(0)) == 2
    clock.advance_s(1.0)
    for stranger in ((3, target(1, 2)), (1, target(2, 7)), (2, target(1, 2))):
        await rooms.messages.typing(message_pb2.TypingRequest(user_id=stranger[0], target=stranger[1]))
    assert len(await told(0)) == 2
    await rooms.stop()
    await database.close()


async def test_a_message_committed_before_a_join_and_told_after_it_stays_unseen(storage: Storage) -> None:
    database = await storage.open()
    rooms = Rooms(database)
    await rooms.take_over()
    rooms.talk_dispatcher.start()
    for user_id in (1, 3):
        await rooms.routes.connect([user_id], GATEWAY, 1)
    entries = [message_pb2.RosterEntry(user_id=1, state=1, role=1, revision=1)]
    await rooms.messages.change_roster(message_pb2.ChangeRosterRequest(group_id=7, entries=entries))
    await rooms.send(1, 2, 7, "before")
    entries = [message_pb2.RosterEntry(user_id=3, state=1, role=3, revision=1)]
    await rooms.messages.change_roster(message_pb2.ChangeRosterRequest(group_id=7, entries=entries))
    await rooms.send(1, 2, 7, "after")
    rooms.message_dispatcher.start()  # only now is anything told
    await rooms.settle()
    assert [p["sequence"] for p in rooms.gateway.of(1, 1, "im.message")] == [1, 2]
    assert [p["sequence"] for p in rooms.gateway.of(3, 1, "im.message")] == [2]
    await rooms.stop()
    await database.close()


async def test_a_change_is_told_as_its_number_alone_to_who_may_not_see_the_message(rooms: Rooms) -> None:
    talk_id = await group_of_three(rooms)
    record = await rooms.send(1, 2, 7, "before Dan")
    await rooms.roster(7, [(4, 1, 3, 1)])
    for user_id in (2, 4):
        await rooms.routes.connect([user_id], GATEWAY, 1)
    await rooms.settle()
    rooms.gateway.delivered.clear()
    await rooms.recall(1, 2, 7, record["msg_id"])
    await rooms.settle()
    (told,) = rooms.gateway.of(2, 1, "talk.changed")
    assert [r["sequence"] for r in told["records"]] == [1]
    assert rooms.gateway.of(4, 1, "talk.changed") == [
        {"talk_id": talk_id, "change": told["change"], "records": [], "voids": []}
    ]
