"""Turns, and the arithmetic of their rounds."""

from __future__ import annotations

import pytest

from benchmarks.side_by_side.rounds import Contestant, median_ratio, medians, take_turns
from xinyu.bench.error import BenchError

# The machine was half as fast in the second round: ratios within a round do not see it.
ROUNDS = [
    {"reference": {"per_s": 200.0, "bytes": 40.0}, "XinYu": {"per_s": 180.0, "bytes": 80.0}},
    {"reference": {"per_s": 100.0}, "XinYu": {"per_s": 90.0}},
    {"reference": {"per_s": 210.0}, "XinYu": {"per_s": 168.0}, "peer": {"per_s": 21.0}},
]


def test_medians_and_ratios_of_the_rounds_that_measured_it() -> None:
    assert medians(ROUNDS, "XinYu") == {"per_s": 168.0, "bytes": 80.0}
    assert median_ratio(ROUNDS, "XinYu", "per_s", "reference", "per_s") == pytest.approx(0.9)
    assert median_ratio(ROUNDS, "XinYu", "bytes", "reference", "bytes") == 2.0
    assert median_ratio(ROUNDS, "peer", "per_s", "reference", "per_s") == pytest.approx(0.1)
    assert medians(ROUNDS, "gone") == {}
    assert median_ratio(ROUNDS, "gone", "per_s", "reference", "per_s") is None


def test_a_reference_of_zero_makes_no_ratio() -> None:
    rounds = [{"reference": {"bytes": 0.0}, "XinYu": {"bytes": 8.0}}]
    assert median_ratio(rounds, "XinYu", "bytes", "reference", "bytes") is None


def test_the_order_turns_round_and_a_failure_leaves_the_others() -> None:
    order: list[tuple[str, int]] = []

    def contestant(name: str, fails_in: int | None = None) -> Contestant:
        def measure(number: int) -> dict[str, float]:
            order.append((name, number))
            if number == fails_in:
                raise BenchError("it broke")
            return {"per_s": number + 1.0}

        return Contestant(name, measure)

    said: list[str] = []
    rounds, failed = take_turns([contestant("a"), contestant("b", fails_in=1)], 3, said.append)
    assert order == [("a", 0), ("b", 0), ("b", 1), ("a", 1), ("a", 2), ("b", 2)]
    assert rounds == [
        {"a": {"per_s": 1.0}, "b": {"per_s": 1.0}},
        {"a": {"per_s": 2.0}},
        {"a": {"per_s": 3.0}, "b": {"per_s": 3.0}},
    ]
    assert failed == {"b": "round 2: it broke"}
    assert len(said) == 6
    assert "round 2 of 3, without b: it broke" in said


def test_two_contestants_of_one_name_fill_one_column() -> None:
    contestants = [Contestant("a", lambda _: {"x": 1.0}), Contestant("a", lambda _: {"y": 2.0})]
    rounds, _ = take_turns(contestants, 1, lambda line: None)
    assert rounds == [{"a": {"x": 1.0, "y": 2.0}}]
