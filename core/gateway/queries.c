#include "core/gateway/queries.h"

#include <jansson.h>
#include <stdlib.h>

#include "core/base/logger.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/domain/aggregate.h"
#include "core/gateway/event_json.h"
#include "core/gateway/loop.h"
#include "core/gateway/query_run.h"
#include "core/gateway/query_string.h"
#include "core/gateway/request.h"
#include "projections/carts/query.h"
#include "projections/orders/document.h"
#include "projections/orders/query.h"
#include "projections/payments/query.h"
#include "projections/products/query.h"
#include "projections/stock/query.h"

enum { HISTORY_BODY_MAX_BYTES = 32 * 1024 * 1024 };

static const char *const products_view[] = {"products", NULL};
static const char *const variant_views[] = {"products", "stock", NULL};
static const char *const stock_view[] = {"stock", NULL};
static const char *const carts_view[] = {"carts", NULL};
static const char *const orders_view[] = {"orders", NULL};
static const char *const payments_view[] = {"payments", NULL};

/* ---- by id --------------------------------------------------------------------------------------------------------
 */

/* Whether If-None-Match names the ETag (weak comparison, RFC 9110, 13.1.2). */
static bool is_not_modified(struct request *request, struct str etag) {
    struct str rest = http_request_field(request->exchange, "if-none-match");
    if (str_equal(rest, STR("*"))) {
        return true;
    }
    while (!str_is_empty(rest)) {
        struct str item = str_first(rest, str_find(rest, ','));
        rest = str_from(rest, item.len + 1);
        while (item.len > 0 && item.data[0] == ' ') {
            item = str_from(item, 1);
        }
        if (str_starts_with(item, STR("W/"))) {
            item = str_from(item, 2);
        }
        if (str_equal(item, etag)) {
            return true;
        }
    }
    return false;
}

static void answer_document(struct request *request, struct str version, struct str document) {
    struct str etag = arena_printf(request_arena(request), "\"%.*s\"", STR_ARGS(version));
    http_answer_field(request->exchange, "ETag", etag);
    if (is_not_modified(request, etag)) {
        request_answer(request, 304, NULL, (struct str){0});
    } else {
        request_answer_json(request, 200, document);
    }
}

static void on_document(struct query_run *run, const PGresult *result) {
    struct request *request = run->request;
    if (PQntuples(result) == 0) {
        request_refuse(request, 404, run->unknown_code,
                       "There is no such thing, or the read model has not seen it yet.");
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
    answer_document(request, version, document);
}

/* What stands at an id. */
struct by_id {
    const char *parameter;    /* of the path */
    const char *const *views; /* that the statement reads */
    const struct pg_statement *statement;
    const char *unknown_code;
    bool has_etag;        /* then it is the document of one stream */
    enum log_topic topic; /* of that stream */
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
        answer_document(request, arena_printf(request_arena(request), "%lld", (long long)page->version), page->value);
    }
    return page != NULL;
}

static void answer_by_id(struct request *request, const struct by_id *what) {
    struct query_run *run = query_run_create(request, what->statement);
    struct str stream;
    run->on_rows = on_document;
    run->unknown_code = what->unknown_code;
    run->has_etag = what->has_etag;
    if (!query_run_take_id(request, what->parameter, &run->parameters[0], &stream)) {
        return;
    }
    if (what->has_etag) {
        run->from_memory = answer_from_page;
        run->page = page_cache_ask(&request->loop->pages, what->views[0], what->topic, stream, clock_boot_us());
    }
    query_run_start(run, what->views);
}

void query_product(struct request *request) {
    static const struct by_id product = {"product",         products_view, &product_by_id,
                                         "unknown_product", true,          TOPIC_CATALOG};
    answer_by_id(request, &product);
}

/* Its availability changes without its product's version: no ETag. */
void query_variant(struct request *request) {
    static const struct by_id variant = {"sku", variant_views, &variant_by_sku, "unknown_sku", false, TOPIC_CATALOG};
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

void query_stock(struct request *request) {
    static const struct by_id stock = {"sku", stock_view, &stock_by_sku, "unknown_sku", true, TOPIC_STOCK};
    answer_by_id(request, &stock);
}

void query_cart(struct request *request) {
    static const struct by_id cart = {"cart", carts_view, &cart_by_id, "unknown_cart", true, TOPIC_CARTS};
    answer_by_id(request, &cart);
}

void query_order(struct request *request) {
    static const struct by_id order = {"order", orders_view, &order_by_id, "unknown_order", true, TOPIC_ORDERS};
    answer_by_id(request, &order);
}

void query_payment(struct request *request) {
    static const struct by_id payment = {"payment",         payments_view, &payment_by_id,
                                         "unknown_payment", true,          TOPIC_PAYMENTS};
    answer_by_id(request, &payment);
}

/* ---- history ------------------------------------------------------------------------------------------------------
 */

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
    order_document(out, run->parameters[0], rows, state); /* versions have no gaps */
    return true;
}

static void on_history(struct query_run *run, const PGresult *result) {
    struct request *request = run->request;
    if (PQntuples(result) == 0) {
        request_refuse(request, 404, "unknown_order", "There is no such order, or there was none yet at that time.");
        return;
    }
    struct buf body;
    buf_init(&body, HISTORY_BODY_MAX_BYTES);
    buf_byte(&body, '{');
    if (run->has_as_of) {
        buf_str(&body, STR("\"order\":"));
        if (!write_order_as_of(run, result, &body)) {
            log_line(LOG_ERROR, "gateway", "an order's history cannot be read back",
                     LOG_STR("order", run->parameters[0]));
            buf_str(&body, STR("null"));
        }
        buf_byte(&body, ',');
    }
    query_run_write_items(&body, result, PQntuples(result));
    buf_str(&body, STR(",\"next_cursor\":null}"));
    if (buf_ok(&body)) {
        request_answer_json(request, 200, buf_text(&body));
    } else { /* half of it would be no JSON */
        request_refuse(request, 422, "history_too_large",
                       "The history is too large for one answer; ask with as_of for an earlier version.");
    }
    buf_release(&body);
}

/* as_of is a version or a time. */
static bool take_as_of(struct query_run *run, struct problem *ret_problem) {
    struct http_exchange *exchange = run->request->exchange;
    struct str text;
    int64_t version;
    if (!query_string_text(exchange, "as_of", 64, &text, ret_problem)) {
        return false;
    }
    run->has_as_of = text.data != NULL;
    if (run->has_as_of && int64_read(text, &version)) {
        run->parameters[1] = text;
        return version >= 1 ||
               query_string_refuse(exchange, "as_of", "a version of at least 1, or a time", ret_problem);
    }
    return query_string_time(exchange, "as_of", &run->parameters[2], ret_problem);
}

void query_order_history(struct request *request) {
    struct query_run *run = query_run_create(request, &order_history);
    struct problem problem;
    if (!query_run_take_id(request, "order", &run->parameters[0], NULL)) {
        return;
    }
    if (!take_as_of(run, &problem)) {
        request_problem(request, &problem);
        return;
    }
    run->on_rows = on_history;
    query_run_start(run, orders_view);
}
