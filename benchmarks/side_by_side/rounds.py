"""Contestants that take turns, and what is made of their rounds: medians, and ratios within a round.

Every round measures each contestant once; the order turns round from one round to the next. A ratio is that of two
values of one round, so that a machine that is slower for a while is slower for all.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from xinyu.bench.error import BenchError

Values: TypeAlias = Mapping[str, float]  # by the metric's key
Round: TypeAlias = dict[str, dict[str, float]]  # by the contestant's name


@dataclass(frozen=True, slots=True)
class Contestant:
    """`measure` takes the number of the round, from 0. `missing`: why it cannot run and what to do about it, "" if it
    can. Two contestants of one name fill one column."""

    name: str
    measure: Callable[[int], Values]
    version: str = ""
    missing: str = ""


def take_turns(
    contestants: Sequence[Contestant],
    rounds: int,
    say: Callable[[str], None],
    describe: Callable[[Values], str] = lambda values: "measured",
) -> tuple[list[Round], dict[str, str]]:
    """The rounds, and what went wrong (a BenchError) by contestant. The next round tries again."""
    found: list[Round] = []
    failed: dict[str, str] = {}
    for number in range(rounds):
        this: Round = {}
        for each in contestants if number % 2 == 0 else reversed(contestants):
            turn, began_s = f"round {number + 1} of {rounds}", time.monotonic()
            try:
                values = each.measure(number)
            except BenchError as error:
                failed[each.name] = f"round {number + 1}: {error}"
                say(f"{turn}, without {each.name}: {error}")
                continue
            this.setdefault(each.name, {}).update(values)
            say(f"{turn}, {each.name}: {describe(values)} ({time.monotonic() - began_s:.1f} s)")
        found.append(this)
    return found, failed


def medians(rounds: Sequence[Mapping[str, Values]], name: str) -> dict[str, float]:
    """Median over the rounds, of each metric that was measured."""
    values: dict[str, list[float]] = {}
    for found in rounds:
        for key, value in found.get(name, {}).items():
            values.setdefault(key, []).append(value)
    return {key: statistics.median(each) for key, each in values.items()}


def median_ratio(
    rounds: Sequence[Mapping[str, Values]], name: str, key: str, reference: str, reference_key: str
) -> float | None:
    """Median over the rounds of this contestant's value by the reference's of the same round; None where there is no
    such pair, or the reference's is 0."""
    found = [
        each[name][key] / base
        for each in rounds
        if key in each.get(name, {}) and (base := each.get(reference, {}).get(reference_key))
    ]
    return statistics.median(found) if found else None
