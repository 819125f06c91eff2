"""The table of groups' notices: the only SQL about them."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect
from xinyu_services.group.notice_model import NoticeEdit

_NOTICE: Final = "group_id, edit, content, editor_id, created_at_ms, edited_at_ms"


class NoticeStore:
    """All methods run inside a transaction. What writes has locked the group's row first."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def edits(self, connection: Connection, group_id: int, limit: int) -> list[NoticeEdit]:
        """The newest first: the first one is the notice as it is."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(f"SELECT {_NOTICE} FROM group_notice WHERE group_id = ? ORDER BY edit DESC LIMIT ?"),
            (group_id, limit),
        )
        return [_edit(row) for row in c.fetchall()]

    def last(self, connection: Connection, group_id: int) -> NoticeEdit | None:
        return next(iter(self.edits(connection, group_id, 1)), None)

    def find(self, connection: Connection, group_id: int, edit: int) -> NoticeEdit | None:
        c = cursor(connection)
        c.execute(
            self._dialect.sql(f"SELECT {_NOTICE} FROM group_notice WHERE group_id = ? AND edit = ?"), (group_id, edit)
        )
        row = c.fetchone()
        return None if row is None else _edit(row)

    def add(self, connection: Connection, edit: NoticeEdit, keep: int) -> None:
        """A new edit; of the old ones `keep` stay, this one among them."""
        sql, c = self._dialect.sql, cursor(connection)
        c.execute(
            f"INSERT INTO group_notice ({_NOTICE}) VALUES ({self._dialect.marks(6)})",
            (edit.group_id, edit.edit, edit.content, edit.editor_id, edit.created_at_ms, edit.edited_at_ms),
        )
        c.execute(sql("DELETE FROM group_notice WHERE group_id = ? AND edit <= ?"), (edit.group_id, edit.edit - keep))


def _edit(row: Any) -> NoticeEdit:
    return NoticeEdit(*row)
