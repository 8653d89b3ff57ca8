#include "core/base/steady_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/base/timestamp.h"

#define SECOND ((int64_t)MICROS_PER_SECOND)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define WALL_AT_START (1800000000 * SECOND)
#define BOOT_AT_START (77 * HOUR)

/* Both clocks of a machine, of which only the wall can be set. */
static struct steady_clock steady;
static int64_t wall_us, boot_us;

static int start(void **state) {
    (void)state;
    wall_us = WALL_AT_START;
    boot_us = BOOT_AT_START;
    steady_clock_init(&steady, wall_us, boot_us);
    return 0;
}

/* Asked once a second meanwhile, as a loop does. */
static int64_t after(int64_t time_us) {
    int64_t now_us = steady_clock_now(&steady, wall_us, boot_us);
    for (int64_t passed_us = 0; passed_us < time_us; passed_us += SECOND) {
        wall_us += SECOND;
        boot_us += SECOND;
        int64_t then_us = now_us;
        now_us = steady_clock_now(&steady, wall_us, boot_us);
        assert_true(now_us >= then_us);
    }
    return now_us;
}

static void it_tells_the_time_of_the_wall(void **state) {
    (void)state;
    assert_int_equal(after(0), WALL_AT_START);
    assert_int_equal(after(HOUR), WALL_AT_START + HOUR);
    assert_int_equal(steady_clock_gap_us(&steady), 0);
}

static void a_wall_that_is_set_back_takes_nothing_back(void **state) {
    (void)state;
    (void)after(MINUTE);
    wall_us -= HOUR;
    assert_int_equal(after(0), WALL_AT_START + MINUTE);
    assert_int_equal(steady_clock_gap_us(&steady), -HOUR);
    assert_int_equal(after(HOUR), WALL_AT_START + MINUTE + HOUR);
    assert_int_equal(steady_clock_gap_us(&steady), -HOUR);
}

static void an_hour_too_many_for_four_minutes_changes_nothing(void **state) {
    (void)state;
    wall_us += HOUR;
    assert_int_equal(after(4 * MINUTE), WALL_AT_START + 4 * MINUTE);
    assert_int_equal(steady_clock_gap_us(&steady), HOUR);
    wall_us -= HOUR;
    assert_int_equal(after(10 * MINUTE), WALL_AT_START + 14 * MINUTE);
    assert_int_equal(steady_clock_gap_us(&steady), 0);
}

static void an_hour_that_stays_is_believed_after_five_minutes(void **state) {
    (void)state;
    wall_us += HOUR;
    assert_int_equal(after(5 * MINUTE - SECOND), WALL_AT_START + 5 * MINUTE - SECOND);
    assert_int_equal(after(SECOND), WALL_AT_START + HOUR + 5 * MINUTE);
    assert_int_equal(after(MINUTE), WALL_AT_START + HOUR + 6 * MINUTE);
    assert_int_equal(steady_clock_gap_us(&steady), 0);
}

static void what_was_believed_is_not_taken_back(void **state) {
    (void)state;
    wall_us += HOUR;
    int64_t believed_us = after(6 * MINUTE);
    wall_us -= HOUR;
    assert_int_equal(after(MINUTE), believed_us + MINUTE);
    assert_int_equal(steady_clock_gap_us(&steady), -HOUR);
}

static void of_several_steps_only_the_least_is_believed(void **state) {
    (void)state;
    wall_us += 2 * HOUR;
    (void)after(MINUTE);
    wall_us -= HOUR;
    (void)after(MINUTE);
    wall_us += 10 * HOUR;
    assert_int_equal(after(3 * MINUTE), WALL_AT_START + HOUR + 5 * MINUTE);
    assert_int_equal(steady_clock_gap_us(&steady), 10 * HOUR);
}

static void steps_that_are_taken_back_each_time_are_never_believed(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++) {
        wall_us += HOUR;
        (void)after(4 * MINUTE);
        wall_us -= HOUR;
        (void)after(SECOND);
    }
    assert_int_equal(after(0), WALL_AT_START + 20 * MINUTE + 5 * SECOND);
}

static void a_sleep_of_the_machine_counts(void **state) {
    (void)state;
    (void)after(MINUTE);
    wall_us += 8 * HOUR;
    boot_us += 8 * HOUR;
    assert_int_equal(after(0), WALL_AT_START + MINUTE + 8 * HOUR);
}

static void even_where_boot_time_goes_back_it_does_not(void **state) {
    (void)state;
    int64_t then_us = after(HOUR);
    boot_us -= MINUTE;
    wall_us -= MINUTE;
    assert_int_equal(after(0), then_us);
    assert_int_equal(after(2 * MINUTE), then_us + MINUTE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_tells_the_time_of_the_wall, start),
        cmocka_unit_test_setup(a_wall_that_is_set_back_takes_nothing_back, start),
        cmocka_unit_test_setup(an_hour_too_many_for_four_minutes_changes_nothing, start),
        cmocka_unit_test_setup(an_hour_that_stays_is_believed_after_five_minutes, start),
        cmocka_unit_test_setup(what_was_believed_is_not_taken_back, start),
        cmocka_unit_test_setup(of_several_steps_only_the_least_is_believed, start),
        cmocka_unit_test_setup(steps_that_are_taken_back_each_time_are_never_believed, start),
        cmocka_unit_test_setup(a_sleep_of_the_machine_counts, start),
        cmocka_unit_test_setup(even_where_boot_time_goes_back_it_does_not, start),
    };
    return cmocka_run_group_tests_name("steady_clock", tests, NULL, NULL);
}
