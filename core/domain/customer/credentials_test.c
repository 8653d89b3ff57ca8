/* Other passwords, and authenticators. */
#include "core/domain/customer/customer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/testing/people.h"

static struct command refresh(int32_t number) {
    return (struct command){.type = COMMAND_REFRESH_SESSION,
                            .as.refresh_session = {.session = number, .generation = 1}};
}

/* ---- changing ---------------------------------------------------------------------------------------------------- */

static void a_password_is_changed_and_every_session_ends_but_the_one_that_asks(void **state) {
    struct given *customer = *state;
    when(customer, people_log_in(true));
    when(customer, people_log_in(true));
    struct command command = people_change_password(true, 2);
    command.meta.command_id = STR("cmd_change");
    when(customer, command);
    THEN(customer, EVENT_SESSIONS_ENDED, EVENT_CUSTOMER_PASSWORD_CHANGED);
    THEN_ANSWERS(customer, "cmd_change", ACCEPTED);
    assert_str(made(customer, 0)->as.sessions_ended.reason, "password_changed");
    const struct customer_password_changed *changed = &made(customer, 1)->as.customer_password_changed;
    assert_int_equal(changed->number, 2);
    assert_int_equal(changed->kept_session, 2);
    assert_str(changed->how, "changed");
    assert_str(changed->to.ciphertext, "ada@example.org");
    assert_str(customer_of(customer)->password.ciphertext, "verifier 2");
    when(customer, refresh(1));
    THEN_REFUSED(customer, REJECT_SESSION_ENDED, "");
    when(customer, refresh(2));
    THEN(customer, EVENT_SESSION_REFRESHED);
}

static void a_password_is_not_changed_without_the_one_before(void **state) {
    struct given *customer = *state;
    struct command command = people_change_password(false, 0);
    command.meta.command_id = STR("cmd_change");
    when(customer, command);
    THEN(customer, EVENT_LOGIN_FAILED);
    THEN_ANSWERS(customer, "cmd_change", REJECT_LOGIN_REFUSED);
    assert_int_equal(customer_of(customer)->password_number, 1);
}

static void a_password_for_once_is_ones_own_when_it_was_changed(void **state) {
    (void)state;
    struct given customer;
    given_begin(&customer, STR(CUS));
    struct command command = people_register();
    command.as.register_customer.verified = true;
    command.as.register_customer.once_until = customer.now_us + 60 * INT64_C(1000000);
    when(&customer, command);
    when(&customer, people_claimed(IDN, 2, true));
    when(&customer, people_change_password(true, 0));
    THEN(&customer, EVENT_CUSTOMER_PASSWORD_CHANGED); /* there was no session to end */
    wait_s(&customer, 3600);
    command = people_log_in(true);
    command.as.open_session.password_number = 2;
    when(&customer, command);
    THEN(&customer, EVENT_SESSION_OPENED);
    given_end(&customer);
}

/* ---- issuing ----------------------------------------------------------------------------------------------------- */

static struct command issue(const struct given *customer, const char *actor, int64_t lasts_s) {
    return (struct command){.type = COMMAND_ISSUE_PASSWORD,
                            .meta.actor = str_of_cstr(actor),
                            .as.issue_password = {.password = sealed_text("verifier 2"),
                                                  .once_until = customer->now_us + lasts_s * INT64_C(1000000)}};
}

static struct command log_in_with(int32_t password_number) {
    struct command command = people_log_in(true);
    command.as.open_session.password_number = password_number;
    return command;
}

static void a_password_that_was_issued_is_good_for_one_change_until_its_time_is_over(void **state) {
    struct given *customer = *state;
    when(customer, people_log_in(true));
    for (int i = 0; i < CUSTOMER_LOCK_AFTER; i++) {
        when(customer, people_log_in(false));
    }
    struct command issued = issue(customer, "system", 60);
    when(customer, issued);
    THEN(customer, EVENT_SESSIONS_ENDED, EVENT_CUSTOMER_PASSWORD_CHANGED);
    assert_int_equal(customer_of(customer)->failures, 0);
    const struct customer_password_changed *changed = &made(customer, 1)->as.customer_password_changed;
    assert_str(changed->how, "issued");
    assert_int_equal(changed->once_until, issued.as.issue_password.once_until);
    assert_int_equal(customer_of(customer)->once_until, changed->once_until);
    when(customer, refresh(1));
    THEN_REFUSED(customer, REJECT_SESSION_ENDED, "");
    when(customer, log_in_with(2));
    THEN(customer, EVENT_SESSION_OPENED);
    wait_s(customer, 61);
    when(customer, log_in_with(2));
    THEN(customer, EVENT_LOGIN_FAILED);
    assert_str(made(customer, 0)->as.login_failed.why, "expired");
    when(customer, issue(customer, "system", 60)); /* and another one */
    struct command command = people_change_password(true, 0);
    command.as.change_password.password_number = 3;
    when(customer, command);
    assert_int_equal(customer_of(customer)->once_until, 0);
}

static void nobody_is_issued_a_password_over_http(void **state) {
    struct given *customer = *state;
    static const char *const actors[] = {"admin:cus_2", "customer:" CUS, "admin:key_1", "anonymous", "service:key_1"};
    for (size_t i = 0; i < ARRAY_LENGTH(actors); i++) {
        when(customer, issue(customer, actors[i], 60));
        THEN_REFUSED(customer, REJECT_MALFORMED_COMMAND, "");
    }
    when(customer, issue(customer, "system", 0)); /* nor one for ever */
    THEN_REFUSED(customer, REJECT_MALFORMED_COMMAND, "");
}

static void who_has_not_proved_his_mailbox_is_issued_none(void **state) {
    (void)state;
    struct given customer;
    given_registered(&customer);
    when(&customer, issue(&customer, "system", 60));
    THEN_REFUSED(&customer, REJECT_EMAIL_UNVERIFIED, "");
    given_end(&customer);
}

/* ---- resetting --------------------------------------------------------------------------------------------------- */

static const struct command ask_reset = {.type = COMMAND_REQUEST_PASSWORD_RESET};

static void a_reset_unlocks_and_ends_all_sessions(void **state) {
    struct given *customer = *state;
    when(customer, people_log_in(true));
    for (int i = 0; i < CUSTOMER_LOCK_AFTER; i++) {
        when(customer, people_log_in(false));
        when(customer, people_change_password(false, 0));
    }
    when(customer, ask_reset);
    THEN(customer, EVENT_CUSTOMER_PASSWORD_RESET_REQUESTED);
    assert_str(made(customer, 0)->as.customer_password_reset_requested.to.ciphertext, "ada@example.org");
    when(customer, people_reset_password(1));
    THEN(customer, EVENT_SESSIONS_ENDED, EVENT_CUSTOMER_PASSWORD_CHANGED);
    THEN_ANSWERS_NOBODY(customer); /* it is answered at once */
    assert_str(made(customer, 1)->as.customer_password_changed.how, "reset");
    assert_int_equal(customer_of(customer)->failures, 0);
    assert_int_equal(customer_of(customer)->proof_failures, 0);
    when(customer, refresh(1));
    THEN_REFUSED(customer, REJECT_SESSION_ENDED, "");
    struct command command = people_log_in(true);
    command.as.open_session.password_number = 2;
    when(customer, command);
    THEN(customer, EVENT_SESSION_OPENED);
}

static void a_token_resets_once_and_within_an_hour(void **state) {
    struct given *customer = *state;
    when(customer, people_reset_password(0));
    THEN_REFUSED(customer, REJECT_TOKEN_USED, "/token");
    when(customer, ask_reset);
    when(customer, people_reset_password(1));
    THEN(customer, EVENT_CUSTOMER_PASSWORD_CHANGED);
    when(customer, people_reset_password(1));
    THEN_REFUSED(customer, REJECT_TOKEN_USED, "/token");
    wait_s(customer, CUSTOMER_MAIL_APART_S);
    when(customer, ask_reset);
    wait_s(customer, CUSTOMER_RESET_S);
    when(customer, people_reset_password(2));
    THEN_REFUSED(customer, REJECT_TOKEN_USED, "/token");
    when(customer, ask_reset);
    when(customer, people_reset_password(2)); /* that of the mail before */
    THEN_REFUSED(customer, REJECT_TOKEN_USED, "/token");
    when(customer, people_reset_password(3));
    THEN(customer, EVENT_CUSTOMER_PASSWORD_CHANGED);
}

static void mails_that_anybody_can_ask_for_are_a_minute_apart_and_10_a_day(void **state) {
    struct given *customer = *state;
    when(customer, ask_reset);
    THEN(customer, EVENT_CUSTOMER_PASSWORD_RESET_REQUESTED);
    when(customer, ask_reset);
    THEN_NOTHING(customer);
    for (int mails = 3; mails <= CUSTOMER_MAILS_ASKED_A_DAY; mails++) { /* the first was the registration's */
        wait_s(customer, CUSTOMER_MAIL_APART_S);
        when(customer, ask_reset);
        THEN(customer, EVENT_CUSTOMER_PASSWORD_RESET_REQUESTED);
    }
    wait_s(customer, CUSTOMER_MAIL_APART_S);
    when(customer, ask_reset);
    THEN_NOTHING(customer);
    when(customer, people_change_email(NEW_IDN, "new@example.org", true)); /* which no stranger asks for */
    THEN(customer, EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED);
    wait_s(customer, 24 * 3600);
    when(customer, ask_reset);
    THEN(customer, EVENT_CUSTOMER_PASSWORD_RESET_REQUESTED);
}

static void who_has_not_proved_his_mailbox_is_sent_what_proves_it(void **state) {
    (void)state;
    struct given customer;
    given_registered(&customer);
    when(&customer, ask_reset);
    THEN_NOTHING(&customer); /* it was sent a moment ago */
    wait_s(&customer, CUSTOMER_MAIL_APART_S);
    when(&customer, ask_reset);
    THEN(&customer, EVENT_CUSTOMER_VERIFICATION_REQUESTED);
    assert_int_equal(made(&customer, 0)->as.customer_verification_requested.number, 2);
    when(&customer, people_verify(1, true)); /* that of the mail before */
    THEN_REFUSED(&customer, REJECT_TOKEN_USED, "/token");
    when(&customer, people_reset_password(1));
    THEN_REFUSED(&customer, REJECT_TOKEN_USED, "/token");
    when(&customer, people_verify(2, true));
    THEN(&customer, EVENT_CUSTOMER_VERIFICATION_PROVED);
    given_end(&customer);
}

static void what_proves_a_mailbox_is_sent_10_times_a_day(void **state) {
    (void)state;
    struct given customer;
    given_registered(&customer);
    for (int mails = 2; mails <= CUSTOMER_MAILS_ASKED_A_DAY; mails++) {
        wait_s(&customer, CUSTOMER_MAIL_APART_S);
        when(&customer, ask_reset);
        THEN(&customer, EVENT_CUSTOMER_VERIFICATION_REQUESTED);
    }
    wait_s(&customer, CUSTOMER_MAIL_APART_S);
    when(&customer, ask_reset);
    THEN_NOTHING(&customer);
    given_end(&customer);
}

static void of_who_is_no_customer_nothing_is_mailed(void **state) {
    (void)state;
    struct given customer;
    given_begin(&customer, STR(CUS));
    when(&customer, ask_reset);
    THEN_NOTHING(&customer);
    given_end(&customer);
}

/* ---- authenticators ---------------------------------------------------------------------------------------------- */

static void an_authenticator_is_begun_shown_and_ended(void **state) {
    struct given *customer = *state;
    when(customer, people_confirm_totp(0, 100));
    THEN_REFUSED(customer, REJECT_TOTP_STATE, "");
    struct command command = people_begin_totp(true);
    command.meta.command_id = STR("cmd_begin");
    when(customer, command);
    THEN(customer, EVENT_CUSTOMER_TOTP_BEGUN);
    THEN_ANSWERS(customer, "cmd_begin", ACCEPTED);
    when(customer, people_log_in(true)); /* not asked for yet */
    THEN(customer, EVENT_SESSION_OPENED);
    when(customer, people_begin_totp(true)); /* the secret got lost */
    assert_int_equal(made(customer, 0)->as.customer_totp_begun.number, 2);
    when(customer, people_confirm_totp(2, 0));
    THEN_REFUSED(customer, REJECT_CODE_REQUIRED, "/code");
    when(customer, people_confirm_totp(1, 100)); /* of the secret that got lost */
    THEN_REFUSED(customer, REJECT_CODE_REQUIRED, "/code");
    when(customer, people_confirm_totp(2, 100));
    THEN(customer, EVENT_CUSTOMER_TOTP_ENABLED);
    assert_str(made(customer, 0)->as.customer_totp_enabled.to.ciphertext, "ada@example.org");
    when(customer, people_confirm_totp(2, 101));
    THEN_REFUSED(customer, REJECT_TOTP_STATE, "");
    when(customer, people_begin_totp(true));
    THEN_REFUSED(customer, REJECT_TOTP_STATE, "");

    when(customer, people_end_totp(true, 2, 100)); /* its code was used */
    THEN(customer, EVENT_LOGIN_FAILED);
    when(customer, people_end_totp(true, 1, 101)); /* of the secret that got lost */
    THEN(customer, EVENT_LOGIN_FAILED);
    assert_str(made(customer, 0)->as.login_failed.why, "code");
    command = people_end_totp(true, 2, 101);
    command.meta.command_id = STR("cmd_end");
    when(customer, command);
    THEN(customer, EVENT_CUSTOMER_TOTP_ENDED);
    THEN_ANSWERS(customer, "cmd_end", ACCEPTED);
    assert_str(made(customer, 0)->as.customer_totp_ended.to.ciphertext, "ada@example.org");
    when(customer, people_end_totp(true, 2, 102));
    THEN_REFUSED(customer, REJECT_TOTP_STATE, "");
    when(customer, people_log_in(true));
    THEN(customer, EVENT_SESSION_OPENED);
}

static void an_authenticator_is_neither_begun_nor_ended_without_the_password(void **state) {
    struct given *customer = *state;
    when(customer, people_begin_totp(false));
    THEN(customer, EVENT_LOGIN_FAILED);
    given_totp(customer, 100);
    when(customer, people_end_totp(false, 1, 101));
    THEN(customer, EVENT_LOGIN_FAILED);
    assert_int_equal(customer_of(customer)->totp, TOTP_STATUS_ON);
}

/* What was used of the secret of before says nothing of this one. */
static void another_secret_has_recovery_codes_of_its_own(void **state) {
    struct given *customer = *state;
    given_totp(customer, 100);
    struct command command = people_log_in(true);
    command.as.open_session.recovery = 1;
    command.as.open_session.totp_number = 1;
    when(customer, command);
    THEN(customer, EVENT_SESSION_OPENED);
    when(customer, people_end_totp(true, 1, 101));
    given_totp(customer, 50);
    command.as.open_session.totp_number = 2;
    when(customer, command);
    THEN(customer, EVENT_SESSION_OPENED);
}

static void a_recovery_code_ends_an_authenticator_that_was_lost(void **state) {
    struct given *customer = *state;
    given_totp(customer, 100);
    struct command command = people_log_in(true);
    command.as.open_session.recovery = 1;
    command.as.open_session.totp_number = 1;
    when(customer, command);
    THEN(customer, EVENT_SESSION_OPENED);
    command = people_end_totp(true, 1, 0);
    command.as.end_totp.recovery = 1; /* it was used */
    when(customer, command);
    THEN(customer, EVENT_LOGIN_FAILED);
    command.as.end_totp.recovery = CUSTOMER_RECOVERY_CODES + 1; /* there is none */
    when(customer, command);
    THEN(customer, EVENT_LOGIN_FAILED);
    command.as.end_totp.recovery = 2;
    when(customer, command);
    THEN(customer, EVENT_CUSTOMER_TOTP_ENDED);
}

static void the_house_takes_away_an_authenticator_that_was_lost(void **state) {
    struct given *customer = *state;
    const struct command remove = {.type = COMMAND_REMOVE_TOTP,
                                   .meta = {.actor = STR("support:key_1"), .command_id = STR("cmd_remove")}};
    when(customer, remove);
    THEN_REFUSED(customer, REJECT_TOTP_STATE, "");
    given_totp(customer, 100);
    when(customer, remove);
    THEN(customer, EVENT_CUSTOMER_TOTP_ENDED);
    THEN_ANSWERS(customer, "cmd_remove", ACCEPTED);
    assert_str(made(customer, 0)->as.customer_totp_ended.to.ciphertext, "ada@example.org");
    when(customer, people_log_in(true));
    THEN(customer, EVENT_SESSION_OPENED);
}

/* ---- what is counted where --------------------------------------------------------------------------------------- */

static void a_stranger_who_locks_the_login_keeps_nobody_from_changing_his_password(void **state) {
    struct given *customer = *state;
    for (int i = 0; i < CUSTOMER_LOCK_AFTER; i++) {
        when(customer, people_log_in(false));
        THEN(customer, EVENT_LOGIN_FAILED);
        assert_false(made(customer, 0)->as.login_failed.within);
    }
    when(customer, people_change_password(true, 0));
    THEN(customer, EVENT_CUSTOMER_PASSWORD_CHANGED);
    assert_int_equal(customer_of(customer)->failures, CUSTOMER_LOCK_AFTER); /* who guesses is kept out as before */
    struct command command = people_log_in(true);
    command.as.open_session.password_number = 2;
    when(customer, command);
    THEN_REFUSED(customer, REJECT_LOGIN_REFUSED, "");
}

static void who_guesses_within_a_session_is_locked_out_there_and_told(void **state) {
    struct given *customer = *state;
    for (int failures = 1; failures <= CUSTOMER_LOCK_AFTER; failures++) {
        when(customer, people_change_password(false, 0));
        THEN(customer, EVENT_LOGIN_FAILED);
        assert_int_equal(made(customer, 0)->as.login_failed.has_to, failures == CUSTOMER_LOCK_AFTER);
    }
    when(customer, people_change_password(true, 0));
    THEN_REFUSED(customer, REJECT_LOGIN_REFUSED, "");
    when(customer, people_log_in(true));
    THEN(customer, EVENT_SESSION_OPENED);
    assert_int_equal(customer_of(customer)->proof_failures, 0);
    assert_int_equal(customer_of(customer)->proof_locked_until, 0);
}

/* A thief who has the password and a session, and not the authenticator. */
static void who_guesses_codes_is_not_let_off_for_proving_the_password(void **state) {
    struct given *customer = *state;
    given_totp(customer, 100);
    for (int i = 1; i < CUSTOMER_LOCK_AFTER; i++) {
        when(customer, people_end_totp(true, 1, 100));
        THEN(customer, EVENT_LOGIN_FAILED);
    }
    when(customer, people_change_email(NEW_IDN, "thief@example.org", true));
    THEN_REFUSED(customer, REJECT_CODE_REQUIRED, "/code");
    when(customer, people_change_password(true, 0));
    THEN_REFUSED(customer, REJECT_CODE_REQUIRED, "/code");
    assert_int_equal(customer_of(customer)->proof_failures, CUSTOMER_LOCK_AFTER - 1);
    struct command command = people_change_password(true, 0);
    command.as.change_password.totp_number = 1;
    command.as.change_password.totp_step = -1;
    when(customer, command);
    THEN(customer, EVENT_LOGIN_FAILED);
    assert_str(made(customer, 0)->as.login_failed.why, "code");
    assert_true(made(customer, 0)->as.login_failed.within);
    assert_true(made(customer, 0)->as.login_failed.locked_until > 0);
    command.as.change_password.totp_step = 101;
    when(customer, command);
    THEN_REFUSED(customer, REJECT_LOGIN_REFUSED, "");
    wait_s(customer, CUSTOMER_LOCK_FIRST_S);
    when(customer, command);
    THEN(customer, EVENT_CUSTOMER_PASSWORD_CHANGED);
    assert_int_equal(customer_of(customer)->proof_failures, 0);
}

/* ---- another password or address with an authenticator ----------------------------------------------------------- */

static struct command change_password_by(int32_t totp_number, int64_t step, int32_t recovery) {
    struct command command = people_change_password(true, 0);
    command.meta.command_id = STR("cmd_change");
    command.as.change_password.totp_number = totp_number;
    command.as.change_password.totp_step = step;
    command.as.change_password.recovery = recovery;
    return command;
}

static struct command change_email_by(int32_t totp_number, int64_t step, int32_t recovery) {
    struct command command = people_change_email(NEW_IDN, "new@example.org", true);
    command.as.change_email.totp_number = totp_number;
    command.as.change_email.totp_step = step;
    command.as.change_email.recovery = recovery;
    return command;
}

static void with_an_authenticator_a_password_is_changed_by_a_code_which_is_good_once(void **state) {
    struct given *customer = *state;
    given_totp(customer, 100);
    when(customer, people_change_password(true, 0));
    THEN_REFUSED(customer, REJECT_CODE_REQUIRED, "/code");
    when(customer, change_password_by(1, 100, 0)); /* it confirmed the authenticator */
    THEN(customer, EVENT_LOGIN_FAILED);
    THEN_ANSWERS(customer, "cmd_change", REJECT_LOGIN_REFUSED);
    when(customer, change_password_by(2, 101, 0)); /* of another authenticator */
    THEN(customer, EVENT_LOGIN_FAILED);
    when(customer, change_password_by(1, 101, 0));
    THEN(customer, EVENT_CUSTOMER_PASSWORD_CHANGED);
    assert_int_equal(made(customer, 0)->as.customer_password_changed.totp_step, 101);
    assert_int_equal(made(customer, 0)->as.customer_password_changed.recovery, 0);
    assert_int_equal(customer_of(customer)->totp_step, 101);
    struct command login = people_log_in(true);
    login.as.open_session.password_number = 2;
    login.as.open_session.totp_number = 1;
    login.as.open_session.totp_step = 101;
    when(customer, login);
    THEN(customer, EVENT_LOGIN_FAILED);
}

/* Whoever asked for it may be whom the authenticator is to keep out. */
static void a_change_of_address_that_was_asked_for_before_the_authenticator_is_asked_for_anew(void **state) {
    struct given *customer = *state;
    when(customer, people_change_email(NEW_IDN, "thief@example.org", true));
    THEN(customer, EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED);
    given_totp(customer, 100);
    when(customer, people_confirm_email(1));
    THEN_REFUSED(customer, REJECT_TOKEN_USED, "/token");
}

static void with_an_authenticator_an_address_is_changed_by_a_code_which_is_good_once(void **state) {
    struct given *customer = *state;
    given_totp(customer, 100);
    when(customer, people_change_email(NEW_IDN, "new@example.org", true));
    THEN_REFUSED(customer, REJECT_CODE_REQUIRED, "/code");
    when(customer, change_email_by(1, 0, 3));
    THEN(customer, EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED);
    assert_int_equal(made(customer, 0)->as.customer_email_change_requested.recovery, 3);
    assert_int_equal(made(customer, 0)->as.customer_email_change_requested.totp_step, 0);
    when(customer, change_email_by(1, 0, 3));
    THEN(customer, EVENT_LOGIN_FAILED);
    assert_true(made(customer, 0)->as.login_failed.within);
    when(customer, change_email_by(1, 101, 0));
    THEN(customer, EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED);
    when(customer, change_password_by(1, 101, 0));
    THEN(customer, EVENT_LOGIN_FAILED);
}

/* Whoever sends one without being asked is not held up by it. */
static void without_an_authenticator_a_code_says_nothing(void **state) {
    struct given *customer = *state;
    when(customer, people_begin_totp(true)); /* and not confirmed */
    when(customer, change_email_by(1, 100, 0));
    THEN(customer, EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED);
    assert_int_equal(made(customer, 0)->as.customer_email_change_requested.totp_step, 0);
    when(customer, change_password_by(0, -1, 0));
    THEN(customer, EVENT_CUSTOMER_PASSWORD_CHANGED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, verified_setup, customer_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_password_is_changed_and_every_session_ends_but_the_one_that_asks),
        TEST(a_password_is_not_changed_without_the_one_before),
        cmocka_unit_test(a_password_for_once_is_ones_own_when_it_was_changed),
        TEST(a_password_that_was_issued_is_good_for_one_change_until_its_time_is_over),
        TEST(nobody_is_issued_a_password_over_http),
        cmocka_unit_test(who_has_not_proved_his_mailbox_is_issued_none),
        TEST(a_reset_unlocks_and_ends_all_sessions),
        TEST(a_token_resets_once_and_within_an_hour),
        TEST(mails_that_anybody_can_ask_for_are_a_minute_apart_and_10_a_day),
        cmocka_unit_test(who_has_not_proved_his_mailbox_is_sent_what_proves_it),
        cmocka_unit_test(what_proves_a_mailbox_is_sent_10_times_a_day),
        cmocka_unit_test(of_who_is_no_customer_nothing_is_mailed),
        TEST(an_authenticator_is_begun_shown_and_ended),
        TEST(an_authenticator_is_neither_begun_nor_ended_without_the_password),
        TEST(another_secret_has_recovery_codes_of_its_own),
        TEST(a_recovery_code_ends_an_authenticator_that_was_lost),
        TEST(the_house_takes_away_an_authenticator_that_was_lost),
        TEST(a_stranger_who_locks_the_login_keeps_nobody_from_changing_his_password),
        TEST(who_guesses_within_a_session_is_locked_out_there_and_told),
        TEST(who_guesses_codes_is_not_let_off_for_proving_the_password),
        TEST(with_an_authenticator_a_password_is_changed_by_a_code_which_is_good_once),
        TEST(a_change_of_address_that_was_asked_for_before_the_authenticator_is_asked_for_anew),
        TEST(with_an_authenticator_an_address_is_changed_by_a_code_which_is_good_once),
        TEST(without_an_authenticator_a_code_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
