"""Time, as a thing that is passed in: wall clock for records, monotonic for deadlines. Tests pass their own."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks: never mix them."""

    def now_ms(self) -> int:
        """Unix milliseconds, UTC. For what is stored or shown."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that only grow. For deadlines and ages."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()
