#include "core/gateway/position.h"

#include <sodium.h>

#include "core/base/text.h"

/* A pair is 8 bytes of hash and at most 10 of version. */
enum { POSITION_BYTES_MAX = POSITION_PAIRS_MAX * 18 + POSITION_TAG_BYTES };

static void make_tag(const struct secret *secret, struct str position_bytes, uint8_t ret_hash[SECRET_HASH_BYTES]) {
    secret_hash(secret, "position", &position_bytes, 1, ret_hash);
}

bool position_header_read(const struct secret *secret, struct str text, struct position *ret_position) {
    uint8_t bytes[POSITION_BYTES_MAX];
    int size = base64url_read(text, bytes, sizeof bytes);
    if (size <= POSITION_TAG_BYTES) {
        return false;
    }
    struct str pairs = str_of((const char *)bytes, (size_t)size - POSITION_TAG_BYTES);
    uint8_t expected[SECRET_HASH_BYTES];
    make_tag(secret, pairs, expected);
    if (sodium_memcmp(bytes + pairs.len, expected, POSITION_TAG_BYTES) != 0) {
        return false;
    }
    struct position position = {0};
    int count = position_read(pairs, position.pairs);
    if (count <= 0) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (position.pairs[i].version < 1) {
            return false;
        }
    }
    position.count = (size_t)count;
    *ret_position = position;
    return true;
}

struct str position_header_write(struct arena *arena, const struct secret *secret, struct str position_bytes) {
    uint8_t hash[SECRET_HASH_BYTES];
    make_tag(secret, position_bytes, hash);
    struct buf tagged, text;
    buf_init(&tagged, 2 * POSITION_BYTES_MAX);
    buf_init(&text, 4 * POSITION_BYTES_MAX);
    buf_str(&tagged, position_bytes);
    buf_bytes(&tagged, (const char *)hash, POSITION_TAG_BYTES);
    base64url_write(&text, buf_text(&tagged));
    buf_release(&tagged);
    struct str copy = arena_str_copy(arena, buf_text(&text));
    buf_release(&text);
    return copy;
}

struct str position_after(struct arena *arena, struct str position_bytes, const struct position *seen) {
    struct position position = {0};
    int count = seen->count > 0 ? position_read(position_bytes, position.pairs) : -1;
    if (count < 0) {
        return position_bytes; /* nothing to keep, or nothing to add it to */
    }
    position.count = (size_t)count;
    for (size_t i = 0; i < seen->count; i++) {
        position_add(&position, seen->pairs[i].hash, seen->pairs[i].version);
    }
    struct buf bytes;
    buf_init(&bytes, POSITION_BYTES_MAX);
    for (size_t i = 0; i < position.count; i++) {
        position_write(&bytes, position.pairs[i].hash, position.pairs[i].version);
    }
    struct str copy = arena_str_copy(arena, buf_text(&bytes));
    buf_release(&bytes);
    return copy;
}

void position_add(struct position *position, uint64_t hash, int64_t version) {
    for (size_t i = 0; i < position->count; i++) {
        if (position->pairs[i].hash == hash) {
            if (position->pairs[i].version < version) {
                position->pairs[i].version = version;
            }
            return;
        }
    }
    if (position->count < POSITION_PAIRS_MAX) {
        position->pairs[position->count++] = (struct position_pair){.hash = hash, .version = version};
    }
}

bool position_names(const struct position *position, enum log_topic topic) {
    for (size_t i = 0; i < position->count; i++) {
        if (stream_hash_topic(position->pairs[i].hash) == topic) {
            return true;
        }
    }
    return false;
}
