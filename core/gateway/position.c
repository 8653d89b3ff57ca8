#include "core/gateway/position.h"

#include "core/base/text.h"

/* A pair is 8 bytes of hash and at most 10 of version. */
enum { POSITION_BYTES_MAX = POSITION_PAIRS_MAX * 18 };

bool position_header_read(struct str text, struct position *ret_position) {
    uint8_t bytes[POSITION_BYTES_MAX];
    int size = base64url_read(text, bytes, sizeof bytes);
    if (size <= 0) {
        return false;
    }
    struct position position = {0};
    int count = position_read(str_of((const char *)bytes, (size_t)size), position.pairs);
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

struct str position_header_write(struct arena *arena, struct str position_bytes) {
    struct buf text;
    buf_init(&text, 4 * POSITION_BYTES_MAX);
    base64url_write(&text, position_bytes);
    struct str copy = arena_str_copy(arena, buf_text(&text));
    buf_release(&text);
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
