#include "core/log/digest_map.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "core/base/memory.h"

enum { FIRST_SLOTS = 1024 };

static const uint8_t free_slot[DIGEST_BYTES]; /* a digest of zeros does not occur */

struct digest digest_of(struct str a, struct str b) {
    struct digest digest;
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, sizeof digest.bytes);
    crypto_generichash_update(&state, (const uint8_t *)&a.len, sizeof a.len);
    crypto_generichash_update(&state, (const uint8_t *)a.data, a.len);
    crypto_generichash_update(&state, (const uint8_t *)b.data, b.len);
    crypto_generichash_final(&state, digest.bytes, sizeof digest.bytes);
    return digest;
}

void digest_map_init(struct digest_map *map, size_t value_bytes) {
    /* Values are read in place: keep them aligned as malloc's memory is. */
    size_t aligned = (value_bytes + 7) / 8 * 8;
    *map = (struct digest_map){.slot_bytes = DIGEST_BYTES + aligned};
}

void digest_map_release(struct digest_map *map) {
    free(map->slots);
    *map = (struct digest_map){.slot_bytes = map->slot_bytes};
}

/* Where the key is, or the free slot where it belongs. */
static uint8_t *slot_of(const struct digest_map *map, struct digest key) {
    uint64_t hash;
    memcpy(&hash, key.bytes, sizeof hash);
    for (size_t i = hash & (map->slot_count - 1);; i = (i + 1) & (map->slot_count - 1)) {
        uint8_t *slot = map->slots + i * map->slot_bytes;
        if (memcmp(slot, key.bytes, DIGEST_BYTES) == 0 || memcmp(slot, free_slot, DIGEST_BYTES) == 0) {
            return slot;
        }
    }
}

static void grow(struct digest_map *map) {
    struct digest_map old = *map;
    map->slot_count = old.slot_count == 0 ? FIRST_SLOTS : old.slot_count * 2;
    map->slots = calloc_or_end(map->slot_count, map->slot_bytes);
    for (size_t i = 0; i < old.slot_count; i++) {
        const uint8_t *slot = old.slots + i * old.slot_bytes;
        if (memcmp(slot, free_slot, DIGEST_BYTES) != 0) {
            struct digest key;
            memcpy(key.bytes, slot, sizeof key.bytes);
            memcpy(slot_of(map, key), slot, map->slot_bytes);
        }
    }
    free(old.slots);
}

void *digest_map_at(struct digest_map *map, struct digest key, bool *ret_new) {
    assert(memcmp(key.bytes, free_slot, DIGEST_BYTES) != 0);
    if (map->count >= map->slot_count / 4 * 3) {
        grow(map);
    }
    uint8_t *slot = slot_of(map, key);
    *ret_new = memcmp(slot, free_slot, DIGEST_BYTES) == 0;
    if (*ret_new) {
        memcpy(slot, key.bytes, DIGEST_BYTES);
        map->count++;
    }
    return slot + DIGEST_BYTES;
}
