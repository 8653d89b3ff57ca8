#include "core/gateway/cors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct http_exchange exchange;
static struct http_field fields[4];
static struct cors_origins origins;

static int set_up(void **state) {
    (void)state;
    struct err_info info = {0};
    exchange = (struct http_exchange){.fields = fields};
    arena_init(&exchange.arena, 64 * 1024);
    assert_int_equal(cors_read("https://shop.example  http://[::1]:8080", &origins, &info), ERR_NONE);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_release(&exchange.arena);
    return 0;
}

static void asks(const char *name, const char *value) {
    fields[exchange.field_count++] = (struct http_field){str_of_cstr(name), str_of_cstr(value)};
}

/* The answer's field; NULL: it has none. */
static const char *answered(const char *name) {
    for (size_t i = 0; i < exchange.answer_field_count; i++) {
        if (str_equal(exchange.answer_fields[i].name, str_of_cstr(name))) {
            return arena_printf(&exchange.arena, "%.*s", STR_ARGS(exchange.answer_fields[i].value)).data;
        }
    }
    return NULL;
}

static void a_page_of_a_named_origin_may_read(void **state) {
    (void)state;
    asks("origin", "https://shop.example");
    cors_answer(&origins, &exchange);
    assert_string_equal(answered("Access-Control-Allow-Origin"), "https://shop.example");
    assert_string_equal(answered("Vary"), "Origin");
    assert_non_null(strstr(answered("Access-Control-Expose-Headers"), "Daybook-Position"));
    assert_null(answered("Access-Control-Allow-Methods"));
    /* A login's cookie is kept, and what it lets in is read: without it browsers do neither. */
    assert_string_equal(answered("Access-Control-Allow-Credentials"), "true");
}

static void all_others_are_told_nothing_but_that_it_differs(void **state) {
    (void)state;
    static const char *const others[] = {"https://shop.example.evil.test",
                                         "http://shop.example",
                                         "https://shop.example:8443",
                                         "https://SHOP.example",
                                         "null",
                                         ""};
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        exchange.field_count = exchange.answer_field_count = 0;
        asks("origin", others[i]);
        asks("access-control-request-method", "POST");
        cors_answer(&origins, &exchange);
        cors_answer_preflight(&origins, &exchange, STR("POST"));
        assert_int_equal(exchange.answer_field_count, 1);
        assert_string_equal(answered("Vary"), "Origin");
    }
}

static void a_preflight_is_told_methods_and_fields(void **state) {
    (void)state;
    asks("origin", "http://[::1]:8080");
    asks("access-control-request-method", "PATCH");
    asks("access-control-request-headers", "idempotency-key,x-other");
    cors_answer(&origins, &exchange);
    cors_answer_preflight(&origins, &exchange, STR("GET, HEAD, PATCH"));
    assert_string_equal(answered("Access-Control-Allow-Methods"), "GET, HEAD, PATCH");
    assert_non_null(strstr(answered("Access-Control-Allow-Headers"), "Idempotency-Key"));
    assert_null(strstr(answered("Access-Control-Allow-Headers"), "x-other"));
    assert_string_equal(answered("Access-Control-Max-Age"), "600");
    assert_string_equal(answered("Access-Control-Allow-Credentials"), "true");
}

static void options_that_is_no_preflight_is_told_no_more_than_others(void **state) {
    (void)state;
    asks("origin", "https://shop.example");
    cors_answer_preflight(&origins, &exchange, STR("GET"));
    assert_int_equal(exchange.answer_field_count, 0);
}

static void without_a_list_nothing_is_said(void **state) {
    (void)state;
    struct err_info info = {0};
    assert_int_equal(cors_read(" ", &origins, &info), ERR_NONE);
    asks("origin", "https://shop.example");
    asks("access-control-request-method", "GET");
    cors_answer(&origins, &exchange);
    cors_answer_preflight(&origins, &exchange, STR("GET"));
    assert_int_equal(exchange.answer_field_count, 0);
}

static void what_is_no_origin_is_named(void **state) {
    (void)state;
    static const char *const bad[] = {"*",
                                      "https://*.example",
                                      "shop.example",
                                      "https://",
                                      "https://:8443",
                                      "https://shop.example/",
                                      "https://shop.example:",
                                      "https://shop.example:443x",
                                      "https://shop.example:123456",
                                      "https://Shop.example",
                                      "https://a@shop.example",
                                      "https://[::1",
                                      "https://[]",
                                      "https://[::1]a80",
                                      "ftp://shop.example",
                                      "null"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct err_info info = {0};
        assert_int_equal(cors_read(bad[i], &origins, &info), ERR_CONFIG);
        assert_non_null(strstr(info.text, bad[i]));
    }
    char many[CORS_ORIGINS_MAX * 20 + 40] = "";
    for (int i = 0; i <= CORS_ORIGINS_MAX; i++) {
        (void)snprintf(many + strlen(many), sizeof many - strlen(many), "https://shop%d ", i);
    }
    struct err_info info = {0};
    assert_int_equal(cors_read(many, &origins, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "16"));
    many[strlen(many) - strlen("https://shop16 ")] = '\0';
    assert_int_equal(cors_read(many, &origins, &info), ERR_NONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_page_of_a_named_origin_may_read),      TEST(all_others_are_told_nothing_but_that_it_differs),
        TEST(a_preflight_is_told_methods_and_fields), TEST(options_that_is_no_preflight_is_told_no_more_than_others),
        TEST(without_a_list_nothing_is_said),         TEST(what_is_no_origin_is_named),
    };
    return cmocka_run_group_tests_name("cors", tests, NULL, NULL);
}
