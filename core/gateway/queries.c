#include "core/gateway/queries.h"

#include <jansson.h>
#include <stdlib.h>

#include "core/base/logger.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/domain/aggregate.h"
#include "core/gateway/cursor.h"
#include "core/gateway/event_json.h"
#include "core/gateway/intake.h"
#include "core/gateway/loop.h"
#include "core/gateway/path_id.h"
#include "core/gateway/query_string.h"
#include "core/gateway/request.h"
#include "projections/carts/query.h"
#include "projections/orders/document.h"
#include "projections/orders/query.h"
#include "projections/payments/query.h"
#include "projections/products/query.h"
#include "projections/stock/query.h"

enum {
    QUERY_PARAMETERS_MAX = 8,
    LIST_BODY_MAX_BYTES = 32 * 1024 * 1024,
    PAGE_FULL_BYTES = 4 * 1024 * 1024,
    COLUMN_DOCUMENT = 0,
    COLUMN_SECOND = 1
};

/* A statement on its way, after its view has been waited for. */
struct query_run {
    struct request *request;
    struct position position;
    const char *const *views; /* still to be waited for */
    struct view_wait view_wait;
    const struct pg_statement *statement;
    struct str parameters[QUERY_PARAMETERS_MAX];
    void (*on_rows)(struct query_run *run, const PGresult *result);
    /* By id: */
    const char *unknown_code;
    bool has_etag;
    /* Lists: */
    const char *list;
    int64_t limit;
    bool has_as_of; /* of a history */
};

static const char *const products_view[] = {"products", NULL};
static const char *const variant_views[] = {"products", "stock", NULL};
static const char *const stock_view[] = {"stock", NULL};
static const char *const carts_view[] = {"carts", NULL};
static const char *const orders_view[] = {"orders", NULL};
static const char *const payments_view[] = {"payments", NULL};

/* ---- running ------------------------------------------------------------------------------------------------------
 */

static void on_result(void *context, const PGresult *result, const struct err_info *error) {
    struct query_run *run = context;
    if (error == NULL) {
        run->on_rows(run, result);
        return;
    }
    if (!error->retriable) {
        log_line(LOG_ERROR, "gateway", "a query failed", LOG_CSTR("statement", run->statement->name),
                 LOG_CSTR("why", error->text));
    }
    request_no_database(run->request);
}

static void on_view(void *context, enum view_state state);

/* The views that the statement reads are waited for one after the other. */
static void wait_for_views(struct query_run *run) {
    struct request *request = run->request;
    if (*run->views == NULL) {
        pg_pool_query(request->loop->pg, run->statement, run->parameters, on_result, run);
        return;
    }
    int64_t until =
        request->exchange->received_at_boot_us + request->loop->gateway->config->view_wait_ms * MICROS_PER_MS;
    view_wait_begin(&request->loop->view_waits, &run->view_wait, request_arena(request), *run->views++, &run->position,
                    until, on_view, run);
}

static void on_view(void *context, enum view_state state) {
    struct query_run *run = context;
    if (state == VIEW_CAUGHT_UP) {
        wait_for_views(run);
    } else {
        request_view_is_not_there(run->request, state);
    }
}

static struct query_run *run_create(struct request *request, const struct pg_statement *statement) {
    struct query_run *run = arena_alloc(request_arena(request), sizeof *run);
    run->request = request;
    run->statement = statement;
    return run;
}

/* `views`: those that the statement reads; NULL-terminated. */
static void run_start(struct query_run *run, const char *const *views) {
    struct problem problem;
    if (!intake_position(run->request->exchange, &run->position, &problem)) {
        request_problem(run->request, &problem);
        return;
    }
    run->views = views;
    wait_for_views(run); /* without a position there is nothing to wait for */
}

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

static void on_document(struct query_run *run, const PGresult *result) {
    struct request *request = run->request;
    if (PQntuples(result) == 0) {
        request_refuse(request, 404, run->unknown_code,
                       "There is no such thing, or the read model has not seen it yet.");
        return;
    }
    if (run->has_etag) {
        struct str etag =
            arena_printf(request_arena(request), "\"%.*s\"", STR_ARGS(pg_value(result, 0, COLUMN_SECOND)));
        http_answer_field(request->exchange, "ETag", etag);
        if (is_not_modified(request, etag)) {
            request_answer(request, 304, NULL, (struct str){0});
            return;
        }
    }
    request_answer_json(request, 200, pg_value(result, 0, COLUMN_DOCUMENT));
}

/* The path parameter `name` as the statement's $1. A SKU is found without the prefix of its stream. */
static bool take_id(struct request *request, const char *name, struct str *ret_id) {
    struct problem problem;
    struct str stream;
    struct str value = request_parameter(request, name);
    if (!path_id_stream(request_arena(request), str_of_cstr(name), value, &stream, &problem)) {
        request_problem(request, &problem);
        return false;
    }
    *ret_id = value;
    return true;
}

static void answer_by_id(struct request *request, const char *parameter, const char *const *views,
                         const struct pg_statement *statement, const char *unknown_code, bool has_etag) {
    struct query_run *run = run_create(request, statement);
    if (take_id(request, parameter, &run->parameters[0])) {
        run->on_rows = on_document;
        run->unknown_code = unknown_code;
        run->has_etag = has_etag;
        run_start(run, views);
    }
}

void query_product(struct request *request) {
    answer_by_id(request, "product", products_view, &product_by_id, "unknown_product", true);
}

/* Its availability changes without its product's version: no ETag. */
void query_variant(struct request *request) {
    answer_by_id(request, "sku", variant_views, &variant_by_sku, "unknown_sku", false);
}

/* A barcode is any short text: one that no variant has is just not found. */
void query_barcode(struct request *request) {
    struct query_run *run = run_create(request, &variant_by_barcode);
    run->parameters[0] = request_parameter(request, "barcode");
    run->on_rows = on_document;
    run->unknown_code = "unknown_barcode";
    run_start(run, variant_views);
}

void query_stock(struct request *request) {
    answer_by_id(request, "sku", stock_view, &stock_by_sku, "unknown_sku", true);
}

void query_cart(struct request *request) {
    answer_by_id(request, "cart", carts_view, &cart_by_id, "unknown_cart", true);
}

void query_order(struct request *request) {
    answer_by_id(request, "order", orders_view, &order_by_id, "unknown_order", true);
}

void query_payment(struct request *request) {
    answer_by_id(request, "payment", payments_view, &payment_by_id, "unknown_payment", true);
}

/* ---- lists --------------------------------------------------------------------------------------------------------
 */

/* "items":[...]: the documents of the first rows. */
static void write_items(struct buf *body, const PGresult *result, int count) {
    buf_str(body, STR("\"items\":["));
    for (int row = 0; row < count; row++) {
        if (row > 0) {
            buf_byte(body, ',');
        }
        buf_str(body, pg_value(result, row, COLUMN_DOCUMENT));
    }
    buf_byte(body, ']');
}

/* How many of the rows stand on the page: as many as were asked for, but fewer when they are large. */
static int rows_shown(const struct query_run *run, const PGresult *result) {
    int rows = PQntuples(result), most = rows > run->limit ? (int)run->limit : rows, shown = 0;
    for (size_t bytes = 0; shown < most && bytes < PAGE_FULL_BYTES; shown++) {
        bytes += pg_value(result, shown, COLUMN_DOCUMENT).len;
    }
    return shown;
}

static void on_list(struct query_run *run, const PGresult *result) {
    struct request *request = run->request;
    int rows = PQntuples(result);
    int shown = rows_shown(run, result);
    struct buf body;
    buf_init(&body, LIST_BODY_MAX_BYTES);
    buf_byte(&body, '{');
    write_items(&body, result, shown);
    if (rows > shown) {
        struct str cursor = cursor_write(request_arena(request), &request->loop->gateway->secret, run->list,
                                         pg_value(result, shown - 1, COLUMN_SECOND));
        buf_printf(&body, ",\"next_cursor\":\"%.*s\"}", STR_ARGS(cursor));
    } else {
        buf_str(&body, STR(",\"next_cursor\":null}"));
    }
    request_answer_json(request, 200, buf_text(&body));
    buf_release(&body);
}

/* limit and cursor, as the statement's parameters `at` and `at + 1`. */
static bool take_page(struct query_run *run, const char *list, size_t at, struct problem *ret_problem) {
    struct http_exchange *exchange = run->request->exchange;
    struct str cursor;
    run->list = list;
    run->on_rows = on_list;
    if (!query_string_limit(exchange, &run->limit, ret_problem) ||
        !query_string_text(exchange, "cursor", 1024, &cursor, ret_problem)) {
        return false;
    }
    if (cursor.data != NULL &&
        !cursor_read(&exchange->arena, &run->request->loop->gateway->secret, list, cursor, &run->parameters[at + 1])) {
        return query_string_refuse(exchange, "cursor", "a next_cursor of this list", ret_problem);
    }
    run->parameters[at] = arena_printf(&exchange->arena, "%lld", (long long)run->limit + 1);
    return true;
}

void query_products(struct request *request) {
    struct query_run *run = run_create(request, &products_list);
    struct http_exchange *exchange = request->exchange;
    struct problem problem;
    bool is_taken = take_page(run, "products", 0, &problem) &&
                    query_string_text(exchange, "category", 64, &run->parameters[2], &problem) &&
                    query_string_text(exchange, "tag", 64, &run->parameters[3], &problem) &&
                    query_string_text(exchange, "vendor", 128, &run->parameters[4], &problem) &&
                    query_string_text(exchange, "q", 256, &run->parameters[5], &problem);
    if (!is_taken) {
        request_problem(request, &problem);
        return;
    }
    run_start(run, products_view);
}

void query_orders(struct request *request) {
    struct query_run *run = run_create(request, &orders_list);
    struct http_exchange *exchange = request->exchange;
    struct problem problem;
    bool is_taken = take_page(run, "orders", 0, &problem) &&
                    query_string_text(exchange, "reference", 128, &run->parameters[2], &problem) &&
                    query_string_text(exchange, "status", 32, &run->parameters[3], &problem) &&
                    query_string_text(exchange, "sku", 64, &run->parameters[4], &problem) &&
                    query_string_time(exchange, "from", &run->parameters[5], &problem) &&
                    query_string_time(exchange, "to", &run->parameters[6], &problem);
    if (!is_taken) {
        request_problem(request, &problem);
        return;
    }
    run_start(run, orders_view);
}

void query_movements(struct request *request) {
    struct query_run *run = run_create(request, &stock_movements);
    struct problem problem;
    if (!take_id(request, "sku", &run->parameters[0])) {
        return;
    }
    if (!take_page(run, "movements", 1, &problem)) {
        request_problem(request, &problem);
        return;
    }
    run_start(run, stock_view);
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
    buf_init(&body, LIST_BODY_MAX_BYTES);
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
    write_items(&body, result, PQntuples(result));
    buf_str(&body, STR(",\"next_cursor\":null}"));
    if (buf_ok(&body)) {
        request_answer_json(request, 200, buf_text(&body));
    } else { /* half of it would be no JSON */
        request_refuse(request, 500, "history_too_large", "The history is too large for one answer; use as_of.");
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
    struct query_run *run = run_create(request, &order_history);
    struct problem problem;
    if (!take_id(request, "order", &run->parameters[0])) {
        return;
    }
    if (!take_as_of(run, &problem)) {
        request_problem(request, &problem);
        return;
    }
    run->on_rows = on_history;
    run_start(run, orders_view);
}
