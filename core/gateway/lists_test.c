/* lists_test.c: what the list of products, and categories, ask of the database, one statement after the other. */
#include "core/gateway/lists.h"

#include "core/gateway/loop.h"
#include "core/gateway/queries.h"
#include "core/gateway/query_run.h"
#include "core/gateway/request.h"
#include "core/gateway/test_pool.h"
#include "core/http/test_server.h"
#include "core/pg/select.h"
#include "projections/categories/query.h"
#include "projections/products/question.h"

enum { ASKED_MAX = 4 };

static struct test_server server;
static struct config config;
static struct gateway gateway;
static struct gateway_loop loop;

/* ---- the database ------------------------------------------------------------------------------------------------ */

/* What was asked since the last request: the statements' names, and the first parameter of each. */
static struct {
    const char *name;
    char sql[PG_SELECT_SQL_MAX];
    char first[64];
} asked[ASKED_MAX];
static int asked_count;
static const char *below, *below_count; /* what the tree says is at and below any category */

void pg_pool_query(struct pg_pool *pool, const struct pg_statement *statement, const struct str *parameters,
                   pg_result_cb *on_result, void *context) {
    (void)pool;
    assert_true(asked_count < ASKED_MAX);
    asked[asked_count].name = statement->name;
    snprintf(asked[asked_count].sql, sizeof asked[0].sql, "%s", statement->sql);
    snprintf(asked[asked_count].first, sizeof asked[0].first, "%.*s", STR_ARGS(parameters[0]));
    asked_count++;
    PGresult *result = test_rows(4);
    if (statement == &categories_below) {
        test_add_values(result, (const char *const[]){below, below_count}, 2);
    } else if (statement == &category_by_slug) {
        if (str_equal(parameters[0], STR("tea"))) {
            test_add_values(result, (const char *const[]){"{\"slug\":\"tea\"}", "7"}, 2);
        }
    } else if (statement != &products_words) {
        test_add_values(result, (const char *const[]){"{\"slug\":\"tea\"}", "tea 0", "{\"counted\":1}"}, 3);
    }
    on_result(context, result, NULL);
    PQclear(result);
}

/* ---- the front --------------------------------------------------------------------------------------------------- */

static void received(void *context, struct http_exchange *exchange) {
    (void)context;
    request_received(&loop, exchange);
}

static void lost(void *context, struct http_exchange *exchange) {
    (void)context;
    request_lost(&loop, exchange);
}

static int setup(void **state) {
    (void)state;
    gateway.config = &config;
    gateway.is_open = true;
    loop.gateway = &gateway;
    loop.view_waits.ask = pg_pool_query;
    metrics_init(&loop.metrics);
    test_server_start(&server, (struct http_server_options){.on_request = received, .on_lost = lost});
    return 0;
}

static int teardown(void **state) {
    (void)state;
    test_server_stop(&server);
    metrics_release(&loop.metrics);
    return 0;
}

static void ask(const char *path, const char *field, const char *expected) {
    struct buf reply;
    buf_init(&reply, TEST_REPLY_MAX);
    int fd = test_connect(&server);
    char text[512];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n%sConnection: close\r\n\r\n", path, field);
    asked_count = 0;
    test_send(fd, str_of_cstr(text));
    test_read_to_end(fd, &reply);
    close(fd);
    if (!test_holds(&reply, expected)) {
        fail_msg("%.*s\nhas not\n%s", (int)reply.len, reply.data, expected);
    }
    buf_release(&reply);
}

static void assert_asked(int index, const char *name, const char *part, const char *first) {
    assert_true(index < asked_count);
    assert_string_equal(asked[index].name, name);
    assert_non_null(strstr(asked[index].sql, part));
    assert_string_equal(asked[index].first, first);
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

static void of_a_category_the_tree_is_asked_first(void **state) {
    (void)state;
    below = "{tea,black}";
    below_count = "2";
    ask("/v1/products?category=tea", "", "HTTP/1.1 200 OK\r\n");
    assert_int_equal(asked_count, 2);
    assert_asked(0, "categories_below", "WITH RECURSIVE", "tea");
    assert_asked(1, "products_list", "p.categories && $1::text[]", "{tea,black}");
}

static void one_that_is_alone_or_not_in_the_tree_is_looked_for_as_itself(void **state) {
    (void)state;
    below = "{\"a word\"}";
    below_count = "1";
    ask("/v1/products?category=a%20word", "", "\"facets\":{\"counted\":1}");
    assert_int_equal(asked_count, 2);
    assert_asked(1, "products_list", "p.categories @> ARRAY[$1::text]", "a word");
}

static void with_words_the_catalogue_is_asked_for_these_in_between(void **state) {
    (void)state;
    below = "{tea,black}";
    below_count = "2";
    ask("/v1/products?category=tea&q=darjeeling", "", "HTTP/1.1 200 OK\r\n");
    assert_int_equal(asked_count, 3);
    assert_asked(0, "categories_below", "WITH RECURSIVE", "tea");
    assert_asked(1, "products_words", "products.words", "{\"darjeeling\"}");
    assert_asked(2, "products_list", "p.categories && $2::text[]", "darjeeling");
}

static void without_a_category_the_tree_is_not_asked(void **state) {
    (void)state;
    ask("/v1/products?tag=new", "", "HTTP/1.1 200 OK\r\n");
    assert_int_equal(asked_count, 1);
    assert_asked(0, "products_list", "p.tags @> ARRAY[$1::text]", "new");
}

/* ---- categories -------------------------------------------------------------------------------------------------- */

static void categories_are_listed_and_read_one_by_one(void **state) {
    (void)state;
    ask("/v1/categories?parent=drinks", "", "{\"items\":[{\"slug\":\"tea\"}],\"next_cursor\":null}");
    assert_asked(0, "categories_list", "c.parent = $1::text", "drinks");
    ask("/v1/categories?parent=drinks&top=true", "", "\"parameter\":\"top\"");
    ask("/v1/categories?below=drinks", "", "unknown_parameter");
    ask("/v1/categories/tea", "", "ETag: \"7\"\r\n");
    ask("/v1/categories/tea", "If-None-Match: \"7\"\r\n", "HTTP/1.1 304 Not Modified\r\n");
    ask("/v1/categories/tea", "If-None-Match: \"6\"\r\n", "{\"slug\":\"tea\"}");
    ask("/v1/categories/coffee", "", "\"code\":\"unknown_category\"");
    ask("/v1/categories/No%20Slug", "", "\"code\":\"unknown_category\"");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(of_a_category_the_tree_is_asked_first),
        TEST(one_that_is_alone_or_not_in_the_tree_is_looked_for_as_itself),
        TEST(with_words_the_catalogue_is_asked_for_these_in_between),
        TEST(without_a_category_the_tree_is_not_asked),
        TEST(categories_are_listed_and_read_one_by_one),
    };
    return cmocka_run_group_tests_name("lists", tests, NULL, NULL);
}
