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
from xinyu_services.group.model import Group, GroupState, Member, MemberState, MentionAll, Role, search_name

CHUNK: Final = 500

_GROUP: Final = (
    "group_id, creator_id, state, revision, profile_revision, name, profile, avatar, mute_all, is_overt, max_members, "
    "created_at_ms, slow_mode_s, mention_all, member_count"
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
            f"INSERT INTO group_info ({_GROUP}, changed_at_ms) VALUES ({self._dialect.marks(16)})",
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
                group.slow_mode_s,
                int(group.mention_all),
                group.member_count,
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

    def take_profile_revision(self, connection: Connection, group: Group, now_ms: int) -> Group:
        """The same, as a change of what the group shows of itself."""
        group = self.take_revision(connection, group, now_ms)
        cursor(connection).execute(
            self._dialect.sql("UPDATE group_info SET profile_revision = ? WHERE group_id = ?"),
            (group.revision, group.group_id),
        )
        return replace(group, profile_revision=group.revision)

    def end(self, connection: Connection, group: Group) -> Group:
        """A group whose revision was taken is dismissed; its talk learns it by the profile's revision."""
        cursor(connection).execute(
            self._dialect.sql("UPDATE group_info SET state = ?, profile_revision = ? WHERE group_id = ?"),
            (int(GroupState.DISMISSED), group.revision, group.group_id),
        )
        return replace(group, state=GroupState.DISMISSED, profile_revision=group.revision)

    def save(self, connection: Connection, group: Group) -> None:
        """Owner, profile and rules of a group that is locked."""
        cursor(connection).execute(
            self._dialect.sql(
                "UPDATE group_info SET creator_id = ?, profile_revision = ?, name = ?, search_name = ?, profile = ?, "
                "avatar = ?, mute_all = ?, is_overt = ?, slow_mode_s = ?, mention_all = ? WHERE group_id = ?"
            ),
            (
                group.creator_id,
                group.profile_revision,
                group.name,
                search_name(group.name),
                group.profile,
                group.avatar,
                int(group.mute_all),
                int(group.is_overt),
                group.slow_mode_s,
                int(group.mention_all),
                group.group_id,
            ),
        )

    def public_groups(
        self, connection: Connection, words: str, newest: int, offset: int, limit: int
    ) -> list[Group]:
        """Of the `newest` public groups, newest first, those whose name holds `words` ("" = all)."""
        c = cursor(connection)
        pattern = "".join(f"!{each}" if each in "!%_" else each for each in search_name(words))
        c.execute(
            self._dialect.sql(
                f"SELECT {_GROUP} FROM (SELECT {_GROUP}, search_name FROM group_info "
                "WHERE is_overt = 1 AND state = ? ORDER BY group_id DESC LIMIT ?) AS found "
                "WHERE search_name LIKE ? ESCAPE '!' ORDER BY group_id DESC LIMIT ? OFFSET ?"
            ),
            (int(GroupState.ALIVE), newest, f"%{pattern}%", limit, offset),
        )
        return [_group(row) for row in c.fetchall()]

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

    def members(
        self, connection: Connection, group_id: int, after: tuple[int, int, int], limit: int
    ) -> list[Member]:
        """Who is in: owner, admins, members, each in order of joining; those behind (role, joined_at_ms, user_id)."""
        c = cursor(connection)
        role, joined_at_ms, user_id = after
        c.execute(
            self._dialect.sql(
                f"SELECT {_MEMBER} FROM group_member WHERE group_id = ? AND state = ? "
                "AND (role > ? OR (role = ? AND (joined_at_ms > ? OR (joined_at_ms = ? AND user_id > ?)))) "
                "ORDER BY role, joined_at_ms, user_id LIMIT ?"
            ),
            (group_id, int(MemberState.IN), role, role, joined_at_ms, joined_at_ms, user_id, limit),
        )
        return [_member(row) for row in c.fetchall()]

    def count_admins(self, connection: Connection, group_id: int) -> int:
        c = cursor(connection)
        c.execute(
            self._dialect.sql("SELECT COUNT(*) FROM group_member WHERE group_id = ? AND state = ? AND role = ?"),
            (group_id, int(MemberState.IN), int(Role.ADMIN)),
        )
        return int(c.fetchone()[0])

    def groups_among(self, connection: Connection, user_id: int, group_ids: Sequence[int]) -> set[int]:
        """Those of at most CHUNK groups that the user is in."""
        if not group_ids:
            return set()
        c = cursor(connection)
        c.execute(
            self._dialect.sql("SELECT group_id FROM group_member WHERE user_id = ? AND state = ? AND group_id IN (")
            + f"{self._dialect.marks(len(group_ids))})",
            (user_id, int(MemberState.IN), *group_ids),
        )
        return {row[0] for row in c.fetchall()}

    def full_users(
        self, connection: Connection, user_ids: Sequence[int], most: int, role: Role | None = None
    ) -> set[int]:
        """Those of the users who are in `most` living groups or more (with this role). One statement for 500."""
        found: set[int] = set()
        c = cursor(connection)
        with_role = "" if role is None else f"AND m.role = {int(role)} "
        for start in range(0, len(user_ids), CHUNK):
            chunk = user_ids[start : start + CHUNK]
            c.execute(
                self._dialect.sql(
                    "SELECT m.user_id FROM group_member m JOIN group_info g ON g.group_id = m.group_id "
                    f"WHERE m.state = ? AND g.state = ? {with_role}AND m.user_id IN ("
                )
                + f"{self._dialect.marks(len(chunk))}) GROUP BY m.user_id "
                + self._dialect.sql("HAVING COUNT(*) >= ?"),
                (int(MemberState.IN), int(GroupState.ALIVE), *chunk, most),
            )
            found.update(row[0] for row in c.fetchall())
        return found

    def put_members(self, connection: Connection, members: Sequence[Member], *, growth: int) -> None:
        """Writes rows of one group, new ones and old ones; ascending users. `growth`: how many more are in than before;
        of a group that is locked."""
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
        if growth:
            c.execute(
                self._dialect.sql("UPDATE group_info SET member_count = member_count + ? WHERE group_id = ?"),
                (growth, rows[0].group_id),
            )


def _group(row: Any) -> Group:
    group_id, creator_id, state, revision, profile_revision, name, profile, avatar, mute_all, is_overt, *rest = row
    most, at_ms, slow_mode_s, mention_all, count = rest
    return Group(
        group_id, creator_id, GroupState(state), revision, profile_revision, name, profile, avatar, bool(mute_all),
        bool(is_overt), most, at_ms, slow_mode_s, MentionAll(mention_all), count,
    )  # fmt: skip


def _member(row: Any) -> Member:
    group_id, user_id, state, role, *rest = row
    return Member(group_id, user_id, MemberState(state), Role(role), *rest)
