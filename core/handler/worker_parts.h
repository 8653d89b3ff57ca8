/* worker_parts.h: what the files of a worker share. Not for others.
 *
 * worker.c          the thread: connects, reads, runs batches, recovers.
 * worker_shards.c   which shards are ours, how they are given up and stopped.
 * worker_takeover.c how they are taken over.
 * worker_batch.c    deciding: what was read and due timers, into the open batch.
 * worker_commit.c   a batch on its way into the log: sealed, committed by the committer, landed; replies; and now and
 *                   then, what several have changed to the stores.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "core/handler/committer.h"
#include "core/handler/group.h"
#include "core/handler/shard_clock.h"
#include "core/handler/suspect.h"
#include "core/handler/takeover.h"
#include "core/handler/worker.h"
#include "core/log/txn.h"

enum {
    KAFKA_CALL_TIMEOUT_MS = 5000, /* for one question to the group's broker */
    TIMERS_PER_BATCH = 256,
    TIMER_CHECK_MS = 100,
    POLL_MS = 100,  /* how long an idle worker waits for a command before it looks at timers and at being stopped */
    WAITED_MS = 90, /* less is no full wait: it was woken */
    PACE_MS = 10,
    PACED_FROM = 8,         /* commands in a batch: who is alone, or nearly so, is not held up */
    SEND_AHEAD_FROM = 512,  /* records of a batch that is not sealed yet */
    NOTES_PAUSE_MS = 10000, /* at most this often are offsets committed without a batch */
    BARRIERS_MOST = 64,     /* partitions in one barrier's transaction */
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 5000,
};

/* A shard as its worker sees it. Free -> active by takeover; -> free by revocation or trouble; -> stopped when its
 * history or its commands are not what they must be, until it is revoked: whoever is assigned it next looks again. */
struct worker_shard {
    bool is_claimed; /* from the standbys, until it is revoked */
    bool active;
    bool stopped;
    struct store *store;       /* while active */
    int64_t next_offset;       /* after all that is sealed: of the command that is next */
    int64_t taken_over_at;     /* the end of the commands at takeover: later ones were appended since */
    int64_t batch_next_offset; /* after the open batch; -1: it consumed nothing here */
    int64_t alone_until;       /* below it each command has a batch of its own; survives a takeover */
    struct suspect_note note;  /* that stands, or is to stand, beside next_offset */
    int64_t refuse_offset;     /* the command there is set aside undecided; -1: none. Survives a takeover */
    int64_t past_end_since_us; /* since when its offset is said to lie past the commands' end; 0: it is not */
    int64_t past_end_told_us;  /* when that was said last */
    struct shard_clock clock;
    bool timers_stopped;
};

/* A sealed batch, in the committer's hands. engine.sealed has what it brought out. */
struct batch_on_its_way {
    rd_kafka_topic_partition_list_t *offsets; /* NULL: there is none */
    size_t commands;
    int64_t began_us;
};

struct worker {
    struct worker_options options;
    pthread_t thread;
    atomic_bool stopping;
    char name[128]; /* client and transactional id */
    char group_id[GROUP_NAME_MAX];

    struct engine engine;
    struct group *group;
    struct log_txn *txn;
    struct committer *committer;
    bool txn_in_doubt;           /* renew is due */
    struct worker_shard *shards; /* policy->shard_count */
    uint64_t settled_generation; /* the group's generation whose shards are taken over; 0: none */
    char cluster_id[GROUP_CLUSTER_MAX];

    rd_kafka_message_t **messages; /* read, not yet decided: batch_commands_max places */
    size_t message_count;
    bool is_deciding;      /* a batch is open */
    size_t batch_commands; /* decided in it */
    size_t batch_produced; /* of its records: handed to the transaction */
    struct batch_on_its_way sealed;
    size_t sealed_commands; /* of the batch that was sealed last */
    int64_t sealed_boot_us; /* and when that was */
    size_t batch_most;      /* commands in one batch: halved by each doubt, doubled by each commit */
    size_t barriers_most;   /* in one transaction, likewise; BARRIERS_MOST at most */
    bool must_take_over;    /* a store lags behind what was committed */
    int64_t idle_boot_us;   /* when a poll last came back empty */
    int64_t timers_checked_boot_us;
    int64_t noted_boot_us; /* when ends_note last committed */

    pthread_mutex_t report_lock;
    struct worker_report report; /* under the lock for others; the worker alone writes */
    struct err_info **stops;     /* likewise: by shard, why it is stopped; NULL: it is not */
};

static inline uint32_t worker_shard_count(const struct worker *worker) {
    return worker->options.policy->shard_count;
}

/* ---- worker_shards.c ---- */

/* Whether all assigned shards are active or stopped. */
bool shards_are_settled(const struct worker *worker);

/* Gives all up: stores are closed, what the engine held is forgotten. `synced` as in store_close. */
void shards_release(struct worker *worker, bool synced);

/* Notes that they are handed over in good order, then gives them up. `is_last`: the stores are left open, for
 * shards_release to close when the group was left, for syncing them takes time in which nobody would own the shards. */
void shards_hand_over(struct worker *worker, bool is_last);

/* Stops a shard, loudly: nothing is decided on it any more, its commands wait in the log, other shards go on. */
void shard_stop(struct worker *worker, int32_t shard, const struct err_info *why);

/* With the assignment gone and all stores closed, others may keep standby stores of them. */
void shards_unclaim(struct worker *worker);

/* With the assignment gone, stopped shards are another owner's, or are looked at again. */
void shards_forget_stops(struct worker *worker);

/* For the report. */
void shards_count(struct worker *worker);

/* ---- worker_takeover.c ---- */

/* Takes over what is assigned; ends early when the assignment changes or the worker is to stop. */
MUST_CHECK enum err shards_take_over(struct worker *worker, struct err_info *info);

/* ---- worker_batch.c ---- */

/* Decides all that was read, and due timers: at most one batch is open and one on its way. */
MUST_CHECK enum err batches_run(struct worker *worker, struct err_info *info);

/* For how long the open batch is to gather more before it is sealed: where many ask, seals are PACE_MS apart. A commit
 * costs broker and clients some milliseconds of processor time, however much it holds. 0: it is time. */
int batch_wait_ms(const struct worker *worker);

/* Sends what the open batch has brought out so far, unless the batch before it is not taken yet: the brokers can take
 * it while the rest is being decided. */
MUST_CHECK enum err records_produce(struct worker *worker, struct err_info *info);

/* ---- worker_commit.c ---- */

/* A transaction failed so: counts it; after a doubt the writer is to be renewed, and batches are smaller. */
void trouble_count(struct worker *worker, enum err err);

bool batch_is_on_its_way(const struct worker *worker);

/* Ends the open batch and hands it to the committer; with none open, or an empty one, nothing is on its way after. */
MUST_CHECK enum err batch_seal(struct worker *worker, struct err_info *info);

/* Waits for the batch on its way, if there is one; it stands in the log then, and its replies are sent. Errors as of
 * log_txn_finish: nothing that was decided since stands either. */
MUST_CHECK enum err batch_land(struct worker *worker, struct err_info *info);

/* What is on its way and then what is open, until both stand. */
MUST_CHECK enum err batches_finish(struct worker *worker, struct err_info *info);

/* Waits for what is on its way, and gives up what is open. For whoever gives all shards up. */
MUST_CHECK enum err batches_drop(struct worker *worker, struct err_info *info);

/* A copy of the note is the list's. */
void offset_add(rd_kafka_topic_partition_list_t *list, const char *topic, int32_t partition, int64_t offset,
                const char *note);

/* Ends the open transaction with these offsets, fenced by the assignment in hand. Errors as of log_txn_commit. */
MUST_CHECK enum err offsets_commit(struct worker *worker, const rd_kafka_topic_partition_list_t *offsets,
                                   struct err_info *info);

/* Commits the next offsets of all active shards with their notes, and a record without meaning in `replies`, which
 * tells the broker's time: no timer fires before it is known. */
MUST_CHECK enum err notes_commit(struct worker *worker, struct err_info *info);

/* With nothing read that is not decided, and no batch open: the shards' next offsets pass the markers behind their last
 * commands. */
void ends_pass(struct worker *worker);

/* With nothing read that is not decided: now and then passes the markers that lie between the last command of a shard
 * and its end, and commits that: else retention could take the markers, and with them the place that the group's offset
 * stands at. */
MUST_CHECK enum err ends_note(struct worker *worker, struct err_info *info);

/* With no batch open or on its way: brings the stores up to what was committed; when one cannot be,
 * worker->must_take_over. With nothing to write it does nothing. */
void stores_write(struct worker *worker);
