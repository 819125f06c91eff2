"""Outbox and dispatcher: in order, commands until they succeed, nothing lost by a death."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from tests.database_storage import SqliteStorage
from tests.integration.services.embedded_platform import SettableClock
from tests.integration.services.rooms import GATEWAY, RecordingGateway
from xinyu.base.errors import UNAVAILABLE, XinYuError
from xinyu.base.trace import trace_id
from xinyu.delivery import dispatcher as module
from xinyu.delivery import missed_pushes
from xinyu.delivery.dispatcher import LEGACY, V1_JSON, Dispatcher, Members, Push
from xinyu.delivery.outbox import Event, Outbox
from xinyu.delivery.routes import Located, MemoryRoutes, TalkAbsence
from xinyu.rpc.context import Context
from xinyu.rpc.in_process import InProcessNetwork
from xinyu.storage import lease
from xinyu.storage.database import Unavailable
from xinyu.storage.dialect import SQLITE
from xinyu.storage.sqlite import SqliteDatabase
from xinyu.wire.v1 import gateway_pb2, gateway_rpc, options_pb2


class Source:
    """Events `p` (number, user) are pushes, `c` (number,) commands; `fails` commands fail so many times first."""

    def __init__(self) -> None:
        self.fails = 0
        self.told: list[tuple[int, bool]] = []
        self.commanded: list[int] = []
        self.encoded: list[int] = []
        self.codecs = LEGACY | V1_JSON
        self.break_on = -1

    async def pushes(self, events: Sequence[Event], *, remade: bool) -> list[Push]:
        self.told += [(event.values[0], remade) for event in events]
        if any(event.values[0] == self.break_on for event in events):
            raise ZeroDivisionError
        return [Push(event.values[1], self._encoder(event.values[0]), self.codecs) for event in events]

    def _encoder(self, number: int) -> Any:
        def encode(codec: int) -> bytes:
            self.encoded.append(codec)
            return json.dumps({"event": "told", "payload": number}).encode()

        return encode

    def is_command(self, event: Event) -> bool:
        return event.kind == "c"

    async def command(self, event: Event) -> None:
        if self.fails:
            self.fails -= 1
            raise XinYuError(UNAVAILABLE) if self.fails % 2 else KeyError("a mistake")
        self.commanded.append(event.values[0])


class House:
    """One database, clock, gateway and route table; as many processes as a test wants."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.database = database
        self.clock = SettableClock()
        self.routes = MemoryRoutes()
        self.gateway = RecordingGateway()
        self.network = InProcessNetwork(serialise=True)
        self.network.serve(gateway_rpc.METHODS, self.gateway, instance=GATEWAY)
        self.all_gateways: list[str] = []
        self.slept: list[float] = []
        self.wake = asyncio.Event()
        self.dispatchers: list[Dispatcher] = []

    async def process(self, incarnation: str, *, alive: bool = True) -> tuple[Dispatcher, Source]:
        source = Source()
        dispatcher = Dispatcher(
            Outbox("message", SQLITE, incarnation, self.clock),
            source,
            self.database,
            self.routes,
            lambda name: gateway_rpc.GatewayStub(self.network.channel("test", instance=name)),
            self.sleep,
            lambda: self.all_gateways,
        )
        self.dispatchers.append(dispatcher)
        if alive:
            await self.database.write(lambda c: lease.take_over(c, SQLITE, incarnation))
        return dispatcher, source

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if seconds == module.SWEEP_AFTER_S:
            await self.wake.wait()
        await asyncio.sleep(0)

    async def commit(self, dispatcher: Dispatcher, *events: Event, tell: bool = True) -> asyncio.Future[None] | None:
        batch = dispatcher.outbox.open()
        await self.database.write(lambda c: batch.write(c, events))
        return dispatcher.committed(batch) if tell else None

    async def rows(self) -> list[tuple[str, bytes]]:
        def work(connection: Connection) -> list[tuple[str, bytes]]:
            return [tuple(r) for r in connection.execute(text("SELECT incarnation, events FROM message_outbox"))]

        return await self.database.read(work)

    async def settle(self, dispatcher: Dispatcher) -> None:
        while dispatcher.outbox.open_count:
            await asyncio.sleep(0.001)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    database = await SqliteStorage(tmp_path / "x.db").open()
    house = House(database)
    yield house
    for dispatcher in house.dispatchers:
        await dispatcher.close(0.1)
    await database.close()


def push(number: int, *users: int) -> Event:
    return Event("p", (number, list(users)))


def command(number: int) -> Event:
    return Event("c", (number,))


async def test_pushes_reach_a_gateway_in_the_order_of_commits(house: House) -> None:
    await house.routes.connect([1], GATEWAY, 1)
    dispatcher, _ = await house.process("a")
    dispatcher.start()
    for n in range(100):
        await house.commit(dispatcher, push(n, 1))
    await house.settle(dispatcher)
    assert house.gateway.of(1, 1) == list(range(100))


async def test_a_deliver_carries_the_traces_of_what_it_delivers(house: House) -> None:
    await house.routes.connect([1], GATEWAY, 1)
    dispatcher, _ = await house.process("a")
    first, second = "1" * 32, "2" * 32
    for number, trace in enumerate((first, second, first)):  # all wait when the pusher begins
        trace_id.set(trace)
        await house.commit(dispatcher, push(number, 1))
    trace_id.set("3" * 32)
    dispatcher.start()
    await house.settle(dispatcher)
    assert house.gateway.traces == [(first, [first, second])]
    trace_id.set(second)
    await house.commit(dispatcher, push(4, 1))
    await house.settle(dispatcher)
    assert house.gateway.traces[1:] == [(second, [])]


async def test_a_push_is_encoded_once_a_codec_that_somebody_speaks(house: House) -> None:
    dispatcher, source = await house.process("a")
    dispatcher.start()
    for user in range(1, 20):
        await house.routes.connect([user], GATEWAY, 1)
    await house.commit(dispatcher, push(1, *range(1, 30)))
    await house.settle(dispatcher)
    assert source.encoded == [1]
    await house.routes.connect([3], GATEWAY, 0)
    await house.commit(dispatcher, push(2, *range(1, 30)))
    await house.settle(dispatcher)
    assert sorted(source.encoded) == [0, 1, 1]
    source.codecs = LEGACY
    await house.commit(dispatcher, push(3, *range(1, 30)))
    await house.settle(dispatcher)
    assert house.gateway.of(1, 1) == [1, 2] and house.gateway.of(3, 0) == [2, 3]


async def test_commands_are_repeated_until_they_succeed_and_then_the_use_case_is_told(house: House) -> None:
    dispatcher, source = await house.process("a")
    dispatcher.start()
    source.fails = 5
    done = await house.commit(dispatcher, command(1), command(2))
    assert done is not None
    await done
    assert source.commanded == [1, 2]
    pauses = [s for s in house.slept if s != module.SWEEP_AFTER_S]
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8]
    await house.settle(dispatcher)


async def test_a_command_that_fails_holds_no_push_up(house: House) -> None:
    await house.routes.connect([1], GATEWAY, 1)
    dispatcher, source = await house.process("a")
    dispatcher.start()
    source.fails = 10**9
    await house.commit(dispatcher, command(1), push(1, 1))
    while not house.gateway.delivered:
        await asyncio.sleep(0.001)
    assert dispatcher.outbox.open_count == 1
    assert len(await house.rows()) == 1  # kept: the command is not done
    source.fails = 0
    await house.settle(dispatcher)


async def test_a_push_that_cannot_be_made_costs_only_itself(house: House) -> None:
    await house.routes.connect([1], GATEWAY, 1)
    dispatcher, source = await house.process("a")
    dispatcher.start()
    source.break_on = 1
    await house.commit(dispatcher, push(1, 1))
    await house.settle(dispatcher)
    await house.commit(dispatcher, push(2, 1))
    await house.settle(dispatcher)
    assert house.gateway.of(1, 1) == [2]


async def test_past_the_bound_the_oldest_pushes_go_and_no_command(house: House, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    await house.routes.connect([1], GATEWAY, 1)
    dispatcher, source = await house.process("a")  # not started: nothing is taken out of the queue
    for n in range(5):
        await house.commit(dispatcher, push(n, 1), command(n))
    assert dispatcher.dropped_batches == 2
    dispatcher.start()
    await house.settle(dispatcher)
    assert house.gateway.of(1, 1) == [2, 3, 4]
    assert sorted(source.commanded) == [0, 1, 2, 3, 4]


async def test_done_rows_go_with_the_next_transaction_or_by_the_sweep(house: House) -> None:
    dispatcher, _ = await house.process("a")
    dispatcher.start()
    await house.commit(dispatcher, push(1, 1))
    await house.settle(dispatcher)
    await house.commit(dispatcher, push(2, 1))
    await house.settle(dispatcher)
    assert [json.loads(events)[0][1] for _, events in await house.rows()] == [2]
    assert dispatcher.outbox.has_done
    house.wake.set()
    while dispatcher.outbox.has_done:
        await asyncio.sleep(0.001)
    assert await house.rows() == []
    house.wake.clear()


async def test_nothing_is_swept_while_there_is_traffic(house: House) -> None:
    dispatcher, _ = await house.process("a")
    ticks: asyncio.Queue[float] = asyncio.Queue()
    asleep = asyncio.Event()

    async def sleep(_pause_s: float) -> None:
        asleep.set()
        await ticks.get()
        asleep.clear()

    dispatcher._sleep = sleep
    dispatcher.start()
    await asleep.wait()
    for number in (1, 2):
        await house.commit(dispatcher, push(number, 1))
        await house.settle(dispatcher)
        ticks.put_nowait(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asleep.wait()
        assert [json.loads(events)[0][1] for _, events in await house.rows()] == [number]
    ticks.put_nowait(0)
    while dispatcher.outbox.has_done:
        await asyncio.sleep(0.001)
    assert await house.rows() == []
    await asleep.wait()


async def test_what_a_dead_process_left_is_taken_over_once_its_lease_is_over(house: House) -> None:
    await house.routes.connect([1], GATEWAY, 1)
    dead, _ = await house.process("dead")
    await house.commit(dead, push(1, 1), command(1))
    await house.commit(dead, push(2, 1))
    # The second process' lease beside the first's, as in a cluster.
    second, source = await house.process("second", alive=False)

    await second.recover()
    assert source.told == []  # it has no lease itself: fenced
    await house.database.write(lambda c: lease.begin(c, SQLITE, "second"))
    await second.recover()
    assert source.told == []  # the other is alive
    await house.database.write(
        lambda c: c.execute(text("UPDATE lease SET until_ms = until_ms - 16000 WHERE incarnation = 'dead'")) and None
    )
    await second.recover()
    assert {incarnation for incarnation, _ in await house.rows()} == {"second"}
    second.start()
    await house.settle(second)
    assert source.told == [(1, True), (2, True)] and source.commanded == [1]
    assert not await house.database.write(lambda c: dead.outbox.claim(c))


async def test_a_commit_whose_answer_was_lost_is_found_after_five_seconds(house: House) -> None:
    dispatcher, source = await house.process("a")
    await house.commit(dispatcher, push(1, 1), tell=False)
    await dispatcher.recover()
    assert source.told == []
    house.clock.advance_s(5.1)
    known = await house.commit(dispatcher, push(2, 1))
    assert known is not None
    house.clock.advance_s(5.1)
    dispatcher.start()
    await dispatcher.recover()
    await house.settle(dispatcher)
    assert sorted(source.told) == [(1, True), (2, False)]


async def test_a_row_that_cannot_be_read_is_in_nobody_s_way(house: House) -> None:
    dead, _ = await house.process("dead")

    def spoil(connection: Connection) -> None:
        connection.execute(
            text("INSERT INTO message_outbox (incarnation, created_at_ms, events) VALUES ('gone', 1, 'not json')")
        )

    await house.database.write(spoil)
    await house.commit(dead, push(2, 1))
    dispatcher, source = await house.process("a")
    dispatcher.start()
    while not source.told:
        await asyncio.sleep(0.001)
    assert source.told == [(2, True)]
    await house.commit(dispatcher, push(1, 1))
    await house.settle(dispatcher)
    house.wake.set()
    while dispatcher.outbox.has_done:
        await asyncio.sleep(0.001)
    house.wake.clear()
    assert len(await house.rows()) == 1


async def test_close_hands_on_and_later_commits_stay_for_the_next(house: House) -> None:
    await house.routes.connect([1], GATEWAY, 1)
    dispatcher, _ = await house.process("a")
    dispatcher.start()
    for n in range(10):
        await house.commit(dispatcher, push(n, 1))
    await dispatcher.close()
    assert house.gateway.of(1, 1) == list(range(10))
    assert await house.rows() == []
    late = await house.commit(dispatcher, push(11, 1))
    assert late is not None and late.cancelled()
    dispatcher.push([Push([1], lambda _: b"{}")])
    assert len(await house.rows()) == 1 and len(house.gateway.delivered) == 10


async def test_a_gateway_that_is_away_delays_nobody_else_and_loses_only_pushes(house: House) -> None:
    await house.routes.connect([1], "gone", 1)
    await house.routes.connect([1], GATEWAY, 1)
    dispatcher, _ = await house.process("a")
    dispatcher.start()
    await house.commit(dispatcher, push(1, 1))
    await house.settle(dispatcher)
    assert house.gateway.of(1, 1) == [1]


async def test_while_routes_cannot_be_asked_all_gateways_are_told_if_they_are_few(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatcher, _ = await house.process("a")
    dispatcher.start()

    async def away(user_ids: object) -> Located:
        raise XinYuError(UNAVAILABLE)

    monkeypatch.setattr(house.routes, "locate", away)
    house.all_gateways = [f"gone {n}" for n in range(module.MAX_EVERYWHERE)]
    for number, gateways in enumerate(([], [GATEWAY, *house.all_gateways], [GATEWAY, *house.all_gateways[1:]])):
        house.all_gateways = gateways
        await house.commit(dispatcher, push(number, 1))
        await house.settle(dispatcher)
    assert house.gateway.of(1, 0) == house.gateway.of(1, 1) == [2]
    monkeypatch.undo()
    await house.routes.connect([1], GATEWAY, 1)
    await house.commit(dispatcher, push(3, 1))
    await house.settle(dispatcher)
    assert house.gateway.of(1, 1) == [2, 3]


async def test_a_transaction_that_fails_tells_nothing(house: House) -> None:
    dispatcher, source = await house.process("a")
    batch = dispatcher.outbox.open()

    def fails(connection: Connection) -> None:
        batch.write(connection, [push(1, 1)])
        raise Unavailable

    with pytest.raises(Unavailable):
        await house.database.write(fails)
    assert await house.rows() == [] and source.told == []
    empty = dispatcher.outbox.open()
    await house.database.write(lambda c: empty.write(c, []))
    done = dispatcher.committed(empty)
    assert done.done() and dispatcher.outbox.open_count == 0


# ---- what must not happen, and must not be the end


@pytest.mark.parametrize("mistake", [asyncio.CancelledError, SystemError])
async def test_a_pusher_that_ends_by_mistake_begins_again_and_loses_only_what_it_held(
    house: House, mistake: type[BaseException], capsys: Any
) -> None:
    await house.routes.connect([1], GATEWAY, 1)
    dispatcher, source = await house.process("a")
    plain, left = source.pushes, 3

    async def pushes(events: Sequence[Event], *, remade: bool) -> list[Push]:
        nonlocal left
        if left:
            left -= 1
            raise mistake
        return await plain(events, remade=remade)

    source.pushes = pushes  # type: ignore[method-assign]
    dispatcher.start()
    for n in range(6):
        await house.commit(dispatcher, push(n, 1))
        await house.settle(dispatcher)
    assert house.gateway.of(1, 1) == [3, 4, 5]
    restarts = [pause_s for pause_s in house.slept if pause_s != module.SWEEP_AFTER_S]
    if mistake is asyncio.CancelledError:
        assert restarts == [0.1, 0.2, 0.4], "a mistake that goes on is not tried again at full speed"
        assert capsys.readouterr().out.count("loop_ended") == 3
    else:
        assert restarts == [], "an exception is the batch's alone"


async def test_a_loop_that_is_closed_is_not_begun_again(house: House, capsys: Any) -> None:
    dispatcher, _ = await house.process("a")
    dispatcher.start()
    await asyncio.sleep(0)
    await dispatcher.close(0.1)
    assert not dispatcher._tasks
    assert "loop_ended" not in capsys.readouterr().out


class Away:
    """A gateway that refuses so many Delivers first."""

    def __init__(self, house: House, refusals: int) -> None:
        self._house = house
        self.refusals = refusals
        self.refused: list[list[int]] = []  # the users of each
        house.network.serve(gateway_rpc.METHODS, self, instance=GATEWAY)

    async def deliver(self, request: Any, context: Any) -> Any:
        if self.refusals:
            self.refusals -= 1
            self.refused.append([user_id for delivery in request.deliveries for user_id in delivery.user_ids])
            raise XinYuError(UNAVAILABLE)
        return await self._house.gateway.deliver(request, context)


async def test_who_missed_a_push_is_told_to_catch_up_when_the_gateway_answers_again(house: House) -> None:
    Away(house, 2 + 1)
    await house.routes.connect([1, 2], GATEWAY, 1)
    await house.routes.connect([3], GATEWAY, 0)
    dispatcher, _ = await house.process("a")
    dispatcher.start()
    await house.commit(dispatcher, push(1, 1), push(2, 3))
    await house.settle(dispatcher)
    while not house.gateway.of(1, 1):
        await asyncio.sleep(0.001)
    assert house.gateway.of(1, 1, "sync.required") == [{"reason": "behind"}]
    assert house.gateway.of(3, 0, "im.session.reload") == [{}]
    assert house.gateway.of(2, 1) == []
    assert [pause_s for pause_s in house.slept if pause_s != module.SWEEP_AFTER_S] == list(missed_pushes.PAUSES_S[:2])
    await house.commit(dispatcher, push(3, 1))
    await house.settle(dispatcher)
    assert house.gateway.of(1, 1) == [{"reason": "behind"}, 3], "told once"


async def test_a_gateway_that_stays_away_is_given_up_and_its_users_are_bounded(house: House, monkeypatch: Any) -> None:
    monkeypatch.setattr(missed_pushes, "MAX_USERS", 2)
    away = Away(house, 1_000)
    await house.routes.connect([1, 2, 3], GATEWAY, 1)
    dispatcher, _ = await house.process("a")
    dispatcher.start()
    await house.commit(dispatcher, push(1, 1, 2, 3))
    await house.settle(dispatcher)
    while dispatcher._missed._users:
        await asyncio.sleep(0.001)
    assert [len(users) for users in away.refused] == [3, 3] + [2] * len(missed_pushes.PAUSES_S)
    assert [pause_s for pause_s in house.slept if pause_s != module.SWEEP_AFTER_S] == list(missed_pushes.PAUSES_S)
    away.refusals = 0
    await house.commit(dispatcher, push(2, 1))
    await house.settle(dispatcher)
    assert house.gateway.of(1, 1) == [2]


async def test_nobody_is_told_to_catch_up_on_what_is_ephemeral(house: House) -> None:
    Away(house, 2)
    await house.routes.connect([1], GATEWAY, 1)
    dispatcher, _ = await house.process("a")
    dispatcher.push([Push([1], lambda _: b"{}", ephemeral=True)])
    while dispatcher._tasks:
        await asyncio.sleep(0.001)
    assert dispatcher._missed._users == {}


class KeepingGateway:
    """Keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[gateway_pb2.DeliverRequest] = []

    async def deliver(self, request: gateway_pb2.DeliverRequest, context: Context) -> options_pb2.Empty:
        self.requests.append(request)
        return options_pb2.Empty()


async def test_a_push_to_a_talk_is_encoded_once_and_goes_to_all_gateways_that_may_hold_members(house: House) -> None:
    gateways = {name: KeepingGateway() for name in ("a", "b", "c")}
    for name, gateway in gateways.items():
        house.network.serve(gateway_rpc.METHODS, gateway, instance=name)
        await house.routes.connect([7 if name == "a" else 8], name, 1)
    await house.routes.tell_absences("b", "first", [TalkAbsence(5, 3, 1), TalkAbsence(6, 2, 2)])
    dispatcher, source = await house.process("first")
    five = Members(5, 3, gateway_pb2.AUDIENCE_READERS, 9)
    await dispatcher._deliver(
        [
            Push([7], source._encoder(1)),
            Push((), source._encoder(2), members=five),
            Push((), source._encoder(3), LEGACY, members=Members(6, 3, gateway_pb2.AUDIENCE_MEMBERS)),
        ],
        (),
    )
    seen = {
        name: [
            (list(d.user_ids), d.members.talk_id, [json.loads(event.payload)["payload"] for event in d.events])
            for request in gateway.requests
            for d in request.deliveries
        ]
        for name, gateway in gateways.items()
    }
    by_talk = [([], 5, [2, 2]), ([], 6, [3])]
    assert seen == {"a": [([7], 0, [1]), *by_talk], "b": by_talk[1:], "c": by_talk}
    assert [len(gateway.requests) for gateway in gateways.values()] == [1, 1, 1]
    assert source.encoded == [1, 0, 1, 0]
    (members,) = {bytes(r.deliveries[0].members.SerializeToString()) for r in gateways["c"].requests}
    assert gateway_pb2.TalkMembers.FromString(members) == gateway_pb2.TalkMembers(
        talk_id=5, change=3, audience=gateway_pb2.AUDIENCE_READERS, sequence=9
    )


async def test_members_of_a_large_talk_are_told_to_catch_up_by_their_talk(house: House, monkeypatch: Any) -> None:
    gateway = KeepingGateway()
    away = Away(house, 2)
    monkeypatch.setattr(house, "gateway", gateway)
    await house.routes.connect([7], GATEWAY, 1)
    dispatcher, source = await house.process("first")
    for change in (3, 2):
        members = Members(5, change, gateway_pb2.AUDIENCE_READERS, 9)
        await dispatcher._deliver([Push((), source._encoder(1), members=members)], ())
        away.refusals = 2 if change == 3 else 0
    while dispatcher._missed._talks:
        await asyncio.sleep(0.001)
    (request,) = [each for each in gateway.requests if b"sync.required" in each.SerializeToString()]
    told = [(list(d.user_ids), d.members, [event.codec for event in d.events]) for d in request.deliveries]
    assert told == [([], gateway_pb2.TalkMembers(), [0, 1]), ([], gateway_pb2.TalkMembers(talk_id=5, change=3), [0, 1])]


async def test_while_routes_cannot_be_asked_a_large_talk_is_told_everywhere(house: House, monkeypatch: Any) -> None:
    gateway = KeepingGateway()
    house.network.serve(gateway_rpc.METHODS, gateway, instance="a")
    dispatcher, source = await house.process("first")

    async def away(_changes: Any) -> Any:
        raise XinYuError(UNAVAILABLE)

    monkeypatch.setattr(house.routes, "locate_talks", away)
    push = Push((), source._encoder(1), members=Members(5, 3, gateway_pb2.AUDIENCE_MEMBERS))
    with pytest.raises(XinYuError):
        await dispatcher._deliver([push], ())
    monkeypatch.setattr(dispatcher, "_all_gateways", lambda: ["a"])
    await dispatcher._deliver([push], ())
    assert [delivery.members.talk_id for request in gateway.requests for delivery in request.deliveries] == [5]
