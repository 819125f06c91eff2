"""Rounds go on, one beside the other, whatever one of them meets."""

from __future__ import annotations

import asyncio

from xinyu.base.errors import UNAVAILABLE, XinYuError
from xinyu_services.message.rounds import PAUSE_S, run_rounds


async def test_a_round_that_fails_is_called_again_and_the_others_do_not_wait() -> None:
    pauses: list[float] = []
    answers: list[float | Exception] = [0.5, XinYuError(UNAVAILABLE), RuntimeError("a mistake"), 2.0]
    other = 0
    over = asyncio.Event()

    async def failing() -> float:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def steady() -> float:
        nonlocal other
        other += 1
        return 77.0

    async def sleep(pause_s: float) -> None:
        if pause_s == 77.0:
            if other > 20:
                await over.wait()
            await asyncio.sleep(0)
            return
        pauses.append(pause_s)
        if not answers:
            over.set()
            await asyncio.Event().wait()
        await asyncio.sleep(0)

    task = asyncio.create_task(run_rounds([failing, steady], sleep))
    await over.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert pauses == [0.5, PAUSE_S, PAUSE_S, 2.0]
    assert other > 1
