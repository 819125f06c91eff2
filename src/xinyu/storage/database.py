"""The contract of a database: functions that run inside one transaction, on either engine.

`fn` is synchronous and gets a SQLAlchemy Core connection, so it cannot await anything inside a transaction, and one
`store.py` serves both engines. Hot statements go through `cursor(connection)`, the driver's cursor of the same
transaction: Core costs six times that on SQLite. An engine may run `fn` again after `Retry`, so it must change nothing
but the database and what it returns.

When `write` returns, the work is durable. When it raises `Unavailable`, it may be: a COMMIT can succeed and its answer
be lost (the outbox looks again for what a process does not remember).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import Connection

from xinyu.storage.dialect import Dialect

T = TypeVar("T")
Work = Callable[[Connection], T]


class DatabaseError(Exception):
    """Base of what a database raises besides programming errors."""


class Retry(DatabaseError):
    """Deadlock or lock time-out: nothing was written, the same work may run again."""


class Duplicate(DatabaseError):
    """A unique key was met: nothing was written."""


class Unavailable(DatabaseError):
    """The database is away or refused; whether a commit happened may be unknown."""


class Database(Protocol):
    """One engine, SQLite or MySQL."""

    @property
    def dialect(self) -> Dialect:
        """How its statements differ."""
        ...

    async def read(self, work: Work[T]) -> T:
        """Runs `work` on one snapshot; it must not write."""
        ...

    async def write(
        self,
        work: Work[T],
        *,
        lane: int | None = None,
        statements_only: bool = False,
        committing: Callable[[], None] | None = None,
    ) -> T:
        """Runs `work` in one transaction and commits it. Work of one lane runs one after another, in order of the
        calls; work without a lane in any order. Raises Retry, Duplicate or Unavailable.

        `statements_only`: `work` uses `cursor(connection)` and nothing else of the connection, and of a cursor
        `execute`, `fetchone`, `fetchall`, `rowcount` and `lastrowid`. An engine may then run it on the loop's thread
        and send its statements off without waiting for them. So it computes little; executes what it wants to know
        before it fetches any of it, and fetches that before it writes; and catches no error of a statement, which may
        come at a later one or at the commit.

        `committing` is called when only the commit is left, by an engine that begins the next work behind it without
        waiting for its end: what is handed in from then on may run before this call has returned."""
        ...

    async def close(self) -> None:
        """Waits for what is running, then lets go of files and threads."""
        ...


def cursor(connection: Connection) -> Any:
    """The driver's cursor inside the connection's transaction."""
    return cast(Any, connection.connection).cursor()
