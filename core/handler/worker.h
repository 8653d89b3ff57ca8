/* worker.h: one thread that owns shards: it takes them over, decides their commands in batches, and commits.
 *
 * Purpose  the loop of docs/handler.md around the engine: read what has arrived, decide, write and commit in one Kafka
 *          transaction with the offsets of every shard it touches, reply, and now and then write the stores.
 *          docs/handler.md has the protocol and its crash points.
 * Promise  a batch whose commit is not known to have happened is forgotten, and its shards are taken over again.
 * Bounds   batch_commands_max commands a batch; TIMERS_PER_BATCH timers a shard and batch; back-off between
 *          BACKOFF_MIN_MS and BACKOFF_MAX_MS while the log cannot be reached.
 * Thread   its own; worker_stop and worker_report from any.      May use: log, domain, librdkafka.
 */
#pragma once

#include "core/base/config.h"
#include "core/base/histogram.h"
#include "core/handler/engine.h"
#include "core/handler/standbys.h"
#include "core/handler/witness.h"
#include "core/log/local_replies.h"
#include "core/log/producer.h"

struct worker_options {
    const struct config *config;
    const struct aggregates *aggregates;
    const struct log_topics *topics;
    const struct policy *policy;
    struct log_producer *replies;        /* shared by the workers of a process */
    struct local_replies *local_replies; /* likewise; NULL: nobody listens in this process */
    struct witness *witness;             /* likewise */
    struct standbys *standbys;           /* likewise; NULL: none are kept */
    const char *host;                    /* names the transactional producers */
    int number;
};

/* What a worker tells of itself. */
struct worker_report {
    struct engine_stats engine;
    uint64_t batches, batch_commands, batch_commands_largest;
    uint64_t commits_in_doubt, commits_fenced, commits_failed;
    uint64_t replies, replies_failed;
    uint64_t takeovers, records_replayed, records_foreign, stores_discarded;
    uint64_t takeover_us_last;
    int shards_assigned, shards_active, shards_stopped;
    int takeovers_stalled; /* 1: the takeover in hand waits for a transaction that nobody ends */
    int timers_stopped;    /* shards whose timers stand still because clocks disagree */
    bool is_settled;       /* assigned, and all of it decided on */
    struct histogram commit_us;
};

struct worker;

MUST_CHECK enum err worker_start(const struct worker_options *options, struct worker **ret_worker,
                                 struct err_info *info);

/* Finishes the batch in hand, leaves the group, closes the stores. worker_stop asks, worker_join waits and frees. */
void worker_stop(struct worker *worker);
void worker_join(struct worker *worker);

void worker_report(struct worker *worker, struct worker_report *ret_report);

/* The first shard from `from` on that this worker has stopped, and why; false: there is none. */
bool worker_stopped_shard(struct worker *worker, int32_t from, int32_t *ret_shard, struct err_info *ret_why);
