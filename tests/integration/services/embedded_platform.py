"""What a room stands on, for tests: a migrated database, in-process calls that are really serialised, a route table
and a gateway that keeps what it is handed. Only the clock is the test's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.database_storage import Storage
from xinyu.base.ids import new_incarnation
from xinyu.delivery.dispatcher import Dispatcher, EventSource
from xinyu.delivery.outbox import Outbox
from xinyu.delivery.routes import MemoryRoutes
from xinyu.rpc.context import Context
from xinyu.rpc.in_process import InProcessNetwork
from xinyu.storage import lease
from xinyu.storage.cache import MemoryCache
from xinyu.storage.database import Database
from xinyu.wire.v1 import gateway_pb2, gateway_rpc, options_pb2

GATEWAY = "gateway-1"


class SettableClock:
    """A clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = 1_790_000_000_000

    def now_ms(self) -> int:
        return self.now

    def monotonic_s(self) -> float:
        return self.now / 1000

    def advance_s(self, seconds: float) -> None:
        self.now += int(seconds * 1000)


@dataclass
class RecordingGateway:
    """A gateway servicer: keeps (user_ids, codec, envelope) of all that was delivered."""

    delivered: list[tuple[list[int], int, dict[str, Any]]] = field(default_factory=list)

    async def deliver(self, request: gateway_pb2.DeliverRequest, context: Context) -> options_pb2.Empty:
        for delivery in request.deliveries:
            for event in delivery.events:
                self.delivered.append((list(delivery.user_ids), event.codec, json.loads(event.payload)))
        return options_pb2.Empty()

    def told(self, user_id: int, codec: int) -> list[dict[str, Any]]:
        """The envelopes that this user's devices of that codec were handed, in order."""
        return [envelope for users, c, envelope in self.delivered if user_id in users and c == codec]


class EmbeddedPlatform:
    """Built by `embedded_platform`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.dialect = database.dialect
        self.clock = SettableClock()
        self.cache = MemoryCache(self.clock)
        self.routes = MemoryRoutes()
        self.network = InProcessNetwork(serialise=True)
        self.gateway = RecordingGateway()
        self.network.serve(gateway_rpc.METHODS, self.gateway, instance=GATEWAY)
        self.dispatchers: list[Dispatcher] = []
        self.incarnation = new_incarnation()

    def dispatcher(self, room: str, source: EventSource) -> Dispatcher:
        """A started dispatcher, closed with the platform."""
        dispatcher = Dispatcher(
            Outbox(room, self.dialect, self.incarnation, self.clock),
            source,
            self.database,
            self.routes,
            lambda gateway: gateway_rpc.GatewayStub(self.network.channel(room, instance=gateway)),
        )
        self.dispatchers.append(dispatcher)
        dispatcher.start()
        return dispatcher

    async def online(self, user_id: int, *codecs: int) -> None:
        """A device of each codec."""
        for codec in codecs:
            await self.routes.connect([user_id], GATEWAY, codec)

    async def settled(self) -> None:
        """All that was committed has been handed on."""
        await eventually(lambda: not any(dispatcher.outbox.open_count for dispatcher in self.dispatchers))


@asynccontextmanager
async def embedded_platform(storage: Storage) -> AsyncIterator[EmbeddedPlatform]:
    database = await storage.open()
    platform = EmbeddedPlatform(database)
    await database.write(lambda connection: lease.take_over(connection, database.dialect, platform.incarnation))
    try:
        yield platform
    finally:
        for dispatcher in platform.dispatchers:
            await dispatcher.close()
        await platform.network.drain(5.0)
        await database.close()


async def eventually(condition: Callable[[], bool]) -> None:
    """Waits for what other tasks are bringing about; the suite's own time limit ends a wait that is in vain."""
    while not condition():
        await asyncio.sleep(0.005)
