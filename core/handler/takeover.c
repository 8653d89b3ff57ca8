#include "core/handler/takeover.h"

#include <assert.h>
#include <inttypes.h>

enum { TAKEOVER_POLL_RECORDS = 512 };

static const struct replay_options *replay_of(const struct takeover *takeover) {
    return &takeover->options.replay;
}

/* ---- (b) and (c) ------------------------------------------------------------------------------------------------- */

/* Where a topic ends: what was told, unless it is known better. */
static int64_t true_end(const struct takeover *takeover, enum log_topic topic, int64_t told) {
    int64_t least = takeover->options.ends_least[topic];
    return told > least ? told : least;
}

static enum err ranges_ask(const struct takeover *takeover, struct replay_range ret_ranges[TOPIC_COUNT],
                           struct err_info *info) {
    const struct replay_options *replay = replay_of(takeover);
    enum err err = replay_ranges_ask(takeover->options.log, replay->topics, replay->shard, ret_ranges, info);
    for (int topic = 0; topic < TOPIC_COUNT && err == ERR_NONE; topic++) {
        ret_ranges[topic].high = true_end(takeover, (enum log_topic)topic, ret_ranges[topic].high);
    }
    return err;
}

static enum err sources_assign(struct takeover *takeover, struct err_info *info) {
    struct log_partition partitions[TOPIC_COUNT];
    size_t count = replay_partitions(&takeover->replay, partitions);
    const struct replay_log *log = takeover->options.log;
    return count == 0 ? ERR_NONE : log->assign(log->context, partitions, count, info);
}

/* Throws the store away and begins at the beginning. */
static enum err begin_anew(struct takeover *takeover, const char *why, struct err_info *info) {
    struct replay_range ranges[TOPIC_COUNT];
    enum err err = ranges_ask(takeover, ranges, info);
    err = err == ERR_NONE ? replay_anew(&takeover->replay, why, ranges, info) : err;
    return err == ERR_NONE ? sources_assign(takeover, info) : err;
}

static enum err offset_is_missing(const struct takeover *takeover, struct err_info *info) {
    int32_t shard = replay_of(takeover)->shard;
    return err_set(info, ERR_CONFLICT,
                   "shard %" PRId32 " is in use, but its consumer group has no committed offset: stop all handlers, "
                   "then `daybook shards set %" PRId32 " OFFSET` (docs/operations.md says which)",
                   shard, shard);
}

/* Which command is next; refuses what would skip or repeat commands. */
static enum err commands_check(struct takeover *takeover, const struct replay_range ranges[TOPIC_COUNT],
                               struct err_info *info) {
    int64_t low, high;
    const struct replay_log *log = takeover->options.log;
    const char *topic = replay_of(takeover)->topics->names[TOPIC_COMMANDS];
    int32_t shard = replay_of(takeover)->shard;
    enum err err = log->watermarks(log->context, topic, shard, &low, &high, info);
    if (err != ERR_NONE) {
        return err;
    }
    int64_t committed = takeover->options.committed_offset;
    bool has_expired = low > 0; /* what begins later than at 0 has held something */
    for (int i = 0; i < TOPIC_COUNT; i++) {
        has_expired = has_expired || ranges[i].low > 0;
    }
    if (committed < 0 && has_expired) {
        return offset_is_missing(takeover, info);
    }
    if (committed >= 0 && committed < low) {
        /* Markers are committed past within seconds while anybody owns the shard, so what is gone may well have been
         * commands that nobody was there to decide. Only a person can know, or say that it is to be so. */
        return err_set(info, ERR_CONFLICT,
                       "shard %" PRId32 ": the next command is %" PRId64 ", but retention has taken all before %" PRId64
                       ": they may be lost commands; `daybook shards` sets it (docs/operations.md)",
                       shard, committed, low);
    }
    if (committed > high) {
        takeover->is_past_end = true;
        return err_set(info, ERR_CONFLICT,
                       "shard %" PRId32 ": the next command is %" PRId64 ", but the topic ends at %" PRId64
                       ": `daybook shards` sets it (docs/operations.md)",
                       shard, committed, high);
    }
    takeover->is_fresh = committed < 0;
    takeover->next_offset = committed < 0 ? 0 : committed;
    takeover->commands_high = high;
    return ERR_NONE;
}

enum err takeover_begin(struct takeover *takeover, const struct takeover_options *options, struct err_info *info) {
    *takeover = (struct takeover){.options = *options};
    struct replay_range ranges[TOPIC_COUNT];
    enum err err = ranges_ask(takeover, ranges, info);
    err = err == ERR_NONE ? commands_check(takeover, ranges, info) : err;
    if (err != ERR_NONE) {
        return err;
    }
    bool fits;
    replay_begin(&takeover->replay, replay_of(takeover), ranges, &fits);
    return fits ? sources_assign(takeover, info)
                : begin_anew(takeover, "it knows records that the log does not have", info);
}

void takeover_release(struct takeover *takeover) {
    replay_release(&takeover->replay);
}

/* ---- (d) --------------------------------------------------------------------------------------------------------- */

/* An offset that is said not to exist: gone for good are only events before their topic's beginning. Outcomes expire,
 * and another takeover begins behind them. What else lies below ends_least is there: a broker that does not have it
 * leads no more. */
static enum err missing_explained(struct takeover *takeover, struct err_info *info) {
    struct log_partition left[TOPIC_COUNT];
    size_t count = replay_partitions(&takeover->replay, left);
    const struct replay_log *log = takeover->options.log;
    const char *outcomes = replay_of(takeover)->topics->names[TOPIC_OUTCOMES];
    for (size_t i = 0; i < count; i++) {
        int64_t low, high;
        enum err err = log->watermarks(log->context, left[i].topic, left[i].partition, &low, &high, info);
        if (err != ERR_NONE) {
            return err;
        }
        if (low > left[i].offset) {
            return left[i].topic == outcomes
                       ? err_set_retriable(info, ERR_KAFKA, "outcomes expired while they were replayed")
                       : err_set(info, ERR_CONFLICT, "%s[%" PRId32 "] begins at %" PRId64 ", behind %" PRId64,
                                 left[i].topic, left[i].partition, low, left[i].offset);
        }
    }
    return err_set_retriable(info, ERR_KAFKA, "a broker that does not have the end of the log answered for its leader");
}

void takeover_waits_for(const struct takeover *takeover, struct err_info *info) {
    const struct replay *replay = &takeover->replay;
    struct log_partition left[TOPIC_COUNT];
    if (replay_partitions(replay, left) == 0) {
        (void)err_set_retriable(info, ERR_TIMEOUT, "nothing is waited for");
        return;
    }
    (void)err_set_retriable(info, ERR_TIMEOUT,
                            "%s[%" PRId32 "] cannot be read from offset %" PRId64
                            " to its end: a transaction there is neither committed nor aborted, or the broker that "
                            "answers leads it no more",
                            left[0].topic, left[0].partition, left[0].offset);
}

enum err takeover_step(struct takeover *takeover, int timeout_ms, bool *ret_done, struct err_info *info) {
    const struct replay_log *log = takeover->options.log;
    struct replay *replay = &takeover->replay;
    struct log_record records[TAKEOVER_POLL_RECORDS];
    size_t count = 0;
    enum err err = ERR_NONE;
    if (!replay_is_done(replay)) {
        err = log->poll(log->context, timeout_ms, records, TAKEOVER_POLL_RECORDS, &count, info);
        err = err == ERR_CONFLICT ? missing_explained(takeover, info) : err;
    }
    bool mismatch = false;
    for (size_t i = 0; i < count && err == ERR_NONE && !mismatch; i++) {
        if (takeover->is_fresh && !records[i].end) {
            return offset_is_missing(takeover, info); /* somebody has decided something here */
        }
        err = replay_take(replay, &records[i], &mismatch, info);
        if (err == ERR_NONE && replay->arena.used_bytes > REPLAY_PORTION_BYTES) {
            err = replay_write(replay, info);
        }
    }
    if (err == ERR_NONE && mismatch) {
        err = begin_anew(takeover, "the record it applied last is another one in the log", info);
    } else if (err == ERR_NONE && replay_is_done(replay)) {
        err = replay_write(replay, info);
    }
    if (err == ERR_NONE) {
        *ret_done = replay_is_done(replay);
    }
    return err;
}
