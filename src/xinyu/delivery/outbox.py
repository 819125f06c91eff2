"""A room's outbox: what its transactions caused and others must hear, kept until it has been handed on.

Design. A transaction that causes events writes them as one row of `{room}_outbox` (`Batch.write`), small enough to be
made again from the store: kind, talk or user, numbers. The process that committed hands the batch to its dispatcher at
once, from memory, in commit order. Rows that are done go with the next transaction's delete, or by `sweep` when there
is no traffic. A row carries the incarnation of the process that wrote it:

- when that incarnation's lease is dead, by the database's clock, `claim` moves its rows to a living process, fenced by
  the lease row (an incarnation that was declared dead can be neither alive again nor claim);
- `old_rows` names rows of one's own incarnation, so that those are found (`load`) which memory does not know: a COMMIT
  may succeed and its answer be lost, or too many rows waited for the relay.

Both sorts are "remade": the events are read from the store as it is now. Handing on twice is harmless: devices drop
what they hold, commands carry revisions.

Invariants: a row is deleted only after its batch is done. Each done row goes along with one transaction: lanes that
deleted the same rows at once would wait for each other, and on MySQL meet in deadlocks. Where that transaction has not
committed within five seconds, another one takes the row. Cost: one insert and one delete a transaction, whatever the
number of events.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.trace import trace_id
from xinyu.storage import lease
from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect

log = structlog.get_logger(__name__)

# Done rows that one transaction deletes; the rest waits for the next.
DELETE_LIMIT: Final = 500
# After that its transaction counts as failed.
LEAVING_S: Final = 5.0
CLAIM_LIMIT: Final = 500
OLD_AFTER_MS: Final = 5_000
# More than a process knows at once: else it would see none of those that it does not know.
OLD_LIMIT: Final = 100_000


class Event(NamedTuple):
    """One thing that happened: its kind and the few values from which it can be told again. Values are JSON scalars or
    lists of such. `fresh` is what the transaction knew, in memory only, so that telling it needs no reading; an event
    that was found in the table has none."""

    kind: str
    values: tuple[Any, ...]
    fresh: Any = None


def encode(events: Sequence[Event]) -> bytes:
    """As JSON: [[kind, value, ...], ...]."""
    return msgspec.json.encode([[event.kind, *event.values] for event in events])


class StoredBatch(NamedTuple):
    """A row that was found in the table."""

    row_id: int
    created_at_ms: int
    events: tuple[Event, ...]


class Batch:
    """The events of one transaction. Made on the loop, written inside the transaction, handed on after the commit.
    `trace_ids` are those of the requests that it is for: of whoever makes it, unless it is told others."""

    __slots__ = ("_deleted", "_inserted", "_outbox", "created_at_ms", "events", "row_id", "trace_ids")

    def __init__(self, outbox: Outbox, deleted: tuple[int, ...]) -> None:
        self._outbox = outbox
        self._deleted = deleted
        self._inserted: Any = None  # the cursor of the insert, until the batch is settled
        self.events: tuple[Event, ...] = ()
        self.created_at_ms = 0
        self.row_id = 0  # of the row; 0 = none, or not settled
        self.trace_ids: Sequence[str] = (trace_id.get(),)

    def write(self, connection: Connection, events: Sequence[Event]) -> None:
        """The outbox's two statements of a transaction. May run again when the transaction does.

        The row's number is not asked for in here: that would make the transaction wait. So the insert has a cursor of
        its own, which tells it after the commit (a cursor's next statement may forget it)."""
        self.events = tuple(events)
        self.created_at_ms = self._outbox._clock.now_ms()
        self._inserted = self._outbox._insert(cursor(connection), self) if self.events else None
        self._outbox._delete(cursor(connection), self._deleted)

    def settle(self) -> None:
        """The transaction has committed: `row_id` is known."""
        if self._inserted is not None:
            self.row_id = int(self._inserted.lastrowid)
            self._inserted = None

    @property
    def deleted(self) -> tuple[int, ...]:
        return self._deleted


class Outbox:
    """The table `{room}_outbox` of one process. The dispatcher is its only other user."""

    def __init__(self, room: str, dialect: Dialect, incarnation: str, clock: Clock) -> None:
        self.room = room
        self.incarnation = incarnation
        self._table = f"{room}_outbox"
        self._dialect = dialect
        self._clock = clock
        self._done: dict[int, None] = {}
        self._leaving: dict[int, float] = {}  # done, and deleted by a transaction under way: since when
        self._open: dict[int, float] = {}  # handed to the dispatcher and not yet done: since when
        self.written = 0  # rows that this process has committed: traffic

    # ---------------------------------------------------------------- on the loop

    def open(self) -> Batch:
        """A batch for the next transaction; it takes along what can be deleted."""
        now_s = self._clock.monotonic_s()
        while self._leaving and now_s - next(iter(self._leaving.values())) >= LEAVING_S:
            self._done[next(iter(self._leaving))] = None
            del self._leaving[next(iter(self._leaving))]
        rows = tuple(itertools.islice(self._done, DELETE_LIMIT))
        for row_id in rows:
            del self._done[row_id]
            self._leaving[row_id] = now_s
        return Batch(self, rows)

    def settled(self, batch: Batch) -> None:
        """The batch's transaction has committed."""
        batch.settle()
        for row_id in batch.deleted:
            self._done.pop(row_id, None)
            self._leaving.pop(row_id, None)
        if batch.row_id:
            self.written += 1
            self._open[batch.row_id] = self._clock.monotonic_s()

    def adopted(self, row_id: int) -> bool:
        """A row that was found in the table is being handed on now; False when it already is or was."""
        if self.knows(row_id):
            return False
        self._open[row_id] = self._clock.monotonic_s()
        return True

    def knows(self, row_id: int) -> bool:
        return row_id in self._open or row_id in self._done or row_id in self._leaving

    def forgotten(self, row_id: int) -> None:
        """The row stays, and is to be found again."""
        self._open.pop(row_id, None)

    def finished(self, row_id: int) -> None:
        self._open.pop(row_id, None)
        self._done[row_id] = None

    @property
    def has_done(self) -> bool:
        return bool(self._done)

    @property
    def open_count(self) -> int:
        return len(self._open)

    @property
    def oldest_open_s(self) -> float:
        """How long the first of the open rows has been waiting; 0 where none is."""
        return self._clock.monotonic_s() - next(iter(self._open.values())) if self._open else 0.0

    # ---------------------------------------------------------------- inside a transaction

    def _insert(self, c: Any, batch: Batch) -> Any:
        c.execute(
            self._dialect.sql(f"INSERT INTO {self._table} (incarnation, created_at_ms, events) VALUES (?, ?, ?)"),
            (self.incarnation, batch.created_at_ms, encode(batch.events)),
        )
        return c

    def _delete(self, c: Any, row_ids: Sequence[int]) -> None:
        if row_ids:
            c.execute(f"DELETE FROM {self._table} WHERE id IN ({self._dialect.marks(len(row_ids))})", tuple(row_ids))

    def sweep(self, connection: Connection, row_ids: Sequence[int]) -> None:
        """Deletes done rows without other work."""
        self._delete(cursor(connection), row_ids)

    def old_rows(self, connection: Connection) -> list[int]:
        """Own rows that are older than five seconds, in order. Most of them are known."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                f"SELECT id FROM {self._table} WHERE incarnation = ? AND created_at_ms < ? ORDER BY id LIMIT ?"
            ),
            (self.incarnation, self._clock.now_ms() - OLD_AFTER_MS, OLD_LIMIT),
        )
        return [int(row[0]) for row in c.fetchall()]

    def load(self, connection: Connection, row_ids: Sequence[int]) -> list[StoredBatch]:
        """Those of these rows that are still there, in order. At least one is asked for."""
        c = cursor(connection)
        c.execute(
            f"SELECT id, created_at_ms, events FROM {self._table} WHERE id IN ({self._dialect.marks(len(row_ids))}) "
            "ORDER BY id",
            tuple(row_ids),
        )
        return _decode(c.fetchall())

    def claim(self, connection: Connection) -> list[StoredBatch]:
        """Takes rows of dead incarnations over, in order, at most 500. Where there are none, which is nearly always, it
        only looks and locks nothing. Fenced: does nothing unless one's own lease is alive, and this cannot end before
        the transaction does. The dead are declared dead first, so that none of them comes alive again; of two claimants
        each passes over what the other has locked."""
        dialect, c = self._dialect, cursor(connection)
        c.execute(
            dialect.sql(
                f"SELECT incarnation FROM lease WHERE until_ms < {dialect.now_ms} AND incarnation <> ? "
                f"UNION SELECT o.incarnation FROM {self._table} o LEFT JOIN lease l ON l.incarnation = o.incarnation "
                "WHERE l.incarnation IS NULL AND o.incarnation <> ? LIMIT ?"
            ),
            (self.incarnation, self.incarnation, CLAIM_LIMIT),
        )
        suspects = sorted(row[0] for row in c.fetchall())
        if not suspects or not lease.hold(connection, dialect, self.incarnation):
            return []
        dead = lease.end_expired(connection, dialect, suspects)
        if not dead:
            return []
        c.execute(
            f"SELECT id, created_at_ms, events FROM {self._table} WHERE incarnation IN ({dialect.marks(len(dead))}) "
            + dialect.sql("ORDER BY id LIMIT ?" + dialect.skip_locked),
            (*dead, CLAIM_LIMIT),
        )
        rows = c.fetchall()
        if rows:
            c.execute(
                dialect.sql(f"UPDATE {self._table} SET incarnation = ? WHERE id IN ({dialect.marks(len(rows))})"),
                (self.incarnation, *[row[0] for row in rows]),
            )
        return _decode(rows)


def _decode(rows: Iterable[Any]) -> list[StoredBatch]:
    """Rows as events. One that cannot be read stays in the table, and in nobody's way."""
    decoded = []
    for row_id, created_at_ms, events in rows:
        try:
            read = tuple(Event(kind, tuple(values)) for kind, *values in msgspec.json.decode(events))
            decoded.append(StoredBatch(int(row_id), int(created_at_ms), read))
        except (msgspec.MsgspecError, TypeError, ValueError):
            log.error("outbox_row_unreadable", row_id=row_id)
    return decoded
