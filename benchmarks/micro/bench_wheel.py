"""The timer wheel beside a heap like that of asyncio's loop: 10,000 timers armed, cancelled, turned as heartbeats.

And a million heartbeats of 60 s; the share of a core that they take stands in the result's extra_info (JSON).
"""

from __future__ import annotations

import heapq
from typing import Any

import pytest

from xinyu._fast.wheel import Wheel

COUNT = 10_000
SPREAD = 300  # ticks: 30 s at 100 ms
MILLION = 1_000_000
MINUTE = 600  # ticks of 100 ms


@pytest.mark.benchmark(group="arm 10,000 timers")
def bench_arm_wheel(benchmark: Any) -> None:
    wheel = Wheel(COUNT, 1)
    benchmark(wheel.arm_all, 2, SPREAD)


@pytest.mark.benchmark(group="arm 10,000 timers")
def bench_arm_heap(benchmark: Any) -> None:
    def arm() -> None:
        heap: list[tuple[int, int]] = []
        for key in range(COUNT):
            heapq.heappush(heap, (2 + key % SPREAD, key))

    benchmark(arm)


@pytest.mark.benchmark(group="arm and cancel 10,000 timers")
def bench_cancel_wheel(benchmark: Any) -> None:
    wheel = Wheel(COUNT, 1)

    def cancel() -> None:
        wheel.arm_all(2, SPREAD)
        wheel.cancel_all()

    benchmark(cancel)
    assert wheel.armed == 0


@pytest.mark.benchmark(group="arm and cancel 10,000 timers")
def bench_cancel_heap(benchmark: Any) -> None:
    """A heap cannot take out of the middle: cancelled entries are marked and skipped."""

    def cancel() -> None:
        heap: list[list[int]] = []
        entries = [[2 + key % SPREAD, key, 1] for key in range(COUNT)]
        for entry in entries:
            heapq.heappush(heap, entry)
        for entry in entries:
            entry[2] = 0
        while heap:
            heapq.heappop(heap)

    benchmark(cancel)


@pytest.mark.benchmark(group="one turn of 10,000 heartbeats")
def bench_turn_wheel(benchmark: Any) -> None:
    wheel = Wheel(COUNT, 1)
    wheel.arm_all(2, SPREAD)

    def turn() -> None:
        assert wheel.advance_count(wheel.now + SPREAD, SPREAD) == COUNT

    benchmark(turn)


@pytest.mark.benchmark(group="one turn of 10,000 heartbeats")
def bench_turn_heap(benchmark: Any) -> None:
    heap = sorted((2 + key % SPREAD, key) for key in range(COUNT))

    def turn() -> None:
        for _ in range(COUNT):
            due, key = heap[0]
            heapq.heapreplace(heap, (due + SPREAD, key))

    benchmark(turn)


@pytest.mark.benchmark(group="60 s of 1,000,000 heartbeats, a period of 60 s")
def bench_million_heartbeats(benchmark: Any) -> None:
    """Each tick of the minute by itself: what the wheel costs beside the pings that it announces."""
    wheel = Wheel(MILLION, 1)
    wheel.arm_all(2, MINUTE)

    def minute() -> None:
        fired, began = 0, wheel.now
        for tick in range(1, MINUTE + 1):
            fired += wheel.advance_count(began + tick, MINUTE)
        assert fired == MILLION

    benchmark.pedantic(minute, rounds=5, warmup_rounds=1)
    if benchmark.stats is not None:
        benchmark.extra_info["percent_of_a_core"] = round(100 * benchmark.stats.stats.median / 60, 3)
