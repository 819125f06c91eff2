# The histogram for other extensions: they record through the C struct, and Python reads through the class.

from libc.stdint cimport uint32_t, uint64_t


cdef extern from "histogram.h" nogil:
    const uint32_t HISTOGRAM_BUCKETS
    const uint64_t HISTOGRAM_MAX
    ctypedef struct histogram:
        uint64_t total
        uint64_t sum
        uint64_t min
        uint64_t max
        uint64_t *counts
    void histogram_reset(histogram *h)
    uint32_t histogram_bucket(uint64_t value)
    uint64_t histogram_highest(uint32_t bucket)
    void histogram_record(histogram *h, uint64_t value, uint64_t count)
    void histogram_add(histogram *into, const histogram *source)
    uint64_t histogram_at_rank(const histogram *h, uint64_t rank)


cdef class Histogram:
    cdef histogram *values
