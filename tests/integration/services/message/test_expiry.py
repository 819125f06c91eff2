"""Messages that disappear: for everybody, from the very moment on, and from the tables soon after."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Connection, text

from tests.integration.services.embedded_platform import SettableClock
from tests.integration.services.rooms import GATEWAY, RecordingGateway, Rooms, refused, target
from tests.integration.services.traced_database import TracedDatabase
from xinyu.base.config import MessageSettings
from xinyu.storage.database import cursor
from xinyu.wire.v1 import gateway_pb2, message_pb2
from xinyu.wire.v1.options_pb2 import Empty
from xinyu_services.message import expiry
from xinyu_services.message.expiry import LOOK_EVERY_S

NAMES = {1: "Ann", 2: "Bob", 3: "Cid", 4: "Dan"}


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
async def rooms(traced: TracedDatabase, clock: SettableClock) -> AsyncIterator[Rooms]:
    rooms = Rooms(traced, clock=clock)
    rooms.neighbours.users, rooms.neighbours.groups = dict(NAMES), {7: "Team"}
    await rooms.start()
    yield rooms
    await rooms.stop()


async def expire_after(rooms: Rooms, user_id: int, mode: int, to: int, after_s: int) -> None:
    await rooms.messages.set_expiry(
        message_pb2.SetExpiryRequest(user_id=user_id, target=target(mode, to), expire_after_s=after_s)
    )


async def answer(
    rooms: Rooms, user_id: int, talk_id: int, sequence: int = 0, change: int = 0, own: int = 0
) -> dict[str, Any]:
    epoch = await rooms.talk_service.epoch()
    page = await rooms.sync(user_id, epoch=epoch, talks=[(talk_id, sequence, change, own)])
    (talk,) = [talk for talk in page["talks"] if talk["talk_id"] == talk_id]
    return dict(talk)


async def texts(rooms: Rooms, user_id: int, mode: int, to: int) -> list[str]:
    records = await rooms.records(user_id, mode, to)
    return [json.loads(r["extra"]).get("content", "") for r in records if r["msg_type"] == 1]


async def stored(rooms: Rooms, word: str) -> list[str]:
    """The tables in which that word stands anywhere."""

    def work(connection: Connection) -> list[str]:
        found = []
        for table, columns in (
            ("message", "CONCAT(body, quote)"), ("message_change", "COALESCE(body, '')"), ("talk", "last_digest"),
        ):  # fmt: skip
            if rooms.database.dialect.name == "sqlite":
                columns = columns.replace("CONCAT(body, quote)", "body || quote")
            if connection.execute(text(f"SELECT COUNT(*) FROM {table} WHERE {columns} LIKE '%{word}%'")).scalar():
                found.append(table)
        return found

    return await rooms.database.inner.read(work)  # type: ignore[no-any-return, attr-defined]


async def test_the_setting_is_told_by_a_line_and_by_the_profile(rooms: Rooms) -> None:
    talk_id = await rooms.befriend(1, 2)
    await rooms.routes.connect([1, 2], GATEWAY, 1)
    await expire_after(rooms, 2, 1, 1, 60)
    await expire_after(rooms, 1, 1, 2, 60)  # nothing new
    await rooms.settle()
    for user_id, peer in ((1, "Bob"), (2, "Ann")):
        (changed,) = rooms.gateway.of(user_id, 1, "talk.changed")
        assert changed["profile"] == {"name": peer, "avatar": "", "mute_all": False, "expire_after_s": 60}
        (line,) = rooms.gateway.of(user_id, 1, "im.message")
        assert line["body"]["msg_type"] == 1121
        assert json.loads(line["body"]["extra"]) == {"owner_id": 2, "owner_name": "Bob", "expire_after_s": 60}
        assert "expires_at_ms" not in line["body"]
        assert (await answer(rooms, user_id, talk_id))["profile"] == changed["profile"]
    # A device that was away when it was set.
    assert (await answer(rooms, 1, talk_id, 0, 0, 1))["profile"]["expire_after_s"] == 60
    await expire_after(rooms, 1, 1, 2, 0)
    assert (await rooms.records(1, 1, 2, codec=0))[0]["extra"] == '{"content":"Ann 关闭了限时消息"}'
    assert "expire_after_s" not in (await answer(rooms, 1, talk_id))["profile"]


async def test_who_may_set_it(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 2, 1), (3, 1, 3, 1)], profile_revision=1)
    await expire_after(rooms, 2, 2, 7, 60)
    assert await refused(expire_after(rooms, 3, 2, 7, 0)) == "forbidden"
    assert await refused(expire_after(rooms, 4, 2, 7, 0)) == "not_member"
    assert await refused(expire_after(rooms, 1, 2, 8, 0)) == "unknown_group"
    assert await refused(expire_after(rooms, 1, 1, 3, 0)) == "unknown_talk"
    for wrong in (-1, 1, 59, 366 * 86_400 + 1):
        assert await refused(expire_after(rooms, 1, 1, 2, wrong)) == "invalid"
    for may_send, reason in ((2, "blocked"), (1, "not_friend")):
        await rooms.messages.change_pair(
            message_pb2.ChangePairRequest(
                user_low=1, user_high=2, low_may_send=may_send, high_may_send=may_send, revision=4 - may_send
            )
        )
        assert await refused(expire_after(rooms, 1, 1, 2, 60)) == reason
    await rooms.roster(7, [], profile_revision=2, dismissed=True)
    assert await refused(expire_after(rooms, 1, 2, 7, 120)) == "dismissed"


async def test_it_is_gone_for_all_before_any_sweep(rooms: Rooms, clock: SettableClock) -> None:
    talk_id = await rooms.befriend(1, 2)
    before = await rooms.send(1, 1, 2, "stays")
    await expire_after(rooms, 1, 1, 2, 60)
    secret = await rooms.send(1, 1, 2, "secret")
    assert secret["expires_at_ms"] == clock.now_ms() + 60_000
    assert "expires_at_ms" not in before
    file = await rooms.send_file(1, 1, 2, "2026/11/28/a.bin")
    clock.advance_s(59.999)
    assert await texts(rooms, 2, 1, 1) == ["secret", "stays"]
    clock.advance_s(0.001)
    assert await texts(rooms, 2, 1, 1) == ["stays"]
    history = await rooms.messages.load_history(
        message_pb2.LoadRecordsRequest(user_id=2, target=target(1, 1), limit=9, msg_type=1)
    )
    assert history.count == 1
    page = await rooms.messages.load_range(
        message_pb2.LoadRangeRequest(user_id=2, talk_id=talk_id, from_sequence=1, to_sequence=9)
    )
    assert json.loads(page.voids) == [[3, 4]]
    shown = await answer(rooms, 2, talk_id)
    assert (shown["voids"], [r["sequence"] for r in shown["records"]]) == ([[3, 4]], [1, 2])
    (session,) = await rooms.list(2)
    assert session["msg_text"] == "[系统消息]"  # the line, which is the newest that is left
    assert await refused(rooms.send(2, 1, 1, "?", quote_id=secret["msg_id"])) == "unknown_message"
    assert await refused(rooms.recall(1, 1, 2, secret["msg_id"])) == "unknown_message"
    assert (
        await refused(rooms.messages.load_file(message_pb2.LoadFileRequest(user_id=2, msg_id=file["msg_id"])))
        == "unknown_file"
    )


async def test_the_sweep_leaves_nothing_of_it_and_tells_devices(rooms: Rooms, clock: SettableClock) -> None:
    talk_id = await rooms.befriend(1, 2)
    await rooms.send(1, 1, 2, "stays")
    await expire_after(rooms, 1, 1, 2, 60)
    secret = await rooms.send(1, 1, 2, "secret", msg_id="m1")
    await rooms.send_file(1, 1, 2, "2026/11/28/secret.bin")
    await rooms.routes.connect([1, 2], GATEWAY, 1)
    assert await stored(rooms, "secret") == ["message"]
    assert await rooms.service.expiry.round() == LOOK_EVERY_S
    clock.advance_s(57.0)
    assert await rooms.service.expiry.round() == pytest.approx(3.0)
    held = await answer(rooms, 2, talk_id)
    clock.advance_s(3.0)
    await rooms.service.expiry.round()
    await rooms.settle()
    assert await stored(rooms, "secret") == []
    for user_id in (1, 2):
        (changed,) = rooms.gateway.of(user_id, 1, "talk.changed")
        assert (changed["change"], changed["voids"], changed["records"]) == (held["last_change"] + 1, [[3, 4]], [])
    # A device that was away learns it by its sync; the numbers stay.
    missed = await answer(rooms, 2, talk_id, held["last_sequence"], held["last_change"], held["own"])
    assert (missed["voids"], missed["records"], missed["last_sequence"]) == ([[3, 4]], [], 4)
    # What its sender repeats after all that is still the same message.
    assert (await rooms.send(1, 1, 2, "secret", msg_id="m1"))["sequence"] == secret["sequence"]
    assert await texts(rooms, 1, 1, 2) == ["stays"]
    assert (await rooms.list(2))[0]["msg_text"] == "[系统消息]"
    await rooms.service.expiry.round()
    await rooms.settle()
    assert len(rooms.gateway.of(1, 1, "talk.changed")) == 1


async def test_the_lists_digest_goes_with_the_last_message(rooms: Rooms, clock: SettableClock) -> None:
    await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1)])
    await expire_after(rooms, 1, 2, 7, 60)
    await rooms.send(1, 2, 7, "secret")
    assert (await rooms.list(2))[0]["msg_text"] == "secret"
    assert await stored(rooms, "secret") == ["message", "talk"]
    await rooms.roster(7, [(3, 1, 3, 1)])
    clock.advance_s(60.0)
    assert (await rooms.list(2))[0]["msg_text"] == "[系统消息]"
    assert (await rooms.list(3))[0]["msg_text"] == ""
    await rooms.service.expiry.round()
    assert await stored(rooms, "secret") == []
    assert (await rooms.list(2))[0]["msg_text"] == "[系统消息]"
    await rooms.send(1, 2, 7, "news")
    assert (await rooms.list(2))[0]["msg_text"] == "news"


async def test_two_processes_let_each_message_go_once(
    rooms: Rooms, traced: TracedDatabase, clock: SettableClock
) -> None:
    talk_id = await rooms.befriend(1, 2)
    await expire_after(rooms, 1, 1, 2, 60)
    for number in range(10):
        await rooms.send(1, 1, 2, str(number))
    before = (await answer(rooms, 1, talk_id))["last_change"]
    clock.advance_s(60.0)
    other = Rooms(traced, incarnation="second", clock=clock, neighbours=rooms.neighbours)
    await asyncio.gather(rooms.service.expiry.round(), other.service.expiry.round())
    shown = await answer(rooms, 1, talk_id)
    assert (shown["last_change"], shown["voids"]) == (before + 1, [[2, 11]])
    await other.stop()


async def test_a_round_is_bounded_and_the_next_one_goes_on(
    rooms: Rooms, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "SWEPT_AT_ONCE", 3)
    await rooms.befriend(1, 2)
    await expire_after(rooms, 1, 1, 2, 60)
    for number in range(5):
        await rooms.send(1, 1, 2, f"secret {number}")
    clock.advance_s(60.0)
    assert await rooms.service.expiry.round() == 0.0
    assert await stored(rooms, "secret") == ["message", "talk"]
    assert await rooms.service.expiry.round() == 1.0
    assert await stored(rooms, "secret") == []


async def test_a_changed_setting_leaves_what_was_sent_before(rooms: Rooms, clock: SettableClock) -> None:
    await rooms.befriend(1, 2)
    await expire_after(rooms, 1, 1, 2, 60)
    await rooms.send(1, 1, 2, "for a minute")
    await expire_after(rooms, 1, 1, 2, 0)
    await rooms.send(1, 1, 2, "for ever")
    clock.advance_s(60.0)
    assert await texts(rooms, 2, 1, 1) == ["for ever"]
    await rooms.service.expiry.round()

    def due(connection: Connection) -> int:
        c = cursor(connection)
        c.execute("SELECT COUNT(*) FROM message_due")
        row = c.fetchone()
        assert row is not None
        return int(row[0])

    assert await rooms.database.read(due) == 0
    clock.advance_s(10**9)
    assert await texts(rooms, 2, 1, 1) == ["for ever"]


async def test_a_large_group_is_told_by_talk(
    traced: TracedDatabase, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, dict[str, Any]]] = []

    async def deliver(_: RecordingGateway, request: gateway_pb2.DeliverRequest, context: Any) -> Empty:
        for delivery in request.deliveries:
            assert not delivery.user_ids
            told.extend((delivery.members.talk_id, json.loads(event.payload)) for event in delivery.events)
        return Empty()

    monkeypatch.setattr(RecordingGateway, "deliver", deliver)
    rooms = Rooms(traced, clock=clock, settings=MessageSettings(fan_out_by_talk_above=1))
    rooms.neighbours.users, rooms.neighbours.groups = dict(NAMES), {7: "Team"}
    await rooms.start()
    try:
        talk_id = (await rooms.roster(7, [(1, 1, 1, 1), (2, 1, 3, 1)])).talk_id
        await expire_after(rooms, 1, 2, 7, 60)
        await rooms.send(1, 2, 7, "secret")
        await rooms.settle()
        await rooms.routes.connect([1, 2], GATEWAY, 1)
        clock.advance_s(60.0)
        await rooms.service.expiry.round()
        await rooms.settle()
        ((to_talk, event),) = told
        assert (to_talk, event["event"], event["payload"]["voids"]) == (talk_id, "talk.changed", [[2, 2]])
    finally:
        await rooms.stop()
