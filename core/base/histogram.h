/* histogram.h: latencies as counts in log-linear buckets: HDR-style percentiles with a known error.
 *
 * Promise  values 0 .. 2^40 - 1 (microseconds: 12 days) with a relative error below 1/64; larger ones count as the
 *          largest. Recording is one addition.
 * Thread   one writer; a reader may see counts a moment apart.   May use: libc.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_SUB_BITS = 6, HISTOGRAM_BUCKETS = (40 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS };

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total;
    uint64_t sum;
    uint64_t largest;
};

void histogram_record(struct histogram *histogram, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The smallest recorded value v such that at least `share` (0 to 1) of the values are <= v, rounded up to its bucket;
 * 0 when nothing was recorded. */
uint64_t histogram_at(const struct histogram *histogram, double share);
