"""Messages that are sent later: once, by the rules of that moment, whatever dies in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.services.embedded_platform import SettableClock
from tests.integration.services.rooms import GATEWAY, Rooms, refused
from tests.integration.services.traced_database import TracedDatabase
from xinyu.wire.v1 import message_pb2
from xinyu_services.message.scheduled import CLAIM_MS, LOOK_EVERY_S
from xinyu_services.message.scheduled_model import FAILED_KEPT_MS, MAX_SCHEDULED

NAMES = {1: "Ann", 2: "Bob", 3: "Cid"}


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
async def rooms(traced: TracedDatabase, clock: SettableClock) -> AsyncIterator[Rooms]:
    rooms = Rooms(traced, clock=clock)
    rooms.neighbours.users, rooms.neighbours.groups = NAMES, {7: "Team"}
    await rooms.start()
    yield rooms
    await rooms.stop()


async def schedule(rooms: Rooms, text: str, after_ms: int, *, mode: int = 1, to: int = 2, user_id: int = 1) -> str:
    message = message_pb2.NewMessage(
        user_id=user_id, talk_mode=mode, to_from_id=to, msg_type=1, body=b'{"content":"%s"}' % text.encode()
    )
    at_ms = rooms.clock.now_ms() + after_ms
    request = message_pb2.ScheduleRequest(message=message, type_name="text", send_at_ms=at_ms)
    return (await rooms.messages.schedule(request)).scheduled_id


async def listed(rooms: Rooms, user_id: int = 1) -> list[tuple[str, int, str]]:
    page = await rooms.messages.list_scheduled(message_pb2.ListScheduledRequest(user_id=user_id))
    return [(item.scheduled_id, item.state, item.reason) for item in page.items]


async def cancel(rooms: Rooms, scheduled_id: str, user_id: int = 1) -> None:
    await rooms.messages.cancel_scheduled(
        message_pb2.CancelScheduledRequest(user_id=user_id, scheduled_id=scheduled_id)
    )


async def said(rooms: Rooms) -> list[tuple[int, str]]:
    return [(r["sequence"], r["msg_id"]) for r in await rooms.records(2, 1, 1)]


async def test_it_is_sent_when_its_time_has_come_and_not_before(rooms: Rooms, clock: SettableClock) -> None:
    await rooms.befriend(1, 2)
    await rooms.routes.connect([2], GATEWAY, 1)
    later = await schedule(rooms, "later", 60_000)
    sooner = await schedule(rooms, "sooner", 7_000)
    assert [each[0] for each in await listed(rooms)] == [sooner, later]
    assert await rooms.service.scheduled.round() == LOOK_EVERY_S
    clock.advance_s(3.0)
    assert await rooms.service.scheduled.round() == pytest.approx(4.0)
    assert await said(rooms) == []
    clock.advance_s(4.0)
    await rooms.service.scheduled.round()
    assert await said(rooms) == [(1, f"scheduled-{sooner}")]
    assert [each[0] for each in await listed(rooms)] == [later]
    await rooms.settle()
    assert [p["body"]["msg_id"] for p in rooms.gateway.of(2, 1, "im.message")] == [f"scheduled-{sooner}"]


async def test_a_repeated_request_schedules_nothing_more(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    first = await schedule(rooms, "once", 60_000)
    assert await schedule(rooms, "once", 60_000) == first
    assert len(await listed(rooms)) == 1


async def test_who_dies_after_the_send_has_sent_it_once(
    rooms: Rooms, traced: TracedDatabase, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rooms.befriend(1, 2)
    scheduled_id = await schedule(rooms, "once", 5_000)
    clock.advance_s(5.0)

    def dies(*_: Any) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(rooms.service.scheduled, "_settle", dies)
    with pytest.raises(asyncio.CancelledError):
        await rooms.service.scheduled.round()
    assert len(await said(rooms)) == 1
    other = Rooms(traced, incarnation="second", clock=clock, neighbours=rooms.neighbours)
    # While it may still be sending, nobody else does, and it cannot be cancelled.
    await other.service.scheduled.round()
    assert len(await listed(rooms)) == 1
    assert await refused(cancel(rooms, scheduled_id)) == "already_handled"
    clock.advance_s(CLAIM_MS / 1000)
    await other.service.scheduled.round()
    assert await listed(rooms) == []
    assert await said(rooms) == [(1, f"scheduled-{scheduled_id}")]
    await other.stop()


async def test_two_processes_at_once_send_each_once(
    rooms: Rooms, traced: TracedDatabase, clock: SettableClock
) -> None:
    await rooms.befriend(1, 2)
    for number in range(20):
        await schedule(rooms, str(number), 5_000 + number)
    clock.advance_s(10.0)
    other = Rooms(traced, incarnation="second", clock=clock, neighbours=rooms.neighbours)
    await asyncio.gather(rooms.service.scheduled.round(), other.service.scheduled.round())
    await rooms.service.scheduled.round()
    assert [sequence for sequence, _ in await said(rooms)] == list(range(20, 0, -1))
    assert await listed(rooms) == []
    await other.stop()


async def test_a_late_server_sends_what_is_due(rooms: Rooms, traced: TracedDatabase, clock: SettableClock) -> None:
    await rooms.befriend(1, 2)
    await schedule(rooms, "while you were away", 60_000)
    clock.advance_s(86_400.0)
    later = Rooms(traced, incarnation="second", clock=clock, neighbours=rooms.neighbours)
    await later.service.scheduled.round()
    assert len(await said(rooms)) == 1
    await later.stop()


async def test_the_rules_are_those_of_the_moment_of_sending(rooms: Rooms, clock: SettableClock) -> None:
    talk_id = await rooms.befriend(1, 2)
    await rooms.roster(7, [(1, 1, 1, 1), (3, 1, 3, 1)])
    await rooms.routes.connect([1], GATEWAY, 1)
    to_friend = await schedule(rooms, "hello", 5_000)
    to_group = await schedule(rooms, "all", 6_000, mode=2, to=7)
    await rooms.messages.change_pair(
        message_pb2.ChangePairRequest(user_low=1, user_high=2, low_may_send=1, high_may_send=1, revision=2)
    )
    await rooms.roster(7, [(1, 2, 3, 2)])
    clock.advance_s(10.0)
    await rooms.service.scheduled.round()
    assert await listed(rooms) == [(to_friend, 2, "not_friend"), (to_group, 2, "not_member")]
    await rooms.settle()
    rows = [p["row"] for p in rooms.gateway.of(1, 1, "row.changed") if p["row"]["talk_id"] == talk_id]
    assert (rows[-1]["scheduled_num"], rows[-1]["scheduled_failed_num"]) == (0, 1)
    # It stays for its user to see, until he says so, or a month is over.
    await cancel(rooms, to_friend)
    assert await rooms.service.scheduled.purge() == 0
    clock.advance_s(FAILED_KEPT_MS / 1000)
    assert await rooms.service.scheduled.purge() == 1
    assert await listed(rooms) == []


async def test_own_devices_are_told_by_push_and_by_sync(rooms: Rooms, clock: SettableClock) -> None:
    talk_id = await rooms.befriend(1, 2)
    await rooms.routes.connect([1, 2], GATEWAY, 1)
    epoch, before = await rooms.talk_service.epoch(), (await rooms.sync(1))["versions"]
    scheduled_id = await schedule(rooms, "later", 60_000)
    await rooms.settle()
    (told,) = rooms.gateway.of(1, 1, "row.changed")
    assert (told["row"]["talk_id"], told["row"]["scheduled_num"], told["version"]) == (talk_id, 1, before["talk"] + 1)
    page = await rooms.sync(1, epoch=epoch, versions=before, talks=[(talk_id, 0, 0, 0)])
    assert page["rows"]["talk"] == [told["row"]]
    await cancel(rooms, scheduled_id)
    await rooms.settle()
    assert "scheduled_num" not in rooms.gateway.of(1, 1, "row.changed")[-1]["row"]
    assert rooms.gateway.of(2, 1) == []
    clock.advance_s(60.0)
    await rooms.service.scheduled.round()
    assert await said(rooms) == []


async def test_what_is_refused_at_once(rooms: Rooms) -> None:
    await rooms.befriend(1, 2)
    await rooms.roster(7, [(3, 1, 1, 1)])
    assert await refused(schedule(rooms, "x", 4_000)) == "invalid"
    assert await refused(schedule(rooms, "x", 400 * 86_400_000)) == "invalid"
    assert await refused(schedule(rooms, "x", 60_000, to=1)) == "self"
    assert await refused(schedule(rooms, "x", 60_000, to=99)) == "unknown_user"
    assert await refused(schedule(rooms, "x", 60_000, to=3)) == "not_friend"
    assert await refused(schedule(rooms, "x", 60_000, mode=2, to=7)) == "not_member"
    assert await refused(schedule(rooms, "x", 60_000, mode=2, to=8)) == "unknown_group"
    assert await refused(cancel(rooms, "0" * 32)) == "unknown_scheduled"
    mine = await schedule(rooms, "x", 60_000)
    assert await refused(cancel(rooms, mine, user_id=2)) == "unknown_scheduled"
    for number in range(MAX_SCHEDULED - 1):
        await schedule(rooms, str(number), 60_000)
    assert await refused(schedule(rooms, "one more", 60_000)) == "too_many_scheduled"
