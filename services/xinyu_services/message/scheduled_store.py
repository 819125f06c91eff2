"""The SQL of messages that are sent later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect
from xinyu_services.message.scheduled_model import Scheduled, ScheduledState

_COLUMNS: Final = (
    "scheduled_id", "user_id", "talk_id", "talk_mode", "to_from_id", "type_name", "msg_type", "body", "quote_id",
    "send_at_ms", "state", "reason", "claimed_until_ms",
)  # fmt: skip
_SCHEDULED: Final = ", ".join(_COLUMNS)


class ScheduledStore:
    """Every method runs inside one transaction of `Database.read` or `.write`."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._sql = dialect.sql

    def next_revision(self, connection: Connection, user_id: int) -> int:
        """Takes the number of a change of the user's scheduled messages, and locks them: nobody else changes them
        before the transaction ends."""
        c = cursor(connection)
        c.execute(self._sql("UPDATE scheduled_owner SET revision = revision + 1 WHERE user_id = ?"), (user_id,))
        if c.rowcount == 0:
            c.execute(self._sql("INSERT INTO scheduled_owner (user_id, revision) VALUES (?, 1)"), (user_id,))
            return 1
        c.execute(self._sql("SELECT revision FROM scheduled_owner WHERE user_id = ?"), (user_id,))
        row = c.fetchone()
        assert row is not None
        return int(row[0])

    def load(self, connection: Connection, scheduled_id: str) -> Scheduled | None:
        c = cursor(connection)
        c.execute(
            self._sql(f"SELECT {_SCHEDULED} FROM scheduled_message WHERE scheduled_id = ?"), (scheduled_id,)
        )
        row = c.fetchone()
        return None if row is None else Scheduled(*row)

    def load_of(self, connection: Connection, user_id: int) -> list[Scheduled]:
        """All that the user has, the next one first."""
        c = cursor(connection)
        c.execute(
            self._sql(
                f"SELECT {_SCHEDULED} FROM scheduled_message WHERE user_id = ? ORDER BY send_at_ms, scheduled_id"
            ),
            (user_id,),
        )
        return [Scheduled(*row) for row in c.fetchall()]

    def count(self, connection: Connection, user_id: int) -> int:
        c = cursor(connection)
        c.execute(self._sql("SELECT COUNT(*) FROM scheduled_message WHERE user_id = ?"), (user_id,))
        row = c.fetchone()
        assert row is not None
        return int(row[0])

    def count_in(self, connection: Connection, user_id: int, talk_id: int) -> tuple[int, int]:
        """(waiting, failed) of the user in that talk."""
        c = cursor(connection)
        c.execute(
            self._sql("SELECT state, COUNT(*) FROM scheduled_message WHERE user_id = ? AND talk_id = ? GROUP BY state"),
            (user_id, talk_id),
        )
        counts: dict[int, int] = dict(c.fetchall())
        return counts.get(ScheduledState.WAITS, 0), counts.get(ScheduledState.FAILED, 0)

    def insert(self, connection: Connection, scheduled: Scheduled) -> None:
        cursor(connection).execute(
            f"INSERT INTO scheduled_message ({_SCHEDULED}) VALUES" + self._dialect.rows(len(_COLUMNS), 1),
            [getattr(scheduled, column) for column in _COLUMNS],
        )

    def delete(self, connection: Connection, scheduled_id: str) -> bool:
        """False: it is gone already."""
        c = cursor(connection)
        c.execute(self._sql("DELETE FROM scheduled_message WHERE scheduled_id = ?"), (scheduled_id,))
        return bool(c.rowcount)

    def fail(self, connection: Connection, scheduled_id: str, reason: str) -> None:
        cursor(connection).execute(
            self._sql("UPDATE scheduled_message SET state = ?, reason = ? WHERE scheduled_id = ?"),
            (int(ScheduledState.FAILED), reason, scheduled_id),
        )

    def next_due_ms(self, connection: Connection) -> int | None:
        """When the next one waits to be sent; None: nothing waits."""
        c = cursor(connection)
        c.execute(
            self._sql("SELECT send_at_ms FROM scheduled_message WHERE state = ? ORDER BY send_at_ms LIMIT 1"),
            (int(ScheduledState.WAITS),),
        )
        row = c.fetchone()
        return None if row is None else int(row[0])

    def claim(self, connection: Connection, now_ms: int, until_ms: int, limit: int) -> list[Scheduled]:
        """Those that are due and nobody is sending, the oldest first, for this process to send until then."""
        c = cursor(connection)
        c.execute(
            self._sql(
                f"SELECT {_SCHEDULED} FROM scheduled_message WHERE state = ? AND send_at_ms <= ? "
                f"AND claimed_until_ms <= ? ORDER BY send_at_ms LIMIT ?{self._dialect.skip_locked}"
            ),
            (int(ScheduledState.WAITS), now_ms, now_ms, limit),
        )
        found = [Scheduled(*row) for row in c.fetchall()]
        if found:
            ids = [scheduled.scheduled_id for scheduled in found]
            c.execute(
                self._sql("UPDATE scheduled_message SET claimed_until_ms = ? WHERE scheduled_id IN ")
                + f"({self._dialect.marks(len(ids))})",
                [until_ms, *ids],
            )
        return found

    def load_failed(self, connection: Connection, before_ms: int, limit: int) -> Sequence[tuple[str, int, int]]:
        """(scheduled_id, user, talk) of those that failed and were to be sent before that."""
        c = cursor(connection)
        c.execute(
            self._sql(
                "SELECT scheduled_id, user_id, talk_id FROM scheduled_message "
                "WHERE state = ? AND send_at_ms < ? ORDER BY send_at_ms LIMIT ?"
            ),
            (int(ScheduledState.FAILED), before_ms, limit),
        )
        return [(row[0], row[1], row[2]) for row in c.fetchall()]
