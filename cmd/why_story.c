#include "cmd/why_story.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/base/shard.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/domain/ids.h"
#include "core/domain/sku/sku.h"
#include "gen/codec.h"
#include "gen/json.h"

enum {
    /* Beside the texts, which are counted: ids of the events, and the SKUs in the texts, each in a map. */
    ARENA_MAX_BYTES = 8 * STORY_TEXT_MAX_BYTES,
    SCRATCH_MAX_BYTES = 64 * 1024 * 1024, /* more than a record of RECORD_MAX_BYTES can decode to */
    EVENT_TEXT_MAX_BYTES = 16 * 1024 * 1024,
};

void why_story_init(struct why_story *story, struct str stream, bool json) {
    *story = (struct why_story){.stream = stream, .key = shard_key(stream), .json = json};
    replay_fold_init(&story->fold, aggregate_of_stream(stream));
    arena_init(&story->arena, ARENA_MAX_BYTES);
    arena_init(&story->scratch, SCRATCH_MAX_BYTES);
    buf_init(&story->text, EVENT_TEXT_MAX_BYTES);
    map_init(&story->by_id, &story->arena);
    map_init(&story->skus, &story->arena);
    story->events = calloc_or_end(STORY_EVENTS_MAX, sizeof(struct story_event *));
}

void why_story_release(struct why_story *story) {
    free(story->events);
    buf_release(&story->text);
    arena_release(&story->scratch);
    arena_release(&story->arena);
    replay_fold_release(&story->fold);
}

/* ---- keeping what may have a part in it ---------------------------------------------------------------------------
 */

static struct str copy(struct why_story *story, struct str text) {
    return arena_str_copy(&story->arena, text);
}

static enum err keep(struct why_story *story, const struct event *event, const struct log_record *record,
                     struct err_info *info) {
    const struct event_meta *meta = &event->meta;
    struct json_writer writer = json_writer_of(&story->text);
    buf_clear(&story->text);
    event_write_json(&writer, event);
    story->text_bytes += story->text.len;
    if (story->count == STORY_EVENTS_MAX || story->text_bytes > STORY_TEXT_MAX_BYTES || !buf_ok(&story->text)) {
        return err_set(info, ERR_TOO_LARGE,
                       "more than %d events, or %d MiB of them, may have a part in it: replay each stream",
                       STORY_EVENTS_MAX, STORY_TEXT_MAX_BYTES >> 20);
    }
    struct story_event *kept = arena_alloc(&story->arena, sizeof *kept);
    *kept = (struct story_event){
        .id = copy(story, meta->event_id),
        .stream = copy(story, meta->stream),
        .actor = copy(story, meta->actor),
        .command_id = copy(story, meta->command_id),
        .causation_id = copy(story, meta->causation_id),
        .json = copy(story, buf_text(&story->text)),
        .type = event_info(event->type)->name,
        .version = meta->version,
        .occurred_at = meta->occurred_at,
        .partition = record->partition,
        .offset = record->offset,
    };
    story->events[story->count++] = kept;
    *map_at(&story->by_id, kept->id) = kept;
    return ERR_NONE;
}

static void note_sku(struct why_story *story, struct str sku) {
    *map_at(&story->skus, sku) = story;
}

static void note_variants(struct why_story *story, const struct variant_array *variants) {
    for (uint32_t i = 0; i < variants->count; i++) {
        note_sku(story, variants->items[i].sku);
    }
}

/* The SKUs that the event goes to. */
static void note_skus(struct why_story *story, const struct event *event) {
    if (event->type == EVENT_ORDER_PLACED) {
        const struct cart_line_array *lines = &event->as.order_placed.lines;
        for (uint32_t i = 0; i < lines->count; i++) {
            note_sku(story, lines->items[i].sku);
        }
    } else if (event->type == EVENT_PRODUCT_DEFINED) {
        note_variants(story, &event->as.product_defined.proposed);
    } else if (event->type == EVENT_VARIANT_PROPOSED) {
        note_sku(story, event->as.variant_proposed.variant.sku);
    }
}

enum err why_story_record(struct why_story *story, const struct log_record *record, struct err_info *info) {
    if (!str_equal(record->key, story->key)) {
        return ERR_NONE;
    }
    struct event event;
    bool is_ours;
    enum err err = replay_fold_read(&story->fold, record->value, story->stream, &event, &is_ours, info);
    if (err == ERR_NONE && is_ours) {
        err = replay_fold_event(&story->fold, &event, info);
    } else if (err == ERR_NONE) {
        arena_reset(&story->scratch);
        err = event_record_read(&story->scratch, record->value, &event, info);
    }
    err = err != ERR_NONE ? err : keep(story, &event, record, info);
    if (err == ERR_NONE) {
        note_skus(story, &event);
    }
    return err;
}

bool why_story_has_sku(const struct why_story *story, struct str sku) {
    return map_get(&story->skus, sku) != NULL;
}

/* Whether what happened to the SKU has to do with the stream: for an order of its purchase, or with the product. */
static bool has_a_part(const struct why_story *story, const struct event *event) {
    struct str owner = sku_aggregate.event_sub_key(event, NULL);
    if (!str_is_empty(owner)) {
        return str_starts_with(owner, STR("ord_")) && str_equal(shard_key(owner), story->key);
    }
    switch ((enum stock_event)event->type) {
    case EVENT_SKU_CLAIMED:
        return str_equal(event->as.sku_claimed.product, story->stream);
    case EVENT_SKU_CLAIM_REFUSED:
        return str_equal(event->as.sku_claim_refused.product, story->stream);
    case EVENT_SKU_RELEASED:
        return str_equal(event->as.sku_released.product, story->stream);
    case EVENT_STOCK_RECEIVED:
    case EVENT_STOCK_ADJUSTED:
    case EVENT_STOCK_TRANSFERRED:
    case EVENT_STOCK_RESERVED:
    case EVENT_STOCK_RESERVATION_REFUSED:
    case EVENT_RESERVATION_CONFIRMED:
    case EVENT_RESERVATION_RELEASED:
        return false;
    }
    return false;
}

enum err why_story_stock_record(struct why_story *story, const struct log_record *record, struct err_info *info) {
    if (!why_story_has_sku(story, record->key)) {
        return ERR_NONE;
    }
    struct event event;
    arena_reset(&story->scratch);
    enum err err = event_record_read(&story->scratch, record->value, &event, info);
    if (err == ERR_NONE && has_a_part(story, &event)) {
        err = keep(story, &event, record, info);
    }
    return err;
}

/* ---- what led to what ----------------------------------------------------------------------------------------------
 */

static void link_causes(struct why_story *story) {
    for (size_t i = 0; i < story->count; i++) {
        struct story_event *event = story->events[i];
        event->cause = map_get(&story->by_id, event->causation_id);
        event->time = event->occurred_at;
    }
}

/* The stream's own events, and back from each along its causes. */
static void show(struct why_story *story) {
    for (size_t i = 0; i < story->count; i++) {
        struct story_event *event = story->events[i];
        if (str_equal(event->stream, story->stream)) {
            for (; event != NULL && !event->is_shown; event = event->cause) {
                event->is_shown = true;
            }
        }
    }
    size_t shown = 0;
    for (size_t i = 0; i < story->count; i++) {
        if (story->events[i]->is_shown) {
            story->events[shown++] = story->events[i];
        }
    }
    story->count = shown;
}

static int by_stream(const void *left, const void *right) {
    const struct story_event *a = *(struct story_event *const *)left, *b = *(struct story_event *const *)right;
    int order = str_compare(a->stream, b->stream);
    return order != 0 ? order : (a->version > b->version) - (a->version < b->version);
}

static int by_time(const void *left, const void *right) {
    const struct story_event *a = *(struct story_event *const *)left, *b = *(struct story_event *const *)right;
    if (a->time != b->time) {
        return a->time < b->time ? -1 : 1;
    }
    return a->depth != b->depth ? (a->depth < b->depth ? -1 : 1) : by_stream(left, right);
}

/* `event` comes after `earlier`; true when that moves it. */
static bool put_after(struct story_event *event, const struct story_event *earlier) {
    if (earlier == NULL || (event->time >= earlier->time && event->depth > earlier->depth)) {
        return false;
    }
    event->time = event->time > earlier->time ? event->time : earlier->time;
    event->depth = event->depth > earlier->depth ? event->depth : earlier->depth + 1;
    return true;
}

/* Each pass carries the order one link further at least; a chain has fewer links than there are events. */
static void put_in_order(struct why_story *story) {
    struct story_event **events = story->events;
    qsort(events, story->count, sizeof(struct story_event *), by_stream);
    for (size_t i = 1; i < story->count; i++) {
        events[i]->previous = str_equal(events[i]->stream, events[i - 1]->stream) ? events[i - 1] : NULL;
    }
    bool moved = true;
    for (size_t pass = 0; moved && pass < story->count; pass++) {
        qsort(events, story->count, sizeof(struct story_event *), by_time);
        moved = false;
        for (size_t i = 0; i < story->count; i++) {
            moved |= put_after(events[i], events[i]->cause);
            moved |= put_after(events[i], events[i]->previous);
        }
    }
    qsort(events, story->count, sizeof(struct story_event *), by_time);
    for (size_t i = 0; i < story->count; i++) {
        events[i]->number = (uint32_t)i + 1;
    }
}

/* ---- lines --------------------------------------------------------------------------------------------------------
 */

static void put_event(const struct why_story *story, const struct story_event *event, struct buf *out) {
    char time[TIMESTAMP_TEXT_MAX + 1];
    time[timestamp_write(event->occurred_at, time)] = 0;
    if (story->json) {
        buf_printf(out, "{\"number\":%" PRIu32 ",\"because_of\":", event->number);
        if (event->cause != NULL) {
            buf_printf(out, "%" PRIu32, event->cause->number);
        } else {
            buf_str(out, STR("null"));
        }
        buf_printf(out, ",\"type\":\"%s\",\"partition\":%" PRId32 ",\"offset\":%" PRId64 ",\"event\":", event->type,
                   event->partition, event->offset);
        buf_str(out, event->json);
        buf_str(out, STR("}\n"));
        return;
    }
    buf_printf(out, "%4" PRIu32 "  %s  %-24s of ", event->number, time, event->type);
    text_write_shown(out, event->stream);
    buf_printf(out, ", version %" PRId64 "; by ", event->version);
    text_write_shown(out, event->actor);
    if (event->cause != NULL) {
        buf_printf(out, ", because of %" PRIu32, event->cause->number);
    } else if (str_equal(event->causation_id, event->command_id)) {
        buf_str(out, STR(", who asked with "));
        text_write_shown(out, event->command_id);
    } else {
        buf_str(out, STR(", because of "));
        text_write_shown(out, event->causation_id);
        buf_str(out, STR(", which was not found"));
    }
    buf_str(out, STR("  {"));
    text_write_shown(out, replay_payload(event->json));
    buf_byte(out, '\n');
}

/* How many streams, and commands from outside, the story has. */
static void count_parts(struct why_story *story, uint32_t *ret_streams, uint32_t *ret_commands) {
    struct map streams, commands;
    arena_reset(&story->scratch);
    map_init(&streams, &story->scratch);
    map_init(&commands, &story->scratch);
    for (size_t i = 0; i < story->count; i++) {
        const struct story_event *event = story->events[i];
        *map_at(&streams, event->stream) = story;
        if (str_equal(event->causation_id, event->command_id)) {
            *map_at(&commands, event->command_id) = story;
        }
    }
    *ret_streams = streams.count;
    *ret_commands = commands.count;
}

static void put_conclusion(struct why_story *story, struct buf *out) {
    uint32_t streams, commands;
    char time[TIMESTAMP_TEXT_MAX + 1];
    time[timestamp_write(story->fold.occurred_at, time)] = 0;
    count_parts(story, &streams, &commands);
    if (story->json) {
        struct json_writer writer = json_writer_of(out);
        buf_printf(out,
                   "{\"stream\":\"%.*s\",\"version\":%" PRId64
                   ",\"occurred_at\":\"%s\",\"events\":%zu,\"streams\":%" PRIu32 ",\"commands\":%" PRIu32 ",\"state\":",
                   STR_ARGS(story->stream), story->fold.version, time, story->count, streams, commands);
        replay_fold_write_state(&story->fold, &writer);
        buf_str(out, STR("}\n"));
    } else {
        buf_printf(out,
                   "\n%.*s at version %" PRId64 " (%s), by %zu events of %" PRIu32
                   " streams; commands from outside: %" PRIu32 "\n  ",
                   STR_ARGS(story->stream), story->fold.version, time, story->count, streams, commands);
        replay_fold_show_state(&story->fold, out);
        buf_byte(out, '\n');
    }
}

void why_story_write(struct why_story *story, struct buf *out) {
    link_causes(story);
    show(story);
    put_in_order(story);
    for (size_t i = 0; i < story->count; i++) {
        put_event(story, story->events[i], out);
    }
    put_conclusion(story, out);
}
