"""The cache of a cluster, in Redis. One command a call.

Redis' own clock says when a value has lived its time. While Redis is away every call raises UNAVAILABLE: who needs a
ticket or a count must ask again, and nobody gets past a limit because it could not be counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final
from zlib import crc32

from xinyu.storage.redis_link import Argument, RedisLink, Script

# The window begins with the first count.
_INCREMENT: Final = Script("""
local count = redis.call('INCR', KEYS[1])
if count == 1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return count
""")


# Buckets of one script lie in one slot.
CLUSTER_SHARDS: Final = 32

# KEYS: buckets. A bucket is the moment at which it will be full again, in ms of Redis' clock. ARGV: tokens a second,
# what it holds; then how many are taken of each. Answers how long each is without a token, in ms.
_DEBIT: Final = Script("""
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + time[2] / 1000
local token_ms = 1000 / ARGV[1]
local waits = {}
for i = 1, #KEYS do
  local full_ms = math.max(now_ms, tonumber(redis.call('GET', KEYS[i]) or 0)) + ARGV[i + 2] * token_ms
  if full_ms > now_ms then
    redis.call('SET', KEYS[i], string.format('%.3f', full_ms), 'PX', math.ceil(full_ms - now_ms))
  end
  -- less than 10 us is what adding and subtracting leaves of a wait of nothing
  waits[i] = math.ceil(full_ms - now_ms - (ARGV[2] - 1) * token_ms - 0.01)
end
return waits
""")


class RedisCache:
    """`xinyu.storage.cache.Cache`."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    def _name(self, key: str) -> str:
        return f"{self._link.prefix}cache:{key}"

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        await self._link.execute("SET", self._name(key), value, "PX", _ms(ttl_s))

    async def get(self, key: str) -> bytes | None:
        value = await self._link.execute("GET", self._name(key))
        return value if isinstance(value, bytes) else None

    async def take(self, key: str) -> bytes | None:
        value = await self._link.execute("GETDEL", self._name(key))
        return value if isinstance(value, bytes) else None

    async def increment(self, key: str, ttl_s: float) -> int:
        return int(await self._link.run(_INCREMENT, [self._name(key)], [_ms(ttl_s)]))

    async def debit(self, amounts: Mapping[str, int], rate_per_s: float, burst: int) -> dict[str, float]:
        shards: dict[int, list[str]] = {}
        for key in amounts:
            shard = crc32(key.encode()) % CLUSTER_SHARDS if self._link.is_cluster else 0
            shards.setdefault(shard, []).append(key)

        async def take(shard: int, keys: list[str]) -> list[tuple[str, int]]:
            names = [f"{self._link.prefix}{{bucket-{shard}}}:{key}" for key in keys]
            arguments: list[Argument] = [repr(rate_per_s), burst, *(amounts[key] for key in keys)]
            return list(zip(keys, await self._link.run(_DEBIT, names, arguments), strict=True))

        taken = await asyncio.gather(*(take(shard, keys) for shard, keys in shards.items()))
        return {key: wait_ms / 1000 for shard in taken for key, wait_ms in shard if wait_ms > 0}


def _ms(ttl_s: float) -> int:
    return max(1, round(ttl_s * 1000))
