/* project.c: the catalogue's rows, from the events of products. */
#include "core/base/embed.h"
#include "core/domain/product/product.h"
#include "gen/json.h"
#include "projections/products/document.h"
#include "projections/runtime/view.h"

EMBED_TEXT(products_sql, "projections/products/view.sql");

enum { PRODUCTS, VARIANTS };

/* What a shopper sees in a cart's line: the product's title, and what sets the variant apart. */
static struct str line_title(struct arena *arena, const struct product_details *details,
                             const struct variant *variant) {
    if (!variant->has_title || str_is_empty(variant->title)) {
        return details->title;
    }
    return arena_printf(arena, "%.*s - %.*s", STR_ARGS(details->title), STR_ARGS(variant->title));
}

static struct str attributes_json(struct view_batch *batch, struct arena *arena, const struct variant *variant) {
    struct buf *text = view_scratch(batch);
    struct json_writer writer = json_writer_of(text);
    json_object_begin(&writer);
    for (uint32_t i = 0; i < variant->attributes.count; i++) {
        json_name(&writer, variant->attributes.items[i].name);
        json_text(&writer, variant->attributes.items[i].value);
    }
    json_object_end(&writer);
    return arena_str_copy(arena, buf_text(text));
}

static void put_product(struct view_batch *batch, struct arena *arena, const struct event *event,
                        const struct product_state *state) {
    const struct product_details *details = &state->details;
    struct buf *document = view_scratch(batch);
    product_document(document, event->meta.stream, event->meta.version, state);
    view_upsert(batch, PRODUCTS,
                (struct view_value[]){
                    view_text(event->meta.stream),
                    view_text(str_of_cstr(product_status_name(state->status))),
                    view_text(details->title),
                    view_text_or_null(details->has_vendor, details->vendor),
                    view_texts(details->categories.items, details->categories.count),
                    view_texts(details->tags.items, details->tags.count),
                    view_text(arena_str_copy(arena, buf_text(document))),
                    view_number(event->meta.version),
                    view_number(state->created_at),
                    view_number(state->changed_at),
                });
}

static void put_variant(struct view_batch *batch, struct arena *arena, const struct event *event,
                        const struct product_state *state, const struct variant *variant) {
    view_upsert(batch, VARIANTS,
                (struct view_value[]){
                    view_text(variant->sku),
                    view_text(event->meta.stream),
                    view_number(state->status == PRODUCT_STATUS_PUBLISHED),
                    view_text(line_title(arena, &state->details, variant)),
                    view_text_or_null(variant->has_barcode, variant->barcode),
                    view_number(variant->price.amount),
                    view_text(variant->price.currency),
                    view_text(attributes_json(batch, arena, variant)),
                    view_number(event->meta.version),
                });
}

static void project(struct view_batch *batch, struct arena *arena, const struct event *event, const void *state,
                    bool last) {
    const struct product_state *product = state;
    if (event->type == EVENT_VARIANT_REMOVED) {
        view_delete(batch, VARIANTS,
                    (struct view_value[]){view_text(event->as.variant_removed.sku), view_text(event->meta.stream)});
    }
    if (last) {
        put_product(batch, arena, event, product);
        for (uint32_t i = 0; i < product->variants.count; i++) {
            put_variant(batch, arena, event, product, &product->variants.items[i]);
        }
    }
}

const struct view products_view = {
    .name = "products",
    .sql = products_sql,
    .format = 1,
    .families = {"catalog"},
    .tables = {[PRODUCTS] = {.name = "products",
                             .columns = {{"id", VIEW_TEXT, .key = true},
                                         {"status", VIEW_TEXT},
                                         {"title", VIEW_TEXT},
                                         {"vendor", VIEW_TEXT},
                                         {"categories", VIEW_TEXT_ARRAY},
                                         {"tags", VIEW_TEXT_ARRAY},
                                         {"document", VIEW_JSON},
                                         {"version", VIEW_BIGINT},
                                         {"created_at", VIEW_TIMESTAMP},
                                         {"changed_at", VIEW_TIMESTAMP}},
                             .column_count = 10},
               [VARIANTS] = {.name = "variants",
                             .columns = {{"sku", VIEW_TEXT, .key = true},
                                         {"product", VIEW_TEXT, .key = true},
                                         {"on_sale", VIEW_BOOLEAN},
                                         {"title", VIEW_TEXT},
                                         {"barcode", VIEW_TEXT},
                                         {"price_minor", VIEW_BIGINT},
                                         {"currency", VIEW_TEXT},
                                         {"attributes", VIEW_JSON},
                                         {"version", VIEW_BIGINT}},
                             .column_count = 9}},
    .table_count = 2,
    .fold = &product_aggregate,
    .project = project,
};
