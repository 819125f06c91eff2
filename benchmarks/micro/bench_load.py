"""The load generator: recording a latency beside the same in Python, and its echo with an engine in one thread."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit._fast.histogram_oracle import highest_equivalent
from tests.unit._fast.test_load import build
from xinyu._fast.engine import Engine
from xinyu._fast.histogram import Histogram
from xinyu._fast.load import Load

VALUES = [10_000 + 977 * number for number in range(1000)]


@pytest.mark.benchmark(group="record 1,000 latencies")
def bench_record_histogram(benchmark: Any) -> None:
    histogram = Histogram()

    def record() -> None:
        for value in VALUES:
            histogram.record(value)

    benchmark(record)


@pytest.mark.benchmark(group="record 1,000 latencies")
def bench_record_dictionary(benchmark: Any) -> None:
    counts: dict[int, int] = {}

    def record() -> None:
        for value in VALUES:
            key = highest_equivalent(value)
            counts[key] = counts.get(key, 0) + 1

    benchmark(record)


@pytest.mark.benchmark(group="five percentiles")
def bench_percentiles(benchmark: Any) -> None:
    histogram = Histogram()
    for value in VALUES:
        histogram.record(value, 1000)
    benchmark(lambda: [histogram.percentile(each) for each in (50.0, 90.0, 99.0, 99.9, 99.99)])


@pytest.fixture
def pair() -> Iterator[tuple[Engine, Load]]:
    """An engine that echoes and a load with 100 open connections to it."""
    engine = Engine(echo=True, heartbeat_s=0, read_timeout_s=0)
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    engine.listen(listener)
    load = build(listener.getsockname(), Histogram(), Histogram(), clients=100, payload=b"x" * 32)
    load.open_to(100)
    while load.stats()["open"] < 100:
        engine.poll()
        load.step(0.001)
    yield engine, load
    load.close()
    engine.shutdown()


@pytest.mark.benchmark(group="echo of 32 bytes on 100 connections, client and server")
def bench_echo_load(benchmark: Any, pair: tuple[Engine, Load]) -> None:
    engine, load = pair
    load.start_echo()

    def turn() -> None:
        """Each connection's message goes there and back."""
        wanted = load.stats()["received"] + 100
        while load.stats()["received"] < wanted:
            engine.poll()
            load.step(0.01, wanted)

    benchmark(turn)
