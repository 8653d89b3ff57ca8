/* avro_fields.h: what generated Avro codecs need beside the primitive encodings of core/base/avro_binary.h.
 *
 * Promise  as there: nothing is read past the end, and a count is checked before memory is taken for it.
 * Memory   arrays grow in the arena, which bounds them; a grown one leaves its old place behind.
 * Thread   one at a time.        May use: base.
 */
#pragma once

#include "core/base/avro_binary.h"

/* The branch of a union of null and one type: whether the value is there. */
static inline bool avro_read_optional(struct avro_reader *reader) {
    int64_t branch = avro_read_long(reader);
    if (branch != 0 && branch != 1) {
        avro_reader_fail(reader, "a union has no such branch");
    }
    return branch == 1;
}

/* An enum's symbol, as its index below `symbol_count`. */
static inline uint32_t avro_read_symbol(struct avro_reader *reader, uint32_t symbol_count) {
    int64_t index = avro_read_long(reader);
    if (index < 0 || index >= symbol_count) {
        avro_reader_fail(reader, "an enum has no such symbol");
        return 0;
    }
    return (uint32_t)index;
}

/* A timestamp-micros of the years 1970 to 9999, which is what core/base/timestamp.h can write: a record from a broken
 * writer must not end whoever shows its time. */
static inline int64_t avro_read_time(struct avro_reader *reader) {
    int64_t time_us = avro_read_long(reader);
    if (time_us < 0 || time_us > INT64_C(253402300799999999)) {
        avro_reader_fail(reader, "a time is not of the years 1970 to 9999");
        return 0;
    }
    return time_us;
}

/* Room for `more` items behind `count` of them: where the items are now, and the capacity. NULL when the arena is
 * full, or there would be more than 2^31 of them; the reader has failed then. */
void *avro_array_room(struct avro_reader *reader, struct arena *arena, void *items, size_t item_bytes, uint32_t count,
                      uint32_t more, uint32_t *capacity);

/* Whether all was read, and nothing is left over; *ret_why is set when it was not so. */
MUST_CHECK bool avro_reader_finish(struct avro_reader *reader, const char **ret_why);
