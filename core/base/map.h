/* map.h: a hash map from text to pointers, in an arena.
 *
 * Promise  open addressing with a seeded hash (SipHash-1-3; the seed is drawn at process start), so an outsider who
 *          chooses the keys cannot make it slow. Iteration goes in the order of insertion.
 * Memory   entries and copies of the keys live in the arena; nothing is freed before it.
 * Bounds   2^31 entries.
 * Thread   the arena's.          May use: base.
 */
#pragma once

#include "core/base/arena.h"

struct map_entry {
    struct str key;
    void *value;
};

struct map {
    struct arena *arena;
    struct map_entry *entries; /* in the order of insertion */
    uint32_t count;
    uint32_t capacity;
    uint32_t *slots; /* index into entries + 1; 0 is free */
    uint32_t slot_count;
};

/* The seeded hash, for tables of other forms whose keys outsiders choose. */
uint64_t map_hash(struct str key);

void map_init(struct map *map, struct arena *arena);

/* The value under `key`, or NULL. */
void *map_get(const struct map *map, struct str key);

/* The place of the value under `key`, made (holding NULL) when it was not there; valid until the next map_at. */
void **map_at(struct map *map, struct str key);
