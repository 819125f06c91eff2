"""The tables of the group room: the only SQL about groups and their members.

A change of a group locks its group_info row first and takes its next revision; each row that the change touches is
written with that revision, so that whoever is told can tell old from new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect
from xinyu_services.group.model import Group, GroupState, Member, MemberState, Role

CHUNK: Final = 500

_GROUP: Final = (
    "group_id, creator_id, state, revision, profile_revision, name, profile, avatar, mute_all, is_overt, max_members, "
    "created_at_ms"
)
_MEMBER: Final = (
    "group_id, user_id, state, role, revision, visit_card, muted_until_ms, invited_by, joined_at_ms, changed_at_ms"
)
_MEMBER_COLUMNS: Final = tuple(_MEMBER.split(", "))


class GroupStore:
    """All methods run inside a transaction."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    # ---------------------------------------------------------------- groups

    def group(self, connection: Connection, group_id: int, *, lock: bool = False) -> Group | None:
        c = cursor(connection)
        text = f"SELECT {_GROUP} FROM group_info WHERE group_id = ?"
        c.execute(self._dialect.sql(text + (self._dialect.for_update if lock else "")), (group_id,))
        row = c.fetchone()
        return None if row is None else _group(row)

    def groups(self, connection: Connection, group_ids: Sequence[int]) -> list[Group]:
        """Those that there are. One statement for 500."""
        found: list[Group] = []
        c = cursor(connection)
        for start in range(0, len(group_ids), CHUNK):
            chunk = group_ids[start : start + CHUNK]
            c.execute(
                f"SELECT {_GROUP} FROM group_info WHERE group_id IN ({self._dialect.marks(len(chunk))})", list(chunk)
            )
            found += [_group(row) for row in c.fetchall()]
        return found

    def groups_of(self, connection: Connection, user_id: int) -> list[tuple[Group, Role]]:
        """The living groups that the user is in, and as what."""
        c = cursor(connection)
        columns = ", ".join(f"g.{column}" for column in _GROUP.split(", "))
        c.execute(
            self._dialect.sql(
                f"SELECT m.role, {columns} FROM group_member m JOIN group_info g ON g.group_id = m.group_id "
                "WHERE m.user_id = ? AND m.state = ? AND g.state = ? ORDER BY g.group_id"
            ),
            (user_id, int(MemberState.IN), int(GroupState.ALIVE)),
        )
        return [(_group(row[1:]), Role(row[0])) for row in c.fetchall()]

    def insert_group(self, connection: Connection, group: Group) -> None:
        cursor(connection).execute(
            f"INSERT INTO group_info ({_GROUP}, changed_at_ms) VALUES ({self._dialect.marks(13)})",
            (
                group.group_id,
                group.creator_id,
                int(group.state),
                group.revision,
                group.profile_revision,
                group.name,
                group.profile,
                group.avatar,
                int(group.mute_all),
                int(group.is_overt),
                group.max_members,
                group.created_at_ms,
                group.created_at_ms,
            ),
        )

    def take_revision(self, connection: Connection, group: Group, now_ms: int) -> Group:
        """A group that is locked, with its next revision."""
        revision = group.revision + 1
        cursor(connection).execute(
            self._dialect.sql("UPDATE group_info SET revision = ?, changed_at_ms = ? WHERE group_id = ?"),
            (revision, now_ms, group.group_id),
        )
        return replace(group, revision=revision)

    # ---------------------------------------------------------------- creations that may be repeated

    def repeated_creation(
        self, connection: Connection, creator_id: int, request_hash: str, group_id: int, now_ms: int, since_ms: int
    ) -> int:
        """The group that the same request made after `since_ms`, 0 if there is none: then `group_id` is noted for the
        next one. The note's row is locked, so that of two requests that cross one sees the other."""
        sql, c = self._dialect.sql, cursor(connection)
        key = ("creator_id", "request_hash")
        # The upsert writes nothing to a row that exists; it makes or locks it.
        c.execute(
            self._dialect.upsert("group_creation", (*key, "group_id", "created_at_ms"), key, ("creator_id",), 1),
            (creator_id, request_hash, group_id, now_ms),
        )
        where = "WHERE creator_id = ? AND request_hash = ?"
        c.execute(sql(f"SELECT group_id, created_at_ms FROM group_creation {where}"), (creator_id, request_hash))
        made_id, made_at_ms = c.fetchone()
        if made_id != group_id and made_at_ms >= since_ms:
            return int(made_id)
        c.execute(
            sql(f"UPDATE group_creation SET group_id = ?, created_at_ms = ? {where}"),
            (group_id, now_ms, creator_id, request_hash),
        )
        c.execute(
            sql("DELETE FROM group_creation WHERE creator_id = ? AND created_at_ms < ?"), (creator_id, since_ms)
        )
        return 0

    # ---------------------------------------------------------------- members

    def member(self, connection: Connection, group_id: int, user_id: int) -> Member | None:
        found = self.members_among(connection, group_id, [user_id])
        return found[0] if found else None

    def members_among(self, connection: Connection, group_id: int, user_ids: Sequence[int]) -> list[Member]:
        """The rows of these users, gone ones too. One statement for 500."""
        found: list[Member] = []
        c = cursor(connection)
        for start in range(0, len(user_ids), CHUNK):
            chunk = user_ids[start : start + CHUNK]
            c.execute(
                self._dialect.sql(f"SELECT {_MEMBER} FROM group_member WHERE group_id = ? AND user_id IN (")
                + f"{self._dialect.marks(len(chunk))})",
                (group_id, *chunk),
            )
            found += [_member(row) for row in c.fetchall()]
        return found

    def members(self, connection: Connection, group_id: int) -> list[Member]:
        """Who is in: owner, admins, members, each in order of joining."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                f"SELECT {_MEMBER} FROM group_member WHERE group_id = ? AND state = ? "
                "ORDER BY role, joined_at_ms, user_id"
            ),
            (group_id, int(MemberState.IN)),
        )
        return [_member(row) for row in c.fetchall()]

    def count_members(self, connection: Connection, group_id: int) -> int:
        c = cursor(connection)
        c.execute(
            self._dialect.sql("SELECT COUNT(*) FROM group_member WHERE group_id = ? AND state = ?"),
            (group_id, int(MemberState.IN)),
        )
        return int(c.fetchone()[0])

    def put_members(self, connection: Connection, members: Sequence[Member]) -> None:
        """Writes rows, new ones and old ones; ascending users."""
        rows = sorted(members, key=lambda member: member.user_id)
        c = cursor(connection)
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            c.execute(
                self._dialect.upsert(
                    "group_member", _MEMBER_COLUMNS, ("group_id", "user_id"), _MEMBER_COLUMNS[2:], len(chunk)
                ),
                [
                    int(value) if isinstance(value, int) else value
                    for member in chunk
                    for value in (getattr(member, column) for column in _MEMBER_COLUMNS)
                ],
            )


def _group(row: Any) -> Group:
    group_id, creator_id, state, revision, profile_revision, name, profile, avatar, mute_all, is_overt, most, at = row
    return Group(
        group_id, creator_id, GroupState(state), revision, profile_revision, name, profile, avatar, bool(mute_all),
        bool(is_overt), most, at,
    )  # fmt: skip


def _member(row: Any) -> Member:
    group_id, user_id, state, role, *rest = row
    return Member(group_id, user_id, MemberState(state), Role(role), *rest)
