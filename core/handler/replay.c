#include "core/handler/replay.h"

#include "core/log/record.h"

static const char *topic_name(const struct replay *replay, enum log_topic topic) {
    return replay->options.topics->names[topic];
}

static void overlay_begin(struct replay *replay) {
    arena_reset(&replay->arena);
    store_rest(replay->options.store);
    overlay_init(&replay->overlay, replay->options.store, &replay->arena, replay->options.aggregates);
}

/* ---- where it begins --------------------------------------------------------------------------------------------- */

bool replay_reads(enum log_topic topic) {
    return topic == TOPIC_OUTCOMES || topic >= TOPIC_FIRST_EVENTS;
}

enum err replay_ranges_ask(const struct replay_log *log, const struct log_topics *topics, int32_t shard,
                           struct replay_range ret_ranges[TOPIC_COUNT], struct err_info *info) {
    struct log_partition first[TOPIC_COUNT], next[TOPIC_COUNT];
    size_t count = 0;
    for (int topic = 0; topic < TOPIC_COUNT; topic++) {
        if (replay_reads((enum log_topic)topic)) {
            first[count] = next[count] = (struct log_partition){.topic = topics->names[topic], .partition = shard};
            count++;
        }
    }
    enum err err = log->ends(log->context, LOG_END_FIRST, first, count, info);
    err = err == ERR_NONE ? log->ends(log->context, LOG_END_NEXT, next, count, info) : err;
    for (int topic = TOPIC_COUNT; topic-- > 0 && err == ERR_NONE;) {
        ret_ranges[topic] = (struct replay_range){0};
        if (replay_reads((enum log_topic)topic)) {
            count--;
            ret_ranges[topic] = (struct replay_range){.low = first[count].offset, .high = next[count].offset};
        }
    }
    return err;
}

/* False when the store cannot have come from this log. */
static bool source_begin(const struct replay *replay, struct replay_source *source, struct replay_range range) {
    int64_t applied = store_progress(replay->options.store)->topics[source->topic].offset;
    bool fits = true;
    source->high = range.high;
    source->begin = range.low;
    source->verifies = false;
    if (applied >= range.high) {
        fits = false; /* past the end */
    } else if (applied >= range.low) {
        source->begin = applied;
        source->verifies = true;
    } else if (applied >= 0 && source->topic != TOPIC_OUTCOMES) {
        fits = false; /* events are kept for ever; outcomes expire, and those the window need not know any more */
    }
    source->next = source->begin;
    return fits;
}

static bool sources_begin(struct replay *replay, const struct replay_range ranges[TOPIC_COUNT]) {
    bool fits = true;
    replay->source_count = 0;
    replay->began_empty = true;
    for (int topic = 0; topic < TOPIC_COUNT; topic++) {
        if (replay_reads((enum log_topic)topic)) {
            struct replay_source *source = &replay->sources[replay->source_count++];
            *source = (struct replay_source){.topic = (enum log_topic)topic};
            fits = source_begin(replay, source, ranges[topic]) && fits;
            replay->began_empty =
                replay->began_empty && store_progress(replay->options.store)->topics[topic].offset < 0;
        }
    }
    overlay_begin(replay);
    return fits;
}

void replay_begin(struct replay *replay, const struct replay_options *options,
                  const struct replay_range ranges[TOPIC_COUNT], bool *ret_fits) {
    *replay = (struct replay){.options = *options};
    arena_init(&replay->arena, REPLAY_ARENA_MAX_BYTES);
    if (!options->is_endless) { /* it is over soon */
        arena_keep(&replay->arena, 2 * REPLAY_PORTION_BYTES);
    }
    *ret_fits = sources_begin(replay, ranges);
}

enum err replay_anew(struct replay *replay, const char *why, const struct replay_range ranges[TOPIC_COUNT],
                     struct err_info *info) {
    replay->discarded = why;
    store_rest(replay->options.store);
    enum err err = store_discard(replay->options.store, info);
    if (err == ERR_NONE) {
        (void)sources_begin(replay, ranges); /* an empty store fits any log */
    }
    return err;
}

static bool source_is_done(const struct replay *replay, const struct replay_source *source) {
    return !replay->options.is_endless && source->next >= source->high;
}

size_t replay_partitions(const struct replay *replay, struct log_partition *ret_partitions) {
    size_t count = 0;
    for (size_t i = 0; i < replay->source_count; i++) {
        const struct replay_source *source = &replay->sources[i];
        if (!source_is_done(replay, source)) {
            ret_partitions[count++] = (struct log_partition){
                .topic = topic_name(replay, source->topic),
                .partition = replay->options.shard,
                .offset = source->next,
            };
        }
    }
    return count;
}

/* ---- what is read ------------------------------------------------------------------------------------------------ */

static struct replay_source *source_of(struct replay *replay, const struct log_record *record) {
    for (size_t i = 0; i < replay->source_count; i++) {
        struct replay_source *source = &replay->sources[i];
        const char *name = topic_name(replay, source->topic);
        if (record->partition == replay->options.shard && (record->topic == name || strcmp(record->topic, name) == 0)) {
            return source;
        }
    }
    return NULL;
}

/* The first record of a partition is the last that the store applied, or the store is of another history. */
static bool is_last_applied(const struct replay *replay, const struct replay_source *source,
                            const struct log_record *record) {
    const struct store_applied *applied = &store_progress(replay->options.store)->topics[source->topic];
    uint8_t hash[CHAIN_HASH_BYTES];
    if (record->end || record->offset != applied->offset) {
        return false;
    }
    chain_hash(record->value, hash);
    return memcmp(hash, applied->hash, sizeof hash) == 0;
}

enum err replay_take(struct replay *replay, const struct log_record *record, bool *ret_mismatch,
                     struct err_info *info) {
    struct replay_source *source = source_of(replay, record);
    if (source == NULL || source_is_done(replay, source)) {
        return ERR_NONE;
    }
    if (source->verifies) {
        if (record->end && record->offset <= source->begin) {
            return ERR_NONE; /* the last stable offset: a marker behind the record looked for is not written yet */
        }
        source->verifies = false;
        if (!is_last_applied(replay, source, record)) {
            *ret_mismatch = true;
            return ERR_NONE;
        }
    } else if (!record->end && (replay->options.is_endless || record->offset < source->high)) {
        bool foreign;
        enum err err = fold_record(&replay->overlay, source->topic, record, &foreign, info);
        if (err != ERR_NONE) {
            return err;
        }
        replay->replayed += !foreign;
        replay->foreign += foreign;
    }
    source->next = record->end ? record->offset : record->offset + 1;
    return ERR_NONE;
}

bool replay_may_err(struct replay *replay, const struct log_record *record) {
    const struct replay_source *source = source_of(replay, record);
    bool is_of_this_reading = replay->began_empty && source != NULL && record->offset < source->high;
    struct event event;
    struct err_info ignored;
    return !is_of_this_reading && event_record_read(&replay->arena, record->value, &event, &ignored) == ERR_NONE;
}

bool replay_has_more(const struct replay *replay) {
    return memcmp(&replay->overlay.progress, store_progress(replay->options.store), sizeof replay->overlay.progress) !=
           0;
}

enum err replay_write(struct replay *replay, struct err_info *info) {
    if (!replay_has_more(replay)) {
        return ERR_NONE;
    }
    enum err err = overlay_write(&replay->overlay, replay->options.window_us, info);
    if (err == ERR_NONE) {
        overlay_begin(replay);
    }
    return err;
}

bool replay_is_done(const struct replay *replay) {
    for (size_t i = 0; i < replay->source_count; i++) {
        if (!source_is_done(replay, &replay->sources[i])) {
            return false;
        }
    }
    return true;
}

void replay_release(struct replay *replay) {
    arena_release(&replay->arena);
}
