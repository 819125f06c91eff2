"""Group commit: a lane carries all sends and reads that wait, up to 200 or 1 Mi characters, in one transaction.

Design. Requests queue; as soon as the lane's previous batch is done the next one takes all that wait (on an engine that
can begin one transaction behind the other: as soon as it is being committed; two at a time at most). There is no timer:
an idle lane commits a single message at once, a busy one fills itself. A batch is, whatever its size, eight
statements: heads, members, known msg_ids, messages, heads again, sent cursors, outbox insert and delete; quotes,
unknown talks and read cursors add one each, those of pairs one more: whether they are told to the other one. A refusal
fails only its own message. A deadlock or a duplicate key makes the batch run again once, then one by one. When the
database is away all fail with UNAVAILABLE: the senders repeat with the same msg_id.

Invariants: a talk always takes the same lane, so its sequences are given out in the order of arrival (a batch that is
run again goes before whatever waits; SQLite, which lets the next one begin behind a commit, has one writer, and so
neither a deadlock nor a lost race that would show at the commit); an answer is sent only after the commit. Other
processes may write the same talks: the heads' row locks let one batch after another number them, whoever began first.
Bound: `MAX_WAITING` requests; past it OVERLOADED.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.errors import (
    CONFLICT,
    DEADLINE,
    INTERNAL,
    NOT_MEMBER,
    OVERLOADED,
    SLOW_MODE,
    UNAVAILABLE,
    UNKNOWN_MESSAGE,
    UNKNOWN_TALK,
    XinYuError,
)
from xinyu.base.metrics import Distribution, Metrics
from xinyu.base.trace import trace_id
from xinyu.delivery.dispatcher import Dispatcher
from xinyu.delivery.outbox import Batch, Event
from xinyu.storage.database import Database, DatabaseError, Duplicate, Retry
from xinyu_services.message.expiry_model import expires_at_ms
from xinyu_services.message.model import (
    MaySend,
    Member,
    Source,
    StoredMessage,
    Talk,
    TalkKey,
    TalkMode,
    quote_text,
    slow_mode_wait_ms,
)
from xinyu_services.message.receipt_model import PairReads
from xinyu_services.message.receipt_store import ReceiptStore
from xinyu_services.message.send_rules import check_mentions, check_sender
from xinyu_services.message.store import MessageStore

log = structlog.get_logger(__name__)

MAX_BATCH: Final = 200
# Of the bodies of a batch: its INSERT must fit MySQL's max_allowed_packet (16 MiB) in UTF-8 and escaped.
MAX_BATCH_CHARACTERS: Final = 1024 * 1024
MAX_WAITING: Final = 10_000
# talk_ids that are remembered; they never change, so all may be forgotten at any time.
MAX_KNOWN_TALKS: Final = 200_000


class LaneFigures:
    """What all lanes of a process have done."""

    def __init__(self) -> None:
        self.batch_size = Distribution((1, 2, 5, 10, 20, 50, 100, MAX_BATCH))
        self.commit_s = Distribution()
        self.waiting: list[deque[Send | Read]] = []

    def measure(self, metrics: Metrics) -> None:
        metrics.distribution(
            "xinyu_lane_batch_requests",
            "Sends and reads in one transaction; its count is that of commits.",
            self.batch_size,
        )
        metrics.distribution("xinyu_lane_commit_seconds", "From a transaction's begin to its commit.", self.commit_s)
        metrics.gauge(
            "xinyu_lane_waiting_requests",
            "Sends and reads that wait for a transaction.",
            lambda: sum(len(each) for each in self.waiting),
        )


class Answers:
    """What requests that were handed in together are waiting for. `done` completes with the results, in their order,
    when the last has come; a refusal is a result, too. Cancelled: nobody waits any more. `trace_id` is theirs."""

    __slots__ = ("_left", "done", "results", "trace_id")

    def __init__(self, count: int) -> None:
        self._left = count
        self.results: list[Any] = [None] * count
        self.trace_id = trace_id.get()
        self.done: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

    def settle(self, number: int, result: Any) -> None:
        self.results[number] = result
        self._left -= 1
        if not self._left and not self.done.done():
            self.done.set_result(self.results)


@dataclass(slots=True)
class Send:
    """One message that wants to be stored. Its result is a `Sent`."""

    key: TalkKey
    user_id: int
    msg_id: str
    msg_type: int
    body: str
    quote_id: str
    request_hash: bytes
    deadline_s: float
    answers: Answers
    number: int  # among `answers`
    talk_id: int = 0  # 0 = not yet known
    sources: tuple[Source, ...] = ()  # what is merged in it


@dataclass(slots=True)
class Sent:
    """`message` is None when the two are no friends: nothing was stored."""

    message: StoredMessage | None
    replayed: bool = False


@dataclass(slots=True)
class Read:
    """A read cursor that wants to move. Its result is the member's row afterwards, with the talk's head."""

    key: TalkKey | None
    user_id: int
    sequence: int | None  # None = as far as there is
    deadline_s: float
    answers: Answers
    number: int = 0
    talk_id: int = 0


@dataclass(slots=True)
class _Outcome:
    """What a transaction gave each request: a result or a refusal, and the talks that it found."""

    results: list[Any] = field(default_factory=list)
    found: dict[TalkKey, int] = field(default_factory=dict)


class Lane:
    """One queue and the one task that empties it."""

    def __init__(
        self,
        number: int,
        database: Database,
        store: MessageStore,
        dispatcher: Dispatcher,
        clock: Clock,
        require_friendship: bool,
        talk_ids: dict[TalkKey, int],
        figures: LaneFigures,
    ) -> None:
        self._number = number
        self._database = database
        self._store = store
        self._receipts = ReceiptStore(store.dialect)
        self._dispatcher = dispatcher
        self._clock = clock
        self._require_friendship = require_friendship
        self._talk_ids = talk_ids
        self._figures = figures
        self._waiting: deque[Send | Read] = deque()
        figures.waiting.append(self._waiting)
        self._tasks: set[asyncio.Task[None]] = set()
        self._beginning: asyncio.Task[None] | None = None  # of `_tasks`, the one that does not commit yet

    def submit(self, request: Send | Read) -> None:
        """Queues `request`; its answer comes after the commit, or is OVERLOADED at once."""
        if len(self._waiting) >= MAX_WAITING:
            _settle(request, XinYuError(OVERLOADED))
            return
        self._waiting.append(request)
        self._begin()

    def _begin(self) -> None:
        """Starts the next batch, unless one has begun and does not commit yet, or two are under way."""
        if self._waiting and self._beginning is None and len(self._tasks) < 2:
            task = self._beginning = asyncio.get_running_loop().create_task(self._run())
            self._tasks.add(task)

    async def _run(self) -> None:
        task = asyncio.current_task()
        assert task is not None

        def committing() -> None:
            if self._beginning is task:
                self._beginning = None
                self._begin()

        try:
            await self._commit(self._take_batch(), committing)
        finally:
            self._tasks.discard(task)
            if self._beginning is task:
                self._beginning = None
        self._begin()

    def _take_batch(self) -> list[Send | Read]:
        """What waits, as far as it fits: one request at least."""
        batch: list[Send | Read] = []
        characters = 0
        while self._waiting and len(batch) < MAX_BATCH:
            request = self._waiting[0]
            if isinstance(request, Send):
                characters += len(request.body)
                if characters > MAX_BATCH_CHARACTERS and batch:
                    break
            batch.append(self._waiting.popleft())
        return batch

    async def _commit(self, requests: list[Send | Read], committing: Callable[[], None] | None) -> None:
        now_s = asyncio.get_running_loop().time()
        alive = []
        for request in requests:
            if request.answers.done.done():
                continue  # whoever asked has been torn down: nothing is stored for nobody
            if request.deadline_s <= now_s:
                _settle(request, XinYuError(DEADLINE))
            else:
                request.talk_id = request.talk_id or (self._talk_ids.get(request.key, 0) if request.key else 0)
                alive.append(request)
        if not alive:
            return
        try:
            for attempt in (1, 2):
                try:
                    await self._transaction(alive, committing)
                    return
                except (Retry, Duplicate):
                    if attempt == 2 and len(alive) == 1:
                        raise
            for request in alive:
                await self._commit([request], None)  # what waits must not come between them
        except DatabaseError:
            for request in alive:
                _settle(request, XinYuError(UNAVAILABLE))
        except asyncio.CancelledError:
            for request in alive:
                _settle(request, XinYuError(UNAVAILABLE))
            raise
        except Exception:
            log.exception("batch_failed", lane=self._number, requests=len(alive))
            for request in alive:
                _settle(request, XinYuError(INTERNAL))

    async def _transaction(
        self, requests: Sequence[Send | Read], committing: Callable[[], None] | None
    ) -> None:
        # This task is everybody's: whoever happened to start it must not stand in the others' log lines.
        traces = tuple(dict.fromkeys([request.answers.trace_id for request in requests]))
        trace_id.set(traces[0])
        batch = self._dispatcher.outbox.open()
        batch.trace_ids = traces
        now_ms, began_s = self._clock.now_ms(), self._clock.monotonic_s()
        outcome = await self._database.write(
            lambda connection: self._work(connection, requests, batch, now_ms),
            lane=self._number,
            statements_only=True,
            committing=committing,
        )
        self._figures.batch_size.observe(len(requests))
        self._figures.commit_s.observe(self._clock.monotonic_s() - began_s)
        if len(self._talk_ids) > MAX_KNOWN_TALKS:
            self._talk_ids.clear()
        self._talk_ids.update(outcome.found)
        self._dispatcher.committed(batch)
        for request, result in zip(requests, outcome.results, strict=True):
            _settle(request, result)

    # ---------------------------------------------------------------- inside the transaction

    def _work(self, connection: Connection, requests: Sequence[Send | Read], batch: Batch, now_ms: int) -> _Outcome:
        store, outcome = self._store, _Outcome()
        unknown = {r.key for r in requests if not r.talk_id and r.key is not None}
        if unknown:
            outcome.found = store.find_talks(connection, unknown)
        ids = [r.talk_id or (outcome.found.get(r.key, 0) if r.key else 0) for r in requests]
        # Known msg_ids are asked for of talks that turn out not to exist, too: that costs less than another wait.
        talks, members, known = store.load_batch(
            connection,
            filter(None, ids),
            [(i, r.user_id) for i, r in zip(ids, requests, strict=True) if i],
            [(r.msg_id, i, r.user_id) for i, r in zip(ids, requests, strict=True) if i and isinstance(r, Send)],
        )
        sends = [(i, r) for i, r in zip(ids, requests, strict=True) if isinstance(r, Send)]
        quoted = self._quoted(connection, sends, talks)
        reading = [i for i, r in zip(ids, requests, strict=True) if isinstance(r, Read)]
        told = self._told(connection, [talks[i] for i in reading if i in talks])
        written: list[tuple[StoredMessage, bytes]] = []
        senders: dict[tuple[int, int], Member] = {}
        readers: dict[tuple[int, int], Member] = {}
        events: list[Event] = []
        for talk_id, request in zip(ids, requests, strict=True):
            talk, member = talks.get(talk_id), members.get((talk_id, request.user_id))
            try:
                if isinstance(request, Read):
                    outcome.results.append(self._read(request, talk, member, readers))
                else:
                    outcome.results.append(
                        self._send(request, talk, member, known, quoted, now_ms, written, senders, events)
                    )
            except XinYuError as refusal:
                outcome.results.append(refusal)
        events += self._receipts_of(readers.values(), talks, told)
        if written:
            store.insert_messages(connection, written)
        moved = {m.talk_id: talks[m.talk_id] for m, _ in written}
        events += webhook_events(moved.values())
        moved |= {talk_id: talks[talk_id] for talk_id, _ in readers if talk_id in told}
        if moved:
            store.upsert_heads(connection, list(moved.values()))
        if senders:
            store.upsert_cursors(connection, list(senders.values()), ("sent_sequence", "sent_at_ms"))
        if readers:
            store.upsert_cursors(connection, list(readers.values()), ("read_sequence", "own"))
            events += [
                Event("o", (m.talk_id, m.user_id, m.own, [], False), (talks[m.talk_id], m)) for m in readers.values()
            ]
        batch.write(connection, events)
        return outcome

    def _told(self, connection: Connection, talks: Sequence[Talk]) -> dict[int, PairReads]:
        """Pairs among `talks`, in which something may be read now, whose two tell each other what they have read."""
        pairs = {talk.talk_id: talk.key for talk in talks if talk.key.mode == TalkMode.SINGLE}
        return self._receipts.load_pairs(connection, ((i, key.low, key.high) for i, key in pairs.items()))

    def _receipts_of(
        self, readers: Collection[Member], talks: dict[int, Talk], told: dict[int, PairReads]
    ) -> list[Event]:
        """`w`: talk, change, the pair, [reader, read up to] of one or both. One number a talk and transaction."""
        reads: dict[int, list[list[int]]] = {}
        for member in readers:
            if member.talk_id in told:
                reads.setdefault(member.talk_id, []).append([member.user_id, member.read_to])
        for talk_id in reads:
            talks[talk_id].last_change += 1
        return [
            Event("w", (talk_id, talks[talk_id].last_change, list(talks[talk_id].key[1:]), moved))
            for talk_id, moved in reads.items()
        ]

    def _quoted(
        self, connection: Connection, sends: Sequence[tuple[int, Send]], talks: dict[int, Talk]
    ) -> dict[tuple[int, str], list[StoredMessage]]:
        quoted: dict[tuple[int, str], list[StoredMessage]] = {}
        keys = [(request.quote_id, talk_id) for talk_id, request in sends if request.quote_id and talk_id in talks]
        if keys:
            for message in self._store.find_by_msg_id(connection, keys):
                quoted.setdefault((message.talk_id, message.msg_id), []).append(message)
        return quoted

    def _send(
        self,
        request: Send,
        talk: Talk | None,
        member: Member | None,
        known: dict[tuple[str, int, int], tuple[bytes, StoredMessage]],
        quoted: dict[tuple[int, str], list[StoredMessage]],
        now_ms: int,
        written: list[tuple[StoredMessage, bytes]],
        senders: dict[tuple[int, int], Member],
        events: list[Event],
    ) -> Sent:
        if talk is None:
            if request.key.mode == TalkMode.SINGLE:
                return Sent(None)  # no talk, so no friendship
            raise XinYuError(UNKNOWN_TALK)
        sent = known.get((request.msg_id, talk.talk_id, request.user_id))
        if sent is not None:
            if sent[0] != request.request_hash:
                raise XinYuError(CONFLICT)
            return Sent(sent[1], replayed=True)
        member = check_sender(talk, member, now_ms)
        if member.may_send == MaySend.NOT_FRIEND and self._require_friendship:
            return Sent(None)
        is_for_all = check_mentions(talk, member, request.msg_type, request.body)
        if wait_ms := slow_mode_wait_ms(talk, member, now_ms):
            raise XinYuError(SLOW_MODE, retry_after_ms=wait_ms)
        quote = "{}"
        if request.quote_id:
            low, high = member.visible_from(talk), member.visible_to(talk)
            sent_before = quoted.get((talk.talk_id, request.quote_id), ())
            seen = [m for m in sent_before if low <= m.sequence <= high and not m.expired]
            if not seen:
                raise XinYuError(UNKNOWN_MESSAGE, "The quoted message is not there.")
            quote = quote_text(next((m for m in seen if m.sender_id == request.user_id), seen[0]))
        message = append_message(
            talk, member, request.msg_id, request.user_id, request.msg_type, request.body, quote, now_ms
        )
        message.sources = request.sources
        member.sent_at_ms = now_ms
        if is_for_all:
            talk.mention_all_sequence = message.sequence
        written.append((message, request.request_hash))
        senders[talk.talk_id, request.user_id] = member
        known[request.msg_id, talk.talk_id, request.user_id] = (request.request_hash, message)
        events.append(message_event(talk, message))
        return Sent(message)

    def _read(
        self,
        request: Read,
        talk: Talk | None,
        member: Member | None,
        readers: dict[tuple[int, int], Member],
    ) -> tuple[Talk, Member]:
        if talk is None:
            raise XinYuError(UNKNOWN_TALK)
        if member is None:
            raise XinYuError(NOT_MEMBER)
        last = member.visible_to(talk)
        read = last if request.sequence is None else min(request.sequence, last)
        if read > member.read_to:
            if (talk.talk_id, member.user_id) not in readers:
                member.own += 1  # one number a member and transaction: the highest cursor wins
            member.read_sequence = read
            readers[talk.talk_id, member.user_id] = member
        return talk, member


def append_message(
    talk: Talk, member: Member | None, msg_id: str, sender_id: int, msg_type: int, body: str, quote: str, now_ms: int
) -> StoredMessage:
    """Gives the talk's next sequence to a message, and moves head and sender along (in memory; the caller stores)."""
    talk.last_sequence += 1
    message = StoredMessage(talk.talk_id, talk.last_sequence, msg_id, sender_id, msg_type, body, quote, now_ms)
    message.expires_at_ms = talk.last_expires_at_ms = expires_at_ms(talk, msg_type, now_ms)
    talk.last_sender_id = sender_id
    talk.last_msg_type = msg_type
    talk.last_digest = message.digest
    talk.last_at_ms = now_ms
    if member is not None:
        member.sent_sequence = talk.last_sequence
    return message


def message_event(talk: Talk, message: StoredMessage) -> Event:
    """`m`: talk, sequence, and its last roster change at that moment: it must not be told by an older roster."""
    return Event("m", (talk.talk_id, message.sequence, talk.roster_change), (talk.facts, message))


def webhook_events(talks: Iterable[Talk]) -> list[Event]:
    """`h`: something was stored in a talk in which a bot may have a webhook."""
    return [Event("h", (talk.talk_id,)) for talk in talks if talk.has_webhooks]


def _settle(request: Send | Read, result: Any) -> None:
    request.answers.settle(request.number, result)
