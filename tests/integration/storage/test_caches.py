"""What every cache does, in memory and in Redis, single and Cluster. How time passes for the first is a unit test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.redis_links import RedisClusterServer, redis_link
from xinyu.base.clock import SystemClock
from xinyu.storage.cache import Cache, MemoryCache
from xinyu.storage.redis_cache import RedisCache
from xinyu_services.cli.local_servers.redis import RedisServer


@pytest.fixture(params=["memory", "redis", "cluster"])
async def cache(
    request: pytest.FixtureRequest, redis: RedisServer, redis_cluster: RedisClusterServer
) -> AsyncIterator[Cache]:
    if request.param == "memory":
        yield MemoryCache(SystemClock())
        return
    async with redis_link(redis if request.param == "redis" else redis_cluster) as link:
        yield RedisCache(link)


async def gone(cache: Cache, key: str) -> None:
    async with asyncio.timeout(20):
        while await cache.get(key) is not None:
            await asyncio.sleep(0.01)


async def test_a_value_lives_its_time(cache: Cache) -> None:
    await cache.put("k", b"\x00v", 60)
    await cache.put("short", b"v", 0.2)
    await gone(cache, "short")
    assert await cache.get("k") == b"\x00v"
    await cache.put("k", b"other", 0.05)
    await gone(cache, "k")
    assert await cache.get("never") is None


async def test_of_many_who_take_one_gets_it(cache: Cache) -> None:
    await cache.put("ticket", b"7", 60)
    taken = await asyncio.gather(*(cache.take("ticket") for _ in range(20)))
    assert sorted(taken, key=bool) == [*[None] * 19, b"7"]


async def test_many_who_count_get_a_number_each(cache: Cache) -> None:
    assert sorted(await asyncio.gather(*(cache.increment("tries", 60) for _ in range(20)))) == list(range(1, 21))
    assert await cache.increment("others", 60) == 1
    await cache.take("tries")  # forgiven
    assert await cache.increment("tries", 60) == 1


async def test_counts_begin_anew_with_their_window(cache: Cache) -> None:
    assert await cache.increment("short", 0.3) == 1
    async with asyncio.timeout(20):
        # Counting does not make the window longer: else this would never end.
        while await cache.increment("short", 0.3) != 1:
            await asyncio.sleep(0.01)


async def test_buckets_are_emptied_owe_and_fill_again(cache: Cache) -> None:
    token_s = 10_000  # so long that how long a test takes makes no difference
    owes = {"a": pytest.approx(token_s, abs=100), "b": pytest.approx(3 * token_s, abs=100)}
    assert await cache.debit({"a": 2, "b": 1}, 1 / token_s, 3) == {}
    assert await cache.debit({"a": 1, "b": 4, "c": 2}, 1 / token_s, 3) == owes
    assert await cache.debit({"c": 0}, 1 / token_s, 3) == {}
    assert await cache.debit({}, 1.0, 3) == {}
    assert await cache.debit({"full": 0}, 1.0, 3) == {}
    assert set(await cache.debit({"quick": 8}, 20.0, 3)) == {"quick"}
    async with asyncio.timeout(20):
        while await cache.debit({"quick": 0}, 20.0, 3):
            await asyncio.sleep(0.01)


async def test_the_last_token_is_taken_without_a_wait(cache: Cache) -> None:
    for number in range(300):
        assert await cache.debit({f"bucket {number}": 3}, 1 / 7_000, 4) == {}
        assert await cache.debit({f"bucket {number}": 0}, 1 / 7_000, 4) == {}


async def test_many_buckets_at_once(cache: Cache) -> None:
    names = [f"user {n}" for n in range(1000)]
    assert await cache.debit(dict.fromkeys(names, 1), 0.001, 2) == {}
    assert set(await cache.debit(dict.fromkeys(names, 1), 0.001, 2)) == set(names)
