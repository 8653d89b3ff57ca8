#include "core/domain/identity/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/testing/given.h"

#define IDN "idn_01J00000000000000000000001"
#define ADA "cus_01J00000000000000000000001"
#define BOB "cus_01J00000000000000000000002"

static int begin(void **state) {
    struct given *identity = malloc(sizeof *identity);
    given_begin(identity, STR(IDN));
    *state = identity;
    return 0;
}

static int end(void **state) {
    given_check_history(*state);
    given_end(*state);
    free(*state);
    return 0;
}

static struct command claim(const char *customer, int64_t number) {
    return (struct command){.type = COMMAND_CLAIM_IDENTITY,
                            .as.claim_identity = {.customer = str_of_cstr(customer), .claim = number}};
}

static struct command release(const char *customer, int64_t number) {
    return (struct command){.type = COMMAND_RELEASE_IDENTITY,
                            .as.release_identity = {.customer = str_of_cstr(customer), .claim = number}};
}

static void assert_told(struct given *identity, const char *customer, int64_t number, bool granted) {
    THEN_SENDS(identity, 1);
    const struct command *told = SENT(identity, 0, COMMAND_RECORD_IDENTITY_CLAIM, customer);
    assert_str(told->as.record_identity_claim.identity, IDN);
    assert_int_equal(told->as.record_identity_claim.claim, number);
    assert_int_equal(told->as.record_identity_claim.granted, granted);
}

static void who_claims_first_has_it(void **state) {
    struct given *identity = *state;
    when(identity, claim(ADA, 3));
    THEN(identity, EVENT_IDENTITY_CLAIMED);
    assert_told(identity, ADA, 3, true);
    when(identity, claim(BOB, 3));
    THEN(identity, EVENT_IDENTITY_CLAIM_REFUSED);
    assert_str(made(identity, 0)->as.identity_claim_refused.holder, ADA);
    assert_told(identity, BOB, 3, false);
}

static void what_is_released_can_be_claimed(void **state) {
    struct given *identity = *state;
    when(identity, claim(ADA, 3));
    when(identity, release(ADA, 3));
    THEN(identity, EVENT_IDENTITY_RELEASED);
    THEN_SENDS(identity, 0);
    when(identity, claim(BOB, 5));
    THEN(identity, EVENT_IDENTITY_CLAIMED);
}

static void what_another_has_is_not_released(void **state) {
    struct given *identity = *state;
    when(identity, release(BOB, 3));
    THEN_NOTHING(identity);
    when(identity, claim(ADA, 3));
    when(identity, release(BOB, 3));
    THEN_NOTHING(identity);
    when(identity, claim(BOB, 4));
    THEN(identity, EVENT_IDENTITY_CLAIM_REFUSED);
}

/* He gave it back, claims it again, and the release arrives last. */
static void a_late_release_undoes_no_newer_claim(void **state) {
    struct given *identity = *state;
    when(identity, claim(ADA, 3));
    when(identity, claim(ADA, 9));
    THEN(identity, EVENT_IDENTITY_CLAIMED);
    assert_told(identity, ADA, 9, true);
    when(identity, release(ADA, 3));
    THEN_NOTHING(identity);
    when(identity, release(ADA, 9));
    THEN(identity, EVENT_IDENTITY_RELEASED);
}

static void a_late_copy_of_an_older_claim_does_not_count(void **state) {
    struct given *identity = *state;
    when(identity, claim(ADA, 9));
    when(identity, claim(ADA, 3));
    THEN_NOTHING(identity);
    when(identity, claim(ADA, 9)); /* told again: the first answer may be the one that was lost */
    THEN(identity, EVENT_IDENTITY_CLAIMED);
    when(identity, release(ADA, 9));
    THEN(identity, EVENT_IDENTITY_RELEASED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_claims_first_has_it, begin, end),
        cmocka_unit_test_setup_teardown(what_is_released_can_be_claimed, begin, end),
        cmocka_unit_test_setup_teardown(what_another_has_is_not_released, begin, end),
        cmocka_unit_test_setup_teardown(a_late_release_undoes_no_newer_claim, begin, end),
        cmocka_unit_test_setup_teardown(a_late_copy_of_an_older_claim_does_not_count, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
