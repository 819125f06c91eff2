"""A room's outbox: what its transactions caused and others must hear, kept until it has been handed on.

Design. A transaction that causes events writes them as one row of `{room}_outbox` (`Batch.write`), small enough to be
made again from the store: kind, talk or user, numbers. The process that committed hands the batch to its dispatcher at
once, from memory, in commit order. Rows that are done go with the next transaction's delete, or by `sweep` when there
is no traffic. A row carries the incarnation of the process that wrote it:

- when that incarnation's lease is dead, `claim` moves its rows to a living process, fenced by the lease row (an
  incarnation that was declared dead can be neither alive again nor claim);
- `unremembered` finds rows of one's own incarnation that memory does not know: a COMMIT may succeed and its answer be
  lost.

Both sorts are "remade": the events are read from the store as it is now. Handing on twice is harmless: devices drop
what they hold, commands carry revisions.

Invariants: a row is deleted only after its batch is done. Cost: one insert and one delete a transaction, whatever the
number of events.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect

log = structlog.get_logger(__name__)

# Done rows that one transaction deletes; the rest waits for the next.
DELETE_LIMIT: Final = 500
CLAIM_LIMIT: Final = 500
UNREMEMBERED_AFTER_MS: Final = 5_000


class Event(NamedTuple):
    """One thing that happened: its kind and the few values from which it can be told again. Values are JSON scalars or
    lists of such. `fresh` is what the transaction knew, in memory only, so that telling it needs no reading; an event
    that was found in the table has none."""

    kind: str
    values: tuple[Any, ...]
    fresh: Any = None


class Batch:
    """The events of one transaction. Made on the loop, written inside the transaction, handed on after the commit."""

    __slots__ = ("_deleted", "_inserted", "_outbox", "events", "row_id")

    def __init__(self, outbox: Outbox, deleted: tuple[int, ...]) -> None:
        self._outbox = outbox
        self._deleted = deleted
        self._inserted: Any = None  # the cursor of the insert, until the batch is settled
        self.events: tuple[Event, ...] = ()
        self.row_id = 0  # of the row; 0 = none, or not settled

    def write(self, connection: Connection, events: Sequence[Event]) -> None:
        """The outbox's two statements of a transaction. May run again when the transaction does.

        The row's number is not asked for in here: that would make the transaction wait. So the insert has a cursor of
        its own, which tells it after the commit (a cursor's next statement may forget it)."""
        self.events = tuple(events)
        self._inserted = self._outbox._insert(cursor(connection), self.events) if self.events else None
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
        self._open: set[int] = set()  # handed to the dispatcher and not yet done
        self.written = 0  # rows that this process has committed: traffic

    # ---------------------------------------------------------------- on the loop

    def open(self) -> Batch:
        """A batch for the next transaction; it takes along what can be deleted."""
        return Batch(self, tuple(row for row, _ in zip(self._done, range(DELETE_LIMIT), strict=False)))

    def settled(self, batch: Batch) -> None:
        """The batch's transaction has committed."""
        batch.settle()
        for row_id in batch.deleted:
            self._done.pop(row_id, None)
        if batch.row_id:
            self.written += 1
            self._open.add(batch.row_id)

    def adopted(self, row_id: int) -> bool:
        """A row that was found in the table is being handed on now; False when it already is or was."""
        if row_id in self._open or row_id in self._done:
            return False
        self._open.add(row_id)
        return True

    def finished(self, row_id: int) -> None:
        self._open.discard(row_id)
        self._done[row_id] = None

    @property
    def has_done(self) -> bool:
        return bool(self._done)

    @property
    def open_count(self) -> int:
        return len(self._open)

    # ---------------------------------------------------------------- inside a transaction

    def _insert(self, c: Any, events: tuple[Event, ...]) -> Any:
        payload = msgspec.json.encode([[event.kind, *event.values] for event in events])
        c.execute(
            self._dialect.sql(f"INSERT INTO {self._table} (incarnation, created_at_ms, events) VALUES (?, ?, ?)"),
            (self.incarnation, self._clock.now_ms(), payload),
        )
        return c

    def _delete(self, c: Any, row_ids: Sequence[int]) -> None:
        if row_ids:
            c.execute(f"DELETE FROM {self._table} WHERE id IN ({self._dialect.marks(len(row_ids))})", tuple(row_ids))

    def sweep(self, connection: Connection, row_ids: Sequence[int]) -> None:
        """Deletes done rows without other work."""
        self._delete(cursor(connection), row_ids)

    def unremembered(self, connection: Connection) -> list[tuple[int, tuple[Event, ...]]]:
        """Own rows that are older than five seconds, in order. The loop drops those that it knows (`adopted`)."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                f"SELECT id, events FROM {self._table} WHERE incarnation = ? AND created_at_ms < ? ORDER BY id LIMIT ?"
            ),
            (self.incarnation, self._clock.now_ms() - UNREMEMBERED_AFTER_MS, CLAIM_LIMIT),
        )
        return _decode(c.fetchall())

    def claim(self, connection: Connection) -> list[tuple[int, tuple[Event, ...]]]:
        """Takes rows of dead incarnations over, in order. Fenced: does nothing unless one's own lease is alive, and the
        rows stay locked to the end of the transaction, so that of two claimants one gets them."""
        sql, c, now_ms = self._dialect.sql, cursor(connection), self._clock.now_ms()
        c.execute(
            sql("SELECT until_ms FROM lease WHERE incarnation = ?" + self._dialect.for_update), (self.incarnation,)
        )
        lease = c.fetchone()
        if lease is None or lease[0] < now_ms:
            return []
        c.execute(
            sql(
                f"SELECT o.id, o.events FROM {self._table} o LEFT JOIN lease l ON l.incarnation = o.incarnation "
                "WHERE o.incarnation <> ? AND (l.incarnation IS NULL OR l.until_ms < ?) ORDER BY o.id LIMIT ?"
                + self._dialect.for_update
            ),
            (self.incarnation, now_ms, CLAIM_LIMIT),
        )
        rows = c.fetchall()
        if rows:
            c.execute(
                sql(f"UPDATE {self._table} SET incarnation = ? WHERE id IN ({self._dialect.marks(len(rows))})"),
                (self.incarnation, *[row[0] for row in rows]),
            )
        return _decode(rows)


def _decode(rows: Iterable[Any]) -> list[tuple[int, tuple[Event, ...]]]:
    """Rows as events. One that cannot be read stays in the table, and in nobody's way."""
    decoded = []
    for row_id, events in rows:
        try:
            decoded.append(
                (int(row_id), tuple(Event(kind, tuple(values)) for kind, *values in msgspec.json.decode(events)))
            )
        except (msgspec.MsgspecError, TypeError, ValueError):
            log.error("outbox_row_unreadable", row_id=row_id)
    return decoded
