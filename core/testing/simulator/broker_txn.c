#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/testing/simulator/broker_parts.h"
#include "core/testing/simulator/world.h"

enum {
    TXN_PARTITIONS_MAX = 64,
    TXN_GROUPS_MAX = 4,
    CLEANUP_LEAST_US = 0,
    CLEANUP_MOST_US = 500 * 1000, /* transaction.abort.timed.out.transaction.cleanup.interval.ms as we set it */
    DOWN_PAUSE_US = 50 * 1000,
};

enum txn_state { TXN_EMPTY, TXN_ONGOING, TXN_PREPARE_COMMIT, TXN_PREPARE_ABORT, TXN_COMMITTED, TXN_ABORTED };

/* One transactional id, as its coordinator knows it. */
struct transaction {
    char *id;
    int64_t producer_id;
    int16_t epoch;
    enum txn_state state;
    int64_t timeout_us;
    uint64_t begun; /* rises with every transaction */
    struct broker_partition *partitions[TXN_PARTITIONS_MAX];
    size_t partition_count;
    const char *groups[TXN_GROUPS_MAX];
    size_t group_count;
    size_t markers_left;
    bool would_commit; /* at the moment that was kept its commit was noted, whatever came of it since */
    struct transaction *next;
};

static struct transaction *transactions;
static int64_t producer_ids;

static struct transaction *txn_find(const char *id) {
    struct transaction *txn = transactions;
    while (txn != NULL && strcmp(txn->id, id) != 0) {
        txn = txn->next;
    }
    return txn;
}

static bool is_ending(const struct transaction *txn) {
    return txn->state == TXN_PREPARE_COMMIT || txn->state == TXN_PREPARE_ABORT;
}

/* ---- markers ----------------------------------------------------------------------------------------------------- */

/* One marker to be written: of a partition, or of the offsets of a group. */
struct marker {
    struct transaction *txn;
    struct broker_partition *partition;
    const char *group;
    uint64_t begun; /* of the transaction; another one by now: the marker is not to be written any more */
};

static void marker_write(void *context) {
    struct marker *marker = context;
    struct transaction *txn = marker->txn;
    if (marker->begun != txn->begun) {
        free(marker);
        return;
    }
    if (!broker_is_up()) {
        sim_after(DOWN_PAUSE_US, NULL, marker_write, marker);
        return;
    }
    bool commit = txn->state == TXN_PREPARE_COMMIT;
    if (marker->partition != NULL) {
        partition_mark(marker->partition, txn->producer_id, txn->epoch, commit);
    } else {
        group_end_txn(marker->group, txn->producer_id, commit);
    }
    if (--txn->markers_left == 0) {
        txn->state = commit ? TXN_COMMITTED : TXN_ABORTED;
        txn->partition_count = txn->group_count = 0;
        SIM_TRACE("broker: transaction of %s is complete, %s", txn->id, commit ? "committed" : "aborted");
    }
    free(marker);
}

static void marker_later(struct transaction *txn, struct broker_partition *partition, const char *group) {
    struct marker *marker = malloc(sizeof *marker);
    assert(marker != NULL);
    *marker = (struct marker){txn, partition, group, txn->begun};
    sim_after(sim_between(broker_marker_least_us, broker_marker_most_us), NULL, marker_write, marker);
}

static void txn_end(struct transaction *txn, bool commit) {
    SIM_TRACE("broker: transaction of %s, epoch %d, prepares to %s: %zu partitions, %zu groups", txn->id, txn->epoch,
              commit ? "commit" : "abort", txn->partition_count, txn->group_count);
    txn->state = commit ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT;
    txn->markers_left = txn->partition_count + txn->group_count;
    if (txn->markers_left == 0) {
        txn->state = commit ? TXN_COMMITTED : TXN_ABORTED;
    }
    for (size_t i = 0; i < txn->partition_count; i++) {
        marker_later(txn, txn->partitions[i], NULL);
    }
    for (size_t i = 0; i < txn->group_count; i++) {
        marker_later(txn, NULL, txn->groups[i]);
    }
}

/* ---- beginning --------------------------------------------------------------------------------------------------- */

struct lease {
    struct transaction *txn;
    uint64_t begun;
};

/* The coordinator looks for transactions whose time is over, fences their producer and aborts them. */
static void lease_over(void *context) {
    struct lease *lease = context;
    if (!broker_is_up()) {
        sim_after(DOWN_PAUSE_US, NULL, lease_over, lease);
        return;
    }
    struct transaction *txn = lease->txn;
    if (txn->begun == lease->begun && txn->state == TXN_ONGOING) {
        SIM_TRACE("broker: the transaction of %s took too long", txn->id);
        txn->epoch++;
        txn_end(txn, false);
    }
    free(lease);
}

static void txn_ongoing(struct transaction *txn) {
    if (txn->state == TXN_ONGOING) {
        return;
    }
    txn->state = TXN_ONGOING;
    txn->begun++;
    struct lease *lease = malloc(sizeof *lease);
    assert(lease != NULL);
    *lease = (struct lease){txn, txn->begun};
    sim_after(txn->timeout_us + sim_between(CLEANUP_LEAST_US, CLEANUP_MOST_US), NULL, lease_over, lease);
}

static struct transaction *txn_make(const char *id) {
    struct transaction *txn = calloc(1, sizeof *txn);
    assert(txn != NULL);
    txn->id = strdup(id);
    txn->producer_id = ++producer_ids;
    txn->epoch = -1;
    txn->next = transactions;
    transactions = txn;
    return txn;
}

rd_kafka_resp_err_t broker_init_producer(const char *transactional_id, int32_t timeout_ms,
                                         struct broker_producer *ret_producer) {
    if (transactional_id == NULL) {
        *ret_producer = (struct broker_producer){.id = ++producer_ids};
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    struct transaction *txn = txn_find(transactional_id);
    txn = txn == NULL ? txn_make(transactional_id) : txn;
    if (txn->state == TXN_ONGOING) {
        txn->epoch++; /* whoever began it is fenced from here on */
        txn_end(txn, false);
    }
    if (is_ending(txn)) {
        return RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS;
    }
    txn->epoch++;
    txn->state = TXN_EMPTY;
    txn->timeout_us = (int64_t)timeout_ms * 1000;
    SIM_TRACE("broker: producer %s has epoch %d", txn->id, txn->epoch);
    *ret_producer = (struct broker_producer){.id = txn->producer_id, .epoch = txn->epoch, .transactional_id = txn->id};
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ---- what a producer asks of its transaction --------------------------------------------------------------------- */

static rd_kafka_resp_err_t txn_of(const struct broker_producer *producer, struct transaction **ret_txn) {
    struct transaction *txn = txn_find(producer->transactional_id);
    if (txn == NULL || txn->producer_id != producer->id) {
        return RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING;
    }
    *ret_txn = txn;
    return txn->epoch == producer->epoch ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

rd_kafka_resp_err_t broker_add_partition(const struct broker_producer *producer, const char *topic, int32_t number) {
    struct transaction *txn;
    rd_kafka_resp_err_t refusal = txn_of(producer, &txn);
    struct broker_partition *partition = broker_partition(topic, number);
    if (refusal == RD_KAFKA_RESP_ERR_NO_ERROR && partition == NULL) {
        refusal = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    }
    if (refusal == RD_KAFKA_RESP_ERR_NO_ERROR && is_ending(txn)) {
        refusal = RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS;
    }
    if (refusal != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return refusal;
    }
    txn_ongoing(txn);
    for (size_t i = 0; i < txn->partition_count; i++) {
        if (txn->partitions[i] == partition) {
            return RD_KAFKA_RESP_ERR_NO_ERROR;
        }
    }
    assert(txn->partition_count < TXN_PARTITIONS_MAX);
    txn->partitions[txn->partition_count++] = partition;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t broker_add_group(const struct broker_producer *producer, const char *group) {
    struct transaction *txn;
    rd_kafka_resp_err_t refusal = txn_of(producer, &txn);
    if (refusal == RD_KAFKA_RESP_ERR_NO_ERROR && is_ending(txn)) {
        refusal = RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS;
    }
    if (refusal != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return refusal;
    }
    txn_ongoing(txn);
    for (size_t i = 0; i < txn->group_count; i++) {
        if (strcmp(txn->groups[i], group) == 0) {
            return RD_KAFKA_RESP_ERR_NO_ERROR;
        }
    }
    assert(txn->group_count < TXN_GROUPS_MAX);
    txn->groups[txn->group_count++] = strdup(group);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Version 1: nothing in it says which transaction is meant. Whatever is open ends. */
rd_kafka_resp_err_t broker_end_txn(const struct broker_producer *producer, bool commit) {
    struct transaction *txn;
    rd_kafka_resp_err_t refusal = txn_of(producer, &txn);
    if (refusal != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return refusal;
    }
    switch (txn->state) {
    case TXN_ONGOING:
        txn_end(txn, commit);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    case TXN_PREPARE_COMMIT:
        return commit ? RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS : RD_KAFKA_RESP_ERR_INVALID_TXN_STATE;
    case TXN_PREPARE_ABORT:
        return commit ? RD_KAFKA_RESP_ERR_INVALID_TXN_STATE : RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS;
    case TXN_COMMITTED:
        return commit ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR_INVALID_TXN_STATE;
    case TXN_ABORTED:
        return commit ? RD_KAFKA_RESP_ERR_INVALID_TXN_STATE : RD_KAFKA_RESP_ERR_NO_ERROR;
    case TXN_EMPTY:
        return RD_KAFKA_RESP_ERR_INVALID_TXN_STATE;
    }
    abort();
}

rd_kafka_resp_err_t txn_verify_partition(const struct broker_producer *producer,
                                         const struct broker_partition *partition) {
    struct transaction *txn;
    rd_kafka_resp_err_t refusal = txn_of(producer, &txn);
    if (refusal != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return refusal;
    }
    for (size_t i = 0; i < txn->partition_count && txn->state == TXN_ONGOING; i++) {
        if (txn->partitions[i] == partition) {
            return RD_KAFKA_RESP_ERR_NO_ERROR;
        }
    }
    return RD_KAFKA_RESP_ERR_INVALID_TXN_STATE;
}

rd_kafka_resp_err_t txn_verify_group(const struct broker_producer *producer, const char *group) {
    struct transaction *txn;
    rd_kafka_resp_err_t refusal = txn_of(producer, &txn);
    if (refusal != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return refusal;
    }
    for (size_t i = 0; i < txn->group_count && txn->state == TXN_ONGOING; i++) {
        if (strcmp(txn->groups[i], group) == 0) {
            return RD_KAFKA_RESP_ERR_NO_ERROR;
        }
    }
    return RD_KAFKA_RESP_ERR_INVALID_TXN_STATE;
}

/* ---- back to a moment -------------------------------------------------------------------------------------------- */

void txns_keep(void) {
    for (struct transaction *txn = transactions; txn != NULL; txn = txn->next) {
        txn->would_commit = txn->state == TXN_PREPARE_COMMIT;
    }
}

bool txn_would_commit(int64_t producer_id) {
    for (const struct transaction *txn = transactions; txn != NULL; txn = txn->next) {
        if (txn->producer_id == producer_id) {
            return txn->would_commit;
        }
    }
    return false;
}

void txns_set_back(void) {
    for (struct transaction *txn = transactions; txn != NULL; txn = txn->next) {
        txn->state = TXN_EMPTY;
        txn->epoch++;
        txn->begun++; /* markers and the lease of what was under way are void */
        txn->partition_count = txn->group_count = txn->markers_left = 0;
        txn->would_commit = false;
    }
}
