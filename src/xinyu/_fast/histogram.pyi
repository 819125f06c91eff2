"""Durations, counted in log-linear buckets with three significant digits."""

from typing import final

@final
class Histogram:
    """Counts of values from 0 to 2**42 - 1 (ns: 73 minutes); greater ones are counted as the greatest. 264 KiB."""

    def record(self, value: int, count: int = 1) -> None:
        """Count a value, `count` times. OverflowError: negative or above 2**64 - 1."""
    def add(self, other: Histogram) -> None:
        """Add the counts of another one."""
    def copy(self) -> Histogram: ...
    def reset(self) -> None: ...
    def percentile(self, percent: float) -> int:
        """The least value that `percent` % of all do not exceed, at most 0.1 % too high; 0 when empty.

        ValueError: not between 0 and 100.
        """
    def __len__(self) -> int: ...
    @property
    def min(self) -> int:
        """The least value, exact; 0 when empty."""
    @property
    def max(self) -> int:
        """The greatest value, exact; 0 when empty."""
    @property
    def mean(self) -> float:
        """0.0 when empty."""
    def buckets(self) -> list[tuple[int, int]]:
        """[(highest value of the bucket, count)] of the buckets that are not empty, ascending."""
