"""What the talk room's outbox events mean. `v` (user, talk, version, shown): a session row changed, told as row.changed
to `xinyu.v1` devices, and as im.session.create to the reference client when the entry is to be shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from xinyu.base.errors import XinYuError
from xinyu.delivery.dispatcher import LEGACY, V1_JSON, Push
from xinyu.delivery.outbox import Event
from xinyu.delivery.routes import Routes
from xinyu.storage.database import Database
from xinyu_services.talk.model import Session, SessionState
from xinyu_services.talk.store import TalkStore
from xinyu_services.talk.view import TalkView, legacy_session_created

RobotsAmong = Callable[[Sequence[Session]], Awaitable[set[int]]]
LoadSession = Callable[[int, int, int, int], Awaitable[tuple[int, dict[str, Any]]]]


class TalkEvents:
    """`xinyu.delivery.dispatcher.EventSource` of this room. The service is attached by the composition root."""

    def __init__(self, database: Database, store: TalkStore, view: TalkView, routes: Routes) -> None:
        self._database = database
        self._store = store
        self._view = view
        self._routes = routes
        self._load_session: LoadSession | None = None
        self._robots_among: RobotsAmong | None = None

    def attach(self, load_session: LoadSession, robots_among: RobotsAmong) -> None:
        self._load_session = load_session
        self._robots_among = robots_among

    def is_command(self, event: Event) -> bool:
        return False

    async def command(self, event: Event) -> None:
        raise AssertionError("this room tells nobody")

    async def pushes(self, events: Sequence[Event], *, remade: bool) -> Sequence[Push]:
        rows = await self._rows(events)
        located = await self._routes.locate({event.values[0] for event in events})
        codecs: dict[int, int] = {}
        for users in located.values():
            for user_id, spoken in users.items():
                codecs[user_id] = codecs.get(user_id, 0) | spoken
        shown_rows = [row for row in rows.values() if row.user_id in codecs]
        robots = await self._robots_among(shown_rows) if self._robots_among is not None and shown_rows else set()
        pushes: list[Push] = []
        for event in events:
            user_id, talk_id, version, shown = event.values
            row = rows.get((user_id, talk_id))
            if row is None or user_id not in codecs:
                continue
            if row.version == version:  # a later change has its own event
                pushes.append(Push([user_id], partial(self._row_changed, row, robots), V1_JSON))
            if shown and row.state == SessionState.ALIVE and codecs[user_id] & LEGACY:
                created = await self._created(row)
                if created is not None:
                    pushes.append(Push([user_id], partial(_as_it_is, created), LEGACY))
        return pushes

    def _row_changed(self, row: Session, robots: set[int], _codec: int) -> bytes:
        return self._view.row_changed(row, robots)

    async def _rows(self, events: Sequence[Event]) -> dict[tuple[int, int], Session]:
        rows = {(e.values[0], e.values[1]): e.fresh for e in events if e.fresh is not None}
        missing = {(e.values[0], e.values[1]) for e in events if e.fresh is None}
        if missing:
            rows |= await self._database.read(lambda connection: self._store.load_sessions(connection, missing))
        return rows

    async def _created(self, row: Session) -> bytes | None:
        if self._load_session is None:
            return None
        try:
            _, session = await self._load_session(row.user_id, row.talk_mode, row.to_from_id, 0)
        except XinYuError:
            return None  # the client fetches its list anyway when it opens
        return legacy_session_created(session, row)


def _as_it_is(encoded: bytes, _codec: int) -> bytes:
    return encoded
