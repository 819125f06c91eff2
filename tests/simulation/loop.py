"""An event loop in which nothing happens by itself: a fake clock, and a seeded choice of what runs next.

All ready callbacks are equal: one of them is drawn and run, so that a seed is an interleaving. Time passes only when
nothing is ready: then the clock jumps to the next timer. There are no threads, no sockets and no real time, so the same
seed gives the same run on every machine. (asyncio itself runs ready callbacks first in, first out; whatever depends on
that more than it should shows here. `fair=True` keeps asyncio's order.)
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Coroutine
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")
START_MS = 1_790_000_000_000


class Stuck(AssertionError):
    """Nothing is ready and no timer runs, but the run has not ended."""


class SimulatedLoop(asyncio.BaseEventLoop):
    def __init__(self, random: Random, *, fair: bool = False, max_steps: int = 300_000) -> None:
        super().__init__()
        self._random = random
        self._fair = fair
        self._now_s = 0.0
        self._steps_left = max_steps

    def time(self) -> float:
        return self._now_s

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled  # type: ignore[attr-defined]
        while scheduled and (scheduled[0]._cancelled or scheduled[0]._when <= self._now_s):
            self._due(heapq.heappop(scheduled))
        if not ready:
            if not scheduled:
                raise Stuck("nothing is ready and nothing is timed")
            self._now_s = scheduled[0]._when
            self._due(heapq.heappop(scheduled))
            return
        self._steps_left -= 1
        if self._steps_left < 0:
            raise Stuck("no end")
        at = 0 if self._fair or len(ready) == 1 else self._random.randrange(len(ready))
        handle = ready[at]
        del ready[at]
        if not handle._cancelled:
            handle._run()

    def _due(self, handle: Any) -> None:
        handle._scheduled = False
        if not handle._cancelled:
            self._ready.append(handle)  # type: ignore[attr-defined]

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are dropped when their time comes."""

    def _process_events(self, event_list: Any) -> None:
        raise AssertionError("there are no sockets here")

    def _write_to_self(self) -> None:
        raise AssertionError("there are no threads here")

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        raise AssertionError(f"{func} wants a thread")


class SimulatedClock:
    """`xinyu.base.clock.Clock` on a SimulatedLoop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        return START_MS + int(self._loop.time() * 1000)

    def monotonic_s(self) -> float:
        return self._loop.time()


def run(main: Coroutine[Any, Any, T], loop: SimulatedLoop) -> T:
    """Run `main` to its end on `loop`, cancel what is left, and close the loop. An exception that some task or callback
    raised and nobody looked at fails the run."""
    unhandled: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: unhandled.append(context))
    try:
        result = loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()
    for context in unhandled:
        raise AssertionError(f"unhandled: {context.get('message')}") from context.get("exception")
    return result
