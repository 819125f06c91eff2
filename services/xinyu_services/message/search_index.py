"""Keeps the search index up with the talks, outside of the transactions that send.

Design. A row a talk says up to which sequence its messages have their terms: state, so nothing is lost by a crash and
talks from before there was an index are indexed like others. Whoever hands a message's push on notes its talk here
(also the process that takes over a dead one's outbox). Two rounds (rounds.py) do the work: `follow` gathers what was
noted for a moment and indexes it, a small transaction at a time (a send that comes meanwhile waits for it), with a
pause several times as long as each took: PAUSE_TIMES in a burst of messages, less when that does not end, or the index
would fall behind for good. `walk` goes through all talks at the start and every ten minutes, for what nobody
noted. A search brings the talks that it looks into up to date first (`catch_up`), so that what has been sent is found.

To index is idempotent: two processes may do the same talk at once, and a row may be written again. A message is read as
it is now, and who changes one writes its terms along with the change (`SearchStore.reindex`), so that whichever of the
two comes last, no term is missing; one too many is harmless, since texts are looked into before they are found.

Bounds: `MAX_NOTED` talks; past it notes are dropped, and the walk finds them.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import structlog
from sqlalchemy import Connection

from xinyu.storage.database import Database
from xinyu.storage.transact import query, transact
from xinyu_services.message.search_store import SearchStore, rows_of
from xinyu_services.message.search_text import searched_text, terms_of

log = structlog.get_logger(__name__)

MAX_NOTED: Final = 100_000
GATHER_S: Final = 0.25
WALK_EVERY_S: Final = 600.0
WALK_PAGE: Final = 1_000
PAUSE_TIMES: Final = 9.0
BURST_S: Final = 10.0
PAUSE_TIMES_BEHIND: Final = 4.0


class Piece(NamedTuple):
    """What one transaction takes at most."""

    talks: int
    messages: int
    terms: int


IN_PASSING: Final = Piece(talks=10, messages=40, terms=400)
FOR_A_SEARCH: Final = Piece(talks=20, messages=400, terms=4_000)


class SearchIndex:
    """One a process. `catch_up` works without the rounds."""

    def __init__(self, database: Database, store: SearchStore) -> None:
        self._database = database
        self._store = store
        self._noted: dict[int, None] = {}  # in the order in which they were noted
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._busy_since_s = 0.0

    def note(self, talk_id: int) -> None:
        """There is something new in the talk."""
        if len(self._noted) < MAX_NOTED:
            self._noted[talk_id] = None
            self._wake.set()

    async def catch_up(self, talk_ids: Collection[int], within_s: float) -> None:
        """Indexes these talks to their ends now, as far as the time allows."""
        now_s = asyncio.get_running_loop().time
        end_s, waiting = now_s() + within_s, list(talk_ids)
        while waiting and now_s() < end_s:
            taken, waiting = waiting[: FOR_A_SEARCH.talks], waiting[FOR_A_SEARCH.talks :]
            waiting = await self._index(taken, FOR_A_SEARCH) + waiting

    # ---------------------------------------------------------------- rounds

    async def follow(self) -> float:
        """Indexes some of what is noted, waiting for it first; what fails stays noted."""
        if not self._noted:
            self._idle.set()
            self._wake.clear()
            await self._wake.wait()
            self._idle.clear()
            await asyncio.sleep(GATHER_S)
            self._busy_since_s = asyncio.get_running_loop().time()
        left = talk_ids = list(itertools.islice(self._noted, IN_PASSING.talks))
        for talk_id in talk_ids:
            del self._noted[talk_id]
        now_s = asyncio.get_running_loop().time
        began_s = now_s()
        try:
            left = await self._index(talk_ids, IN_PASSING)
        finally:
            self._noted.update(dict.fromkeys(left))
        times = PAUSE_TIMES if began_s - self._busy_since_s < BURST_S else PAUSE_TIMES_BEHIND
        return times * (now_s() - began_s)

    async def walk(self) -> float:
        """Notes every talk that is not indexed to its end, a page at a time, each when the one before is done."""
        after = 0
        while True:
            lagging, after = await query(
                self._database,
                lambda connection, after=after: self._store.load_lagging(connection, after, WALK_PAGE),  # type: ignore[misc]
            )
            for talk_id in lagging:
                self.note(talk_id)
            if lagging:
                self._idle.clear()
                await self._idle.wait()
            if not after:
                return WALK_EVERY_S

    # ---------------------------------------------------------------- one transaction

    async def _index(self, talk_ids: Sequence[int], piece: Piece) -> list[int]:
        """Some of what these talks lack; answers those of which more may be left."""
        limit = piece.messages // len(talk_ids)

        def load(connection: Connection) -> tuple[list[tuple[int, int, int, int]], dict[int, int], list[int]]:
            known = self._store.load_indexed(connection, talk_ids)
            after = {talk_id: known.get(talk_id, 0) for talk_id in talk_ids}
            rows: list[tuple[int, int, int, int]] = []
            indexed: dict[int, int] = {}
            left: list[int] = []
            for talk_id, messages in self._store.load_unindexed(connection, after, limit).items():
                for message in messages:
                    if len(rows) >= piece.terms:
                        break
                    rows += rows_of(message, terms_of(searched_text(message)))
                    indexed[talk_id] = message.sequence
                if len(messages) == limit or indexed.get(talk_id) != messages[-1].sequence:
                    left.append(talk_id)
            return rows, indexed, left

        rows, indexed, left = await query(self._database, load)
        if indexed:

            def save(connection: Connection) -> None:
                self._store.put_terms(connection, rows)
                self._store.save_indexed(connection, indexed)

            await transact(self._database, save)
        return left
