#include "core/handler/fold.h"

#include "core/handler/ids.h"
#include "core/log/record.h"

static int64_t later(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static enum err fold_command_seen(struct overlay *overlay, const struct event *event, int64_t seen_at_us,
                                  struct err_info *info) {
    uint8_t id[ULID_BYTES];
    struct window_item *item;
    if (!command_id_read(event->meta.command_id, id)) {
        return err_set(info, ERR_BROKEN_HISTORY, "event %.*s names no command", STR_ARGS(event->meta.event_id));
    }
    if (command_was_at_once(event->meta.command_id, event->meta.causation_id)) {
        return ERR_NONE;
    }
    enum err err = overlay_window(overlay, id, &item, info);
    if (err != ERR_NONE) {
        return err;
    }
    item->present = item->dirty = true;
    item->entry.seen_at = later(item->entry.seen_at, seen_at_us);
    item->entry.stream = event->meta.stream;
    item->entry.version = later(item->entry.version, event->meta.version);
    return ERR_NONE;
}

enum err fold_event(struct overlay *overlay, struct live_stream *stream, const struct event *event, struct str value,
                    int64_t seen_at_us, struct err_info *info) {
    enum err err = chain_check(event, stream->version, stream->hash, stream->occurred_at_us, info);
    if (err != ERR_NONE) {
        return err;
    }
    const struct aggregate *aggregate = stream->aggregate;
    struct live_sub *sub = NULL;
    if (aggregate->event_sub_key != NULL) {
        err = overlay_sub(overlay, stream, aggregate->event_sub_key(event, overlay->arena), &sub, info);
    }
    if (err == ERR_NONE) {
        err = fold_command_seen(overlay, event, seen_at_us, info);
    }
    if (err != ERR_NONE) {
        return err;
    }
    aggregate->evolve(stream->state, sub == NULL ? NULL : sub->state, event, overlay->arena);
    stream->version = event->meta.version;
    stream->occurred_at_us = event->meta.occurred_at;
    chain_hash(value, stream->hash);
    stream->deadline_us = aggregate->deadline_us == NULL ? 0 : aggregate->deadline_us(stream->state);
    stream->dirty = true;
    if (sub != NULL) {
        sub->dirty = true;
    }
    return ERR_NONE;
}

enum err fold_outcome(struct overlay *overlay, const struct outcome *outcome, struct str value, int64_t seen_at_us,
                      struct err_info *info) {
    uint8_t id[ULID_BYTES];
    if (!command_id_read(outcome->command_id, id)) {
        return ERR_NONE; /* the answer to a command that could not be read: nothing repeats it */
    }
    struct window_item *item;
    enum err err = overlay_window(overlay, id, &item, info);
    if (err != ERR_NONE) {
        return err;
    }
    item->present = item->dirty = true;
    item->entry.seen_at = later(item->entry.seen_at, seen_at_us);
    if (str_is_empty(item->entry.stream)) {
        item->entry.stream = outcome->stream;
    }
    item->entry.outcome = value;
    return ERR_NONE;
}

static enum err fold_event_record(struct overlay *overlay, struct str value, int64_t seen_at_us, bool *ret_foreign,
                                  struct err_info *info) {
    uint32_t schema_id;
    struct str avro;
    if (!frame_read(value, &schema_id, &avro)) {
        *ret_foreign = true;
        return ERR_NONE;
    }
    struct event event;
    enum err err = event_record_read(overlay->arena, value, &event, info);
    if (err == ERR_MALFORMED || err == ERR_NOT_FOUND) {
        return err_set(info, ERR_BROKEN_HISTORY,
                       "an event of schema id %u cannot be read (%s); was it written by a newer release?", schema_id,
                       err_text(err));
    }
    struct live_stream *stream = NULL;
    err = err == ERR_NONE ? overlay_stream(overlay, event.meta.stream, &stream, info) : err;
    if (err == ERR_NOT_FOUND) {
        return err_set(info, ERR_BROKEN_HISTORY, "event %.*s belongs to %.*s, which nothing knows",
                       STR_ARGS(str_first(event.meta.event_id, 40)), STR_ARGS(str_first(event.meta.stream, 100)));
    }
    return err == ERR_NONE ? fold_event(overlay, stream, &event, value, seen_at_us, info) : err;
}

enum err fold_record(struct overlay *overlay, enum log_topic topic, const struct log_record *record, bool *ret_foreign,
                     struct err_info *info) {
    struct str value;
    if (!arena_str_try(overlay->arena, record->value, &value)) {
        return err_set(info, ERR_TOO_LARGE, "the replay needs more memory than it may");
    }
    bool foreign = false;
    enum err err = ERR_NONE;
    if (topic == TOPIC_OUTCOMES) {
        struct outcome outcome;
        foreign = !outcome_read(overlay->arena, value, &outcome);
        err = foreign ? ERR_NONE : fold_outcome(overlay, &outcome, value, record->timestamp_us, info);
    } else {
        err = fold_event_record(overlay, value, record->timestamp_us, &foreign, info);
    }
    if (err != ERR_NONE) {
        return err;
    }
    struct store_applied *applied = &overlay->progress.topics[topic];
    applied->offset = record->offset;
    chain_hash(record->value, applied->hash);
    overlay->progress.log_time_us = later(overlay->progress.log_time_us, record->timestamp_us);
    *ret_foreign = foreign;
    return ERR_NONE;
}
