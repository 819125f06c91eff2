"""One process of the product: the real message, talk, group and contact rooms on an in-process network, with a gateway
whose sockets are the simulation's links.

A process can die: every task that it began is cancelled, wherever it stands, and whatever it still tries to write or
send is refused. What it left in the outboxes waits for another life.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar, copy_context
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from sqlalchemy import Connection

from tests.simulation.database import SIMULATED, SimulatedDatabase
from tests.simulation.loop import SimulatedClock
from xinyu.base.config import Config
from xinyu.base.errors import UNAVAILABLE, UNKNOWN_USER, XinYuError
from xinyu.delivery.dispatcher import Dispatcher, EventSource, Push
from xinyu.delivery.outbox import Event
from xinyu.delivery.routes import MemoryRoutes
from xinyu.delivery.watches import MemoryWatches
from xinyu.rpc.context import Context
from xinyu.rpc.in_process import InProcessNetwork
from xinyu.storage import lease
from xinyu.storage.cache import MemoryCache
from xinyu.storage.database import DatabaseError, Unavailable, Work
from xinyu.storage.meta import load_epoch
from xinyu.wire.v1 import gateway_pb2, gateway_rpc, options_pb2, talk_pb2, user_pb2, user_rpc
from xinyu.wire.v1.contact_rpc import ContactStub
from xinyu.wire.v1.group_rpc import GroupStub
from xinyu.wire.v1.message_rpc import MessageStub
from xinyu.wire.v1.talk_rpc import TalkStub
from xinyu.wire.v1.user_rpc import UserStub
from xinyu_services.cli import rooms
from xinyu_services.directory import Directory

if TYPE_CHECKING:
    from xinyu.client.shapes import SyncRequest

T = TypeVar("T")
V1_JSON_CODEC = 1
_running_in: ContextVar[Process | None] = ContextVar("process", default=None)


class Users:
    """The user room's answers: everybody has a name and one row that never changes."""

    def __init__(self, user_ids: Sequence[int]) -> None:
        self._user_ids = set(user_ids)

    async def load_names(self, request: user_pb2.LoadNamesRequest, context: Context) -> user_pb2.NamesPage:
        known = [user_id for user_id in request.user_ids if user_id in self._user_ids]
        return user_pb2.NamesPage(names=[user_pb2.UserName(user_id=u, nickname=f"user {u}") for u in known])

    async def load_user(self, request: user_pb2.UserRequest, context: Context) -> user_pb2.UserDetail:
        if request.user_id not in self._user_ids:
            raise XinYuError(UNKNOWN_USER)
        return user_pb2.UserDetail(user_id=request.user_id, nickname=f"user {request.user_id}")

    async def load_rows(self, request: options_pb2.RowsRequest, context: Context) -> options_pb2.RowsResponse:
        row = {"user_info": {"uid": request.user_id}, "setting": {}, "version": 1}
        rows = [options_pb2.Row(version=1, encoded=json.dumps(row).encode())] if request.version < 1 else []
        return options_pb2.RowsResponse(version=1, rows=rows)


class Device(Protocol):
    """What a gateway knows of a device."""

    user_id: int

    def deliver(self, frame: bytes) -> None: ...


class Gateway:
    """Sockets of one process: hands each frame to the links of the user's devices here."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.devices: list[Device] = []
        self.is_up = True

    async def deliver(self, request: gateway_pb2.DeliverRequest, context: Context) -> options_pb2.Empty:
        if not self.is_up:
            raise XinYuError(UNAVAILABLE)
        for delivery in request.deliveries:
            for event in delivery.events:
                if event.codec == V1_JSON_CODEC:
                    for device in [device for device in self.devices if device.user_id in delivery.user_ids]:
                        device.deliver(event.payload)
        return options_pb2.Empty()


class _Database:
    """The shared database as one process reaches it: not at all once the process is dead."""

    dialect = SIMULATED

    def __init__(self, database: SimulatedDatabase, process: Process) -> None:
        self._database = database
        self._process = process

    async def read(self, work: Work[T]) -> T:
        return await self._database.read(self._alive(work))

    async def write(
        self,
        work: Work[T],
        *,
        lane: int | None = None,
        statements_only: bool = False,
        committing: Callable[[], None] | None = None,
    ) -> T:
        return await self._database.write(
            self._alive(work), lane=lane, statements_only=statements_only, committing=committing
        )

    def _alive(self, work: Work[T]) -> Work[T]:
        def checked(connection: Connection) -> T:
            if self._process.is_dead:
                raise Unavailable("this process is dead")
            return work(connection)

        return checked

    async def close(self) -> None:
        """The simulation's own."""


class _GatedSource:
    """A room's EventSource behind a gate that a test can shut, so that what is committed is told later."""

    def __init__(self, source: EventSource) -> None:
        self._source = source
        self.gate = asyncio.Event()
        self.gate.set()

    async def pushes(self, events: Sequence[Event], *, remade: bool) -> Sequence[Push]:
        await self.gate.wait()
        return await self._source.pushes(events, remade=remade)

    def is_command(self, event: Event) -> bool:
        return self._source.is_command(event)

    async def command(self, event: Event) -> None:
        await self._source.command(event)


class Process:
    """Made alive by `start`."""

    def __init__(
        self,
        incarnation: str,
        database: SimulatedDatabase,
        routes: MemoryRoutes,
        clock: SimulatedClock,
        config: Config,
        gateways: dict[str, Gateway],
        gateway: Gateway,
        user_ids: Sequence[int],
        random: Random,
    ) -> None:
        self.incarnation = incarnation
        self.gateway = gateway
        self.is_dead = False
        self.skips_renewals = False
        self.epoch = ""
        self._random = random
        self._clock = clock
        self._tasks: set[asyncio.Task[Any]] = set()
        self._database = _Database(database, self)
        network = InProcessNetwork(serialise=random.random() < 0.2)
        platform = rooms.Platform(
            config=config,
            clock=clock,
            database=self._database,
            dialect=SIMULATED,
            routes=routes,
            watches=MemoryWatches(),
            cache=MemoryCache(clock),
            blobs=cast(Any, None),  # nor sends a file
            tokens=cast(Any, None),  # nobody logs in here
            keys=cast(Any, SimpleNamespace(token_secret=b"s" * 32)),
            incarnation=incarnation,
            servicers=network,
            channel=network.channel,
            gateway_channel=lambda room, instance: network.channel(room, instance=instance),
        )
        channel = network.channel("simulation")
        network.serve(
            [user_rpc.LOAD_NAMES, user_rpc.LOAD_USER, user_rpc.LOAD_ROWS],
            Users(user_ids),
        )
        for name, other in gateways.items():
            network.serve(gateway_rpc.METHODS, other, instance=name)
        directory = Directory(UserStub(channel), GroupStub(channel), clock)
        built = [
            rooms.presence_room(platform, directory),
            rooms.contact_room(platform, directory),
            rooms.group_room(platform, directory),
            rooms.message_room(platform, directory),
            rooms.talk_room(platform, directory),
        ]
        self.dispatchers: list[Dispatcher] = [room.dispatcher for room in built if room.dispatcher is not None]
        self.sources: dict[str, _GatedSource] = {}
        for dispatcher in self.dispatchers:
            source = self.sources[dispatcher.outbox.room] = _GatedSource(dispatcher._source)
            dispatcher._source = source
        self.messages, self.talks = MessageStub(channel), TalkStub(channel)
        self.groups, self.contacts = GroupStub(channel), ContactStub(channel)

    # ------------------------------------------------------------------ life

    async def start(self, *, alone: bool) -> None:
        """Begins its lease and its dispatchers. `alone`: the embedded form, which knows that all others are dead."""

        def begin(connection: Connection) -> str:
            if alone:
                lease.take_over(connection, SIMULATED, self.incarnation)
            else:
                lease.begin(connection, SIMULATED, self.incarnation)
            return load_epoch(connection, SIMULATED)

        async def run() -> None:
            while not self.epoch:
                try:
                    self.epoch = await self._database.write(begin)
                except DatabaseError:
                    await asyncio.sleep(0.1)
            for dispatcher in self.dispatchers:
                dispatcher.start()
            self._own(self._renew())

        await self.call(run)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(lease.RENEW_EVERY_S)
            if self.skips_renewals:
                continue
            try:
                alive = await self._database.write(
                    lambda connection: lease.renew(connection, SIMULATED, self.incarnation)
                )
            except DatabaseError:
                continue
            if not alive:
                self.die()
                return

    def die(self) -> None:
        """At once, whatever it is doing. Its sockets close."""
        if self.is_dead:
            return
        self.is_dead = True
        self.gateway.is_up = False
        current = asyncio.current_task()
        for task in sorted(self._tasks, key=lambda task: task.get_name()):
            if task is not current:
                task.cancel()

    def _own(self, work: Awaitable[None]) -> None:
        asyncio.get_running_loop().create_task(work)  # type: ignore[arg-type]  # the task factory owns it

    # ------------------------------------------------------------------ calls

    async def call(self, function: Callable[..., Awaitable[T]], *arguments: Any, **options: Any) -> T:
        """Run `function` as this process's own work. UNAVAILABLE when the process dies meanwhile."""
        if self.is_dead:
            raise XinYuError(UNAVAILABLE)

        async def run() -> T:
            return await function(*arguments, **options)

        context = copy_context()
        context.run(_running_in.set, self)
        task = asyncio.get_running_loop().create_task(run(), context=context)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.cancelled():
            raise XinYuError(UNAVAILABLE)
        return task.result()

    async def sync(self, user_id: int, request: SyncRequest) -> dict[str, Any]:
        """A device's sync, as the gateway passes it on."""
        answer = await self.call(
            self.talks.sync,
            talk_pb2.SyncRequest(
                user_id=user_id,
                epoch=request.epoch,
                versions={room: request.versions.of(room) for room in ("talk", "contact", "user")},  # type: ignore[arg-type]
                talks=[options_pb2.TalkCursor(talk_id=t, sequence=s, change=c, own=o) for t, s, c, o in request.talks],
                next=request.next or "",
                codec=options_pb2.CODEC_V1_JSON,
            ),
        )
        page: dict[str, Any] = json.loads(answer.answer)
        return page

    @property
    def is_idle(self) -> bool:
        return not any(dispatcher.outbox.open_count for dispatcher in self.dispatchers)


def own_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Every task belongs to the process in whose context it was made, and dies with it."""
    count = 0

    def factory(
        loop: asyncio.AbstractEventLoop, coroutine: Any, context: Any = None, **options: Any
    ) -> asyncio.Task[Any]:
        nonlocal count
        count += 1
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, context=context, name=f"task {count:09}")
        process = _running_in.get() if context is None else context.get(_running_in)
        if process is not None:
            process._tasks.add(task)
            task.add_done_callback(process._tasks.discard)
            if process.is_dead:
                task.cancel()
        return task

    loop.set_task_factory(factory)  # type: ignore[arg-type]
