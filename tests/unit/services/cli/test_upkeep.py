"""The daily purge goes on after a failure and ends when it is told to."""

from __future__ import annotations

import asyncio

import pytest

from xinyu.storage.database import Unavailable
from xinyu_services.cli.upkeep import EVERY_S, FIRST_AFTER_S, purge_daily


async def test_each_day_every_room_is_asked_whatever_another_answers() -> None:
    ran: list[str] = []
    slept: list[float] = []

    async def fails() -> int:
        ran.append("fails")
        raise Unavailable

    async def works() -> int:
        ran.append("works")
        return 3

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 4:
            await asyncio.Event().wait()

    task = asyncio.ensure_future(purge_daily([fails, works], sleep))
    while len(slept) < 4:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert slept == [FIRST_AFTER_S, EVERY_S, EVERY_S, EVERY_S]
    assert ran == ["fails", "works"] * 3
