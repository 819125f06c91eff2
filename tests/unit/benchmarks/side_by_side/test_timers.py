"""Every figure of the timers' table is measured. That timers are armed, cancelled and fired is asserted as it runs."""

from __future__ import annotations

import pytest

from benchmarks.side_by_side import timers


def test_every_figure_of_the_table_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "TIMERS", 200)
    monkeypatch.setattr(timers, "HEARTBEATS", 5000)
    comparison = timers.comparison(budget_s=0.0).run(1, lambda line: None)
    assert comparison.names == [each.name for each in comparison.contestants]
    assert comparison.failed == {}
    assert set(comparison.rounds[0][timers.REFERENCE]) == {metric.key for metric in comparison.metrics}
    for values in comparison.rounds[0].values():
        assert all(value > 0 for value in values.values())
