"""The table of requests to join groups: the only SQL about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect
from xinyu_services.group.application_model import Application, ApplyState
from xinyu_services.group.model import GroupState, MemberState, Role

_COLUMNS: Final = (
    "apply_id", "group_id", "applicant_id", "state", "remark", "handler_id", "created_at_ms", "changed_at_ms",
)  # fmt: skip
_APPLY: Final = ", ".join(f"a.{column}" for column in _COLUMNS)
_KEY: Final = ("group_id", "applicant_id")
CHUNK: Final = 500
# The groups that somebody manages, whose pending requests are his to answer.
_MANAGED: Final = (
    "FROM group_member m JOIN group_info g ON g.group_id = m.group_id AND g.state = ? "
    "JOIN group_apply a ON a.group_id = m.group_id AND a.state = ? "
    "WHERE m.user_id = ? AND m.state = ? AND m.role IN (?, ?)"
)


class ApplicationStore:
    """All methods run inside a transaction. What writes has locked the group's row first."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def find(self, connection: Connection, apply_id: int) -> Application | None:
        return self._one(connection, "a.apply_id = ?", apply_id)

    def of(self, connection: Connection, group_id: int, applicant_id: int) -> Application | None:
        return self._one(connection, "a.group_id = ? AND a.applicant_id = ?", group_id, applicant_id)

    def _one(self, connection: Connection, where: str, *values: int) -> Application | None:
        c = cursor(connection)
        c.execute(self._dialect.sql(f"SELECT {_APPLY} FROM group_apply a WHERE {where}"), values)
        row = c.fetchone()
        return None if row is None else _application(row)

    def load(self, connection: Connection, apply_ids: Sequence[int]) -> dict[int, Application]:
        """Those that there are, by apply_id."""
        found: dict[int, Application] = {}
        c = cursor(connection)
        for start in range(0, len(apply_ids), CHUNK):
            chunk = apply_ids[start : start + CHUNK]
            c.execute(
                f"SELECT {_APPLY} FROM group_apply a WHERE a.apply_id IN ({self._dialect.marks(len(chunk))})",
                list(chunk),
            )
            found.update((row[0], _application(row)) for row in c.fetchall())
        return found

    def count_open(self, connection: Connection, applicant_id: int) -> int:
        """How many requests of a user wait for an answer."""
        return self._count(connection, "applicant_id = ? AND state = ?", applicant_id, int(ApplyState.PENDING))

    def count_pending(self, connection: Connection, group_id: int) -> int:
        return self._count(connection, "group_id = ? AND state = ?", group_id, int(ApplyState.PENDING))

    def _count(self, connection: Connection, where: str, *values: int) -> int:
        c = cursor(connection)
        c.execute(self._dialect.sql(f"SELECT COUNT(*) FROM group_apply WHERE {where}"), values)
        return int(c.fetchone()[0])

    def pending(self, connection: Connection, group_id: int, limit: int) -> list[Application]:
        """What waits in one group, newest first."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                f"SELECT {_APPLY} FROM group_apply a WHERE a.group_id = ? AND a.state = ? "
                "ORDER BY a.apply_id DESC LIMIT ?"
            ),
            (group_id, int(ApplyState.PENDING), limit),
        )
        return [_application(row) for row in c.fetchall()]

    def pending_of_manager(self, connection: Connection, user_id: int, limit: int) -> list[tuple[Application, str]]:
        """What waits in all living groups that the user manages, newest first, with the groups' names."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(f"SELECT g.name, {_APPLY} {_MANAGED} ORDER BY a.apply_id DESC LIMIT ?"),
            (*_managed(user_id), limit),
        )
        return [(_application(row[1:]), row[0]) for row in c.fetchall()]

    def count_of_manager(self, connection: Connection, user_id: int) -> int:
        c = cursor(connection)
        c.execute(self._dialect.sql(f"SELECT COUNT(*) {_MANAGED}"), _managed(user_id))
        return int(c.fetchone()[0])

    def of_applicant(self, connection: Connection, applicant_id: int, limit: int) -> list[Application]:
        """All that one has asked for, newest first."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                f"SELECT {_APPLY} FROM group_apply a WHERE a.applicant_id = ? ORDER BY a.apply_id DESC LIMIT ?"
            ),
            (applicant_id, limit),
        )
        return [_application(row) for row in c.fetchall()]

    def put(self, connection: Connection, application: Application) -> None:
        """Writes a request in the place of the applicant's former one."""
        cursor(connection).execute(
            self._dialect.upsert(
                "group_apply", _COLUMNS, _KEY, tuple(column for column in _COLUMNS if column not in _KEY), 1
            ),
            [
                int(value) if isinstance(value, int) else value
                for value in (getattr(application, column) for column in _COLUMNS)
            ],
        )

    def close(
        self, connection: Connection, application: Application, state: ApplyState, handler_id: int, now_ms: int
    ) -> Application:
        closed = replace(application, state=state, handler_id=handler_id, changed_at_ms=now_ms)
        self.put(connection, closed)
        return closed

    def agree_to_those_who_came(
        self, connection: Connection, group_id: int, user_ids: Sequence[int], handler_id: int, now_ms: int
    ) -> list[Application]:
        """Who is brought in has no request open any more; answers those that were. One statement more for 500, and
        one for each that was open."""
        c = cursor(connection)
        closed: list[Application] = []
        for start in range(0, len(user_ids), CHUNK):
            chunk = user_ids[start : start + CHUNK]
            c.execute(
                self._dialect.sql(f"SELECT {_APPLY} FROM group_apply a WHERE a.group_id = ? AND a.state = ? ")
                + f"AND a.applicant_id IN ({self._dialect.marks(len(chunk))})",
                (group_id, int(ApplyState.PENDING), *chunk),
            )
            closed += [
                self.close(connection, _application(row), ApplyState.AGREED, handler_id, now_ms)
                for row in c.fetchall()
            ]
        return closed

    def managers(self, connection: Connection, group_ids: Sequence[int], limit: int) -> dict[int, list[int]]:
        """Owner and admins of each group, at most `limit` of one."""
        c = cursor(connection)
        found: dict[int, list[int]] = {}
        for group_id in group_ids:
            c.execute(
                self._dialect.sql(
                    "SELECT user_id FROM group_member WHERE group_id = ? AND state = ? AND role IN (?, ?) LIMIT ?"
                ),
                (group_id, int(MemberState.IN), int(Role.OWNER), int(Role.ADMIN), limit),
            )
            found[group_id] = [int(row[0]) for row in c.fetchall()]
        return found

    def forget(self, connection: Connection, applicant_id: int, limit: int) -> int:
        """Deletes requests of a user, whatever became of them, at most `limit`; answers how many went."""
        sql, c = self._dialect.sql, cursor(connection)
        c.execute(sql("SELECT group_id FROM group_apply WHERE applicant_id = ? LIMIT ?"), (applicant_id, limit))
        group_ids = [row[0] for row in c.fetchall()]
        if group_ids:
            c.execute(
                sql("DELETE FROM group_apply WHERE applicant_id = ? AND group_id IN (")
                + f"{self._dialect.marks(len(group_ids))})",
                (applicant_id, *group_ids),
            )
        return len(group_ids)


def _managed(user_id: int) -> tuple[int, ...]:
    return (
        int(GroupState.ALIVE), int(ApplyState.PENDING), user_id, int(MemberState.IN), int(Role.OWNER), int(Role.ADMIN),
    )  # fmt: skip


def _application(row: Any) -> Application:
    apply_id, group_id, applicant_id, state, *rest = row
    return Application(apply_id, group_id, applicant_id, ApplyState(state), *rest)
