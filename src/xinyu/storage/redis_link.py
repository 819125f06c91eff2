"""One process's calls to Redis, single or Cluster: bounded in time and number, and refused at once while it is away.

Design. A call is one command or one script and takes one of `settings.connections` connections; it ends within
`settings.timeout_s`, waiting for a connection included. Nothing is sent twice: whoever asked knows whether that would
do harm. After `FAILURES` calls in a row that found nobody, or no answer, further ones are refused without being tried
for `PAUSE_S`; then one goes ahead, and the others follow when it was answered. So a Redis that is gone costs a refused
caller microseconds, holds up at most `MAX_WAITING` tasks for `timeout_s`, and is found again within `PAUSE_S`.

A script is sent by its digest and, where Redis does not know it (a new server), once more as text. In a Cluster all
keys of a script lie in one slot: what belongs together has the same `{tag}` in its names.

Errors are XinYuError: UNAVAILABLE, or INTERRUPTED where the call `changes` something and may have been carried out.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisClusterException, RedisError, ResponseError

from xinyu.base.clock import Clock
from xinyu.base.config import RedisSettings
from xinyu.base.errors import INTERRUPTED, UNAVAILABLE, XinYuError

log = structlog.get_logger(__name__)

FAILURES: Final = 2
PAUSE_S: Final = 0.5
MAX_WAITING: Final = 2_000

Argument = str | bytes | int


class Script:
    """Lua that Redis runs in one step. KEYS are whole names, ARGV text."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


class RedisLink:
    """Shared by what a process keeps in Redis. Connects with the first call."""

    def __init__(self, settings: RedisSettings, clock: Clock) -> None:
        self.prefix = settings.prefix
        self.is_cluster = settings.cluster
        self._clock = clock
        self._timeout_s = settings.timeout_s
        self._free = asyncio.Semaphore(settings.connections)
        self._client: Any = (RedisCluster if settings.cluster else Redis).from_url(
            settings.url,
            max_connections=settings.connections,
            socket_timeout=settings.timeout_s,
            socket_connect_timeout=settings.timeout_s,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            driver_info=None,
        )
        self._waiting = 0
        self._failures = 0
        self._paused_until_s = 0.0
        self._is_trying = False

    async def close(self) -> None:
        await self._client.aclose()

    async def execute(self, *command: Argument, changes: bool = False) -> Any:
        """One command; its answer as redis-py gives it, texts as bytes."""
        return await self._call(lambda: self._client.execute_command(*command), changes)

    async def run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Argument] = (), *, changes: bool = False
    ) -> Any:
        """One script over `keys`, at least one."""

        async def evaluate() -> Any:
            execute = self._client.execute_command
            try:
                return await execute("EVALSHA", script.digest, len(keys), *keys, *arguments)
            except NoScriptError:
                return await execute("EVAL", script.source, len(keys), *keys, *arguments)

        return await self._call(evaluate, changes)

    async def _call(self, call: Callable[[], Awaitable[Any]], changes: bool) -> Any:
        is_away = self._failures >= FAILURES
        if is_away and (self._is_trying or self._clock.monotonic_s() < self._paused_until_s):
            raise XinYuError(UNAVAILABLE)
        if self._waiting >= MAX_WAITING:
            raise XinYuError(UNAVAILABLE)
        self._is_trying = is_away
        self._waiting += 1
        began = False
        try:
            async with asyncio.timeout(self._timeout_s), self._free:
                began = True
                answer = await call()
        except (RedisError, RedisClusterException, OSError, TimeoutError) as error:
            if not isinstance(error, ResponseError):
                self._failed(error)
            else:
                log.warning("redis_refused", error=str(error))
            raise XinYuError(INTERRUPTED if began and changes else UNAVAILABLE) from None
        finally:
            self._waiting -= 1
            if is_away:
                self._is_trying = False
        if is_away:
            log.info("redis_back")
        self._failures = 0
        return answer

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        self._paused_until_s = self._clock.monotonic_s() + PAUSE_S
        if self._failures == FAILURES:
            log.warning("redis_away", error=str(error) or type(error).__name__)
