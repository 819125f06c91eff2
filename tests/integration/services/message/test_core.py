"""Sending, reading, recalling, belonging and catching up, on a real database file."""

from __future__ import annotations

import asyncio
import json

from sqlalchemy import Connection, text

from tests.database_storage import Storage
from tests.integration.services.rooms import GATEWAY, Rooms, refused, target
from xinyu.wire.v1 import message_pb2, options_pb2


async def test_messages_get_numbers_without_holes_and_are_listed(rooms: Rooms) -> None:
    await rooms.befriend(1, 2, greeting=True)
    sent = await asyncio.gather(*(rooms.send(1, 1, 2, f"m{n}") for n in range(50)))
    assert sorted(record["sequence"] for record in sent) == list(range(2, 52))
    records = await rooms.records(2, 1, 1, limit=200)
    assert [record["sequence"] for record in records] == list(range(51, 0, -1))
    assert records[0]["nickname"] == "Ann"
    (session,) = await rooms.list(2)
    assert (session["name"], session["unread_num"], session["to_from_id"]) == ("Ann", 50, 1)
    assert session["msg_text"] == json.loads(records[0]["extra"])["content"]
    (mine,) = await rooms.list(1)
    assert mine["unread_num"] == 0


async def test_a_repeat_answers_the_stored_message_and_another_content_is_a_conflict(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    first = await rooms.send(1, 1, 2, "once", msg_id="a" * 32)
    again = await rooms.send(1, 1, 2, "once", msg_id="a" * 32)
    assert again == first
    assert await refused(rooms.send(1, 1, 2, "twice", msg_id="a" * 32)) == "conflict"
    in_one_batch = await asyncio.gather(*(rooms.send(2, 1, 1, "same", msg_id="b" * 32) for _ in range(10)))
    assert {record["sequence"] for record in in_one_batch} == {2}
    assert len(await rooms.records(1, 1, 2)) == 2


async def test_a_refusal_fails_only_its_own_message_of_a_batch(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    await rooms.roster(7, [(1, 1, 1, 1)])
    results = await asyncio.gather(
        rooms.send(1, 1, 2, "stored"),
        rooms.send(3, 2, 7, "no member"),
        rooms.send(1, 2, 99, "no group"),
        rooms.send(2, 1, 1, "stored too"),
        return_exceptions=True,
    )
    assert [r["sequence"] if isinstance(r, dict) else r.reason for r in results] == [
        1, "not_member", "unknown_group", 2,
    ]  # fmt: skip


async def test_between_strangers_nothing_is_stored_and_the_msg_id_stays_free(rooms: Rooms) -> None:
    await rooms.routes.connect([1], GATEWAY, 0)
    record = await rooms.send(1, 1, 2, "hello?", msg_id="c" * 32, codec=0)
    assert (record["sequence"], record["status"]) == (0, 3)
    assert json.loads(record["extra"])["invalid_reason"] == "not_friend"
    assert await refused(rooms.send(1, 1, 88, "nobody")) == "unknown_user"
    assert await refused(rooms.send(1, 1, 1, "me")) == "self"
    await rooms.befriend(1, 2)
    assert (await rooms.send(1, 1, 2, "hello?", msg_id="c" * 32))["sequence"] == 1
    await rooms.settle()
    update = rooms.gateway.of(1, 0, "im.session.update")[0]
    assert update["invalid"] is True and update["msg_text"] == "发送失败"


async def test_pushes_reach_all_devices_of_both_in_their_dialects(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    await rooms.routes.connect([1], GATEWAY, 1)
    await rooms.routes.connect([2], GATEWAY, 0)
    await rooms.routes.connect([2], GATEWAY, 1)
    await rooms.send(1, 1, 2, "<b>&'\"")
    await rooms.settle()
    (own,) = rooms.gateway.of(1, 1, "im.message")
    assert (own["talk_id"], own["sequence"], own["to_from_id"], own["from_id"]) == (talk_id, 1, 2, 1)
    assert json.loads(own["body"]["extra"])["content"] == "<b>&'\""
    (legacy,) = rooms.gateway.of(2, 0, "im.message")
    assert json.loads(legacy["body"]["extra"])["content"] == "&lt;b&gt;&amp;&#39;&#34;"
    (update,) = rooms.gateway.of(2, 0, "im.session.update")
    assert (update["to_from_id"], update["sender_id"]) == (1, 1)
    assert not rooms.gateway.of(2, 1, "im.session.update")
    acks = [e["ackid"] for u, c, e in rooms.gateway.delivered if (u, c) == (2, 0)]
    assert len(acks) == len(set(acks))


async def test_recall_keeps_the_number_and_empties_the_record(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    await rooms.routes.connect([2], GATEWAY, 0)
    await rooms.routes.connect([2], GATEWAY, 1)
    record = await rooms.send(1, 1, 2, "oops")
    request = message_pb2.RevokeRequest(user_id=1, target=target(1, 2), msg_id=record["msg_id"])
    assert (
        await refused(
            rooms.messages.revoke(message_pb2.RevokeRequest(user_id=2, target=target(1, 1), msg_id=record["msg_id"]))
        )
        == "forbidden"
    )
    await rooms.messages.revoke(request)
    await rooms.messages.revoke(request)  # a repeat changes nothing
    (kept,) = await rooms.records(2, 1, 1)
    assert (kept["is_revoked"], kept["extra"], kept["sequence"]) == (1, "{}", 1)
    await rooms.settle()
    (changed,) = rooms.gateway.of(2, 1, "talk.changed")
    assert changed["change"] == 1 and changed["records"][0]["is_revoked"] == 1
    (revoked,) = rooms.gateway.of(2, 0, "im.message.revoke")
    assert revoked["msg_id"] == record["msg_id"] and revoked["remark"]
    (session,) = await rooms.list(2)
    assert session["msg_text"] == revoked["remark"]
    assert session["unread_num"] == 1  # counts until it is read
    assert talk_id


async def test_recall_after_the_window_is_refused(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    record = await rooms.send(1, 1, 2, "old")

    def age(connection: Connection) -> None:
        connection.execute(text("UPDATE message SET sent_at_ms = sent_at_ms - 3600000"))

    await rooms.database.write(age)
    request = message_pb2.RevokeRequest(user_id=1, target=target(1, 2), msg_id=record["msg_id"])
    assert await refused(rooms.messages.revoke(request)) == "revoke_too_late"


async def test_reading_moves_forward_only_and_tells_ones_own_devices(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    await rooms.routes.connect([2], GATEWAY, 1)
    for n in range(5):
        await rooms.send(1, 1, 2, str(n))
    read = await rooms.messages.read(message_pb2.ReadRequest(user_id=2, talk_id=talk_id, sequence=3, has_sequence=True))
    assert (read.read_sequence, read.own) == (3, 1)
    back = await rooms.messages.read(message_pb2.ReadRequest(user_id=2, talk_id=talk_id, sequence=1, has_sequence=True))
    assert (back.read_sequence, back.own) == (3, 1)
    assert (await rooms.list(2))[0]["unread_num"] == 2
    past = await rooms.messages.read(
        message_pb2.ReadRequest(user_id=2, talk_id=talk_id, sequence=99, has_sequence=True)
    )
    assert past.read_sequence == 5
    await rooms.settle()
    assert [p["read_sequence"] for p in rooms.gateway.of(2, 1, "talk.own")] == [3, 5]


async def test_hide_and_clear_are_ones_own(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    records = [await rooms.send(1, 1, 2, str(n)) for n in range(4)]
    hide = message_pb2.HideRequest(user_id=2, target=target(1, 1), msg_ids=[records[3]["msg_id"], "unknown"])
    await rooms.messages.hide(hide)
    await rooms.messages.hide(hide)
    assert [r["sequence"] for r in await rooms.records(2, 1, 1)] == [3, 2, 1]
    assert [r["sequence"] for r in await rooms.records(1, 1, 2)] == [4, 3, 2, 1]
    assert (await rooms.list(2))[0]["msg_text"] == "2"  # the newest that he may see
    assert (await rooms.list(1))[0]["msg_text"] == "3"
    cleared = await rooms.messages.clear_records(
        message_pb2.ClearRecordsRequest(user_id=2, target=target(1, 1), sequence=2, has_sequence=True)
    )
    assert (cleared.own, cleared.from_sequence) == (2, 3)
    assert [r["sequence"] for r in await rooms.records(2, 1, 1)] == [3]
    page = await rooms.sync(2)
    (talk,) = page["talks"]
    assert (talk["talk_id"], talk["from"], talk["voids"]) == (talk_id, 3, [[4, 4]])


async def test_a_member_sees_his_window_only(rooms: Rooms) -> None:
    await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1)])
    await rooms.routes.connect([3], GATEWAY, 1)
    await rooms.send(1, 2, 7, "before")
    await rooms.roster(7, [(3, 1, 3, 1)])
    await rooms.send(1, 2, 7, "while")
    await rooms.roster(7, [(3, 3, 3, 2)])
    await rooms.send(1, 2, 7, "after")
    await rooms.roster(7, [(3, 1, 3, 1)])  # a late repeat of the join does nothing
    assert [r["sequence"] for r in await rooms.records(3, 2, 7)] == [2]
    assert await refused(rooms.send(3, 2, 7, "me too")) == "not_member"
    assert await refused(rooms.records(4, 2, 7)) == "not_member"
    await rooms.settle()
    assert [p["sequence"] for p in rooms.gateway.of(3, 1, "im.message")] == [2]
    await rooms.roster(7, [(3, 1, 3, 3)])
    await rooms.send(2, 2, 7, "back")
    assert [r["sequence"] for r in await rooms.records(3, 2, 7)] == [4]


async def test_a_quote_shows_what_the_sender_may_see(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    first = await rooms.send(1, 1, 2, "question")
    answer = await rooms.send(2, 1, 1, "answer", quote_id=first["msg_id"])
    assert json.loads(answer["quote"]) == {"quote_id": first["msg_id"], "from_id": 1, "content": "question"}
    assert await refused(rooms.send(2, 1, 1, "answer", quote_id="nothing")) == "unknown_message"


async def test_sync_answers_what_differs(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    for n in range(30):
        await rooms.send(1, 1, 2, str(n))
    page = await rooms.sync(2)
    assert page["reset"] and "next" not in page
    (row,) = page["rows"]["talk"]
    assert (row["talk_id"], row["to_from_id"]) == (talk_id, 1)
    (talk,) = page["talks"]
    assert (talk["base"], talk["last_sequence"], len(talk["records"])) == (10, 30, 20)
    assert talk["profile"]["name"] == "Ann"
    again = await rooms.sync(2, epoch=page["epoch"], versions=page["versions"], talks=[(talk_id, 30, 0, 0)])
    assert not again["reset"] and not again["talks"] and not again["rows"]["talk"]
    await rooms.messages.revoke(
        message_pb2.RevokeRequest(user_id=1, target=target(1, 2), msg_id=talk["records"][0]["msg_id"])
    )
    later = await rooms.sync(2, epoch=page["epoch"], versions=page["versions"], talks=[(talk_id, 30, 0, 0)])
    assert [(r["sequence"], r["is_revoked"]) for r in later["talks"][0]["records"]] == [(11, 1)]
    assert later["talks"][0]["base"] == 30


async def test_session_list_hides_and_comes_back_with_a_message(rooms: Rooms) -> None:
    from xinyu.wire.v1 import talk_pb2

    await rooms.befriend(1, 2)
    await rooms.send(1, 1, 2, "one")
    await rooms.talks.delete_session(talk_pb2.DeleteSessionRequest(user_id=2, target=target(1, 1)))
    assert await rooms.list(2) == []
    await rooms.send(1, 1, 2, "two")
    assert [s["msg_text"] for s in await rooms.list(2)] == ["two"]
    view = await rooms.talks.create_session(talk_pb2.CreateSessionRequest(user_id=3, target=target(1, 1)))
    assert json.loads(view.session)["name"] == "Ann"
    assert [s["to_from_id"] for s in await rooms.list(3)] == [1]
    assert [s["to_from_id"] for s in await rooms.list(1)] == [2]  # nothing to see of a stranger who opened a chat
    assert (
        await refused(rooms.talks.create_session(talk_pb2.CreateSessionRequest(user_id=3, target=target(2, 7))))
        == "unknown_group"
    )


async def test_what_a_dead_process_left_is_handed_on_by_the_next(storage: Storage) -> None:
    database = await storage.open()
    first = Rooms(database, incarnation="first")
    first.neighbours.users = {1: "Ann", 2: "Bob"}
    await first.start()
    await first.befriend(1, 2)
    await first.settle()
    for task in first.message_dispatcher._tasks:
        task.cancel()  # dies before it hands on
    await asyncio.sleep(0)
    await first.send(1, 1, 2, "left behind")
    second = Rooms(database, incarnation="second", neighbours=first.neighbours)
    await second.routes.connect([2], GATEWAY, 1)
    await second.take_over()
    await second.message_dispatcher.recover()
    second.message_dispatcher.start()
    await second.settle()
    assert [p["sequence"] for p in second.gateway.of(2, 1, "im.message")] == [1]
    await second.stop()
    left = await database.read(lambda c: c.execute(text("SELECT COUNT(*) FROM message_outbox")).scalar())
    assert left == 0
    await database.close()


async def test_each_message_of_a_call_has_its_own_answer(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)

    def new(user_id: int, mode: int, to_from_id: int, text: str) -> message_pb2.NewMessage:
        return message_pb2.NewMessage(
            user_id=user_id, talk_mode=mode, to_from_id=to_from_id, msg_type=1,
            body=json.dumps({"content": text}).encode(), codec=options_pb2.CODEC_V1_JSON,
        )  # fmt: skip

    messages = [
        new(1, 1, 2, "stored"), new(1, 1, 88, "nobody"), new(1, 1, 1, "me"), new(1, 2, 99, "no group"),
        new(2, 1, 1, "stored too"), new(1, 1, 3, "no friend"), new(1, 1, 89, "nobody either"),
    ]  # fmt: skip
    response = await rooms.messages.send(message_pb2.SendRequest(messages=messages))
    assert [r.refusal.reason or r.sequence for r in response.results] == [
        1, "unknown_user", "self", "unknown_group", 2, 0, "unknown_user",
    ]  # fmt: skip
    assert json.loads(response.results[5].record)["status"] == 3
    assert [r["extra"] for r in await rooms.records(2, 1, 1)] == ['{"content": "stored too"}', '{"content": "stored"}']
