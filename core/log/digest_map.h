/* digest_map.h: a map from 16-byte digests to small values of one size, for walks over the whole log.
 *
 * Purpose  `daybook verify` remembers something of every stream, event and reservation of an installation; names as
 *          keys would cost more than what is remembered.
 * Promise  two names get one digest with a chance of 2^-128 a pair: it does not happen.
 * Memory   one table, doubled at three quarters full: 16 bytes and the value, 1.3 to 2.7 times (4 while it doubles).
 *          A failing malloc ends the process.
 * Thread   one at a time.        May use: base, libsodium.
 */
#pragma once

#include <stddef.h>

#include "core/base/str.h"

enum { DIGEST_BYTES = 16 };

struct digest {
    uint8_t bytes[DIGEST_BYTES];
};

/* Of the parts in their order; ("ab", "c") and ("a", "bc") differ. An empty `b` is a part like any other. */
struct digest digest_of(struct str a, struct str b);

struct digest_map {
    uint8_t *slots;
    size_t slot_bytes;
    size_t slot_count; /* a power of two, or 0 */
    size_t count;
};

void digest_map_init(struct digest_map *map, size_t value_bytes);
void digest_map_release(struct digest_map *map);

/* The value under `key`, zeroed when it was not there (which *ret_new says); valid until the next call. */
void *digest_map_at(struct digest_map *map, struct digest key, bool *ret_new);

static inline size_t digest_map_bytes(const struct digest_map *map) {
    return map->slot_count * map->slot_bytes;
}
