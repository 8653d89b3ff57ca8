#include "cmd/why_stock.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/base/shard.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "gen/codec.h"

/* A location whose figures an event changed. */
struct change {
    const struct event *event;
    const struct log_record *record;
    const struct stock_level *level;
    struct why_level delta;
    int64_t available; /* of the SKU, in all locations */
};

void why_stock_init(struct why_stock *why, struct str stream, bool json) {
    *why = (struct why_stock){.stream = stream, .json = json};
    replay_fold_init(&why->fold, &sku_aggregate);
}

void why_stock_release(struct why_stock *why) {
    replay_fold_release(&why->fold);
}

/* What whoever asked gave as a reason or a reference; empty for none. */
static struct str words_of(const struct event *event) {
    switch ((enum stock_event)event->type) {
    case EVENT_STOCK_RECEIVED:
        return event->as.stock_received.has_reference ? event->as.stock_received.reference : STR("");
    case EVENT_STOCK_ADJUSTED:
        return event->as.stock_adjusted.reason;
    case EVENT_RESERVATION_RELEASED:
        return event->as.reservation_released.reason;
    case EVENT_STOCK_TRANSFERRED:
    case EVENT_STOCK_RESERVED:
    case EVENT_STOCK_RESERVATION_REFUSED:
    case EVENT_RESERVATION_CONFIRMED:
    case EVENT_SKU_CLAIMED:
    case EVENT_SKU_CLAIM_REFUSED:
    case EVENT_SKU_RELEASED:
        return STR("");
    }
    return STR("");
}

static bool is_order(struct str owner) {
    return str_starts_with(owner, STR("ord_"));
}

/* ---- lines --------------------------------------------------------------------------------------------------------
 */

static void put_figure(struct buf *out, const char *name, int64_t value, int64_t delta) {
    buf_printf(out, "%s %" PRId64, name, value);
    if (delta != 0) {
        buf_printf(out, " (%+" PRId64 ")", delta);
    }
}

/* Words of the log, which anybody may have chosen. */
static void put_words(struct buf *out, const char *before, struct str words) {
    buf_str(out, str_of_cstr(before));
    text_write_shown(out, words);
}

static void put_text(const struct change *change, struct buf *out) {
    const struct event_meta *meta = &change->event->meta;
    struct str owner = sku_aggregate.event_sub_key(change->event, NULL), words = words_of(change->event);
    char time[TIMESTAMP_TEXT_MAX + 1];
    time[timestamp_write(meta->occurred_at, time)] = 0;
    buf_printf(out, "%6" PRId64 "  %s  %-20s", meta->version, time, event_info(change->event->type)->name);
    put_words(out, " ", change->level->location);
    put_figure(out, ": on hand", change->level->on_hand, change->delta.on_hand);
    put_figure(out, ", reserved", change->level->reserved, change->delta.reserved);
    buf_printf(out, "; available in all %" PRId64, change->available);
    put_words(out, "; by ", meta->actor);
    put_words(out, ", ", meta->command_id);
    if (!str_equal(meta->causation_id, meta->command_id)) {
        put_words(out, ", caused by ", meta->causation_id);
    }
    if (is_order(owner)) {
        put_words(out, ", for ", owner);
        put_words(out, " of cart_", shard_key(owner));
    }
    if (!str_is_empty(words)) {
        put_words(out, ": ", words);
    }
    buf_byte(out, '\n');
}

static void put_json(const struct change *change, struct buf *out) {
    const struct event_meta *meta = &change->event->meta;
    struct str owner = sku_aggregate.event_sub_key(change->event, NULL), words = words_of(change->event);
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    json_field_int(&writer, "version", meta->version);
    json_field_time(&writer, "occurred_at", meta->occurred_at);
    json_field_cstr(&writer, "type", event_info(change->event->type)->name);
    json_field_string(&writer, "location", change->level->location);
    json_field_int(&writer, "on_hand_delta", change->delta.on_hand);
    json_field_int(&writer, "reserved_delta", change->delta.reserved);
    json_field_int(&writer, "on_hand", change->level->on_hand);
    json_field_int(&writer, "reserved", change->level->reserved);
    json_field_int(&writer, "available", change->available);
    json_field_string(&writer, "actor", meta->actor);
    json_field_string(&writer, "command_id", meta->command_id);
    json_field_string(&writer, "causation_id", meta->causation_id);
    json_field_string(&writer, "correlation_id", meta->correlation_id);
    if (is_order(owner)) {
        json_field_string(&writer, "order", owner);
        struct str cart = shard_key(owner);
        char id[sizeof "cart_" + ULID_TEXT_LEN];
        size_t len = (size_t)snprintf(id, sizeof id, "cart_%.*s", STR_ARGS(cart));
        json_field_string(&writer, "cart", str_of(id, len < sizeof id ? len : sizeof id - 1));
    }
    if (!str_is_empty(words)) {
        json_field_string(&writer, "reason", words);
    }
    json_field_int(&writer, "partition", change->record->partition);
    json_field_int(&writer, "offset", change->record->offset);
    json_object_end(&writer);
    buf_byte(out, '\n');
}

/* ---- reading -------------------------------------------------------------------------------------------------------
 */

/* Levels are only ever added, behind the others. */
static void tell_changes(struct why_stock *why, const struct event *event, const struct log_record *record,
                         struct buf *out) {
    const struct sku_state *state = why->fold.state;
    bool is_changed = false;
    for (uint32_t i = 0; i < state->levels.count && i < SKU_MAX_LOCATIONS; i++) {
        const struct stock_level *level = &state->levels.items[i];
        const struct change change = {
            event,
            record,
            level,
            {level->on_hand - why->before[i].on_hand, level->reserved - why->before[i].reserved},
            sku_available(state)};
        why->before[i] = (struct why_level){level->on_hand, level->reserved};
        if (change.delta.on_hand != 0 || change.delta.reserved != 0) {
            is_changed = true;
            (why->json ? put_json : put_text)(&change, out);
        }
    }
    why->changes += is_changed;
}

enum err why_stock_record(struct why_stock *why, const struct log_record *record, struct buf *out,
                          struct err_info *info) {
    if (!str_equal(record->key, shard_key(why->stream))) {
        return ERR_NONE;
    }
    struct event event;
    bool is_ours;
    enum err err = replay_fold_read(&why->fold, record->value, why->stream, &event, &is_ours, info);
    if (err == ERR_NONE && is_ours) {
        err = replay_fold_event(&why->fold, &event, info);
        if (err == ERR_NONE) {
            tell_changes(why, &event, record, out);
        }
    }
    return err;
}

static struct why_level sum_of(const struct sku_state *state) {
    struct why_level sum = {0};
    for (uint32_t i = 0; i < state->levels.count; i++) {
        sum.on_hand += state->levels.items[i].on_hand;
        sum.reserved += state->levels.items[i].reserved;
    }
    return sum;
}

void why_stock_conclude(const struct why_stock *why, struct buf *out) {
    const struct sku_state *state = why->fold.state;
    struct why_level sum = sum_of(state);
    if (!why->json) {
        char time[TIMESTAMP_TEXT_MAX + 1];
        time[timestamp_write(why->fold.occurred_at, time)] = 0;
        buf_printf(out,
                   "\n%.*s at version %" PRId64 " (%s): %" PRId64 " on hand, %" PRId64 " reserved, %" PRId64
                   " available, by %" PRId64 " changes\n",
                   STR_ARGS(why->stream), why->fold.version, time, sum.on_hand, sum.reserved,
                   sum.on_hand - sum.reserved, why->changes);
        return;
    }
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    json_field_string(&writer, "stream", why->stream);
    json_field_int(&writer, "version", why->fold.version);
    json_field_time(&writer, "occurred_at", why->fold.occurred_at);
    json_field_int(&writer, "on_hand", sum.on_hand);
    json_field_int(&writer, "reserved", sum.reserved);
    json_field_int(&writer, "available", sum.on_hand - sum.reserved);
    json_field_int(&writer, "changes", why->changes);
    json_object_end(&writer);
    buf_byte(out, '\n');
}
