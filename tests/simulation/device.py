"""One device: the SDK's real Replica and Outgoing behind a link that loses, delays, repeats and reorders pushes.

It does what `xinyu.client.client` does with a socket, by RPC to the process whose gateway it is connected to. It can go
offline and online, and it can crash: then it goes on from the last snapshot that it had stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Coroutine
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.simulation.process import V1_JSON_CODEC, Process
from xinyu.base.errors import XinYuError
from xinyu.client.errors import ApiError, UnknownTalk
from xinyu.client.notices import RecordAdded, RecordChanged
from xinyu.client.outgoing import Outgoing, Send
from xinyu.client.replica import Replica
from xinyu.client.shapes import PUSHES, MembersAnswer, RangeAnswer, Record, SyncAnswer, SyncRequest, read
from xinyu.wire.v1 import message_pb2, options_pb2

if TYPE_CHECKING:
    from tests.simulation.world import World


@dataclass
class LinkFaults:
    """Chances of one push; `delay_s` is the most that one takes."""

    lose: float = 0.0
    repeat: float = 0.0
    reorder: float = 0.0
    fail_sync: float = 0.0
    delay_s: float = 0.02


class Device:
    def __init__(self, world: World, number: int, user_id: int) -> None:
        self.world = world
        self.number = number
        self.user_id = user_id
        self.replica = Replica()
        self.outgoing = Outgoing(random=world.random)
        self.process: Process | None = None
        self.connection = 0  # counts connections; what belongs to an older one is void
        self.inbox: deque[bytes] = deque()
        self.holds_pushes = False  # a test takes them out of the inbox itself
        self.holds_syncs = False
        self.syncs = 0  # pages that were applied
        self.stored = (self.replica.snapshot(), self.outgoing.snapshot())
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"device {self.number} of user {self.user_id}"

    @property
    def is_online(self) -> bool:
        return self.process is not None

    # ------------------------------------------------------------------ coming and going

    async def connect(self, process: Process) -> None:
        """Routed first, synced after."""
        if self.process is not None or process.is_dead or not process.epoch:
            return
        self.process = process
        self.connection += 1
        connection = self.connection
        await self.world.routes.connect([self.user_id], process.gateway.name, V1_JSON_CODEC)
        if self.connection != connection:
            await self.world.routes.disconnect([self.user_id], process.gateway.name, V1_JSON_CODEC)
            return
        process.gateway.devices.append(self)
        self.replica.connected(self.user_id, process.epoch)
        self.pump()

    async def disconnect(self) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        self.connection += 1
        self.inbox.clear()
        self.replica.disconnected()
        self.outgoing.disconnected()
        for task in sorted(self._tasks, key=lambda task: task.get_name()):
            task.cancel()
        if self in process.gateway.devices:
            process.gateway.devices.remove(self)
            await self.world.routes.disconnect([self.user_id], process.gateway.name, V1_JSON_CODEC)

    def store(self) -> None:
        """What would be on its disk now."""
        self.stored = (self.replica.snapshot(), self.outgoing.snapshot())

    async def crash(self) -> None:
        await self.disconnect()
        self.replica = Replica.restore(self.stored[0])
        unsent = list(self.outgoing)
        self.outgoing = Outgoing.restore(self.stored[1], random=self.world.random)
        for send in unsent:  # `put` is stored before it returns; only what was acknowledged may come again
            self.outgoing.put(send)

    # ------------------------------------------------------------------ the link

    def deliver(self, frame: bytes) -> None:
        """The gateway writes a frame to this device's socket."""
        faults, random, loop = self.world.link_faults, self.world.random, asyncio.get_running_loop()
        payload = json.loads(frame)["payload"]
        for record in [payload["body"]] if "body" in payload else payload.get("records", ()):
            self.world.check_window(self, record["talk_id"], read(Record, record))
        if random.random() < faults.lose:
            self.world.note(f"{self} loses {frame[:90].decode()}")
            if random.random() < 0.3:  # the gateway knows that it dropped something
                loop.call_later(random.random() * 3, self._required, self.connection)
            return
        for _ in range(2 if random.random() < faults.repeat else 1):
            self.inbox.append(frame)
            if not self.holds_pushes:
                loop.call_later(random.random() * faults.delay_s, self._arrive, self.connection)

    def _required(self, connection: int) -> None:
        if connection == self.connection:
            self.replica.sync()
            self.pump()

    def _arrive(self, connection: int) -> None:
        if connection == self.connection and self.inbox:
            at = 0
            if self.world.random.random() < self.world.link_faults.reorder:
                at = self.world.random.randrange(len(self.inbox))
            self.take(at)

    def take(self, at: int = 0) -> dict[str, Any]:
        """One frame out of the inbox reaches the replica; returns the envelope."""
        frame = self.inbox[at]
        del self.inbox[at]
        envelope: dict[str, Any] = json.loads(frame)
        shape = PUSHES.get(envelope["event"])
        if shape is not None:
            self.replica.receive(read(shape, envelope["payload"]))
            self.pump()
        return envelope

    def waiting(self, event: str) -> list[int]:
        """Where frames of that event stand in the inbox."""
        return [at for at, frame in enumerate(self.inbox) if json.loads(frame)["event"] == event]

    # ------------------------------------------------------------------ what happens by itself

    def pump(self) -> None:
        for notice in self.replica.take_notices():
            if isinstance(notice, RecordAdded | RecordChanged):
                self.world.check_window(self, notice.talk_id, notice.record)
        self.world.check_cursors(self)
        if self.process is None:
            return
        if not self.holds_syncs:
            request = self.replica.take_sync()
            if request is not None:
                self._spawn(self._sync(request))
        now_ms = self.world.clock.now_ms()
        for send in self.outgoing.take_due(now_ms):
            self._spawn(self._send(send))
        due_ms = self.outgoing.next_due_ms()
        if due_ms is not None and due_ms > now_ms:
            loop = asyncio.get_running_loop()
            loop.call_later((due_ms - now_ms) / 1000 + 0.001, self._required_send, self.connection)

    def _required_send(self, connection: int) -> None:
        if connection == self.connection:
            self.pump()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        # A context of its own: it may be begun by a push, and must not die with the process that pushed.
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _delay(self) -> None:
        await asyncio.sleep(self.world.random.random() * self.world.link_faults.delay_s)

    async def _sync(self, request: SyncRequest) -> None:
        process, random = self.process, self.world.random
        assert process is not None
        await self._delay()
        try:
            answer = await process.sync(self.user_id, request)
            await self._delay()
            if random.random() < self.world.link_faults.fail_sync:
                raise XinYuError.from_wire("unavailable", "the answer was lost")
        except XinYuError:
            await asyncio.sleep(random.random())
            self.replica.sync_failed(request)
        else:
            self.replica.apply_sync(request, read(SyncAnswer, answer))
            self.syncs += 1
        self.pump()

    async def sync_once(self) -> SyncAnswer | None:
        """For tests that hold syncs: the next page is asked and answered, but not applied: see `apply`."""
        assert self.process is not None
        request = self.replica.take_sync()
        if request is None:
            return None
        self._held = request
        return read(SyncAnswer, await self.process.sync(self.user_id, request))

    def apply(self, answer: SyncAnswer) -> None:
        self.replica.apply_sync(self._held, answer)
        self.pump()

    async def _send(self, send: Send) -> None:
        process = self.process
        assert process is not None
        await self._delay()
        try:
            record = await self.world.send_by(process, self.user_id, send)
            await self._delay()
        except XinYuError as error:
            refusal = ApiError(error.status, error.status, error.reason, error.message, error.retry_after_ms)
            if self.outgoing.refused(send.msg_id, refusal, self.world.clock.now_ms()):
                self.world.refusals[send.msg_id] = error.reason
        else:
            self.outgoing.stored(send.msg_id)
            self.world.acknowledged(self.user_id, send, record)
            self.replica.stored(record)
        self.pump()

    # ------------------------------------------------------------------ looking

    async def look(self, talk_id: int) -> None:
        """Scroll to the start of a talk, fetching what is missing. It may be forgotten meanwhile."""
        with contextlib.suppress(UnknownTalk):
            await self._look(talk_id)

    async def _look(self, talk_id: int) -> None:
        before = None
        for _ in range(500):
            page = self.replica.history(talk_id, before, 30)
            if page.missing is not None:
                asked = page.missing.request
                answer = await self._range(asked.talk_id, asked.from_sequence, asked.to_sequence)
                await self._delay()
                if answer is None:
                    return
                self.replica.apply_range(page.missing, answer)
                self.pump()
            elif page.at_start or not page.records:
                return
            else:
                before = page.records[-1].sequence
        raise AssertionError(f"{self}: the history of talk {talk_id} does not end")

    async def _range(self, talk_id: int, low: int, high: int) -> RangeAnswer | None:
        request = message_pb2.LoadRangeRequest(
            user_id=self.user_id, talk_id=talk_id, from_sequence=low, to_sequence=high, codec=options_pb2.CODEC_V1_JSON
        )
        try:
            if self.process is None:
                return None
            page = await self.process.call(self.process.messages.load_range, request)
        except XinYuError:
            return None
        shown = {"change": page.change, "own": page.own}
        return read(RangeAnswer, {**shown, "records": json.loads(page.records), "voids": json.loads(page.voids)})

    async def look_at_roster(self, talk_id: int) -> None:
        """Open the list of members. The talk may be forgotten meanwhile."""
        with contextlib.suppress(UnknownTalk):
            await self._look_at_roster(talk_id)

    async def _look_at_roster(self, talk_id: int) -> None:
        for _ in range(30):
            roster = self.replica.roster(talk_id)
            if roster.missing is None or self.process is None:
                return
            request = message_pb2.LoadMembersRequest(
                user_id=self.user_id, talk_id=talk_id, change=roster.missing.request.change
            )
            try:
                page = await self.process.call(self.process.messages.load_members, request)
            except XinYuError:
                return
            states = {1: "in", 2: "left", 3: "removed"}
            members = [{"user_id": m.user_id, "role": m.role, "state": states[m.state]} for m in page.members]
            await self._delay()
            self.replica.apply_members(roster.missing, read(MembersAnswer, {"change": page.change, "members": members}))

    def texts(self, talk_id: int) -> list[str]:
        """What is shown of the records held, ascending; a recalled one is "recalled"."""
        return ["recalled" if record.recalled else _text(record) for record in self.replica.records(talk_id)]


def _text(record: Record) -> str:
    return record.text if record.msg_type == 1 else f"type {record.msg_type}"
