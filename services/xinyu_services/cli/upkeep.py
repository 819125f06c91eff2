"""What a process does once a day besides its work: rooms let go of tombstones that no device needs any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from xinyu.base.errors import XinYuError
from xinyu.storage.database import DatabaseError

log = structlog.get_logger(__name__)

FIRST_AFTER_S: Final = 300.0  # not in the rush of a start
EVERY_S: Final = 86_400.0

Purge = Callable[[], Awaitable[int]]


async def purge_daily(purges: Sequence[Purge], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Runs until it is cancelled. Each purge answers how many rows went; one that fails is tried the next day."""
    await sleep(FIRST_AFTER_S)
    while True:
        for purge in purges:
            try:
                purged = await purge()
            except (XinYuError, DatabaseError) as error:
                log.warning("purge_failed", error=str(error))
            else:
                if purged:
                    log.info("tombstones_purged", rows=purged)
        await sleep(EVERY_S)
