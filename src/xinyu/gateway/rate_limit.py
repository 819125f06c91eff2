"""Token buckets: how often a user may send, an address may try to log in (contract: http-api, "Time-out and retries").

A bucket holds up to `burst` tokens and gains `rate_per_s`; an action takes one. A key without a bucket is one whose
bucket is full, so idle keys cost nothing once they are dropped. At most `max_keys` buckets are kept: past it the one
that was used longest ago goes, which can only be to its owner's favour. O(1) an action.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from math import ceil

from xinyu.base.clock import Clock
from xinyu.base.errors import TOO_MANY, XinYuError


class RateLimit:
    """One kind of action. Shared by the gateways of a process where they count the same thing."""

    def __init__(self, rate_per_s: float, burst: int, clock: Clock, *, max_keys: int = 100_000) -> None:
        self._rate_per_s = rate_per_s
        self._burst = float(burst)
        self._clock = clock
        self._max_keys = max_keys
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # key -> (tokens, at_s)

    def take(self, key: Hashable) -> None:
        """Counts one action of `key`. Raises TOO_MANY with the milliseconds until the next token."""
        now_s = self._clock.monotonic_s()
        bucket = self._buckets.pop(key, None)
        tokens = self._burst
        if bucket is not None:
            tokens = min(self._burst, bucket[0] + (now_s - bucket[1]) * self._rate_per_s)
        if tokens < 1.0:
            self._buckets[key] = (tokens, now_s)
            raise XinYuError(TOO_MANY, retry_after_ms=max(1, ceil((1.0 - tokens) / self._rate_per_s * 1000)))
        self._buckets[key] = (tokens - 1.0, now_s)
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)

    def __len__(self) -> int:
        return len(self._buckets)
