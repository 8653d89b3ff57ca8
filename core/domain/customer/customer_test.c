#include "core/domain/customer/customer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/testing/people.h"

/* ---- registering ------------------------------------------------------------------------------------------------- */

static void a_registration_is_answered_at_once_and_mails_a_token(void **state) {
    struct given *customer = *state;
    assert_int_equal(customer_of(customer)->status, CUSTOMER_STATUS_UNVERIFIED);
    THEN_SENDS(customer, 0);
    THEN_ANSWERS_NOBODY(customer);
    assert_int_equal(made(customer, 0)->as.customer_registered.password_number, 1);
    assert_int_equal(made(customer, 1)->as.customer_verification_requested.number, 1);
    assert_str(made(customer, 1)->as.customer_verification_requested.to.ciphertext, "ada@example.org");
}

static void nobody_registers_twice_under_one_id(void **state) {
    struct given *customer = *state;
    when(customer, people_register());
    THEN_REFUSED(customer, REJECT_ALREADY_EXISTS, "");
}

static void whom_the_operator_vouches_for_claims_his_address_at_once(void **state) {
    (void)state;
    struct given customer;
    given_begin(&customer, STR(CUS));
    struct role_grant admin = {.role = STR("admin")};
    struct command command = people_register();
    command.as.register_customer.verified = true;
    command.as.register_customer.roles = (struct role_grant_array){&admin, 1, 1};
    when(&customer, command);
    THEN(&customer, EVENT_CUSTOMER_REGISTERED, EVENT_CUSTOMER_VERIFICATION_PROVED);
    assert_int_equal(SENT(&customer, 0, COMMAND_CLAIM_IDENTITY, IDN)->as.claim_identity.claim, 2);
    when(&customer, people_claimed(IDN, 2, true));
    THEN(&customer, EVENT_CUSTOMER_VERIFIED);
    THEN_ANSWERS_NOBODY(&customer); /* who registered him has his answer */
    assert_str(customer_of(&customer)->roles.items[0].role, "admin");
    given_end(&customer);
}

static void who_registered_one_whose_address_is_taken_is_not_answered_twice(void **state) {
    (void)state;
    struct given customer;
    given_begin(&customer, STR(CUS));
    struct command command = people_register();
    command.as.register_customer.verified = true;
    when(&customer, command);
    when(&customer, people_claimed(IDN, 2, false));
    THEN(&customer, EVENT_CUSTOMER_CLAIM_REFUSED);
    THEN_ANSWERS_NOBODY(&customer);
    assert_int_equal(customer_of(&customer)->status, CUSTOMER_STATUS_UNVERIFIED);
    given_end(&customer);
}

static void roles_from_the_beginning_must_be_roles(void **state) {
    (void)state;
    struct given customer;
    given_begin(&customer, STR(CUS));
    struct role_grant roles[] = {{.role = STR("king")}, {.role = STR("vendor")}, {.role = STR("service")}};
    for (uint32_t i = 0; i < ARRAY_LENGTH(roles); i++) {
        struct command command = people_register();
        command.as.register_customer.roles = (struct role_grant_array){&roles[i], 1, 1};
        when(&customer, command);
        THEN_REFUSED(&customer, REJECT_UNKNOWN_ROLE, "/roles");
    }
    given_end(&customer);
}

/* ---- proving the mailbox ----------------------------------------------------------------------------------------- */

static void token_and_password_together_claim_the_address(void **state) {
    struct given *customer = *state;
    struct command command = people_verify(1, true);
    command.meta.command_id = STR("cmd_verify");
    when(customer, command);
    THEN(customer, EVENT_CUSTOMER_VERIFICATION_PROVED);
    THEN_SENDS(customer, 1);
    const struct command *claim = SENT(customer, 0, COMMAND_CLAIM_IDENTITY, IDN);
    assert_str(claim->as.claim_identity.customer, CUS);
    assert_int_equal(claim->as.claim_identity.claim, 3); /* the event's version */
    THEN_ANSWERS_NOBODY(customer);

    command = people_claimed(IDN, 3, true);
    command.meta.correlation_id = STR("cmd_verify");
    when(customer, command);
    THEN(customer, EVENT_CUSTOMER_VERIFIED);
    THEN_ANSWERS(customer, "cmd_verify", ACCEPTED);
    THEN_SENDS(customer, 0);
    assert_int_equal(customer_of(customer)->status, CUSTOMER_STATUS_ACTIVE);
    assert_int_equal(customer_of(customer)->claim, 3);
    assert_str(customer_of(customer)->claiming, "");
}

static void a_token_that_is_none_is_refused(void **state) {
    struct given *customer = *state;
    static const int32_t numbers[] = {0, -1, 2};
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        when(customer, people_verify(numbers[i], true));
        THEN_REFUSED(customer, REJECT_TOKEN_USED, "/token");
    }
}

static void a_token_is_good_for_a_day(void **state) {
    struct given *customer = *state;
    int64_t sent_at = customer_of(customer)->verification_sent_at;
    customer->now_us = sent_at + (int64_t)CUSTOMER_VERIFY_S * 1000000;
    when(customer, people_verify(1, true)); /* a second later */
    THEN_REFUSED(customer, REJECT_TOKEN_USED, "/token");
    customer->now_us = sent_at + (int64_t)(CUSTOMER_VERIFY_S - 1) * 1000000;
    when(customer, people_verify(1, true));
    THEN(customer, EVENT_CUSTOMER_VERIFICATION_PROVED);
}

static void a_token_verifies_once(void **state) {
    struct given *customer = *state; /* verified */
    when(customer, people_verify(1, true));
    THEN_REFUSED(customer, REJECT_TOKEN_USED, "/token");
}

static void the_token_again_while_the_claim_is_on_its_way_claims_nothing_more(void **state) {
    struct given *customer = *state;
    when(customer, people_verify(1, true));
    when(customer, people_verify(1, true));
    THEN_NOTHING(customer);
}

/* Else the link in a mail that somebody else's registration has sent would give him an account in the reader's name. */
static void the_token_without_the_registrations_password_is_a_failed_proof(void **state) {
    struct given *customer = *state;
    struct command command = people_verify(1, false);
    command.meta.command_id = STR("cmd_verify");
    when(customer, command);
    THEN(customer, EVENT_LOGIN_FAILED);
    THEN_ANSWERS(customer, "cmd_verify", REJECT_LOGIN_REFUSED);
    assert_str(made(customer, 0)->as.login_failed.why, "password");
    assert_int_equal(customer_of(customer)->failures, 1);
    assert_int_equal(customer_of(customer)->status, CUSTOMER_STATUS_UNVERIFIED);
}

static void a_password_of_before_proves_nothing(void **state) {
    struct given *customer = *state;
    struct command command = people_verify(1, true);
    command.as.verify_customer.password_number = 2;
    when(customer, command);
    THEN(customer, EVENT_LOGIN_FAILED);
    assert_str(made(customer, 0)->as.login_failed.why, "changed");
}

static void a_password_for_once_proves_nothing_when_its_time_is_over(void **state) {
    (void)state;
    struct given customer;
    given_begin(&customer, STR(CUS));
    struct command command = people_register();
    command.as.register_customer.once_until = customer.now_us + 10 * INT64_C(1000000);
    when(&customer, command);
    when(&customer, people_verify(1, true));
    THEN(&customer, EVENT_CUSTOMER_VERIFICATION_PROVED);
    when(&customer, people_claimed(IDN, 3, true));
    wait_s(&customer, 10);
    when(&customer, people_change_email(NEW_IDN, "new@example.org", true));
    THEN(&customer, EVENT_LOGIN_FAILED);
    assert_str(made(&customer, 0)->as.login_failed.why, "expired");
    given_end(&customer);
}

static void an_address_that_another_has_is_taken(void **state) {
    struct given *customer = *state;
    when(customer, people_verify(1, true));
    struct command command = people_claimed(IDN, 3, false);
    command.meta.correlation_id = STR("cmd_verify");
    when(customer, command);
    THEN(customer, EVENT_CUSTOMER_CLAIM_REFUSED);
    assert_str(made(customer, 0)->as.customer_claim_refused.purpose, "verify");
    THEN_SENDS(customer, 0);
    THEN_ANSWERS(customer, "cmd_verify", REJECT_EMAIL_TAKEN);
    assert_int_equal(customer_of(customer)->status, CUSTOMER_STATUS_UNVERIFIED);
    when(customer, people_verify(1, true)); /* who has it may give it back */
    THEN(customer, EVENT_CUSTOMER_VERIFICATION_PROVED);
}

static void an_answer_that_comes_twice_changes_nothing(void **state) {
    struct given *customer = *state; /* verified */
    when(customer, people_claimed(IDN, 3, true));
    THEN_NOTHING(customer);
}

/* A copy of a claim that was given back would else keep the address for ever. */
static void a_grant_that_nobody_waits_for_is_given_back(void **state) {
    struct given *customer = *state; /* verified */
    when(customer, people_claimed(NEW_IDN, 2, true));
    THEN(customer, EVENT_CUSTOMER_CLAIM_REFUSED);
    assert_str(made(customer, 0)->as.customer_claim_refused.purpose, "none");
    THEN_SENDS(customer, 1);
    const struct command *release = SENT(customer, 0, COMMAND_RELEASE_IDENTITY, NEW_IDN);
    assert_int_equal(release->as.release_identity.claim, 2);
    assert_str(customer_of(customer)->identity, IDN);
}

static void the_tenth_failure_locks_and_tells(void **state) {
    struct given *customer = *state;
    for (int failures = 1; failures <= CUSTOMER_LOCK_AFTER; failures++) {
        when(customer, people_verify(1, false));
        THEN(customer, EVENT_LOGIN_FAILED);
        const struct login_failed *failed = &made(customer, 0)->as.login_failed;
        assert_int_equal(failed->failures, failures);
        assert_int_equal(failed->has_to, failures == CUSTOMER_LOCK_AFTER);
        assert_int_equal(failed->locked_until > 0, failures == CUSTOMER_LOCK_AFTER);
    }
    when(customer, people_verify(1, true)); /* right, and too early */
    THEN_REFUSED(customer, REJECT_LOGIN_REFUSED, "");
    wait_s(customer, CUSTOMER_LOCK_FIRST_S);
    when(customer, people_verify(1, true));
    THEN(customer, EVENT_CUSTOMER_VERIFICATION_PROVED);
}

static void each_further_failure_locks_for_twice_as_long_up_to_an_hour(void **state) {
    struct given *customer = *state;
    static const int64_t locks_s[] = {60, 120, 240, 480, 960, 1920, 3600, 3600};
    for (int failures = 1; failures < CUSTOMER_LOCK_AFTER; failures++) {
        when(customer, people_verify(1, false));
    }
    for (size_t i = 0; i < ARRAY_LENGTH(locks_s); i++) {
        when(customer, people_verify(1, false));
        THEN(customer, EVENT_LOGIN_FAILED);
        const struct login_failed *failed = &made(customer, 0)->as.login_failed;
        assert_int_equal(failed->locked_until - customer->now_us, locks_s[i] * 1000000);
        assert_int_equal(failed->has_to, i == 0); /* told once */
        wait_s(customer, locks_s[i]);
    }
}

/* ---- what a person says of himself ------------------------------------------------------------------------------- */

static struct command change_name(bool has_name) {
    return (struct command){.type = COMMAND_CHANGE_PROFILE,
                            .as.change_profile = {.has_name = has_name, .name = sealed_text("Countess")}};
}

static void a_name_is_changed(void **state) {
    struct given *customer = *state;
    when(customer, change_name(true));
    THEN(customer, EVENT_CUSTOMER_PROFILE_CHANGED);
    assert_str(customer_of(customer)->name.ciphertext, "Countess");
    when(customer, change_name(false));
    THEN_REFUSED(customer, REJECT_NOTHING_TO_CHANGE, "");
}

static struct command put_address(const char *id, const char *address) {
    return (struct command){.type = COMMAND_PUT_ADDRESS,
                            .as.put_address = {.id = str_of_cstr(id), .address = sealed_text(address)}};
}

static struct command remove_address(const char *id) {
    return (struct command){.type = COMMAND_REMOVE_ADDRESS, .as.remove_address.id = str_of_cstr(id)};
}

static void addresses_are_kept_changed_and_removed(void **state) {
    struct given *customer = *state;
    when(customer, put_address("", "home"));
    THEN(customer, EVENT_CUSTOMER_ADDRESS_PUT);
    assert_str(made(customer, 0)->as.customer_address_put.id, "1");
    when(customer, put_address("", "work"));
    assert_str(made(customer, 0)->as.customer_address_put.id, "2");
    when(customer, put_address("1", "old home"));
    THEN(customer, EVENT_CUSTOMER_ADDRESS_PUT);
    assert_int_equal(customer_of(customer)->addresses.count, 2);
    assert_str(customer_of(customer)->addresses.items[0].address.ciphertext, "old home");
    when(customer, remove_address("2"));
    THEN(customer, EVENT_CUSTOMER_ADDRESS_REMOVED);
    when(customer, remove_address("2"));
    THEN_REFUSED(customer, REJECT_UNKNOWN_ADDRESS, "");
    when(customer, put_address("2", "work"));
    THEN_REFUSED(customer, REJECT_UNKNOWN_ADDRESS, "");
    when(customer, put_address("", "work")); /* a number that was, is not again */
    assert_str(made(customer, 0)->as.customer_address_put.id, "3");
}

static void a_customer_keeps_20_addresses(void **state) {
    struct given *customer = *state;
    for (int i = 0; i < CUSTOMER_ADDRESSES_MAX; i++) {
        when(customer, put_address("", "one"));
        THEN(customer, EVENT_CUSTOMER_ADDRESS_PUT);
    }
    when(customer, put_address("", "one too many"));
    THEN_REFUSED(customer, REJECT_TOO_MANY_ADDRESSES, "");
    when(customer, put_address("20", "changed"));
    THEN(customer, EVENT_CUSTOMER_ADDRESS_PUT);
}

static struct command consent(const char *purpose, bool granted) {
    return (struct command){.type = COMMAND_SET_CONSENT,
                            .as.set_consent = {.purpose = str_of_cstr(purpose), .granted = granted}};
}

static void consents_are_given_and_taken_back(void **state) {
    struct given *customer = *state;
    when(customer, consent("newsletter", true));
    THEN(customer, EVENT_CUSTOMER_CONSENT_CHANGED);
    when(customer, consent("newsletter", true));
    THEN_NOTHING(customer);
    when(customer, consent("newsletter", false));
    THEN(customer, EVENT_CUSTOMER_CONSENT_CHANGED);
    assert_int_equal(customer_of(customer)->consents.count, 1);
    assert_false(customer_of(customer)->consents.items[0].granted);
    char purpose[16];
    for (int i = 1; i < CUSTOMER_CONSENTS_MAX; i++) {
        (void)snprintf(purpose, sizeof purpose, "purpose-%d", i);
        when(customer, consent(purpose, true));
        THEN(customer, EVENT_CUSTOMER_CONSENT_CHANGED);
    }
    when(customer, consent("one-too-many", true));
    THEN_REFUSED(customer, REJECT_TOO_MANY_CONSENTS, "");
    when(customer, consent("newsletter", true));
    THEN(customer, EVENT_CUSTOMER_CONSENT_CHANGED);
}

static void who_has_not_proved_his_mailbox_changes_nothing(void **state) {
    struct given *customer = *state; /* registered */
    const struct command commands[] = {change_name(true), put_address("", "home"), remove_address("1"),
                                       consent("newsletter", true),
                                       people_change_email(NEW_IDN, "new@example.org", true)};
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        when(customer, commands[i]);
        THEN_REFUSED(customer, REJECT_EMAIL_UNVERIFIED, "");
    }
    when(customer, people_confirm_email(1));
    THEN_REFUSED(customer, REJECT_TOKEN_USED, "/token");
}

static void of_a_customer_who_is_none_nothing_is_told(void **state) {
    (void)state;
    struct given customer;
    given_begin(&customer, STR(CUS));
    const struct command commands[] = {change_name(true),
                                       put_address("", "home"),
                                       remove_address("1"),
                                       consent("newsletter", true),
                                       people_claimed(IDN, 3, true),
                                       people_change_email(NEW_IDN, "new@example.org", true)};
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        when(&customer, commands[i]);
        THEN_REFUSED(&customer, REJECT_UNKNOWN_CUSTOMER, "");
    }
    when(&customer, people_verify(1, true));
    THEN_REFUSED(&customer, REJECT_TOKEN_USED, "/token");
    given_end(&customer);
}

static void a_customer_sees_no_other_one(void **state) {
    struct given *customer = *state;
    struct command command = change_name(true);
    command.meta.actor = STR("customer:cus_01J00000000000000000000009");
    when(customer, command);
    THEN_REFUSED(customer, REJECT_UNKNOWN_CUSTOMER, "");
    command.meta.actor = STR("vendor:cus_01J00000000000000000000009:Acme");
    when(customer, command);
    THEN_REFUSED(customer, REJECT_UNKNOWN_CUSTOMER, "");
    command.meta.actor = STR("customer:" CUS);
    when(customer, command);
    THEN(customer, EVENT_CUSTOMER_PROFILE_CHANGED);
}

static void who_is_nobody_asks_for_nothing(void **state) {
    struct given *customer = *state;
    static const char *const nobodies[] = {"king:" CUS, "customer:", "provider:test"};
    for (size_t i = 0; i < ARRAY_LENGTH(nobodies); i++) {
        struct command command = people_log_in(true);
        command.meta.actor = str_of_cstr(nobodies[i]);
        when(customer, command);
        THEN_REFUSED(customer, REJECT_UNKNOWN_CUSTOMER, "");
        command = people_claimed(NEW_IDN, 2, true); /* a follow-up has the actor of its cause */
        command.meta.actor = str_of_cstr(nobodies[i]);
        when(customer, command);
        THEN(customer, EVENT_CUSTOMER_CLAIM_REFUSED);
    }
}

static void what_the_house_does_is_for_the_house_alone(void **state) {
    struct given *customer = *state;
    static const uint16_t commands[] = {COMMAND_SET_ROLES, COMMAND_UNLOCK_CUSTOMER, COMMAND_SUSPEND_CUSTOMER,
                                        COMMAND_REINSTATE_CUSTOMER, COMMAND_REMOVE_TOTP};
    static const struct {
        const char *actor;
        bool is_of_house;
    } rows[] = {{"customer:" CUS, false}, {"vendor:" CUS ":Acme", false}, {"anonymous", false},    {"guest:1", false},
                {"support:" CUS, true},   {"admin:key_1", true},          {"service:key_1", true}, {"system", true}};
    when(customer, people_begin_totp(true));
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        for (size_t c = 0; c < ARRAY_LENGTH(commands); c++) {
            when(customer, (struct command){.type = commands[c], .meta.actor = str_of_cstr(rows[i].actor)});
            if (!rows[i].is_of_house) {
                THEN_REFUSED(customer, REJECT_UNKNOWN_CUSTOMER, "");
            } else {
                assert_int_not_equal(customer->rejection, REJECT_UNKNOWN_CUSTOMER);
            }
        }
    }
}

#define TEST(name, begin) cmocka_unit_test_setup_teardown(name, begin, customer_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_registration_is_answered_at_once_and_mails_a_token, registered_setup),
        TEST(nobody_registers_twice_under_one_id, registered_setup),
        cmocka_unit_test(whom_the_operator_vouches_for_claims_his_address_at_once),
        cmocka_unit_test(who_registered_one_whose_address_is_taken_is_not_answered_twice),
        cmocka_unit_test(roles_from_the_beginning_must_be_roles),
        TEST(token_and_password_together_claim_the_address, registered_setup),
        TEST(a_token_that_is_none_is_refused, registered_setup),
        TEST(a_token_is_good_for_a_day, registered_setup),
        TEST(a_token_verifies_once, verified_setup),
        TEST(the_token_again_while_the_claim_is_on_its_way_claims_nothing_more, registered_setup),
        TEST(the_token_without_the_registrations_password_is_a_failed_proof, registered_setup),
        TEST(a_password_of_before_proves_nothing, registered_setup),
        cmocka_unit_test(a_password_for_once_proves_nothing_when_its_time_is_over),
        TEST(an_address_that_another_has_is_taken, registered_setup),
        TEST(an_answer_that_comes_twice_changes_nothing, verified_setup),
        TEST(a_grant_that_nobody_waits_for_is_given_back, verified_setup),
        TEST(the_tenth_failure_locks_and_tells, registered_setup),
        TEST(each_further_failure_locks_for_twice_as_long_up_to_an_hour, registered_setup),
        TEST(a_name_is_changed, verified_setup),
        TEST(addresses_are_kept_changed_and_removed, verified_setup),
        TEST(a_customer_keeps_20_addresses, verified_setup),
        TEST(consents_are_given_and_taken_back, verified_setup),
        TEST(who_has_not_proved_his_mailbox_changes_nothing, registered_setup),
        cmocka_unit_test(of_a_customer_who_is_none_nothing_is_told),
        TEST(a_customer_sees_no_other_one, verified_setup),
        TEST(who_is_nobody_asks_for_nothing, verified_setup),
        TEST(what_the_house_does_is_for_the_house_alone, verified_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
