/* reader.h: reading partitions of the log, from given offsets, in the order of their offsets.
 *
 * Purpose  takeover, projections, replies, `replay` and `verify` all read the same way: they know which offsets they
 *          want and say so. No consumer group moves partitions about here: where one shares work out, its member reads
 *          by itself (core/handler/group.c the commands, core/connect/connector.c the payments).
 * Promise  read_committed shows only committed records; end-of-partition is told with the offset up to which there
 *          is nothing more to see, which passes trailing transaction markers that a position never passes.
 *          watermark_high is that of a read_uncommitted handle: on a read_committed one librdkafka answers the last
 *          stable offset, and restoring only up to that would skip committed events (KAFKA-10167).
 * Memory   records are lent until the next log_reader_poll or close.
 * Bounds   queue_max_bytes of records are read ahead; librdkafka's bookkeeping, about 200 bytes a record, comes on top.
 * Thread   one at a time; log_reader_wake from any.      May use: base.
 */
#pragma once

#include "core/base/err.h"
#include "core/base/str.h"

#include <stddef.h>
#include <stdint.h>

enum log_isolation { LOG_READ_COMMITTED, LOG_READ_UNCOMMITTED };

struct log_partition {
    const char *topic; /* full name, prefix included; must outlive the reader */
    int32_t partition;
    int64_t offset; /* where to begin; log_reader_assign reads it */
};

struct log_record {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_us; /* of the broker (LogAppendTime) */
    struct str key;
    struct str value;
    bool end;     /* no record: `offset` is the end of the partition, everything before it was seen */
    void *opaque; /* rd_kafka_message_t, for log_record_header */
};

struct log_reader;

struct log_reader_options {
    const char *brokers;
    const char *client_id;
    enum log_isolation isolation;
    int64_t queue_max_bytes; /* 0: 64 MiB */
    /* 0: every record is sent on at once. Else the broker gathers so many bytes, for 50 ms at most: a busy log is then
     * told in few answers, each of which costs the broker and us nearly as much as one record. */
    int fetch_min_bytes;
    /* How long the broker holds the answer that there is nothing (more) to read; 0: 50 ms. By such an answer an end of
     * partition is told: who waits for ends wants it soon, who follows the log seldom. */
    int fetch_wait_ms;
};

MUST_CHECK enum err log_reader_open(const struct log_reader_options *options, struct log_reader **ret_reader,
                                    struct err_info *info);
void log_reader_close(struct log_reader *reader);

/* Replaces what is read. Asks for topics that are new to it; blocks for up to 5 s when no broker answers. An offset
 * below the earliest or past the end is an error, never an automatic reset. */
MUST_CHECK enum err log_reader_assign(struct log_reader *reader, const struct log_partition *partitions, size_t count,
                                      struct err_info *info);

/* Up to `capacity` records, waiting at most timeout_ms for the first. ERR_NONE with *ret_count 0: the time ran out.
 * A retriable error may be polled on; another one ends the reader's use. */
MUST_CHECK enum err log_reader_poll(struct log_reader *reader, int timeout_ms, struct log_record *ret_records,
                                    size_t capacity, size_t *ret_count, struct err_info *info);

/* Ends a waiting poll early. */
void log_reader_wake(struct log_reader *reader);

/* The first and the next offset of a partition, markers and open transactions included. Asks the broker; blocks.
 * ERR_NOT_FOUND: there is no such partition. */
MUST_CHECK enum err log_reader_watermarks(struct log_reader *reader, const char *topic, int32_t partition,
                                          int timeout_ms, int64_t *ret_low, int64_t *ret_high, struct err_info *info);

/* One end of many partitions, each once: sets their offsets to what ret_low and ret_high are above. */
enum log_end { LOG_END_FIRST, LOG_END_NEXT };
MUST_CHECK enum err log_reader_ends(struct log_reader *reader, enum log_end which, struct log_partition *partitions,
                                    size_t count, int timeout_ms, struct err_info *info);

/* The cluster's id, which must be shorter than `size`. ERR_KAFKA, retriable: no broker has told it within timeout_ms.
 */
MUST_CHECK enum err log_reader_cluster_id(struct log_reader *reader, int timeout_ms, char *ret_id, size_t size,
                                          struct err_info *info);

/* ERR_CONFIG, with both numbers, when the topic has not `shards` partitions. Asks the broker; blocks. */
MUST_CHECK enum err log_reader_check_shards(struct log_reader *reader, const char *topic, int32_t shards,
                                            int timeout_ms, struct err_info *info);

/* A header's value, empty when there is none. */
struct str log_record_header(const struct log_record *record, const char *name);
