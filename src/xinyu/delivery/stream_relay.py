"""Committed events of a room to the Redis Stream `{prefix}events:{room}`, for programs of others (docs/streams.md).

Design. The dispatcher gives every batch right after its commit (`add`). One task (`run`, which the dispatcher owns)
appends what waits, in that order, up to MAX_BATCHES_A_CALL batches a script, an entry each, and tells the dispatcher of
every batch that Redis has taken. A call that fails is made again, with growing pauses, and nothing behind it goes
ahead. Only then may the outbox row go, so a batch is relayed at least once: twice when Redis took it and its answer was
lost, or when the process died before it deleted the row and another one handed it on again.

Bounds: MAX_WAITING batches and MAX_WAITING_BYTES of them wait in memory. What is committed past that is not taken:
its row stays in the table, the process forgets it once pushes and commands are done, and finds it again when there is
room (`Outbox.old_rows`), to be handed on as a whole once more, pushes too. So an outage that is longer than the bound
costs order between those batches and what was committed after them, and repeats; it costs no batch.

Cost: 105 us of CPU a call, which batches that come at once share: 8 us each at best. In memory a batch that waits takes
360 bytes and its events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Final, NamedTuple

import msgspec
import structlog

from xinyu.base.clock import Clock
from xinyu.base.errors import XinYuError
from xinyu.delivery.outbox import Event, encode
from xinyu.storage.redis_link import Argument, RedisLink, Script

log = structlog.get_logger(__name__)

MAX_WAITING: Final = 50_000
MAX_WAITING_BYTES: Final = 32 * 1024 * 1024
MAX_BATCHES_A_CALL: Final = 64
MAX_BYTES_A_CALL: Final = 1024 * 1024
# Trace ids that one entry names: enough to follow a request, and little beside the events.
MAX_TRACES: Final = 32
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0

# KEYS: the stream. ARGV: entries that are kept, about; the room; then of each batch its row, time, trace ids, events.
_APPEND: Final = Script("""
for i = 3, #ARGV, 4 do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'room', ARGV[2],
    'row', ARGV[i], 'at_ms', ARGV[i + 1], 'trace_ids', ARGV[i + 2], 'events', ARGV[i + 3])
end
return #ARGV
""")


class _Waiting(NamedTuple):
    at_ms: int
    trace_ids: bytes
    events: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.trace_ids) + len(self.events)


class StreamRelay:
    """Of one room and process. `max_entries`: about how many the stream keeps."""

    def __init__(
        self,
        room: str,
        link: RedisLink,
        clock: Clock,
        max_entries: int,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.stream = f"{link.prefix}events:{room}"
        self._room = room
        self._link = link
        self._clock = clock
        self._max_entries = max_entries
        self._sleep = sleep
        self._waiting: dict[int, _Waiting] = {}  # by row, in the order of commits
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self.relayed = 0  # batches
        self.forgotten = 0  # batches for which there was no room

    def add(self, row_id: int, at_ms: int, events: Sequence[Event], trace_ids: Sequence[str]) -> bool:
        """A batch that was committed at `at_ms`. False: it is not taken, for want of room."""
        traces = [trace for trace in dict.fromkeys(trace_ids) if trace][:MAX_TRACES]
        batch = _Waiting(at_ms, msgspec.json.encode(traces), encode(events))
        if self._waiting and (
            len(self._waiting) >= MAX_WAITING or self._waiting_bytes + batch.size_bytes > MAX_WAITING_BYTES
        ):
            self.forgotten += 1
            return False
        self._waiting[row_id] = batch
        self._waiting_bytes += batch.size_bytes
        self._wake.set()
        return True

    def holds(self, row_id: int) -> bool:
        """Whether the batch was taken and Redis has not got it yet."""
        return row_id in self._waiting

    @property
    def has_room(self) -> bool:
        """For many: what was forgotten may be looked for."""
        return len(self._waiting) <= MAX_WAITING // 2 and self._waiting_bytes <= MAX_WAITING_BYTES // 2

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def oldest_s(self) -> float:
        """How long ago the first of those that wait was committed; 0 where none does."""
        for batch in self._waiting.values():
            return max(0.0, (self._clock.now_ms() - batch.at_ms) / 1000)
        return 0.0

    async def run(self, relayed: Callable[[int], None]) -> None:
        """Appends what is added, until it is cancelled; calls `relayed` with the row of each batch that is in Redis."""
        pause_s = FIRST_PAUSE_S
        while True:
            while self._waiting:
                rows, arguments = self._next_call()
                try:
                    await self._link.run(_APPEND, [self.stream], arguments, changes=True)
                except XinYuError as error:
                    if pause_s == FIRST_PAUSE_S:
                        log.warning("relay_again", stream=self.stream, waiting=self.waiting, error=str(error))
                    await self._sleep(pause_s)
                    pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                    continue
                if pause_s != FIRST_PAUSE_S:
                    log.info("relay_back", stream=self.stream, waiting=self.waiting)
                    pause_s = FIRST_PAUSE_S
                for row_id in rows:
                    self._waiting_bytes -= self._waiting.pop(row_id).size_bytes
                    self.relayed += 1
                    relayed(row_id)
            self._wake.clear()
            await self._wake.wait()

    def _next_call(self) -> tuple[list[int], list[Argument]]:
        """The first that wait, as many as one call carries, and its arguments."""
        rows: list[int] = []
        arguments: list[Argument] = [self._max_entries, self._room]
        size_bytes = 0
        for row_id, batch in islice(self._waiting.items(), MAX_BATCHES_A_CALL):
            size_bytes += batch.size_bytes
            if rows and size_bytes > MAX_BYTES_A_CALL:
                break
            rows.append(row_id)
            arguments += (row_id, *batch)
        return rows, arguments
