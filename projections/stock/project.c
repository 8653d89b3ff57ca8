/* project.c: stock levels, the ledger of movements and the history, from the events of SKUs. */
#include "core/base/embed.h"
#include "core/domain/ids.h"
#include "core/domain/sku/sku.h"
#include "gen/codec.h"
#include "projections/runtime/history.h"
#include "projections/stock/document.h"

EMBED_TEXT(stock_sql, "projections/stock/view.sql");

enum { STOCK, MOVEMENTS, HISTORY };

struct movement {
    struct str location;
    int64_t on_hand_delta;
    int64_t reserved_delta;
    struct view_value owner, reference, reason;
};

static struct movement movement_at(struct str location, int64_t on_hand_delta, int64_t reserved_delta) {
    return (struct movement){.location = location,
                             .on_hand_delta = on_hand_delta,
                             .reserved_delta = reserved_delta,
                             .owner = view_null(),
                             .reference = view_null(),
                             .reason = view_null()};
}

static void put_movement(struct view_batch *batch, const struct event *event, const struct movement *movement) {
    const struct event_meta *meta = &event->meta;
    view_upsert(batch, MOVEMENTS,
                (struct view_value[]){
                    view_text(sku_of_stream(meta->stream)),
                    view_number(meta->version),
                    view_text(movement->location),
                    view_number(meta->occurred_at),
                    view_text(str_of_cstr(event_info(event->type)->name)),
                    view_number(movement->on_hand_delta),
                    view_number(movement->reserved_delta),
                    movement->owner,
                    movement->reference,
                    movement->reason,
                    view_text(meta->actor),
                    view_text(meta->command_id),
                    view_text(meta->causation_id),
                    view_text(meta->event_id),
                });
}

static void put_received(struct view_batch *batch, const struct event *event) {
    const struct stock_received *received = &event->as.stock_received;
    struct movement movement = movement_at(received->location, received->quantity, 0);
    movement.reference = view_text_or_null(received->has_reference, received->reference);
    put_movement(batch, event, &movement);
}

static void put_adjusted(struct view_batch *batch, const struct event *event) {
    const struct stock_adjusted *adjusted = &event->as.stock_adjusted;
    struct movement movement = movement_at(adjusted->location, adjusted->delta, 0);
    movement.reason = view_text(adjusted->reason);
    put_movement(batch, event, &movement);
}

static void put_transferred(struct view_batch *batch, const struct event *event) {
    const struct stock_transferred *moved = &event->as.stock_transferred;
    struct movement out = movement_at(moved->from_location, -moved->quantity, 0);
    struct movement in = movement_at(moved->to_location, moved->quantity, 0);
    put_movement(batch, event, &out);
    put_movement(batch, event, &in);
}

/* `sign` is 1 where units become held, -1 where they become free. */
static void put_held(struct view_batch *batch, const struct event *event,
                     const struct stock_allocation_array *allocations, int sign, struct str owner,
                     struct view_value reason) {
    for (uint32_t i = 0; i < allocations->count; i++) {
        const struct stock_allocation *allocation = &allocations->items[i];
        struct movement movement = movement_at(allocation->location, 0, sign * allocation->quantity);
        movement.owner = view_text(owner);
        movement.reason = reason;
        put_movement(batch, event, &movement);
    }
}

static void put_movements(struct view_batch *batch, const struct event *event) {
    switch ((enum stock_event)event->type) {
    case EVENT_STOCK_RECEIVED:
        put_received(batch, event);
        break;
    case EVENT_STOCK_ADJUSTED:
        put_adjusted(batch, event);
        break;
    case EVENT_STOCK_TRANSFERRED:
        put_transferred(batch, event);
        break;
    case EVENT_STOCK_RESERVED: {
        const struct stock_reserved *reserved = &event->as.stock_reserved;
        put_held(batch, event, &reserved->allocations, 1, reserved->owner, view_null());
        break;
    }
    case EVENT_RESERVATION_RELEASED: {
        const struct reservation_released *released = &event->as.reservation_released;
        put_held(batch, event, &released->allocations, -1, released->owner, view_text(released->reason));
        break;
    }
    case EVENT_RESERVATION_CONFIRMED: /* the units stay held until they leave */
    case EVENT_STOCK_RESERVATION_REFUSED:
    case EVENT_SKU_CLAIMED:
    case EVENT_SKU_CLAIM_REFUSED:
    case EVENT_SKU_RELEASED:
        break;
    }
}

static void put_stock(struct view_batch *batch, struct arena *arena, const struct event *event,
                      const struct sku_state *state) {
    int64_t on_hand = 0;
    for (uint32_t i = 0; i < state->levels.count; i++) {
        on_hand += state->levels.items[i].on_hand;
    }
    int64_t available = sku_available(state);
    struct buf *document = view_scratch(batch);
    stock_document(document, event->meta.stream, event->meta.version, state);
    view_upsert(batch, STOCK,
                (struct view_value[]){
                    view_text(sku_of_stream(event->meta.stream)),
                    view_text_or_null(!str_is_empty(state->product), state->product),
                    view_number(on_hand),
                    view_number(on_hand - available),
                    view_number(available),
                    view_text(arena_str_copy(arena, buf_text(document))),
                    view_number(event->meta.version),
                    view_number(state->held_since),
                });
}

static void project(struct view_batch *batch, struct arena *arena, const struct event *event, const void *state,
                    bool last) {
    put_movements(batch, event);
    history_put(batch, HISTORY, arena, event, state);
    if (last) {
        put_stock(batch, arena, event, state);
    }
}

const struct view stock_view = {
    .name = "stock",
    .sql = stock_sql,
    .format = 3,
    .families = {"stock"},
    .tables = {[STOCK] = {.name = "stock",
                          .columns = {{"sku", VIEW_TEXT, .key = true},
                                      {"product", VIEW_TEXT},
                                      {"on_hand", VIEW_BIGINT},
                                      {"reserved", VIEW_BIGINT},
                                      {"available", VIEW_BIGINT},
                                      {"document", VIEW_JSON},
                                      {"version", VIEW_BIGINT},
                                      {"held_since", VIEW_BIGINT}},
                          .column_count = 8},
               [MOVEMENTS] = {.name = "movements",
                              .columns = {{"sku", VIEW_TEXT, .key = true},
                                          {"version", VIEW_BIGINT, .key = true},
                                          {"location", VIEW_TEXT, .key = true},
                                          {"occurred_at", VIEW_TIMESTAMP},
                                          {"type", VIEW_TEXT},
                                          {"on_hand_delta", VIEW_BIGINT},
                                          {"reserved_delta", VIEW_BIGINT},
                                          {"owner", VIEW_TEXT},
                                          {"reference", VIEW_TEXT},
                                          {"reason", VIEW_TEXT},
                                          {"actor", VIEW_TEXT},
                                          {"command_id", VIEW_TEXT},
                                          {"causation_id", VIEW_TEXT},
                                          {"event_id", VIEW_TEXT}},
                              .column_count = 14,
                              .append_only = true},
               [HISTORY] = HISTORY_TABLE},
    .table_count = 3,
    .fold = &sku_aggregate,
    .project = project,
};
