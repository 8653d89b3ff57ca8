/* oracle_streams.c: each stream's history, and each command's effect. */
#include "core/testing/simulator/oracle_parts.h"

/* ---- histories --------------------------------------------------------------------------------------------------- */

static void judge_event(struct oracle *oracle, const struct seen_event *before, const struct seen_event *event) {
    const struct event_meta *meta = &event->event.meta;
    int64_t expected = before == NULL ? 1 : before->event.meta.version + 1;
    if (meta->version != expected) {
        oracle_tell(oracle, "history.version", "%.*s: " PLACE_FORMAT " has version %lld, expected %lld",
                    STR_ARGS(meta->stream), PLACE_ARGS(event->at), (long long)meta->version, (long long)expected);
    }
    uint8_t hash[CHAIN_HASH_BYTES] = {0}; /* what the first one holds */
    if (before != NULL) {
        chain_hash(before->value, hash);
    }
    if (memcmp(meta->prev_hash, hash, CHAIN_HASH_BYTES) != 0) {
        oracle_tell(oracle, "history.chain",
                    "%.*s: version %lld, " PLACE_FORMAT ", does not hold the hash of the record before it",
                    STR_ARGS(meta->stream), (long long)meta->version, PLACE_ARGS(event->at));
    }
    if (before != NULL && meta->occurred_at < before->event.meta.occurred_at) {
        oracle_tell(oracle, "history.time",
                    "%.*s: version %lld, " PLACE_FORMAT ", occurred %lld us before the version before it",
                    STR_ARGS(meta->stream), (long long)meta->version, PLACE_ARGS(event->at),
                    (long long)(before->event.meta.occurred_at - meta->occurred_at));
    }
}

static void judge_stream(struct oracle *oracle, const struct seen_stream *stream, struct map *event_ids) {
    for (uint32_t i = 0; i < stream->events.count; i++) {
        struct seen_event *event = stream->events.items[i];
        judge_event(oracle, i > 0 ? stream->events.items[i - 1] : NULL, event);
        void **seen = map_at(event_ids, event->event.meta.event_id);
        if (*seen != NULL) {
            const struct seen_event *other = *seen;
            oracle_tell(oracle, "history.id", "event id %.*s: " PLACE_FORMAT " and " PLACE_FORMAT,
                        STR_ARGS(event->event.meta.event_id), PLACE_ARGS(other->at), PLACE_ARGS(event->at));
        }
        *seen = event;
    }
}

/* ---- effects ----------------------------------------------------------------------------------------------------- */

/* Whether the producer ended a transaction between the two. What others wrote there, a zombie say, is no harm. */
static bool is_cut(const struct oracle *oracle, const struct seen_event *first, const struct seen_event *next) {
    const struct broker_partition *partition =
        oracle->options.sources->partition(oracle->topics.names[first->at.topic], first->at.partition);
    for (int64_t offset = first->at.offset; offset < next->at.offset; offset++) {
        const struct broker_record *record = &partition->records[offset];
        if (record->kind != BROKER_DATA && record->producer_id == first->producer_id) {
            return true;
        }
    }
    return false;
}

/* The next event but `distance` of one decision: of one stream, with nothing of it in between, in one transaction. */
static bool is_one_batch(const struct oracle *oracle, const struct seen_event *first, const struct seen_event *next,
                         uint32_t distance) {
    const struct event_meta *a = &first->event.meta, *b = &next->event.meta;
    return str_equal(a->stream, b->stream) && b->version == a->version + distance &&
           next->producer_id == first->producer_id && !is_cut(oracle, first, next);
}

static bool is_internal(const struct event_meta *meta) {
    return !str_equal(meta->causation_id, meta->command_id) || str_equal(meta->actor, STR("system"));
}

static void judge_effect(struct oracle *oracle, const struct known_command *command) {
    if (command->events.count == 0) {
        return;
    }
    const struct seen_event *first = command->events.items[0];
    for (uint32_t i = 1; i < command->events.count; i++) {
        const struct seen_event *next = command->events.items[i];
        if (!is_one_batch(oracle, first, next, i)) {
            oracle_tell(oracle, "effect.once",
                        "%.*s has effects in %.*s version %lld, " PLACE_FORMAT
                        ", and in %.*s version %lld, " PLACE_FORMAT,
                        STR_ARGS(command->id), STR_ARGS(first->event.meta.stream), (long long)first->event.meta.version,
                        PLACE_ARGS(first->at), STR_ARGS(next->event.meta.stream), (long long)next->event.meta.version,
                        PLACE_ARGS(next->at));
            break;
        }
    }
    if (!is_internal(&first->event.meta) && command->entries.count == 0) {
        oracle_tell(oracle, "effect.unasked", "%.*s: " PLACE_FORMAT " comes from %.*s, whom no client sent",
                    STR_ARGS(first->event.meta.stream), PLACE_ARGS(first->at), STR_ARGS(command->id));
    }
}

void oracle_judge_streams(struct oracle *oracle) {
    struct map event_ids;
    map_init(&event_ids, &oracle->arena);
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        judge_stream(oracle, oracle->streams.entries[i].value, &event_ids);
    }
    for (uint32_t i = 0; i < oracle->commands.count; i++) {
        judge_effect(oracle, oracle->commands.entries[i].value);
    }
}
