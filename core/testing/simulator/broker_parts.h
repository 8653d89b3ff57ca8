/* broker_parts.h: what the files of the broker share. Not for others.
 *
 * broker.c       topics, partitions, producing.
 * broker_txn.c   the transaction coordinator.
 * broker_group.c the group coordinator and its offsets.
 * broker_cut.c   back to a moment that is past.
 */
#pragma once

#include "core/testing/simulator/broker.h"

/* A transaction with records in a partition and no marker yet. */
struct open_txn {
    int64_t producer_id;
    int64_t first_offset;
    struct open_txn *next;
};

/* What a partition knows of a producer. */
struct producer_state {
    int64_t producer_id;
    int16_t epoch;
    int32_t next_sequence;
    int32_t last_sequence; /* of the first record of the last batch */
    int64_t last_offset;   /* where that stands */
    struct producer_state *next;
};

/* Whether the client is one of those who ask a broker of before; `salt` is drawn when that comes to be. */
bool asks_old_broker(uint32_t salt, const char *client);

/* ---- broker.c ---------------------------------------------------------------------------------------------------- */

/* The marker of a transaction, with the epoch under which it was ended. */
void partition_mark(struct broker_partition *partition, int64_t producer_id, int16_t epoch, bool commit);

/* ---- broker_txn.c ------------------------------------------------------------------------------------------------ */

/* Whether the producer has an open transaction that this partition belongs to. */
rd_kafka_resp_err_t txn_verify_partition(const struct broker_producer *producer,
                                         const struct broker_partition *partition);
rd_kafka_resp_err_t txn_verify_group(const struct broker_producer *producer, const char *group);

/* For broker_cut.c: the moment is now; and back to it. Of a transaction that was open then: whether it is committed. */
void txns_keep(void);
bool txn_would_commit(int64_t producer_id);
void txns_set_back(void);

/* ---- broker_group.c ---------------------------------------------------------------------------------------------- */

/* The offsets that a transaction holds back become the group's, or go. */
void group_end_txn(const char *group, int64_t producer_id, bool commit);

/* For broker_cut.c. Before txns_set_back. */
void groups_keep(void);
void groups_set_back(void);
