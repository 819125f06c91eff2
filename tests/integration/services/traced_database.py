"""A database that keeps what its transactions ran, for tests of counts and query plans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from sqlalchemy import Connection

from xinyu.storage.database import Database, Work, cursor
from xinyu.storage.dialect import MYSQL, Dialect
from xinyu.storage.mysql_statements import with_values

T = TypeVar("T")


@dataclass
class Transaction:
    """One transaction's statements, with their values in place."""

    statements: list[str] = field(default_factory=list)

    def holds(self, text: str) -> bool:
        return any(text in statement for statement in self.statements)


class _TracedConnection:
    """A connection whose cursors note what they execute."""

    def __init__(self, connection: Connection, transaction: Transaction, dialect: Dialect) -> None:
        self._connection = connection
        self._transaction = transaction
        self._dialect = dialect

    @property
    def connection(self) -> _TracedConnection:
        return self

    def cursor(self) -> _TracedCursor:
        return _TracedCursor(cursor(self._connection), self._transaction, self._dialect)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class _TracedCursor:
    def __init__(self, inner: Any, transaction: Transaction, dialect: Dialect) -> None:
        self._inner = inner
        self._transaction = transaction
        self._with_values = with_values if dialect is MYSQL else _with_values

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        self._transaction.statements.append(self._with_values(sql, parameters))
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


class TracedDatabase:
    """`transactions` grows with each, in the order of their ends; a test clears it."""

    def __init__(self, inner: Database) -> None:
        self.inner = inner
        self.dialect = inner.dialect
        self.transactions: list[Transaction] = []

    def _traced(self, work: Work[T], transaction: Transaction) -> Work[T]:
        def traced(connection: Connection) -> T:
            transaction.statements.clear()  # of a try before this one
            return work(cast(Connection, _TracedConnection(connection, transaction, self.dialect)))

        return traced

    async def read(self, work: Work[T]) -> T:
        transaction = Transaction()
        try:
            return await self.inner.read(self._traced(work, transaction))
        finally:
            self.transactions.append(transaction)

    async def write(
        self,
        work: Work[T],
        *,
        lane: int | None = None,
        statements_only: bool = False,
        committing: Callable[[], None] | None = None,
    ) -> T:
        transaction = Transaction()
        try:
            return await self.inner.write(
                self._traced(work, transaction), lane=lane, statements_only=statements_only, committing=committing
            )
        finally:
            self.transactions.append(transaction)

    async def close(self) -> None:
        await self.inner.close()

    def with_statement(self, text: str) -> list[Transaction]:
        """Transactions that ran a statement with `text` in it."""
        return [transaction for transaction in self.transactions if transaction.holds(text)]
