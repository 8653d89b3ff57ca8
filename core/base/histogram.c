#include "core/base/histogram.h"

#include <assert.h>

#define SUB_BUCKETS ((uint64_t)1 << HISTOGRAM_SUB_BITS)
#define VALUE_MOST (((uint64_t)1 << 40) - 1)

/* Below 64 each value has its own bucket; above, each power of two is cut into 64 of equal width. */
static size_t bucket_of(uint64_t value) {
    if (value < SUB_BUCKETS) {
        return (size_t)value;
    }
    int shift = 63 - __builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return (size_t)(((uint64_t)shift + 1) * SUB_BUCKETS + ((value >> shift) - SUB_BUCKETS));
}

/* The largest value of a bucket. */
static uint64_t bucket_top(size_t bucket) {
    if (bucket < SUB_BUCKETS) {
        return bucket;
    }
    uint64_t shift = bucket / SUB_BUCKETS - 1;
    return ((bucket % SUB_BUCKETS + SUB_BUCKETS + 1) << shift) - 1;
}

/* Relaxed atomics: no order is promised to a reader on another thread, only whole numbers. */
static uint64_t look(const uint64_t *count) {
    return __atomic_load_n(count, __ATOMIC_RELAXED);
}

static void add(uint64_t *count, uint64_t more) {
    __atomic_store_n(count, *count + more, __ATOMIC_RELAXED);
}

static void raise_to(uint64_t *largest, uint64_t value) {
    if (value > *largest) {
        __atomic_store_n(largest, value, __ATOMIC_RELAXED);
    }
}

void histogram_record(struct histogram *histogram, uint64_t value) {
    uint64_t counted = value > VALUE_MOST ? VALUE_MOST : value;
    add(&histogram->counts[bucket_of(counted)], 1);
    add(&histogram->total, 1);
    add(&histogram->sum, counted);
    raise_to(&histogram->largest, counted);
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        add(&into->counts[i], look(&from->counts[i]));
    }
    add(&into->total, look(&from->total));
    add(&into->sum, look(&from->sum));
    raise_to(&into->largest, look(&from->largest));
}

uint64_t histogram_at(const struct histogram *histogram, double share) {
    assert(share >= 0 && share <= 1);
    /* The total is counted here, because `total` may be a moment apart from the counts. */
    uint64_t total = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        total += look(&histogram->counts[i]);
    }
    double wanted = share * (double)total;
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t count = look(&histogram->counts[i]);
        seen += count;
        if (count > 0 && (double)seen >= wanted) {
            return bucket_top(i);
        }
    }
    return 0;
}
