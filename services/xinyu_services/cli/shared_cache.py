"""The embedded form's cache for its gateways in other processes: the contract of `xinyu.storage.cache` over RPC."""

from __future__ import annotations

from collections.abc import Mapping

from xinyu.rpc.context import Context
from xinyu.storage.cache import Cache
from xinyu.wire.v1 import cache_pb2, options_pb2
from xinyu.wire.v1.cache_rpc import CacheStub


class CacheServicer:
    """`xinyu.wire.v1.cache_rpc.CacheServicer` over the cache of this process."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def put(self, request: cache_pb2.CacheEntry, context: Context) -> options_pb2.Empty:
        await self._cache.put(request.key, request.value, request.ttl_s)
        return options_pb2.Empty()

    async def get(self, request: cache_pb2.CacheKey, context: Context) -> cache_pb2.CacheValue:
        return cache_pb2.CacheValue(value=await self._cache.get(request.key))

    async def take(self, request: cache_pb2.CacheKey, context: Context) -> cache_pb2.CacheValue:
        return cache_pb2.CacheValue(value=await self._cache.take(request.key))

    async def increment(self, request: cache_pb2.CacheKey, context: Context) -> cache_pb2.CacheCount:
        return cache_pb2.CacheCount(count=await self._cache.increment(request.key, request.ttl_s))

    async def debit(self, request: cache_pb2.CacheDebit, context: Context) -> cache_pb2.CacheWaits:
        waits_s = await self._cache.debit(dict(request.amounts), request.rate_per_s, request.burst)
        return cache_pb2.CacheWaits(waits_s=waits_s)


class RpcCache:
    """`xinyu.storage.cache.Cache` in another process. Raises XinYuError where that cannot be asked."""

    def __init__(self, stub: CacheStub) -> None:
        self._stub = stub

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        await self._stub.put(cache_pb2.CacheEntry(key=key, value=value, ttl_s=ttl_s))

    async def get(self, key: str) -> bytes | None:
        return _value(await self._stub.get(cache_pb2.CacheKey(key=key)))

    async def take(self, key: str) -> bytes | None:
        return _value(await self._stub.take(cache_pb2.CacheKey(key=key)))

    async def increment(self, key: str, ttl_s: float) -> int:
        return (await self._stub.increment(cache_pb2.CacheKey(key=key, ttl_s=ttl_s))).count

    async def debit(self, amounts: Mapping[str, int], rate_per_s: float, burst: int) -> dict[str, float]:
        request = cache_pb2.CacheDebit(amounts=amounts, rate_per_s=rate_per_s, burst=burst)
        return dict((await self._stub.debit(request)).waits_s)


def _value(answer: cache_pb2.CacheValue) -> bytes | None:
    return answer.value if answer.HasField("value") else None
