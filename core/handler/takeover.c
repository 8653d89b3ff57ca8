#include "core/handler/takeover.h"

#include <assert.h>
#include <inttypes.h>

#include "core/log/record.h"

enum { TAKEOVER_POLL_RECORDS = 512 };

static const char *topic_name(const struct takeover *takeover, enum log_topic topic) {
    return takeover->options.topics->names[topic];
}

static void overlay_begin(struct takeover *takeover) {
    arena_reset(&takeover->arena);
    store_rest(takeover->options.store);
    overlay_init(&takeover->overlay, takeover->options.store, &takeover->arena, takeover->options.aggregates);
}

/* ---- (b) and (c) ------------------------------------------------------------------------------------------------- */

static enum err watermarks(struct takeover *takeover, enum log_topic topic, int64_t *ret_low, int64_t *ret_high,
                           struct err_info *info) {
    const struct takeover_log *log = takeover->options.log;
    return log->watermarks(log->context, topic_name(takeover, topic), takeover->options.shard, ret_low, ret_high, info);
}

/* Where one partition's replay begins; *ret_fits is false when the store cannot have come from this log. */
static enum err source_begin(struct takeover *takeover, struct takeover_source *source, bool *ret_fits,
                             struct err_info *info) {
    int64_t low, high;
    enum err err = watermarks(takeover, source->topic, &low, &high, info);
    if (err != ERR_NONE) {
        return err;
    }
    int64_t applied = store_progress(takeover->options.store)->topics[source->topic].offset;
    source->high = high;
    source->begin = low;
    source->verifies = false;
    if (applied >= high) {
        *ret_fits = false; /* past the end */
    } else if (applied >= low) {
        source->begin = applied;
        source->verifies = true;
    } else if (applied >= 0 && source->topic != TOPIC_OUTCOMES) {
        *ret_fits = false; /* events are kept for ever; outcomes expire, and those the window need not know any more */
    }
    source->next = source->begin;
    source->done = source->begin >= high;
    return ERR_NONE;
}

static enum err sources_begin(struct takeover *takeover, bool *ret_fits, struct err_info *info) {
    takeover->source_count = 0;
    enum err err = ERR_NONE;
    bool fits = true;
    for (int topic = 0; topic < TOPIC_COUNT && err == ERR_NONE; topic++) {
        if (topic == TOPIC_OUTCOMES || topic >= TOPIC_FIRST_EVENTS) {
            struct takeover_source *source = &takeover->sources[takeover->source_count++];
            *source = (struct takeover_source){.topic = (enum log_topic)topic};
            err = source_begin(takeover, source, &fits, info);
        }
    }
    if (err == ERR_NONE) {
        *ret_fits = fits;
    }
    return err;
}

static enum err sources_assign(struct takeover *takeover, struct err_info *info) {
    struct log_partition partitions[TOPIC_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < takeover->source_count; i++) {
        const struct takeover_source *source = &takeover->sources[i];
        if (!source->done) {
            partitions[count++] = (struct log_partition){
                .topic = topic_name(takeover, source->topic),
                .partition = takeover->options.shard,
                .offset = source->begin,
            };
        }
    }
    const struct takeover_log *log = takeover->options.log;
    return count == 0 ? ERR_NONE : log->assign(log->context, partitions, count, info);
}

/* Throws the store away and begins at the beginning. */
static enum err begin_anew(struct takeover *takeover, const char *why, struct err_info *info) {
    takeover->discarded = why;
    store_rest(takeover->options.store);
    enum err err = store_discard(takeover->options.store, info);
    bool fits;
    err = err == ERR_NONE ? sources_begin(takeover, &fits, info) : err;
    if (err != ERR_NONE) {
        return err;
    }
    overlay_begin(takeover);
    return sources_assign(takeover, info);
}

/* Which command is next; refuses what would skip or repeat commands. */
static enum err commands_check(struct takeover *takeover, struct err_info *info) {
    int64_t low, high;
    enum err err = watermarks(takeover, TOPIC_COMMANDS, &low, &high, info);
    if (err != ERR_NONE) {
        return err;
    }
    int64_t committed = takeover->options.committed_offset;
    int32_t shard = takeover->options.shard;
    bool is_used = low > 0;
    for (size_t i = 0; i < takeover->source_count; i++) {
        is_used = is_used || takeover->sources[i].high > 0;
    }
    if (committed < 0 && is_used) {
        return err_set(info, ERR_CONFLICT,
                       "shard %" PRId32
                       " is in use, but its consumer group has no committed offset: stop all handlers, "
                       "then `daybook shards set %" PRId32 " OFFSET` (docs/operations.md says which)",
                       shard, shard);
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
    arena_init(&takeover->arena, TAKEOVER_ARENA_MAX_BYTES);
    bool fits = true;
    enum err err = sources_begin(takeover, &fits, info);
    err = err == ERR_NONE ? commands_check(takeover, info) : err;
    if (err != ERR_NONE) {
        return err;
    }
    if (!fits) {
        return begin_anew(takeover, "it knows records that the log does not have", info);
    }
    overlay_begin(takeover);
    return sources_assign(takeover, info);
}

void takeover_release(struct takeover *takeover) {
    arena_release(&takeover->arena);
}

/* ---- (d) --------------------------------------------------------------------------------------------------------- */

static struct takeover_source *source_of(struct takeover *takeover, const struct log_record *record) {
    for (size_t i = 0; i < takeover->source_count; i++) {
        struct takeover_source *source = &takeover->sources[i];
        const char *name = topic_name(takeover, source->topic);
        if (record->partition == takeover->options.shard &&
            (record->topic == name || strcmp(record->topic, name) == 0)) {
            return source;
        }
    }
    return NULL;
}

/* (c): the first record of a partition is the last that the store applied, or the store is of another history. */
static bool is_last_applied(const struct takeover *takeover, const struct takeover_source *source,
                            const struct log_record *record) {
    const struct store_applied *applied = &store_progress(takeover->options.store)->topics[source->topic];
    uint8_t hash[CHAIN_HASH_BYTES];
    if (record->end || record->offset != applied->offset) {
        return false;
    }
    chain_hash(record->value, hash);
    return memcmp(hash, applied->hash, sizeof hash) == 0;
}

static enum err portion_write(struct takeover *takeover, struct err_info *info) {
    enum err err = overlay_write(&takeover->overlay, takeover->options.window_us, info);
    if (err == ERR_NONE) {
        overlay_begin(takeover);
    }
    return err;
}

/* *ret_mismatch: the store must be discarded. */
static enum err record_take(struct takeover *takeover, const struct log_record *record, bool *ret_mismatch,
                            struct err_info *info) {
    struct takeover_source *source = source_of(takeover, record);
    if (source == NULL || source->done) {
        return ERR_NONE;
    }
    if (source->verifies) {
        if (record->end && record->offset <= source->begin) {
            return ERR_NONE; /* the last stable offset: a marker behind the record looked for is not written yet */
        }
        source->verifies = false;
        if (!is_last_applied(takeover, source, record)) {
            *ret_mismatch = true;
            return ERR_NONE;
        }
    } else if (!record->end && record->offset < source->high) {
        bool foreign;
        enum err err = fold_record(&takeover->overlay, source->topic, record, &foreign, info);
        if (err != ERR_NONE) {
            return err;
        }
        takeover->replayed += !foreign;
        takeover->foreign += foreign;
    }
    source->next = record->end ? record->offset : record->offset + 1;
    source->done = source->next >= source->high;
    return ERR_NONE;
}

static bool all_done(const struct takeover *takeover) {
    for (size_t i = 0; i < takeover->source_count; i++) {
        if (!takeover->sources[i].done) {
            return false;
        }
    }
    return true;
}

/* Whether outcomes expired between (b) and their reading: the topic begins later now, and so would another takeover. */
static bool outcomes_expired(struct takeover *takeover) {
    for (size_t i = 0; i < takeover->source_count; i++) {
        const struct takeover_source *source = &takeover->sources[i];
        int64_t low, high;
        if (source->topic == TOPIC_OUTCOMES && !source->done &&
            watermarks(takeover, TOPIC_OUTCOMES, &low, &high, NULL) == ERR_NONE) {
            return low > source->begin;
        }
    }
    return false;
}

void takeover_waits_for(const struct takeover *takeover, struct err_info *info) {
    for (size_t i = 0; i < takeover->source_count; i++) {
        const struct takeover_source *source = &takeover->sources[i];
        if (!source->done) {
            (void)err_set_retriable(info, ERR_TIMEOUT,
                                    "%s[%" PRId32 "] cannot be read from offset %" PRId64 " to its end at %" PRId64
                                    ": a transaction there is neither committed nor aborted",
                                    topic_name(takeover, source->topic), takeover->options.shard, source->next,
                                    source->high);
            return;
        }
    }
    (void)err_set_retriable(info, ERR_TIMEOUT, "nothing is waited for");
}

enum err takeover_step(struct takeover *takeover, int timeout_ms, bool *ret_done, struct err_info *info) {
    const struct takeover_log *log = takeover->options.log;
    struct log_record records[TAKEOVER_POLL_RECORDS];
    size_t count = 0;
    enum err err = ERR_NONE;
    if (!all_done(takeover)) {
        err = log->poll(log->context, timeout_ms, records, TAKEOVER_POLL_RECORDS, &count, info);
        if (err == ERR_CONFLICT && outcomes_expired(takeover)) {
            return err_set_retriable(info, ERR_KAFKA, "outcomes expired while they were replayed");
        }
    }
    bool mismatch = false;
    for (size_t i = 0; i < count && err == ERR_NONE && !mismatch; i++) {
        err = record_take(takeover, &records[i], &mismatch, info);
        if (err == ERR_NONE && takeover->arena.used_bytes > TAKEOVER_PORTION_BYTES) {
            err = portion_write(takeover, info);
        }
    }
    if (err == ERR_NONE && mismatch) {
        err = begin_anew(takeover, "the record it applied last is another one in the log", info);
    } else if (err == ERR_NONE && all_done(takeover) && overlay_is_dirty(&takeover->overlay)) {
        err = portion_write(takeover, info);
    }
    if (err == ERR_NONE) {
        *ret_done = all_done(takeover);
    }
    return err;
}
