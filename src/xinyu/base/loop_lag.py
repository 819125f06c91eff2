"""How late the event loop is: a callback that should run every `EVERY_S` notes by how much it came too late.

What it sees is what every timer and socket of the process waits for: a loop that is busy, or blocked.
"""

from __future__ import annotations

import asyncio
from typing import Final

from xinyu.base.metrics import Distribution, Metrics

EVERY_S: Final = 0.25


class LoopLag:
    """`start` on the loop that is to be watched; until `stop`."""

    def __init__(self) -> None:
        self.seconds = Distribution()
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._due_s = loop.time() + EVERY_S
        self._timer = loop.call_at(self._due_s, self._tick, loop)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def measure(self, metrics: Metrics) -> None:
        metrics.distribution("xinyu_loop_lag_seconds", "How late a timer of the event loop came.", self.seconds)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now_s = loop.time()
        self.seconds.observe(max(0.0, now_s - self._due_s))
        self._due_s = now_s + EVERY_S
        self._timer = loop.call_at(self._due_s, self._tick, loop)
