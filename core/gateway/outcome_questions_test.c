#include "core/gateway/outcome_questions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define MS ((int64_t)1000)

static struct outcome_questions questions;

static int set_up(void **state) {
    (void)state;
    outcome_questions_init(&questions, 2);
    return 0;
}

static void the_same_question_is_asked_once_at_a_time(void **state) {
    (void)state;
    assert_int_equal(outcome_questions_begin(&questions, STR("a"), 0), QUESTION_NEW);
    assert_int_equal(outcome_questions_begin(&questions, STR("a"), 1), QUESTION_ASKED);
    outcome_questions_end(&questions, STR("a"));
    assert_int_equal(outcome_questions_begin(&questions, STR("a"), 2), QUESTION_NEW);
}

static void there_are_never_more_than_the_bound(void **state) {
    (void)state;
    assert_int_equal(outcome_questions_begin(&questions, STR("a"), 0), QUESTION_NEW);
    assert_int_equal(outcome_questions_begin(&questions, STR("b"), 0), QUESTION_NEW);
    assert_int_equal(outcome_questions_begin(&questions, STR("c"), 0), QUESTION_TOO_MANY);
    assert_int_equal(outcome_questions_begin(&questions, STR("b"), 0), QUESTION_ASKED); /* it costs nothing */
    outcome_questions_end(&questions, STR("never asked"));
    outcome_questions_end(&questions, STR("a"));
    assert_int_equal(outcome_questions_begin(&questions, STR("c"), 0), QUESTION_NEW);
    assert_int_equal(outcome_questions_begin(&questions, STR("b"), 0), QUESTION_ASKED);
}

static void a_question_that_got_lost_is_asked_again_and_holds_no_place(void **state) {
    (void)state;
    assert_int_equal(outcome_questions_begin(&questions, STR("a"), 0), QUESTION_NEW);
    assert_int_equal(outcome_questions_begin(&questions, STR("b"), 1 * MS), QUESTION_NEW);
    assert_int_equal(outcome_questions_begin(&questions, STR("a"), (QUESTION_MAX_MS - 1) * MS), QUESTION_ASKED);
    assert_int_equal(outcome_questions_begin(&questions, STR("a"), QUESTION_MAX_MS * MS), QUESTION_NEW);
    assert_int_equal(outcome_questions_begin(&questions, STR("c"), (QUESTION_MAX_MS + 1) * MS), QUESTION_NEW);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_same_question_is_asked_once_at_a_time, set_up),
        cmocka_unit_test_setup(there_are_never_more_than_the_bound, set_up),
        cmocka_unit_test_setup(a_question_that_got_lost_is_asked_again_and_holds_no_place, set_up),
    };
    return cmocka_run_group_tests_name("outcome_questions", tests, NULL, NULL);
}
