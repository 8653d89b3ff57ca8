#include "core/log/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define START_US INT64_C(1000000000)

/* How many of `count` records, `apart_us` from each other, come while it is busy. */
static int busy_of(struct pace *pace, int64_t *now_us, int count, int64_t apart_us) {
    int busy = 0;
    for (int i = 0; i < count; i++) {
        busy += pace_is_busy(pace, *now_us);
        *now_us += apart_us;
    }
    return busy;
}

static void test_who_comes_alone_is_not_held_up(void **state) {
    (void)state;
    struct pace pace = {0};
    int64_t now_us = START_US;
    assert_int_equal(busy_of(&pace, &now_us, 10000, PACE_WINDOW_US / PACE_FROM + 250), 0);
}

static void test_a_crowd_is_noticed_within_its_first_window(void **state) {
    (void)state;
    struct pace pace = {0};
    int64_t now_us = START_US;
    assert_int_equal(busy_of(&pace, &now_us, 100, 10), 100 - (PACE_FROM - 1));
}

static void test_it_stays_busy_from_window_to_window(void **state) {
    (void)state;
    struct pace pace = {0};
    int64_t now_us = START_US;
    (void)busy_of(&pace, &now_us, 20, PACE_WINDOW_US / 20);
    assert_int_equal(busy_of(&pace, &now_us, 1000, PACE_WINDOW_US / 20), 1000);
}

static void test_a_pause_ends_it(void **state) {
    (void)state;
    struct pace pace = {0};
    int64_t now_us = START_US;
    (void)busy_of(&pace, &now_us, 1000, 100);
    now_us += 2 * PACE_WINDOW_US;
    assert_false(pace_is_busy(&pace, now_us));
}

static void test_fewer_in_one_window_end_it_in_the_next(void **state) {
    (void)state;
    struct pace pace = {0};
    int64_t now_us = START_US;
    (void)busy_of(&pace, &now_us, 1000, 100);
    (void)busy_of(&pace, &now_us, PACE_FROM, PACE_WINDOW_US / (PACE_FROM - 1)); /* a whole window of few */
    assert_false(pace_is_busy(&pace, now_us + PACE_WINDOW_US));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_comes_alone_is_not_held_up),
        cmocka_unit_test(test_a_crowd_is_noticed_within_its_first_window),
        cmocka_unit_test(test_it_stays_busy_from_window_to_window),
        cmocka_unit_test(test_a_pause_ends_it),
        cmocka_unit_test(test_fewer_in_one_window_end_it_in_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
