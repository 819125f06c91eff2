"""Deadlines of many calls at the cost of a set's add and discard each.

Calls that wait are kept by ticks of `TICK_S`, and one timer looks at those that are due while there are any. A call
hears of its deadline up to two ticks late.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from xinyu.base.errors import DEADLINE, XinYuError

TICK_S: Final = 0.02


class Deadlines:
    """Of one event loop's calls."""

    def __init__(self) -> None:
        self._ticks: dict[int, set[asyncio.Future[Any]]] = {}
        self._is_ticking = False

    def add(
        self, loop: asyncio.AbstractEventLoop, at_s: float, answer: asyncio.Future[Any]
    ) -> set[asyncio.Future[Any]]:
        """Fails `answer` with DEADLINE at `at_s`. Returns the set that holds it: whoever is answered in time takes it
        out."""
        tick = int(at_s / TICK_S) + 1
        waiting = self._ticks.get(tick)
        if waiting is None:
            waiting = self._ticks[tick] = set()
            if not self._is_ticking:
                self._is_ticking = True
                loop.call_later(TICK_S, self._tick, loop)
        waiting.add(answer)
        return waiting

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now_s = loop.time()
        for tick in [tick for tick, waiting in self._ticks.items() if not waiting or tick * TICK_S <= now_s]:
            for answer in self._ticks.pop(tick):
                if not answer.done():
                    answer.set_exception(XinYuError(DEADLINE))
        if self._ticks:
            loop.call_later(TICK_S, self._tick, loop)
        else:
            self._is_ticking = False
