"""New answers are told at once, and then together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from xinyu.base.errors import UNAVAILABLE, XinYuError
from xinyu_services.group import vote_updates
from xinyu_services.group.vote_updates import VoteUpdates


class Pause:
    """A sleep that lasts until the test ends it."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[None]] = []

    async def __call__(self, _seconds: float) -> None:
        pause: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(pause)
        await pause

    def end(self) -> None:
        for pause in self.waiting:
            pause.set_result(None)
        self.waiting.clear()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(100):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError


@pytest.fixture
def pause() -> Pause:
    return Pause()


async def test_the_first_at_once_and_the_others_together(pause: Pause) -> None:
    told: list[int] = []

    async def tell(vote_id: int) -> None:
        told.append(vote_id)

    updates = VoteUpdates(tell, pause)
    updates.answered(1)
    await until(lambda: told == [1])
    for _ in range(50):
        updates.answered(1)
    updates.answered(2)
    await until(lambda: told == [1, 2])
    pause.end()
    await until(lambda: told == [1, 2, 1] and len(pause.waiting) == 1)
    pause.end()
    await until(lambda: not updates._tasks)
    assert told == [1, 2, 1]
    updates.answered(1)
    await until(lambda: told == [1, 2, 1, 1])
    await updates.close()
    assert not updates._tasks


async def test_what_fails_is_told_with_the_next(pause: Pause) -> None:
    told: list[int] = []

    async def tell(vote_id: int) -> None:
        told.append(vote_id)
        if len(told) == 1:
            raise XinYuError(UNAVAILABLE)

    updates = VoteUpdates(tell, pause)
    updates.answered(1)
    await until(lambda: len(pause.waiting) == 1)
    updates.answered(1)
    pause.end()
    await until(lambda: told == [1, 1])
    await updates.close()


async def test_it_is_bounded_and_ends(pause: Pause, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vote_updates, "MAX_VOTES", 2)
    told: list[int] = []

    async def tell(vote_id: int) -> None:
        told.append(vote_id)

    updates = VoteUpdates(tell, pause)
    for vote_id in (1, 2, 3):
        updates.answered(vote_id)
    await until(lambda: len(pause.waiting) == 2)
    await updates.close()
    updates.answered(4)
    assert (told, updates._tasks) == ([1, 2], {})
