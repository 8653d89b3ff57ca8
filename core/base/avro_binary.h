/* avro_binary.h: the primitive encodings of Avro binary, for the generated codecs.
 *
 * Source   Apache Avro specification 1.11, "Binary Encoding": zig-zag variable-length int and long, length-prefixed
 *          string and bytes, arrays in blocks (a negative count is followed by the block's size in bytes).
 * Promise  reading never passes the end, never trusts a length before checking it against what is left, and refuses
 *          variable-length integers of more than 10 bytes. After the first failure every read answers zero and
 *          `failed` stays set, so a generated decoder checks once at its end.
 * Thread   one at a time.        May use: base.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/buf.h"

struct avro_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
    const char *why; /* set with failed: what was wrong, a literal */
};

static inline struct avro_reader avro_reader_of(struct str bytes) {
    const uint8_t *start = (const uint8_t *)bytes.data;
    return (struct avro_reader){.at = start, .end = start + bytes.len};
}

void avro_write_long(struct buf *out, int64_t value); /* also int */
void avro_write_boolean(struct buf *out, bool value);
void avro_write_bytes(struct buf *out, struct str bytes); /* also string */
void avro_write_fixed(struct buf *out, const void *bytes, size_t size);

int64_t avro_read_long(struct avro_reader *reader);
int32_t avro_read_int(struct avro_reader *reader);  /* fails when it does not fit */
bool avro_read_boolean(struct avro_reader *reader); /* fails unless 0 or 1 */
/* A view into the reader's bytes: copy it when it must outlive them. */
struct str avro_read_bytes(struct avro_reader *reader);
struct str avro_read_string(struct avro_reader *reader); /* fails unless UTF-8 */
void avro_read_fixed(struct avro_reader *reader, void *ret_bytes, size_t size);
/* The next block's item count (0 ends the array); fails when it is larger than what is left could hold at
 * `item_min_bytes` (at least 1) each. */
uint32_t avro_read_block(struct avro_reader *reader, uint32_t item_min_bytes);
void avro_reader_fail(struct avro_reader *reader, const char *why);
