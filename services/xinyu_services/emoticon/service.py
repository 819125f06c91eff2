"""Use cases of the emoticon room.

A collection is its user's alone, has each picture once, and is bounded. It takes any picture that was uploaded here:
its URL holds 128 random bits, so who names it was shown it. Devices read the list when they need it, so no numbers are
taken and nobody is told. What was sent stays sent when the emoticon goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.config import EmoticonSettings
from xinyu.base.errors import INVALID, TOO_MANY_EMOTICONS, UNKNOWN_EMOTICON, XinYuError
from xinyu.rpc.context import Context
from xinyu.storage.database import Database
from xinyu.storage.transact import query, transact
from xinyu_services.emoticon.model import Emoticon, fits_beside
from xinyu_services.emoticon.ports import Ids, Pictures
from xinyu_services.emoticon.store import EmoticonStore

MAX_LOADED: Final = 1_000


class EmoticonService:
    """Constructed by the composition root."""

    def __init__(
        self,
        database: Database,
        store: EmoticonStore,
        ids: Ids,
        pictures: Pictures,
        clock: Clock,
        settings: EmoticonSettings,
    ) -> None:
        self._database = database
        self._store = store
        self._ids = ids
        self._pictures = pictures
        self._clock = clock
        self._settings = settings

    async def add(self, user_id: int, url: str, context: Context) -> Emoticon:
        """The emoticon of that picture, new or there already. Raises INVALID (no picture of ours) or
        TOO_MANY_EMOTICONS."""
        picture = await self._pictures.find(url)
        if picture is None:
            raise XinYuError(INVALID, "url must be a picture that was uploaded here.")
        emoticon = Emoticon(await self._ids.take(), user_id, picture)
        now_ms = self._clock.now_ms()
        context.check_deadline_now()

        def work(connection: Connection) -> Emoticon:
            known = self._store.find(connection, user_id, picture.media_id)
            if known is not None:
                return known
            if not fits_beside(self._store.count(connection, user_id), self._settings.per_user):
                raise XinYuError(TOO_MANY_EMOTICONS)
            self._store.insert(connection, emoticon, now_ms)
            return emoticon

        return await transact(self._database, work)

    async def delete(self, user_id: int, emoticon_id: int) -> None:
        """Raises UNKNOWN_EMOTICON, also for somebody else's."""
        if not await transact(
            self._database, lambda connection: self._store.delete(connection, user_id, emoticon_id)
        ):
            raise XinYuError(UNKNOWN_EMOTICON)

    async def of_user(self, user_id: int) -> list[Emoticon]:
        """The whole collection, the newest first."""
        return await query(self._database, lambda connection: self._store.of_user(connection, user_id))

    async def load(self, wanted: Sequence[tuple[int, int]]) -> list[Emoticon]:
        """Those of (user_id, emoticon_id) that there are, each with its own user. Raises INVALID past 1,000."""
        if len(wanted) > MAX_LOADED:
            raise XinYuError(INVALID, f"More than {MAX_LOADED} emoticons at once.")
        pairs = set(wanted)
        ids = sorted({emoticon_id for _, emoticon_id in pairs})
        found = await query(self._database, lambda connection: self._store.load(connection, ids))
        return [emoticon for emoticon in found if (emoticon.user_id, emoticon.emoticon_id) in pairs]
