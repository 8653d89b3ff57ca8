/* limits_test.c: bursts, rates, refusals, crowds, and the text of the setting. */
#include "core/gateway/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/base/timestamp.h"

#define SECOND ((int64_t)MICROS_PER_SECOND)

static struct limits *opened(const char *text) {
    struct limits *limits = NULL;
    struct err_info info = {0};
    if (limits_open(text, &limits, &info) != ERR_NONE) {
        fail_msg("%s: %s", text, info.text);
    }
    return limits;
}

static const uint8_t *address_at(const char *text) {
    static uint8_t bytes[ADDRESS_BYTES];
    assert_true(address_read(str_of_cstr(text), bytes));
    return bytes;
}

/* How many of `count` requests at once pass. */
static int passing(struct limits *limits, enum limit_class limit, const uint8_t *client, int count, int64_t now_us) {
    int passed = 0;
    for (int i = 0; i < count; i++) {
        passed += limits_take(limits, limit, client, now_us).passes;
    }
    return passed;
}

static void a_burst_passes_at_once_and_then_the_rate(void **state) {
    (void)state;
    struct limits *limits = opened("read=200/s:1000");
    uint8_t client[ADDRESS_BYTES];
    memcpy(client, address_at("192.0.2.1"), sizeof client);
    int64_t now_us = 77 * SECOND;
    assert_int_equal(passing(limits, LIMIT_READ, client, 3000, now_us), 1000);
    int passed = 0;
    for (int i = 0; i < 100000; i++) { /* 1,000 a second, for 100 s */
        now_us += SECOND / 1000;
        passed += limits_take(limits, LIMIT_READ, client, now_us).passes;
    }
    assert_in_range(passed, 19800, 20200);
    assert_int_equal(passing(limits, LIMIT_READ, client, 3000, now_us + 100 * SECOND), 1000);
    limits_close(limits);
}

/* To the second: a moment before it is refused again, and a refusal puts nothing off. */
static void after_retry_after_one_passes(void **state) {
    (void)state;
    struct limits *limits = opened("checkout=10/m:20");
    const uint8_t *client = address_at("192.0.2.1");
    int64_t now_us = 5 * SECOND;
    assert_int_equal(passing(limits, LIMIT_CHECKOUT, client, 20, now_us), 20);
    now_us += 3 * SECOND / 2;
    struct limit_answer refused = {0};
    for (int i = 0; i < 50; i++) {
        refused = limits_take(limits, LIMIT_CHECKOUT, client, now_us);
        assert_false(refused.passes);
    }
    assert_int_equal(refused.retry_after_s, 5); /* 4.5 s are left of one in 6 s */
    assert_int_equal(refused.remaining, 0);
    assert_int_equal(refused.reset_s, 119);
    assert_false(limits_take(limits, LIMIT_CHECKOUT, client, 11 * SECOND - 1).passes);
    assert_true(limits_take(limits, LIMIT_CHECKOUT, client, 11 * SECOND).passes);
    assert_false(limits_take(limits, LIMIT_CHECKOUT, client, 11 * SECOND).passes);
    limits_close(limits);
}

static void an_answer_tells_what_is_left(void **state) {
    (void)state;
    struct limits *limits = opened("search=20/s:60 write=1/h:2");
    struct arena arena;
    arena_init(&arena, 4096);
    struct limit_answer answer = limits_take(limits, LIMIT_SEARCH, address_at("192.0.2.1"), SECOND);
    assert_true(answer.is_limited && answer.passes);
    assert_int_equal(answer.remaining, 59);
    assert_int_equal(answer.reset_s, 1);
    assert_true(str_equal(limits_policy(limits, LIMIT_SEARCH), STR("\"search\";q=60;w=3")));
    assert_true(str_equal(limits_state(&arena, LIMIT_SEARCH, &answer), STR("\"search\";r=59;t=1")));
    (void)passing(limits, LIMIT_WRITE, address_at("192.0.2.1"), 2, SECOND);
    answer = limits_take(limits, LIMIT_WRITE, address_at("192.0.2.1"), SECOND);
    assert_int_equal(answer.retry_after_s, 3600);
    assert_true(str_equal(limits_policy(limits, LIMIT_WRITE), STR("\"write\";q=2;w=7200")));
    assert_true(str_equal(limits_state(&arena, LIMIT_WRITE, &answer), STR("\"write\";r=0;t=7200")));
    arena_release(&arena);
    limits_close(limits);
}

static void looking_takes_nothing(void **state) {
    (void)state;
    struct limits *limits = opened("auth=30/m:3");
    const uint8_t *client = address_at("192.0.2.1");
    for (int i = 0; i < 10; i++) {
        assert_true(limits_look(limits, LIMIT_AUTH, client, SECOND).passes);
    }
    assert_int_equal(passing(limits, LIMIT_AUTH, client, 10, SECOND), 3);
    assert_false(limits_look(limits, LIMIT_AUTH, client, SECOND).passes);
    limits_close(limits);
}

static void one_client_takes_nothing_from_another_nor_from_himself_elsewhere(void **state) {
    (void)state;
    struct limits *limits = opened("read=1/s:5 write=1/s:5");
    assert_int_equal(passing(limits, LIMIT_READ, address_at("2001:db8::1"), 9, SECOND), 5);
    assert_int_equal(passing(limits, LIMIT_READ, address_at("2001:db8::ffff:1"), 9, SECOND), 0); /* of the same /64 */
    assert_int_equal(passing(limits, LIMIT_READ, address_at("2001:db8:0:1::1"), 9, SECOND), 5);
    assert_int_equal(passing(limits, LIMIT_READ, address_at("192.0.2.1"), 9, SECOND), 5);
    assert_int_equal(passing(limits, LIMIT_READ, address_at("192.0.2.2"), 9, SECOND), 5);
    assert_int_equal(passing(limits, LIMIT_WRITE, address_at("192.0.2.1"), 9, SECOND), 5);
    assert_int_equal(passing(limits, LIMIT_SEARCH, address_at("192.0.2.1"), 99, SECOND), 99); /* has no limit */
    assert_int_equal(passing(limits, LIMIT_NONE, address_at("192.0.2.1"), 99, SECOND), 99);
    limits_close(limits);
}

/* How many of `count` at once pass under the name. */
static int passing_named(struct limits *limits, const char *name, int64_t times, int count, int64_t now_us) {
    int passed = 0;
    for (int i = 0; i < count; i++) {
        passed += limits_take_name(limits, LIMIT_LOGIN, str_of_cstr(name), times, now_us).passes;
    }
    return passed;
}

static void a_name_may_take_so_many_times_what_a_client_may(void **state) {
    (void)state;
    struct limits *limits = opened("login=6/m:3"); /* one in 10 s */
    assert_int_equal(passing_named(limits, "a", 1, 9, SECOND), 3);
    assert_int_equal(passing_named(limits, "b", 10, 99, SECOND), 30);
    assert_int_equal(passing_named(limits, "b", 10, 99, 2 * SECOND), 1);
    assert_int_equal(passing_named(limits, "b", 10, 99, 12 * SECOND), 10);
    struct limit_answer answer = limits_take_name(limits, LIMIT_LOGIN, STR("c"), 10, SECOND);
    assert_int_equal(answer.remaining, 29);
    assert_int_equal(answer.reset_s, 1);
    answer = limits_take_name(limits, LIMIT_LOGIN, STR("a"), 1, SECOND);
    assert_int_equal(answer.retry_after_s, 10);
    limits_close(limits);
}

/* Not even one that is spelt as the address is. */
static void a_name_is_no_address(void **state) {
    (void)state;
    struct limits *limits = opened("login=6/m:3");
    uint8_t client[ADDRESS_BYTES];
    memcpy(client, address_at("192.0.2.1"), sizeof client);
    assert_int_equal(passing(limits, LIMIT_LOGIN, client, 9, SECOND), 3);
    struct str spelt = str_of((const char *)client, sizeof client);
    assert_true(limits_take_name(limits, LIMIT_LOGIN, spelt, 1, SECOND).passes);
    assert_int_equal(passing_named(limits, "login:a", 1, 9, SECOND), 3);
    assert_int_equal(passing_named(limits, "reset:a", 1, 9, SECOND), 3);
    limits_close(limits);
}

static void off_lets_all_pass(void **state) {
    (void)state;
    struct limits *limits = opened("off");
    assert_null(limits);
    assert_false(limits_take_name(limits, LIMIT_LOGIN, STR("a"), 1, SECOND).is_limited);
    assert_int_equal(passing_named(limits, "a", 10, 5000, SECOND), 5000);
    assert_false(limits_take(limits, LIMIT_READ, address_at("192.0.2.1"), SECOND).is_limited);
    assert_int_equal(passing(limits, LIMIT_READ, address_at("192.0.2.1"), 5000, SECOND), 5000);
    limits_close(limits);
}

/* Whoever sends from a million other addresses frees nobody of his refusal. */
static void a_crowd_does_not_make_it_forget_who_is_refused(void **state) {
    (void)state;
    struct limits *limits = opened("read=10/s:5");
    uint8_t client[ADDRESS_BYTES], other[ADDRESS_BYTES] = {0x20, 0x01, 0x0d, 0xb8};
    memcpy(client, address_at("192.0.2.1"), sizeof client);
    assert_int_equal(passing(limits, LIMIT_READ, client, 99, SECOND), 5);
    int refused = 0;
    for (uint32_t i = 0; i < 1000000; i++) {
        memcpy(other + 4, &i, sizeof i); /* each in a /64 of its own */
        refused += !limits_take(limits, LIMIT_READ, other, SECOND).passes;
    }
    assert_int_equal(refused, 0);
    assert_false(limits_take(limits, LIMIT_READ, client, SECOND).passes);
    limits_close(limits);
}

static void a_table_that_was_full_is_empty_again_later(void **state) {
    (void)state;
    struct limits *limits = opened("read=1/s:2");
    uint8_t other[ADDRESS_BYTES] = {0x20, 0x01, 0x0d, 0xb8};
    for (uint32_t i = 0; i < 4 * LIMITS_SLOTS; i++) {
        memcpy(other + 4, &i, sizeof i);
        (void)passing(limits, LIMIT_READ, other, 3, SECOND);
    }
    assert_int_equal(passing(limits, LIMIT_READ, address_at("192.0.2.1"), 9, 4 * SECOND), 2);
    assert_int_equal(passing(limits, LIMIT_READ, address_at("192.0.2.1"), 9, 4 * SECOND), 0);
    limits_close(limits);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

enum { THREADS = 8, MANY = 200000 };

static struct limits *shared;
static _Atomic int passed_by_all;
static pthread_barrier_t begun;

static void *take_many(void *context) {
    (void)context;
    uint8_t client[ADDRESS_BYTES] = {0};
    pthread_barrier_wait(&begun);
    atomic_fetch_add(&passed_by_all, passing(shared, LIMIT_READ, client, MANY, SECOND));
    return NULL;
}

static void threads_together_take_exactly_the_burst(void **state) {
    (void)state;
    shared = opened("read=1/s:1000000");
    pthread_barrier_init(&begun, NULL, THREADS);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(passed_by_all, 1000000);
    pthread_barrier_destroy(&begun);
    limits_close(shared);
}

/* ---- the setting ------------------------------------------------------------------------------------------------- */

static void what_is_no_limit_is_named(void **state) {
    (void)state;
    static const struct {
        const char *text, *named;
    } rows[] = {
        {"reads=1/s:1", "reads=1/s:1"},
        {"read=1/s:1 off", "off"},
        {"none=1/s:1", "none=1/s:1"},
        {"read", "read"},
        {"read=", "read="},
        {"read=1", "read=1"},
        {"read=1/s", "read=1/s"},
        {"read=1/s:", "read=1/s:"},
        {"read=/s:1", "read=/s:1"},
        {"read=1/d:1", "read=1/d:1"},
        {"read=1/:1", "read=1/:1"},
        {"read=0/s:1", "read=0/s:1"},
        {"read=1/s:0", "read=1/s:0"},
        {"read=-1/s:5", "read=-1/s:5"},
        {"read=1000001/s:1", "read=1000001/s:1"},
        {"read=1/s:1000001", "read=1/s:1000001"},
        {"read=1.5/s:1", "read=1.5/s:1"},
        {"read=1/s:1x", "read=1/s:1x"},
        {"read=1/s:1,write=1/s:1", "read=1/s:1,write=1/s:1"},
        {"write=1/s:1 read=1/s:1 read=2/s:2", "read is given twice"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct limits *limits = NULL;
        struct err_info info = {0};
        assert_int_equal(limits_open(rows[i].text, &limits, &info), ERR_CONFIG);
        assert_null(limits);
        if (strstr(info.text, rows[i].named) == NULL) {
            fail_msg("%s: %s", rows[i].text, info.text);
        }
    }
}

static void who_names_no_class_is_told_which_there_are(void **state) {
    (void)state;
    struct limits *limits = NULL;
    struct err_info info = {0};
    assert_int_equal(limits_open("logins=1/s:1", &limits, &info), ERR_CONFIG);
    for (enum limit_class limit = LIMIT_NONE + 1; limit < LIMIT_CLASSES; limit++) {
        if (strstr(info.text, limit_class_name(limit)) == NULL) {
            fail_msg("%s is not in: %s", limit_class_name(limit), info.text);
        }
    }
    assert_non_null(strstr(info.text, "(read, search, write, ")); /* not only what was written */
}

static void the_greatest_rates_are_no_overflow(void **state) {
    (void)state;
    struct limits *limits = opened("  read=1000000/s:1000000 write=1/h:1000000 ");
    const uint8_t *client = address_at("192.0.2.1");
    assert_int_equal(passing(limits, LIMIT_READ, client, 1000001, SECOND), 1000000);
    assert_int_equal(passing(limits, LIMIT_WRITE, client, 1000001, SECOND), 1000000);
    struct limit_answer refused = limits_take(limits, LIMIT_WRITE, client, SECOND);
    assert_int_equal(refused.reset_s, 3600000000);
    assert_int_equal(refused.retry_after_s, 3600);
    struct str name = STR("a"); /* and with the greatest rate so many times still something is taken */
    struct limit_answer named = limits_take_name(limits, LIMIT_READ, name, LIMITS_TIMES_MAX, SECOND);
    assert_int_equal(named.remaining, 1000000 * LIMITS_TIMES_MAX - 1);
    limits_close(limits);
    limits = opened(""); /* no class is named: none has a limit */
    assert_false(limits_take(limits, LIMIT_READ, client, SECOND).is_limited);
    limits_close(limits);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_passes_at_once_and_then_the_rate),
        cmocka_unit_test(after_retry_after_one_passes),
        cmocka_unit_test(an_answer_tells_what_is_left),
        cmocka_unit_test(looking_takes_nothing),
        cmocka_unit_test(one_client_takes_nothing_from_another_nor_from_himself_elsewhere),
        cmocka_unit_test(a_name_may_take_so_many_times_what_a_client_may),
        cmocka_unit_test(a_name_is_no_address),
        cmocka_unit_test(off_lets_all_pass),
        cmocka_unit_test(a_crowd_does_not_make_it_forget_who_is_refused),
        cmocka_unit_test(a_table_that_was_full_is_empty_again_later),
        cmocka_unit_test(threads_together_take_exactly_the_burst),
        cmocka_unit_test(what_is_no_limit_is_named),
        cmocka_unit_test(who_names_no_class_is_told_which_there_are),
        cmocka_unit_test(the_greatest_rates_are_no_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
