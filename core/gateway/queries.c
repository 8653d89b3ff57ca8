#include "core/gateway/queries.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

#include "core/base/logger.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/domain/product/product.h"
#include "core/domain/sku/sku.h"
#include "core/gateway/as_of.h"
#include "core/gateway/event_json.h"
#include "core/gateway/loop.h"
#include "core/gateway/query_run.h"
#include "core/gateway/query_string.h"
#include "core/gateway/request.h"
#include "projections/carts/query.h"
#include "projections/orders/document.h"
#include "projections/orders/query.h"
#include "projections/payments/query.h"
#include "projections/products/document.h"
#include "projections/products/query.h"
#include "projections/stock/document.h"
#include "projections/stock/query.h"

enum { HISTORY_BODY_MAX_BYTES = 32 * 1024 * 1024, COLUMN_OCCURRED_AT = 2 };

static const char *const products_view[] = {"products", NULL};
static const char *const variant_views[] = {"products", "stock", NULL};
static const char *const stock_view[] = {"stock", NULL};
static const char *const carts_view[] = {"carts", NULL};
static const char *const orders_view[] = {"orders", NULL};
static const char *const payments_view[] = {"payments", NULL};

/* ---- by id --------------------------------------------------------------------------------------------------------
 */

static void on_document(struct query_run *run, const PGresult *result) {
    struct request *request = run->request;
    if (PQntuples(result) == 0) {
        request_refuse(request, 404, run->unknown_code, REQUEST_UNKNOWN_THING);
        return;
    }
    struct str document = pg_value(result, 0, COLUMN_DOCUMENT);
    if (!run->has_etag) {
        request_answer_json(request, 200, document);
        return;
    }
    struct str version = pg_value(result, 0, COLUMN_SECOND);
    int64_t number;
    if (int64_read(version, &number)) {
        page_cache_keep(&request->loop->pages, &run->page, number, document);
    }
    query_run_answer_document(request, version, document);
}

/* What stands at an id. */
struct by_id {
    const char *parameter;    /* of the path */
    const char *const *views; /* that the statement reads */
    const struct pg_statement *statement;
    const char *unknown_code;
    bool has_etag;                  /* then it is the document of one stream */
    enum log_topic topic;           /* of that stream */
    const struct as_of_thing *past; /* NULL: it cannot be asked how it stood */
};

/* The version that If-None-Match says the client has, when it names one; else 0. */
static int64_t version_seen(struct request *request) {
    struct str etag = http_request_field(request->exchange, "if-none-match");
    etag = str_starts_with(etag, STR("W/")) ? str_from(etag, 2) : etag;
    int64_t version;
    bool is_ours = etag.len > 2 && etag.data[0] == '"' && etag.data[etag.len - 1] == '"' &&
                   int64_read(str_of(etag.data + 1, etag.len - 2), &version);
    return is_ours ? version : 0;
}

static bool answer_from_page(struct query_run *run) {
    struct request *request = run->request;
    const struct lru_entry *page =
        page_cache_find(&request->loop->pages, &run->page, &run->position, version_seen(request));
    if (page != NULL) {
        query_run_answer_document(request, arena_printf(request_arena(request), "%lld", (long long)page->version),
                                  page->value);
    }
    return page != NULL;
}

static void answer_by_id(struct request *request, const struct by_id *what) {
    struct query_run *run = query_run_create(request, what->statement);
    struct str stream;
    struct problem problem;
    struct as_of as_of = {0};
    run->on_rows = on_document;
    run->unknown_code = what->unknown_code;
    run->has_etag = what->has_etag;
    if (!query_run_take_id(request, what->parameter, &run->parameters[0], &stream)) {
        return;
    }
    if (what->past != NULL && !as_of_read(request->exchange, &as_of, &problem)) {
        request_problem(request, &problem);
        return;
    }
    if (as_of_is_given(&as_of)) {
        as_of_answer(request, what->past, stream, &as_of);
        return;
    }
    if (what->has_etag) {
        run->from_memory = answer_from_page;
        run->page = page_cache_ask(&request->loop->pages, what->views[0], what->topic, stream, clock_boot_us());
    }
    query_run_start(run, what->views);
}

static void write_product(struct buf *out, struct str stream, int64_t version, const void *state) {
    product_document(out, stream, version, state);
}

static const struct as_of_thing past_product = {
    .aggregate = &product_aggregate,
    .views = products_view,
    .at_version = &product_at_version,
    .at_time = &product_at_time,
    .began = &product_began,
    .unknown_code = "unknown_product",
    .write = write_product,
};

void query_product(struct request *request) {
    static const struct by_id product = {"product", products_view, &product_by_id, "unknown_product",
                                         true,      TOPIC_CATALOG, &past_product};
    answer_by_id(request, &product);
}

/* Its availability changes without its product's version: no ETag. */
void query_variant(struct request *request) {
    static const struct by_id variant = {"sku",         variant_views, &variant_by_sku, "unknown_sku", false,
                                         TOPIC_CATALOG, NULL};
    answer_by_id(request, &variant);
}

/* A barcode is any short text: one that no variant has is just not found. */
void query_barcode(struct request *request) {
    struct query_run *run = query_run_create(request, &variant_by_barcode);
    run->parameters[0] = request_parameter(request, "barcode");
    run->on_rows = on_document;
    run->unknown_code = "unknown_barcode";
    query_run_start(run, variant_views);
}

static void write_stock(struct buf *out, struct str stream, int64_t version, const void *state) {
    stock_document(out, stream, version, state);
}

static const struct as_of_thing past_stock = {
    .aggregate = &sku_aggregate,
    .views = stock_view,
    .at_version = &stock_at_version,
    .at_time = &stock_at_time,
    .began = &stock_began,
    .unknown_code = "unknown_sku",
    .write = write_stock,
};

void query_stock(struct request *request) {
    static const struct by_id stock = {"sku", stock_view, &stock_by_sku, "unknown_sku", true, TOPIC_STOCK, &past_stock};
    answer_by_id(request, &stock);
}

void query_cart(struct request *request) {
    static const struct by_id cart = {"cart", carts_view, &cart_by_id, "unknown_cart", true, TOPIC_CARTS, NULL};
    answer_by_id(request, &cart);
}

void query_order(struct request *request) {
    static const struct by_id order = {"order", orders_view, &order_by_id, "unknown_order", true, TOPIC_ORDERS, NULL};
    answer_by_id(request, &order);
}

void query_payment(struct request *request) {
    static const struct by_id payment = {"payment",      payments_view, &payment_by_id, "unknown_payment", true,
                                         TOPIC_PAYMENTS, NULL};
    answer_by_id(request, &payment);
}

/* ---- history ------------------------------------------------------------------------------------------------------
 */

struct history_run {
    struct query_run run; /* first: on_rows is given its address */
    struct as_of as_of;
};

/* One row of the history, evolved into the state. */
static bool evolve_row(struct arena *arena, const struct aggregate *aggregate, void *state, struct str document) {
    json_t *row = json_loadb(document.data, document.len, 0, NULL);
    char *text = json_dumps(json_object_get(row, "event"), JSON_COMPACT);
    const char *type = json_string_value(json_object_get(row, "type"));
    struct event event;
    struct str json;
    bool is_read = text != NULL && type != NULL && arena_str_try(arena, str_of_cstr(text), &json) &&
                   event_from_json(arena, str_of_cstr(type), json, &event);
    if (is_read) {
        aggregate->evolve(state, NULL, &event, arena);
    }
    free(text);
    json_decref(row);
    return is_read;
}

/* Of an event that the view skipped there is no row, so rows are not counted. */
static int64_t history_version(const PGresult *result, int row) {
    int64_t version;
    bool is_read = int64_read(pg_value(result, row, COLUMN_SECOND), &version);
    assert(is_read && "a bigint");
    return version;
}

/* The order as it stood after the last of the rows; false when a row cannot be read back. */
static bool write_order_as_of(struct query_run *run, const PGresult *result, struct buf *out) {
    struct arena *arena = request_arena(run->request);
    const struct aggregate *aggregate = aggregate_of_stream(run->parameters[0]);
    struct order_state *state = arena_alloc(arena, aggregate->state_size);
    int rows = PQntuples(result);
    for (int row = 0; row < rows; row++) {
        if (!evolve_row(arena, aggregate, state, pg_value(result, row, COLUMN_DOCUMENT))) {
            return false;
        }
    }
    order_document(out, run->parameters[0], history_version(result, rows - 1), state);
    return true;
}

static void on_history(struct query_run *run, const PGresult *result) {
    struct request *request = run->request;
    const struct history_run *history = (const struct history_run *)run;
    int rows = PQntuples(result);
    if (rows == 0) {
        as_of_refuse(run, &order_began, run->parameters[0], &history->as_of);
        return;
    }
    struct buf body;
    buf_init(&body, HISTORY_BODY_MAX_BYTES);
    buf_byte(&body, '{');
    if (as_of_is_given(&history->as_of)) {
        buf_str(&body, STR("\"order\":"));
        if (!write_order_as_of(run, result, &body)) {
            log_line(LOG_ERROR, "gateway", "an order's history cannot be read back",
                     LOG_STR("order", run->parameters[0]));
            buf_str(&body, STR("null"));
        }
        buf_byte(&body, ',');
        as_of_write(&body, history_version(result, rows - 1), pg_value(result, rows - 1, COLUMN_OCCURRED_AT));
        buf_byte(&body, ',');
    }
    query_run_write_items(&body, result, rows);
    buf_str(&body, STR(",\"next_cursor\":null}"));
    if (buf_ok(&body)) {
        request_answer_json(request, 200, buf_text(&body));
    } else { /* half of it would be no JSON */
        request_refuse(request, 422, "history_too_large",
                       "The history is too large for one answer; ask with as_of for an earlier version.");
    }
    buf_release(&body);
}

void query_order_history(struct request *request) {
    struct history_run *history = arena_alloc(request_arena(request), sizeof *history);
    struct query_run *run = &history->run;
    struct problem problem;
    query_run_init(run, request, &order_history);
    if (!query_run_take_id(request, "order", &run->parameters[0], NULL)) {
        return;
    }
    if (!as_of_read(request->exchange, &history->as_of, &problem)) {
        request_problem(request, &problem);
        return;
    }
    run->parameters[1] = history->as_of.version;
    run->parameters[2] = history->as_of.time;
    run->unknown_code = "unknown_order";
    run->on_rows = on_history;
    query_run_start(run, orders_view);
}
