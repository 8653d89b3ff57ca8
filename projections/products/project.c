/* project.c: the catalogue's rows, from the events of products. */
#include "core/base/embed.h"
#include "core/domain/product/product.h"
#include "gen/json.h"
#include "projections/products/document.h"
#include "projections/products/found_by.h"
#include "projections/runtime/history.h"

EMBED_TEXT(products_sql, "projections/products/view.sql");

enum { PRODUCTS, VARIANTS, HISTORY, WORDS };

/* A tsvector has at most 1 MiB; 100 variants' attributes could be longer. What comes after this is not searched. */
enum { KEYWORDS_MAX_BYTES = 32 * 1024 };

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

static const struct attribute *attribute_named(const struct attribute_array *attributes, struct str name) {
    for (uint32_t i = 0; i < attributes->count; i++) {
        if (str_equal(attributes->items[i].name, name)) {
            return &attributes->items[i];
        }
    }
    return NULL;
}

/* What a variant is found by: its own attributes, and its product's where it says nothing else. */
static struct view_value found_by(struct arena *arena, const struct product_details *details,
                                  const struct variant *variant) {
    const struct attribute_array *own = &variant->attributes, *shared = &details->attributes;
    struct str *items = arena_alloc(arena, ((size_t)own->count + shared->count + 1) * sizeof *items);
    size_t count = 0;
    for (uint32_t i = 0; i < own->count; i++) {
        items[count++] = found_by_text(arena, own->items[i].name, own->items[i].value);
    }
    for (uint32_t i = 0; i < shared->count; i++) {
        if (attribute_named(own, shared->items[i].name) == NULL) {
            items[count++] = found_by_text(arena, shared->items[i].name, shared->items[i].value);
        }
    }
    return view_texts(items, count);
}

/* ---- what a product is searched by, beside title and description ------------------------------------------------- */

/* A line for each, so that no phrase reaches from one into the next by more than a word. */
static void add_keywords(struct buf *text, struct str words) {
    if (text->len + words.len < KEYWORDS_MAX_BYTES) {
        buf_str(text, words);
        buf_byte(text, '\n');
    }
}

static void add_values(struct buf *text, const struct attribute_array *attributes) {
    for (uint32_t i = 0; i < attributes->count; i++) {
        add_keywords(text, attributes->items[i].value);
    }
}

static struct str keywords(struct view_batch *batch, struct arena *arena, const struct product_state *state) {
    const struct product_details *details = &state->details;
    struct buf *text = view_scratch(batch);
    if (details->has_vendor) {
        add_keywords(text, details->vendor);
    }
    for (uint32_t i = 0; i < details->categories.count; i++) {
        add_keywords(text, details->categories.items[i]);
    }
    for (uint32_t i = 0; i < details->tags.count; i++) {
        add_keywords(text, details->tags.items[i]);
    }
    add_values(text, &details->attributes);
    for (uint32_t i = 0; i < state->variants.count; i++) {
        const struct variant *variant = &state->variants.items[i];
        add_keywords(text, variant->sku);
        if (variant->has_barcode) {
            add_keywords(text, variant->barcode);
        }
        if (variant->has_title) {
            add_keywords(text, variant->title);
        }
        add_values(text, &variant->attributes);
    }
    return arena_str_copy(arena, buf_text(text));
}

static int64_t price_least(const struct product_state *state) {
    int64_t least = 0;
    for (uint32_t i = 0; i < state->variants.count; i++) {
        int64_t price = state->variants.items[i].price.amount;
        least = i == 0 || price < least ? price : least;
    }
    return least;
}

static void put_product(struct view_batch *batch, struct arena *arena, const struct event *event,
                        const struct product_state *state) {
    const struct product_details *details = &state->details;
    struct str words = keywords(batch, arena, state);
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
                    view_number(price_least(state)),
                    view_text(words),
                    view_text(arena_str_copy(arena, buf_text(document))),
                    view_number((int64_t)document->len),
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
                    found_by(arena, &state->details, variant),
                    view_number(event->meta.version),
                });
}

static void project(struct view_batch *batch, struct arena *arena, const struct event *event, const void *state,
                    bool last) {
    const struct product_state *product = state;
    history_put(batch, HISTORY, arena, event, state);
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
    .format = 5,
    .families = {"catalog"},
    .tables =
        {[PRODUCTS] = {.name = "products",
                       .columns = {{"id", VIEW_TEXT, .key = true},
                                   {"status", VIEW_TEXT},
                                   {"title", VIEW_TEXT},
                                   {"vendor", VIEW_TEXT},
                                   {"categories", VIEW_TEXT_ARRAY},
                                   {"tags", VIEW_TEXT_ARRAY},
                                   {"price_least", VIEW_BIGINT},
                                   {"keywords", VIEW_TEXT},
                                   {"document", VIEW_JSON},
                                   {"document_bytes", VIEW_BIGINT},
                                   {"version", VIEW_BIGINT},
                                   {"created_at", VIEW_TIMESTAMP},
                                   {"changed_at", VIEW_TIMESTAMP}},
                       .column_count = 13},
         [VARIANTS] = {.name = "variants",
                       .columns = {{"sku", VIEW_TEXT, .key = true},
                                   {"product", VIEW_TEXT, .key = true},
                                   {"on_sale", VIEW_BOOLEAN},
                                   {"title", VIEW_TEXT},
                                   {"barcode", VIEW_TEXT},
                                   {"price_minor", VIEW_BIGINT},
                                   {"currency", VIEW_TEXT},
                                   {"attributes", VIEW_JSON},
                                   {"found_by", VIEW_TEXT_ARRAY},
                                   {"version", VIEW_BIGINT}},
                       .column_count = 10},
         [HISTORY] = HISTORY_TABLE,
         /* view.sql's triggers keep it, of what is written into products; nothing is put into it here. */
         [WORDS] = {.name = "words",
                    .columns = {{"word", VIEW_TEXT, .key = true}, {"lexeme", VIEW_TEXT}, {"products", VIEW_BIGINT}},
                    .column_count = 3,
                    .opaque = true}},
    .table_count = 4,
    .fold = &product_aggregate,
    .project = project,
};
