"""The tables of the contact room: the only SQL about friendships, contact rows and requests.

A pair is locked by its friendship row before anything about it is decided, so that two requests that cross, or an
answer that comes twice, see each other. Then users' version rows, ascending.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect
from xinyu.storage.versions import VersionCounter
from xinyu_services.contact.model import Apply, ApplyState, Contact, ContactState, Folder, FolderWish, pair

CHUNK: Final = 500
# Requests that one list shows, the newest.
LIST_LIMIT: Final = 1_000

_CONTACT: Final = "user_id, friend_id, version, state, remark, folder_id, is_block"
_FOLDER: Final = "folder_id, user_id, version, state, name, sort"
_APPLY: Final = "apply_id, target_id, applicant_id, version, state, remark, created_at_ms"


class ContactStore:
    """All methods run inside a transaction."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.versions = VersionCounter("contact", dialect)

    # ---------------------------------------------------------------- pairs

    def lock_pair(self, connection: Connection, one: int, other: int) -> None:
        """Makes the friendship row where there is none, and locks it to the end of the transaction."""
        statement = self._dialect.upsert(
            "friendship", ("user_low", "user_high"), ("user_low", "user_high"), ("user_low",), 1
        )
        cursor(connection).execute(statement, pair(one, other))

    def take_revision(self, connection: Connection, one: int, other: int) -> None:
        """The pair, which is locked, has changed in a way that its talk must know."""
        cursor(connection).execute(
            self._dialect.sql("UPDATE friendship SET revision = revision + 1 WHERE user_low = ? AND user_high = ?"),
            pair(one, other),
        )

    def revision(self, connection: Connection, one: int, other: int) -> int:
        c = cursor(connection)
        c.execute(
            self._dialect.sql("SELECT revision FROM friendship WHERE user_low = ? AND user_high = ?"), pair(one, other)
        )
        row = c.fetchone()
        return 0 if row is None else int(row[0])

    # ---------------------------------------------------------------- contact rows

    def contact(self, connection: Connection, user_id: int, friend_id: int) -> Contact | None:
        c = cursor(connection)
        c.execute(
            self._dialect.sql(f"SELECT {_CONTACT} FROM contact WHERE user_id = ? AND friend_id = ?"),
            (user_id, friend_id),
        )
        row = c.fetchone()
        return None if row is None else _contact(row)

    def friends(self, connection: Connection, user_id: int) -> list[Contact]:
        """All living contact rows of a user."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(f"SELECT {_CONTACT} FROM contact WHERE user_id = ? AND state = ? ORDER BY friend_id"),
            (user_id, int(ContactState.ALIVE)),
        )
        return [_contact(row) for row in c.fetchall()]

    def friends_among(self, connection: Connection, user_id: int, friend_ids: Iterable[int]) -> list[Contact]:
        """The living contact rows about `friend_ids`. One statement for 500."""
        wanted = sorted(set(friend_ids))
        found: list[Contact] = []
        c = cursor(connection)
        for start in range(0, len(wanted), CHUNK):
            chunk = wanted[start : start + CHUNK]
            c.execute(
                self._dialect.sql(
                    f"SELECT {_CONTACT} FROM contact WHERE user_id = ? AND state = ? AND friend_id IN ("
                )
                + f"{self._dialect.marks(len(chunk))})",
                (user_id, int(ContactState.ALIVE), *chunk),
            )
            found += [_contact(row) for row in c.fetchall()]
        return found

    def befriend(self, connection: Connection, user_id: int, friend_id: int, remark: str, now_ms: int) -> int:
        """A living row, new or revived; answers its version. An empty remark keeps that of a living row."""
        old = self.contact(connection, user_id, friend_id)
        if old is not None and old.state is ContactState.ALIVE:
            remark = remark or old.remark
        version = self.versions.next(connection, user_id)
        columns = ("user_id", "friend_id", "version", "state", "remark", "created_at_ms", "changed_at_ms")
        cursor(connection).execute(
            self._dialect.upsert(
                "contact", columns, ("user_id", "friend_id"), ("version", "state", "remark", "changed_at_ms"), 1
            ),
            (user_id, friend_id, version, int(ContactState.ALIVE), remark, now_ms, now_ms),
        )
        return version

    def end(self, connection: Connection, user_id: int, friend_id: int, now_ms: int) -> int:
        """The row is a tombstone, without what its user had noted; a block stays. Answers its version."""
        version = self.versions.next(connection, user_id)
        cursor(connection).execute(
            self._dialect.sql(
                "UPDATE contact SET state = ?, version = ?, remark = '', folder_id = 0, changed_at_ms = ? "
                "WHERE user_id = ? AND friend_id = ?"
            ),
            (int(ContactState.DELETED), version, now_ms, user_id, friend_id),
        )
        return version

    def change(self, connection: Connection, contact: Contact, remark: str, folder_id: int, now_ms: int) -> int:
        """What the row's user has noted; answers the version. The user is locked."""
        version = self.versions.next(connection, contact.user_id)
        cursor(connection).execute(
            self._dialect.sql(
                "UPDATE contact SET remark = ?, folder_id = ?, version = ?, changed_at_ms = ? "
                "WHERE user_id = ? AND friend_id = ?"
            ),
            (remark, folder_id, version, now_ms, contact.user_id, contact.friend_id),
        )
        return version

    def save_block(self, connection: Connection, user_id: int, friend_id: int, is_block: bool, now_ms: int) -> int:
        """A block, or its end; of somebody without a row, on a tombstone. Answers the version."""
        version = self.versions.next(connection, user_id)
        columns = ("user_id", "friend_id", "version", "state", "is_block", "created_at_ms", "changed_at_ms")
        cursor(connection).execute(
            self._dialect.upsert(
                "contact", columns, ("user_id", "friend_id"), ("version", "is_block", "changed_at_ms"), 1
            ),
            (user_id, friend_id, version, int(ContactState.DELETED), int(is_block), now_ms, now_ms),
        )
        return version

    def blocked(self, connection: Connection, user_id: int) -> list[Contact]:
        """Whom a user has blocked; he bounds their number."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(f"SELECT {_CONTACT} FROM contact WHERE user_id = ? AND is_block = 1 ORDER BY friend_id"),
            (user_id,),
        )
        return [_contact(row) for row in c.fetchall()]

    # ---------------------------------------------------------------- folders

    def lock_user(self, connection: Connection, user_id: int) -> None:
        """Nobody else changes this user's rows before the transaction ends: who does takes a version. Who has no
        version yet is not locked: of two who take the first, one meets a duplicate, and looks again."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql("SELECT version FROM contact_version WHERE user_id = ?" + self._dialect.for_update),
            (user_id,),
        )
        c.fetchall()

    def folders(self, connection: Connection, user_id: int) -> list[Folder]:
        """The living ones as the user has sorted them, with their counts."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                f"SELECT {_FOLDER} FROM contact_folder WHERE user_id = ? AND state = ? ORDER BY sort, folder_id"
            ),
            (user_id, int(ContactState.ALIVE)),
        )
        return self._counted(c, c.fetchall())

    def folder_exists(self, connection: Connection, user_id: int, folder_id: int) -> bool:
        """Whether it is this user's, and living."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql("SELECT 1 FROM contact_folder WHERE folder_id = ? AND user_id = ? AND state = ?"),
            (folder_id, user_id, int(ContactState.ALIVE)),
        )
        return c.fetchone() is not None

    def save_folder(self, connection: Connection, user_id: int, wish: FolderWish, now_ms: int) -> int:
        """A living folder with this number, new or changed; answers its version."""
        version = self.versions.next(connection, user_id)
        columns = ("folder_id", "user_id", "version", "state", "name", "sort", "created_at_ms", "changed_at_ms")
        cursor(connection).execute(
            self._dialect.upsert(
                "contact_folder", columns, ("folder_id",), ("version", "name", "sort", "changed_at_ms"), 1
            ),
            (
                wish.folder_id, user_id, version, int(ContactState.ALIVE), wish.name, wish.sort, now_ms, now_ms,
            ),
        )  # fmt: skip
        return version

    def touch_folder(self, connection: Connection, user_id: int, folder_id: int) -> int:
        """A new version, as other friends are in it now."""
        version = self.versions.next(connection, user_id)
        cursor(connection).execute(
            self._dialect.sql("UPDATE contact_folder SET version = ? WHERE folder_id = ?"), (version, folder_id)
        )
        return version

    def end_folder(self, connection: Connection, user_id: int, folder_id: int, now_ms: int) -> int:
        """A tombstone; answers its version."""
        version = self.versions.next(connection, user_id)
        cursor(connection).execute(
            self._dialect.sql(
                "UPDATE contact_folder SET state = ?, version = ?, changed_at_ms = ? WHERE folder_id = ?"
            ),
            (int(ContactState.DELETED), version, now_ms, folder_id),
        )
        return version

    def empty_folders(
        self, connection: Connection, user_id: int, folder_ids: Sequence[int], now_ms: int
    ) -> list[tuple[int, int]]:
        """Their friends are in none; answers (friend_id, version) of each. A fixed number of statements for 500."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql("SELECT friend_id, state FROM contact WHERE user_id = ? AND folder_id IN (")
            + f"{self._dialect.marks(len(folder_ids))}) ORDER BY friend_id",
            (user_id, *folder_ids),
        )
        found = c.fetchall()
        if not found:
            return []
        last = self.versions.take(connection, user_id, len(found))
        numbered = [(row[0], row[1], last - len(found) + n) for n, row in enumerate(found, 1)]
        columns = ("user_id", "friend_id", "version", "state", "folder_id", "created_at_ms", "changed_at_ms")
        for start in range(0, len(numbered), CHUNK):
            chunk = numbered[start : start + CHUNK]
            c.execute(
                self._dialect.upsert(
                    "contact", columns, ("user_id", "friend_id"), ("version", "folder_id", "changed_at_ms"), len(chunk)
                ),
                [
                    value
                    for friend_id, state, version in chunk
                    for value in (user_id, friend_id, version, state, 0, now_ms, now_ms)
                ],
            )
        return [(friend_id, version) for friend_id, _, version in numbered]

    def _counted(self, c: Any, rows: Sequence[Any]) -> list[Folder]:
        """Folders with how many living friends are in them: one statement."""
        if not rows:
            return []
        users = sorted({row[1] for row in rows})
        c.execute(
            "SELECT folder_id, COUNT(*) FROM contact "
            f"WHERE user_id IN ({self._dialect.marks(len(users))}) AND state = {int(ContactState.ALIVE)} "
            "AND folder_id > 0 GROUP BY folder_id",
            users,
        )
        counts: dict[int, int] = dict(c.fetchall())
        return [
            Folder(folder_id, user_id, version, ContactState(state), name, sort, counts.get(folder_id, 0))
            for folder_id, user_id, version, state, name, sort in rows
        ]
    def ties(self, connection: Connection, user_id: int, limit: int) -> list[int]:
        """With whom a user is friends or has a request open, in either direction; ascending, at most `limit`."""
        alive, pending = int(ContactState.ALIVE), int(ApplyState.PENDING)
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                "SELECT friend_id FROM contact WHERE user_id = ? AND state = ? "
                "UNION SELECT user_id FROM contact WHERE friend_id = ? AND state = ? "
                "UNION SELECT target_id FROM contact_apply WHERE applicant_id = ? AND state = ? "
                "UNION SELECT applicant_id FROM contact_apply WHERE target_id = ? AND state = ? "
                "ORDER BY 1 LIMIT ?"
            ),
            (user_id, alive, user_id, alive, user_id, pending, user_id, pending, limit),
        )
        return [int(row[0]) for row in c.fetchall()]

    # ---------------------------------------------------------------- requests

    def find_apply(self, connection: Connection, apply_id: int) -> Apply | None:
        c = cursor(connection)
        c.execute(self._dialect.sql(f"SELECT {_APPLY} FROM contact_apply WHERE apply_id = ?"), (apply_id,))
        row = c.fetchone()
        return None if row is None else _apply(row)

    def pending_apply(self, connection: Connection, applicant_id: int, target_id: int) -> Apply | None:
        """Of a pair that is locked there is at most one."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                f"SELECT {_APPLY} FROM contact_apply WHERE applicant_id = ? AND state = ? AND target_id = ?"
            ),
            (applicant_id, int(ApplyState.PENDING), target_id),
        )
        row = c.fetchone()
        return None if row is None else _apply(row)

    def open_applies(self, connection: Connection, applicant_id: int) -> int:
        """How many requests of a user wait for an answer."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql("SELECT COUNT(*) FROM contact_apply WHERE applicant_id = ? AND state = ?"),
            (applicant_id, int(ApplyState.PENDING)),
        )
        return int(c.fetchone()[0])

    def pending_of_target(self, connection: Connection, target_id: int) -> list[Apply]:
        """What a user has to answer, newest first, at most 1,000."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                f"SELECT {_APPLY} FROM contact_apply WHERE target_id = ? AND state = ? ORDER BY apply_id DESC LIMIT ?"
            ),
            (target_id, int(ApplyState.PENDING), LIST_LIMIT),
        )
        return [_apply(row) for row in c.fetchall()]

    def count_pending_of_target(self, connection: Connection, target_id: int) -> int:
        c = cursor(connection)
        c.execute(
            self._dialect.sql("SELECT COUNT(*) FROM contact_apply WHERE target_id = ? AND state = ?"),
            (target_id, int(ApplyState.PENDING)),
        )
        return int(c.fetchone()[0])

    def insert_apply(
        self, connection: Connection, apply_id: int, target_id: int, applicant_id: int, remark: str, now_ms: int
    ) -> int:
        """A pending request; answers its version in the target's rows."""
        version = self.versions.next(connection, target_id)
        cursor(connection).execute(
            self._dialect.sql(
                f"INSERT INTO contact_apply ({_APPLY}, changed_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            ),
            (apply_id, target_id, applicant_id, version, int(ApplyState.PENDING), remark, now_ms, now_ms),
        )
        return version

    def close_apply(self, connection: Connection, apply: Apply, state: ApplyState, now_ms: int) -> int:
        """An answered request is a tombstone in the target's rows; answers its version."""
        version = self.versions.next(connection, apply.target_id)
        cursor(connection).execute(
            self._dialect.sql("UPDATE contact_apply SET state = ?, version = ?, changed_at_ms = ? WHERE apply_id = ?"),
            (int(state), version, now_ms, apply.apply_id),
        )
        return version

    # ---------------------------------------------------------------- rows for devices

    def rows_since(
        self, connection: Connection, user_id: int, version: int, limit: int
    ) -> list[Contact | Apply | Folder]:
        """The user's rows above `version`, tombstones too, ascending, at most `limit`."""
        sql, c = self._dialect.sql, cursor(connection)
        rows: list[Contact | Apply | Folder] = []
        c.execute(
            sql(f"SELECT {_CONTACT} FROM contact WHERE user_id = ? AND version > ? ORDER BY version LIMIT ?"),
            (user_id, version, limit),
        )
        rows += [_contact(row) for row in c.fetchall()]
        c.execute(
            sql(f"SELECT {_APPLY} FROM contact_apply WHERE target_id = ? AND version > ? ORDER BY version LIMIT ?"),
            (user_id, version, limit),
        )
        rows += [_apply(row) for row in c.fetchall()]
        c.execute(
            sql(f"SELECT {_FOLDER} FROM contact_folder WHERE user_id = ? AND version > ? ORDER BY version LIMIT ?"),
            (user_id, version, limit),
        )
        rows += self._counted(c, c.fetchall())
        rows.sort(key=lambda row: row.version)
        return rows[:limit]

    def watchers(self, connection: Connection, user_id: int, after: int, limit: int) -> list[int]:
        """Whose rows show `user_id`: his friends and whom he has asked; ascending ids above `after`."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                "SELECT user_id FROM contact WHERE friend_id = ? AND state = ? AND user_id > ? "
                "UNION SELECT target_id FROM contact_apply WHERE applicant_id = ? AND state = ? AND target_id > ? "
                "ORDER BY 1 LIMIT ?"
            ),
            (user_id, int(ContactState.ALIVE), after, user_id, int(ApplyState.PENDING), after, limit),
        )
        return [int(row[0]) for row in c.fetchall()]

    def refresh(self, connection: Connection, watcher_id: int, user_id: int) -> list[Contact | Apply]:
        """New versions for the watcher's rows that show `user_id`; answers these rows."""
        sql, c = self._dialect.sql, cursor(connection)
        rows: list[Contact | Apply] = []
        contact = self.contact(connection, watcher_id, user_id)
        if contact is not None and contact.state is ContactState.ALIVE:
            version = self.versions.next(connection, watcher_id)
            c.execute(
                sql("UPDATE contact SET version = ? WHERE user_id = ? AND friend_id = ?"),
                (version, watcher_id, user_id),
            )
            rows += self._contacts(c, [(watcher_id, user_id)])
        apply = self.pending_apply(connection, user_id, watcher_id)
        if apply is not None:
            version = self.versions.next(connection, watcher_id)
            c.execute(sql("UPDATE contact_apply SET version = ? WHERE apply_id = ?"), (version, apply.apply_id))
            rows += self._applies(c, [apply.apply_id])
        return rows

    def load_rows(
        self,
        connection: Connection,
        contacts: Sequence[tuple[int, int]],
        apply_ids: Sequence[int],
        folder_ids: Sequence[int],
    ) -> tuple[dict[tuple[int, int], Contact], dict[int, Apply], dict[int, Folder]]:
        """Rows by their keys, (user, friend), apply_id and folder_id."""
        c = cursor(connection)
        found_contacts: dict[tuple[int, int], Contact] = {}
        for start in range(0, len(contacts), CHUNK):
            for contact in self._contacts(c, contacts[start : start + CHUNK]):
                found_contacts[contact.user_id, contact.friend_id] = contact
        found_applies: dict[int, Apply] = {}
        for start in range(0, len(apply_ids), CHUNK):
            for apply in self._applies(c, apply_ids[start : start + CHUNK]):
                found_applies[apply.apply_id] = apply
        found_folders: dict[int, Folder] = {}
        for start in range(0, len(folder_ids), CHUNK):
            chunk = folder_ids[start : start + CHUNK]
            c.execute(
                f"SELECT {_FOLDER} FROM contact_folder WHERE folder_id IN ({self._dialect.marks(len(chunk))})",
                list(chunk),
            )
            found_folders.update((folder.folder_id, folder) for folder in self._counted(c, c.fetchall()))
        return found_contacts, found_applies, found_folders

    def purge_tombstones(self, connection: Connection, before_ms: int, limit: int) -> int:
        """Deletes dead rows that changed before `before_ms`, at most `limit` of each table, and raises their users'
        floors; a tombstone that carries a block is none of them. Answers how many went."""
        sql, c = self._dialect.sql, cursor(connection)
        c.execute(
            sql(
                "SELECT user_id, friend_id, version FROM contact "
                "WHERE state <> ? AND is_block = 0 AND changed_at_ms < ? LIMIT ?"
            ),
            (int(ContactState.ALIVE), before_ms, limit),
        )
        contacts = c.fetchall()
        c.execute(
            sql(
                "SELECT target_id, apply_id, version FROM contact_apply WHERE state <> ? AND changed_at_ms < ? LIMIT ?"
            ),
            (int(ApplyState.PENDING), before_ms, limit),
        )
        applies = c.fetchall()
        c.execute(
            sql(
                "SELECT user_id, folder_id, version FROM contact_folder WHERE state <> ? AND changed_at_ms < ? LIMIT ?"
            ),
            (int(ContactState.ALIVE), before_ms, limit),
        )
        folders = c.fetchall()
        for user_id, _, version in sorted([*contacts, *applies, *folders]):
            self.versions.raise_floor(connection, user_id, version)
        # One that lives again by now has another version, and stays.
        for user_id, friend_id, version in contacts:
            c.execute(
                sql("DELETE FROM contact WHERE user_id = ? AND friend_id = ? AND version = ?"),
                (user_id, friend_id, version),
            )
        for _, apply_id, version in applies:
            c.execute(sql("DELETE FROM contact_apply WHERE apply_id = ? AND version = ?"), (apply_id, version))
        for _, folder_id, version in folders:
            c.execute(sql("DELETE FROM contact_folder WHERE folder_id = ? AND version = ?"), (folder_id, version))
        return len(contacts) + len(applies) + len(folders)

    def _contacts(self, c: Any, keys: Sequence[tuple[int, int]]) -> list[Contact]:
        c.execute(
            f"SELECT {_CONTACT} FROM {self._dialect.among('contact', ('user_id', 'friend_id'), len(keys))}",
            [value for key in keys for value in key],
        )
        return [_contact(row) for row in c.fetchall()]

    def _applies(self, c: Any, apply_ids: Sequence[int]) -> list[Apply]:
        c.execute(
            f"SELECT {_APPLY} FROM contact_apply WHERE apply_id IN ({self._dialect.marks(len(apply_ids))})",
            list(apply_ids),
        )
        return [_apply(row) for row in c.fetchall()]


def _contact(row: Any) -> Contact:
    user_id, friend_id, version, state, remark, folder_id, is_block = row
    return Contact(user_id, friend_id, version, ContactState(state), remark, folder_id, bool(is_block))


def _apply(row: Any) -> Apply:
    apply_id, target_id, applicant_id, version, state, remark, created_at_ms = row
    return Apply(apply_id, target_id, applicant_id, version, ApplyState(state), remark, created_at_ms)
