/* outbox.h: what deciding a batch of commands brings out: records for its Kafka transaction, replies for after it.
 *
 * Purpose  the deciding part knows neither Kafka nor threads: it fills a batch, and whoever runs it (a worker, or the
 *          simulator) writes the records in one transaction, and sends the replies once that is known to be committed.
 * Memory   all texts live in the arena; outbox_clear forgets them.
 * Thread   one at a time.        May use: base, log.
 */
#pragma once

#include "core/base/array.h"
#include "core/log/record.h"
#include "core/log/topics.h"

/* What the arena keeps from one time that it is cleared to the next. */
#define OUTBOX_KEEP_BYTES ((size_t)64 * 1024 * 1024)

struct out_record {
    enum log_topic topic;
    int32_t partition;
    struct str key;
    struct str value;
    const struct log_header *headers;
    size_t header_count;
};

struct out_record_array {
    struct out_record *items;
    uint32_t count, capacity;
};

struct out_reply {
    int32_t partition;
    struct str instance; /* the record's key */
    struct str value;    /* an Outcome, framed */
    const struct log_header *headers;
    size_t header_count;
};

struct out_reply_array {
    struct out_reply *items;
    uint32_t count, capacity;
};

struct outbox {
    struct arena arena;
    struct out_record_array records;
    struct out_reply_array replies;
};

void outbox_init(struct outbox *outbox, size_t max_bytes);
void outbox_clear(struct outbox *outbox);

/* Forgets records and replies, but leaves their texts in the arena: what they changed is still in use. */
void outbox_next(struct outbox *outbox);

void outbox_release(struct outbox *outbox);

/* Texts and headers must live in the batch's arena. */
void outbox_record(struct outbox *outbox, const struct out_record *record);
void outbox_reply(struct outbox *outbox, const struct out_reply *reply);

/* The header traceparent alone, or none when it is empty; *ret_count says which. */
const struct log_header *outbox_trace_header(struct outbox *outbox, struct str traceparent, size_t *ret_count);

/* Where a record came from, for its dead letter. */
struct record_origin {
    enum log_topic topic;
    int32_t partition;
    int64_t offset; /* -1: it never was in the log */
    struct str key, value, traceparent;
};

/* Sets a record aside, with its coordinates and the reason as headers. A value that would not fit is left out. */
void outbox_dead_letter(struct outbox *outbox, const struct record_origin *origin, const char *topic_name,
                        struct str reason);
