#include "core/schema/avro_fields.h"

enum { ARRAY_ITEMS_MAX = INT32_MAX };

void *avro_array_room(struct avro_reader *reader, struct arena *arena, void *items, size_t item_bytes, uint32_t count,
                      uint32_t more, uint32_t *capacity) {
    if (more <= *capacity - count) {
        return items;
    }
    if (more > ARRAY_ITEMS_MAX - count) {
        avro_reader_fail(reader, "an array has too many items");
        return NULL;
    }
    /* Writers put an array into one block as a rule. Many small ones must not cost a copy each, hence the doubling. */
    uint32_t wanted = count + more;
    if (wanted < *capacity * 2) {
        wanted = *capacity * 2;
    }
    void *grown = arena_try(arena, wanted * item_bytes);
    if (grown == NULL) {
        avro_reader_fail(reader, "the arrays take more memory than is allowed");
        return NULL;
    }
    if (count > 0) {
        memcpy(grown, items, count * item_bytes);
    }
    *capacity = wanted;
    return grown;
}

bool avro_reader_finish(struct avro_reader *reader, const char **ret_why) {
    if (!reader->failed && reader->at != reader->end) {
        avro_reader_fail(reader, "bytes are left over at the end");
    }
    if (reader->failed) {
        *ret_why = reader->why;
    }
    return !reader->failed;
}
