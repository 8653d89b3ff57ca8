/* What time it is in the log, and what may be ended by it. */
#include "core/connect/log_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/base/timestamp.h"

enum { HOUR_S = 3600 };

#define HOUR_US ((int64_t)HOUR_S * MICROS_PER_SECOND)
#define NOON (INT64_C(1000000) * HOUR_US) /* the broker's clock, when CLOCK_BOOTTIME shows an hour */

static struct log_clock clock_at_noon(bool is_fresh) {
    struct log_clock clock = {0};
    log_clock_record(&clock, NOON, HOUR_US, is_fresh);
    return clock;
}

static void it_goes_on_by_the_machine_s_uptime(void **state) {
    (void)state;
    struct log_clock clock = clock_at_noon(true);
    assert_int_equal(log_clock_is_over(&clock, NOON + HOUR_US, NOON, 2 * HOUR_US - 1), LOG_CLOCK_NOT_YET);
    assert_int_equal(log_clock_is_over(&clock, NOON + HOUR_US, NOON, 2 * HOUR_US), LOG_CLOCK_OVER);
}

static void a_wrong_wall_clock_ends_nothing_and_keeps_nothing_alive(void **state) {
    (void)state;
    struct log_clock clock = clock_at_noon(true);
    assert_int_equal(log_clock_is_over(&clock, NOON + HOUR_US, NOON + 1000 * HOUR_US, HOUR_US), LOG_CLOCK_NOT_YET);
    assert_int_equal(log_clock_is_over(&clock, NOON, NOON - 1000 * HOUR_US, HOUR_US), LOG_CLOCK_OVER);
}

static void what_time_it_is_a_fresh_record_says_and_the_machine_before_it(void **state) {
    (void)state;
    struct log_clock clock = clock_at_noon(false);
    assert_int_equal(log_clock_now(&clock, NOON + 7, HOUR_US), NOON + 7);
    log_clock_record(&clock, NOON, HOUR_US, true);
    assert_int_equal(log_clock_now(&clock, NOON + 1000 * HOUR_US, HOUR_US + 7), NOON + 7);
}

static void nobody_knows_what_a_log_that_was_quiet_does_not_show(void **state) {
    (void)state;
    struct log_clock clock = clock_at_noon(false);
    assert_int_equal(log_clock_is_over(&clock, NOON + HOUR_US, NOON + 2 * HOUR_US, HOUR_US), LOG_CLOCK_UNSURE);
    assert_int_equal(log_clock_is_over(&clock, NOON + HOUR_US, NOON, HOUR_US), LOG_CLOCK_NOT_YET);
    log_clock_record(&clock, NOON + 2 * HOUR_US, HOUR_US, true);
    assert_int_equal(log_clock_is_over(&clock, NOON + HOUR_US, NOON + 2 * HOUR_US, HOUR_US), LOG_CLOCK_OVER);
}

static void what_is_read_of_the_past_sets_it_back_no_more(void **state) {
    (void)state;
    struct log_clock clock = clock_at_noon(false);
    log_clock_record(&clock, NOON - HOUR_US, HOUR_US, false);
    assert_int_equal(log_clock_is_over(&clock, NOON, NOON, HOUR_US), LOG_CLOCK_OVER);
    log_clock_record(&clock, NOON + HOUR_US, HOUR_US, false);
    assert_int_equal(log_clock_is_over(&clock, NOON + HOUR_US, NOON, HOUR_US), LOG_CLOCK_OVER);
}

static void a_broker_whose_clock_was_ahead_is_believed_again_when_it_is_mended(void **state) {
    (void)state;
    struct log_clock clock = clock_at_noon(true);
    log_clock_record(&clock, NOON - HOUR_US, HOUR_US, true);
    assert_int_equal(log_clock_is_over(&clock, NOON, NOON, HOUR_US), LOG_CLOCK_NOT_YET);
}

static void before_the_first_record_nothing_is_over(void **state) {
    (void)state;
    const struct log_clock clock = {0};
    assert_int_equal(log_clock_is_over(&clock, 0, 0, HOUR_US), LOG_CLOCK_UNSURE);
    assert_int_equal(log_clock_is_over(&clock, NOON, 0, HOUR_US), LOG_CLOCK_NOT_YET);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_goes_on_by_the_machine_s_uptime),
        cmocka_unit_test(a_wrong_wall_clock_ends_nothing_and_keeps_nothing_alive),
        cmocka_unit_test(what_time_it_is_a_fresh_record_says_and_the_machine_before_it),
        cmocka_unit_test(nobody_knows_what_a_log_that_was_quiet_does_not_show),
        cmocka_unit_test(what_is_read_of_the_past_sets_it_back_no_more),
        cmocka_unit_test(a_broker_whose_clock_was_ahead_is_believed_again_when_it_is_mended),
        cmocka_unit_test(before_the_first_record_nothing_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
