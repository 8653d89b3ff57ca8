/* cache.h: the states of the streams a view met last, so that most batches need not ask PostgreSQL for them.
 *
 * Promise  least recently used go first. It holds only what was committed: whoever uses it clears it after any failure.
 * Bounds   max_bytes, of names, states and bookkeeping.
 * Memory   copies, malloc'ed.
 * Thread   one at a time.        May use: base.
 */
#pragma once

#include <stddef.h>

#include "core/base/str.h"

struct cached_stream;

struct state_cache {
    struct cached_stream **slots;
    size_t slot_count; /* a power of two */
    size_t count;
    size_t bytes;
    size_t max_bytes;
    struct cached_stream *newest, *oldest;
};

struct cached_stream {
    struct str name;
    int64_t hash;
    int64_t version;
    bool parked;
    struct str state;
    struct cached_stream *next_in_slot, *newer, *older;
};

void state_cache_init(struct state_cache *cache, size_t max_bytes);
void state_cache_clear(struct state_cache *cache);
void state_cache_release(struct state_cache *cache);

/* NULL when it is not there; valid until the next put. */
const struct cached_stream *state_cache_get(struct state_cache *cache, struct str name, int64_t hash);
void state_cache_put(struct state_cache *cache, struct str name, int64_t hash, int64_t version, bool parked,
                     struct str state);
