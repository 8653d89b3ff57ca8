/* producer.h: sending single records outside transactions: commands from the front and the connector, replies.
 *
 * Promise  acks=all and idempotent, so a record is appended once and in order. `on_delivered` is called exactly
 *          once a record, from the thread that polls (log_producer_thread runs one of its own), with ERR_NONE or
 *          why not. librdkafka's fatal errors (a broker lost the end of its log) are overcome: within about a second
 *          another client takes the place of the one that failed; what that one held is told as not appended or in
 *          doubt, and until then log_producer_send answers a retriable ERR_KAFKA.
 * Bounds   queue_max_records and queue_max_bytes; past them log_producer_send answers ERR_TOO_LARGE, retriable, or
 *          on_delivered is told so where the record was gathered: shed load. GATHERED_MAX records are gathered.
 * Memory   key, value and headers are copied.
 * Thread   any.          May use: base.
 */
#pragma once

#include "core/base/err.h"
#include "core/base/str.h"

#include <stddef.h>
#include <stdint.h>

struct log_producer;

enum { GATHERED_MAX = 4096 };

struct log_header {
    const char *name;
    struct str value;
};

/* ERR_IN_DOUBT: the time ran out with a request on its way, the record may yet stand in the log; ERR_TIMEOUT: it was
 * never sent. `info` is lent for the call. */
typedef void log_delivered_cb(void *context, enum err result, const struct err_info *info);

struct log_producer_options {
    const char *brokers;
    const char *client_id;
    int linger_ms;
    int gather_ms;           /* for so long records wait for others where many come (pace.h); 0: they never do */
    int delivery_timeout_ms; /* after it, on_delivered is told */
    int queue_max_records;   /* 0: 100,000 */
    int64_t queue_max_bytes; /* 0: 64 MiB */
};

MUST_CHECK enum err log_producer_open(const struct log_producer_options *options, struct log_producer **ret_producer,
                                      struct err_info *info);
/* Waits up to timeout_ms for what is queued, then drops the rest (their on_delivered are told). */
void log_producer_close(struct log_producer *producer, int timeout_ms);

MUST_CHECK enum err log_producer_send(struct log_producer *producer, const char *topic, int32_t partition,
                                      struct str key, struct str value, const struct log_header *headers,
                                      size_t header_count, log_delivered_cb *on_delivered, void *context,
                                      struct err_info *info);
