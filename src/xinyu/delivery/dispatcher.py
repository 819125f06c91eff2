"""Hands a room's committed events on: pushes to the gateways that hold the recipients, commands to other rooms.

Design. `committed` takes a batch right after its commit. Pushes of all waiting batches are made by the room
(`EventSource.pushes`), located with one batched look-up, encoded once per codec that some recipient speaks, and sent
with one Deliver a gateway; one task does it, so a gateway's stream keeps the order of commits. A push to a large talk
(`Members`) names nobody: it goes to all gateways but those that are known to hold none of its members. Commands (a room
telling another) run as a task each, with repeats until they succeed, and do not hold pushes up; `committed` returns a
future that is done when all of the batch's commands are, which is what a use case awaits before it answers.

While routes cannot be asked, pushes go to all gateways, where these are few: each passes over those whom it does not
hold. Where they are many, a push is dropped.

A Deliver that fails is tried once more and then dropped: a push is a hint, and whoever misses it is told to catch up
when the gateway answers again (`missed_pushes`). A command that fails is tried again with growing pauses for as long as
the process lives; after that the outbox row is another process's to take over.

The pushes of one turn may come from many requests. The calls that they take carry the trace id of the first, and
Deliver names them all (`MAX_TRACES`), so that the gateway's log knows each.

With a `relay` every batch goes to it as well, and its row is done only when the relay is, too.

Bounds: batches waiting for the pusher are bounded (`MAX_WAITING`); past it the oldest pushes are dropped, never the
commands. Everything runs in tasks that `close` ends; a loop that ends before that does so by a mistake, and is begun
again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Container, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import structlog
from sqlalchemy import Connection

from xinyu.base.errors import XinYuError
from xinyu.base.trace import new_trace_id, trace_id
from xinyu.delivery.missed_pushes import MissedPushes
from xinyu.delivery.outbox import CLAIM_LIMIT, Batch, Event, Outbox, StoredBatch
from xinyu.delivery.routes import Located, Routes
from xinyu.storage.database import Database, DatabaseError
from xinyu.wire.v1 import gateway_pb2
from xinyu.wire.v1.gateway_rpc import GatewayStub

if TYPE_CHECKING:
    from xinyu.delivery.stream_relay import StreamRelay

log = structlog.get_logger(__name__)

LEGACY: Final = 1 << 0
V1_JSON: Final = 1 << 1
MAX_WAITING: Final = 10_000
MAX_BATCHES_A_TURN: Final = 64
# Trace ids that one Deliver names: enough to follow a request, and little beside the pushes.
MAX_TRACES: Final = 32
MAX_EVERYWHERE: Final = 16
SWEEP_AFTER_S: Final = 1.0
RECOVER_EVERY_S: Final = 5.0
COMMAND_FIRST_PAUSE_S: Final = 0.05
COMMAND_LONGEST_PAUSE_S: Final = 5.0
RESTART_FIRST_PAUSE_S: Final = 0.1
RESTART_LONGEST_PAUSE_S: Final = 10.0


class Members(NamedTuple):
    """Members of a large talk: those of `audience` (gateway.proto), which may be about the message `sequence`, as they
    stand at `change` or later."""

    talk_id: int
    change: int
    audience: gateway_pb2.Audience.ValueType
    sequence: int = 0


@dataclass(slots=True)
class Push:
    """What some users are to hear, or `members`. `encode(codec)` gives the envelope in a codec (0 legacy,
    1 xinyu.v1.json); it is called once a codec, and only for those in `codecs` (bit mask of 1 << codec): the other
    dialects are not told. `legacy_also(users)` makes what those of the users with a legacy device hear after it: not
    called where none has, nor for `members`."""

    user_ids: Sequence[int]
    encode: Callable[[int], bytes]
    codecs: int = LEGACY | V1_JSON
    ephemeral: bool = False
    legacy_also: Callable[[Sequence[int]], Iterable[Push]] | None = None
    members: Members | None = None


class _Waiting(NamedTuple):
    """A batch whose pushes are to be made."""

    row_id: int
    events: Sequence[Event]
    remade: bool
    trace_ids: Sequence[str]


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
        all_gateways: Callable[[], Iterable[str]] = tuple,
        relay: StreamRelay | None = None,
    ) -> None:
        self.outbox = outbox
        self.relay = relay
        self._source = source
        self._database = database
        self._routes = routes
        self._gateway = gateway
        self._sleep = sleep
        self._all_gateways = all_gateways
        self._waiting: deque[_Waiting] = deque()
        self._commands_left: dict[int, int] = {}
        self._pushed: set[int] = set()
        self._unrelayed: set[int] = set()  # those in hand that the relay had no room for
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._missed = MissedPushes(gateway, sleep, self._own)
        self._closed = False
        self.dropped_batches = 0

    def start(self) -> None:
        """Begins to hand on; `claim`s what dead processes left."""
        loops = [self._push_loop, self._recover_loop]
        if self.relay is not None:
            loops.append(self._relay_loop)
        for loop in loops:
            self._own(self._keep_running(loop))

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
        return self._take(
            StoredBatch(batch.row_id, batch.created_at_ms, batch.events), batch.trace_ids, remade=False
        )

    def push(self, pushes: Sequence[Push]) -> None:
        """Pushes that stand in no outbox (typing, presence): lost when the process dies."""
        if not self._closed:
            self._own(self._deliver(pushes, ()))

    # ---------------------------------------------------------------- one batch

    def _take(self, batch: StoredBatch, trace_ids: Sequence[str], *, remade: bool) -> asyncio.Future[None]:
        row_id, created_at_ms, events = batch
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
        if self.relay is not None and not self.relay.add(row_id, created_at_ms, events, trace_ids):
            self._unrelayed.add(row_id)
        self._commands_left[row_id] = len(commands)
        if pushes:
            self._waiting.append(_Waiting(row_id, pushes, remade, trace_ids))
            if len(self._waiting) > MAX_WAITING:
                self.dropped_batches += 1
                self._push_done(self._waiting.popleft().row_id)
            self._wake.set()
        else:
            self._pushed.add(row_id)
        if commands:
            self._own(self._run_commands(row_id, commands, done))
        else:
            done.set_result(None)
            self._finish(row_id)
        return done

    def _push_done(self, row_id: int) -> None:
        self._pushed.add(row_id)
        self._finish(row_id)

    def _finish(self, row_id: int) -> None:
        """Lets go of a row that nothing of ours waits for any more."""
        if row_id not in self._pushed or self._commands_left.get(row_id):
            return
        if self.relay is not None and self.relay.holds(row_id):
            return
        self._pushed.discard(row_id)
        self._commands_left.pop(row_id, None)
        if row_id in self._unrelayed:
            self._unrelayed.discard(row_id)
            self.outbox.forgotten(row_id)
        else:
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

    async def _relay_loop(self) -> None:
        if self.relay is not None:
            await self.relay.run(self._finish)

    # ---------------------------------------------------------------- pushes

    async def _push_loop(self) -> None:
        while True:
            while self._waiting:
                remade, group = self._next_group()
                traces = list(dict.fromkeys(trace for batch in group for trace in batch.trace_ids if trace))
                trace_id.set(traces[0] if traces else new_trace_id())
                try:
                    pushes = await self._source.pushes([e for batch in group for e in batch.events], remade=remade)
                    await self._deliver(pushes, traces[:MAX_TRACES])
                except (DatabaseError, XinYuError) as error:
                    # A push is a hint: the devices see the hole. The next batch must not wait for this one.
                    log.warning("push_failed", room=self.outbox.room, error=str(error))
                except Exception:
                    log.exception("push_failed", room=self.outbox.room)
                finally:
                    if not self._closed:  # else the next process hands it on
                        for batch in group:
                            self._push_done(batch.row_id)
            self._wake.clear()
            await self._wake.wait()

    def _next_group(self) -> tuple[bool, list[_Waiting]]:
        """Takes what is handed on together: batches in a row that are all `remade`, or none of them."""
        remade = self._waiting[0].remade
        group: list[_Waiting] = []
        while self._waiting and self._waiting[0].remade == remade and len(group) < MAX_BATCHES_A_TURN:
            group.append(self._waiting.popleft())
        return remade, group

    async def _deliver(self, pushes: Sequence[Push], trace_ids: Sequence[str]) -> None:
        users = {user_id for push in pushes for user_id in push.user_ids}
        talks: dict[int, int] = {}
        for push in pushes:
            if push.members is not None:
                talk_id, change, _, _ = push.members
                talks[talk_id] = max(change, talks.get(talk_id, 0))
        located = await self._locate(users) if users else {}
        by_talk = await self._locate_talks(talks) if talks else {}
        requests = _requests(pushes, located, by_talk)
        if not requests:
            return
        if len(trace_ids) > 1:
            for request in requests.values():
                request.trace_ids.extend(trace_ids)
        if len(requests) == 1:
            await self._deliver_to(*requests.popitem())
        else:
            await asyncio.gather(*(self._deliver_to(gateway, request) for gateway, request in requests.items()))

    async def _locate(self, users: set[int]) -> Located:
        try:
            return await self._routes.locate(users)
        except XinYuError as error:
            return dict.fromkeys(self._everywhere(error), dict.fromkeys(users, LEGACY | V1_JSON))

    async def _locate_talks(self, talks: Mapping[int, int]) -> Mapping[str, Container[int]]:
        try:
            return await self._routes.locate_talks(talks)
        except XinYuError as error:
            return dict.fromkeys(self._everywhere(error), talks)

    def _everywhere(self, error: XinYuError) -> list[str]:
        """All gateways; raises `error` where they are none or many."""
        gateways = list(self._all_gateways())
        if not 0 < len(gateways) <= MAX_EVERYWHERE:
            raise error
        return gateways

    async def _deliver_to(self, gateway: str, request: gateway_pb2.DeliverRequest) -> None:
        for attempt in (1, 2):
            try:
                await self._gateway(gateway).deliver(request)
                return
            except XinYuError as error:
                log.warning("deliver_failed", gateway=gateway, attempt=attempt, error=str(error))
        lost = [delivery for delivery in request.deliveries if not delivery.ephemeral]
        users = {user_id for delivery in lost for user_id in delivery.user_ids}
        talks: dict[int, int] = {}
        for members in (delivery.members for delivery in lost if delivery.HasField("members")):
            talks[members.talk_id] = max(members.change, talks.get(members.talk_id, 0))
        if users or talks:
            self._missed.add(gateway, users, talks)

    # ---------------------------------------------------------------- what memory does not know

    async def recover(self) -> bool:
        """Takes over what dead processes left, and own rows that memory does not know; sweeps done rows. True: there
        may be more."""
        batch = self.outbox.open()

        def work(connection: Connection) -> list[StoredBatch]:
            self.outbox.sweep(connection, batch.deleted)
            return self.outbox.claim(connection)

        found = await self._database.write(work)
        self.outbox.settled(batch)
        # Rows that the relay had no room for are not found before it has.
        if self.relay is None or self.relay.has_room:
            old_rows = await self._database.read(self.outbox.old_rows)
            lost = [row_id for row_id in old_rows if not self.outbox.knows(row_id)][:CLAIM_LIMIT]
            if lost:
                found += await self._database.read(partial(self.outbox.load, row_ids=lost))
        for stored in found:
            if self.outbox.adopted(stored.row_id):
                self._take(stored, (), remade=True)
        return len(found) >= CLAIM_LIMIT

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
                    if await self.recover():
                        since_recover_s = RECOVER_EVERY_S
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

    # ---------------------------------------------------------------- tasks

    async def _keep_running(self, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Neither loop ends by itself: one that does, say because a library cancelled it in the middle of a call, is
        begun again after a pause, which grows while that goes on."""
        pause_s = RESTART_FIRST_PAUSE_S
        clock = asyncio.get_running_loop().time
        while True:
            began_s = clock()
            task = self._own(loop())
            await asyncio.wait((task,))
            if clock() - began_s > RESTART_LONGEST_PAUSE_S:
                pause_s = RESTART_FIRST_PAUSE_S
            error = None if task.cancelled() else task.exception()
            log.error("loop_ended", room=self.outbox.room, loop=loop.__name__, pause_s=pause_s, exc_info=error)
            await self._sleep(pause_s)
            pause_s = min(pause_s * 2, RESTART_LONGEST_PAUSE_S)

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _requests(
    pushes: Iterable[Push], located: Located, by_talk: Mapping[str, Container[int]]
) -> dict[str, gateway_pb2.DeliverRequest]:
    """One request a gateway: each push with the users it has there, encoded in the codecs that they speak."""
    requests = {gateway: gateway_pb2.DeliverRequest() for gateway in {*located, *by_talk}}
    for push in pushes:
        if push.members is None:
            _add(requests, push, located)
        else:
            _add_by_talk(requests, push, push.members, by_talk)
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


def _add_by_talk(
    requests: dict[str, gateway_pb2.DeliverRequest],
    push: Push,
    members: Members,
    by_talk: Mapping[str, Container[int]],
) -> None:
    """In all of its codecs: who is at a gateway, only that knows."""
    gateways = [gateway for gateway, talks in by_talk.items() if members.talk_id in talks]
    if not gateways:
        return
    talk_id, change, audience, sequence = members
    delivery = gateway_pb2.Delivery(ephemeral=push.ephemeral)
    delivery.members.talk_id, delivery.members.change = talk_id, change
    delivery.members.audience, delivery.members.sequence = audience, sequence
    for codec in range(push.codecs.bit_length()):
        if push.codecs >> codec & 1:
            delivery.events.add(codec=codec, payload=push.encode(codec))
    for gateway in gateways:
        requests[gateway].deliveries.append(delivery)
