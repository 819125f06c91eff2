"""How often one user may tell another that he types: once a second, whatever his client does.

A typing event is a hint: what comes too soon is dropped, before any room or the database is asked. What is kept is who
typed within the last second, and at most `MAX_ENTRIES` of them; past that, all are dropped until a second has passed.
"""

from __future__ import annotations

from typing import Final

from xinyu.base.clock import Clock

INTERVAL_S: Final = 1.0
MAX_ENTRIES: Final = 10_000


class TypingLimit:
    """One a process."""

    def __init__(self, clock: Clock, max_entries: int = MAX_ENTRIES) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._told: dict[tuple[int, int], float] = {}  # in the order of time

    def allows(self, user_id: int, peer_id: int) -> bool:
        """Whether the peer is told now; counts when he is."""
        now_s = self._clock.monotonic_s()
        while self._told:
            oldest = next(iter(self._told))
            if now_s - self._told[oldest] < INTERVAL_S:
                break
            del self._told[oldest]
        if (user_id, peer_id) in self._told or len(self._told) >= self._max_entries:
            return False
        self._told[user_id, peer_id] = now_s
        return True
