"""The counter of user-led rows: one number a user and room, taken inside the transaction that writes what it numbers.

A room whose rows belong to a user (conversation list, contacts, profile) keeps `{room}_version (user_id PK, version,
floor)`. The row's lock lasts to the commit, so no device can see number N+1 before N. Below `floor` tombstones have
been purged, and a device with such a version starts anew (data.md, "Catching up"). Order of locks: users ascending.
"""

from __future__ import annotations

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect


class VersionCounter:
    """The table `{room}_version`. All methods run inside a transaction."""

    def __init__(self, room: str, dialect: Dialect) -> None:
        self._table = f"{room}_version"
        self._dialect = dialect

    def next(self, connection: Connection, user_id: int) -> int:
        """Takes the user's next number; the first is 1. Two statements."""
        sql, c = self._dialect.sql, cursor(connection)
        c.execute(sql(f"UPDATE {self._table} SET version = version + 1 WHERE user_id = ?"), (user_id,))
        if c.rowcount == 0:
            c.execute(sql(f"INSERT INTO {self._table} (user_id, version, floor) VALUES (?, 1, 0)"), (user_id,))
            return 1
        c.execute(sql(f"SELECT version FROM {self._table} WHERE user_id = ?"), (user_id,))
        return int(c.fetchone()[0])

    def take(self, connection: Connection, user_id: int, count: int) -> int:
        """Takes the user's next `count` numbers at once; answers the last. Two statements more than one."""
        self.next(connection, user_id)
        c = cursor(connection)
        c.execute(
            self._dialect.sql(f"UPDATE {self._table} SET version = version + ? WHERE user_id = ?"), (count - 1, user_id)
        )
        return self.load(connection, user_id)[0]

    def load(self, connection: Connection, user_id: int) -> tuple[int, int]:
        """(version, floor); zeros for a user without rows."""
        c = cursor(connection)
        c.execute(self._dialect.sql(f"SELECT version, floor FROM {self._table} WHERE user_id = ?"), (user_id,))
        row = c.fetchone()
        return (0, 0) if row is None else (int(row[0]), int(row[1]))

    def raise_floor(self, connection: Connection, user_id: int, floor: int) -> None:
        """Tombstones up to `floor` are being purged."""
        cursor(connection).execute(
            self._dialect.sql(f"UPDATE {self._table} SET floor = ? WHERE user_id = ? AND floor < ?"),
            (floor, user_id, floor),
        )
