/* lru.h: a bounded cache of named values, of which the least recently used go first.
 *
 * Bounds   max_bytes, of names, values and bookkeeping.
 * Memory   copies, malloc'ed; out of memory ends the process.
 * Thread   one at a time.        May use: base.
 */
#pragma once

#include <stddef.h>

#include "core/base/str.h"

struct lru_entry {
    struct str name;
    int64_t hash; /* of the name: the caller's, who has it already */
    struct str value;
    int64_t version, mark; /* the caller's own */
    struct lru_entry *next_in_slot, *newer, *older;
};

struct lru {
    struct lru_entry **slots;
    size_t slot_count; /* a power of two */
    size_t count;
    size_t bytes;
    size_t max_bytes;
    struct lru_entry *newest, *oldest;
};

void lru_init(struct lru *lru, size_t max_bytes);
void lru_clear(struct lru *lru);
void lru_release(struct lru *lru);

/* NULL when it is not there; valid until the next put, drop or clear. */
const struct lru_entry *lru_get(struct lru *lru, struct str name, int64_t hash);

/* In the place of what had the name before. Only the first five members count; what is larger than the cache is not
 * kept. */
void lru_put(struct lru *lru, const struct lru_entry *entry);

/* All with this hash; mostly one or none. */
void lru_drop(struct lru *lru, int64_t hash);
