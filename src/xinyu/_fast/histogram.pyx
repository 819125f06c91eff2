"""Durations, counted in log-linear buckets with three significant digits (histogram.h)."""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free, malloc

cimport cython

import math


@cython.final
cdef class Histogram:
    """Counts of values from 0 to 2**42 - 1 (ns: 73 minutes); greater ones are counted as the greatest. 264 KiB."""

    def __cinit__(self):
        self.values = <histogram *>malloc(sizeof(histogram))
        if self.values == NULL:
            raise MemoryError
        histogram_reset(self.values)

    def __dealloc__(self):
        free(self.values)

    def record(self, uint64_t value, uint64_t count=1):
        """Count a value, `count` times. OverflowError: negative or above 2**64 - 1."""
        if count:
            histogram_record(self.values, value, count)

    def add(self, Histogram other not None):
        """Add the counts of another one."""
        histogram_add(self.values, other.values)

    def copy(self):
        cdef Histogram copy = Histogram()
        histogram_add(copy.values, self.values)
        return copy

    def reset(self):
        histogram_reset(self.values)

    def percentile(self, double percent):
        """The least value that `percent` % of all do not exceed, at most 0.1 % too high; 0 when empty.

        ValueError: not between 0 and 100.
        """
        cdef double rank
        if not 0 <= percent <= 100:
            raise ValueError(f"a percentile lies between 0 and 100, not at {percent!r}")
        if self.values.total == 0:
            return 0
        if percent == 0:
            return self.values.min
        # 99.9 % of 1000 are 999, also where the product of the two numbers is 999.0000000000001.
        rank = math.ceil(percent * self.values.total / 100.0 * (1.0 - 1e-12))
        return histogram_at_rank(self.values, <uint64_t>max(1.0, rank))

    def __len__(self):
        return self.values.total

    @property
    def min(self):
        """The least value, exact; 0 when empty."""
        return self.values.min if self.values.total else 0

    @property
    def max(self):
        """The greatest value, exact; 0 when empty."""
        return self.values.max

    @property
    def mean(self):
        """0.0 when empty."""
        return <double>self.values.sum / <double>self.values.total if self.values.total else 0.0

    def buckets(self):
        """[(highest value of the bucket, count)] of the buckets that are not empty, ascending."""
        cdef uint32_t i
        cdef list found = []
        for i in range(HISTOGRAM_BUCKETS):
            if self.values.counts[i]:
                found.append((histogram_highest(i), self.values.counts[i]))
        return found
