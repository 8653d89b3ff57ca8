/* Logging in, refreshing and logging out: who is locked out when, and which token is good. */
#include "core/domain/customer/customer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/testing/people.h"
#include "gen/codec.h"

#define DAY_S (24 * 3600)

static bool has_factor(struct given *customer, int32_t number) {
    return customer_session_has_factor(customer_of(customer), number);
}

static const struct session_state *session(struct given *customer, const char *number) {
    return given_part_state(customer, str_of_cstr(number));
}

/* ---- what it replaces -------------------------------------------------------------------------------------------- */

static struct command log_in_instead_of(int32_t session) {
    struct command command = people_log_in(true);
    command.as.open_session.replaces = session;
    return command;
}

static void who_logs_in_where_he_had_a_session_has_another_and_the_first_ends(void **state) {
    struct given *customer = *state;
    when(customer, people_log_in(true)); /* 1 */
    when(customer, people_log_in(true)); /* 2, elsewhere */
    struct command command = log_in_instead_of(1);
    command.meta.command_id = STR("cmd_login");
    when(customer, command);
    THEN(customer, EVENT_SESSION_ENDED, EVENT_SESSION_OPENED);
    THEN_ANSWERS(customer, "cmd_login", ACCEPTED);
    assert_int_equal(made(customer, 0)->as.session_ended.session, 1);
    assert_str(made(customer, 0)->as.session_ended.reason, "replaced");
    assert_int_equal(made(customer, 1)->as.session_opened.session, 3);
    assert_int_equal(session(customer, "1")->status, SESSION_STATUS_ENDED);
    assert_int_equal(session(customer, "2")->status, SESSION_STATUS_OPEN);
    assert_int_equal(session(customer, "3")->status, SESSION_STATUS_OPEN);
    assert_int_equal(customer_of(customer)->touched_session, 3);
}

static void a_session_that_is_over_or_is_none_is_not_replaced(void **state) {
    struct given *customer = *state;
    when(customer, people_log_in(true));
    when(customer, log_in_instead_of(9));
    THEN(customer, EVENT_SESSION_OPENED); /* 2 */
    when(customer, log_in_instead_of(1));
    when(customer, log_in_instead_of(1)); /* it has ended */
    THEN(customer, EVENT_SESSION_OPENED); /* 4 */
    when(customer, (struct command){.type = COMMAND_END_SESSIONS, .as.end_sessions.kept = 4});
    when(customer, log_in_instead_of(2)); /* with all others */
    THEN(customer, EVENT_SESSION_OPENED);
}

static void who_proves_nothing_ends_nothing(void **state) {
    struct given *customer = *state;
    when(customer, people_log_in(true));
    struct command command = log_in_instead_of(1);
    command.as.open_session.proved = false;
    when(customer, command);
    THEN(customer, EVENT_LOGIN_FAILED);
    assert_int_equal(session(customer, "1")->status, SESSION_STATUS_OPEN);
}

/* ---- by what it was opened --------------------------------------------------------------------------------------- */

static void a_session_has_a_factor_when_it_was_opened_by_a_code_of_the_authenticator_that_is_on(void **state) {
    struct given *customer = *state;
    struct command login = people_log_in(true);
    when(customer, login); /* 1 */
    when(customer, people_begin_totp(true));
    when(customer, login); /* 2 */
    assert_false(has_factor(customer, 2));
    when(customer, people_confirm_totp(1, 100));
    THEN(customer, EVENT_CUSTOMER_TOTP_ENABLED);
    assert_false(has_factor(customer, 1) || has_factor(customer, 2));
    login.as.open_session.totp_number = 1;
    login.as.open_session.totp_step = 101;
    when(customer, login); /* 3 */
    THEN(customer, EVENT_SESSION_OPENED);
    assert_true(has_factor(customer, 3));
    assert_false(has_factor(customer, 2));
    when(customer, people_end_totp(true, 1, 102));
    THEN(customer, EVENT_CUSTOMER_TOTP_ENDED);
    assert_false(has_factor(customer, 3));
    given_totp(customer, 200);
    assert_false(has_factor(customer, 3)); /* by a code of the one before */
    login.as.open_session.totp_number = 2;
    login.as.open_session.totp_step = 0;
    login.as.open_session.recovery = 1;
    when(customer, login); /* 4 */
    THEN(customer, EVENT_SESSION_OPENED);
    assert_true(has_factor(customer, 4));
}

/* ---- logging in -------------------------------------------------------------------------------------------------- */

static void a_right_password_opens_a_session(void **state) {
    struct given *customer = *state;
    struct command command = people_log_in(true);
    command.meta.command_id = STR("cmd_login");
    command.as.open_session.has_client = true;
    command.as.open_session.client = sealed_text("192.0.2.1");
    when(customer, command);
    THEN(customer, EVENT_SESSION_OPENED);
    THEN_ANSWERS(customer, "cmd_login", ACCEPTED);
    const struct session_opened *opened = &made(customer, 0)->as.session_opened;
    assert_int_equal(opened->session, 1);
    assert_str(opened->method, "password");
    assert_str(opened->client.ciphertext, "192.0.2.1");
    assert_int_equal(opened->expires_at - customer->now_us, (int64_t)CUSTOMER_SESSION_IDLE_S * 1000000);
    assert_int_equal(session(customer, "1")->status, SESSION_STATUS_OPEN);
    assert_int_equal(session(customer, "1")->generation, 1);
    const struct customer_state *now = customer_of(customer); /* what the answer's tokens are made of */
    assert_int_equal(now->touched_session, 1);
    assert_int_equal(now->touched_generation, 1);
    assert_int_equal(now->touched_at, customer->now_us);
    assert_int_equal(now->touched_expires_at, opened->expires_at);
    when(customer, people_log_in(true));
    assert_int_equal(made(customer, 0)->as.session_opened.session, 2);
}

static void a_wrong_password_is_counted_and_refused(void **state) {
    struct given *customer = *state;
    struct command command = people_log_in(false);
    command.meta.command_id = STR("cmd_login");
    command.as.open_session.has_client = true;
    command.as.open_session.client = sealed_text("192.0.2.1");
    when(customer, command);
    THEN(customer, EVENT_LOGIN_FAILED);
    THEN_ANSWERS(customer, "cmd_login", REJECT_LOGIN_REFUSED);
    assert_str(made(customer, 0)->as.login_failed.client.ciphertext, "192.0.2.1");
    assert_int_equal(customer_of(customer)->sessions_opened, 0);
}

static void right_opens_nothing_while_locked_and_counts_from_nought_after(void **state) {
    struct given *customer = *state;
    for (int i = 0; i < CUSTOMER_LOCK_AFTER; i++) {
        when(customer, people_log_in(false));
        THEN(customer, EVENT_LOGIN_FAILED);
    }
    when(customer, people_log_in(false));
    THEN_REFUSED(customer, REJECT_LOGIN_REFUSED, "");
    when(customer, people_log_in(true));
    THEN_REFUSED(customer, REJECT_LOGIN_REFUSED, "");
    wait_s(customer, CUSTOMER_LOCK_FIRST_S);
    when(customer, people_log_in(true));
    THEN(customer, EVENT_SESSION_OPENED);
    assert_int_equal(customer_of(customer)->failures, 0);
    when(customer, people_log_in(false));
    assert_int_equal(made(customer, 0)->as.login_failed.failures, 1);
}

/* The front compared it with the verifier of before: two requests crossed. */
static void a_password_that_was_changed_meanwhile_opens_nothing(void **state) {
    struct given *customer = *state;
    when(customer, people_change_password(true, 0));
    when(customer, people_log_in(true));
    THEN(customer, EVENT_LOGIN_FAILED);
    assert_str(made(customer, 0)->as.login_failed.why, "changed");
}

static void a_verifier_of_another_cost_is_made_anew(void **state) {
    struct given *customer = *state;
    struct command command = people_log_in(true);
    command.as.open_session.has_rehashed = true;
    command.as.open_session.rehashed = sealed_text("verifier 1 of today's cost");
    when(customer, command);
    THEN(customer, EVENT_CUSTOMER_PASSWORD_REHASHED, EVENT_SESSION_OPENED);
    assert_str(customer_of(customer)->password.ciphertext, "verifier 1 of today's cost");
    assert_int_equal(customer_of(customer)->password_number, 1);
}

static void who_is_no_customer_is_refused_like_a_wrong_password(void **state) {
    (void)state;
    struct given customer;
    given_begin(&customer, STR(CUS));
    when(&customer, people_log_in(false));
    THEN_REFUSED(&customer, REJECT_LOGIN_REFUSED, "");
    when(&customer, people_log_in(true));
    THEN_REFUSED(&customer, REJECT_LOGIN_REFUSED, "");
    given_end(&customer);
}

/* Nobody learns by logging in whether somebody else has an address. */
static void who_has_not_proved_his_mailbox_is_refused_like_a_wrong_password(void **state) {
    (void)state;
    struct given customer;
    given_registered(&customer);
    when(&customer, people_log_in(false));
    THEN(&customer, EVENT_LOGIN_FAILED);
    when(&customer, people_log_in(true));
    THEN_REFUSED(&customer, REJECT_LOGIN_REFUSED, "");
    given_end(&customer);
}

/* ---- codes ------------------------------------------------------------------------------------------------------- */

static struct command log_in_by(int64_t step, int32_t recovery) {
    struct command command = people_log_in(true);
    command.as.open_session.totp_number = 1;
    command.as.open_session.totp_step = step;
    command.as.open_session.recovery = recovery;
    return command;
}

static void a_code_is_asked_for_and_good_once(void **state) {
    struct given *customer = *state;
    given_totp(customer, 100);
    when(customer, people_log_in(true));
    THEN_REFUSED(customer, REJECT_CODE_REQUIRED, "/code");
    when(customer, log_in_by(100, 0)); /* the one that was shown when it began */
    THEN(customer, EVENT_LOGIN_FAILED);
    assert_str(made(customer, 0)->as.login_failed.why, "code");
    when(customer, log_in_by(-1, 0));
    THEN(customer, EVENT_LOGIN_FAILED);
    when(customer, log_in_by(101, 0));
    THEN(customer, EVENT_SESSION_OPENED);
    assert_str(made(customer, 0)->as.session_opened.method, "totp");
    when(customer, log_in_by(101, 0));
    THEN(customer, EVENT_LOGIN_FAILED);
    when(customer, log_in_by(102, 0));
    THEN(customer, EVENT_SESSION_OPENED);
}

static void a_recovery_code_is_good_once(void **state) {
    struct given *customer = *state;
    given_totp(customer, 100);
    when(customer, log_in_by(0, 3));
    THEN(customer, EVENT_SESSION_OPENED);
    assert_str(made(customer, 0)->as.session_opened.method, "recovery");
    when(customer, log_in_by(0, 3));
    THEN(customer, EVENT_LOGIN_FAILED);
    when(customer, log_in_by(0, CUSTOMER_RECOVERY_CODES));
    THEN(customer, EVENT_SESSION_OPENED);
    when(customer, log_in_by(0, CUSTOMER_RECOVERY_CODES + 1)); /* there is none */
    THEN_REFUSED(customer, REJECT_CODE_REQUIRED, "/code");
}

/* The front compared it with the secret of before: two requests crossed. */
static void a_code_of_another_authenticator_is_a_wrong_one(void **state) {
    struct given *customer = *state;
    given_totp(customer, 100);
    const struct command commands[] = {log_in_by(101, 0), log_in_by(0, 1)};
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        struct command command = commands[i];
        command.as.open_session.totp_number = 2;
        when(customer, command);
        THEN(customer, EVENT_LOGIN_FAILED);
        assert_str(made(customer, 0)->as.login_failed.why, "code");
    }
}

/* A history from elsewhere. */
static void a_recovery_code_that_there_is_not_marks_none(void **state) {
    struct given *customer = *state;
    given_totp(customer, 100);
    static const int32_t numbers[] = {CUSTOMER_RECOVERY_CODES + 1, 33, -1};
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        given(customer,
              (struct event){
                  .type = EVENT_SESSION_OPENED,
                  .as.session_opened = {.session = 1 + (int32_t)i, .method = STR("recovery"), .recovery = numbers[i]}});
        assert_int_equal(customer_of(customer)->recovery_used, 0);
    }
}

static void a_login_forgets_all_failures(void **state) {
    struct given *customer = *state;
    when(customer, people_log_in(false));
    when(customer, people_change_password(false, 0));
    when(customer, people_log_in(true));
    THEN(customer, EVENT_SESSION_OPENED);
    assert_int_equal(customer_of(customer)->failures, 0);
    assert_int_equal(customer_of(customer)->proof_failures, 0);
}

static void codes_that_are_wrong_lock_as_passwords_do(void **state) {
    struct given *customer = *state;
    given_totp(customer, 100);
    for (int i = 0; i < CUSTOMER_LOCK_AFTER; i++) {
        when(customer, log_in_by(-1, 0));
        THEN(customer, EVENT_LOGIN_FAILED);
    }
    when(customer, log_in_by(200, 0));
    THEN_REFUSED(customer, REJECT_LOGIN_REFUSED, "");
}

/* ---- refreshing -------------------------------------------------------------------------------------------------- */

static struct command refresh(int32_t number, int32_t generation) {
    return (struct command){.type = COMMAND_REFRESH_SESSION,
                            .as.refresh_session = {.session = number, .generation = generation}};
}

static struct command end_session(int32_t number) {
    return (struct command){.type = COMMAND_END_SESSION,
                            .as.end_session = {.session = number, .reason = STR("request")}};
}

static struct command end_sessions(int32_t kept) {
    return (struct command){.type = COMMAND_END_SESSIONS, .as.end_sessions.kept = kept};
}

static void tokens_are_good_one_after_the_other(void **state) {
    struct given *customer = *state;
    when(customer, people_log_in(true));
    struct command command = refresh(1, 1);
    command.meta.command_id = STR("cmd_refresh");
    when(customer, command);
    THEN(customer, EVENT_SESSION_REFRESHED);
    THEN_ANSWERS(customer, "cmd_refresh", ACCEPTED);
    assert_int_equal(made(customer, 0)->as.session_refreshed.generation, 2);
    assert_int_equal(customer_of(customer)->touched_generation, 2);
    assert_int_equal(session(customer, "1")->generation, 2);
    when(customer, refresh(1, 2));
    assert_int_equal(made(customer, 0)->as.session_refreshed.generation, 3);
}

static void an_older_token_that_comes_back_ends_the_session(void **state) {
    struct given *customer = *state;
    when(customer, people_log_in(true));
    when(customer, people_log_in(true));
    when(customer, refresh(1, 1));
    struct command command = refresh(1, 1);
    command.meta.command_id = STR("cmd_thief");
    when(customer, command);
    THEN(customer, EVENT_SESSION_ENDED);
    THEN_ANSWERS(customer, "cmd_thief", REJECT_SESSION_ENDED);
    assert_str(made(customer, 0)->as.session_ended.reason, "reused");
    assert_true(made(customer, 0)->as.session_ended.has_to);
    when(customer, refresh(1, 2)); /* the newer one, whosever it is */
    THEN_REFUSED(customer, REJECT_SESSION_ENDED, "");
    when(customer, refresh(1, 1));
    THEN_REFUSED(customer, REJECT_SESSION_ENDED, "");
    when(customer, refresh(2, 1)); /* another session goes on */
    THEN(customer, EVENT_SESSION_REFRESHED);
}

static void a_token_that_was_never_given_out_is_refused(void **state) {
    struct given *customer = *state;
    when(customer, people_log_in(true));
    const struct command commands[] = {refresh(1, 2), refresh(1, 0), refresh(1, -1), refresh(2, 1)};
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        when(customer, commands[i]);
        THEN_REFUSED(customer, REJECT_SESSION_ENDED, "");
    }
    when(customer, refresh(0, 1)); /* a session without a number */
    THEN_REFUSED(customer, REJECT_MALFORMED_COMMAND, "");
    when(customer, refresh(1, 1));
    THEN(customer, EVENT_SESSION_REFRESHED);
}

static void a_session_lasts_14_days_unrefreshed(void **state) {
    struct given *customer = *state;
    when(customer, people_log_in(true));
    wait_s(customer, 14 * DAY_S - 2);
    when(customer, refresh(1, 1));
    THEN(customer, EVENT_SESSION_REFRESHED);
    wait_s(customer, 14 * DAY_S - 1);
    when(customer, refresh(1, 2));
    THEN_REFUSED(customer, REJECT_SESSION_ENDED, "");
}

static void a_session_lasts_30_days_in_all(void **state) {
    struct given *customer = *state;
    when(customer, people_log_in(true));
    int64_t opened_at = customer->now_us;
    for (int32_t generation = 1; generation <= 2; generation++) {
        wait_s(customer, 13 * DAY_S);
        when(customer, refresh(1, generation));
        THEN(customer, EVENT_SESSION_REFRESHED);
    }
    assert_int_equal(made(customer, 0)->as.session_refreshed.expires_at, opened_at + (int64_t)30 * DAY_S * 1000000);
    customer->now_us = opened_at + (int64_t)30 * DAY_S * 1000000 - 1000000;
    when(customer, refresh(1, 3));
    THEN_REFUSED(customer, REJECT_SESSION_ENDED, "");
}

/* There is one of these each few minutes, and it is kept for two days. */
static void an_answer_with_tokens_shows_neither_addresses_nor_consents(void **state) {
    struct given *customer = *state;
    when(customer, (struct command){.type = COMMAND_PUT_ADDRESS, .as.put_address.address = sealed_text("{}")});
    when(customer, (struct command){.type = COMMAND_SET_CONSENT,
                                    .as.set_consent = {.purpose = STR("newsletter"), .granted = true}});
    struct command commands[] = {people_log_in(true), refresh(1, 1)};
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        commands[i].meta.command_id = STR("cmd_tokens");
        when(customer, commands[i]);
        assert_true(THEN_ANSWERS(customer, "cmd_tokens", ACCEPTED)->is_brief);
    }
    struct buf shown;
    buf_init(&shown, 4096);
    customer_aggregate.state_encode_brief(&shown, customer->state);
    struct customer_state state_shown;
    assert_true(customer_state_decode(&customer->arena, buf_text(&shown), &state_shown));
    assert_int_equal(state_shown.addresses.count, 0);
    assert_int_equal(state_shown.consents.count, 0);
    assert_int_equal(state_shown.touched_session, 1);
    assert_int_equal(state_shown.touched_generation, 2);
    assert_str(state_shown.email.ciphertext, "ada@example.org");
    assert_int_equal(customer_of(customer)->addresses.count, 1);
    buf_release(&shown);
}

/* ---- logging out ------------------------------------------------------------------------------------------------- */

static void a_session_that_was_ended_is_not_refreshed(void **state) {
    struct given *customer = *state;
    when(customer, people_log_in(true));
    when(customer, end_session(1));
    THEN(customer, EVENT_SESSION_ENDED);
    THEN_ANSWERS_NOBODY(customer);
    assert_false(made(customer, 0)->as.session_ended.has_to);
    when(customer, end_session(1));
    THEN_NOTHING(customer);
    when(customer, refresh(1, 1));
    THEN_REFUSED(customer, REJECT_SESSION_ENDED, "");
    when(customer, end_session(2));
    THEN_REFUSED(customer, REJECT_SESSION_ENDED, "");
    when(customer, end_session(0));
    THEN_REFUSED(customer, REJECT_MALFORMED_COMMAND, "");
}

static void all_sessions_end_save_the_one_that_is_kept(void **state) {
    struct given *customer = *state;
    when(customer, people_log_in(true));
    when(customer, people_log_in(true));
    when(customer, end_sessions(2));
    THEN(customer, EVENT_SESSIONS_ENDED);
    assert_int_equal(made(customer, 0)->as.sessions_ended.before, 3);
    when(customer, refresh(1, 1));
    THEN_REFUSED(customer, REJECT_SESSION_ENDED, "");
    when(customer, refresh(2, 1));
    THEN(customer, EVENT_SESSION_REFRESHED);
    when(customer, end_sessions(2));
    THEN_NOTHING(customer);
    when(customer, people_log_in(true));
    when(customer, refresh(3, 1));
    THEN(customer, EVENT_SESSION_REFRESHED);
    when(customer, end_sessions(0));
    THEN(customer, EVENT_SESSIONS_ENDED);
    when(customer, refresh(2, 2));
    THEN_REFUSED(customer, REJECT_SESSION_ENDED, "");
    when(customer, refresh(3, 2));
    THEN_REFUSED(customer, REJECT_SESSION_ENDED, "");
}

/* Its own state still says that it is open: it was ended with all others. */
static void a_session_that_was_ended_with_all_others_is_not_brought_back_by_being_kept(void **state) {
    struct given *customer = *state;
    when(customer, people_log_in(true));
    when(customer, people_log_in(true));
    when(customer, end_sessions(2));
    when(customer, end_sessions(1));
    THEN(customer, EVENT_SESSIONS_ENDED);
    assert_int_equal(made(customer, 0)->as.sessions_ended.kept, 0);
    when(customer, refresh(1, 1));
    THEN_REFUSED(customer, REJECT_SESSION_ENDED, "");
    when(customer, end_sessions(7)); /* nor is one that there is not yet */
    THEN_NOTHING(customer);
    when(customer, end_session(1));
    THEN_NOTHING(customer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, verified_setup, customer_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_session_has_a_factor_when_it_was_opened_by_a_code_of_the_authenticator_that_is_on),
        TEST(who_logs_in_where_he_had_a_session_has_another_and_the_first_ends),
        TEST(a_session_that_is_over_or_is_none_is_not_replaced),
        TEST(who_proves_nothing_ends_nothing),
        TEST(a_right_password_opens_a_session),
        TEST(a_wrong_password_is_counted_and_refused),
        TEST(right_opens_nothing_while_locked_and_counts_from_nought_after),
        TEST(a_password_that_was_changed_meanwhile_opens_nothing),
        TEST(a_verifier_of_another_cost_is_made_anew),
        cmocka_unit_test(who_is_no_customer_is_refused_like_a_wrong_password),
        cmocka_unit_test(who_has_not_proved_his_mailbox_is_refused_like_a_wrong_password),
        TEST(a_code_is_asked_for_and_good_once),
        TEST(a_recovery_code_is_good_once),
        TEST(a_code_of_another_authenticator_is_a_wrong_one),
        TEST(a_recovery_code_that_there_is_not_marks_none),
        TEST(a_login_forgets_all_failures),
        TEST(codes_that_are_wrong_lock_as_passwords_do),
        TEST(an_answer_with_tokens_shows_neither_addresses_nor_consents),
        TEST(tokens_are_good_one_after_the_other),
        TEST(an_older_token_that_comes_back_ends_the_session),
        TEST(a_token_that_was_never_given_out_is_refused),
        TEST(a_session_lasts_14_days_unrefreshed),
        TEST(a_session_lasts_30_days_in_all),
        TEST(a_session_that_was_ended_is_not_refreshed),
        TEST(all_sessions_end_save_the_one_that_is_kept),
        TEST(a_session_that_was_ended_with_all_others_is_not_brought_back_by_being_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
