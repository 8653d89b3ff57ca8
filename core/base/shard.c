#include "core/base/shard.h"

#include <assert.h>

static uint32_t little_endian_32(const unsigned char *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

struct str shard_key(struct str stream) {
    uint32_t underscore = str_find(stream, '_');
    struct str key = str_from(stream, underscore == stream.len ? 0 : underscore + 1);
    return str_starts_with(stream, STR("sku_")) ? key : str_first(key, str_find(key, '.'));
}

/* Austin Appleby's MurmurHash2 with the seed that Kafka's Java client uses. */
uint32_t murmur2(struct str key) {
    const uint32_t seed = 0x9747b28c;
    const uint32_t multiplier = 0x5bd1e995;
    const unsigned char *bytes = (const unsigned char *)key.data;
    uint32_t whole = key.len & ~3u;
    uint32_t hash = seed ^ key.len;

    for (uint32_t i = 0; i < whole; i += 4) {
        uint32_t word = little_endian_32(bytes + i) * multiplier;
        word = (word ^ word >> 24) * multiplier;
        hash = hash * multiplier ^ word;
    }
    if (key.len > whole) {
        uint32_t tail = 0;
        for (uint32_t i = key.len; i > whole; i--) {
            tail = tail << 8 | bytes[i - 1];
        }
        hash = (hash ^ tail) * multiplier;
    }
    hash = (hash ^ hash >> 13) * multiplier;
    return hash ^ hash >> 15;
}

int32_t shard_of_key(struct str key, uint32_t shard_count) {
    assert(shard_count > 0 && shard_count <= INT32_MAX);
    return (int32_t)((murmur2(key) & 0x7fffffff) % shard_count);
}

int32_t shard_of_stream(struct str stream, uint32_t shard_count) {
    return shard_of_key(shard_key(stream), shard_count);
}
