/* project.c: carts, from their events. */
#include "core/base/embed.h"
#include "core/domain/cart/cart.h"
#include "projections/carts/document.h"
#include "projections/runtime/view.h"

EMBED_TEXT(carts_sql, "projections/carts/view.sql");

enum { CARTS };

static void project(struct view_batch *batch, struct arena *arena, const struct event *event, const void *state,
                    bool last) {
    if (!last) {
        return;
    }
    const struct cart_state *cart = state;
    struct str *skus = arena_alloc(arena, (cart->lines.count + 1) * sizeof *skus);
    for (uint32_t i = 0; i < cart->lines.count; i++) {
        skus[i] = cart->lines.items[i].sku;
    }
    struct buf *document = view_scratch(batch);
    cart_document(document, event->meta.stream, event->meta.version, cart);
    view_upsert(batch, CARTS,
                (struct view_value[]){
                    view_text(event->meta.stream),
                    view_text_or_null(cart->has_customer, cart->customer),
                    view_text(str_of_cstr(cart_status_name(cart->status))),
                    view_texts(skus, cart->lines.count),
                    view_text_or_null(cart->has_reference, cart->reference),
                    view_text_or_null(!str_is_empty(cart->order), cart->order),
                    view_number(cart->total.amount),
                    view_text(cart->currency),
                    view_text(arena_str_copy(arena, buf_text(document))),
                    view_number(event->meta.version),
                    view_number(cart->created_at),
                    view_number(cart->changed_at),
                });
}

const struct view carts_view = {
    .name = "carts",
    .sql = carts_sql,
    .format = 2,
    .families = {"carts"},
    .tables = {[CARTS] = {.name = "carts",
                          .columns = {{"id", VIEW_TEXT, .key = true},
                                      {"customer", VIEW_TEXT},
                                      {"status", VIEW_TEXT},
                                      {"skus", VIEW_TEXT_ARRAY},
                                      {"reference", VIEW_TEXT},
                                      {"order_id", VIEW_TEXT},
                                      {"total_minor", VIEW_BIGINT},
                                      {"currency", VIEW_TEXT},
                                      {"document", VIEW_JSON},
                                      {"version", VIEW_BIGINT},
                                      {"created_at", VIEW_TIMESTAMP},
                                      {"changed_at", VIEW_TIMESTAMP}},
                          .column_count = 12}},
    .table_count = 1,
    .fold = &cart_aggregate,
    .project = project,
};
