"""The part of a connection and its cursor that stores use, over statements that run later than they are handed over.

Both engines have such a transaction: SQLite's runs its statements on a thread (`statement_writer`), MySQL's sends
several at once (`mysql_statements`). `execute` waits for nothing; what is asked for next of a statement waits for it.
"""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

S = TypeVar("S")
Parameters = list[Any] | tuple[Any, ...]


class Outcome(Protocol):
    """Of a statement that has run."""

    @property
    def rows(self) -> list[tuple[Any, ...]]: ...

    @property
    def rowcount(self) -> int: ...

    @property
    def lastrowid(self) -> int | None: ...


class Statements(Protocol[S]):
    """A transaction: `wait` raises the statement's error, or that of one before it."""

    def execute(self, sql: str, parameters: Parameters) -> S: ...

    def wait(self, statement: S) -> Outcome: ...


class StatementConnection(Generic[S]):
    """What `cursor(connection)` needs of a connection."""

    __slots__ = ("_statements",)

    def __init__(self, statements: Statements[S]) -> None:
        self._statements = statements

    @property
    def connection(self) -> StatementConnection[S]:
        return self

    def cursor(self) -> StatementCursor[S]:
        return StatementCursor(self._statements)


class StatementCursor(Generic[S]):
    """A DB-API cursor's part that stores use. After the transaction it still tells `rowcount` and `lastrowid`."""

    __slots__ = ("_fetched", "_statement", "_statements")

    def __init__(self, statements: Statements[S]) -> None:
        self._statements = statements
        self._statement: S | None = None
        self._fetched = 0

    def execute(self, sql: str, parameters: Parameters = ()) -> StatementCursor[S]:
        """Does not wait: an error comes with what is asked for next, or with the commit."""
        self._statement = self._statements.execute(sql, parameters)
        self._fetched = 0
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        if self._statement is None:
            return []
        rows = self._statements.wait(self._statement).rows
        first, self._fetched = self._fetched, len(rows)
        return rows[first:] if first else rows

    def fetchone(self) -> tuple[Any, ...] | None:
        if self._statement is None:
            return None
        rows = self._statements.wait(self._statement).rows
        if self._fetched >= len(rows):
            return None
        self._fetched += 1
        return rows[self._fetched - 1]

    @property
    def lastrowid(self) -> int | None:
        return None if self._statement is None else self._statements.wait(self._statement).lastrowid

    @property
    def rowcount(self) -> int:
        return -1 if self._statement is None else self._statements.wait(self._statement).rowcount
