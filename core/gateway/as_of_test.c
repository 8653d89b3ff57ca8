#include "core/gateway/as_of.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct http_exchange exchange;
static struct problem problem;
static struct as_of as_of;

static int set_up(void **state) {
    (void)state;
    exchange = (struct http_exchange){0};
    arena_init(&exchange.arena, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_release(&exchange.arena);
    return 0;
}

static bool ask(const char *query) {
    exchange.query = str_of_cstr(query);
    as_of = (struct as_of){0};
    return as_of_read(&exchange, &as_of, &problem);
}

static void a_version_or_a_time_is_taken_and_neither_is_fine(void **state) {
    (void)state;
    assert_true(ask(""));
    assert_false(as_of_is_given(&as_of));
    assert_true(ask("as_of=17"));
    assert_true(str_equal(as_of.version, STR("17")));
    assert_null(as_of.time.data);
    assert_true(ask("as_of=2026-11-23T07:00:00.5%2B01:00"));
    assert_true(str_equal(as_of.time, STR("2026-11-23T06:00:00.500000Z")));
    assert_null(as_of.version.data);
    assert_true(as_of_is_given(&as_of));
}

static void what_is_neither_is_refused(void **state) {
    (void)state;
    static const char *const queries[] = {"as_of=",     "as_of=0",    "as_of=-1",
                                          "as_of=01",   "as_of=x",    "as_of=2026-11-23",
                                          "as_of=1.5",  "as_of=%ff",  "as_of=99999999999999999999",
                                          "as_of=%2B1", "as_of=1%00", "as_of=1&as_of=2"};
    for (size_t i = 0; i < ARRAY_LENGTH(queries); i++) {
        problem = (struct problem){0};
        if (ask(queries[i])) {
            fail_msg("taken: %s", queries[i]);
        }
        assert_int_equal(problem.status, 400);
        assert_string_equal(problem.code, "invalid_parameter");
        assert_true(str_equal(problem.members, STR("\"parameter\":\"as_of\"")));
    }
}

static void an_answer_says_what_it_shows(void **state) {
    (void)state;
    struct buf body;
    buf_init(&body, 1024);
    as_of_write(&body, 3, STR("2026-11-23T06:00:00.500000Z"));
    assert_true(
        str_equal(buf_text(&body), STR("\"as_of\":{\"version\":3,\"occurred_at\":\"2026-11-23T06:00:00.500000Z\"}")));
    buf_release(&body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_or_a_time_is_taken_and_neither_is_fine),
        cmocka_unit_test(what_is_neither_is_refused),
        cmocka_unit_test(an_answer_says_what_it_shows),
    };
    return cmocka_run_group_tests_name("as_of", tests, set_up, tear_down);
}
