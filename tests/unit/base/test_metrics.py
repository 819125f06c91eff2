"""Figures: what Prometheus reads is what was counted, and one that fails takes no other with it."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from xinyu.base.metrics import Distribution, Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def test_numbers_are_read_when_they_are_asked_for() -> None:
    metrics, counts = Metrics(version="1", role="test", instance="a"), {"open": 1, "in": 5}
    metrics.numbers("xinyu_door_", lambda: counts, {"open": "Open."}, {"in": "In."})
    metrics.gauge("xinyu_rows", "Rows.", lambda: counts["open"] * 2)
    metrics.counters("xinyu_calls", "Calls.", ("method",), lambda: [(("a",), 1), (("b",), 2)])
    counts["open"] = 7
    found = samples(metrics)
    assert found["xinyu_door_open", ()] == 7
    assert found["xinyu_door_in_total", ()] == 5
    assert found["xinyu_rows", ()] == 14
    assert found["xinyu_calls_total", (("method", "b"),)] == 2
    assert found["xinyu_info", (("instance", "a"), ("role", "test"), ("version", "1"))] == 1
    assert found["process_resident_memory_bytes", ()] > 1_000_000


def test_a_distribution_counts_each_value_once_and_by_upper_bounds() -> None:
    distribution = Distribution((1, 2, 5))
    for value in (0.5, 1, 1.5, 5, 6):
        distribution.observe(value)
    assert (distribution.count, distribution.total) == (5, 14)
    metrics = Metrics(version="1", role="test")
    metrics.distribution("xinyu_sizes", "Sizes.", distribution)
    found = samples(metrics)
    buckets = {labels[0][1]: value for (name, labels), value in found.items() if name == "xinyu_sizes_bucket"}
    assert buckets == {"1.0": 2, "2.0": 3, "5.0": 4, "+Inf": 5}
    assert (found["xinyu_sizes_count", ()], found["xinyu_sizes_sum", ()]) == (5, 14)


def test_one_that_fails_is_left_out() -> None:
    metrics = Metrics(version="1", role="test")
    metrics.gauge("xinyu_broken", "Fails.", lambda: 1 / 0)
    metrics.gauge("xinyu_whole", "Works.", lambda: 3)
    found = samples(metrics)
    assert found["xinyu_whole", ()] == 3
    assert not any(name == "xinyu_broken" for name, _ in found)


def test_a_name_is_given_once() -> None:
    metrics = Metrics(version="1", role="test")
    metrics.gauge("xinyu_twice", "Once.", lambda: 1)
    with pytest.raises(ValueError, match="xinyu_twice"):
        metrics.gauge("xinyu_twice", "Again.", lambda: 2)
