#include "core/gateway/outcome_waiters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct outcome_waiters waiters;
static int told, failed, late;
static bool waits_on;
static bool is_certain_last;

static bool on_outcome(struct outcome_waiter *waiter, const struct outcome *outcome) {
    assert_true(str_equal(waiter->command_id, outcome->command_id));
    assert_ptr_not_equal(outcome_waiters_find(&waiters, waiter->command_id), waiter);
    told++;
    return !waits_on;
}

static bool on_delivered(struct outcome_waiter *waiter) {
    (void)waiter;
    told++;
    return !waits_on;
}

static void on_failed(struct outcome_waiter *waiter, bool is_certain) {
    (void)waiter;
    failed++;
    is_certain_last = is_certain;
}

static void on_deadline(struct outcome_waiter *waiter) {
    (void)waiter;
    late++;
}

static int set_up(void **state) {
    (void)state;
    outcome_waiters_init(&waiters, 3);
    told = failed = late = 0;
    waits_on = false;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    outcome_waiters_release(&waiters);
    return 0;
}

static struct outcome_waiter waiter_for(struct str command_id, int64_t deadline) {
    return (struct outcome_waiter){.command_id = command_id,
                                   .submission = 1,
                                   .deadline_boot_us = deadline,
                                   .on_outcome = on_outcome,
                                   .on_delivered = on_delivered,
                                   .on_failed = on_failed,
                                   .on_deadline = on_deadline};
}

static void all_who_wait_for_a_command_are_told_and_no_others(void **state) {
    (void)state;
    struct outcome_waiter a1 = waiter_for(STR("a"), 10), a2 = waiter_for(STR("a"), 10), b = waiter_for(STR("b"), 10);
    assert_true(outcome_waiters_add(&waiters, &a1));
    assert_true(outcome_waiters_add(&waiters, &b));
    assert_true(outcome_waiters_add(&waiters, &a2));
    outcome_waiters_outcome(&waiters, &(struct outcome){.command_id = STR("a")});
    assert_int_equal(told, 2);
    assert_null(outcome_waiters_find(&waiters, STR("a")));
    assert_ptr_equal(outcome_waiters_find(&waiters, STR("b")), &b);
    outcome_waiters_outcome(&waiters, &(struct outcome){.command_id = STR("a")});
    assert_int_equal(told, 2);
    outcome_waiters_remove(&waiters, &b);
    assert_null(outcome_waiters_find(&waiters, STR("b")));
}

static void who_is_not_done_waits_on(void **state) {
    (void)state;
    struct outcome_waiter a = waiter_for(STR("a"), 10);
    assert_true(outcome_waiters_add(&waiters, &a));
    waits_on = true;
    outcome_waiters_outcome(&waiters, &(struct outcome){.command_id = STR("a")});
    outcome_waiters_delivered(&waiters, STR("a"), 1);
    assert_int_equal(told, 2);
    assert_ptr_equal(outcome_waiters_find(&waiters, STR("a")), &a);
    waits_on = false;
    outcome_waiters_delivered(&waiters, STR("a"), 1);
    assert_null(outcome_waiters_find(&waiters, STR("a")));
}

static void past_the_bound_nobody_is_taken(void **state) {
    (void)state;
    struct outcome_waiter many[4];
    for (int i = 0; i < 4; i++) {
        many[i] = waiter_for(STR("a"), 10);
        assert_int_equal(outcome_waiters_add(&waiters, &many[i]), i < 3);
    }
    outcome_waiters_remove(&waiters, &many[1]);
    assert_true(outcome_waiters_add(&waiters, &many[3]));
    outcome_waiters_failed(&waiters, STR("a"), 1, true);
    assert_int_equal(failed, 3);
    assert_true(is_certain_last);
    assert_int_equal(waiters.count, 0);
}

static void a_delivery_concerns_only_those_who_wait_for_that_submission(void **state) {
    (void)state;
    struct outcome_waiter first = waiter_for(STR("a"), 10), second = waiter_for(STR("a"), 10);
    struct outcome_waiter question = waiter_for(STR("a"), 10);
    second.submission = 2;
    question.submission = 0;
    assert_true(outcome_waiters_add(&waiters, &first));
    assert_true(outcome_waiters_add(&waiters, &second));
    assert_true(outcome_waiters_add(&waiters, &question));
    outcome_waiters_failed(&waiters, STR("a"), 2, true);
    assert_int_equal(failed, 1);
    assert_false(second.waits);
    assert_true(first.waits && question.waits);
    outcome_waiters_delivered(&waiters, STR("a"), 1);
    assert_int_equal(told, 1);
    assert_false(first.waits);
    outcome_waiters_outcome(&waiters, &(struct outcome){.command_id = STR("a")});
    assert_int_equal(told, 2);
}

static void all_who_wait_for_a_command_can_be_walked_through(void **state) {
    (void)state;
    struct outcome_waiter a1 = waiter_for(STR("a"), 10), b = waiter_for(STR("b"), 10), a2 = waiter_for(STR("a"), 10);
    assert_true(outcome_waiters_add(&waiters, &a1));
    assert_true(outcome_waiters_add(&waiters, &b));
    assert_true(outcome_waiters_add(&waiters, &a2));
    const struct outcome_waiter *found = outcome_waiters_find(&waiters, STR("a"));
    const struct outcome_waiter *next = outcome_waiters_next(found);
    assert_true((found == &a1 && next == &a2) || (found == &a2 && next == &a1));
    assert_null(outcome_waiters_next(next));
    outcome_waiters_remove(&waiters, &a1);
    outcome_waiters_remove(&waiters, &a2);
    outcome_waiters_remove(&waiters, &b);
}

static void a_deadline_ends_the_waiting_once(void **state) {
    (void)state;
    struct outcome_waiter soon = waiter_for(STR("a"), 10), later = waiter_for(STR("a"), 20);
    assert_true(outcome_waiters_add(&waiters, &soon));
    assert_true(outcome_waiters_add(&waiters, &later));
    outcome_waiters_tick(&waiters, 9);
    assert_int_equal(late, 0);
    outcome_waiters_tick(&waiters, 10);
    assert_int_equal(late, 1);
    assert_ptr_equal(outcome_waiters_find(&waiters, STR("a")), &later);
    outcome_waiters_tick(&waiters, 20);
    assert_int_equal(late, 2);
}

static void a_stopping_loop_hastens_everybody(void **state) {
    (void)state;
    struct outcome_waiter a = waiter_for(STR("a"), 1000);
    assert_true(outcome_waiters_add(&waiters, &a));
    outcome_waiters_hasten(&waiters, 50);
    assert_false(outcome_waiters_end(&waiters, 49));
    outcome_waiters_tick(&waiters, 49);
    assert_int_equal(late, 0);
    outcome_waiters_tick(&waiters, 50);
    assert_int_equal(late, 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(all_who_wait_for_a_command_are_told_and_no_others),
        TEST(who_is_not_done_waits_on),
        TEST(past_the_bound_nobody_is_taken),
        TEST(a_delivery_concerns_only_those_who_wait_for_that_submission),
        TEST(all_who_wait_for_a_command_can_be_walked_through),
        TEST(a_deadline_ends_the_waiting_once),
        TEST(a_stopping_loop_hastens_everybody),
    };
    return cmocka_run_group_tests_name("outcome_waiters", tests, NULL, NULL);
}
