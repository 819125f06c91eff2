"""The tables of the note room: the only SQL about notes. Every method runs inside a transaction, and every statement
that finds something names the user: what is another's is not found.

What changes of a user's locks his `note_owner` row first (`lock_owner`), so two of his devices come one after the other
and what is counted stays true to the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect
from xinyu_services.note.model import ALIVE, Annex, Note, NoteClass, Search, Tag

_NOTE: Final = (
    "n.note_id, n.class_id, COALESCE(k.name, ''), n.title, n.abstract, n.image, n.is_starred, "
    "n.created_at_ms, n.updated_at_ms, n.deleted_at_ms"
)
_ANNEX: Final = "a.annex_id, a.note_id, a.name, a.size_bytes, a.sha256, a.blob_key, a.created_at_ms, a.deleted_at_ms"


class NoteStore:
    """SQL for one engine."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    # ---------------------------------------------------------------- owners and classes

    def lock_owner(self, connection: Connection, user_id: int) -> int:
        """The user's default class, 0 = he has none yet (`insert_owner`). His notes are this transaction's."""
        c = cursor(connection)
        text = "SELECT default_class_id FROM note_owner WHERE user_id = ?" + self._dialect.for_update
        c.execute(self._dialect.sql(text), (user_id,))
        row = c.fetchone()
        return 0 if row is None else int(row[0])

    def insert_owner(self, connection: Connection, user_id: int, class_id: int, name: str) -> None:
        """With his default class. Raises Duplicate when another transaction was first."""
        cursor(connection).execute(
            f"INSERT INTO note_owner (user_id, default_class_id) VALUES ({self._dialect.marks(2)})",
            (user_id, class_id),
        )
        self.insert_class(connection, user_id, class_id, name, 0)

    def default_class(self, connection: Connection, user_id: int) -> int:
        """0 = none yet."""
        c = cursor(connection)
        c.execute(self._dialect.sql("SELECT default_class_id FROM note_owner WHERE user_id = ?"), (user_id,))
        row = c.fetchone()
        return 0 if row is None else int(row[0])

    def classes(self, connection: Connection, user_id: int) -> list[NoteClass]:
        """In their order, with how many notes each has."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                "SELECT k.class_id, k.name, k.position, (SELECT COUNT(*) FROM note n WHERE n.user_id = k.user_id "
                "AND n.class_id = k.class_id AND n.deleted_at_ms = 0) "
                "FROM note_class k WHERE k.user_id = ? ORDER BY k.position, k.class_id"
            ),
            (user_id,),
        )
        return [NoteClass(*row) for row in c.fetchall()]

    def insert_class(self, connection: Connection, user_id: int, class_id: int, name: str, position: int) -> None:
        cursor(connection).execute(
            f"INSERT INTO note_class (class_id, user_id, name, position) VALUES ({self._dialect.marks(4)})",
            (class_id, user_id, name, position),
        )

    def put_classes(self, connection: Connection, user_id: int, classes: Sequence[NoteClass]) -> None:
        """Names and positions of classes that are there."""
        text = self._dialect.upsert(
            "note_class", ("class_id", "user_id", "name", "position"), ("class_id",), ("name", "position"), len(classes)
        )
        cursor(connection).execute(
            text, [value for each in classes for value in (each.class_id, user_id, each.name, each.position)]
        )

    def delete_class(self, connection: Connection, user_id: int, class_id: int, heir_id: int) -> None:
        """Its notes, those in the recycle bin too, fall to the class `heir_id`."""
        c, sql = cursor(connection), self._dialect.sql
        c.execute(
            sql("UPDATE note SET class_id = ? WHERE user_id = ? AND class_id = ?"), (heir_id, user_id, class_id)
        )
        c.execute(sql("DELETE FROM note_class WHERE class_id = ? AND user_id = ?"), (class_id, user_id))

    # ---------------------------------------------------------------- notes

    def note(self, connection: Connection, user_id: int, note_id: int) -> Note | None:
        """Deleted or not."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                f"SELECT {_NOTE} FROM note n LEFT JOIN note_class k ON k.class_id = n.class_id "
                "WHERE n.note_id = ? AND n.user_id = ?"
            ),
            (note_id, user_id),
        )
        row = c.fetchone()
        return None if row is None else _note(row)

    def text(self, connection: Connection, note_id: int) -> str:
        c = cursor(connection)
        c.execute(self._dialect.sql("SELECT md_content FROM note_text WHERE note_id = ?"), (note_id,))
        row = c.fetchone()
        return "" if row is None else str(row[0])

    def notes(self, connection: Connection, user_id: int, search: Search, limit: int) -> list[Note]:
        """Those not deleted that fit, last edited first, without their tags. `search.keyword` is folded."""
        joins, where, values = "", "", [user_id]
        more: list[Any] = []
        if search.keyword:
            joins = " JOIN note_text t ON t.note_id = n.note_id"
            where += " AND INSTR(t.search_text, ?) > 0"
            more.append(search.keyword)
        if search.only_starred:
            where += " AND n.is_starred = 1"
        if search.class_id:
            where += " AND n.class_id = ?"
            more.append(search.class_id)
        if search.tag_id:
            where += " AND EXISTS (SELECT 1 FROM note_tag_link l WHERE l.note_id = n.note_id AND l.tag_id = ?)"
            more.append(search.tag_id)
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                f"SELECT {_NOTE} FROM note n{joins} LEFT JOIN note_class k ON k.class_id = n.class_id "
                f"WHERE n.user_id = ? AND n.deleted_at_ms = 0{where} "
                "ORDER BY n.updated_at_ms DESC, n.note_id DESC LIMIT ?"
            ),
            [*values, *more, limit],
        )
        return [_note(row) for row in c.fetchall()]

    def deleted_notes(
        self, connection: Connection, user_id: int, since_ms: int, limit: int, offset: int
    ) -> list[Note]:
        """Those in the recycle bin, deleted after `since_ms`, the last one first."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                f"SELECT {_NOTE} FROM note n LEFT JOIN note_class k ON k.class_id = n.class_id "
                "WHERE n.user_id = ? AND n.deleted_at_ms > ? ORDER BY n.deleted_at_ms DESC, n.note_id DESC "
                "LIMIT ? OFFSET ?"
            ),
            (user_id, since_ms, limit, offset),
        )
        return [_note(row) for row in c.fetchall()]

    def repeated(self, connection: Connection, user_id: int, request_hash: bytes, since_ms: int) -> Note | None:
        """The note that the same request has made since then."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                f"SELECT {_NOTE} FROM note n LEFT JOIN note_class k ON k.class_id = n.class_id "
                "WHERE n.user_id = ? AND n.deleted_at_ms = 0 AND n.updated_at_ms >= ? AND n.created_at_ms >= ? "
                "AND n.request_hash = ? ORDER BY n.note_id LIMIT 1"
            ),
            (user_id, since_ms, since_ms, request_hash),
        )
        row = c.fetchone()
        return None if row is None else _note(row)

    def usage(self, connection: Connection, user_id: int) -> tuple[int, int]:
        """(notes, bytes of their texts) of a user, with those in the recycle bin."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql("SELECT COUNT(*), COALESCE(SUM(size_bytes), 0) FROM note WHERE user_id = ?"), (user_id,)
        )
        count, size_bytes = c.fetchone()
        return int(count), int(size_bytes)

    def size(self, connection: Connection, note_id: int) -> int:
        c = cursor(connection)
        c.execute(self._dialect.sql("SELECT size_bytes FROM note WHERE note_id = ?"), (note_id,))
        return int(c.fetchone()[0])

    def insert_note(
        self, connection: Connection, user_id: int, note: Note, size_bytes: int, request_hash: bytes
    ) -> None:
        cursor(connection).execute(
            "INSERT INTO note (note_id, user_id, class_id, title, abstract, image, is_starred, size_bytes, "
            f"request_hash, created_at_ms, updated_at_ms, deleted_at_ms) VALUES ({self._dialect.marks(12)})",
            (
                note.note_id, user_id, note.class_id, note.title, note.abstract, note.image, int(note.is_starred),
                size_bytes, request_hash, note.created_at_ms, note.updated_at_ms, ALIVE,
            ),
        )  # fmt: skip

    def update_note(self, connection: Connection, note: Note, size_bytes: int) -> None:
        """What editing changes."""
        cursor(connection).execute(
            self._dialect.sql(
                "UPDATE note SET class_id = ?, title = ?, abstract = ?, image = ?, size_bytes = ?, updated_at_ms = ? "
                "WHERE note_id = ?"
            ),
            (note.class_id, note.title, note.abstract, note.image, size_bytes, note.updated_at_ms, note.note_id),
        )

    def put_text(self, connection: Connection, note_id: int, markdown: str, search_text: str) -> None:
        columns = ("note_id", "md_content", "search_text")
        cursor(connection).execute(
            self._dialect.upsert("note_text", columns, ("note_id",), columns[1:], 1), (note_id, markdown, search_text)
        )

    def set_class(self, connection: Connection, note_id: int, class_id: int) -> None:
        self._set(connection, "note", "class_id", "note_id", class_id, note_id)

    def set_starred(self, connection: Connection, note_id: int, is_starred: bool) -> None:
        self._set(connection, "note", "is_starred", "note_id", int(is_starred), note_id)

    def set_deleted(self, connection: Connection, note_id: int, at_ms: int) -> None:
        self._set(connection, "note", "deleted_at_ms", "note_id", at_ms, note_id)

    def _set(self, connection: Connection, table: str, column: str, key: str, value: int, id_: int) -> None:
        cursor(connection).execute(
            self._dialect.sql(f"UPDATE {table} SET {column} = ? WHERE {key} = ?"), (value, id_)
        )

    # ---------------------------------------------------------------- tags

    def tags(self, connection: Connection, user_id: int) -> list[Tag]:
        """By name, with how many notes each has, those in the recycle bin not counted."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                "SELECT t.tag_id, t.name, (SELECT COUNT(*) FROM note_tag_link l JOIN note n ON n.note_id = l.note_id "
                "WHERE l.tag_id = t.tag_id AND n.deleted_at_ms = 0) "
                "FROM note_tag t WHERE t.user_id = ? ORDER BY t.name, t.tag_id"
            ),
            (user_id,),
        )
        return [Tag(*row) for row in c.fetchall()]

    def put_tag(self, connection: Connection, user_id: int, tag_id: int, name: str) -> None:
        columns = ("tag_id", "user_id", "name")
        cursor(connection).execute(
            self._dialect.upsert("note_tag", columns, ("tag_id",), ("name",), 1), (tag_id, user_id, name)
        )

    def delete_tag(self, connection: Connection, user_id: int, tag_id: int) -> None:
        c, sql = cursor(connection), self._dialect.sql
        c.execute(sql("DELETE FROM note_tag_link WHERE tag_id = ?"), (tag_id,))
        c.execute(sql("DELETE FROM note_tag WHERE tag_id = ? AND user_id = ?"), (tag_id, user_id))

    def links(self, connection: Connection, user_id: int) -> dict[int, list[int]]:
        """The tags of all notes of a user that have any, ascending."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                "SELECT l.note_id, l.tag_id FROM note_tag t JOIN note_tag_link l ON l.tag_id = t.tag_id "
                "WHERE t.user_id = ? ORDER BY l.note_id, l.tag_id"
            ),
            (user_id,),
        )
        found: dict[int, list[int]] = {}
        for note_id, tag_id in c.fetchall():
            found.setdefault(note_id, []).append(tag_id)
        return found

    def note_tags(self, connection: Connection, note_id: int) -> list[int]:
        c = cursor(connection)
        c.execute(self._dialect.sql("SELECT tag_id FROM note_tag_link WHERE note_id = ? ORDER BY tag_id"), (note_id,))
        return [row[0] for row in c.fetchall()]

    def set_note_tags(self, connection: Connection, note_id: int, tag_ids: Sequence[int]) -> None:
        c = cursor(connection)
        c.execute(self._dialect.sql("DELETE FROM note_tag_link WHERE note_id = ?"), (note_id,))
        if tag_ids:
            c.execute(
                f"INSERT INTO note_tag_link (note_id, tag_id) VALUES{self._dialect.rows(2, len(tag_ids))}",
                [value for tag_id in tag_ids for value in (note_id, tag_id)],
            )

    # ---------------------------------------------------------------- attachments

    def annex(self, connection: Connection, user_id: int, annex_id: int) -> Annex | None:
        """Deleted or not."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(f"SELECT {_ANNEX} FROM note_annex a WHERE a.annex_id = ? AND a.user_id = ?"),
            (annex_id, user_id),
        )
        row = c.fetchone()
        return None if row is None else _annex(row)

    def shown_annex(self, connection: Connection, user_id: int, annex_id: int) -> Annex | None:
        """One that is not deleted, of a note that is not."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                f"SELECT {_ANNEX} FROM note_annex a JOIN note n ON n.note_id = a.note_id "
                "WHERE a.annex_id = ? AND a.user_id = ? AND a.deleted_at_ms = 0 AND n.deleted_at_ms = 0"
            ),
            (annex_id, user_id),
        )
        row = c.fetchone()
        return None if row is None else _annex(row)

    def annexes(self, connection: Connection, note_id: int) -> list[Annex]:
        """Of a note, the oldest first; without deleted ones."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                f"SELECT {_ANNEX} FROM note_annex a WHERE a.note_id = ? AND a.deleted_at_ms = 0 ORDER BY a.annex_id"
            ),
            (note_id,),
        )
        return [_annex(row) for row in c.fetchall()]

    def annex_usage(self, connection: Connection, user_id: int) -> int:
        """Bytes of all attachments of a user, with those in the recycle bin."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql("SELECT COALESCE(SUM(size_bytes), 0) FROM note_annex WHERE user_id = ?"), (user_id,)
        )
        return int(c.fetchone()[0])

    def insert_annex(self, connection: Connection, user_id: int, annex: Annex) -> None:
        cursor(connection).execute(
            "INSERT INTO note_annex (annex_id, note_id, user_id, name, size_bytes, sha256, blob_key, created_at_ms, "
            f"deleted_at_ms) VALUES ({self._dialect.marks(9)})",
            (
                annex.annex_id, annex.note_id, user_id, annex.name, annex.size_bytes, annex.sha256, annex.key,
                annex.created_at_ms, ALIVE,
            ),
        )  # fmt: skip

    def set_annex_key(self, connection: Connection, annex_id: int, key: str) -> None:
        cursor(connection).execute(
            self._dialect.sql("UPDATE note_annex SET blob_key = ? WHERE annex_id = ?"), (key, annex_id)
        )

    def set_annex_deleted(self, connection: Connection, annex_id: int, at_ms: int) -> None:
        self._set(connection, "note_annex", "deleted_at_ms", "annex_id", at_ms, annex_id)

    def deleted_annexes(
        self, connection: Connection, user_id: int, since_ms: int, limit: int, offset: int
    ) -> tuple[list[Annex], int]:
        """(a page of those in the recycle bin with the titles of their notes, the last deleted one first; how many
        there are). Those of notes that are gone themselves are not shown."""
        c, sql = cursor(connection), self._dialect.sql
        of_user = (
            "FROM note_annex a JOIN note n ON n.note_id = a.note_id "
            "WHERE a.user_id = ? AND a.deleted_at_ms > ? AND (n.deleted_at_ms = 0 OR n.deleted_at_ms > ?)"
        )
        c.execute(sql(f"SELECT COUNT(*) {of_user}"), (user_id, since_ms, since_ms))
        total = int(c.fetchone()[0])
        c.execute(
            sql(
                f"SELECT {_ANNEX}, n.title {of_user} ORDER BY a.deleted_at_ms DESC, a.annex_id DESC LIMIT ? OFFSET ?"
            ),
            (user_id, since_ms, since_ms, limit, offset),
        )
        return [_annex(row) for row in c.fetchall()], total

    # ---------------------------------------------------------------- what is gone

    def gone_notes(self, connection: Connection, before_ms: int, limit: int) -> list[int]:
        """Of all users: deleted at or before then."""
        return self._gone(connection, "note", "note_id", before_ms, limit)

    def gone_annexes(self, connection: Connection, before_ms: int, limit: int) -> list[int]:
        return self._gone(connection, "note_annex", "annex_id", before_ms, limit)

    def _gone(self, connection: Connection, table: str, key: str, before_ms: int, limit: int) -> list[int]:
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                f"SELECT {key} FROM {table} WHERE deleted_at_ms > 0 AND deleted_at_ms <= ? "
                "ORDER BY deleted_at_ms LIMIT ?"
            ),
            (before_ms, limit),
        )
        return [row[0] for row in c.fetchall()]

    def keys_of_notes(self, connection: Connection, note_ids: Sequence[int]) -> list[str]:
        """Blobs of all their attachments, deleted ones too."""
        return self._keys(connection, "note_id", note_ids)

    def keys_of_annexes(self, connection: Connection, annex_ids: Sequence[int]) -> list[str]:
        return self._keys(connection, "annex_id", annex_ids)

    def _keys(self, connection: Connection, column: str, ids: Sequence[int]) -> list[str]:
        c = cursor(connection)
        c.execute(f"SELECT blob_key FROM note_annex WHERE {column} IN ({self._dialect.marks(len(ids))})", list(ids))
        return [row[0] for row in c.fetchall()]

    def delete_notes(self, connection: Connection, note_ids: Sequence[int]) -> int:
        """With all that hangs on them; answers how many rows of notes went."""
        c, marks, ids = cursor(connection), self._dialect.marks(len(note_ids)), list(note_ids)
        for table in ("note_annex", "note_tag_link", "note_text", "note"):
            c.execute(f"DELETE FROM {table} WHERE note_id IN ({marks})", ids)
        return int(c.rowcount)

    def delete_annexes(self, connection: Connection, annex_ids: Sequence[int]) -> int:
        c = cursor(connection)
        c.execute(f"DELETE FROM note_annex WHERE annex_id IN ({self._dialect.marks(len(annex_ids))})", list(annex_ids))
        return int(c.rowcount)


def _note(row: Any) -> Note:
    note_id, class_id, class_name, title, abstract, image, is_starred, *times = row
    return Note(note_id, class_id, class_name, title, abstract, image, bool(is_starred), *times)


def _annex(row: Any) -> Annex:
    annex_id, note_id, name, size_bytes, digest, key, created_at_ms, deleted_at_ms, *title = row
    return Annex(annex_id, note_id, name, size_bytes, bytes(digest), key, created_at_ms, deleted_at_ms, *title)
