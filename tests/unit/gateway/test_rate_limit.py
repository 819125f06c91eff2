from __future__ import annotations

import pytest

from xinyu.base.errors import XinYuError
from xinyu.gateway.rate_limit import RateLimit


class HandClock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def now_ms(self) -> int:
        return int(self.now_s * 1000)

    def monotonic_s(self) -> float:
        return self.now_s


def wait_ms(limit: RateLimit, key: object) -> int:
    """0 = allowed."""
    try:
        limit.take(key)
    except XinYuError as error:
        return (error.reason == "too_many" and error.retry_after_ms) or -1
    return 0


def test_burst_then_rate() -> None:
    clock = HandClock()
    limit = RateLimit(2.0, 3, clock)
    assert [wait_ms(limit, 1) for _ in range(4)] == [0, 0, 0, 500]
    assert wait_ms(limit, 2) == 0
    clock.now_s += 0.25
    assert wait_ms(limit, 1) == 250
    clock.now_s += 0.25
    assert wait_ms(limit, 1) == 0
    assert wait_ms(limit, 1) == 500


def test_what_is_told_is_enough() -> None:
    clock = HandClock()
    limit = RateLimit(3.0, 1, clock)
    limit.take("a")
    clock.now_s += wait_ms(limit, "a") / 1000
    assert wait_ms(limit, "a") == 0


def test_a_bucket_never_holds_more_than_the_burst() -> None:
    clock = HandClock()
    limit = RateLimit(100.0, 2, clock)
    limit.take("a")
    clock.now_s += 1e6
    assert [wait_ms(limit, "a") for _ in range(3)][:2] == [0, 0]
    assert wait_ms(limit, "a") > 0


def test_refusals_cost_nothing() -> None:
    clock = HandClock()
    limit = RateLimit(1.0, 1, clock)
    limit.take("a")
    for _ in range(100):
        assert wait_ms(limit, "a") == 1000
    clock.now_s += 1.0
    assert wait_ms(limit, "a") == 0


def test_keys_are_bounded_and_the_idle_ones_go() -> None:
    clock = HandClock()
    limit = RateLimit(0.001, 1, clock, max_keys=10)
    limit.take("busy")
    for number in range(100):
        limit.take(number)
        with pytest.raises(XinYuError):
            limit.take("busy")
        assert len(limit) <= 10
