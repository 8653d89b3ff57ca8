/* owned_test.c: whose things are shown to whom: documents from the database and from memory, lists, the past, and
 * stock. Who asks is said by the field Test-Caller, since nothing tells it by credentials here. The database is this
 * file's: what pool.h declares is defined here.
 */
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/gateway/identity.h"
#include "core/gateway/loop.h"
#include "core/gateway/query_run.h"
#include "core/gateway/request.h"
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

/* What the database holds: each document says nothing but what it is. */
static struct database {
    const char *purchase_owner; /* of the cart and the order: a customer, or guest */
    const char *product_owner;  /* empty: it is published */
    const char *vendor;         /* of the SKU and the product's past, and whose lines the order has; empty: nobody's */
    unsigned asked;             /* statements */
    char list[PG_SELECT_SQL_MAX], parameters[512];
} database;

/* ---- the database ------------------------------------------------------------------------------------------------ */

enum err pg_pool_open(uv_loop_t *uv, const struct pg_pool_options *options, struct pg_pool **ret_pool,
                      struct err_info *info) {
    (void)uv;
    (void)options;
    (void)ret_pool;
    return err_set(info, ERR_POSTGRES, "there is none");
}

void pg_pool_close(struct pg_pool *pool, void (*on_closed)(void *context), void *context) {
    (void)pool;
    on_closed(context);
}

bool pg_pool_is_up(const struct pg_pool *pool) {
    (void)pool;
    return true;
}

struct str pg_value(const PGresult *result, int row, int column) {
    return str_of(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

static void add_row(PGresult *result, const char *const *values, int count) {
    int row = PQntuples(result);
    for (int i = 0; i < count; i++) {
        PQsetvalue(result, row, i, (char *)values[i], (int)strlen(values[i]));
    }
}

/* The product as it stood: a state, in hexadecimal digits. */
static void add_past(PGresult *result) {
    struct product_state state = {.status = PRODUCT_STATUS_PUBLISHED,
                                  .details = {.title = STR("Tea"), .has_vendor = true}};
    struct buf bytes, digits;
    state.details.vendor = str_of_cstr(database.vendor);
    buf_init(&bytes, 4096);
    buf_init(&digits, 8192);
    product_state_encode(&bytes, &state);
    for (size_t i = 0; i < bytes.len; i++) {
        buf_printf(&digits, "%02x", (uint8_t)bytes.data[i]);
    }
    buf_byte(&digits, '\0');
    add_row(result, (const char *[]){"3", "2026-11-28T00:00:00.000000Z", digits.data}, 3);
    buf_release(&bytes);
    buf_release(&digits);
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

void pg_pool_query(struct pg_pool *pool, const struct pg_statement *statement, const struct str *parameters,
                   pg_result_cb *on_result, void *context) {
    (void)pool;
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[] = {{.name = "a"}, {.name = "b"}, {.name = "c"}, {.name = "d"}};
    int count = statement == &order_began || statement == &product_began ? 2 : 4;
    PQsetResultAttrs(result, count, columns);
    database.asked++;
    bool has_vendor = database.vendor[0] != '\0';
    if (statement == &cart_by_id) {
        add_row(result, (const char *[]){"{\"is\":\"cart\"}", "7", database.purchase_owner}, 3);
    } else if (statement == &order_by_id && !names_absent(parameters[0])) {
        add_row(result, (const char *[]){"{\"is\":\"order\"}", "7", database.purchase_owner}, 3);
    } else if (statement == &order_of_vendor && str_equal(parameters[1], str_of_cstr(database.vendor))) {
        add_row(result, (const char *[]){"{\"is\":\"lines\"}", "7"}, 2);
    } else if (statement == &order_history && !names_absent(parameters[0]) && parameters[2].data == NULL) {
        add_row(result, (const char *[]){"{\"is\":\"event\"}", "1", "2026-11-28T00:00:00Z", database.purchase_owner},
                4);
    } else if (statement == &order_began) {
        add_row(result, (const char *[]){"2026-11-28T00:00:00Z", database.purchase_owner}, 2);
    } else if (statement == &product_by_id || statement == &variant_by_sku || statement == &variant_by_barcode) {
        add_row(result, (const char *[]){"{\"is\":\"product\"}", "7", database.product_owner}, 3);
    } else if (statement == &product_at_version) {
        add_past(result);
    } else if (statement == &product_began) {
        add_row(result, (const char *[]){"2026-11-28T00:00:00Z", "vendor:Acme"}, 2);
    } else if (statement == &vendor_of_sku && has_vendor) {
        add_row(result, (const char *[]){database.vendor}, 1);
    } else if (statement == &stock_by_sku) {
        add_row(result, (const char *[]){"{\"available\":3,\"locations\":[1],\"version\":7}", "7"}, 2);
    } else if (strncmp(statement->name, "orders_list", 11) == 0 || statement == &stock_movements) {
        note_list(statement, parameters);
    }
    on_result(context, result, NULL);
    PQclear(result);
}

/* ---- the front --------------------------------------------------------------------------------------------------- */

/* A word that says who: a person is a customer besides; "token" holds the cart's token. */
static struct principal caller(struct arena *arena, struct str word) {
    static const struct {
        const char *word, *id, *vendor;
        uint32_t capacities;
    } callers[] = {
        {"ann", ANN, "", 0},
        {"bea", BEA, "", 0},
        {"acme", BEA, "Acme", 1U << CAPACITY_VENDOR},
        {"other", BEA, "Other", 1U << CAPACITY_VENDOR},
        {"nameless", BEA, "", 1U << CAPACITY_VENDOR},
        {"support", BEA, "", 1U << CAPACITY_SUPPORT},
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
    if (str_equal(word, STR("token"))) {
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

static int start(void **state) {
    (void)state;
    database = (struct database){.purchase_owner = ANN, .product_owner = "vendor:Acme", .vendor = "Acme"};
    gateway = (struct gateway){.config = &config, .secret = {{7}}};
    loop = (struct gateway_loop){.gateway = &gateway};
    metrics_init(&loop.metrics);
    page_cache_init(&loop.pages);
    facts_cache_init(&loop.facts);
    buf_init(&reply, TEST_REPLY_MAX);
    test_server_start(&server, (struct http_server_options){.on_request = received, .on_lost = lost});
    return 0;
}

static int stop(void **state) {
    (void)state;
    test_server_stop(&server);
    facts_cache_release(&loop.facts);
    page_cache_release(&loop.pages);
    metrics_release(&loop.metrics);
    buf_release(&reply);
    return 0;
}

/* The status; the rest is in `reply`. */
static int ask_with(const char *method, const char *who, const char *target, const char *fields) {
    char text[1024];
    int fd = test_connect(&server);
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTest-Caller: %s\r\n%s\r\n", method,
             target, who, fields);
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

static int ask(const char *who, const char *target) {
    return ask_with("GET", who, target, "");
}

static bool says(const char *text) {
    return test_holds(&reply, text);
}

/* The problem that was answered, without what differs from request to request. */
static void copy_answer(char *out, size_t size) {
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
static void assert_hidden(const char *who, const char *target, const char *as) {
    char hidden[1024], absent[1024];
    assert_int_equal(ask(who, target), 404);
    copy_answer(hidden, sizeof hidden);
    assert_int_equal(ask(who, as), 404);
    copy_answer(absent, sizeof absent);
    assert_string_equal(hidden, absent);
}

/* ---- purchases --------------------------------------------------------------------------------------------------- */

static void a_purchase_is_shown_to_its_customer_and_to_the_house(void **state) {
    (void)state;
    assert_int_equal(ask("ann", ORDER), 200);
    assert_true(says("{\"is\":\"order\"}"));
    assert_int_equal(ask("support", ORDER), 200);
    assert_int_equal(ask("ann", CART), 200);
    assert_hidden("bea", ORDER, ABSENT_ORDER);
    assert_hidden("token", ORDER, ABSENT_ORDER); /* it was a guest's once */
    assert_int_equal(ask("bea", CART), 404);
    assert_true(says("unknown_cart"));
    database.purchase_owner = "guest";
    page_cache_expire(&loop.pages, clock_boot_us());
    assert_int_equal(ask("token", ORDER), 200);
    assert_hidden("ann", ORDER, ABSENT_ORDER);
}

/* One loads it, the other asks; and the other way round. */
static void a_page_from_memory_is_judged_like_one_from_the_database(void **state) {
    (void)state;
    assert_int_equal(ask("ann", ORDER), 200);
    unsigned asked = database.asked;
    assert_int_equal(ask("bea", ORDER), 404);
    assert_false(says("is\":\"order"));
    assert_int_equal(ask("token", ORDER), 404);
    assert_int_equal(ask_with("GET", "bea", ORDER, "If-None-Match: \"7\"\r\n"), 404); /* and not 304 */
    assert_int_equal(ask("ann", ORDER), 200);
    assert_int_equal(ask_with("GET", "ann", ORDER, "If-None-Match: \"7\"\r\n"), 304);
    assert_int_equal(database.asked, asked);
    page_cache_expire(&loop.pages, clock_boot_us());
    assert_int_equal(ask("bea", ORDER), 404);
    assert_int_equal(database.asked, asked + 1);
    assert_int_equal(ask("ann", ORDER), 200);
    assert_int_equal(database.asked, asked + 1);
}

static void a_vendor_sees_of_an_order_what_was_ordered_of_him(void **state) {
    (void)state;
    for (int round = 0; round < 2; round++) { /* from the database, then with the page in memory */
        assert_int_equal(ask("acme", ORDER), 200);
        assert_true(says("{\"is\":\"lines\"}"));
        assert_false(says("ETag:"));
    }
    assert_hidden("other", ORDER, ABSENT_ORDER);
    assert_hidden("nameless", ORDER, ABSENT_ORDER);
    database.purchase_owner = BEA; /* what he bought himself he sees whole */
    page_cache_expire(&loop.pages, clock_boot_us());
    assert_int_equal(ask("acme", ORDER), 200);
    assert_true(says("{\"is\":\"order\"}"));
}

static void a_history_is_shown_to_whom_the_order_is(void **state) {
    (void)state;
    assert_int_equal(ask("ann", ORDER "/history"), 200);
    assert_int_equal(ask("auditor", ORDER "/history"), 200);
    assert_hidden("bea", ORDER "/history", ABSENT_ORDER "/history");
    assert_int_equal(ask("ann", ORDER "/history?as_of=2020-01-01T00:00:00Z"), 404);
    assert_true(says("before_beginning"));
    assert_int_equal(ask("bea", ORDER "/history?as_of=2020-01-01T00:00:00Z"), 404);
    assert_true(says("unknown_order"));
}

static void a_list_of_orders_is_ones_own(void **state) {
    (void)state;
    assert_int_equal(ask("ann", "/v1/orders?customer=" BEA), 200);
    assert_string_equal(database.parameters, BEA " " ANN " 51 ");
    assert_int_equal(ask("support", "/v1/orders?customer=" ANN), 200);
    assert_string_equal(database.parameters, ANN " 51 ");
    assert_int_equal(ask("acme", "/v1/orders"), 200);
    assert_string_equal(database.parameters, "Acme 51 ");
    assert_null(strstr(database.list, "o.document"));
    assert_int_equal(ask("acme", "/v1/orders?customer=" BEA), 200); /* what he bought himself */
    assert_string_equal(database.parameters, BEA " " BEA " 51 ");
    assert_int_equal(ask("acme", "/v1/orders?sort=total"), 400);
    assert_int_equal(ask("", "/v1/orders"), 401);
}

/* ---- goods ------------------------------------------------------------------------------------------------------- */

static void goods_that_are_not_published_are_their_vendors(void **state) {
    (void)state;
    static const char *const targets[] = {PRODUCT, "/v1/variants/tea", "/v1/barcodes/123"};
    static const char *const those_who_see[] = {"acme", "support", "auditor"}, *const others[] = {"", "ann", "other",
                                                                                                  "nameless", "token"};
    for (size_t i = 0; i < ARRAY_LENGTH(targets); i++) {
        for (size_t who = 0; who < ARRAY_LENGTH(those_who_see); who++) {
            assert_int_equal(ask(those_who_see[who], targets[i]), 200);
        }
        for (size_t who = 0; who < ARRAY_LENGTH(others); who++) {
            assert_int_equal(ask(others[who], targets[i]), 404);
        }
    }
    database.product_owner = "vendor:"; /* a draft of nobody's */
    page_cache_expire(&loop.pages, clock_boot_us());
    assert_int_equal(ask("nameless", PRODUCT), 404);
    database.product_owner = "";
    page_cache_expire(&loop.pages, clock_boot_us());
    assert_int_equal(ask("", PRODUCT), 200);
    assert_int_equal(ask("other", PRODUCT), 200);
}

static void how_goods_stood_is_for_few(void **state) {
    (void)state;
    assert_int_equal(ask("acme", PRODUCT "?as_of=3"), 200);
    assert_int_equal(ask("auditor", PRODUCT "?as_of=3"), 200);
    assert_int_equal(ask("", PRODUCT "?as_of=3"), 401);
    assert_true(says("\r\nWWW-Authenticate: Bearer\r\n"));
    assert_int_equal(ask("support", PRODUCT "?as_of=3"), 403);
    assert_int_equal(ask("ann", PRODUCT "?as_of=3"), 403);
    assert_int_equal(ask("other", PRODUCT "?as_of=3"), 404);
    assert_true(says("unknown_product"));
    assert_int_equal(ask("other", PRODUCT "?as_of=2020-01-01T00:00:00Z"), 404);
    assert_true(says("unknown_product"));
    assert_int_equal(ask("acme", PRODUCT "?as_of=2020-01-01T00:00:00Z"), 404);
    assert_true(says("before_beginning"));
}

static void stock_by_location_is_for_those_who_keep_it(void **state) {
    (void)state;
    static const struct {
        const char *who;
        bool sees_locations;
    } rows[] = {{"", false}, {"ann", false}, {"acme", true}, {"other", false}, {"nameless", false}, {"support", true}};
    for (int round = 0; round < 2; round++) { /* from the database, and in turns from memory */
        for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
            assert_int_equal(ask(rows[i].who, "/v1/stock/tea"), 200);
            assert_true(says("{\"available\":3,"));
            assert_true(says("\"version\":7}"));
            assert_int_equal(says("locations"), rows[i].sees_locations);
        }
    }
    assert_int_equal(ask("", "/v1/stock/tea?as_of=3"), 401);
    assert_int_equal(ask("support", "/v1/stock/tea?as_of=3"), 403);
    assert_int_equal(ask("other", "/v1/stock/tea?as_of=3"), 404);
    assert_true(says("unknown_sku"));
    assert_int_equal(ask("acme", "/v1/stock/tea/movements"), 200);
    assert_int_equal(ask("other", "/v1/stock/tea/movements"), 404);
    database.vendor = "";
    facts_cache_expire(&loop.facts);
    assert_int_equal(ask("nameless", "/v1/stock/tea/movements"), 404);
}

/* Asked once, as long as the catalogue does not move. */
static void whose_goods_a_sku_is_is_remembered(void **state) {
    (void)state;
    assert_int_equal(ask("acme", "/v1/stock/tea"), 200);
    unsigned asked = database.asked;
    assert_int_equal(ask("acme", "/v1/stock/tea"), 200);
    assert_int_equal(database.asked, asked);
    database.vendor = "Other";
    facts_cache_expire(&loop.facts);
    assert_int_equal(ask("acme", "/v1/stock/tea"), 200);
    assert_false(says("locations"));
    assert_int_equal(database.asked, asked + 1);
}

static void a_vendor_changes_the_stock_of_his_own_goods(void **state) {
    (void)state;
    char others[1024], nobodys[1024];
    assert_int_equal(ask_with("POST", "other", "/v1/stock/tea/receipts", "Content-Length: 0\r\n"), 404);
    copy_answer(others, sizeof others);
    assert_true(says("\"code\":\"unknown_sku\""));
    database.vendor = "";
    facts_cache_expire(&loop.facts);
    assert_int_equal(ask_with("POST", "other", "/v1/stock/tea/receipts", "Content-Length: 0\r\n"), 404);
    copy_answer(nobodys, sizeof nobodys);
    assert_string_equal(others, nobodys);
    database.vendor = "Acme";
    facts_cache_expire(&loop.facts);
    /* He is past that: what is looked at next is missing. */
    assert_int_equal(ask_with("POST", "acme", "/v1/stock/tea/receipts", "Content-Length: 0\r\n"), 400);
    assert_true(says("idempotency_key_required"));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        WITH(a_purchase_is_shown_to_its_customer_and_to_the_house),
        WITH(a_page_from_memory_is_judged_like_one_from_the_database),
        WITH(a_vendor_sees_of_an_order_what_was_ordered_of_him),
        WITH(a_history_is_shown_to_whom_the_order_is),
        WITH(a_list_of_orders_is_ones_own),
        WITH(goods_that_are_not_published_are_their_vendors),
        WITH(how_goods_stood_is_for_few),
        WITH(stock_by_location_is_for_those_who_keep_it),
        WITH(whose_goods_a_sku_is_is_remembered),
        WITH(a_vendor_changes_the_stock_of_his_own_goods),
    };
    return cmocka_run_group_tests_name("owned", tests, NULL, NULL);
}
