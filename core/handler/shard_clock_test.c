#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/handler/shard_clock.h"

#define SECOND ((int64_t)1000000)
#define HOUR (3600 * SECOND)

static const int64_t wall_us = 1700000000 * SECOND, boot_us = 50 * SECOND;

static struct shard_clock started(int64_t newest_record_us) {
    struct shard_clock clock;
    shard_clock_start(&clock, wall_us, boot_us, newest_record_us);
    return clock;
}

/* One that has seen a record that was appended at the start, by a broker whose clock is right. */
static struct shard_clock proven(int64_t newest_record_us) {
    struct shard_clock clock = started(newest_record_us);
    shard_clock_fresh(&clock, boot_us, wall_us);
    return clock;
}

static void it_advances_with_boot_time(void **state) {
    (void)state;
    struct shard_clock clock = proven(wall_us - HOUR);
    assert_int_equal(shard_clock_now(&clock, boot_us + 7 * SECOND), wall_us + 7 * SECOND);
    assert_int_equal(shard_clock_check(&clock, wall_us + 7 * SECOND, boot_us + 7 * SECOND), CLOCK_AGREES);
}

static void a_wall_clock_that_steps_either_way_stops_timers_and_moves_nothing(void **state) {
    (void)state;
    struct shard_clock clock = proven(wall_us - HOUR);
    assert_int_equal(shard_clock_check(&clock, wall_us + HOUR, boot_us + SECOND), CLOCK_WALL_STEPPED);
    assert_int_equal(shard_clock_check(&clock, wall_us - HOUR, boot_us + SECOND), CLOCK_WALL_STEPPED);
    assert_int_equal(shard_clock_now(&clock, boot_us + SECOND), wall_us + SECOND);
    /* Set right again, timers go on. */
    assert_int_equal(shard_clock_check(&clock, wall_us + 2 * SECOND, boot_us + 2 * SECOND), CLOCK_AGREES);
}

static void a_slow_drift_within_the_bound_is_no_step(void **state) {
    (void)state;
    struct shard_clock clock = proven(0);
    assert_int_equal(shard_clock_check(&clock, wall_us + CLOCK_DISAGREEMENT_MAX_S * SECOND, boot_us), CLOCK_AGREES);
    assert_int_equal(shard_clock_check(&clock, wall_us + CLOCK_DISAGREEMENT_MAX_S * SECOND + 1, boot_us),
                     CLOCK_WALL_STEPPED);
}

static void a_start_behind_the_log_waits_until_it_has_caught_up(void **state) {
    (void)state;
    struct shard_clock clock = proven(wall_us + HOUR);
    assert_int_equal(shard_clock_check(&clock, wall_us, boot_us), CLOCK_BEHIND_LOG);
    assert_int_equal(shard_clock_check(&clock, wall_us + HOUR, boot_us + HOUR), CLOCK_AGREES);
}

static void a_record_from_the_future_stops_timers(void **state) {
    (void)state;
    struct shard_clock clock = proven(wall_us);
    shard_clock_record(&clock, wall_us + HOUR);
    assert_int_equal(shard_clock_check(&clock, wall_us, boot_us), CLOCK_BEHIND_LOG);
}

static void a_start_ahead_of_the_broker_shows_with_the_first_fresh_record(void **state) {
    (void)state;
    struct shard_clock clock = started(wall_us - 2 * HOUR);
    shard_clock_record(&clock, wall_us - HOUR); /* an old one says nothing */
    assert_int_equal(shard_clock_check(&clock, wall_us, boot_us), CLOCK_UNPROVEN);
    shard_clock_fresh(&clock, boot_us, wall_us - HOUR);
    assert_int_equal(shard_clock_check(&clock, wall_us, boot_us), CLOCK_AHEAD_OF_LOG);
    shard_clock_fresh(&clock, boot_us + SECOND, wall_us + SECOND);
    assert_int_equal(shard_clock_check(&clock, wall_us + SECOND, boot_us + SECOND), CLOCK_AGREES);
}

static void no_timer_fires_before_the_brokers_time_is_known(void **state) {
    (void)state;
    struct shard_clock clock = started(wall_us - HOUR);
    assert_int_equal(shard_clock_check(&clock, wall_us + 9 * SECOND, boot_us + 9 * SECOND), CLOCK_UNPROVEN);
    shard_clock_fresh(&clock, boot_us + 9 * SECOND, wall_us + 8 * SECOND);
    assert_int_equal(shard_clock_check(&clock, wall_us + 9 * SECOND, boot_us + 9 * SECOND), CLOCK_AGREES);
}

static void a_time_that_was_started_wrong_is_mended_once_the_wall_clock_is_right(void **state) {
    (void)state;
    struct shard_clock clock = started(wall_us - HOUR);              /* the wall clock was an hour ahead then */
    assert_false(shard_clock_mend(&clock, wall_us - HOUR, boot_us)); /* nobody knows yet who is right */
    shard_clock_fresh(&clock, boot_us, wall_us - HOUR);
    assert_false(shard_clock_mend(&clock, wall_us, boot_us));        /* the wall clock is still wrong */
    assert_false(shard_clock_mend(&clock, wall_us + HOUR, boot_us)); /* and may get worse */
    assert_int_equal(shard_clock_check(&clock, wall_us, boot_us), CLOCK_AHEAD_OF_LOG);
    assert_true(shard_clock_mend(&clock, wall_us - HOUR + SECOND, boot_us + SECOND));
    assert_int_equal(shard_clock_now(&clock, boot_us + SECOND), wall_us - HOUR + SECOND);
    assert_int_equal(shard_clock_check(&clock, wall_us - HOUR + SECOND, boot_us + SECOND), CLOCK_AGREES);
    assert_false(shard_clock_mend(&clock, wall_us - HOUR + SECOND, boot_us + SECOND));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_advances_with_boot_time),
        cmocka_unit_test(a_wall_clock_that_steps_either_way_stops_timers_and_moves_nothing),
        cmocka_unit_test(a_slow_drift_within_the_bound_is_no_step),
        cmocka_unit_test(a_start_behind_the_log_waits_until_it_has_caught_up),
        cmocka_unit_test(a_record_from_the_future_stops_timers),
        cmocka_unit_test(no_timer_fires_before_the_brokers_time_is_known),
        cmocka_unit_test(a_time_that_was_started_wrong_is_mended_once_the_wall_clock_is_right),
        cmocka_unit_test(a_start_ahead_of_the_broker_shows_with_the_first_fresh_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
