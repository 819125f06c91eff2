"""How long to wait before the next try: exponential with full jitter.

The wait is drawn evenly from [0, min(cap, base * 2^failures)]: a server that comes back finds its clients spread over
the whole interval instead of all at once. (Source of the scheme: M. Brooker, "Exponential Backoff And Jitter", 2015.)
"""

from __future__ import annotations

from random import Random


class Backoff:
    """Counts failures of one thing; `next_ms` after each, `reset` after a success."""

    def __init__(self, *, base_ms: int = 500, cap_ms: int = 30_000, random: Random | None = None) -> None:
        if not 0 < base_ms <= cap_ms:
            raise ValueError(f"0 < base_ms <= cap_ms, got {base_ms}, {cap_ms}")
        self._base_ms = base_ms
        self._cap_ms = cap_ms
        self._random = random or Random()
        self.failures = 0

    def next_ms(self, at_least_ms: int = 0) -> int:
        """One more failure: the wait until the next try. What the server asked for (`at_least_ms`) is added to."""
        ceiling_ms = min(self._cap_ms, self._base_ms << min(self.failures, 30))
        self.failures += 1
        return at_least_ms + self._random.randint(0, ceiling_ms)

    def reset(self) -> None:
        self.failures = 0
