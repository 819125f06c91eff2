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
    "hidden_sequence", "draft", "remark", "created_at_ms", "changed_at_ms", "scheduled_count", "scheduled_failed",
    "scheduled_revision",
)  # fmt: skip
_SESSION: Final = ", ".join(_COLUMNS)
VERSIONS_AT_ONCE: Final = 500


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

    def next_versions(self, connection: Connection, user_ids: Sequence[int]) -> dict[int, int]:
        """Takes the next version of each of these users, at most three statements for VERSIONS_AT_ONCE; their rows stay
        locked to the end of the transaction."""
        versions: dict[int, int] = {}
        c = cursor(connection)
        for start in range(0, len(user_ids), VERSIONS_AT_ONCE):
            chunk = user_ids[start : start + VERSIONS_AT_ONCE]
            marks = self._dialect.marks(len(chunk))
            c.execute(f"UPDATE talk_version SET version = version + 1 WHERE user_id IN ({marks})", list(chunk))
            if c.rowcount:
                c.execute(f"SELECT user_id, version FROM talk_version WHERE user_id IN ({marks})", list(chunk))
                versions.update(c.fetchall())
            new = [user_id for user_id in chunk if user_id not in versions]
            if new:
                rows = self._dialect.rows(2, len(new))
                c.execute(
                    f"INSERT INTO talk_version (user_id, version) VALUES{rows}",
                    [value for user_id in new for value in (user_id, 1)],
                )
                versions.update(dict.fromkeys(new, 1))
        return versions

    def lock_users(self, connection: Connection, user_ids: Iterable[int]) -> None:
        """Nobody else changes a row of these users before the transaction ends: whoever does takes a version. Who has
        no version yet is not locked: of two who take the first, one meets a duplicate. SQLite has one writer anyway."""
        if not self._dialect.for_update:
            return
        wanted = sorted(set(user_ids))
        c = cursor(connection)
        for start in range(0, len(wanted), VERSIONS_AT_ONCE):
            chunk = wanted[start : start + VERSIONS_AT_ONCE]
            marks = self._dialect.marks(len(chunk))
            c.execute(
                f"SELECT user_id FROM talk_version WHERE user_id IN ({marks}) ORDER BY user_id"
                + self._dialect.for_update,
                chunk,
            )
            c.fetchall()

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
        source = self._dialect.among("talk_session", ("user_id", "talk_id"), len(wanted))
        c.execute(f"SELECT {_SESSION} FROM {source}", [value for key in wanted for value in key])
        return {(row[0], row[1]): Session(*row) for row in c.fetchall()}

    def load_alive(self, connection: Connection, user_id: int) -> list[Session]:
        c = cursor(connection)
        c.execute(
            self._sql(f"SELECT {_SESSION} FROM talk_session WHERE user_id = ? AND state = ?"),
            (user_id, SessionState.ALIVE),
        )
        return [Session(*row) for row in c.fetchall()]

    def list_talks(self, connection: Connection, user_id: int, limit: int) -> list[int]:
        """Talks of all of a user's rows, deleted ones too; the last changed first."""
        c = cursor(connection)
        c.execute(
            self._sql("SELECT talk_id FROM talk_session WHERE user_id = ? ORDER BY version DESC LIMIT ?"),
            (user_id, limit),
        )
        return [row[0] for row in c.fetchall()]

    def count_pinned(self, connection: Connection, user_id: int) -> int:
        c = cursor(connection)
        c.execute(
            self._sql("SELECT COUNT(*) FROM talk_session WHERE user_id = ? AND pinned_at_ms > 0 AND state = ?"),
            (user_id, SessionState.ALIVE),
        )
        row = c.fetchone()
        assert row is not None
        return int(row[0])

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
        """Deletes dead rows that changed before `before_ms`, and raises their users' floors. Answers how many there
        were. One that lives again by then has another version, and stays."""
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
            c.execute(
                self._sql("DELETE FROM talk_session WHERE user_id = ? AND talk_id = ? AND version = ?"),
                (user_id, talk_id, version),
            )
        return len(rows)
