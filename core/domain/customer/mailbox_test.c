/* Another address: who may move to it, what stops him on his way, and the mails of a day. */
#include "core/domain/customer/customer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/testing/people.h"

static void an_address_is_changed_once_its_mailbox_is_proved(void **state) {
    struct given *customer = *state;
    struct command command = people_change_email(NEW_IDN, "new@example.org", true);
    command.meta.command_id = STR("cmd_change");
    when(customer, command);
    THEN(customer, EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED);
    THEN_ANSWERS(customer, "cmd_change", ACCEPTED);
    assert_str(made(customer, 0)->as.customer_email_change_requested.to.ciphertext, "new@example.org");
    assert_str(customer_of(customer)->email.ciphertext, "ada@example.org");

    when(customer, people_confirm_email(1));
    THEN(customer, EVENT_CUSTOMER_VERIFICATION_PROVED);
    assert_int_equal(SENT(customer, 0, COMMAND_CLAIM_IDENTITY, NEW_IDN)->as.claim_identity.claim, 6);

    command = people_claimed(NEW_IDN, 6, true);
    command.meta.correlation_id = STR("cmd_confirm");
    when(customer, command);
    THEN(customer, EVENT_CUSTOMER_EMAIL_CHANGED);
    THEN_ANSWERS(customer, "cmd_confirm", ACCEPTED);
    THEN_SENDS(customer, 1);
    const struct command *release = SENT(customer, 0, COMMAND_RELEASE_IDENTITY, IDN);
    assert_int_equal(release->as.release_identity.claim, 3);
    assert_str(made(customer, 0)->as.customer_email_changed.before.ciphertext, "ada@example.org");
    const struct customer_state *now = customer_of(customer);
    assert_str(now->email.ciphertext, "new@example.org");
    assert_str(now->identity, NEW_IDN);
    assert_str(now->email_key, "per_new");
    assert_int_equal(now->claim, 6);
    assert_false(now->has_pending_email);
    when(customer, people_confirm_email(1));
    THEN_REFUSED(customer, REJECT_TOKEN_USED, "/token");
}

static void an_address_is_not_changed_without_a_proof(void **state) {
    struct given *customer = *state;
    struct command command = people_change_email(NEW_IDN, "new@example.org", false);
    command.meta.command_id = STR("cmd_change");
    when(customer, command);
    THEN(customer, EVENT_LOGIN_FAILED);
    THEN_ANSWERS(customer, "cmd_change", REJECT_LOGIN_REFUSED);
    when(customer, people_confirm_email(1));
    THEN_REFUSED(customer, REJECT_TOKEN_USED, "/token");
    when(customer, people_change_email(IDN, "ada@example.org", true));
    THEN_REFUSED(customer, REJECT_NOTHING_TO_CHANGE, "/email");
}

static void a_change_to_a_taken_address_is_given_up(void **state) {
    struct given *customer = *state;
    when(customer, people_change_email(NEW_IDN, "new@example.org", true));
    when(customer, people_confirm_email(1));
    struct command command = people_claimed(NEW_IDN, 6, false);
    command.meta.correlation_id = STR("cmd_confirm");
    when(customer, command);
    THEN(customer, EVENT_CUSTOMER_CLAIM_REFUSED);
    assert_str(made(customer, 0)->as.customer_claim_refused.purpose, "change");
    THEN_ANSWERS(customer, "cmd_confirm", REJECT_EMAIL_TAKEN);
    assert_str(customer_of(customer)->identity, IDN);
    assert_false(customer_of(customer)->has_pending_email);
    when(customer, people_confirm_email(1));
    THEN_REFUSED(customer, REJECT_TOKEN_USED, "/token");
}

/* The first mailbox was proved, and then another address was asked for. */
static void a_grant_for_an_address_that_is_wanted_no_longer_is_given_back(void **state) {
    struct given *customer = *state;
    when(customer, people_change_email(NEW_IDN, "new@example.org", true));
    when(customer, people_confirm_email(1));
    when(customer, people_change_email("idn_3", "third@example.org", true));
    when(customer, people_confirm_email(1));
    THEN_REFUSED(customer, REJECT_TOKEN_USED, "/token");
    struct command command = people_claimed(NEW_IDN, 6, true);
    command.meta.correlation_id = STR("cmd_confirm");
    when(customer, command);
    THEN(customer, EVENT_CUSTOMER_CLAIM_REFUSED);
    assert_int_equal(SENT(customer, 0, COMMAND_RELEASE_IDENTITY, NEW_IDN)->as.release_identity.claim, 6);
    THEN_ANSWERS(customer, "cmd_confirm", REJECT_TOKEN_USED);
    assert_str(customer_of(customer)->pending_identity, "idn_3");
    when(customer, people_confirm_email(2));
    THEN(customer, EVENT_CUSTOMER_VERIFICATION_PROVED);
}

static void the_newer_of_two_claims_is_the_one_that_counts(void **state) {
    struct given *customer = *state;
    when(customer, people_change_email(NEW_IDN, "new@example.org", true));
    when(customer, people_confirm_email(1));
    when(customer, people_change_email("idn_3", "third@example.org", true));
    when(customer, people_confirm_email(2));
    THEN(customer, EVENT_CUSTOMER_VERIFICATION_PROVED);
    assert_int_equal(SENT(customer, 0, COMMAND_CLAIM_IDENTITY, "idn_3")->as.claim_identity.claim, 8);
    when(customer, people_claimed("idn_3", 8, true));
    THEN(customer, EVENT_CUSTOMER_EMAIL_CHANGED);
    when(customer, people_claimed(NEW_IDN, 6, true));
    THEN(customer, EVENT_CUSTOMER_CLAIM_REFUSED);
    assert_int_equal(SENT(customer, 0, COMMAND_RELEASE_IDENTITY, NEW_IDN)->as.release_identity.claim, 6);
    assert_str(customer_of(customer)->identity, "idn_3");
}

static void the_new_address_is_proved_within_a_day(void **state) {
    struct given *customer = *state;
    when(customer, people_change_email(NEW_IDN, "new@example.org", true));
    wait_s(customer, CUSTOMER_VERIFY_S);
    when(customer, people_confirm_email(1));
    THEN_REFUSED(customer, REJECT_TOKEN_USED, "/token");
}

static void a_right_password_within_a_session_forgets_what_failed_there_and_nothing_else(void **state) {
    struct given *customer = *state;
    when(customer, people_log_in(false));
    when(customer, people_change_email(NEW_IDN, "new@example.org", false));
    when(customer, people_change_email(NEW_IDN, "new@example.org", false));
    assert_true(made(customer, 0)->as.login_failed.within);
    assert_int_equal(made(customer, 0)->as.login_failed.failures, 2);
    assert_int_equal(customer_of(customer)->proof_failures, 2);
    when(customer, people_change_email(NEW_IDN, "new@example.org", true));
    assert_int_equal(customer_of(customer)->proof_failures, 0);
    assert_int_equal(customer_of(customer)->failures, 1);
}

/* The owner of a mailbox who clicks on a link must not hand it to somebody else's account. */
static void a_new_address_is_confirmed_by_the_customer_himself_alone(void **state) {
    struct given *customer = *state;
    when(customer, people_change_email(NEW_IDN, "new@example.org", true));
    static const char *const others[] = {"anonymous", "guest:1", "customer:cus_01J00000000000000000000009",
                                         "admin:key_1", "system"};
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        struct command command = people_confirm_email(1);
        command.meta.actor = str_of_cstr(others[i]);
        when(customer, command);
        THEN_REFUSED(customer, REJECT_UNKNOWN_CUSTOMER, "");
    }
    struct command command = people_confirm_email(1);
    command.meta.actor = STR("support:" CUS); /* in whatever capacity he is there */
    when(customer, command);
    THEN(customer, EVENT_CUSTOMER_VERIFICATION_PROVED);
}

/* It may be a thief's, who knew the password of before. */
static void another_password_gives_up_a_change_of_address(void **state) {
    struct given *customer = *state;
    when(customer, people_change_email(NEW_IDN, "thief@example.org", true));
    when(customer, people_change_password(true, 0));
    assert_false(customer_of(customer)->has_pending_email);
    when(customer, people_confirm_email(1));
    THEN_REFUSED(customer, REJECT_TOKEN_USED, "/token");
}

static void also_one_that_is_being_claimed_which_is_given_back(void **state) {
    struct given *customer = *state;
    when(customer, people_change_email(NEW_IDN, "thief@example.org", true));
    when(customer, people_confirm_email(1));
    when(customer, (struct command){.type = COMMAND_REQUEST_PASSWORD_RESET});
    when(customer, people_reset_password(1));
    THEN(customer, EVENT_CUSTOMER_PASSWORD_CHANGED);
    struct command command = people_claimed(NEW_IDN, 6, true);
    command.meta.correlation_id = STR("cmd_confirm");
    when(customer, command);
    THEN(customer, EVENT_CUSTOMER_CLAIM_REFUSED);
    assert_str(made(customer, 0)->as.customer_claim_refused.purpose, "none");
    assert_int_equal(SENT(customer, 0, COMMAND_RELEASE_IDENTITY, NEW_IDN)->as.release_identity.claim, 6);
    THEN_ANSWERS(customer, "cmd_confirm", REJECT_TOKEN_USED);
    assert_str(customer_of(customer)->identity, IDN);
    assert_str(customer_of(customer)->email.ciphertext, "ada@example.org");
}

/* The token lies in a mailbox that is his no longer. */
static void a_reset_that_was_asked_for_before_the_address_changed_sets_nothing(void **state) {
    struct given *customer = *state;
    when(customer, (struct command){.type = COMMAND_REQUEST_PASSWORD_RESET});
    when(customer, people_change_email(NEW_IDN, "new@example.org", true));
    when(customer, people_confirm_email(1));
    when(customer, people_claimed(NEW_IDN, customer_of(customer)->claiming_number, true));
    THEN(customer, EVENT_CUSTOMER_EMAIL_CHANGED);
    when(customer, people_reset_password(1));
    THEN_REFUSED(customer, REJECT_TOKEN_USED, "/token");
}

/* The registration's is the first of the day. */
static void the_21st_mail_of_a_day_is_refused(void **state) {
    struct given *customer = *state;
    for (int mails = 2; mails <= CUSTOMER_MAILS_A_DAY; mails++) {
        when(customer, people_change_email(NEW_IDN, "new@example.org", true));
        THEN(customer, EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED);
    }
    when(customer, people_change_email(NEW_IDN, "new@example.org", true));
    THEN_REFUSED(customer, REJECT_TOO_MANY_MAILS, "");
    wait_s(customer, 24 * 3600);
    when(customer, people_change_email(NEW_IDN, "new@example.org", true));
    THEN(customer, EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED);
}

static void beyond_a_days_mails_he_is_still_told_what_concerns_his_safety(void **state) {
    struct given *customer = *state;
    for (int mails = 2; mails <= CUSTOMER_MAILS_A_DAY; mails++) {
        when(customer, people_change_email(NEW_IDN, "new@example.org", true));
    }
    when(customer, people_confirm_email(CUSTOMER_MAILS_A_DAY - 1));
    THEN(customer, EVENT_CUSTOMER_VERIFICATION_PROVED);
    when(customer, people_claimed(NEW_IDN, customer_of(customer)->claiming_number, true));
    THEN(customer, EVENT_CUSTOMER_EMAIL_CHANGED);
    assert_true(made(customer, 0)->as.customer_email_changed.has_before);
    when(customer, people_change_password(true, 0));
    assert_true(made(customer, 0)->as.customer_password_changed.has_to);
    assert_int_equal(customer_of(customer)->mails, CUSTOMER_MAILS_A_DAY); /* neither counts */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, verified_setup, customer_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_address_is_changed_once_its_mailbox_is_proved),
        TEST(an_address_is_not_changed_without_a_proof),
        TEST(a_change_to_a_taken_address_is_given_up),
        TEST(a_grant_for_an_address_that_is_wanted_no_longer_is_given_back),
        TEST(the_newer_of_two_claims_is_the_one_that_counts),
        TEST(the_new_address_is_proved_within_a_day),
        TEST(a_right_password_within_a_session_forgets_what_failed_there_and_nothing_else),
        TEST(a_new_address_is_confirmed_by_the_customer_himself_alone),
        TEST(another_password_gives_up_a_change_of_address),
        TEST(also_one_that_is_being_claimed_which_is_given_back),
        TEST(a_reset_that_was_asked_for_before_the_address_changed_sets_nothing),
        TEST(the_21st_mail_of_a_day_is_refused),
        TEST(beyond_a_days_mails_he_is_still_told_what_concerns_his_safety),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
