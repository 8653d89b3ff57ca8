#include "core/base/lru.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void put(struct lru *lru, int number, int64_t version) {
    char name[32];
    int length = snprintf(name, sizeof name, "stream_%d", number);
    lru_put(lru, &(struct lru_entry){.name = str_of(name, (size_t)length),
                                     .hash = number * 7919,
                                     .value = STR("0123456789"),
                                     .version = version,
                                     .mark = number});
}

static const struct lru_entry *get(struct lru *lru, int number) {
    char name[32];
    int length = snprintf(name, sizeof name, "stream_%d", number);
    return lru_get(lru, str_of(name, (size_t)length), number * 7919);
}

static void what_was_put_last_is_found(void **state) {
    (void)state;
    struct lru lru;
    lru_init(&lru, 64 * 1024 * 1024);
    for (int i = 0; i < 10000; i++) { /* more than the table begins with */
        put(&lru, i, 1);
    }
    put(&lru, 17, 2);
    assert_int_equal(lru.count, 10000);
    assert_int_equal(get(&lru, 17)->version, 2);
    assert_true(str_equal(get(&lru, 9999)->value, STR("0123456789")));
    assert_int_equal(get(&lru, 9999)->mark, 9999);
    assert_null(get(&lru, 10000));
    assert_null(lru_get(&lru, STR("another"), 17 * 7919)); /* the same hash, another name */
    lru_release(&lru);
}

static void past_its_bound_the_least_recently_used_goes(void **state) {
    (void)state;
    struct lru lru;
    lru_init(&lru, 3 * (sizeof(struct lru_entry) + 20));
    put(&lru, 1, 1);
    put(&lru, 2, 1);
    put(&lru, 3, 1);
    assert_non_null(get(&lru, 1));
    put(&lru, 4, 1);
    assert_null(get(&lru, 2));
    assert_non_null(get(&lru, 1));
    assert_non_null(get(&lru, 3));
    assert_true(lru.bytes <= lru.max_bytes);
    lru_release(&lru);
}

static void what_is_larger_than_the_cache_is_not_kept(void **state) {
    (void)state;
    struct lru lru;
    lru_init(&lru, 10);
    put(&lru, 1, 1);
    assert_null(get(&lru, 1));
    assert_int_equal(lru.bytes, 0);
    lru_release(&lru);
}

static void what_is_dropped_is_gone_alone(void **state) {
    (void)state;
    struct lru lru;
    lru_init(&lru, 1024 * 1024);
    put(&lru, 1, 1);
    put(&lru, 2, 1);
    lru_put(&lru, &(struct lru_entry){.name = STR("another"), .hash = 7919});
    lru_drop(&lru, 7919);
    assert_null(get(&lru, 1));
    assert_null(lru_get(&lru, STR("another"), 7919));
    assert_non_null(get(&lru, 2));
    lru_drop(&lru, 7919);
    assert_int_equal(lru.count, 1);
    lru_release(&lru);
}

static void a_cleared_cache_is_empty_and_goes_on(void **state) {
    (void)state;
    struct lru lru;
    lru_init(&lru, 1024 * 1024);
    put(&lru, 1, 1);
    lru_clear(&lru);
    assert_null(get(&lru, 1));
    put(&lru, 1, 5);
    assert_int_equal(get(&lru, 1)->version, 5);
    lru_release(&lru);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_last_is_found),
        cmocka_unit_test(past_its_bound_the_least_recently_used_goes),
        cmocka_unit_test(what_is_larger_than_the_cache_is_not_kept),
        cmocka_unit_test(what_is_dropped_is_gone_alone),
        cmocka_unit_test(a_cleared_cache_is_empty_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
