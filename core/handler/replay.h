/* replay.h: a shard's events and outcomes into its store, from where the store stands: the fold of takeovers and of
 * standby stores.
 *
 * Promise  what the store says it applied last is the first record that is taken of each partition, and must be the
 *          same one, by offset and hash. A store that names a record which is not there, or is another one, does not
 *          fit: it must be emptied and filled from the beginning (replay_anew).
 *          A history that does not chain is ERR_BROKEN_HISTORY.
 * Memory   what was folded lies in the replay's arena until replay_write brings it to the store; whoever feeds it
 *          writes before it has grown past REPLAY_PORTION_BYTES by much.
 * Thread   the store's.          May use: base, domain, log.
 */
#pragma once

#include "core/handler/fold.h"

#define REPLAY_PORTION_BYTES ((size_t)48 * 1024 * 1024)
#define REPLAY_ARENA_MAX_BYTES ((size_t)256 * 1024 * 1024)

/* The log as replays need it. */
struct replay_log {
    enum err (*watermarks)(void *context, const char *topic, int32_t partition, int64_t *ret_low, int64_t *ret_high,
                           struct err_info *info);
    enum err (*assign)(void *context, const struct log_partition *partitions, size_t count, struct err_info *info);
    enum err (*poll)(void *context, int timeout_ms, struct log_record *ret_records, size_t capacity, size_t *ret_count,
                     struct err_info *info);
    /* Likewise one of the two for many partitions at once: sets their offsets. */
    enum err (*ends)(void *context, enum log_end which, struct log_partition *partitions, size_t count,
                     struct err_info *info);
    void *context;
};

/* What the log holds of each topic: from low to before high, as a read_uncommitted handle sees it. */
struct replay_range {
    int64_t low, high;
};

struct replay_options {
    const struct log_topics *topics;
    const struct aggregates *aggregates;
    int32_t shard;
    struct store *store;
    int64_t window_us;
    bool is_endless; /* it does not end at `high` */
};

struct replay_source {
    enum log_topic topic;
    int64_t begin;
    int64_t high;
    int64_t next;  /* below it everything was read */
    bool verifies; /* the first record must be the one that the store applied last */
};

struct replay {
    struct replay_options options;
    struct arena arena;
    struct overlay overlay;
    struct replay_source sources[TOPIC_COUNT];
    size_t source_count;
    bool began_empty;           /* the store had nothing: all that it has now comes from this log */
    const char *discarded;      /* why the store was thrown away; NULL when it was not */
    uint64_t replayed, foreign; /* records folded; passed over */
};

/* Whether a topic is folded into the stores: outcomes, and all that hold events. */
bool replay_reads(enum log_topic topic);

/* What the log holds of a shard. Asks the broker. */
MUST_CHECK enum err replay_ranges_ask(const struct replay_log *log, const struct log_topics *topics, int32_t shard,
                                      struct replay_range ret_ranges[TOPIC_COUNT], struct err_info *info);

/* Where each partition is to be read from. *ret_fits is false when the store knows records that the log does not have:
 * replay_anew is due. replay_release is due whatever follows. */
void replay_begin(struct replay *replay, const struct replay_options *options,
                  const struct replay_range ranges[TOPIC_COUNT], bool *ret_fits);

/* Empties the store and begins at the beginning. */
MUST_CHECK enum err replay_anew(struct replay *replay, const char *why, const struct replay_range ranges[TOPIC_COUNT],
                                struct err_info *info);

/* The partitions that are still to be read, and from where; at most TOPIC_COUNT. */
size_t replay_partitions(const struct replay *replay, struct log_partition *ret_partitions);

/* Takes a record or an end of partition; one that is not this shard's, or comes after the replay's end, is passed over.
 * *ret_mismatch: the store is of another history, replay_anew is due. */
MUST_CHECK enum err replay_take(struct replay *replay, const struct log_record *record, bool *ret_mismatch,
                                struct err_info *info);

/* After ERR_BROKEN_HISTORY: whether the store may be what is wrong, and not the log. A broker that lost what it had
 * acknowledged may have been written to again before this side noticed; the store then holds what the log has no more.
 * A store that was filled from nothing is right up to the end that the log had when that began, and an event that this
 * release cannot read is not the store's fault. */
bool replay_may_err(struct replay *replay, const struct log_record *record);

/* Whether more was taken than the store has: something that was folded, or records of others that were passed over. */
bool replay_has_more(const struct replay *replay);

/* Brings what was taken to the store. With nothing more it does nothing. After an error the replay is of no use. */
MUST_CHECK enum err replay_write(struct replay *replay, struct err_info *info);

/* Whether all was read up to what the ranges said. Never of an endless one. */
bool replay_is_done(const struct replay *replay);

/* What was taken and not written is forgotten. The store is the caller's: it may be closed already. */
void replay_release(struct replay *replay);
