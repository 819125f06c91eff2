"""The histogram in plain Python: every value is kept, and rounded as the compiled one rounds it."""

from __future__ import annotations

import math
from fractions import Fraction

GREATEST = 2**42 - 1
HALF = 1024


def highest_equivalent(value: int) -> int:
    """The highest value that shares this one's bucket: exact below 2 * HALF, then HALF buckets a power of two."""
    value = min(value, GREATEST)
    width = 1
    while value // width >= 2 * HALF:
        width *= 2
    return (value // width + 1) * width - 1


class PlainHistogram:
    def __init__(self) -> None:
        self.values: list[int] = []

    def record(self, value: int, count: int = 1) -> None:
        self.values += [value] * count

    def exact_percentile(self, percent: float) -> int:
        """The value itself, by the nearest rank."""
        ordered = sorted(self.values)
        if not ordered:
            return 0
        return ordered[max(1, math.ceil(Fraction(str(percent)) * len(ordered) / 100)) - 1]

    def percentile(self, percent: float) -> int:
        """The same, as a bucket tells it."""
        if not self.values:
            return 0
        exact = self.exact_percentile(percent)
        if percent == 0:
            return exact
        if exact >= GREATEST - 2**31:  # in the last bucket, which has no end
            return max(self.values)
        return min(highest_equivalent(exact), max(self.values))

    def buckets(self) -> list[tuple[int, int]]:
        counts: dict[int, int] = {}
        for value in self.values:
            key = highest_equivalent(value)
            counts[key] = counts.get(key, 0) + 1
        return sorted(counts.items())
