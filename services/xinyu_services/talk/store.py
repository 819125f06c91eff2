"""The only SQL of the talk room: session rows, led by user_id, and each user's version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect
from xinyu_services.talk.model import RoomVersion, Session, SessionState

_COLUMNS: Final = (
    "user_id", "talk_id", "version", "talk_mode", "to_from_id", "state", "revision", "pinned_at_ms", "is_disturb",
    "hidden_sequence", "draft", "remark", "created_at_ms", "changed_at_ms",
)  # fmt: skip
_SESSION: Final = ", ".join(_COLUMNS)


class TalkStore:
    """SQL for one engine."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._sql = dialect.sql

    def load_version(self, connection: Connection, user_id: int) -> RoomVersion:
        c = cursor(connection)
        c.execute(self._sql("SELECT version, floor FROM talk_version WHERE user_id = ?"), (user_id,))
        row = c.fetchone()
        return RoomVersion(*row) if row is not None else RoomVersion()

    def next_version(self, connection: Connection, user_id: int) -> int:
        """Takes the user's next version; his row stays locked to the end of the transaction."""
        c = cursor(connection)
        c.execute(self._sql("UPDATE talk_version SET version = version + 1 WHERE user_id = ?"), (user_id,))
        if c.rowcount == 0:
            c.execute(self._sql("INSERT INTO talk_version (user_id, version) VALUES (?, 1)"), (user_id,))
            return 1
        return self.load_version(connection, user_id).version

    def load_session(self, connection: Connection, user_id: int, talk_id: int) -> Session | None:
        c = cursor(connection)
        c.execute(
            self._sql(f"SELECT {_SESSION} FROM talk_session WHERE user_id = ? AND talk_id = ?"), (user_id, talk_id)
        )
        row = c.fetchone()
        return Session(*row) if row is not None else None

    def load_sessions(self, connection: Connection, keys: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Session]:
        """Rows of (user_id, talk_id) pairs."""
        wanted = list(keys)
        if not wanted:
            return {}
        c = cursor(connection)
        source, where = self._dialect.among("talk_session", ("user_id", "talk_id"), len(wanted))
        c.execute(f"SELECT {_SESSION} FROM {source} WHERE {where}", [value for key in wanted for value in key])
        return {(row[0], row[1]): Session(*row) for row in c.fetchall()}

    def load_alive(self, connection: Connection, user_id: int) -> list[Session]:
        c = cursor(connection)
        c.execute(
            self._sql(f"SELECT {_SESSION} FROM talk_session WHERE user_id = ? AND state = ?"),
            (user_id, SessionState.ALIVE),
        )
        return [Session(*row) for row in c.fetchall()]

    def load_newer(self, connection: Connection, user_id: int, version: int, limit: int) -> list[Session]:
        """Rows above `version`, ascending. From 0 on, tombstones say nothing new and are left out."""
        alive = self._sql(" AND state = 1") if version == 0 else ""
        c = cursor(connection)
        c.execute(
            self._sql(
                f"SELECT {_SESSION} FROM talk_session WHERE user_id = ? AND version > ?{alive} ORDER BY version LIMIT ?"
            ),
            (user_id, version, limit),
        )
        return [Session(*row) for row in c.fetchall()]

    def save_sessions(self, connection: Connection, sessions: Sequence[Session]) -> None:
        """Inserts or overwrites whole rows."""
        cursor(connection).execute(
            self._dialect.upsert("talk_session", _COLUMNS, _COLUMNS[:2], _COLUMNS[2:], len(sessions)),
            [getattr(session, column) for session in sessions for column in _COLUMNS],
        )

    def purge_tombstones(self, connection: Connection, before_ms: int, limit: int) -> int:
        """Deletes dead rows that changed before `before_ms`, and raises their users' floors. Answers how many went."""
        c = cursor(connection)
        c.execute(
            self._sql(
                "SELECT user_id, talk_id, version FROM talk_session WHERE state = ? AND changed_at_ms < ? LIMIT ?"
            ),
            (SessionState.DELETED, before_ms, limit),
        )
        rows = sorted(c.fetchall())  # users ascending: the order of locks
        for user_id, talk_id, version in rows:
            c.execute(
                self._sql("UPDATE talk_version SET floor = ? WHERE user_id = ? AND floor < ?"),
                (version, user_id, version),
            )
            c.execute(self._sql("DELETE FROM talk_session WHERE user_id = ? AND talk_id = ?"), (user_id, talk_id))
        return len(rows)
