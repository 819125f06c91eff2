"""Which message numbers of a talk a device holds: a set of integers, kept as disjoint ranges.

A device that was away holds a long history as one range and each gap as the space between two, so the cost goes by
the number of gaps, not of messages: membership is O(log ranges), `add` and `remove` O(ranges touched) plus a list
move. Invariant: `_low` and `_high` are of equal length and ascending, `_low[i] <= _high[i]`, and neighbours never
touch (`_high[i] + 1 < _low[i + 1]`), so that equal sets have equal lists.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class RangeSet:
    """A set of integers as disjoint inclusive ranges. Two sets are equal when they hold the same numbers."""

    __slots__ = ("_high", "_low")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._low: list[int] = []
        self._high: list[int] = []
        for low, high in ranges:
            self.add(low, high)

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int):
            return False
        at = bisect_right(self._low, number) - 1
        return at >= 0 and number <= self._high[at]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The ranges (from, to), ascending."""
        return zip(self._low, self._high, strict=True)

    def count(self) -> int:
        """How many numbers are in the set. (Not `__len__`: `list` would reserve room for as many ranges.)"""
        return sum(self._high) - sum(self._low) + len(self._low)

    def __bool__(self) -> bool:
        return bool(self._low)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RangeSet) and self._low == other._low and self._high == other._high

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"RangeSet({list(self)})"

    def add(self, low: int, high: int) -> None:
        """Put the numbers from `low` to `high`, both included, into the set; nothing when low > high."""
        if low > high:
            return
        first = bisect_left(self._high, low - 1)  # the first range that touches or follows
        after = bisect_right(self._low, high + 1)  # the first one that lies wholly behind
        if first < after:
            low = min(low, self._low[first])
            high = max(high, self._high[after - 1])
        self._low[first:after] = [low]
        self._high[first:after] = [high]

    def remove(self, low: int, high: int) -> None:
        """Take the numbers from `low` to `high`, both included, out of the set."""
        if low > high:
            return
        first = bisect_left(self._high, low)
        after = bisect_right(self._low, high)
        if first >= after:
            return
        lows, highs = [], []
        if self._low[first] < low:
            lows.append(self._low[first])
            highs.append(low - 1)
        if self._high[after - 1] > high:
            lows.append(high + 1)
            highs.append(self._high[after - 1])
        self._low[first:after] = lows
        self._high[first:after] = highs

    def cut_below(self, low: int) -> None:
        """Forget every number below `low`."""
        if self._low and self._low[0] < low:
            self.remove(self._low[0], low - 1)

    def clear(self) -> None:
        self._low.clear()
        self._high.clear()

    def missing(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        """The gaps within [low, high]: ranges of numbers that are not in the set, the highest first."""
        at = bisect_right(self._low, high) - 1
        while high >= low:
            if at < 0 or self._high[at] < low:
                yield low, high
                return
            if self._high[at] < high:
                yield self._high[at] + 1, high
            high = self._low[at] - 1
            at -= 1
