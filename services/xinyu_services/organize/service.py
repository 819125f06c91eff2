"""Use cases of the organize room: what people of the organisation see of it.

Where `organize.enabled` is off, and for who is not in it, the organisation is empty. It is read anew for each list: the
operator's import (`xinyu organize import`) is seen at the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from xinyu.base.errors import INVALID, XinYuError
from xinyu.storage.database import Database
from xinyu.storage.transact import query
from xinyu_services.organize.model import Chart
from xinyu_services.organize.ports import Face, People
from xinyu_services.organize.store import OrganizeStore

MAX_USERS: Final = 1_000


class OrganizeService:
    """Constructed by the composition root."""

    def __init__(self, database: Database, store: OrganizeStore, people: People, *, enabled: bool) -> None:
        self._database = database
        self._store = store
        self._people = people
        self._enabled = enabled

    async def chart_for(self, user_id: int) -> Chart:
        """The organisation as this user may see it."""
        if not self._enabled:
            return Chart()

        def work(connection: Connection) -> Chart:
            if not self._store.members_among(connection, [user_id]):
                return Chart()
            return self._store.chart(connection)

        return await query(self._database, work)

    async def faces(self, chart: Chart) -> dict[int, Face]:
        """Of all that are in it and still have an account."""
        return await self._people.load(chart.members) if chart.members else {}

    async def members_among(self, user_ids: Sequence[int]) -> set[int]:
        """Raises INVALID past 1,000."""
        if len(user_ids) > MAX_USERS:
            raise XinYuError(INVALID, f"More than {MAX_USERS} users at once.")
        if not self._enabled:
            return set()
        return await query(self._database, lambda connection: self._store.members_among(connection, user_ids))
