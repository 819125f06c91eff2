"""Ratios of the benchmark of logins are those of one round; the table says medians."""

from __future__ import annotations

from benchmarks.handshakes import BACK, FIRST, Handshakes, markdown_table, medians, ratios
from benchmarks.side_by_side.servers import REFERENCE_NAME

ROUNDS = [
    {
        REFERENCE_NAME: Handshakes(1000 * speed, 4000 * speed, 80),
        FIRST: Handshakes(600 * speed, 1000 * speed, 40),
        BACK: Handshakes((900 + extra) * speed, 2000 * speed, 60),
    }
    for speed, extra in ((1, 0), (10, 50), (3, 100))
]


def test_a_ratio_is_that_of_one_round() -> None:
    assert ratios(ROUNDS, FIRST) == Handshakes(0.6, 0.25, 0.5)
    assert ratios(ROUNDS, BACK) == Handshakes(0.95, 0.5, 0.75)
    assert medians(ROUNDS, BACK).per_s == 3000


def test_the_table() -> None:
    lines = markdown_table(ROUNDS).splitlines()
    assert lines[2:] == [
        "| C reference | 3,000 | 12,000 | 80 |",
        "| XinYu, token verified for the first time | 1,800 (0.60) | 3,000 (0.25) | 40 |",
        "| XinYu, users coming back | 3,000 (0.95) | 6,000 (0.50) | 60 |",
    ]
