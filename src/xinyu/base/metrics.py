"""What a process tells of itself to Prometheus.

Design. Nothing that is hot writes a metric. Whoever does the work keeps plain numbers (a counter, the engine's
`stats()`, a `Distribution`), and gives `Metrics` a function that reads them; it is called when somebody asks for the
text. So a metric costs what its number costs, and no object of the product is global: each process, or each server of a
test, has its own `Metrics`.

A `Distribution` is a histogram: an observation is one bisection and two additions (0.1 us; the library's own, which
locks, took 0.5 us, and 1.2 us with its look-up by label). It belongs to one thread.

A function that fails is logged, and its metric left out: the others are still told.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

log = structlog.get_logger(__name__)

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SECONDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)

# Values of the labels, and the number.
Labelled = tuple[Sequence[str], float]


class Distribution:
    """How many observations were at most each of `bounds` (ascending), and what all come to."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        return sum(self.counts)

    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus wants them: cumulative, with their upper bound as text."""
        names = [*(str(float(bound)) for bound in self.bounds), "+Inf"]
        return [(name, float(count)) for name, count in zip(names, accumulate(self.counts), strict=True)]


class Metrics:
    """The metrics of one process. Names begin with `xinyu_`, and end with their unit."""

    def __init__(self, *, version: str, role: str, instance: str = "") -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)  # process_cpu_seconds_total, process_resident_memory_bytes ...
        labels = (version, role, instance)
        self.gauges(
            "xinyu_info", "1, with what this process is.", ("version", "role", "instance"), lambda: [(labels, 1)]
        )

    def text(self) -> bytes:
        """What a scrape gets, of CONTENT_TYPE."""
        return generate_latest(self._registry)

    def gauge(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        self.gauges(name, meaning, (), lambda: [((), read())])

    def gauges(self, name: str, meaning: str, labels: Sequence[str], read: Callable[[], Iterable[Labelled]]) -> None:
        """A number that goes up and down, one for each combination of labels that `read` gives."""
        self._register([name], lambda: [_filled(GaugeMetricFamily(name, meaning, labels=labels), read())])

    def counter(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        self.counters(name, meaning, (), lambda: [((), read())])

    def counters(self, name: str, meaning: str, labels: Sequence[str], read: Callable[[], Iterable[Labelled]]) -> None:
        """A number that only grows; `_total` is put behind its name."""
        self._register([name], lambda: [_filled(CounterMetricFamily(name, meaning, labels=labels), read())])

    def numbers(
        self,
        prefix: str,
        read: Callable[[], Mapping[str, float]],
        gauges: Mapping[str, str],
        counters: Mapping[str, str],
    ) -> None:
        """Many numbers that `read` gives at once, under `prefix` and the name that they have there. `gauges` and
        `counters` give their meanings."""

        def collect() -> Iterable[Metric]:
            numbers = read()
            for name, meaning in gauges.items():
                yield GaugeMetricFamily(prefix + name, meaning, value=numbers[name])
            for name, meaning in counters.items():
                yield CounterMetricFamily(prefix + name, meaning, value=numbers[name])

        self._register([prefix + name for name in (*gauges, *counters)], collect)

    def distribution(self, name: str, meaning: str, distribution: Distribution) -> None:
        self.distributions(name, meaning, (), lambda: [((), distribution)])

    def distributions(
        self,
        name: str,
        meaning: str,
        labels: Sequence[str],
        read: Callable[[], Iterable[tuple[Sequence[str], Distribution]]],
    ) -> None:
        def collect() -> Iterable[Metric]:
            family = HistogramMetricFamily(name, meaning, labels=labels)
            for values, distribution in read():
                family.add_metric(values, distribution.buckets(), distribution.total)
            return [family]

        self._register([name], collect)

    def _register(self, names: Sequence[str], collect: Callable[[], Iterable[Metric]]) -> None:
        """ValueError: a name is taken."""
        self._registry.register(_Reading(names, collect))


def _filled(family: GaugeMetricFamily | CounterMetricFamily, numbers: Iterable[Labelled]) -> Metric:
    for values, number in numbers:
        family.add_metric(values, number)
    return family


class _Reading(Collector):
    """Metrics that are read when they are asked for."""

    def __init__(self, names: Sequence[str], collect: Callable[[], Iterable[Metric]]) -> None:
        self._names = names
        self._collect = collect

    def describe(self) -> Iterable[Metric]:
        # Their names alone, by which the registry refuses a second one.
        return [Metric(name, "", "untyped") for name in self._names]

    def collect(self) -> Iterable[Metric]:
        try:
            return list(self._collect())
        except Exception:
            log.exception("metric_failed", metrics=self._names)
            return []
