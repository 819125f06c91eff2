"""Stub and servicer of the Cache service. Generated from xinyu/wire/v1/cache.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import cache_pb2
from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1.method import Channel, Method

PUT = Method("Cache", "put", 901, cache_pb2.CacheEntry, options_pb2.Empty, 0.5, "/xinyu.wire.v1.Cache/Put", repeatable=True)
GET = Method("Cache", "get", 902, cache_pb2.CacheKey, cache_pb2.CacheValue, 0.5, "/xinyu.wire.v1.Cache/Get", repeatable=True)
TAKE = Method("Cache", "take", 903, cache_pb2.CacheKey, cache_pb2.CacheValue, 0.5, "/xinyu.wire.v1.Cache/Take")
INCREMENT = Method("Cache", "increment", 904, cache_pb2.CacheKey, cache_pb2.CacheCount, 0.5, "/xinyu.wire.v1.Cache/Increment")
DEBIT = Method("Cache", "debit", 905, cache_pb2.CacheDebit, cache_pb2.CacheWaits, 0.5, "/xinyu.wire.v1.Cache/Debit")

SERVICE = "Cache"
METHODS = (PUT, GET, TAKE, INCREMENT, DEBIT,)


class CacheStub:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    async def put(
        self, request: cache_pb2.CacheEntry, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(PUT, request, timeout_s=timeout_s, key=key)
        return response

    async def get(
        self, request: cache_pb2.CacheKey, *, timeout_s: float | None = None, key: str = ""
    ) -> cache_pb2.CacheValue:
        response: cache_pb2.CacheValue = await self.channel.call(GET, request, timeout_s=timeout_s, key=key)
        return response

    async def take(
        self, request: cache_pb2.CacheKey, *, timeout_s: float | None = None, key: str = ""
    ) -> cache_pb2.CacheValue:
        response: cache_pb2.CacheValue = await self.channel.call(TAKE, request, timeout_s=timeout_s, key=key)
        return response

    async def increment(
        self, request: cache_pb2.CacheKey, *, timeout_s: float | None = None, key: str = ""
    ) -> cache_pb2.CacheCount:
        response: cache_pb2.CacheCount = await self.channel.call(INCREMENT, request, timeout_s=timeout_s, key=key)
        return response

    async def debit(
        self, request: cache_pb2.CacheDebit, *, timeout_s: float | None = None, key: str = ""
    ) -> cache_pb2.CacheWaits:
        response: cache_pb2.CacheWaits = await self.channel.call(DEBIT, request, timeout_s=timeout_s, key=key)
        return response


class CacheServicer(Protocol):
    async def put(self, request: cache_pb2.CacheEntry, context: Any) -> options_pb2.Empty: ...

    async def get(self, request: cache_pb2.CacheKey, context: Any) -> cache_pb2.CacheValue: ...

    async def take(self, request: cache_pb2.CacheKey, context: Any) -> cache_pb2.CacheValue: ...

    async def increment(self, request: cache_pb2.CacheKey, context: Any) -> cache_pb2.CacheCount: ...

    async def debit(self, request: cache_pb2.CacheDebit, context: Any) -> cache_pb2.CacheWaits: ...
