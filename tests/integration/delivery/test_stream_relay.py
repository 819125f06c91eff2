"""The relay under a real dispatcher, database and Redis: every committed batch gets into the stream, in order."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from tests.database_storage import Storage
from tests.integration.services.embedded_platform import SettableClock, eventually
from tests.local_servers import local_server
from tests.redis_links import redis_link
from xinyu.base.errors import UNAVAILABLE, XinYuError
from xinyu.base.metrics import Metrics
from xinyu.base.trace import trace_id
from xinyu.delivery import dispatcher as dispatching
from xinyu.delivery import stream_relay as module
from xinyu.delivery.dispatcher import Dispatcher, Push
from xinyu.delivery.outbox import Event, Outbox
from xinyu.delivery.routes import MemoryRoutes
from xinyu.delivery.stream_relay import StreamRelay
from xinyu.storage import lease
from xinyu.storage.database import Database
from xinyu.storage.dialect import Dialect
from xinyu.storage.redis_link import RedisLink
from xinyu.wire.v1.gateway_rpc import GatewayStub
from xinyu_services.cli.local_servers.redis import RedisServer
from xinyu_services.cli.measures import measure_rooms
from xinyu_services.cli.rooms import Room


class Source:
    """Events `p` (number,) are pushes to nobody, `c` (number,) commands, which fail while `refuses`."""

    def __init__(self) -> None:
        self.refuses = False
        self.told: list[int] = []
        self.commanded: list[int] = []

    async def pushes(self, events: Sequence[Event], *, remade: bool) -> list[Push]:
        self.told += [event.values[0] for event in events]
        return []

    def is_command(self, event: Event) -> bool:
        return event.kind == "c"

    async def command(self, event: Event) -> None:
        if self.refuses:
            raise XinYuError(UNAVAILABLE)
        self.commanded.append(event.values[0])


def no_gateway(name: str) -> GatewayStub:
    raise AssertionError(name)


@dataclass
class Process:
    dispatcher: Dispatcher
    source: Source
    relay: StreamRelay | None


class House:
    """One database; processes of the message room, with one Redis or without."""

    def __init__(self, database: Database, dialect: Dialect) -> None:
        self.database = database
        self.dialect = dialect
        self.clock = SettableClock()
        self.processes: list[Process] = []
        self.relay_pauses = 0

    async def process(
        self, link: RedisLink | None, incarnation: str = "a", *, max_entries: int = 10_000, is_started: bool = True
    ) -> Process:
        relay = None if link is None else StreamRelay("message", link, self.clock, max_entries, self._pause)
        outbox, source = Outbox("message", self.dialect, incarnation, self.clock), Source()
        dispatcher = Dispatcher(
            outbox, source, self.database, MemoryRoutes(), no_gateway, sleep=quickly, relay=relay
        )
        await self.database.write(lambda connection: lease.take_over(connection, self.dialect, incarnation))
        process = Process(dispatcher, source, relay)
        self.processes.append(process)
        if is_started:
            dispatcher.start()
        return process

    async def _pause(self, pause_s: float) -> None:
        self.relay_pauses += 1
        await quickly(pause_s)

    async def commit(self, process: Process, *events: Event) -> int:
        batch = process.dispatcher.outbox.open()
        await self.database.write(lambda connection: batch.write(connection, events))
        process.dispatcher.committed(batch)
        return batch.row_id

    async def rows(self) -> list[int]:
        return await self.database.read(
            lambda connection: list(connection.execute(text("SELECT id FROM message_outbox ORDER BY id")).scalars())
        )


async def quickly(_pause_s: float) -> None:
    await asyncio.sleep(0.01)


@pytest.fixture
async def house(storage: Storage) -> AsyncIterator[House]:
    database = await storage.open()
    house = House(database, storage.dialect)
    yield house
    for process in house.processes:
        await process.dispatcher.close(0.1)
    await database.close()


def push(number: int) -> Event:
    return Event("p", (number, [number, "text"]), fresh=object())


def command(number: int) -> Event:
    return Event("c", (number,))


async def entries(link: RedisLink, room: str = "message") -> list[dict[str, Any]]:
    """What the stream holds, oldest first: a dict an entry, JSON read."""
    found = []
    for _, fields in await link.execute("XRANGE", f"{link.prefix}events:{room}", "-", "+"):
        entry = {key.decode(): fields[key].decode() for key in fields} if isinstance(fields, dict) else _paired(fields)
        found.append({key: value if key == "room" else json.loads(value) for key, value in entry.items()})
    return found


def _paired(fields: Sequence[bytes]) -> dict[str, str]:
    texts = [each.decode() for each in fields]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def numbers(found: Sequence[dict[str, Any]]) -> list[int]:
    """The first value of each event, of each batch once."""
    batches = {entry["row"]: entry["events"] for entry in found}
    return [values[0] for events in batches.values() for _, *values in events]


async def settled(process: Process) -> None:
    await eventually(lambda: process.dispatcher.outbox.open_count == 0)


@asynccontextmanager
async def own_redis() -> AsyncIterator[tuple[RedisServer, RedisLink]]:
    """One that the test may stop."""
    with local_server(RedisServer) as server:
        async with redis_link(server, timeout_s=1.0) as link:
            yield server, link


@pytest.mark.parametrize("server", ["redis", "redis_cluster"])
async def test_batches_are_entries_in_the_order_of_commits(
    house: House, request: pytest.FixtureRequest, server: str
) -> None:
    async with redis_link(request.getfixturevalue(server)) as link:
        process = await house.process(link)
        first, second = "1" * 32, "2" * 32
        trace_id.set(first)
        row_id = await house.commit(process, push(0), command(1))
        at_ms = house.clock.now
        trace_id.set(second)
        house.clock.advance_s(1)
        for number in range(2, 202):
            await house.commit(process, push(number))
        await settled(process)
        found = await entries(link)
        assert found[0] == {
            "room": "message",
            "row": row_id,
            "at_ms": at_ms,
            "trace_ids": [first],
            "events": [["p", 0, [0, "text"]], ["c", 1]],
        }
        assert [entry["row"] for entry in found] == sorted({entry["row"] for entry in found})
        assert numbers(found) == list(range(202))
        assert found[1]["trace_ids"] == [second] and found[1]["at_ms"] == at_ms + 1000
        assert process.source.told == [0, *range(2, 202)]
        await eventually_empty(house)


async def eventually_empty(house: House) -> None:
    while await house.rows():
        await asyncio.sleep(0.01)


async def test_many_traces_are_named_up_to_a_bound(house: House, redis: RedisServer) -> None:
    async with redis_link(redis) as link:
        process = await house.process(link)
        batch = process.dispatcher.outbox.open()
        batch.trace_ids = ["", *(f"{n // 2:032x}" for n in range(200))]
        await house.database.write(lambda connection: batch.write(connection, [push(1)]))
        process.dispatcher.committed(batch)
        await settled(process)
        assert (await entries(link))[0]["trace_ids"] == [f"{n:032x}" for n in range(module.MAX_TRACES)]


async def test_what_is_committed_while_redis_is_away_follows_in_order(house: House) -> None:
    async with own_redis() as (server, link):
        process = await house.process(link)
        assert process.relay is not None
        await house.commit(process, push(0))
        await settled(process)
        server.kill()
        rows = [await house.commit(process, push(number), command(number)) for number in range(1, 301)]
        await eventually(lambda: len(process.source.told) == 301 and len(process.source.commanded) == 300)
        # Nobody's push waits for Redis; every row does.
        assert process.dispatcher.outbox.open_count == process.relay.waiting == 300
        assert set(rows) <= set(await house.rows())
        await asyncio.to_thread(server.start)
        await settled(process)
        found = await entries(link)  # the new server knows nothing of before
        assert [entry["row"] for entry in found] == rows
        assert process.relay.waiting == process.relay.oldest_s == 0
        await eventually_empty(house)


async def test_an_answer_that_is_lost_doubles_a_batch_and_changes_no_order(house: House) -> None:
    async with own_redis() as (server, link):
        process = await house.process(link)
        await house.commit(process, push(0))
        await settled(process)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        try:
            for number in range(1, 10):
                await house.commit(process, push(number))
            await eventually(lambda: house.relay_pauses > 0)  # the call was sent, and nobody answered in time
        finally:
            os.kill(server.pid, signal.SIGCONT)
        await settled(process)
        found = await entries(link)
        assert numbers(found) == list(range(10))
        assert len(found) > 10


async def test_what_a_process_leaves_is_relayed_by_the_next(house: House) -> None:
    async with own_redis() as (server, link):
        first = await house.process(link)
        await house.commit(first, push(0))
        await settled(first)
        server.kill()
        at_ms = house.clock.now
        rows = [await house.commit(first, push(number)) for number in range(1, 6)]
        await first.dispatcher.close(0.2)
        house.clock.advance_s(60)
        second = await house.process(link, "b")
        await eventually(lambda: second.dispatcher.outbox.open_count == 5)
        await asyncio.to_thread(server.start)
        await settled(second)
        found = await entries(link)
        assert [entry["row"] for entry in found] == rows
        assert {entry["at_ms"] for entry in found} == {at_ms}  # of the commit, whoever tells of it
        assert numbers(found) == [1, 2, 3, 4, 5]


async def test_past_the_bound_rows_are_forgotten_and_found_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 4)
    monkeypatch.setattr(dispatching, "CLAIM_LIMIT", 2)
    async with own_redis() as (server, link):
        process = await house.process(link)
        assert process.relay is not None
        await house.commit(process, push(0))
        await settled(process)
        server.kill()
        for number in range(1, 11):
            await house.commit(process, push(number), command(number))
        outbox = process.dispatcher.outbox
        await eventually(lambda: len(process.source.commanded) == 10 and outbox.open_count == 4)
        assert process.relay.forgotten == 6 and not process.relay.has_room
        house.clock.advance_s(10)
        assert not await process.dispatcher.recover()  # there is no room for them yet
        assert len(process.source.commanded) == 10 and outbox.open_count == 4
        await asyncio.to_thread(server.start)
        await eventually_empty(house)
        assert numbers(await entries(link)) == [n for number in range(1, 11) for n in (number, number)]


async def test_the_bound_is_of_bytes_too_and_one_batch_always_goes(
    house: House, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING_BYTES", 1000)
    monkeypatch.setattr(module, "MAX_BYTES_A_CALL", 10)
    async with redis_link(redis) as link:
        process = await house.process(link, is_started=False)
        assert process.relay is not None
        large = Event("p", (1, "x" * 5000))
        await house.commit(process, large)
        await house.commit(process, push(2))
        assert (process.relay.waiting, process.relay.forgotten) == (1, 1)
        house.clock.advance_s(10)
        process.dispatcher.start()
        await eventually_empty(house)
        assert numbers(await entries(link)) == [1, 2]


async def test_a_command_that_fails_keeps_the_row_and_holds_no_relay_up(house: House, redis: RedisServer) -> None:
    async with redis_link(redis) as link:
        process = await house.process(link)
        assert process.relay is not None
        process.source.refuses = True
        await house.commit(process, command(1))
        await eventually(lambda: process.relay is not None and process.relay.relayed == 1)
        assert process.dispatcher.outbox.open_count == 1
        process.source.refuses = False
        await settled(process)
        assert numbers(await entries(link)) == [1] and process.source.commanded == [1]


async def test_a_redis_that_refuses_is_asked_again(house: House, redis: RedisServer) -> None:
    async with redis_link(redis) as link:
        await link.execute("SET", f"{link.prefix}events:message", "in the way")
        process = await house.process(link)
        await house.commit(process, push(1))
        await eventually(lambda: process.source.told == [1])
        assert process.dispatcher.outbox.open_count == 1
        await link.execute("DEL", f"{link.prefix}events:message")
        await settled(process)
        assert numbers(await entries(link)) == [1]


async def test_the_oldest_entries_go(house: House, redis: RedisServer) -> None:
    async with redis_link(redis) as link:
        process = await house.process(link, max_entries=100)
        for number in range(600):
            await house.commit(process, push(number))
        await settled(process)
        kept = numbers(await entries(link))
        assert 100 <= len(kept) < 300 and kept == list(range(600 - len(kept), 600))


async def test_pauses_grow_up_to_a_bound_and_begin_anew() -> None:
    async with own_redis() as (server, link):
        server.kill()
        slept: list[float] = []

        async def sleep(pause_s: float) -> None:
            slept.append(pause_s)
            await asyncio.sleep(0.01)

        relay = StreamRelay("message", link, SettableClock(), 10, sleep)
        relay.add(1, 0, [push(1)], ())
        running = asyncio.create_task(relay.run(lambda _row: None))
        await eventually(lambda: len(slept) >= 8)
        assert slept[:8] == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]
        assert relay.holds(1)
        await asyncio.to_thread(server.start)
        await eventually(lambda: not relay.holds(1))
        server.kill()
        slept.clear()
        relay.add(2, 0, [push(2)], ())
        await eventually(lambda: len(slept) >= 2)
        assert slept[:2] == [0.1, 0.2]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_without_a_relay_redis_hears_nothing(house: House, redis: RedisServer) -> None:
    async with redis_link(redis) as link:
        process = await house.process(None)
        await house.commit(process, push(1))
        await settled(process)
        assert await link.execute("KEYS", f"{link.prefix}*") == []


async def test_figures(house: House, redis: RedisServer) -> None:
    async with redis_link(redis) as link:
        process = await house.process(link, is_started=False)
        metrics = Metrics(version="1", role="svc-message")
        measure_rooms(metrics, [Room(process.dispatcher)])
        await house.commit(process, push(1))
        house.clock.advance_s(2)
        figure_names = ("batches_total", "waiting_batches", "age_seconds", "forgotten_batches_total")
        assert figures(metrics) == dict(zip(figure_names, (0, 1, 2, 0), strict=True))
        process.dispatcher.start()
        await settled(process)
        assert figures(metrics) == dict(zip(figure_names, (1, 0, 0, 0), strict=True))


def figures(metrics: Metrics) -> dict[str, float]:
    start, end = "xinyu_relay_", '{room="message"}'
    lines = [line.split(" ") for line in metrics.text().decode().splitlines() if line.startswith(start)]
    return {name.removeprefix(start).removesuffix(end): float(value) for name, value in lines}
