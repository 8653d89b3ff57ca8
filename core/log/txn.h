/* txn.h: a worker's transactional writer: events, outcomes, follow-ups and consumed offsets in one Kafka transaction.
 *
 * Purpose  two transactional producers used in turn, which hides the time in which a transaction's markers are written;
 *          and while one commits (`seal`, then `finish` on another thread), the next may already be written to the
 *          other. To the caller it is one writer.
 * Promise  log_txn_commit answers ERR_NONE only when the commit was answered and took a single EndTxn request
 *          (counted by an on_request_sent interceptor, ApiKey 26). A commit that timed out or was sent more than once
 *          is ERR_IN_DOUBT: a delayed EndTxn v1 could hit the next transaction (librdkafka has no KIP-890 part 2), so
 * both producers are destroyed and made again, whose init bumps the epochs and fences what is still in flight; the
 *          caller drops its overlay and takes its shards over again. ERR_FENCED (a stale generation, a rebalance):
 *          the transaction was aborted with a single answered EndTxn, and the writer lives on; else IN_DOUBT as well.
 * Order    the next transaction stands above the one before: its records may be sent once all of that one's were
 *          acknowledged (`on_taken`; two producers have two connections, and records of one partition must keep their
 *          order), and it may be sealed once that one was committed.
 * Threads  one, the worker's; log_txn_finish may be called by a second while the first uses the rest. Calls block.
 *          May use: base.
 */
#pragma once

#include <librdkafka/rdkafka.h>

#include "core/base/err.h"
#include "core/base/str.h"
#include "core/log/producer.h"
#include "core/log/reader.h"

struct log_txn;

struct log_txn_options {
    const char *brokers;
    const char *transactional_id; /* "-a", "-b" are added for its producers */
    const char *warm_up_topic;    /* a producer's first transaction takes about 1 s; one aborted record goes there, and
                                   * the topics of the same prefix (up to the last dot) are looked up ahead */
    int transaction_timeout_ms;   /* 0: 4000 */
};

/* Makes both producers, inits and warms them: blocks for seconds. Retriable errors may be tried again, ERR_NOT_FOUND
 * (the warm-up topic does not exist) among them. */
MUST_CHECK enum err log_txn_open(const struct log_txn_options *options, struct log_txn **ret_txn,
                                 struct err_info *info);
void log_txn_close(struct log_txn *txn);

/* ERR_IN_DOUBT: nothing was begun, and log_txn_renew is due. */
MUST_CHECK enum err log_txn_begin(struct log_txn *txn, struct err_info *info);

/* Whether one was begun, and neither sealed nor given up. */
bool log_txn_is_open(const struct log_txn *txn);

/* Whether the open one has half of its time left, which begins with begin. */
bool log_txn_has_time(const struct log_txn *txn);

/* Copies key, value and headers. A full local queue is waited on (bounded by the transaction's time-out). After an
 * error the transaction is still open: abort it. ERR_TOO_LARGE: this record can never be sent. */
MUST_CHECK enum err log_txn_produce(struct log_txn *txn, const char *topic, int32_t partition, struct str key,
                                    struct str value, const struct log_header *headers, size_t header_count,
                                    struct err_info *info);

/* How a transaction is to end. */
struct log_txn_end {
    const rd_kafka_topic_partition_list_t *offsets;  /* never empty: an empty list fences nothing */
    const rd_kafka_consumer_group_metadata_t *group; /* as of the assignment that was decided under */
    /* All its records are acknowledged; not called when one fails. NULL: nobody asks. */
    void (*on_taken)(void *context);
    void *context;
};

/* No more records: the open transaction is to be finished, and the next may be begun. One at a time. */
void log_txn_seal(struct log_txn *txn);

/* Sends the offsets of the sealed transaction, then commits it. After an error it is over: ERR_FENCED and ERR_KAFKA
 * mean that it was aborted and its producer lives on, ERR_IN_DOUBT that log_txn_renew is due. What was begun above it
 * must then be aborted too. */
MUST_CHECK enum err log_txn_finish(const struct log_txn *txn, const struct log_txn_end *end, struct err_info *info);

/* Tells the writer what finish answered. */
void log_txn_settle(struct log_txn *txn, enum err finished);

/* The three at once. */
MUST_CHECK enum err log_txn_commit(struct log_txn *txn, const rd_kafka_topic_partition_list_t *offsets,
                                   const rd_kafka_consumer_group_metadata_t *group, struct err_info *info);

/* After a transaction was committed: the offset of the last record it appended to each partition; -1 where the broker
 * did not say (a request sent again that it had taken before). Lent until the next begin. */
const struct log_partition *log_txn_written(const struct log_txn *txn, size_t *ret_count);

/* Likewise: the broker's time (LogAppendTime) of the newest record it appended; 0 when there was none, or the broker
 * did not say. */
int64_t log_txn_appended_us(const struct log_txn *txn);

/* Gives the open transaction up. ERR_IN_DOUBT as above. */
MUST_CHECK enum err log_txn_abort(struct log_txn *txn, struct err_info *info);

/* Writes a record to each of these partitions, in a transaction of its own that is aborted, and sets their offsets to
 * where it stands. All that was acknowledged before lies below, also where a reader is told of an older end: by a
 * broker that does not know yet that another leads the partition (ListOffsets and Fetch of librdkafka 2.0.2 name no
 * leader's epoch, KIP-320). Who waits for commits is never shown the record. After an error nothing was found out. */
MUST_CHECK enum err log_txn_barrier(struct log_txn *txn, struct log_partition *partitions, size_t count,
                                    struct err_info *info);

/* After ERR_IN_DOUBT, with none sealed: destroys both producers and makes them again, by which an open transaction is
 * aborted. Blocks; may be tried again when retriable. */
MUST_CHECK enum err log_txn_renew(struct log_txn *txn, struct err_info *info);
