#include "core/base/map.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { MAP_FIRST_SLOTS = 16 };

static uint64_t hash_seed[2];

__attribute__((constructor)) static void draw_seed(void) {
    if (getrandom(hash_seed, sizeof hash_seed, 0) != (ssize_t)sizeof hash_seed) {
        fputs("daybook: the system gives no random bytes\n", stderr);
        exit(EXIT_FAILURE);
    }
}

static uint64_t rotate_left(uint64_t value, int bits) {
    return value << bits | value >> (64 - bits);
}

static void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[3];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[2] = rotate_left(v[2], 32);
}

/* SipHash-1-3: one round a word, three at the end (Aumasson and Bernstein, 2012; the variant that Rust and Ruby
 * use for their hash tables). */
uint64_t map_hash(struct str key) {
    uint64_t v[4] = {hash_seed[0] ^ 0x736f6d6570736575U, hash_seed[1] ^ 0x646f72616e646f6dU,
                     hash_seed[0] ^ 0x6c7967656e657261U, hash_seed[1] ^ 0x7465646279746573U};
    uint32_t at = 0;
    for (; at + 8 <= key.len; at += 8) {
        uint64_t word;
        memcpy(&word, key.data + at, sizeof word);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)key.len << 56;
    if (at < key.len) {
        uint64_t rest = 0;
        memcpy(&rest, key.data + at, key.len - at);
        last |= rest;
    }
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The slot that holds `key`, or the free one where it would go. There is always a free one. */
static uint32_t slot_of(const struct map *map, struct str key) {
    uint32_t mask = map->slot_count - 1;
    uint32_t slot = (uint32_t)map_hash(key) & mask;
    while (map->slots[slot] != 0 && !str_equal(map->entries[map->slots[slot] - 1].key, key)) {
        slot = (slot + 1) & mask;
    }
    return slot;
}

/* Twice the slots, so that at most half of them are taken; the entries keep their order. */
static void grow(struct map *map) {
    assert(map->slot_count <= UINT32_MAX / 2);
    uint32_t slot_count = map->slot_count == 0 ? MAP_FIRST_SLOTS : map->slot_count * 2;
    uint32_t capacity = slot_count / 2;
    struct map_entry *entries = arena_alloc(map->arena, capacity * sizeof *entries);
    if (map->count > 0) {
        memcpy(entries, map->entries, map->count * sizeof *entries);
    }
    map->entries = entries;
    map->capacity = capacity;
    map->slots = arena_alloc(map->arena, slot_count * sizeof *map->slots);
    map->slot_count = slot_count;
    for (uint32_t i = 0; i < map->count; i++) {
        map->slots[slot_of(map, entries[i].key)] = i + 1;
    }
}

void map_init(struct map *map, struct arena *arena) {
    *map = (struct map){.arena = arena};
}

void *map_get(const struct map *map, struct str key) {
    if (map->count == 0) {
        return NULL;
    }
    uint32_t index = map->slots[slot_of(map, key)];
    return index == 0 ? NULL : map->entries[index - 1].value;
}

void **map_at(struct map *map, struct str key) {
    if (map->count == map->capacity) {
        grow(map);
    }
    uint32_t slot = slot_of(map, key);
    if (map->slots[slot] == 0) {
        map->entries[map->count++] = (struct map_entry){.key = arena_str_copy(map->arena, key)};
        map->slots[slot] = map->count;
    }
    return &map->entries[map->slots[slot] - 1].value;
}
