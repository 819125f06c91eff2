"""The contract of a cache: short-lived values that nothing depends on, and its in-process implementation.

Loss of everything in it loses no message, number, membership or revocation: tickets must be asked for again, limits
start anew. Bounded: past `max_entries` the oldest goes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, Protocol

from xinyu.base.clock import Clock

# Less is what adding and subtracting floats leaves of a wait of nothing.
LEAST_WAIT_S: Final = 1e-5


class Cache(Protocol):
    """Keys are text, values bytes; a value lives `ttl_s` seconds at most."""

    async def put(self, key: str, value: bytes, ttl_s: float) -> None: ...

    async def get(self, key: str) -> bytes | None: ...

    async def take(self, key: str) -> bytes | None:
        """Gets and removes in one step: of two askers one gets it."""
        ...

    async def increment(self, key: str, ttl_s: float) -> int:
        """Counts up from 0 in windows of `ttl_s` that begin with the first count; answers the new count."""
        ...

    async def debit(self, amounts: Mapping[str, int], rate_per_s: float, burst: int) -> dict[str, float]:
        """Takes tokens, as many as are named, out of buckets that hold up to `burst` and gain `rate_per_s`: of any
        bucket more than it holds, so that it owes. Answers, for those that have no whole token now, the seconds until
        they do. A bucket is full at first; its key is of no other use."""
        ...


class MemoryCache:
    """Cache of one process."""

    def __init__(self, clock: Clock, max_entries: int = 100_000) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._entries: OrderedDict[str, tuple[float, bytes | int]] = OrderedDict()

    def _live(self, key: str) -> tuple[float, bytes | int] | None:
        entry = self._entries.get(key)
        if entry is not None and entry[0] <= self._clock.monotonic_s():
            del self._entries[key]
            return None
        return entry

    def _store(self, key: str, expires_s: float, value: bytes | int) -> None:
        self._entries[key] = (expires_s, value)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        self._store(key, self._clock.monotonic_s() + ttl_s, value)

    async def get(self, key: str) -> bytes | None:
        entry = self._live(key)
        return entry[1] if entry is not None and isinstance(entry[1], bytes) else None

    async def take(self, key: str) -> bytes | None:
        value = await self.get(key)
        self._entries.pop(key, None)
        return value

    async def increment(self, key: str, ttl_s: float) -> int:
        entry = self._live(key)
        expires_s, value = entry if entry is not None else (self._clock.monotonic_s() + ttl_s, 0)
        count = (value if isinstance(value, int) else 0) + 1
        self._store(key, expires_s, count)
        return count

    async def debit(self, amounts: Mapping[str, int], rate_per_s: float, burst: int) -> dict[str, float]:
        # A bucket is the moment at which it will be full again: whatever it owes, one number.
        now_s, waits = self._clock.monotonic_s(), {}
        for key, amount in amounts.items():
            entry = self._live(key)
            full_s = (now_s if entry is None else entry[0]) + amount / rate_per_s
            self._store(key, full_s, b"")
            wait_s = full_s - now_s - (burst - 1) / rate_per_s
            if wait_s >= LEAST_WAIT_S:
                waits[key] = wait_s
        return waits
