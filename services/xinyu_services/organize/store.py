"""The tables of the organize room: the only SQL about the organisation. Every method runs inside a transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect
from xinyu_services.organize.model import Chart, Department, Member, Position

CHUNK: Final = 500
TABLES: Final = ("org_member_position", "org_member", "org_position", "org_department")


class OrganizeStore:
    """SQL for one engine."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def chart(self, connection: Connection) -> Chart:
        """The whole organisation, in the order in which it is shown. Four statements."""
        c = cursor(connection)
        c.execute("SELECT dept_id, parent_id, name, sort FROM org_department ORDER BY sort, dept_id")
        departments = [Department(*row) for row in c.fetchall()]
        c.execute("SELECT code, name, sort FROM org_position ORDER BY sort, code")
        positions = [Position(*row) for row in c.fetchall()]
        c.execute("SELECT user_id, code FROM org_member_position ORDER BY user_id, code")
        held: defaultdict[int, list[str]] = defaultdict(list)
        for user_id, code in c.fetchall():
            held[user_id].append(code)
        c.execute("SELECT user_id, dept_id FROM org_member ORDER BY user_id")
        members = [Member(user_id, dept_id, tuple(held[user_id])) for user_id, dept_id in c.fetchall()]
        return Chart.of(departments, positions, members)

    def members_among(self, connection: Connection, user_ids: Iterable[int]) -> set[int]:
        """Which of these users are in the organisation. One statement for 500."""
        wanted = sorted(set(user_ids))
        found: set[int] = set()
        c = cursor(connection)
        for start in range(0, len(wanted), CHUNK):
            chunk = wanted[start : start + CHUNK]
            c.execute(f"SELECT user_id FROM org_member WHERE user_id IN ({self._dialect.marks(len(chunk))})", chunk)
            found.update(row[0] for row in c.fetchall())
        return found

    def replace(self, connection: Connection, chart: Chart) -> None:
        """This chart instead of what there is."""
        c = cursor(connection)
        for table in TABLES:
            c.execute(f"DELETE FROM {table}")
        members = chart.members.values()
        self._insert(
            c,
            "org_department (dept_id, parent_id, name, sort)",
            [(d.dept_id, d.parent_id, d.name, d.sort) for d in chart.departments.values()],
        )
        self._insert(
            c, "org_position (code, name, sort)", [(p.code, p.name, p.sort) for p in chart.positions.values()]
        )
        self._insert(c, "org_member (user_id, dept_id)", [(m.user_id, m.dept_id) for m in members])
        self._insert(
            c, "org_member_position (user_id, code)", [(m.user_id, code) for m in members for code in m.positions]
        )

    def _insert(self, c: Any, into: str, rows: Sequence[tuple[Any, ...]]) -> None:
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            c.execute(
                f"INSERT INTO {into} VALUES{self._dialect.rows(len(chunk[0]), len(chunk))}",
                [value for row in chunk for value in row],
            )
