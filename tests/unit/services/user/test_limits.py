"""Limits count in fixed windows and say when the next one begins."""

from __future__ import annotations

import pytest

from tests.integration.services.embedded_platform import SettableClock
from xinyu.base.errors import TOO_MANY, XinYuError
from xinyu.storage.cache import MemoryCache
from xinyu_services.user.limits import Limit, Limits

THREE = Limit("three", 3, 60)


@pytest.fixture
def clock() -> SettableClock:
    clock = SettableClock()
    clock.now = 60_000 * 1_000 + 15_000  # 15 s into a window
    return clock


@pytest.fixture
def limits(clock: SettableClock) -> Limits:
    return Limits(MemoryCache(clock), clock)


async def test_past_the_bound_until_the_next_window(limits: Limits, clock: SettableClock) -> None:
    for _ in range(3):
        await limits.count(THREE, "ann")
    with pytest.raises(XinYuError) as caught:
        await limits.count(THREE, "ann")
    assert caught.value.code is TOO_MANY
    assert caught.value.retry_after_ms == 45_000
    await limits.count(THREE, "bob")
    clock.now += 44_999
    with pytest.raises(XinYuError):
        await limits.count(THREE, "ann")
    clock.now += 1
    await limits.count(THREE, "ann")


async def test_forgiven(limits: Limits) -> None:
    for _ in range(10):
        await limits.count(THREE, "ann")
        await limits.forgive(THREE, "ann")
