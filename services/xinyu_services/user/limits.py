"""How often something may be tried: counts in fixed windows, kept in the cache.

A limit is a cache's word: after a loss of the cache everybody starts anew, which costs an attacker's victim one more
window of guesses and nothing else. The number of the window stands in the key, so that the refusal can say when the
next one begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from xinyu.base.clock import Clock
from xinyu.base.errors import TOO_MANY, XinYuError
from xinyu.storage.cache import Cache


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` in each window of `window_s` seconds."""

    name: str
    count: int
    window_s: int


# Tries of one password: by who guesses, and by whose account it is, so that many addresses share one bound. A right
# password ends both counts, so devices that log in again and again never meet them.
TRIES_OF_ADDRESS: Final = Limit("login-address", 30, 300)
TRIES_OF_MOBILE: Final = Limit("login-mobile", 100, 300)
# The password of somebody who is logged in, asked for once more.
TRIES_OF_USER: Final = Limit("password-user", 30, 300)
CODES_TO_MOBILE: Final = Limit("code-mobile", 10, 300)
CODES_TO_EMAIL: Final = Limit("code-email", 10, 300)
# Ways to a provider that were begun and may never come back.
OAUTH_OF_ADDRESS: Final = Limit("oauth-address", 300, 300)
CODES_OF_ADDRESS: Final = Limit("code-address", 300, 300)


class Limits:
    """Counts against limits."""

    def __init__(self, cache: Cache, clock: Clock) -> None:
        self._cache = cache
        self._clock = clock

    async def count(self, limit: Limit, key: str) -> None:
        """Counts one; raises TOO_MANY, with the time to wait, past the bound."""
        cache_key, left_ms = self._window(limit, key)
        if await self._cache.increment(cache_key, limit.window_s) > limit.count:
            raise XinYuError(TOO_MANY, retry_after_ms=left_ms)

    async def forgive(self, limit: Limit, key: str) -> None:
        """Begins the count of the current window anew."""
        await self._cache.take(self._window(limit, key)[0])

    def _window(self, limit: Limit, key: str) -> tuple[str, int]:
        window_ms = limit.window_s * 1000
        number, passed_ms = divmod(self._clock.now_ms(), window_ms)
        return f"limit:{limit.name}:{key}:{number}", window_ms - passed_ms
