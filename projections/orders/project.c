/* project.c: orders, their lines and their history, from the events of orders. */
#include "core/base/embed.h"
#include "core/domain/order/order.h"
#include "gen/codec.h"
#include "gen/json.h"
#include "projections/orders/document.h"
#include "projections/runtime/view.h"

EMBED_TEXT(orders_sql, "projections/orders/view.sql");

enum { ORDERS, ORDER_LINES, ORDER_HISTORY };

static void put_history(struct view_batch *batch, struct arena *arena, const struct event *event) {
    const struct event_meta *meta = &event->meta;
    uint8_t *hash = arena_alloc(arena, VIEW_HASH_BYTES);
    view_record_hash(batch, hash);
    struct buf *text = view_scratch(batch);
    struct json_writer writer = json_writer_of(text);
    event_write_json(&writer, event);
    view_upsert(batch, ORDER_HISTORY,
                (struct view_value[]){
                    view_text(meta->stream),
                    view_number(meta->version),
                    view_number(meta->occurred_at),
                    view_text(str_of_cstr(event_info(event->type)->name)),
                    view_text(meta->actor),
                    view_text(meta->command_id),
                    view_text(meta->causation_id),
                    view_text(str_of((const char *)hash, VIEW_HASH_BYTES)),
                    view_text(arena_str_copy(arena, buf_text(text))),
                });
}

static void put_lines(struct view_batch *batch, const struct event *event) {
    const struct cart_line_array *lines = &event->as.order_placed.lines;
    for (uint32_t i = 0; i < lines->count; i++) {
        const struct cart_line *line = &lines->items[i];
        view_upsert(batch, ORDER_LINES,
                    (struct view_value[]){
                        view_text(event->meta.stream),
                        view_number((int64_t)i + 1),
                        view_text(line->sku),
                        view_text(line->product),
                        view_text(line->title),
                        view_number(line->quantity),
                        view_number(line->unit_price.amount),
                        view_number(line->total.amount),
                        view_text(line->total.currency),
                        view_number(event->meta.occurred_at),
                    });
    }
}

static void put_order(struct view_batch *batch, struct arena *arena, const struct event *event,
                      const struct order_state *state) {
    struct buf *document = view_scratch(batch);
    order_document(document, event->meta.stream, event->meta.version, state);
    view_upsert(batch, ORDERS,
                (struct view_value[]){
                    view_text(event->meta.stream),
                    view_text(state->cart),
                    view_text_or_null(state->has_customer, state->customer),
                    view_text(str_of_cstr(order_status_name(state->status))),
                    view_text_or_null(state->has_reference, state->reference),
                    view_number(state->total.amount),
                    view_text(state->total.currency),
                    view_text(arena_str_copy(arena, buf_text(document))),
                    view_number(event->meta.version),
                    view_number(state->created_at),
                    view_number(state->changed_at),
                });
}

static void project(struct view_batch *batch, struct arena *arena, const struct event *event, const void *state,
                    bool last) {
    put_history(batch, arena, event);
    if (event->type == EVENT_ORDER_PLACED) {
        put_lines(batch, event);
    }
    if (last) {
        put_order(batch, arena, event, state);
    }
}

const struct view orders_view = {
    .name = "orders",
    .sql = orders_sql,
    .format = 5,
    .families = {"orders"},
    .tables = {[ORDERS] = {.name = "orders",
                           .columns = {{"id", VIEW_TEXT, .key = true},
                                       {"cart", VIEW_TEXT},
                                       {"customer", VIEW_TEXT},
                                       {"status", VIEW_TEXT},
                                       {"reference", VIEW_TEXT},
                                       {"total_minor", VIEW_BIGINT},
                                       {"currency", VIEW_TEXT},
                                       {"document", VIEW_JSON},
                                       {"version", VIEW_BIGINT},
                                       {"placed_at", VIEW_TIMESTAMP},
                                       {"changed_at", VIEW_TIMESTAMP}},
                           .column_count = 11},
               [ORDER_LINES] = {.name = "order_lines",
                                .columns = {{"order_id", VIEW_TEXT, .key = true},
                                            {"line", VIEW_BIGINT, .key = true},
                                            {"sku", VIEW_TEXT},
                                            {"product", VIEW_TEXT},
                                            {"title", VIEW_TEXT},
                                            {"quantity", VIEW_BIGINT},
                                            {"unit_price_minor", VIEW_BIGINT},
                                            {"total_minor", VIEW_BIGINT},
                                            {"currency", VIEW_TEXT},
                                            {"placed_at", VIEW_TIMESTAMP}},
                                .column_count = 10,
                                .append_only = true},
               [ORDER_HISTORY] = {.name = "order_history",
                                  .columns = {{"order_id", VIEW_TEXT, .key = true},
                                              {"version", VIEW_BIGINT, .key = true},
                                              {"occurred_at", VIEW_TIMESTAMP},
                                              {"type", VIEW_TEXT},
                                              {"actor", VIEW_TEXT},
                                              {"command_id", VIEW_TEXT},
                                              {"causation_id", VIEW_TEXT},
                                              {"hash", VIEW_BYTEA},
                                              {"event", VIEW_JSON}},
                                  .column_count = 9,
                                  .append_only = true}},
    .table_count = 3,
    .fold = &order_aggregate,
    .project = project,
};
