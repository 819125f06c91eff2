"""A SQLite database that keeps what its transactions ran, as the engine saw it, for tests of counts and query plans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine

from xinyu._fast import sqlite
from xinyu.storage import schema
from xinyu.storage.database import Work, cursor
from xinyu.storage.sqlite import SqliteDatabase

T = TypeVar("T")
_FRAMES = ("BEGIN", "COMMIT", "ROLLBACK")


@dataclass
class Transaction:
    """One transaction's statements, with their values in place."""

    statements: list[str] = field(default_factory=list)

    def holds(self, text: str) -> bool:
        return any(text in statement for statement in self.statements)


class _TracedConnection:
    """A connection of statements-only work, whose cursors note what they execute."""

    def __init__(self, connection: Connection, transaction: Transaction) -> None:
        self._connection = connection
        self._transaction = transaction

    @property
    def connection(self) -> _TracedConnection:
        return self

    def cursor(self) -> _TracedCursor:
        return _TracedCursor(cursor(self._connection), self._transaction)


class _TracedCursor:
    def __init__(self, inner: Any, transaction: Transaction) -> None:
        self._inner = inner
        self._transaction = transaction

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        self._transaction.statements.append(_with_values(sql, parameters))
        return self._inner.execute(sql, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _with_values(sql: str, parameters: Sequence[Any]) -> str:
    first, *others = sql.split("?")
    assert len(others) == len(parameters), sql
    return first + "".join(_literal(value) + text for value, text in zip(parameters, others, strict=True))


def _literal(value: Any) -> str:
    match value:
        case None:
            return "NULL"
        case bytes():
            return f"x'{value.hex()}'"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case _:
            return repr(value + 0)  # of an IntEnum its number


class TracedDatabase(SqliteDatabase):
    """`transactions` grows with each; a test clears it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.transactions: list[Transaction] = []

    def _run(self, engine: Engine, work: Work[T]) -> T:
        raw = self._connection(engine).connection.dbapi_connection
        assert raw is not None
        transaction = Transaction()

        def note(statement: str) -> None:
            if not statement.startswith(_FRAMES):
                transaction.statements.append(statement)

        raw.set_trace_callback(note)
        try:
            return super()._run(engine, work)
        finally:
            raw.set_trace_callback(None)
            self.transactions.append(transaction)

    async def write(
        self,
        work: Work[T],
        *,
        lane: int = 0,
        statements_only: bool = False,
        committing: Callable[[], None] | None = None,
    ) -> T:
        if not (statements_only and sqlite.available()):
            return await super().write(work, lane=lane, statements_only=statements_only, committing=committing)
        transaction = Transaction()

        def traced(connection: Connection) -> T:
            return work(cast(Connection, _TracedConnection(connection, transaction)))

        try:
            return await super().write(traced, lane=lane, statements_only=True, committing=committing)
        finally:
            self.transactions.append(transaction)

    def with_statement(self, text: str) -> list[Transaction]:
        """Transactions that ran a statement with `text` in it."""
        return [transaction for transaction in self.transactions if transaction.holds(text)]


async def open_traced_database(path: Path) -> TracedDatabase:
    """A migrated file."""
    database = TracedDatabase(path)

    def work(connection: Connection) -> None:
        schema.apply(connection)

    await database.write(work)
    database.transactions.clear()
    return database
