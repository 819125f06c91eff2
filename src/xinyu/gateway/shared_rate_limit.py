"""A rate that all gateways of a cluster count together, without a question for each action.

Each process has token buckets of its own (`rate_limit`) and acts by them. Every `EVERY_S` it tells the cache what its
busier keys have taken, out of one bucket that all processes share, and hears which keys have no token left there: these
it refuses until they have. That bucket holds what comes in one such time besides, for it hears late of what was taken:
who keeps to one gateway never meets it. One who spreads over N gets what N buckets hold, once, and then the common
rate. Keys that take less than `QUIET` of the rate here are not told: that bounds what they can get together
by as many tenths as there are gateways, and spares nearly all of the work.

While the cache is away each process counts for itself. Bounds: as many keys as `rate_limit` keeps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from math import ceil
from typing import Final

import structlog

from xinyu.base.clock import Clock
from xinyu.base.errors import TOO_MANY, XinYuError
from xinyu.gateway.rate_limit import RateLimit
from xinyu.storage.cache import Cache

log = structlog.get_logger(__name__)

EVERY_S: Final = 1.0
QUIET: Final = 0.1
MAX_TOGETHER: Final = 1_000


class SharedRateLimit(RateLimit):
    """One kind of action, called `name` in the cache, of keys that differ as text. `run` is somebody's task."""

    def __init__(
        self,
        name: str,
        rate_per_s: float,
        burst: int,
        clock: Clock,
        cache: Cache,
        *,
        max_keys: int = 100_000,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(rate_per_s, burst, clock, max_keys=max_keys)
        self._name = name
        self._shared_burst = burst + ceil(rate_per_s * EVERY_S)
        self._cache = cache
        self._sleep = sleep
        self._taken: dict[str, int] = {}
        self._refused_until_s: dict[str, float] = {}

    def take(self, key: Hashable) -> None:
        text = str(key)
        if text in self._refused_until_s:
            wait_s = self._refused_until_s[text] - self._clock.monotonic_s()
            if wait_s > 0:
                raise XinYuError(TOO_MANY, retry_after_ms=ceil(wait_s * 1000))
            del self._refused_until_s[text]
        super().take(key)
        if text in self._taken or len(self._taken) < self._max_keys:
            self._taken[text] = self._taken.get(text, 0) + 1

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._sleep(EVERY_S)
            await self.share()

    async def share(self) -> None:
        """Tells what was taken since the last time."""
        least = max(1.0, self._rate_per_s * EVERY_S * QUIET)
        taken, self._taken = self._taken, {}
        busy = [(f"{self._name}:{key}", amount) for key, amount in taken.items() if amount >= least]
        now_s = self._clock.monotonic_s()
        self._refused_until_s = {key: until_s for key, until_s in self._refused_until_s.items() if until_s > now_s}
        for start in range(0, len(busy), MAX_TOGETHER):
            amounts = dict(busy[start : start + MAX_TOGETHER])
            try:
                waits_s = await self._cache.debit(amounts, self._rate_per_s, self._shared_burst)
            except XinYuError as error:
                log.warning("rate_not_shared", limit=self._name, error=str(error))
                return
            now_s = self._clock.monotonic_s()
            for name, wait_s in waits_s.items():
                self._refused_until_s[name.removeprefix(f"{self._name}:")] = now_s + wait_s
