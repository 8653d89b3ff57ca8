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
#include "core/gateway/sku_owner.h"
#include "projections/carts/query.h"
#include "projections/categories/query.h"
#include "projections/keys/query.h"
#include "projections/orders/document.h"
#include "projections/orders/query.h"
#include "projections/payments/query.h"
#include "projections/products/document.h"
#include "projections/products/query.h"
#include "projections/stock/document.h"
#include "projections/stock/query.h"

enum { HISTORY_BODY_MAX_BYTES = 32 * 1024 * 1024, COLUMN_OCCURRED_AT = 2, COLUMN_HISTORY_OWNER = 3 };

static const char *const products_view[] = {"products", NULL};
static const char *const variant_views[] = {"products", "stock", NULL};
static const char *const stock_view[] = {"stock", NULL};
static const char *const stock_and_products_views[] = {"stock", "products", NULL};
static const char *const carts_view[] = {"carts", NULL};
static const char *const orders_view[] = {"orders", NULL};
static const char *const orders_and_products_views[] = {"orders", "products", NULL};
static const char *const payments_view[] = {"payments", NULL};
static const char *const keys_view[] = {"keys", NULL};
static const char *const categories_view[] = {"categories", NULL};

/* ---- by id --------------------------------------------------------------------------------------------------------
 */

static void keep_page(struct query_run *run, const PGresult *result) {
    struct page page = {.document = pg_value(result, 0, COLUMN_DOCUMENT)};
    if (run->has_owner) {
        page.owner = query_row_owner(result, 0, COLUMN_OWNER);
    }
    if (int64_read(pg_value(result, 0, COLUMN_SECOND), &page.version)) {
        page_cache_keep(&run->request->loop->pages, &run->page, &page);
    }
}

static void on_lines_of_vendor(struct query_run *run, const PGresult *result) {
    if (PQntuples(result) == 0) {
        query_run_answer_unknown(run);
    } else {
        query_run_answer(run, pg_value(result, 0, COLUMN_DOCUMENT));
    }
}

/* A vendor sees of others' orders what was ordered of him. */
static void ask_for_lines_of_vendor(struct query_run *run) {
    run->statement = &order_of_vendor;
    run->parameters[1] = run->request->principal.vendor;
    run->on_rows = on_lines_of_vendor;
    query_run_send(run);
}

static bool is_order_for_vendor(const struct query_run *run) {
    return run->statement == &order_by_id && run->request->access.by == 'v';
}

static void on_document(struct query_run *run, const PGresult *result) {
    if (PQntuples(result) == 0) {
        query_run_answer_unknown(run);
        return;
    }
    if (run->has_etag) {
        keep_page(run, result);
    }
    if (run->has_owner && !query_run_shows(run, query_row_owner(result, 0, COLUMN_OWNER))) {
        if (is_order_for_vendor(run)) {
            ask_for_lines_of_vendor(run);
        } else {
            query_run_answer_unknown(run);
        }
        return;
    }
    struct str document = pg_value(result, 0, COLUMN_DOCUMENT);
    if (run->has_etag) {
        query_run_answer_document(run, pg_value(result, 0, COLUMN_SECOND), document);
    } else {
        query_run_answer(run, document);
    }
}

/* What stands at an id. */
struct by_id {
    const char *parameter;    /* of the path */
    const char *const *views; /* that the statement reads */
    const struct pg_statement *statement;
    const char *unknown_code;
    bool has_etag;                  /* then it is the document of one stream */
    bool has_owner;                 /* not everybody who is let in may see each */
    bool is_of_catalogue;           /* whose it is, the catalogue says */
    enum log_topic topic;           /* of that stream */
    const struct as_of_thing *past; /* NULL: it cannot be asked how it stood */
    const char *may_see_past;       /* letters of routes.def: of whom it is asked only */
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
    struct page page;
    if (run->is_of_catalogue && position_names(&run->position, TOPIC_CATALOG)) {
        return false; /* it may have passed to another, which its own stream does not tell */
    }
    if (!page_cache_find(&request->loop->pages, &run->page, &run->position, version_seen(request), &page)) {
        return false;
    }
    if (run->has_owner && !query_run_shows(run, page.owner)) {
        if (is_order_for_vendor(run)) {
            return false; /* the database has his lines of it */
        }
        query_run_answer_unknown(run);
        return true;
    }
    query_run_answer_document(run, arena_printf(request_arena(request), "%lld", (long long)page.version),
                              page.document);
    return true;
}

/* `without`: the member of the document that who asks is not shown; NULL: none. */
static void answer_by_id(struct request *request, const struct by_id *what, const char *without) {
    struct query_run *run = query_run_create(request, what->statement);
    struct str stream;
    struct problem problem;
    struct as_of as_of = {0};
    run->on_rows = on_document;
    run->unknown_code = what->unknown_code;
    run->has_etag = what->has_etag;
    run->has_owner = what->has_owner;
    run->is_of_catalogue = what->is_of_catalogue;
    run->without = without;
    if (!query_run_take_id(request, what->parameter, &run->parameters[0], &stream)) {
        return;
    }
    if (what->past != NULL && !as_of_read(request->exchange, &as_of, &problem)) {
        request_problem(request, &problem);
        return;
    }
    if (as_of_is_given(&as_of)) {
        if (!request_is_let_in_for(request, what->may_see_past)) {
            return;
        }
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

/* Of what it was, nothing is everybody's, whether it was published or not. */
static struct str owner_of_past_product(struct arena *arena, const void *of) {
    const struct product_state *state = of;
    return arena_printf(arena, OWNER_VENDOR "%.*s", STR_ARGS(state->details.vendor));
}

static const struct as_of_thing past_product = {
    .aggregate = &product_aggregate,
    .views = products_view,
    .at_version = &product_at_version,
    .at_time = &product_at_time,
    .began = &product_began,
    .unknown_code = "unknown_product",
    .owner = owner_of_past_product,
    .write = write_product,
};

void query_product(struct request *request) {
    static const struct by_id product = {.parameter = "product",
                                         .views = products_view,
                                         .statement = &product_by_id,
                                         .unknown_code = "unknown_product",
                                         .has_etag = true,
                                         .has_owner = true,
                                         .topic = TOPIC_CATALOG,
                                         .past = &past_product,
                                         .may_see_past = "vAU"};
    answer_by_id(request, &product, NULL);
}

/* Its availability changes without its product's version: no ETag. */
void query_variant(struct request *request) {
    static const struct by_id variant = {.parameter = "sku",
                                         .views = variant_views,
                                         .statement = &variant_by_sku,
                                         .unknown_code = "unknown_sku",
                                         .has_owner = true};
    answer_by_id(request, &variant, NULL);
}

/* A barcode is any short text: one that no variant has is just not found. */
void query_barcode(struct request *request) {
    struct query_run *run = query_run_create(request, &variant_by_barcode);
    run->parameters[0] = request_parameter(request, "barcode");
    run->parameters[1] = request->access.by == 'v' ? request->principal.vendor : (struct str){0};
    run->on_rows = on_document;
    run->unknown_code = "unknown_barcode";
    run->has_owner = true;
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

/* Of his own goods, and since they are his. */
static const struct as_of_thing past_stock_of_vendor = {
    .aggregate = &sku_aggregate,
    .views = stock_and_products_views,
    .at_version = &stock_of_vendor_at_version,
    .at_time = &stock_of_vendor_at_time,
    .began = &stock_of_vendor_began,
    .unknown_code = "unknown_sku",
    .write = write_stock,
};

/* What is not on sale is there for its vendor and for the house alone. */
static const struct by_id stock_item = {.parameter = "sku",
                                        .views = stock_and_products_views,
                                        .statement = &stock_by_sku,
                                        .unknown_code = "unknown_sku",
                                        .has_etag = true,
                                        .has_owner = true,
                                        .is_of_catalogue = true,
                                        .topic = TOPIC_STOCK};

/* Of others' goods a vendor sees what everybody does. */
static void on_stock_owned(struct request *request, bool is_his) {
    answer_by_id(request, &stock_item, is_his ? NULL : STOCK_NOT_FOR_EVERYBODY);
}

/* Judged again, since fewer may: a person may be let in as another than he was. */
static void query_past_stock(struct request *request, const struct as_of *as_of) {
    struct str sku, stream;
    if (request_is_let_in_for(request, "vSAU") && query_run_take_id(request, "sku", &sku, &stream)) {
        as_of_answer(request, request->access.by == 'v' ? &past_stock_of_vendor : &past_stock, stream, as_of);
    }
}

void query_stock(struct request *request) {
    struct problem problem;
    struct as_of as_of;
    if (!as_of_read(request->exchange, &as_of, &problem)) {
        request_problem(request, &problem);
    } else if (as_of_is_given(&as_of)) {
        query_past_stock(request, &as_of);
    } else if (request->access.by == 'v') {
        sku_owner_ask(request, on_stock_owned);
    } else {
        answer_by_id(request, &stock_item, request->access.by == 'P' ? STOCK_NOT_FOR_EVERYBODY : NULL);
    }
}

void query_cart(struct request *request) {
    static const struct by_id cart = {.parameter = "cart",
                                      .views = carts_view,
                                      .statement = &cart_by_id,
                                      .unknown_code = "unknown_cart",
                                      .has_etag = true,
                                      .has_owner = true,
                                      .topic = TOPIC_CARTS};
    answer_by_id(request, &cart, NULL);
}

void query_order(struct request *request) {
    static const struct by_id order = {.parameter = "order",
                                       .views = orders_view,
                                       .statement = &order_by_id,
                                       .unknown_code = "unknown_order",
                                       .has_etag = true,
                                       .has_owner = true,
                                       .topic = TOPIC_ORDERS};
    struct by_id as_seen = order;
    if (request->access.by == 'v') { /* whose goods its lines are, the catalogue says */
        as_seen.views = orders_and_products_views;
    }
    answer_by_id(request, &as_seen, NULL);
}

void query_payment(struct request *request) {
    static const struct by_id payment = {.parameter = "payment",
                                         .views = payments_view,
                                         .statement = &payment_by_id,
                                         .unknown_code = "unknown_payment",
                                         .has_etag = true,
                                         .topic = TOPIC_PAYMENTS};
    answer_by_id(request, &payment, NULL);
}

void query_api_key(struct request *request) {
    static const struct by_id key = {.parameter = "key",
                                     .views = keys_view,
                                     .statement = &api_key_by_id,
                                     .unknown_code = "unknown_key",
                                     .has_etag = true,
                                     .topic = TOPIC_KEYS};
    answer_by_id(request, &key, NULL);
}

static void on_category(struct query_run *run, const PGresult *result) {
    if (PQntuples(result) == 0) {
        query_run_answer_unknown(run);
    } else {
        query_run_answer_document(run, pg_value(result, 0, COLUMN_SECOND), pg_value(result, 0, COLUMN_DOCUMENT));
    }
}

/* All categories are one stream, by which the page cache would take each for the others: it is not asked. */
void query_category(struct request *request) {
    struct query_run *run = query_run_create(request, &category_by_slug);
    run->parameters[0] = request_parameter(request, "category");
    run->on_rows = on_category;
    run->unknown_code = "unknown_category";
    query_run_start(run, categories_view);
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
    if (!query_run_shows(run, query_row_owner(result, 0, COLUMN_HISTORY_OWNER))) {
        query_run_answer_unknown(run);
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

/* Whoever bought is not told who of the house did something. */
static bool is_for_house(const struct access *access) {
    return access->by != 'p' && access->by != 'c';
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
    run->parameters[3] = is_for_house(&request->access) ? STR("true") : STR("false");
    run->unknown_code = "unknown_order";
    run->on_rows = on_history;
    query_run_start(run, orders_view);
}
