#include "core/log/stream_hash.h"

#include <assert.h>
#include <sodium.h>

enum {
    TOPIC_SHIFT = 60,
    HASH_BYTES = 8,
    VERSION_BYTES_MAX = 9, /* 63 bits, 7 a byte */
};

static_assert(TOPIC_COUNT - TOPIC_FIRST_EVENTS <= 16, "an event topic's index must fit in 4 bits");

uint64_t stream_hash(struct str stream, enum log_topic topic) {
    assert(topic >= TOPIC_FIRST_EVENTS && topic < TOPIC_COUNT);
    uint8_t digest[32];
    crypto_generichash(digest, sizeof digest, (const unsigned char *)stream.data, stream.len, NULL, 0);
    uint64_t hash = 0;
    for (size_t i = sizeof digest - HASH_BYTES; i < sizeof digest; i++) {
        hash = hash << 8 | digest[i];
    }
    uint64_t low = hash & (((uint64_t)1 << TOPIC_SHIFT) - 1);
    return low | (uint64_t)(topic - TOPIC_FIRST_EVENTS) << TOPIC_SHIFT;
}

enum log_topic stream_hash_topic(uint64_t hash) {
    enum log_topic topic = (enum log_topic)(hash >> TOPIC_SHIFT) + TOPIC_FIRST_EVENTS;
    return topic < TOPIC_COUNT ? topic : TOPIC_COUNT;
}

void position_write(struct buf *out, uint64_t hash, int64_t version) {
    assert(version >= 0);
    for (int shift = 56; shift >= 0; shift -= 8) {
        buf_byte(out, (char)(uint8_t)(hash >> shift));
    }
    uint64_t left = (uint64_t)version;
    while (left >= 0x80) {
        buf_byte(out, (char)(uint8_t)(left | 0x80));
        left >>= 7;
    }
    buf_byte(out, (char)left);
}

/* One pair from the start of `bytes`; the number of bytes it took, 0 when it is not one. */
static size_t pair_read(struct str bytes, struct position_pair *ret_pair) {
    if (bytes.len < HASH_BYTES) {
        return 0;
    }
    const uint8_t *at = (const uint8_t *)bytes.data;
    uint64_t hash = 0;
    for (size_t i = 0; i < HASH_BYTES; i++) {
        hash = hash << 8 | at[i];
    }
    uint64_t version = 0;
    for (size_t i = 0; i < VERSION_BYTES_MAX && HASH_BYTES + i < bytes.len; i++) {
        uint8_t byte = at[HASH_BYTES + i];
        version |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            /* A last byte of zero (but for the number 0) would be a second text of the same number. */
            if (byte == 0 && i > 0) {
                return 0;
            }
            *ret_pair = (struct position_pair){.hash = hash, .version = (int64_t)version};
            return HASH_BYTES + i + 1;
        }
    }
    return 0;
}

int position_read(struct str bytes, struct position_pair ret_pairs[POSITION_PAIRS_MAX]) {
    int count = 0;
    while (bytes.len > 0) {
        struct position_pair pair;
        size_t taken = pair_read(bytes, &pair);
        if (taken == 0 || count == POSITION_PAIRS_MAX) {
            return -1;
        }
        ret_pairs[count++] = pair;
        bytes = str_from(bytes, (uint32_t)taken);
    }
    return count;
}
