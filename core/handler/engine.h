/* engine.h: deciding: commands and due timers in, records and replies out.
 *
 * Purpose  the whole of command processing save Kafka, threads and clocks: whoever runs it (a worker, or the simulator)
 *          hands it commands in the order of their log, seals the batch, writes its records in one transaction, and
 *          then either says that it has landed or drops all.
 * Promise  the same stores and the same commands give the same batch. A batch that was dropped leaves no trace, save
 *          that retries it registered as askers stay registered.
 * Pipeline while a sealed batch is on its way the next is decided on top of it; so there is one of each at most. When
 *          the sealed one fails, so does what was decided on top of it.
 * Stores   follow behind: batches that have landed stay in memory, the next is decided on top of them, and engine_apply
 *          writes several at once, so that a page of the store that each of them changes is written once. They are
 *          committed; what a crash forgets of them, a takeover reads from the log (docs/adr/0017).
 *          Every command gets at most one answer, and a repeated one the first answer again.
 * Follow-ups for a shard that is owned are decided at once, at most decisions_per_command of them for one command;
 *          what is beyond, or for other shards, goes to the commands topic.
 * Bounds   engine_is_full: end the batch when it says so (BATCH_FULL_BYTES of BATCH_MAX_BYTES), so that the last
 *          command has room for all that may follow from it. engine_apply_is_due: KEPT_BATCHES_MAX, KEPT_MAX_BYTES.
 * Thread   one at a time.        May use: base, domain, log.
 */
#pragma once

#include "core/handler/askers.h"
#include "core/handler/fold.h"
#include "core/handler/outbox.h"
#include "core/handler/overlay.h"

/* A check-out of 500 lines in one commit: 500 reservations, as many confirmations, and what the order itself needs. */
enum { DECISIONS_PER_COMMAND_MAX = 1100 };

#define BATCH_MAX_BYTES ((size_t)512 * 1024 * 1024)
#define BATCH_FULL_BYTES ((size_t)48 * 1024 * 1024)
#define KEPT_MAX_BYTES ((size_t)32 * 1024 * 1024)

enum { KEPT_BATCHES_MAX = 64 };

struct engine_options {
    const struct aggregates *aggregates;
    const struct policy *policy;
    const struct log_topics *topics;
    struct str source;              /* CloudEvents' ce_source */
    int64_t window_us;              /* how long commands are remembered */
    uint32_t decisions_per_command; /* 0: DECISIONS_PER_COMMAND_MAX */
};

struct engine_stats {
    uint64_t commands; /* decided, follow-ups included */
    uint64_t refused;  /* by a business rule */
    uint64_t repeated; /* answered again from the window, or passed over as seen */
    uint64_t expired;  /* older than the window */
    uint64_t asked;    /* AskOutcome */
    uint64_t events;
    uint64_t follow_ups_local;
    uint64_t follow_ups_sent;
    uint64_t dead_letters;
    uint64_t timers_fired;
    uint64_t lost_answers; /* a reaction answered a command that is not pending here */
};

struct engine_shard {
    struct store *store; /* NULL: not owned */
    struct overlay overlay;
    struct askers askers;
    bool wrote;  /* the batch holds an event or outcome of it */
    bool behind; /* its store, behind the batches that are sealed */
    bool failed; /* a batch that was sealed did not land: the shard must be disowned */
};

/* An answer that is being made; it is finished when all that follows at once from the command was decided. */
struct draft {
    struct outcome outcome;
    struct engine_shard *shard;
    int32_t shard_number;
    struct window_item *item;         /* of the command; NULL when its id cannot be read, or it was decided at once */
    const struct live_stream *stream; /* that answers; NULL: none does */
    bool recorded;                    /* it goes to the outcomes topic and is kept in the window */
    struct str traceparent;
};

struct draft_array {
    struct draft *items;
    uint32_t count, capacity;
};

/* A command to be decided, and what is known of it. */
struct work {
    int32_t shard;
    const struct command *command;
    struct str traceparent;
    struct record_origin origin;
    uint32_t index; /* of a follow-up, among those of its cause */
    bool at_once;   /* a follow-up that is decided in the batch of its cause */
};

struct work_array {
    struct work *items;
    uint32_t count, capacity;
};

/* A batch in which no more is decided, until it has landed. Its texts stay where they are. */
struct sealed_batch {
    bool is_there;
    struct out_record_array records;
    struct out_reply_array replies;
};

struct engine {
    struct engine_options options;
    struct engine_shard *shards; /* policy->shard_count of them */
    struct outbox outbox;
    struct engine_stats stats;
    struct buf scratch; /* what is being encoded: RECORD_MAX_BYTES at most */
    struct map touched; /* correlation id -> struct touched, in this batch */
    struct draft_array drafts;
    struct work_array queue; /* follow-ups of the command in hand */
    bool in_batch;           /* begun, not sealed */
    struct sealed_batch sealed;
    bool fired;               /* a timer has, since the stores were written */
    uint32_t kept_batches;    /* sealed since then */
    size_t batch_began_bytes; /* of the arena: what is kept lies below */
};

/* A command as it lies in the log. */
struct engine_input {
    int32_t shard;
    int64_t offset;
    int64_t timestamp_us; /* the broker's */
    struct str key, value, traceparent;
};

void engine_init(struct engine *engine, const struct engine_options *options);
void engine_release(struct engine *engine);

/* The store stays the caller's. Only between batches, with none on its way; what landed and is not written is
 * forgotten with the shard. */
void engine_own(struct engine *engine, int32_t shard, struct store *store);
void engine_disown(struct engine *engine, int32_t shard);

/* Drops the batch before if it was not sealed. While stores are behind nothing can be dropped from above what they
 * miss: then every shard must be disowned first, and taken over again. */
void engine_batch_begin(struct engine *engine);
bool engine_is_full(const struct engine *engine);

/* The texts of the input are copied. ERR_STORE and ERR_TOO_LARGE: the batch must be dropped. */
MUST_CHECK enum err engine_decide(struct engine *engine, const struct engine_input *input, struct err_info *info);

/* Sets the command aside undecided: a dead letter and, when its id can be read, a refusal. */
MUST_CHECK enum err engine_set_aside(struct engine *engine, const struct engine_input *input, struct str reason,
                                     struct err_info *info);

/* Decides the commands of at most `most` timers that are due at now_us, the shard's time. */
MUST_CHECK enum err engine_fire_timers(struct engine *engine, int32_t shard, int64_t now_us, uint32_t most,
                                       uint32_t *ret_fired, struct err_info *info);

/* Whether the batch writes an event or outcome to the shard: its offset must go into the transaction. */
bool engine_wrote(const struct engine *engine, int32_t shard);

/* The batch that was begun is complete: engine->sealed has its records and replies, and the next may be begun. */
void engine_batch_seal(struct engine *engine);

/* After its commit: the last record that the sealed batch appended to this partition stands at `offset`. */
void engine_appended(struct engine *engine, enum log_topic topic, int32_t partition, int64_t offset);

/* After that. */
void engine_batch_landed(struct engine *engine);

/* Instead: it does not stand in the log, or nobody knows. Every shard must be disowned, and taken over again. */
void engine_batch_failed(struct engine *engine);

/* Whether enough has landed to be written now: its bounds are reached, or a timer has fired, which the store still
 * lists as due. */
bool engine_apply_is_due(const struct engine *engine);

/* Between batches, with none on its way: writes what they changed of a shard to its store. Do so for all shards, or for
 * none. ERR_CONFLICT, ERR_STORE: take the shard over again. */
MUST_CHECK enum err engine_apply(struct engine *engine, int32_t shard, struct err_info *info);
