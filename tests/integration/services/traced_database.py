"""A SQLite database that keeps what its transactions ran, as the engine saw it, for tests of counts and query plans."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine

from xinyu.storage import schema
from xinyu.storage.database import Work
from xinyu.storage.sqlite import SqliteDatabase

T = TypeVar("T")
_FRAMES = ("BEGIN", "COMMIT", "ROLLBACK")


@dataclass
class Transaction:
    """One transaction's statements, with their values in place."""

    statements: list[str] = field(default_factory=list)

    def holds(self, text: str) -> bool:
        return any(text in statement for statement in self.statements)


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
