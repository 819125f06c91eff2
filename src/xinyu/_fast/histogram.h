/* A histogram of durations with a bounded relative error, after HdrHistogram's layout: log-linear buckets.
 *
 * Values below 2048 have a bucket each. Above, every power of two is cut into 1024 equal buckets, so that a bucket is at
 * most 1/1024 of its values wide: three significant digits over the whole range. Recording is a count of leading zeros,
 * a shift and an increment. Values are nanoseconds here, but nothing depends on it. Those above HISTOGRAM_MAX are
 * counted in the last bucket; `max` stays exact.
 *
 * Counts of two histograms add up, because all have the same buckets.
 */
#ifndef XINYU_HISTOGRAM_H
#define XINYU_HISTOGRAM_H

#include <stdint.h>
#include <string.h>

#define HISTOGRAM_HALF_BITS 10 /* 1024 buckets a power of two */
#define HISTOGRAM_MAX_BITS 42  /* 2^42 ns are 73 minutes */
#define HISTOGRAM_MAX ((UINT64_C(1) << HISTOGRAM_MAX_BITS) - 1)
#define HISTOGRAM_BUCKETS (((HISTOGRAM_MAX_BITS - HISTOGRAM_HALF_BITS) + 1) << HISTOGRAM_HALF_BITS)

typedef struct histogram {
    uint64_t total;
    uint64_t sum;
    uint64_t min; /* UINT64_MAX while empty */
    uint64_t max;
    uint64_t counts[HISTOGRAM_BUCKETS];
} histogram;

static inline void histogram_reset(histogram *h) {
    memset(h, 0, sizeof *h);
    h->min = UINT64_MAX;
}

/* Which bucket a value lies in. */
static inline uint32_t histogram_bucket(uint64_t value) {
    if (value > HISTOGRAM_MAX)
        value = HISTOGRAM_MAX;
    if (value >> (HISTOGRAM_HALF_BITS + 1) == 0)
        return (uint32_t)value;
    int shift = 63 - __builtin_clzll(value) - HISTOGRAM_HALF_BITS;
    return ((uint32_t)shift << HISTOGRAM_HALF_BITS) + (uint32_t)(value >> shift);
}

/* The highest value that lies in a bucket. */
static inline uint64_t histogram_highest(uint32_t bucket) {
    if (bucket >> (HISTOGRAM_HALF_BITS + 1) == 0)
        return bucket;
    int shift = (int)(bucket >> HISTOGRAM_HALF_BITS) - 1;
    uint64_t sub = (bucket & ((1u << HISTOGRAM_HALF_BITS) - 1)) + (1u << HISTOGRAM_HALF_BITS);
    return ((sub + 1) << shift) - 1;
}

static inline void histogram_record(histogram *h, uint64_t value, uint64_t count) {
    h->counts[histogram_bucket(value)] += count;
    h->total += count;
    h->sum += value * count;
    if (value < h->min)
        h->min = value;
    if (value > h->max)
        h->max = value;
}

static inline void histogram_add(histogram *into, const histogram *from) {
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->counts[i] += from->counts[i];
    into->total += from->total;
    into->sum += from->sum;
    if (from->min < into->min)
        into->min = from->min;
    if (from->max > into->max)
        into->max = from->max;
}

/* The value that `rank` of all values do not exceed, rank from 1 to total: its bucket's highest, no more than max. */
static inline uint64_t histogram_at_rank(const histogram *h, uint64_t rank) {
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        if (seen >= rank) {
            uint64_t highest = histogram_highest(i);
            return highest < h->max && i != HISTOGRAM_BUCKETS - 1 ? highest : h->max;
        }
    }
    return h->max;
}

#endif
