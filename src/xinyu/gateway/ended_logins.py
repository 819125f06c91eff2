"""Logins that were ended before their tokens expire: a gateway refuses them, and closes what they had opened.

The truth is the user room's database. A gateway loads it when it starts (`load`, before it lets anybody in) and asks
for what is new every `ASK_EVERY_S`. So that it need not take that long, the user room changes a hint in the cache with
each login that it ends, and the gateway looks at the hint every `LOOK_EVERY_S`: one small question, whatever the number
of users. A cache that is lost or away costs promptness and nothing else.

What is kept is a number a user whose logins were ended, until his last token of that time has expired.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from xinyu.base.clock import Clock
from xinyu.base.errors import XinYuError
from xinyu.base.token import ENDED_HINT, AccessTokens
from xinyu.storage.cache import Cache
from xinyu.wire.v1 import user_pb2
from xinyu.wire.v1.user_rpc import UserStub

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 2.0
ASK_EVERY_S: Final = 30.0
# Clocks of user services differ, and a transaction takes its time.
OVERLAP_MS: Final = 60_000
# A login that was looked at just before may open its connection just after: told again for so long.
TELL_FOR_S: Final = 10.0


class EndedLogins:
    """Keeps `tokens.ended`. `on_ended(users)` hears of those whose logins have been ended, more than once."""

    def __init__(
        self,
        tokens: AccessTokens,
        users: UserStub,
        cache: Cache,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.on_ended: Callable[[Sequence[int]], None] = lambda _users: None
        self._ended = tokens.ended
        self._users = users
        self._cache = cache
        self._clock = clock
        self._sleep = sleep
        self._since_ms = 0
        self._hint: bytes | None = None
        self._ask_at_s = 0.0
        self._told: list[tuple[float, list[int]]] = []  # (until when they are told again, users)

    async def load(self) -> None:
        """Asks the user room for what is new. Raises XinYuError."""
        after = 0
        new: list[int] = []
        next_since_ms = 0
        while True:
            request = user_pb2.EndedLoginsRequest(since_ms=self._since_ms, after_user_id=after)
            page = await self._users.list_ended_logins(request)
            next_since_ms = next_since_ms or max(0, page.now_ms - OVERLAP_MS)
            for login in page.ended:
                if self._ended.get(login.user_id, 0) < login.expires_until_ms:
                    self._ended[login.user_id] = login.expires_until_ms
                    new.append(login.user_id)
            if not page.more:
                break
            after = page.ended[-1].user_id
        self._since_ms = next_since_ms
        self._ask_at_s = self._clock.monotonic_s() + ASK_EVERY_S
        now_ms = self._clock.now_ms()
        for user_id in [user_id for user_id, until_ms in self._ended.items() if until_ms <= now_ms]:
            del self._ended[user_id]
        if new:
            self._told.append((self._clock.monotonic_s() + TELL_FOR_S, new))
        self._tell()

    def _tell(self) -> None:
        self._told = [told for told in self._told if told[0] > self._clock.monotonic_s()]
        for _, users in self._told:
            self.on_ended(users)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._sleep(LOOK_EVERY_S)
            try:
                await self.look()
            except XinYuError as error:
                log.warning("ended_logins_not_loaded", error=str(error))

    async def look(self) -> None:
        """Asks the user room if the hint says so, or its time has come. Raises XinYuError."""
        try:
            hint = await self._cache.get(ENDED_HINT)
        except XinYuError:
            hint = self._hint
        if hint != self._hint or self._clock.monotonic_s() >= self._ask_at_s:
            await self.load()
            self._hint = hint
        else:
            self._tell()
