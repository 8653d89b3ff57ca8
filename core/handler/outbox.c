#include "core/handler/outbox.h"

#include <inttypes.h>

enum { DEAD_LETTER_HEADERS_MAX = 6 };

void outbox_init(struct outbox *outbox, size_t max_bytes) {
    *outbox = (struct outbox){0};
    arena_init(&outbox->arena, max_bytes);
    arena_keep(&outbox->arena, OUTBOX_KEEP_BYTES);
}

void outbox_clear(struct outbox *outbox) {
    arena_reset(&outbox->arena);
    outbox_next(outbox);
}

void outbox_next(struct outbox *outbox) {
    outbox->records = (struct out_record_array){0};
    outbox->replies = (struct out_reply_array){0};
}

void outbox_release(struct outbox *outbox) {
    arena_release(&outbox->arena);
}

void outbox_record(struct outbox *outbox, const struct out_record *record) {
    *ARRAY_PUSH(&outbox->arena, &outbox->records) = *record;
}

void outbox_reply(struct outbox *outbox, const struct out_reply *reply) {
    *ARRAY_PUSH(&outbox->arena, &outbox->replies) = *reply;
}

const struct log_header *outbox_trace_header(struct outbox *outbox, struct str traceparent, size_t *ret_count) {
    *ret_count = str_is_empty(traceparent) ? 0 : 1;
    if (*ret_count == 0) {
        return NULL;
    }
    struct log_header *header = arena_alloc(&outbox->arena, sizeof *header);
    *header = (struct log_header){"traceparent", traceparent};
    return header;
}

void outbox_dead_letter(struct outbox *outbox, const struct record_origin *origin, const char *topic_name,
                        struct str reason) {
    struct arena *arena = &outbox->arena;
    struct log_header *headers = arena_alloc(arena, DEAD_LETTER_HEADERS_MAX * sizeof *headers);
    size_t count = 0;
    headers[count++] = (struct log_header){"daybook_topic", arena_printf(arena, "%s", topic_name)};
    headers[count++] = (struct log_header){"daybook_partition", arena_printf(arena, "%" PRId32, origin->partition)};
    headers[count++] = (struct log_header){"daybook_offset", arena_printf(arena, "%" PRId64, origin->offset)};
    headers[count++] = (struct log_header){"daybook_reason", arena_str_copy(arena, reason)};
    if (!str_is_empty(origin->traceparent)) {
        headers[count++] = (struct log_header){"traceparent", arena_str_copy(arena, origin->traceparent)};
    }
    bool fits = origin->value.len <= RECORD_MAX_BYTES;
    if (!fits) {
        headers[count++] =
            (struct log_header){"daybook_value_bytes", arena_printf(arena, "%" PRIu32, origin->value.len)};
    }
    outbox_record(outbox, &(struct out_record){
                              .topic = TOPIC_DEAD_LETTERS,
                              .partition = origin->partition,
                              .key = arena_str_copy(arena, origin->key),
                              .value = fits ? arena_str_copy(arena, origin->value) : (struct str){0},
                              .headers = headers,
                              .header_count = count,
                          });
}
