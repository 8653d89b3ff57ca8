/* committer.h: the thread that finishes a worker's transactions, while the worker decides what comes next.
 *
 * Purpose  sending offsets and committing is waiting for brokers; a worker that waits itself decides nothing meanwhile.
 * Promise  one transaction at a time, and each is waited for: after committer_give, committer_wait answers once.
 *          `wake` is called when it is over, and when its records have been acknowledged and somebody has asked for
 *          that; never after committer_wait has answered.
 * Bounds   as long as log_txn_finish takes: the transaction's time-out and a second, twice when it is aborted, and half
 *          a minute more when its producer is to be made again.
 * Threads  its own; all calls are the worker's. `wake` is called on its own.      May use: log, librdkafka.
 */
#pragma once

#include <librdkafka/rdkafka.h>

#include "core/log/txn.h"

struct committer;

/* `name` is the thread's. ERR_IO: no thread could be made. */
MUST_CHECK enum err committer_start(const char *name, void (*wake)(void *context), void *context,
                                    struct committer **ret_committer, struct err_info *info);
/* Only when it is free. */
void committer_stop(struct committer *committer);

/* Finishes what is sealed in `txn`. Offsets and group are lent until committer_wait has answered. */
void committer_give(struct committer *committer, const struct log_txn *txn,
                    const rd_kafka_topic_partition_list_t *offsets, const rd_kafka_consumer_group_metadata_t *group);

/* Whether all its records are acknowledged, so that those of the next transaction may be sent; if not, `wake` is called
 * when they are. */
bool committer_is_taken(struct committer *committer);

/* Whether committer_wait answers at once. */
bool committer_is_over(const struct committer *committer);

/* Waits until it is over. What log_txn_finish answered. */
MUST_CHECK enum err committer_wait(struct committer *committer, struct err_info *info);
