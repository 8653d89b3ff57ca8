/* test_owned.h: for tests of whose things are shown to whom: a front over a database in which each document says
 * nothing but what it is. Who asks is said by the field Test-Caller, since nothing tells it by credentials here. One a
 * program.
 * Thread   as test_server.h.
 */
#pragma once

#include <sodium.h>

#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/gateway/identity.h"
#include "core/gateway/loop.h"
#include "core/gateway/query_run.h"
#include "core/gateway/request.h"
#include "core/gateway/test_pool.h"
#include "core/http/test_server.h"
#include "core/pg/select.h"
#include "gen/codec.h"
#include "projections/carts/query.h"
#include "projections/orders/query.h"
#include "projections/products/query.h"
#include "projections/stock/query.h"

#define KEY "01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define CART "/v1/carts/cart_" KEY
#define ORDER "/v1/orders/ord_" KEY ".1"
#define ABSENT_ORDER "/v1/orders/ord_" KEY ".9"
#define PRODUCT "/v1/products/prod_" KEY
#define ANN "cus_01ARZ3NDEKTSV4RRFFQ69G5FB0"
#define BEA "cus_01ARZ3NDEKTSV4RRFFQ69G5FB1"

static struct test_server server;
static struct config config;
static struct gateway gateway;
static struct gateway_loop loop;

/* What the database holds. */
static struct database {
    const char *purchase_owner; /* of the cart and the order: a customer, or guest; NULL: NULL */
    const char *product_owner;  /* empty: it is published */
    const char *stock_owner;    /* empty: the SKU is on sale */
    const char *vendor;         /* of the SKU and the product's past, and whose lines the order has; empty: nobody's */
    unsigned asked;             /* statements */
    char list[PG_SELECT_SQL_MAX], parameters[512]; /* of the last list, history or barcode */
    char waited[128];                              /* the views that were asked how far they are, a space behind each */
    char waited_for_owner[128];                    /* of these, before it was asked whose goods a SKU is */
    const char *newest;                            /* the last statement */
} database;

/* The keys of persons, of which there are none. */
static struct keys {
    char asked[64];
    unsigned made;
    bool is_away;
} keys;

/* ---- the database ------------------------------------------------------------------------------------------------ */

static void add_state(PGresult *result, const struct buf *bytes) {
    struct buf digits;
    buf_init(&digits, 2 * bytes->len + 1);
    for (size_t i = 0; i < bytes->len; i++) {
        buf_printf(&digits, "%02x", (uint8_t)bytes->data[i]);
    }
    buf_byte(&digits, '\0');
    test_add_values(result, (const char *[]){"3", "2026-11-28T00:00:00.000000Z", digits.data}, 3);
    buf_release(&digits);
}

/* The product as it stood: a state, in hexadecimal digits. */
static void add_past_product(PGresult *result) {
    struct product_state state = {.status = PRODUCT_STATUS_PUBLISHED,
                                  .details = {.title = STR("Tea"), .has_vendor = true}};
    struct buf bytes;
    state.details.vendor = str_of_cstr(database.vendor);
    buf_init(&bytes, 4096);
    product_state_encode(&bytes, &state);
    add_state(result, &bytes);
    buf_release(&bytes);
}

static void add_past_stock(PGresult *result) {
    struct sku_state state = {.product = STR("prod_" KEY)};
    struct buf bytes;
    buf_init(&bytes, 4096);
    sku_state_encode(&bytes, &state);
    add_state(result, &bytes);
    buf_release(&bytes);
}

static void note_list(const struct pg_statement *statement, const struct str *parameters) {
    snprintf(database.list, sizeof database.list, "%s", statement->sql);
    database.parameters[0] = '\0';
    for (int i = 0; i < (int)statement->parameter_count; i++) {
        size_t len = strlen(database.parameters);
        snprintf(database.parameters + len, sizeof database.parameters - len, "%.*s ", STR_ARGS(parameters[i]));
    }
}

static bool names_absent(struct str parameter) {
    return str_equal(parameter, STR("ord_" KEY ".9"));
}

/* So far stands each stream that is asked for. */
static void add_reached(PGresult *result, const struct str *parameters) {
    struct str hashes = parameters[1]; /* {1,-2} */
    size_t len = strlen(database.waited);
    snprintf(database.waited + len, sizeof database.waited - len, "%.*s ", STR_ARGS(parameters[0]));
    char text[512], *rest;
    snprintf(text, sizeof text, "%.*s", STR_ARGS(hashes));
    for (char *hash = strtok_r(text, "{,}", &rest); hash != NULL; hash = strtok_r(NULL, "{,}", &rest)) {
        test_add_values(result, (const char *[]){hash, "1000"}, 2);
    }
}

static bool is_vendors(struct str vendor) {
    return database.vendor[0] != '\0' && str_equal(vendor, str_of_cstr(database.vendor));
}

static bool add_purchase(PGresult *result, const struct pg_statement *statement, const struct str *parameters) {
    if (statement == &cart_by_id) {
        test_add_values(result, (const char *[]){"{\"is\":\"cart\"}", "7", database.purchase_owner}, 3);
    } else if (statement == &order_by_id && !names_absent(parameters[0])) {
        test_add_values(result, (const char *[]){"{\"is\":\"order\"}", "7", database.purchase_owner}, 3);
    } else if (statement == &order_of_vendor && is_vendors(parameters[1])) {
        test_add_values(result, (const char *[]){"{\"is\":\"lines\"}", "7"}, 2);
    } else if (statement == &order_history) {
        note_list(statement, parameters);
        if (!names_absent(parameters[0]) && parameters[2].data == NULL) {
            test_add_values(
                result, (const char *[]){"{\"is\":\"event\"}", "1", "2026-11-28T00:00:00Z", database.purchase_owner},
                4);
        }
    } else if (statement == &order_began) {
        test_add_values(result, (const char *[]){"2026-11-28T00:00:00Z", database.purchase_owner}, 2);
    } else {
        return false;
    }
    return true;
}

static bool add_product(PGresult *result, const struct pg_statement *statement, const struct str *parameters) {
    if (statement == &product_by_id || statement == &variant_by_sku || statement == &variant_by_barcode) {
        test_add_values(result, (const char *[]){"{\"is\":\"product\"}", "7", database.product_owner}, 3);
        if (statement == &variant_by_barcode) {
            note_list(statement, parameters);
        }
    } else if (statement == &product_at_version) {
        add_past_product(result);
    } else if (statement == &product_began) {
        test_add_values(result, (const char *[]){"2026-11-28T00:00:00Z", "vendor:Acme"}, 2);
    } else if (statement == &vendor_of_sku && database.vendor[0] != '\0') {
        test_add_values(result, (const char *[]){database.vendor}, 1);
    } else {
        return false;
    }
    return true;
}

static void add_stock(PGresult *result, const struct pg_statement *statement, const struct str *parameters) {
    if (statement == &stock_by_sku) {
        test_add_values(
            result, (const char *[]){"{\"available\":3,\"locations\":[1],\"version\":7}", "7", database.stock_owner},
            3);
    } else if (statement == &stock_at_version ||
               (statement == &stock_of_vendor_at_version && is_vendors(parameters[2]))) {
        add_past_stock(result);
    } else if (statement == &stock_began || (statement == &stock_of_vendor_began && is_vendors(parameters[1]))) {
        test_add_values(result, (const char *[]){"2026-11-28T00:00:00Z"}, 1);
    } else if (strncmp(statement->name, "orders_list", 11) == 0 ||
               strncmp(statement->name, "stock_movements", 15) == 0) {
        note_list(statement, parameters);
    }
}

void pg_pool_query(struct pg_pool *pool, const struct pg_statement *statement, const struct str *parameters,
                   pg_result_cb *on_result, void *context) {
    (void)pool;
    bool is_of_beginning =
        statement == &stock_began || statement == &stock_of_vendor_began; /* which do not say whose it is */
    bool is_beginning = statement == &order_began || statement == &product_began;
    PGresult *result = test_rows(is_of_beginning ? 1 : is_beginning ? 2 : 4);
    database.asked++;
    database.newest = statement->name;
    if (statement == &vendor_of_sku) {
        memcpy(database.waited_for_owner, database.waited, sizeof database.waited);
    }
    if (statement == &view_reached) {
        add_reached(result, parameters);
    } else if (!add_purchase(result, statement, parameters) && !add_product(result, statement, parameters)) {
        add_stock(result, statement, parameters);
    }
    on_result(context, result, NULL);
    PQclear(result);
}

static void query_keys(struct pg_pool *pg, const struct pg_statement *statement, const struct str *parameters,
                       pg_result_cb *on_result, void *context) {
    (void)pg;
    struct err_info error;
    err_set_retriable(&error, ERR_POSTGRES, "it is away");
    snprintf(keys.asked, sizeof keys.asked, "%.*s", STR_ARGS(parameters[0]));
    bool finds = strcmp(statement->name, "vault_key_find") == 0;
    keys.made += !finds;
    PGresult *none = test_rows(3);
    on_result(context, none, keys.is_away || !finds ? &error : NULL);
    PQclear(none);
}

/* ---- the front --------------------------------------------------------------------------------------------------- */

/* A word that says who: a person is a customer besides; "token" holds the cart's token. "helper" and "stranger" help
 * customers, and are vendors besides. */
static struct principal caller(struct arena *arena, struct str word) {
    static const struct {
        const char *word, *id, *vendor;
        uint32_t capacities;
    } callers[] = {
        {"ann", ANN, "", 0},
        {"annwithtoken", ANN, "", 0},
        {"bea", BEA, "", 0},
        {"acme", BEA, "Acme", 1U << CAPACITY_VENDOR},
        {"other", BEA, "Other", 1U << CAPACITY_VENDOR},
        {"nameless", BEA, "", 1U << CAPACITY_VENDOR},
        {"support", BEA, "", 1U << CAPACITY_SUPPORT},
        {"helper", BEA, "Acme", 1U << CAPACITY_SUPPORT | 1U << CAPACITY_VENDOR},
        {"stranger", BEA, "Other", 1U << CAPACITY_SUPPORT | 1U << CAPACITY_VENDOR},
        {"auditor", BEA, "", 1U << CAPACITY_AUDITOR},
    };
    struct principal principal = {.identity = STR("anonymous")};
    for (size_t i = 0; i < ARRAY_LENGTH(callers); i++) {
        if (str_equal(word, str_of_cstr(callers[i].word))) {
            principal.identity = principal.id = str_of_cstr(callers[i].id);
            principal.vendor = str_of_cstr(callers[i].vendor);
            principal.capacities = 1U << CAPACITY_CUSTOMER | callers[i].capacities;
        }
    }
    if (str_equal(word, STR("token")) || str_equal(word, STR("annwithtoken"))) {
        principal.cart_token = identity_cart_token(arena, &gateway.secret, STR("cart_" KEY));
    }
    return principal;
}

/* As request_received does it, but for who asks. */
static void received(void *context, struct http_exchange *exchange) {
    (void)context;
    struct request *request = arena_alloc(&exchange->arena, sizeof *request);
    request->exchange = exchange;
    request->loop = &loop;
    exchange->application = request;
    enum route_found found = router_find(&exchange->arena, exchange->method, exchange->path, &request->match);
    assert_int_equal(found, ROUTE_FOUND);
    request->principal = caller(&exchange->arena, http_request_field(exchange, "test-caller"));
    if (request_is_let_in_for(request, request->match.route->may)) {
        request->match.route->answer(request);
    }
}

static void lost(void *context, struct http_exchange *exchange) {
    (void)context;
    request_lost(&loop, exchange);
}

static struct buf reply;

static inline int start(void **state) {
    (void)state;
    assert_true(sodium_init() >= 0);
    static const struct vault_ports ports = {.query = query_keys, .now_boot_us = clock_boot_us};
    database = (struct database){
        .purchase_owner = ANN, .product_owner = "vendor:Acme", .stock_owner = "", .vendor = "Acme", .newest = ""};
    keys = (struct keys){0};
    config = (struct config){.shards = 1, .view_wait_ms = 0};
    gateway = (struct gateway){.config = &config, .secret = {{7}}};
    loop = (struct gateway_loop){.gateway = &gateway};
    struct err_info info;
    assert_int_equal(master_load("", "a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", &gateway.masters, &info),
                     ERR_NONE);
    loop.vault = vault_open_by(&ports, NULL, gateway.masters);
    recent_carts_init(&gateway.recent_carts);
    recent_outcomes_init(&gateway.recent_outcomes);
    admission_init(&loop.admission, 1, 1000, clock_boot_us());
    outcome_waiters_init(&loop.waiters, 16);
    view_waits_init(&loop.view_waits, NULL, pg_pool_query);
    metrics_init(&loop.metrics);
    page_cache_init(&loop.pages);
    facts_cache_init(&loop.facts);
    buf_init(&reply, TEST_REPLY_MAX);
    test_server_start(&server, (struct http_server_options){.on_request = received, .on_lost = lost});
    return 0;
}

static inline int stop(void **state) {
    (void)state;
    test_server_stop(&server);
    outcome_waiters_release(&loop.waiters);
    admission_release(&loop.admission);
    recent_outcomes_release(&gateway.recent_outcomes);
    recent_carts_release(&gateway.recent_carts);
    vault_close(loop.vault);
    master_free(gateway.masters);
    facts_cache_release(&loop.facts);
    page_cache_release(&loop.pages);
    metrics_release(&loop.metrics);
    buf_release(&reply);
    return 0;
}

/* Fields that each end in CR LF; a body. The status; the rest is in `reply`. */
static int ask_all(const char *method, const char *who, const char *target, const char *fields, const char *body) {
    char text[2048];
    int fd = test_connect(&server);
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTest-Caller: %s\r\n%s\r\n%s", method,
             target, who, fields, body);
    buf_clear(&reply);
    test_send(fd, str_of_cstr(text));
    test_read_to_end(fd, &reply);
    close(fd);
    int64_t status = 0;
    buf_byte(&reply, '\0');
    reply.len--;
    assert_true(int64_read(str_first(str_from(buf_text(&reply), 9), 3), &status)); /* behind "HTTP/1.1 " */
    return (int)status;
}

static inline int ask_with(const char *method, const char *who, const char *target, const char *fields) {
    return ask_all(method, who, target, fields, "");
}

static inline int ask(const char *who, const char *target) {
    return ask_with("GET", who, target, "");
}

static inline bool says(const char *text) {
    return test_holds(&reply, text);
}

/* The problem that was answered, without what differs from request to request. */
static inline void copy_answer(char *out, size_t size) {
    const char *head_end = strstr(reply.data, "\r\n\r\n");
    assert_non_null(head_end);
    assert_false(says("ETag:"));
    assert_false(says("Daybook-Position:"));
    assert_false(says("Location:"));
    snprintf(out, size, "%.12s%s", reply.data, head_end);
    char *trace = strstr(out, "\"trace_id\"");
    assert_non_null(trace);
    *trace = '\0';
}

/* It is told him as what is not there is. */
static inline void assert_hidden(const char *who, const char *target, const char *as) {
    char hidden[1024], absent[1024];
    assert_int_equal(ask(who, target), 404);
    copy_answer(hidden, sizeof hidden);
    assert_int_equal(ask(who, as), 404);
    copy_answer(absent, sizeof absent);
    assert_string_equal(hidden, absent);
}

/* A field Daybook-Position that names version 5 of the stream. */
static inline const char *position_of(const char *stream, enum log_topic topic) {
    static char field[256];
    struct arena arena;
    struct buf bytes;
    arena_init(&arena, 1 << 16);
    buf_init(&bytes, 64);
    position_write(&bytes, stream_hash(str_of_cstr(stream), topic), 5);
    struct str text = position_header_write(&arena, &gateway.secret, buf_text(&bytes));
    snprintf(field, sizeof field, "Daybook-Position: %.*s\r\n", STR_ARGS(text));
    buf_release(&bytes);
    arena_release(&arena);
    return field;
}
