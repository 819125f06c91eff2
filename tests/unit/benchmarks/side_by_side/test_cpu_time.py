"""What is counted, and that preparing comes before every run."""

from __future__ import annotations

import gc

from benchmarks.side_by_side.cpu_time import Work, cpu_ns


def test_each_run_is_prepared() -> None:
    said: list[str] = []
    assert cpu_ns(Work(lambda: said.append("run"), lambda: said.append("prepare")), 1e-4) > 0
    assert said == ["prepare", "run"] * (len(said) // 2)
    assert len(said) >= 2


def test_garbage_is_collected_again_afterwards() -> None:
    enabled_inside: list[bool] = []
    cpu_ns(Work(lambda: enabled_inside.append(gc.isenabled()), lambda: None), 0.0001)
    assert not any(enabled_inside)
    assert gc.isenabled()
