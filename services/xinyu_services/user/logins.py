"""The end of logins: tokens that were given out before a moment are void.

It is written in the transaction that causes it; then gateways are hinted to look (`xinyu.gateway.ended_logins`).
"""

from __future__ import annotations

import asyncio
import secrets

import structlog
from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.errors import XinYuError
from xinyu.base.token import ENDED_HINT
from xinyu.storage.cache import Cache
from xinyu_services.user.store import UserStore

log = structlog.get_logger(__name__)


class LoginEnds:
    """`ttl_s`: how long a token lives."""

    def __init__(self, store: UserStore, cache: Cache, clock: Clock, ttl_s: int) -> None:
        self._store = store
        self._cache = cache
        self._clock = clock
        self._ttl_s = ttl_s

    def write(self, connection: Connection, user_id: int, expires_until_ms: int | None = None) -> int:
        """Tokens that expire by then are void, None = all that were given out by now. Answers the second whose tokens
        are the last void ones, for `tell`."""
        now_ms = self._clock.now_ms()
        second = now_ms // 1000
        if expires_until_ms is None:
            expires_until_ms = (second + self._ttl_s) * 1000
        self._store.end_logins(connection, user_id, expires_until_ms, now_ms)
        return second

    async def tell(self, second: int) -> None:
        """After the commit. A token's times are whole seconds, so this one must be over before the next token may be
        good."""
        try:
            await self._cache.put(ENDED_HINT, secrets.token_bytes(8), self._ttl_s)
        except XinYuError as error:
            log.warning("ended_logins_not_hinted", error=str(error))
        await asyncio.sleep(second + 1 - self._clock.now_ms() / 1000)
