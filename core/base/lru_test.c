#include "projections/runtime/cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void put(struct state_cache *cache, int number, int64_t version) {
    char name[32];
    int length = snprintf(name, sizeof name, "stream_%d", number);
    state_cache_put(cache, str_of(name, (size_t)length), number * 7919, version, false, STR("0123456789"));
}

static const struct cached_stream *get(struct state_cache *cache, int number) {
    char name[32];
    int length = snprintf(name, sizeof name, "stream_%d", number);
    return state_cache_get(cache, str_of(name, (size_t)length), number * 7919);
}

static void a_stream_is_found_as_it_was_put_last(void **state) {
    (void)state;
    struct state_cache cache;
    state_cache_init(&cache, 64 * 1024 * 1024);
    for (int i = 0; i < 10000; i++) { /* more than the table begins with */
        put(&cache, i, 1);
    }
    put(&cache, 17, 2);
    assert_int_equal(cache.count, 10000);
    assert_int_equal(get(&cache, 17)->version, 2);
    assert_true(str_equal(get(&cache, 9999)->state, STR("0123456789")));
    assert_null(get(&cache, 10000));
    assert_null(state_cache_get(&cache, STR("another"), 17 * 7919)); /* the same hash, another name */
    state_cache_release(&cache);
}

static void past_its_bound_the_least_recently_used_goes(void **state) {
    (void)state;
    struct state_cache cache;
    state_cache_init(&cache, 3 * (sizeof(struct cached_stream) + 20));
    put(&cache, 1, 1);
    put(&cache, 2, 1);
    put(&cache, 3, 1);
    assert_non_null(get(&cache, 1));
    put(&cache, 4, 1);
    assert_null(get(&cache, 2));
    assert_non_null(get(&cache, 1));
    assert_non_null(get(&cache, 3));
    assert_true(cache.bytes <= cache.max_bytes);
    state_cache_release(&cache);
}

static void what_is_larger_than_the_cache_is_not_kept(void **state) {
    (void)state;
    struct state_cache cache;
    state_cache_init(&cache, 10);
    put(&cache, 1, 1);
    assert_null(get(&cache, 1));
    assert_int_equal(cache.bytes, 0);
    state_cache_release(&cache);
}

static void a_cleared_cache_is_empty_and_goes_on(void **state) {
    (void)state;
    struct state_cache cache;
    state_cache_init(&cache, 1024 * 1024);
    put(&cache, 1, 1);
    state_cache_clear(&cache);
    assert_null(get(&cache, 1));
    put(&cache, 1, 5);
    assert_int_equal(get(&cache, 1)->version, 5);
    state_cache_release(&cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_found_as_it_was_put_last),
        cmocka_unit_test(past_its_bound_the_least_recently_used_goes),
        cmocka_unit_test(what_is_larger_than_the_cache_is_not_kept),
        cmocka_unit_test(a_cleared_cache_is_empty_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
