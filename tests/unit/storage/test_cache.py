"""The contract of a cache. Its implementations share this suite."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xinyu.storage.cache import Cache, MemoryCache


class Clock:
    now_s = 100.0

    def now_ms(self) -> int:
        return int(self.now_s * 1000)

    def monotonic_s(self) -> float:
        return self.now_s


Make = Callable[[Clock], Cache]


@pytest.fixture(params=[MemoryCache])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


async def test_a_value_lives_its_time(make: Make) -> None:
    clock = Clock()
    cache = make(clock)
    await cache.put("k", b"v", 10)
    clock.now_s += 9.9
    assert await cache.get("k") == b"v"
    clock.now_s += 0.1
    assert await cache.get("k") is None
    assert await cache.get("never") is None


async def test_of_two_who_take_one_gets_it(make: Make) -> None:
    cache = make(Clock())
    await cache.put("ticket", b"7", 20)
    assert await cache.take("ticket") == b"7"
    assert await cache.take("ticket") is None


async def test_counts_begin_anew_with_their_window(make: Make) -> None:
    clock = Clock()
    cache = make(clock)
    assert [await cache.increment("tries", 60) for _ in range(3)] == [1, 2, 3]
    clock.now_s += 59
    assert await cache.increment("tries", 60) == 4  # counting does not make the window longer
    clock.now_s += 1
    assert await cache.increment("tries", 60) == 1


async def test_memory_is_bounded() -> None:
    cache = MemoryCache(Clock(), max_entries=3)
    for n in range(5):
        await cache.put(str(n), b"v", 60)
    assert [await cache.get(str(n)) for n in range(5)] == [None, None, b"v", b"v", b"v"]
