/* Room for commands: as many as are answered in the time that one may wait, and some in any case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/timestamp.h"
#include "core/gateway/admission.h"

enum { TICK_US = 100 * 1000, WAIT_MS = 1000 };

static int64_t now_us;

static struct admission of_shards(uint32_t count) {
    struct admission admission;
    now_us = 7 * MICROS_PER_SECOND;
    admission_init(&admission, count, WAIT_MS, now_us);
    return admission;
}

/* As many as are let in, `most` at most. */
static uint32_t let_in(struct admission *admission, int32_t shard, uint32_t most) {
    uint32_t count = 0;
    while (count < most && admission_enter(admission, shard, now_us)) {
        count++;
    }
    return count;
}

/* For so many seconds `rate` a second are answered, and as many others take their places, where there is room. */
static void keeps_busy(struct admission *admission, int32_t shard, uint32_t rate, uint32_t seconds) {
    for (uint32_t tick = 0; tick < 10 * seconds; tick++) {
        now_us += TICK_US;
        for (uint32_t i = 0; i < rate / 10; i++) {
            admission_leave(admission, shard, true, now_us);
        }
        admission_tick(admission, now_us);
        (void)let_in(admission, shard, UINT32_MAX);
    }
}

static void some_are_let_in_before_anything_is_known(void **state) {
    (void)state;
    struct admission one = of_shards(1), many = of_shards(100);
    assert_int_equal(let_in(&one, 0, UINT32_MAX), ADMISSION_LEAST_OF_ALL_SHARDS);
    assert_int_equal(let_in(&many, 99, UINT32_MAX), ADMISSION_LEAST);
    admission_release(&one);
    admission_release(&many);
}

static void who_leaves_makes_room(void **state) {
    (void)state;
    struct admission admission = of_shards(4);
    (void)let_in(&admission, 2, UINT32_MAX);
    admission_leave(&admission, 2, false, now_us);
    assert_int_equal(let_in(&admission, 2, UINT32_MAX), 1);
    admission_release(&admission);
}

static void a_shard_has_as_many_in_flight_as_it_answers_in_the_time_that_one_may_wait(void **state) {
    (void)state;
    struct admission admission = of_shards(4);
    (void)let_in(&admission, 0, UINT32_MAX);
    keeps_busy(&admission, 0, 600, 5);
    assert_in_range(admission.shards[0].in_flight, 570, 601);
    keeps_busy(&admission, 0, 200, 5); /* it became slower */
    assert_in_range(admission.shards[0].in_flight, 190, 230);
    admission_release(&admission);
}

static void a_pause_does_not_lower_the_rate(void **state) {
    (void)state;
    struct admission admission = of_shards(4);
    (void)let_in(&admission, 0, UINT32_MAX);
    keeps_busy(&admission, 0, 600, 5);
    while (admission.shards[0].in_flight > 0) {
        admission_leave(&admission, 0, true, now_us);
    }
    for (uint32_t tick = 0; tick < 600; tick++) { /* one at a time, slowly */
        assert_true(admission_enter(&admission, 0, now_us));
        now_us += TICK_US;
        admission_leave(&admission, 0, true, now_us);
        admission_tick(&admission, now_us);
    }
    assert_in_range(let_in(&admission, 0, UINT32_MAX), 590, 610);
    admission_release(&admission);
}

static void a_crowd_that_comes_in_beats_is_let_in_by_what_is_decided_in_each(void **state) {
    (void)state;
    struct admission admission = of_shards(4);
    uint32_t let_in_last = 0;
    for (uint32_t beat = 0; beat < 5; beat++) {
        let_in_last = let_in(&admission, 1, UINT32_MAX);
        for (uint32_t tick = 0; tick < 10; tick++) { /* 2,000 a second, then nothing until the next beat */
            now_us += TICK_US;
            for (uint32_t i = 0; i < 200 && admission.shards[1].in_flight > 0; i++) {
                admission_leave(&admission, 1, true, now_us);
            }
            admission_tick(&admission, now_us);
        }
        assert_int_equal(admission.shards[1].in_flight, 0);
    }
    assert_in_range(let_in_last, 1500, 2000);
    admission_release(&admission);
}

static void what_is_given_up_is_not_counted_as_answered(void **state) {
    (void)state;
    struct admission admission = of_shards(1);
    (void)let_in(&admission, 0, UINT32_MAX);
    keeps_busy(&admission, 0, 900, 5);
    for (int second = 0; second < 10; second++) {
        uint32_t count = let_in(&admission, 0, UINT32_MAX);
        now_us += MICROS_PER_SECOND;
        while (count-- > 0) {
            admission_leave(&admission, 0, false, now_us);
        }
        admission_tick(&admission, now_us);
    }
    while (admission.shards[0].in_flight > 0) {
        admission_leave(&admission, 0, false, now_us);
    }
    assert_int_equal(let_in(&admission, 0, UINT32_MAX), ADMISSION_LEAST_OF_ALL_SHARDS);
    admission_release(&admission);
}

static void a_shard_that_stands_still_is_let_in_little_again(void **state) {
    (void)state;
    struct admission admission = of_shards(4);
    (void)let_in(&admission, 0, UINT32_MAX);
    keeps_busy(&admission, 0, 600, 5);
    keeps_busy(&admission, 0, 0, 5);
    while (admission.shards[0].in_flight > 0) {
        admission_leave(&admission, 0, false, now_us);
    }
    assert_int_equal(let_in(&admission, 0, UINT32_MAX), ADMISSION_LEAST);
    admission_release(&admission);
}

static void a_shard_that_stands_still_takes_nothing_from_the_others(void **state) {
    (void)state;
    struct admission admission = of_shards(2);
    (void)let_in(&admission, 0, UINT32_MAX);
    (void)let_in(&admission, 1, UINT32_MAX);
    keeps_busy(&admission, 1, 1000, 5);
    assert_false(admission_enter(&admission, 0, now_us));
    assert_in_range(admission.shards[1].in_flight, 950, 1001);
    admission_release(&admission);
}

static void a_long_pause_between_looks_is_no_burst(void **state) {
    (void)state;
    struct admission admission = of_shards(1);
    (void)let_in(&admission, 0, UINT32_MAX);
    now_us += 20 * MICROS_PER_SECOND;
    for (uint32_t i = 0; i < 200; i++) {
        admission_leave(&admission, 0, true, now_us);
    }
    admission_tick(&admission, now_us);
    assert_in_range((uint64_t)admission.shards[0].rate_per_s, 9, 11);
    admission_release(&admission);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(some_are_let_in_before_anything_is_known),
        cmocka_unit_test(who_leaves_makes_room),
        cmocka_unit_test(a_shard_has_as_many_in_flight_as_it_answers_in_the_time_that_one_may_wait),
        cmocka_unit_test(a_pause_does_not_lower_the_rate),
        cmocka_unit_test(a_crowd_that_comes_in_beats_is_let_in_by_what_is_decided_in_each),
        cmocka_unit_test(a_shard_that_stands_still_is_let_in_little_again),
        cmocka_unit_test(what_is_given_up_is_not_counted_as_answered),
        cmocka_unit_test(a_shard_that_stands_still_takes_nothing_from_the_others),
        cmocka_unit_test(a_long_pause_between_looks_is_no_burst),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
