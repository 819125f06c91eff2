"""The table of a comparison."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.side_by_side.comparison import Comparison, Metric, markdown_table, ratio_text
from benchmarks.side_by_side.rounds import Contestant

COMPARISON = Comparison(
    title="Servers",
    explanation="",
    contestants=tuple(Contestant(name, lambda _: {}) for name in ("reference", "XinYu", "peer", "gone")),
    reference="reference",
    ours=("XinYu",),
    metrics=(
        Metric("echo", "echoed"),
        Metric("memory_us", "memory", 1),
        Metric("first_seen", "handshakes with a token", of_reference="echo"),
    ),
    plots=(),
    rounds=(
        {"reference": {"echo": 200.0, "memory_us": 40.0}, "XinYu": {"echo": 180.0, "memory_us": 80.0}},
        {"reference": {"echo": 210.0}, "XinYu": {"echo": 168.0, "first_seen": 105.0}, "peer": {"echo": 21.0}},
    ),
)


def test_a_column_a_contestant_with_its_ratio_to_the_reference() -> None:
    assert markdown_table(COMPARISON).splitlines() == [
        "| | reference | XinYu | peer |",
        "|---|---:|---:|---:|",
        "| echoed | 205 | 174 (0.85) | 21 (0.10) |",
        "| memory | 40.0 | 80.0 (2.00) | - |",
        "| handshakes with a token | - | 105 (0.50) | - |",
    ]


def test_what_is_missing_is_named_and_not_run() -> None:
    def measure(_: int) -> dict[str, float]:
        return {"echo": 1.0}

    def never(_: int) -> dict[str, float]:
        raise AssertionError("it is not installed")

    contestants = (Contestant("reference", measure), Contestant("peer", never, missing="pip install peer"))
    said: list[str] = []
    done = replace(COMPARISON, contestants=contestants, rounds=()).run(2, said.append)
    assert done.names == ["reference"]
    assert len(done.rounds) == 2
    assert "peer is left out; to have it: pip install peer" in said


@pytest.mark.parametrize(
    ("ratio", "text"), [(645.7, "646"), (12.345, "12.35"), (1.0, "1.00"), (0.1, "0.10"), (0.00456, "0.0046")]
)
def test_a_ratio_keeps_its_digits(ratio: float, text: str) -> None:
    assert ratio_text(ratio) == text
