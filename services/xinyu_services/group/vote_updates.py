"""Tells open pages that a vote has new answers: at once, and then once in EVERY_S for each vote that gets more.

A hint: nothing of it is stored, and what is lost with a process, or past MAX_VOTES, a page reads when it is opened. So
a vote of a hundred thousand members costs its talk one change in EVERY_S, not one an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from xinyu.base.errors import XinYuError
from xinyu.storage.database import DatabaseError

log = structlog.get_logger(__name__)

EVERY_S: Final = 3.0
MAX_VOTES: Final = 1_000


class VoteUpdates:
    """Owns a task for each vote that was answered in the last EVERY_S. `tell` tells of one vote."""

    def __init__(
        self, tell: Callable[[int], Awaitable[None]], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._tell = tell
        self._sleep = sleep
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._again: set[int] = set()
        self._closed = False

    def answered(self, vote_id: int) -> None:
        """A vote has a new answer."""
        if vote_id in self._tasks:
            self._again.add(vote_id)
        elif len(self._tasks) < MAX_VOTES and not self._closed:
            self._tasks[vote_id] = asyncio.create_task(self._run(vote_id))

    async def close(self) -> None:
        self._closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, vote_id: int) -> None:
        try:
            wanted = True
            while wanted:
                self._again.discard(vote_id)
                try:
                    await self._tell(vote_id)
                except (XinYuError, DatabaseError) as error:
                    log.warning("vote_not_told", vote_id=vote_id, error=str(error))
                await self._sleep(EVERY_S)
                wanted = vote_id in self._again
        finally:
            self._again.discard(vote_id)
            self._tasks.pop(vote_id, None)
