"""What the message room does by itself when its time has come: one task, round after round.

Each round is a coroutine that does a bounded piece of work and answers after how many seconds it is to be called again.
One that fails is called again after PAUSE_S; the others do not wait for it. Every process of the room runs all of them:
what they do is safe to do twice, and goes on whichever process dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from xinyu.base.errors import XinYuError
from xinyu.storage.database import DatabaseError

log = structlog.get_logger(__name__)

PAUSE_S: Final = 5.0

Round = Callable[[], Awaitable[float]]


async def run_rounds(rounds: Sequence[Round], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Runs until it is cancelled."""
    async with asyncio.TaskGroup() as group:
        for each in rounds:
            group.create_task(_repeat(each, sleep))


async def _repeat(each: Round, sleep: Callable[[float], Awaitable[None]]) -> None:
    while True:
        try:
            pause_s = await each()
        except (XinYuError, DatabaseError) as error:
            log.warning("round_failed", error=str(error))
            pause_s = PAUSE_S
        except Exception:
            log.exception("round_failed")
            pause_s = PAUSE_S
        await sleep(pause_s)
