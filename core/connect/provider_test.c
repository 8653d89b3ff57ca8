/* Given what the log has of a charge and what its provider says, is that news? */
#include "core/connect/provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static bool is_news(enum provider_answer answer, const char *result, enum intent_heard heard) {
    const struct provider_outcome outcome = {.answer = answer, .result = str_of_cstr(result)};
    return provider_outcome_is_news(&outcome, heard);
}

static void of_a_charge_never_heard_of_everything_is_news(void **state) {
    (void)state;
    assert_true(is_news(PROVIDER_DECIDED, "action_required", HEARD_NOTHING));
    assert_true(is_news(PROVIDER_UNKNOWN, "", HEARD_NOTHING));
    assert_true(is_news(PROVIDER_NOT_FOUND, "", HEARD_NOTHING));
}

static void while_the_shopper_takes_a_step_its_end_is_news(void **state) {
    (void)state;
    assert_false(is_news(PROVIDER_DECIDED, "action_required", HEARD_ACTION_REQUIRED));
    assert_false(is_news(PROVIDER_PENDING, "", HEARD_ACTION_REQUIRED));
    assert_false(is_news(PROVIDER_UNKNOWN, "", HEARD_ACTION_REQUIRED));
    assert_true(is_news(PROVIDER_DECIDED, "captured", HEARD_ACTION_REQUIRED));
    assert_true(is_news(PROVIDER_DECIDED, "authorized", HEARD_ACTION_REQUIRED));
    assert_true(is_news(PROVIDER_DECIDED, "declined", HEARD_ACTION_REQUIRED));
    assert_true(is_news(PROVIDER_NOT_FOUND, "", HEARD_ACTION_REQUIRED));
}

static void of_a_hold_only_that_it_was_taken_is_news(void **state) {
    (void)state;
    assert_false(is_news(PROVIDER_DECIDED, "authorized", HEARD_AUTHORIZED));
    assert_false(is_news(PROVIDER_NOT_FOUND, "", HEARD_AUTHORIZED));
    assert_true(is_news(PROVIDER_DECIDED, "captured", HEARD_AUTHORIZED));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_charge_never_heard_of_everything_is_news),
        cmocka_unit_test(while_the_shopper_takes_a_step_its_end_is_news),
        cmocka_unit_test(of_a_hold_only_that_it_was_taken_is_news),
    };
    return cmocka_run_group_tests_name("provider", tests, NULL, NULL);
}
