"""Defects of a reference backend that must not come back, as far as they concern the message and talk rooms. The
numbers are those of the contract's list."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from sqlalchemy import Connection

from tests.integration.services.rooms import GATEWAY, Rooms, refused, target
from tests.integration.services.traced_database import TracedDatabase
from xinyu.storage.database import Unavailable
from xinyu.wire.v1 import message_pb2, talk_pb2


async def online(rooms: Rooms, *user_ids: int) -> None:
    """Each with a device of the reference client and one of ours."""
    for user_id in user_ids:
        for codec in (0, 1):
            await rooms.routes.connect([user_id], GATEWAY, codec)


async def test_01_a_repeated_send_answers_the_stored_record(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    first = await rooms.send(1, 1, 2, "once", msg_id="m1")
    for _ in range(6):
        assert await rooms.send(1, 1, 2, "once", msg_id="m1") == first
    assert len(await rooms.records(2, 1, 1)) == 1


async def test_02_devices_on_two_gateways_are_both_pushed_to(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    await rooms.routes.connect([2], GATEWAY, 1)
    await rooms.routes.connect([2], "gateway-2", 1)
    located = await rooms.routes.locate([2])
    assert located == {GATEWAY: {2: 2}, "gateway-2": {2: 2}}
    await rooms.routes.disconnect([2], "gateway-2", 1)
    await rooms.send(1, 1, 2, "still there")
    await rooms.settle()
    assert len(rooms.gateway.of(2, 1, "im.message")) == 1


async def test_03_the_sender_s_other_devices_are_pushed_to(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    await online(rooms, 1)
    await rooms.send(1, 1, 2, "mine")
    await rooms.settle()
    assert len(rooms.gateway.of(1, 0, "im.message")) == len(rooms.gateway.of(1, 1, "im.message")) == 1


async def test_05_nothing_is_pushed_before_the_commit(rooms: Rooms, traced: TracedDatabase, monkeypatch: Any) -> None:
    await rooms.befriend(1, 2)
    await online(rooms, 1, 2)
    await rooms.settle()
    rooms.gateway.delivered.clear()

    def fails(connection: Connection, *_: Any) -> None:
        raise Unavailable("power cut at the commit")

    with monkeypatch.context() as patch:
        patch.setattr("xinyu_services.message.store.MessageStore.upsert_heads", fails)
        assert await refused(rooms.send(1, 1, 2, "lost")) == "unavailable"
    await rooms.settle()
    assert rooms.gateway.delivered == []
    assert await rooms.records(2, 1, 1) == []


async def test_06_membership_mute_dismissal_and_blocks_are_enforced(rooms: Rooms) -> None:
    await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1)], profile_revision=1)
    assert await refused(rooms.send(3, 2, 7, "stranger")) == "not_member"
    await rooms.roster(7, [], profile_revision=2, mute_all=True)
    assert await refused(rooms.send(2, 2, 7, "muted")) == "muted"
    assert (await rooms.send(1, 2, 7, "the owner speaks"))["sequence"] == 1
    await rooms.roster(7, [], profile_revision=3, mute_all=False, dismissed=True)
    assert await refused(rooms.send(1, 2, 7, "too late")) == "dismissed"
    await rooms.befriend(1, 2)
    await rooms.messages.change_pair(message_pb2.ChangePairRequest(user_low=1, user_high=2, low_may_send=2, revision=2))
    assert await refused(rooms.send(1, 1, 2, "blocked")) == "blocked"
    assert (await rooms.send(2, 1, 1, "the blocker writes"))["sequence"] == 1


async def test_06_a_member_s_mute_ends_at_its_time(rooms: Rooms) -> None:
    now_ms = rooms.clock.now_ms()
    entry = message_pb2.RosterEntry(user_id=2, state=1, role=3, revision=1, muted_until_ms=now_ms + 60_000)
    await rooms.messages.change_roster(message_pb2.ChangeRosterRequest(group_id=7, entries=[entry]))
    assert await refused(rooms.send(2, 2, 7, "hush")) == "muted"
    entry.revision, entry.muted_until_ms = 2, now_ms - 1
    await rooms.messages.change_roster(message_pb2.ChangeRosterRequest(group_id=7, entries=[entry]))
    assert (await rooms.send(2, 2, 7, "again"))["sequence"] == 1


async def test_08_a_revoke_has_a_window_an_owner_has_none_and_the_event_has_the_list_s_digest(rooms: Rooms) -> None:
    await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1), (3, 1, 3, 1)])
    await online(rooms, 3)
    first = await rooms.send(2, 2, 7, "first")
    await rooms.send(2, 2, 7, "last <one>")
    assert await refused(rooms.recall(3, 2, 7, first["msg_id"])) == "forbidden"

    def age(connection: Connection) -> None:
        connection.exec_driver_sql("UPDATE message SET sent_at_ms = sent_at_ms - 121000")

    await rooms.database.write(age)
    assert await refused(rooms.recall(2, 2, 7, first["msg_id"])) == "revoke_too_late"
    await rooms.recall(1, 2, 7, first["msg_id"])
    await rooms.settle()
    (revoked,) = rooms.gateway.of(3, 0, "im.message.revoke")
    # The client prints the remark in its list: the newest line, which says who has taken the message back.
    assert (revoked["remark"], revoked["from_id"]) == ("[系统消息]", 2)
    assert (await rooms.list(3))[0]["msg_text"] == revoked["remark"]
    await rooms.recall(1, 2, 7, first["msg_id"])  # a repeat adds no second line
    line, last, gone = await rooms.records(3, 2, 7)
    assert (line["msg_type"], json.loads(line["extra"])) == (1105, {"owner_id": 1, "owner_name": "Ann"})
    assert (last["is_revoked"], gone["is_revoked"]) == (2, 1)
    (told, _, _) = await rooms.records(3, 2, 7, codec=0)
    assert (told["msg_type"], json.loads(told["extra"])) == (1000, {"content": "Ann 撤回了一条成员消息"})


async def test_08_one_s_own_recall_leaves_no_line_and_the_list_s_digest_where_it_was(rooms: Rooms) -> None:
    await rooms.roster(7, [(1, 1, 1, 1), (3, 1, 3, 1)])
    await online(rooms, 3)
    first = await rooms.send(1, 2, 7, "first")
    await rooms.send(1, 2, 7, "last <one>")
    await rooms.recall(1, 2, 7, first["msg_id"])
    await rooms.settle()
    (revoked,) = rooms.gateway.of(3, 0, "im.message.revoke")
    assert revoked["remark"] == (await rooms.list(3))[0]["msg_text"] == "last &lt;one&gt;"
    assert len(await rooms.records(3, 2, 7)) == 2


async def test_04_what_a_device_missed_is_told_by_its_sync(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    first = await rooms.send(1, 1, 2, "while online")
    page = await rooms.sync(2)
    for n in range(30):
        await rooms.send(1, 1, 2, f"while away {n}")
    await rooms.recall(1, 1, 2, first["msg_id"])
    (talk,) = (
        await rooms.sync(2, epoch=page["epoch"], versions=page["versions"], talks=[(talk_id, 1, 0, 0)])
    )["talks"]
    assert [record["sequence"] for record in talk["records"]] == [1, *range(12, 32)]
    assert (talk["last_sequence"], talk["base"], talk["records"][0]["is_revoked"]) == (31, 11, 1)


async def test_12_what_the_page_shows_as_html_is_escaped_and_the_store_is_not(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    typed = "<img src=x onerror='alert(\"1\")'> & more"
    shown = "&lt;img src=x onerror=&#39;alert(&#34;1&#34;)&#39;&gt; &amp; more"
    record = await rooms.send(1, 1, 2, typed)
    (legacy,) = await rooms.records(2, 1, 1, codec=0)
    (plain,) = await rooms.records(2, 1, 1, codec=1)
    assert json.loads(legacy["extra"])["content"] == shown
    assert json.loads(plain["extra"])["content"] == typed
    assert (await rooms.list(2, codec=0))[0]["msg_text"] == shown
    assert (await rooms.list(2, codec=1))[0]["msg_text"] == typed
    await rooms.send(2, 1, 1, "answer", quote_id=record["msg_id"])
    (answer, _) = await rooms.records(1, 1, 2, codec=0)
    assert json.loads(answer["quote"])["content"] == typed  # plain text in the page


async def test_13_a_hidden_group_gets_pushes_and_comes_back_with_a_message(rooms: Rooms) -> None:
    await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1)])
    await rooms.send(1, 2, 7, "one")
    await rooms.talks.delete_session(talk_pb2.DeleteSessionRequest(user_id=2, target=target(2, 7)))
    assert await rooms.list(2) == []
    await online(rooms, 2)
    await rooms.send(1, 2, 7, "two")
    await rooms.settle()
    assert len(rooms.gateway.of(2, 0, "im.message")) == len(rooms.gateway.of(2, 1, "im.message")) == 1
    (session,) = await rooms.list(2)
    assert (session["msg_text"], session["unread_num"]) == ("two", 2)


def withdraw_others(rooms: Rooms) -> None:
    """Only the message and talk rooms and the gateway are left."""
    offers = rooms.network.offers("")
    for command in [command for command in offers if command // 100 not in (1, 3, 7)]:
        del offers[command]


async def test_14_and_40_no_other_room_is_asked_by_a_send(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    await rooms.send(1, 1, 2, "warm")
    await rooms.settle()

    async def never(*_: Any) -> Any:
        await asyncio.Event().wait()

    for name in ("load_remarks", "load_rows", "load_online"):
        setattr(rooms.neighbours, name, never)
    withdraw_others(rooms)
    records = await asyncio.gather(*(rooms.send(1, 1, 2, str(n)) for n in range(20)))
    assert [r["sequence"] for r in records] == list(range(2, 22))


async def test_14_a_user_room_that_is_away_fails_no_send(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    withdraw_others(rooms)
    assert (await rooms.send(1, 1, 2, "named later"))["sequence"] == 1
    assert await refused(rooms.send(1, 1, 99, "who?")) == "unavailable"  # not "there is no such user"


async def test_16_records_need_membership_and_leave_out_what_one_deleted(rooms: Rooms) -> None:
    await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1)])
    record = await rooms.send(1, 2, 7, "for members")
    request = message_pb2.LoadRecordsRequest(user_id=3, target=target(2, 7), limit=10)
    for call in (rooms.messages.load_records, rooms.messages.load_history):
        assert await refused(call(request)) == "not_member"
    await rooms.hide(2, 2, 7, record["msg_id"])
    request.user_id = 2
    for call in (rooms.messages.load_records, rooms.messages.load_history):
        assert json.loads((await call(request)).items) == []


async def test_17_recalled_messages_keep_a_line_without_content(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    record = await rooms.send(1, 1, 2, "secret")
    await rooms.recall(1, 1, 2, record["msg_id"])
    request = message_pb2.LoadRecordsRequest(user_id=2, target=target(1, 1), limit=10)
    for call in (rooms.messages.load_records, rooms.messages.load_history):
        (kept,) = json.loads((await call(request)).items)
        assert (kept["is_revoked"], kept["extra"], kept["quote"]) == (1, "{}", "{}")
    assert (await rooms.send(1, 1, 2, "secret", msg_id=record["msg_id"]))["extra"] == "{}"


async def test_18_nobody_gets_into_the_list_of_a_group_that_he_is_not_in(rooms: Rooms) -> None:
    await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1)])
    create = talk_pb2.CreateSessionRequest(user_id=3, target=target(2, 7))
    assert await refused(rooms.talks.create_session(create)) == "not_member"
    assert await rooms.list(3) == []
    await rooms.roster(7, [(2, 2, 3, 2)])
    create.user_id = 2
    assert await refused(rooms.talks.create_session(create)) == "not_member"


async def test_38_a_short_page_means_the_end(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    for n in range(40):
        message = message_pb2.NewMessage(user_id=1, talk_mode=1, to_from_id=2, msg_type=1, body=b'{"content":"t"}')
        if n % 10 == 0:
            message.msg_type, message.body = 2, b'{"lang":"c","code":"x"}'
        await rooms.send_new(message)
    request = message_pb2.LoadRecordsRequest(user_id=2, target=target(1, 1), limit=3, msg_type=2)
    page = await rooms.messages.load_history(request)
    assert [r["sequence"] for r in json.loads(page.items)] == [31, 21, 11]
    request.cursor = page.cursor
    page = await rooms.messages.load_history(request)
    assert [r["sequence"] for r in json.loads(page.items)] == [1] and page.cursor == 1
    request.cursor = page.cursor
    page = await rooms.messages.load_history(request)
    assert json.loads(page.items) == [] and page.cursor == 1  # never 0 after records


async def test_39_a_digest_is_cut_between_characters(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    await rooms.send(1, 1, 2, "界" * 400)
    assert (await rooms.list(2))[0]["msg_text"] == "界" * 255


async def test_47_a_group_s_number_may_be_above_every_user_s(rooms: Rooms) -> None:
    await rooms.roster(2**40, [(1, 1, 1, 1), (2, 1, 3, 1)])
    await online(rooms, 2)
    await rooms.send(1, 2, 2**40, "far out")
    await rooms.settle()
    assert [p["to_from_id"] for p in rooms.gateway.of(2, 0, "im.message")] == [2**40]
    assert [s["to_from_id"] for s in await rooms.list(2)] == [2**40]


async def test_48_everybody_can_be_mentioned(rooms: Rooms) -> None:
    await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1)])
    body = json.dumps({"content": "@all", "mentions": [0]}).encode()
    await rooms.send_new(message_pb2.NewMessage(user_id=1, talk_mode=2, to_from_id=7, msg_type=1, body=body))
    (record,) = await rooms.records(2, 2, 7)
    assert json.loads(record["extra"])["mentions"] == [0]
