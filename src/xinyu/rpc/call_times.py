"""How long calls took and how many were refused, by method: of those that a process answers, or of those that it makes.

Cost: a look-up and an observation a call (`xinyu.base.metrics`).
"""

from __future__ import annotations

from collections.abc import Iterable

from xinyu.base.errors import XinYuError
from xinyu.base.metrics import Distribution, Labelled, Metrics
from xinyu.wire.v1.method import Method


class Calls:
    """Of one method: `seconds` of each, and how many were `refused`."""

    __slots__ = ("labels", "refusals", "seconds")

    def __init__(self, method: Method) -> None:
        self.labels = (method.service, method.name)
        self.seconds = Distribution()
        self.refusals: dict[str, int] = {}

    def refused(self, refusal: XinYuError) -> None:
        self.refusals[refusal.reason] = self.refusals.get(refusal.reason, 0) + 1


class CallTimes:
    """`observe` each call at its end."""

    def __init__(self) -> None:
        self._calls: dict[int, Calls] = {}  # by command

    def of(self, method: Method) -> Calls:
        """For who sees many calls of it."""
        calls = self._calls.get(method.command)
        if calls is None:
            calls = self._calls[method.command] = Calls(method)
        return calls

    def observe(self, method: Method, seconds: float, refusal: XinYuError | None) -> None:
        calls = self.of(method)
        calls.seconds.observe(seconds)
        if refusal is not None:
            calls.refused(refusal)

    def measure(self, metrics: Metrics, side: str) -> None:
        """`side`: "server" for calls that are answered here, "client" for those that are made."""
        kind = "answered" if side == "server" else "made"
        metrics.distributions(
            f"xinyu_rpc_{side}_seconds",
            f"How long calls took that were {kind} here.",
            ("service", "method"),
            lambda: [(calls.labels, calls.seconds) for calls in self._calls.values()],
        )
        metrics.counters(
            f"xinyu_rpc_{side}_refusals",
            f"Calls {kind} here that ended with an error.",
            ("service", "method", "reason"),
            self._refusals,
        )

    def _refusals(self) -> Iterable[Labelled]:
        for calls in self._calls.values():
            for reason, count in calls.refusals.items():
                yield (*calls.labels, reason), count
