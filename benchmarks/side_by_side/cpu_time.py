"""What a function costs, in CPU time of this thread."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

REPEATED_NS: Final = 200_000  # a call shorter than this is repeated under one reading of the clock (some 0.3 us)


@dataclass(frozen=True, slots=True)
class Work:
    """`prepare` is called before each `run` and not counted; without it `run` may be repeated as it is."""

    run: Callable[[], object]
    prepare: Callable[[], object] | None = None


def cpu_ns(work: Work, budget_s: float) -> float:
    """One run's, as the mean of as many as take `budget_s` of CPU time, at least one; without garbage collections."""
    clock, budget_ns = time.thread_time_ns, budget_s * 1e9
    run, prepare = work.run, work.prepare
    gc.collect()
    gc.disable()
    try:
        repeats = 1 if prepare is not None else max(1, int(REPEATED_NS / max(1, _once_ns(work))))
        spent_ns, runs = 0, 0
        while not runs or spent_ns < budget_ns:
            if prepare is not None:
                prepare()
            before_ns = clock()
            for _ in range(repeats):
                run()
            spent_ns += clock() - before_ns
            runs += repeats
        return spent_ns / runs
    finally:
        gc.enable()


def _once_ns(work: Work) -> int:
    """Of the second run: the first one warms up."""
    work.run()
    before_ns = time.thread_time_ns()
    work.run()
    return time.thread_time_ns() - before_ns
