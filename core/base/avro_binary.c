#include "core/base/avro_binary.h"

#include <assert.h>

#include "core/base/text.h"

enum { VARINT_BYTES_MAX = 10 };

void avro_write_long(struct buf *out, int64_t value) {
    uint64_t left = (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
    char *at = buf_reserve(out, VARINT_BYTES_MAX);
    if (at == NULL) {
        return;
    }
    size_t written = 0;
    while (left >= 0x80) {
        at[written++] = (char)(left | 0x80);
        left >>= 7;
    }
    at[written++] = (char)left;
    out->len += written;
}

void avro_write_boolean(struct buf *out, bool value) {
    buf_byte(out, value ? 1 : 0);
}

void avro_write_bytes(struct buf *out, struct str bytes) {
    avro_write_long(out, bytes.len);
    buf_str(out, bytes);
}

void avro_write_fixed(struct buf *out, const void *bytes, size_t size) {
    buf_bytes(out, bytes, size);
}

void avro_reader_fail(struct avro_reader *reader, const char *why) {
    if (!reader->failed) {
        reader->failed = true;
        reader->why = why;
    }
    reader->at = reader->end; /* so that every later read finds nothing */
}

static size_t bytes_left(const struct avro_reader *reader) {
    return (size_t)(reader->end - reader->at);
}

int64_t avro_read_long(struct avro_reader *reader) {
    uint64_t zigzag = 0;
    for (int shift = 0; shift < VARINT_BYTES_MAX * 7; shift += 7) {
        if (reader->at == reader->end) {
            avro_reader_fail(reader, "a number is cut off");
            return 0;
        }
        uint8_t byte = *reader->at++;
        /* Nine bytes hold 63 bits: the tenth has one to give. */
        if (shift == 63 && byte > 1) {
            break;
        }
        zigzag |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return (int64_t)(zigzag >> 1 ^ (0 - (zigzag & 1)));
        }
    }
    avro_reader_fail(reader, "a number does not fit into 64 bits");
    return 0;
}

int32_t avro_read_int(struct avro_reader *reader) {
    int64_t value = avro_read_long(reader);
    if (value < INT32_MIN || value > INT32_MAX) {
        avro_reader_fail(reader, "a number does not fit into 32 bits");
        return 0;
    }
    return (int32_t)value;
}

bool avro_read_boolean(struct avro_reader *reader) {
    if (reader->at == reader->end || *reader->at > 1) {
        avro_reader_fail(reader, "a boolean is neither 0 nor 1");
        return false;
    }
    return *reader->at++ == 1;
}

struct str avro_read_bytes(struct avro_reader *reader) {
    int64_t len = avro_read_long(reader);
    if (len < 0 || (uint64_t)len > bytes_left(reader) || len > UINT32_MAX) {
        avro_reader_fail(reader, "a length is larger than what follows it");
        return str_of(NULL, 0);
    }
    struct str bytes = str_of((const char *)reader->at, (size_t)len);
    reader->at += len;
    return bytes;
}

struct str avro_read_string(struct avro_reader *reader) {
    struct str text = avro_read_bytes(reader);
    if (!utf8_is_valid(text)) {
        avro_reader_fail(reader, "a string is not UTF-8");
        return str_of(NULL, 0);
    }
    return text;
}

void avro_read_fixed(struct avro_reader *reader, void *ret_bytes, size_t size) {
    if (size > bytes_left(reader)) {
        avro_reader_fail(reader, "fixed bytes are cut off");
        memset(ret_bytes, 0, size);
        return;
    }
    memcpy(ret_bytes, reader->at, size);
    reader->at += size;
}

uint32_t avro_read_block(struct avro_reader *reader, uint32_t item_min_bytes) {
    assert(item_min_bytes > 0);
    int64_t count = avro_read_long(reader);
    if (count < 0) {
        int64_t size = avro_read_long(reader);
        if (count == INT64_MIN || size < 0 || (uint64_t)size > bytes_left(reader)) {
            avro_reader_fail(reader, "a block's size is larger than what follows it");
            return 0;
        }
        count = -count;
    }
    if ((uint64_t)count > bytes_left(reader) / item_min_bytes || count > UINT32_MAX) {
        avro_reader_fail(reader, "a block has more items than what follows could hold");
        return 0;
    }
    return (uint32_t)count;
}
