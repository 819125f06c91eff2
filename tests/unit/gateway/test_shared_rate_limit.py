"""Buckets of several processes over one cache."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from tests.unit.gateway.test_rate_limit import HandClock, wait_ms
from xinyu.base.errors import UNAVAILABLE, XinYuError
from xinyu.gateway import shared_rate_limit as module
from xinyu.gateway.shared_rate_limit import SharedRateLimit
from xinyu.storage.cache import MemoryCache


class House:
    def __init__(self, rate_per_s: float, burst: int, processes: int = 3) -> None:
        self.clock = HandClock()
        self.cache = MemoryCache(self.clock)
        self.limits = [
            SharedRateLimit("send", rate_per_s, burst, self.clock, self.cache) for _ in range(processes)
        ]

    async def second(self) -> None:
        self.clock.now_s += module.EVERY_S
        for limit in self.limits:
            await limit.share()


async def test_one_who_spreads_gets_the_common_rate() -> None:
    house = House(10.0, 30)
    allowed = []
    for _ in range(40):
        allowed.append(sum(wait_ms(limit, 7) == 0 for limit in house.limits for _ in range(100)))
        await house.second()
    assert allowed[0] == 3 * 30  # what his buckets hold, once
    assert sum(allowed) <= 3 * 30 + 10 * 40 + 3 * 10
    assert sum(allowed) >= 10 * 30
    assert wait_ms(house.limits[0], 8) == 0


async def test_who_stays_on_one_gateway_notices_nothing() -> None:
    house = House(10.0, 10)
    for _ in range(20):
        assert [wait_ms(house.limits[1], "address") for _ in range(10)] == [0] * 10
        await house.second()


async def test_a_refusal_ends_when_the_common_bucket_has_a_token() -> None:
    house = House(10.0, 10)
    for limit in house.limits:
        for _ in range(10):
            limit.take(1)
    await house.second()  # 30 taken of 10, and 10 have come since
    wait = wait_ms(house.limits[-1], 1)  # it told last, and heard of all
    assert 1000 <= wait <= 1200
    house.clock.now_s += wait / 1000 + 0.001
    assert wait_ms(house.limits[-1], 1) == 0


async def test_quiet_keys_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(100.0, 100, processes=1)
    told: list[Mapping[str, int]] = []
    debit = house.cache.debit

    async def listen(amounts: Mapping[str, int], rate_per_s: float, burst: int) -> dict[str, float]:
        told.append(amounts)
        return await debit(amounts, rate_per_s, burst)

    monkeypatch.setattr(house.cache, "debit", listen)
    for key, times in (("quiet", 9), ("busy", 10)):
        for _ in range(times):
            house.limits[0].take(key)
    await house.second()
    await house.second()
    assert told == [{"send:busy": 10}]


async def test_while_the_cache_is_away_each_counts_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(10.0, 10, processes=2)

    async def away(*_: object) -> dict[str, float]:
        raise XinYuError(UNAVAILABLE)

    monkeypatch.setattr(house.cache, "debit", away)
    for limit in house.limits:
        assert [wait_ms(limit, 1) for _ in range(11)] == [*[0] * 10, 100]
    await house.second()
    for limit in house.limits:
        assert [wait_ms(limit, 1) for _ in range(11)] == [*[0] * 10, 100]


async def test_it_is_told_again_and_again() -> None:
    house = House(10.0, 10, processes=1)
    ticks = asyncio.Semaphore(0)

    async def sleep(_seconds: float) -> None:
        await ticks.acquire()

    limit = SharedRateLimit("send", 10.0, 10, house.clock, house.cache, sleep=sleep)
    running = asyncio.create_task(limit.run())
    for _ in range(2):
        for _ in range(10):
            limit.take(1)
        house.clock.now_s += 1
        ticks.release()
        while limit._taken:
            await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    assert not limit._refused_until_s
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
