"""Groups that are pushed to by talk, with two real gateways: who hears what, and at what cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.database_storage import Storage
from tests.integration.gateway.two_gateways import (
    EAST,
    GROUP,
    IN,
    LEFT,
    REMOVED,
    WEST,
    TwoGateways,
    two_gateways,
    until,
)
from tests.redis_links import redis_link
from xinyu.base.clock import SystemClock
from xinyu.delivery.redis_routes import RedisRoutes
from xinyu.gateway.ws import talk_members
from xinyu.wire.v1 import gateway_pb2
from xinyu_services.cli.local_servers.redis import RedisServer
from xinyu_services.message import events as message_events


@pytest.fixture(params=["memory", "redis"])
async def town(
    storage: Storage, request: pytest.FixtureRequest, redis: RedisServer
) -> AsyncIterator[TwoGateways]:
    if request.param == "memory":
        async with two_gateways(storage) as opened:
            yield opened
        return
    async with redis_link(redis) as link, two_gateways(storage, RedisRoutes(link, SystemClock())) as opened:
        yield opened


async def test_defect_07_one_send_is_one_deliver_a_gateway_and_reaches_all_members(town: TwoGateways) -> None:
    await town.roster(range(1, 21))
    devices = [await town.connect(user, WEST if user % 2 else EAST, legacy=user > 10) for user in range(1, 21)]
    stranger = await town.connect(50, WEST)
    await town.send(1)
    await town.quiet()
    town.delivers()
    sequence = await town.send(2, "counted")
    await town.quiet()
    assert town.delivers() == {WEST: 1, EAST: 1}
    for device in devices:
        assert device.sequences[-1] == sequence
        assert len(device.events("im.session.update")) == (2 if device.user_id > 10 else 0)
    assert stranger.events("im.message") == []
    assert len(town.line.loads) == 2  # each gateway has read the roster once


async def test_a_deliver_names_nobody(town: TwoGateways) -> None:
    await town.roster(range(1, 21))
    await town.connect(3, WEST)
    await town.quiet()
    town.delivers()
    await town.send(1)
    await town.rooms.settle()
    (request,) = town.gateways[WEST].requests
    assert [list(delivery.user_ids) for delivery in request.deliveries] == [[], []]
    assert {delivery.members.sequence for delivery in request.deliveries} == {1}


async def test_who_was_removed_hears_that_and_nothing_after(town: TwoGateways) -> None:
    await town.roster(range(1, 6))
    removed, stays = await town.connect(4, WEST), await town.connect(5, WEST, legacy=True)
    await town.send(1)
    notice = {"msg_id": "gone", "sender_id": 1, "msg_type": 1104, "body": b'{"members":[]}'}
    change = await town.roster([4], REMOVED, message=notice, message_first=True)
    for _ in range(3):
        await town.send(1)
    await town.quiet()
    assert removed.sequences == [1, 2]
    assert stays.sequences == [1, 2, 3, 4, 5]
    assert [each["change"] for each in removed.events("talk.changed")][-1:] == [change]
    await town.roster([4])
    await town.send(1)
    await town.quiet()
    assert removed.sequences == [1, 2, 6]


async def test_who_left_still_gets_what_was_sent_before(town: TwoGateways) -> None:
    """The roster that a message is told by may be newer than the message."""
    await town.roster(range(1, 6))
    left = await town.connect(4, WEST)
    town.line.free.clear()  # the first push waits for the members, who are read after the change
    await town.send(1)
    await town.roster([4], LEFT)
    await town.send(1)
    town.line.free.set()
    await town.quiet()
    assert left.sequences == [1]


async def test_who_is_added_during_a_storm_misses_nothing_and_sees_nothing_earlier(town: TwoGateways) -> None:
    await town.roster([1, 2, 3])
    newcomers = list(range(10, 40))
    devices = {user: await town.connect(user, WEST if user % 2 else EAST, legacy=user % 3 == 0) for user in newcomers}
    sent: list[int] = []
    added = asyncio.Event()

    async def storm() -> None:
        while not added.is_set():
            sent.extend(await asyncio.gather(*(town.send(sender) for sender in (1, 2, 3))))

    storming = asyncio.create_task(storm())
    for user in newcomers:
        await town.roster([user])
        if user % 5 == 0:  # one goes, and another one comes and goes
            await town.roster([user - 1], REMOVED)
    added.set()
    await storming
    last = max(sent)
    await town.quiet()
    assert len(set(sent)) == len(sent) == last
    members = await town.rooms.database.read(
        lambda connection: town.rooms.service._store.load_roster(connection, 1)
    )
    windows = {m.user_id: (m.joined_sequence, last if m.left_sequence is None else m.left_sequence) for m in members}
    for user, device in devices.items():
        first, end = windows[user]
        assert device.sequences == list(range(first, end + 1)), (user, first, end)


async def test_a_gateway_without_members_says_so_and_is_left_alone(town: TwoGateways) -> None:
    await town.roster(range(1, 6))
    await town.connect(2, EAST)
    await town.connect(50, WEST)
    await town.send(1)
    await town.quiet()
    await until(lambda: bool(town.west_said))
    assert len(town.west_said) == 1
    town.delivers()
    await town.send(1)
    await town.quiet()
    assert town.delivers() == {WEST: 0, EAST: 1}
    # Its word was about the members of then: with others it is asked again, and finds the new one.
    await town.roster([50])
    await town.send(1)
    await town.quiet()
    assert town.delivers()[WEST] >= 1
    assert town.devices[1].sequences == [3]


async def test_a_member_who_comes_to_such_a_gateway_misses_nothing(town: TwoGateways) -> None:
    await town.roster(range(1, 6))
    await town.connect(2, EAST)
    await town.connect(50, WEST)
    await town.send(1)
    await town.quiet()
    await until(lambda: bool(town.west_said))
    comer = await town.connect(3, WEST)
    assert town.west_said[-1] == -1
    sequence = await town.send(1)
    await town.quiet()
    assert comer.sequences == [sequence]
    # When he has gone it says so again.
    await comer.close()
    town.devices.remove(comer)
    await until(lambda: 3 not in town.gateways[WEST].gateway.engine.user_ids())
    await town.send(1)
    await until(lambda: town.west_said[-1] >= 0)


async def test_no_such_word_is_given_while_a_member_is_logging_in(town: TwoGateways) -> None:
    await town.connect(50, WEST)
    town.presence.entered.clear()
    town.presence.answers.clear()
    connecting = asyncio.create_task(town.connect(3, WEST))
    await town.presence.entered.wait()  # his route is made, but the gateway does not know yet
    await town.roster(range(1, 6))
    await town.send(1)
    await town.rooms.settle()
    west = town.gateways[WEST].gateway
    await until(lambda: bool(west.members._talks) and not west.members._talks[1].is_loading)
    town.presence.answers.set()
    comer = await connecting
    sequence = await town.send(1)
    await town.quiet()
    assert comer.sequences == [sequence]
    assert town.west_said == []


async def test_a_word_that_is_being_taken_back_is_not_given_anew(town: TwoGateways) -> None:
    await town.roster(range(1, 6))
    await town.connect(50, WEST)
    await town.send(1)
    await town.quiet()
    await until(lambda: bool(town.west_said))
    told = len(town.west_said)
    town.presence.entered.clear()
    town.presence.answers.clear()
    connecting = asyncio.create_task(town.connect(3, WEST))
    await town.presence.entered.wait()
    assert town.west_said[told:] == [-1]
    town.delivers()
    await town.send(1)
    await town.rooms.settle()
    assert town.delivers()[WEST] == 1
    town.presence.answers.set()
    comer = await connecting
    sequence = await town.send(1)
    await town.quiet()
    assert comer.sequences == [sequence]
    assert len(town.west_said) == told + 1


async def test_what_needs_no_newer_members_waits_behind_what_does(town: TwoGateways) -> None:
    """Two processes of the message room tell of one talk: each names the members that its event needs."""
    old = await town.roster(range(1, 6))
    device = await town.connect(3, WEST)
    await town.send(1)
    await town.quiet()
    new = await town.roster([9])
    town.line.free.clear()
    for number, change in enumerate((new, old)):
        request = gateway_pb2.DeliverRequest()
        delivery = request.deliveries.add(members=gateway_pb2.TalkMembers(talk_id=1, change=change))
        payload = json.dumps({"event": "test", "payload": {"number": number}}).encode()
        delivery.events.add(codec=1, payload=payload)  # type: ignore[arg-type]
        await town.gateways[WEST].gateway.deliver(request, None)
    town.line.free.set()
    await town.quiet()
    assert [each["number"] for each in device.events("test")] == [0, 1]


async def test_where_the_word_cannot_be_taken_back_no_member_gets_in(town: TwoGateways) -> None:
    await town.roster(range(1, 6))
    await town.connect(50, WEST)
    await town.send(1)
    await town.quiet()
    await until(lambda: bool(town.west_said))
    town.presence.refuses = True
    with pytest.raises(InvalidStatus):
        await town.connect(3, WEST)
    assert town.west_said[-1] >= 0
    town.presence.refuses = False
    comer = await town.connect(3, WEST)
    sequence = await town.send(1)
    await town.quiet()
    assert comer.sequences == [sequence]


async def test_sets_that_were_forgotten_are_read_again_and_their_words_are_taken_back(storage: Storage) -> None:
    async with two_gateways(storage, members_held=80) as town:
        other = GROUP + 1
        await town.roster(range(1, 21))
        await town.roster([1, *range(30, 50)], group=other)
        await town.connect(40, WEST)
        await town.send(1)  # of the first group nobody is at the gateway: it says so
        await town.quiet()
        await until(lambda: bool(town.west_said))
        await town.send(1, group=other)
        await town.quiet()
        west = town.gateways[WEST].gateway
        assert west.members.held <= 80
        await until(lambda: town.west_said[-1] == -1)
        comer = await town.connect(5, WEST)
        loads = len(town.line.loads)
        sequence = await town.send(1)
        await town.quiet()
        assert comer.sequences == [sequence]
        assert len(town.line.loads) == loads + 1
        assert town.devices[0].sequences == [1]


async def test_pushes_wait_for_members_that_cannot_be_read_and_keep_their_order(town: TwoGateways) -> None:
    town.line.is_cut = True
    await town.roster(range(1, 6))
    device, bystander = await town.connect(3, WEST), await town.connect(50, WEST)
    await town.rooms.befriend(50, 51)
    for _ in range(4):
        await town.send(1)
    await town.rooms.send(51, 1, 50, "to the side")
    await until(lambda: bool(bystander.sequences))  # nobody else waits
    assert device.sequences == []
    town.line.is_cut = False
    await town.quiet()
    assert device.sequences == [1, 2, 3, 4]


async def test_what_is_too_much_to_wait_is_told_as_sync_required(
    town: TwoGateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk_members, "MAX_WAITING_BYTES", 3_000)
    town.line.is_cut = True
    await town.roster(range(1, 6))
    ours, legacy = await town.connect(3, WEST), await town.connect(4, WEST, legacy=True)
    stranger = await town.connect(50, WEST)
    for _ in range(9):
        await town.send(1)
    await town.rooms.settle()
    town.line.is_cut = False
    await town.quiet()
    assert ours.sequences == legacy.sequences == []
    assert len(ours.events("sync.required")) == len(legacy.events("im.session.reload")) == 1
    assert stranger.events("sync.required") == []
    assert town.gateways[WEST].gateway.members._waiting_bytes == 0
    await town.send(1)
    await town.quiet()
    assert ours.sequences == legacy.sequences == [10]


async def test_a_recall_is_told_to_those_who_may_see_the_message(town: TwoGateways) -> None:
    await town.roster(range(1, 6))
    sees, late = await town.connect(3, WEST), await town.connect(9, EAST)
    legacy = await town.connect(4, EAST, legacy=True)
    sent = await town.rooms.send(1, 2, GROUP, "hello")
    change = await town.roster([9])
    await town.quiet()
    loads = len(town.line.loads)
    await town.rooms.recall(1, 2, GROUP, sent["msg_id"])
    await town.quiet()
    (told,) = [each for each in sees.events("talk.changed") if each["change"] == change + 1]
    assert [record["sequence"] for record in told["records"]] == [1]
    (number_alone,) = [each for each in late.events("talk.changed") if each["change"] == change + 1]
    assert number_alone == {"talk_id": 1, "change": change + 1, "records": [], "voids": []}
    assert [each["msg_id"] for each in legacy.events("im.message.revoke")] == [sent["msg_id"]]
    assert len(town.line.loads) == loads  # a recall changes no roster


async def test_a_large_change_of_members_is_its_number_alone_but_to_themselves(
    town: TwoGateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_events, "ROSTER_TOLD", 3)
    await town.roster(range(1, 6))
    old, new = await town.connect(3, WEST), await town.connect(12, EAST)
    small = await town.roster([8, 9])
    large = await town.roster(range(10, 20))
    await town.quiet()

    def told(device: Any, change: int) -> list[list[int]]:
        changes = [each for each in device.events("talk.changed") if each["change"] == change]
        return [[member["user_id"] for member in each.get("members", ())] for each in changes]

    assert told(old, small) == [[8, 9]]
    assert told(old, large) == [[]]
    assert told(new, large) == [[10, 11, 12], []]


async def test_a_group_may_grow_large_and_small_again(town: TwoGateways) -> None:
    await town.roster([1, 2])
    device = await town.connect(2, WEST)
    await town.send(1)
    await town.roster([3])
    await town.send(1)
    await town.roster([3], LEFT)
    await town.send(1)
    await asyncio.gather(town.send(1), town.roster([3, 4, 5], IN), town.send(1))
    await town.quiet()
    assert device.sequences == [1, 2, 3, 4, 5]
    head = await town.rooms.database.read(
        lambda connection: town.rooms.service._store.load_talks(connection, [1])
    )
    assert head[1].member_count == 5


async def test_a_talk_that_is_not_there_is_forgotten(town: TwoGateways) -> None:
    west = town.gateways[WEST].gateway
    await town.roster(range(1, 6))
    await town.connect(3, WEST)
    await town.send(1)
    await town.quiet()
    request = town.gateways[WEST].requests[-1]
    for delivery in request.deliveries:
        delivery.members.talk_id = 999
    before = west.members.held
    await west.deliver(request, None)
    await until(lambda: 999 not in west.members._talks)
    assert west.members.held == before and west.members._waiting_bytes == 0
