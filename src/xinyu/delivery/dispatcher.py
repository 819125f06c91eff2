"""Hands a room's committed events on: pushes to the gateways that hold the recipients, commands to other rooms.

Design. `committed` takes a batch right after its commit. Pushes of all waiting batches are made by the room
(`EventSource.pushes`), located with one batched look-up, encoded once per codec that some recipient speaks, and sent
with one Deliver a gateway; one task does it, so a gateway's stream keeps the order of commits. Commands (a room telling
another) run as a task each, with repeats until they succeed, and do not hold pushes up; `committed` returns a future
that is done when all of the batch's commands are, which is what a use case awaits before it answers.

A Deliver that fails is tried once more and then dropped: a push is a hint, and the device that misses it sees the hole.
A command that fails is tried again with growing pauses for as long as the process lives; after that the outbox row is
another process's to take over.

Bounds: batches waiting for the pusher are bounded (`MAX_WAITING`); past it the oldest pushes are dropped, never the
commands. Everything runs in tasks that `close` ends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

import structlog
from sqlalchemy import Connection

from xinyu.base.errors import XinYuError
from xinyu.delivery.outbox import Batch, Event, Outbox
from xinyu.delivery.routes import Located, Routes
from xinyu.storage.database import Database, DatabaseError
from xinyu.wire.v1 import gateway_pb2
from xinyu.wire.v1.gateway_rpc import GatewayStub

log = structlog.get_logger(__name__)

LEGACY: Final = 1 << 0
V1_JSON: Final = 1 << 1
MAX_WAITING: Final = 10_000
MAX_BATCHES_A_TURN: Final = 64
SWEEP_AFTER_S: Final = 1.0
RECOVER_EVERY_S: Final = 5.0
COMMAND_FIRST_PAUSE_S: Final = 0.05
COMMAND_LONGEST_PAUSE_S: Final = 5.0


@dataclass(slots=True)
class Push:
    """What some users are to hear. `encode(codec)` gives the envelope in a codec (0 legacy, 1 xinyu.v1.json); it is
    called once a codec, and only for those in `codecs` (bit mask of 1 << codec): the other dialects are not told.
    `legacy_also(users)` makes what those of the users with a legacy device hear after it: not called where none has."""

    user_ids: Sequence[int]
    encode: Callable[[int], bytes]
    codecs: int = LEGACY | V1_JSON
    ephemeral: bool = False
    legacy_also: Callable[[Sequence[int]], Iterable[Push]] | None = None


class EventSource(Protocol):
    """What a room gives its dispatcher."""

    async def pushes(self, events: Sequence[Event], *, remade: bool) -> Sequence[Push]:
        """The pushes of `events`, in order. `remade`: the process that committed did not hand them on, so the store may
        have moved on since: what is void by now is left out."""
        ...

    def is_command(self, event: Event) -> bool: ...

    async def command(self, event: Event) -> None:
        """Tells another room. Idempotent. Raises to be called again."""
        ...


class Dispatcher:
    """One a room and process."""

    def __init__(
        self,
        outbox: Outbox,
        source: EventSource,
        database: Database,
        routes: Routes,
        gateway: Callable[[str], GatewayStub],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.outbox = outbox
        self._source = source
        self._database = database
        self._routes = routes
        self._gateway = gateway
        self._sleep = sleep
        self._waiting: deque[tuple[int, Sequence[Event], bool]] = deque()
        self._commands_left: dict[int, int] = {}
        self._pushed: set[int] = set()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self.dropped_batches = 0

    def start(self) -> None:
        """Begins to hand on; `claim`s what dead processes left."""
        for run in (self._push_loop(), self._recover_loop()):
            self._own(asyncio.create_task(run))

    async def close(self, timeout_s: float = 5.0) -> None:
        """Hands on what waits, at most for `timeout_s`, then stops. What is left, and what is committed later, stays in
        the outbox for the next process."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.outbox.open_count:  # noqa: ASYNC110 (once in the process' life)
                    await asyncio.sleep(0.01)
        except TimeoutError:
            log.warning("outbox_left", room=self.outbox.room, rows=self.outbox.open_count)
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._sweep()
        except DatabaseError:
            log.warning("outbox_not_swept", room=self.outbox.room)

    def committed(self, batch: Batch) -> asyncio.Future[None]:
        """Takes a batch whose transaction has committed. The future is done when its commands are."""
        self.outbox.settled(batch)
        return self._take(batch.row_id, batch.events, remade=False)

    def push(self, pushes: Sequence[Push]) -> None:
        """Pushes that stand in no outbox (typing, presence): lost when the process dies."""
        if not self._closed:
            self._own(asyncio.create_task(self._deliver(pushes)))

    # ---------------------------------------------------------------- one batch

    def _take(self, row_id: int, events: Sequence[Event], *, remade: bool) -> asyncio.Future[None]:
        is_command = self._source.is_command
        commands = [event for event in events if is_command(event)]
        pushes = [event for event in events if not is_command(event)] if commands else events
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not row_id:
            done.set_result(None)
            return done
        if self._closed:
            done.cancel()  # nobody here hands on any more
            return done
        self._commands_left[row_id] = len(commands)
        if pushes:
            self._waiting.append((row_id, pushes, remade))
            if len(self._waiting) > MAX_WAITING:
                self.dropped_batches += 1
                self._push_done(self._waiting.popleft()[0])
            self._wake.set()
        else:
            self._pushed.add(row_id)
        if commands:
            task = asyncio.create_task(self._run_commands(row_id, commands, done))
            self._own(task)
        else:
            done.set_result(None)
            self._finish(row_id)
        return done

    def _push_done(self, row_id: int) -> None:
        self._pushed.add(row_id)
        self._finish(row_id)

    def _finish(self, row_id: int) -> None:
        if row_id in self._pushed and not self._commands_left.get(row_id):
            self._pushed.discard(row_id)
            self._commands_left.pop(row_id, None)
            self.outbox.finished(row_id)

    async def _run_commands(self, row_id: int, commands: Sequence[Event], done: asyncio.Future[None]) -> None:
        try:
            for event in commands:
                await self._run_command(event)
                self._commands_left[row_id] -= 1
        finally:
            if not done.done():
                done.set_result(None) if not self._commands_left.get(row_id) else done.cancel()
        self._finish(row_id)

    async def _run_command(self, event: Event) -> None:
        pause_s = COMMAND_FIRST_PAUSE_S
        while True:
            try:
                await self._source.command(event)
            except (XinYuError, DatabaseError) as error:
                log.warning("command_again", room=self.outbox.room, kind=event.kind, error=str(error), pause_s=pause_s)
            except Exception:
                log.exception("command_failed", room=self.outbox.room, kind=event.kind)
            else:
                return
            await self._sleep(pause_s)
            pause_s = min(pause_s * 2, COMMAND_LONGEST_PAUSE_S)

    # ---------------------------------------------------------------- pushes

    async def _push_loop(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                turn = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCHES_A_TURN))]
                for remade, group in _runs(turn):
                    try:
                        pushes = await self._source.pushes([e for _, events in group for e in events], remade=remade)
                        await self._deliver(pushes)
                    except (DatabaseError, XinYuError) as error:
                        # A push is a hint: the devices see the hole. The next batch must not wait for this one.
                        log.warning("push_failed", room=self.outbox.room, error=str(error))
                    except Exception:
                        log.exception("push_failed", room=self.outbox.room)
                    for row_id, _ in group:
                        self._push_done(row_id)

    async def _deliver(self, pushes: Sequence[Push]) -> None:
        users = {user_id for push in pushes for user_id in push.user_ids}
        if not users:
            return
        located = await self._routes.locate(users)
        if not located:
            return
        requests = _requests(pushes, located)
        if len(requests) == 1:
            await self._deliver_to(*requests.popitem())
        else:
            await asyncio.gather(*(self._deliver_to(gateway, request) for gateway, request in requests.items()))

    async def _deliver_to(self, gateway: str, request: gateway_pb2.DeliverRequest) -> None:
        for attempt in (1, 2):
            try:
                await self._gateway(gateway).deliver(request)
                return
            except XinYuError as error:
                log.warning("deliver_failed", gateway=gateway, attempt=attempt, error=str(error))

    # ---------------------------------------------------------------- what memory does not know

    async def recover(self) -> None:
        """Takes over what dead processes left, and own rows that memory does not know; sweeps done rows."""
        batch = self.outbox.open()

        def work(connection: Connection) -> list[tuple[int, tuple[Event, ...]]]:
            self.outbox.sweep(connection, batch.deleted)
            return self.outbox.claim(connection)

        claimed = await self._database.write(work)
        self.outbox.settled(batch)
        for row_id, events in [*claimed, *await self._database.read(self.outbox.unremembered)]:
            if self.outbox.adopted(row_id):
                self._take(row_id, events, remade=True)

    async def _sweep(self) -> None:
        """Deletes what is done, unless there is traffic again, which takes it along."""
        written = self.outbox.written
        while self.outbox.has_done and self.outbox.written == written:
            batch = self.outbox.open()
            await self._database.write(partial(self.outbox.sweep, row_ids=batch.deleted))
            self.outbox.settled(batch)

    async def _recover_loop(self) -> None:
        since_recover_s = RECOVER_EVERY_S
        written = self.outbox.written
        while True:
            try:
                if since_recover_s >= RECOVER_EVERY_S:
                    since_recover_s = 0.0
                    await self.recover()
                elif self.outbox.has_done and self.outbox.written == written:
                    await self._sweep()
            except DatabaseError as error:
                log.warning("outbox_unavailable", room=self.outbox.room, error=str(error))
            except Exception:
                # One row that cannot be read must not end the sweeping of all others.
                log.exception("recover_failed", room=self.outbox.room)
            written = self.outbox.written
            await self._sleep(SWEEP_AFTER_S)
            since_recover_s += SWEEP_AFTER_S

    def _own(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _runs(
    turn: Sequence[tuple[int, Sequence[Event], bool]],
) -> list[tuple[bool, list[tuple[int, Sequence[Event]]]]]:
    """`turn` in order, cut where `remade` changes."""
    runs: list[tuple[bool, list[tuple[int, Sequence[Event]]]]] = []
    for row_id, events, remade in turn:
        if not runs or runs[-1][0] != remade:
            runs.append((remade, []))
        runs[-1][1].append((row_id, events))
    return runs


def _requests(pushes: Iterable[Push], located: Located) -> dict[str, gateway_pb2.DeliverRequest]:
    """One request a gateway: each push with the users it has there, encoded in the codecs that they speak."""
    requests = {gateway: gateway_pb2.DeliverRequest() for gateway in located}
    for push in pushes:
        _add(requests, push, located)
    return {gateway: request for gateway, request in requests.items() if request.deliveries}


def _add(requests: dict[str, gateway_pb2.DeliverRequest], push: Push, located: Located) -> None:
    encoded: dict[int, bytes] = {}
    on_legacy: dict[int, None] = {}
    for gateway, here in located.items():
        users = []
        spoken = 0
        for user_id in push.user_ids:
            codecs = here.get(user_id, 0)
            if codecs & push.codecs:
                users.append(user_id)
                spoken |= codecs & push.codecs
            if codecs & LEGACY:
                on_legacy[user_id] = None
        if not users:
            continue
        # Field by field: upb takes half the time that it takes for keyword arguments.
        delivery = requests[gateway].deliveries.add()
        delivery.user_ids.extend(users)
        delivery.ephemeral = push.ephemeral
        for codec in range(spoken.bit_length()):
            if spoken >> codec & 1:
                if codec not in encoded:
                    encoded[codec] = push.encode(codec)
                event = delivery.events.add()
                event.codec = codec  # type: ignore[assignment]
                event.payload = encoded[codec]
    if on_legacy and push.legacy_also is not None:
        for further in push.legacy_also(list(on_legacy)):
            _add(requests, further, located)
