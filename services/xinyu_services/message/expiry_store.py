"""The SQL of messages that disappear: which are due, and how they go."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect
from xinyu_services.message.model import StoredMessage


class ExpiryStore:
    """Every method runs inside one transaction of `Database.read` or `.write`."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._sql = dialect.sql

    def next_due_ms(self, connection: Connection) -> int | None:
        """When the next one is to go; None: none is."""
        c = cursor(connection)
        c.execute("SELECT expires_at_ms FROM message_due WHERE expires_at_ms > 0 ORDER BY expires_at_ms LIMIT 1")
        row = c.fetchone()
        return None if row is None else int(row[0])

    def load_due(self, connection: Connection, now_ms: int, limit: int) -> list[tuple[int, int]]:
        """(talk_id, sequence) of those that are to be gone by now, the oldest first."""
        c = cursor(connection)
        c.execute(
            self._sql(
                "SELECT talk_id, sequence FROM message_due WHERE expires_at_ms <= ? ORDER BY expires_at_ms LIMIT ?"
            ),
            (now_ms, limit),
        )
        return [(row[0], row[1]) for row in c.fetchall()]

    def take(self, connection: Connection, talk_id: int, sequences: Sequence[int]) -> list[int]:
        """Those of `sequences` that nobody else has let go, ascending; they are not due any more. The talk's head is
        locked."""
        c = cursor(connection)
        among = f"talk_id = {self._dialect.placeholder} AND sequence IN ({self._dialect.marks(len(sequences))})"
        c.execute(f"SELECT sequence FROM message_due WHERE {among} ORDER BY sequence", [talk_id, *sequences])
        left = [int(row[0]) for row in c.fetchall()]
        c.execute(f"DELETE FROM message_due WHERE {among}", [talk_id, *sequences])
        return left

    def expire(self, connection: Connection, messages: Sequence[StoredMessage], change: int) -> None:
        """Empties messages of one talk: nothing of what they said is left, nor of what an edit made of it, and no file
        can be had by them. Their numbers stay."""
        talk_id, sequences = messages[0].talk_id, [message.sequence for message in messages]
        c = cursor(connection)
        c.execute(
            self._sql("UPDATE message SET body = '{}', quote = '{}' WHERE talk_id = ? AND sequence IN ")
            + f"({self._dialect.marks(len(sequences))})",
            [talk_id, *sequences],
        )
        columns = ("talk_id", "sequence", "change", "expired", "body", "reactions", "is_pinned")
        c.execute(
            self._dialect.upsert("message_change", columns, columns[:2], columns[2:], len(sequences)),
            [value for sequence in sequences for value in (talk_id, sequence, change, 1, None, "", 0)],
        )
        source = self._dialect.marks(len(messages))
        for table in ("message_edit", "message_forward", "message_reaction", "message_pin"):
            c.execute(
                f"DELETE FROM {table} WHERE talk_id = {self._dialect.placeholder} AND sequence IN ({source})",
                [talk_id, *sequences],
            )
        c.execute(
            f"DELETE FROM message_file WHERE msg_id IN ({source}) AND talk_id = {self._dialect.placeholder} "
            f"AND sequence IN ({source})",
            [*(message.msg_id for message in messages), talk_id, *sequences],
        )
