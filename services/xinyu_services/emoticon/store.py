"""The table of the emoticon room: the only SQL about collections. Every method runs inside a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect
from xinyu_services.emoticon.model import Emoticon, Picture

CHUNK: Final = 500
_COLUMNS: Final = "emoticon_id, user_id, media_id, url, width, height, size_bytes"


class EmoticonStore:
    """SQL for one engine."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def find(self, connection: Connection, user_id: int, media_id: str) -> Emoticon | None:
        """That picture in this user's collection."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(f"SELECT {_COLUMNS} FROM emoticon WHERE user_id = ? AND media_id = ?"),
            (user_id, media_id),
        )
        row = c.fetchone()
        return None if row is None else _emoticon(row)

    def count(self, connection: Connection, user_id: int) -> int:
        c = cursor(connection)
        c.execute(self._dialect.sql("SELECT COUNT(*) FROM emoticon WHERE user_id = ?"), (user_id,))
        return int(c.fetchone()[0])

    def insert(self, connection: Connection, emoticon: Emoticon, now_ms: int) -> None:
        picture = emoticon.picture
        cursor(connection).execute(
            f"INSERT INTO emoticon ({_COLUMNS}, created_at_ms) VALUES ({self._dialect.marks(8)})",
            (
                emoticon.emoticon_id, emoticon.user_id, picture.media_id, picture.url, picture.width, picture.height,
                picture.size_bytes, now_ms,
            ),
        )  # fmt: skip

    def delete(self, connection: Connection, user_id: int, emoticon_id: int) -> bool:
        """Whether it was there, and this user's."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql("DELETE FROM emoticon WHERE emoticon_id = ? AND user_id = ?"), (emoticon_id, user_id)
        )
        return bool(c.rowcount)

    def of_user(self, connection: Connection, user_id: int) -> list[Emoticon]:
        """The newest first."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(f"SELECT {_COLUMNS} FROM emoticon WHERE user_id = ? ORDER BY emoticon_id DESC"),
            (user_id,),
        )
        return [_emoticon(row) for row in c.fetchall()]

    def load(self, connection: Connection, emoticon_ids: Sequence[int]) -> list[Emoticon]:
        """Those that there are. One statement for 500."""
        c = cursor(connection)
        found: list[Emoticon] = []
        for start in range(0, len(emoticon_ids), CHUNK):
            chunk = list(emoticon_ids[start : start + CHUNK])
            c.execute(
                f"SELECT {_COLUMNS} FROM emoticon WHERE emoticon_id IN ({self._dialect.marks(len(chunk))})", chunk
            )
            found += [_emoticon(row) for row in c.fetchall()]
        return found


def _emoticon(row: Any) -> Emoticon:
    emoticon_id, user_id, *picture = row
    return Emoticon(emoticon_id, user_id, Picture(*picture))
