#include "core/gateway/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/gateway/prepared.h"

static struct arena arena;

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

static enum route_found find(enum http_method method, const char *path, struct route_match *ret_match) {
    *ret_match = (struct route_match){0};
    return router_find(&arena, method, str_of_cstr(path), ret_match);
}

static void a_path_finds_its_route_and_its_parameters(void **state) {
    (void)state;
    struct route_match match;
    assert_int_equal(find(HTTP_PUT_, "/v1/carts/cart_X/lines/A%2FB", &match), ROUTE_FOUND);
    assert_string_equal(match.route->pattern, "/v1/carts/{cart}/lines/{sku}");
    assert_true(str_equal(route_parameter(&match, "cart"), STR("cart_X")));
    assert_true(str_equal(route_parameter(&match, "sku"), STR("A/B")));
    assert_true(str_is_empty(route_parameter(&match, "order")));
    assert_int_equal(find(HTTP_GET_, "/v1/barcodes/40%2012-3", &match), ROUTE_FOUND);
    assert_true(str_equal(route_parameter(&match, "barcode"), STR("40 12-3")));
}

static void head_takes_the_route_of_get(void **state) {
    (void)state;
    struct route_match match;
    assert_int_equal(find(HTTP_HEAD_, "/v1/orders", &match), ROUTE_FOUND);
    assert_int_equal(match.route->method, HTTP_GET_);
}

static void another_method_is_told_what_is_allowed(void **state) {
    (void)state;
    struct route_match match;
    assert_int_equal(find(HTTP_DELETE_, "/v1/products/prod_X", &match), ROUTE_WRONG_METHOD);
    assert_true(str_equal(match.allowed, STR("PATCH, GET, HEAD")));
    assert_int_equal(find(HTTP_GET_, "/v1/carts/cart_X/checkout", &match), ROUTE_WRONG_METHOD);
    assert_true(str_equal(match.allowed, STR("POST")));
}

static void nothing_else_is_found(void **state) {
    (void)state;
    const char *paths[] = {"/",
                           "/v1",
                           "/v1/carts/",
                           "/v1/carts/x/y/z",
                           "//v1/carts",
                           "/v1//carts",
                           "/V1/carts",
                           "/v1/carts/x/lines/",
                           "/v1/stock//receipts",
                           "/v2/carts",
                           "/v1/carts/..",
                           "/v1/carts/a/b",
                           "*"};
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        struct route_match match;
        enum route_found found = find(HTTP_POST_, paths[i], &match);
        assert_true(found == ROUTE_UNKNOWN_PATH || found == ROUTE_WRONG_METHOD);
        assert_true(found == ROUTE_UNKNOWN_PATH || str_equal(str_of_cstr(paths[i]), STR("/v1/carts/..")));
    }
}

static void bad_escapes_are_told_apart(void **state) {
    (void)state;
    const char *paths[] = {"/v1/stock/%zz", "/v1/stock/%4", "/v1/stock/%00", "/v1/stock/%ff"};
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        struct route_match match;
        assert_int_equal(find(HTTP_GET_, paths[i], &match), ROUTE_BAD_ESCAPE);
    }
}

static void every_route_says_who_may_and_has_an_answer(void **state) {
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        assert_true(strlen(routes[i].may) > 0);
        assert_int_equal(strspn(routes[i].may, "PpmocvSHUNA"), strlen(routes[i].may));
        assert_non_null(routes[i].answer);
        bool is_command = routes[i].command_type != 0;
        int named =
            (routes[i].stream_parameter != NULL) + (routes[i].created_prefix != NULL) + (routes[i].the_stream != NULL);
        bool is_found_out = is_command && prepared_command_of(&routes[i]) != NULL && named == 0;
        assert_int_equal(is_command, named + is_found_out);
    }
}

static const struct route *found_at(enum http_method method, const char *path) {
    struct route_match match;
    assert_int_equal(find(method, path, &match), ROUTE_FOUND);
    return match.route;
}

/* Not by their class of limits alone: a session is refreshed as often as other things are written. */
static void those_who_come_to_prove_who_they_are_come_by_the_doors(void **state) {
    (void)state;
    static const struct {
        enum http_method method;
        const char *path;
    } doors[] = {{HTTP_POST_, "/v1/customers"},
                 {HTTP_POST_, "/v1/customers/password-resets"},
                 {HTTP_POST_, "/v1/customers/cus_X/verification"},
                 {HTTP_PUT_, "/v1/customers/cus_X/password"},
                 {HTTP_POST_, "/v1/sessions"},
                 {HTTP_POST_, "/v1/sessions/refresh"}};
    size_t count = 0;
    for (size_t i = 0; i < route_count; i++) {
        count += route_is_door(&routes[i]);
    }
    assert_int_equal(count, ARRAY_LENGTH(doors));
    for (size_t i = 0; i < ARRAY_LENGTH(doors); i++) {
        assert_true(route_is_door(found_at(doors[i].method, doors[i].path)));
    }
    assert_int_equal(found_at(HTTP_POST_, "/v1/sessions/refresh")->limit, LIMIT_WRITE);
    assert_int_equal(found_at(HTTP_POST_, "/v1/sessions")->limit, LIMIT_LOGIN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_finds_its_route_and_its_parameters),
        cmocka_unit_test(head_takes_the_route_of_get),
        cmocka_unit_test(another_method_is_told_what_is_allowed),
        cmocka_unit_test(nothing_else_is_found),
        cmocka_unit_test(bad_escapes_are_told_apart),
        cmocka_unit_test(every_route_says_who_may_and_has_an_answer),
        cmocka_unit_test(those_who_come_to_prove_who_they_are_come_by_the_doors),
    };
    return cmocka_run_group_tests_name("router", tests, set_up, tear_down);
}
