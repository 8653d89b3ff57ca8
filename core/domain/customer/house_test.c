/* Roles, lockouts, suspending, erasure, and what became of mails. */
#include "core/domain/customer/customer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/testing/people.h"
#include "gen/codec.h"

/* ---- roles ------------------------------------------------------------------------------------------------------- */

static struct role_grant admin_and_support[] = {{.role = {"admin", 5}}, {.role = {"support", 7}}};
static struct role_grant king[] = {{.role = {"king", 4}}};

static struct command set_roles(const char *actor, struct role_grant *roles, uint32_t count) {
    return (struct command){
        .type = COMMAND_SET_ROLES, .meta.actor = str_of_cstr(actor), .as.set_roles.roles = {roles, count, count}};
}

static void other_roles_end_the_sessions(void **state) {
    struct given *customer = *state;
    when(customer, people_log_in(true));
    when(customer, set_roles("admin:key_1", admin_and_support, 2));
    THEN(customer, EVENT_CUSTOMER_ROLES_CHANGED, EVENT_SESSIONS_ENDED);
    assert_int_equal(made(customer, 0)->as.customer_roles_changed.before.count, 0);
    assert_int_equal(customer_of(customer)->roles.count, 2);
    assert_str(made(customer, 1)->as.sessions_ended.reason, "roles_changed");
    when(customer, set_roles("admin:key_1", admin_and_support, 2));
    THEN_NOTHING(customer);
    when(customer, set_roles("admin:key_1", king, 1));
    THEN_REFUSED(customer, REJECT_UNKNOWN_ROLE, "/roles");
}

static void nobody_takes_the_admin_from_himself(void **state) {
    struct given *customer = *state;
    when(customer, set_roles("admin:key_1", admin_and_support, 2));
    when(customer, set_roles("admin:" CUS, &admin_and_support[1], 1));
    THEN_REFUSED(customer, REJECT_OWN_ROLE, "/roles");
    when(customer, set_roles("admin:" CUS, &admin_and_support[0], 1));
    THEN(customer, EVENT_CUSTOMER_ROLES_CHANGED);
    when(customer, set_roles("admin:cus_01J00000000000000000000009", NULL, 0));
    THEN(customer, EVENT_CUSTOMER_ROLES_CHANGED);
}

/* ---- lockouts ---------------------------------------------------------------------------------------------------- */

static const struct command unlock = {.type = COMMAND_UNLOCK_CUSTOMER, .meta.actor = {"support:key_1", 13}};

static void the_house_unlocks(void **state) {
    struct given *customer = *state;
    when(customer, unlock);
    THEN_NOTHING(customer);
    for (int i = 0; i < CUSTOMER_LOCK_AFTER; i++) {
        when(customer, people_log_in(false));
    }
    when(customer, unlock);
    THEN(customer, EVENT_CUSTOMER_UNLOCKED);
    when(customer, people_change_password(false, 0));
    when(customer, unlock);
    THEN(customer, EVENT_CUSTOMER_UNLOCKED);
    assert_int_equal(customer_of(customer)->proof_failures, 0);
    when(customer, people_log_in(true));
    THEN(customer, EVENT_SESSION_OPENED);
}

/* ---- suspending -------------------------------------------------------------------------------------------------- */

static struct command erase(const char *actor, bool proved) {
    return (struct command){.type = COMMAND_ERASE_CUSTOMER,
                            .meta = {.actor = str_of_cstr(actor), .command_id = STR("cmd_erase")},
                            .as.erase_customer = {.password_number = PASSWORD_NUMBER, .proved = proved}};
}

static struct command suspend_by(const char *actor) {
    return (struct command){.type = COMMAND_SUSPEND_CUSTOMER,
                            .meta.actor = str_of_cstr(actor),
                            .as.suspend_customer.reason = STR("left_the_company")};
}

static const struct command suspend = {.type = COMMAND_SUSPEND_CUSTOMER,
                                       .meta.actor = {"admin:key_1", 11},
                                       .as.suspend_customer.reason = {"left_the_company", 16}};
static const struct command reinstate = {.type = COMMAND_REINSTATE_CUSTOMER, .meta.actor = {"admin:key_1", 11}};

static void who_is_suspended_has_no_session_and_opens_none(void **state) {
    struct given *customer = *state;
    when(customer, people_log_in(true));
    when(customer, suspend);
    THEN(customer, EVENT_SESSIONS_ENDED, EVENT_CUSTOMER_SUSPENDED);
    assert_str(made(customer, 0)->as.sessions_ended.reason, "suspended");
    assert_int_equal(made(customer, 0)->as.sessions_ended.kept, 0);
    assert_str(made(customer, 1)->as.customer_suspended.reason, "left_the_company");
    assert_str(made(customer, 1)->as.customer_suspended.to.ciphertext, "ada@example.org");
    assert_int_equal(customer_of(customer)->status, CUSTOMER_STATUS_SUSPENDED);
    assert_int_equal(customer_of(customer)->suspended_at, customer->now_us);
    assert_str(customer_of(customer)->suspended_for, "left_the_company");
    when(customer, suspend);
    THEN_NOTHING(customer);
    struct command refresh = {.type = COMMAND_REFRESH_SESSION};
    refresh.as.refresh_session = (struct refresh_session){.session = 1, .generation = 1};
    when(customer, refresh);
    THEN_REFUSED(customer, REJECT_SESSION_ENDED, "");
}

/* What he or the house would do with him, save let him in, take his roles or erase him. */
static void nothing_else_is_done_with_who_is_suspended(void **state) {
    struct given *customer = *state;
    static const struct {
        uint16_t type;
        const char *actor;
    } rows[] = {
        {COMMAND_CHANGE_PROFILE, "customer:" CUS}, {COMMAND_PUT_ADDRESS, "customer:" CUS},
        {COMMAND_REMOVE_ADDRESS, "customer:" CUS}, {COMMAND_SET_CONSENT, "customer:" CUS},
        {COMMAND_CHANGE_EMAIL, "customer:" CUS},   {COMMAND_CHANGE_PASSWORD, "customer:" CUS},
        {COMMAND_END_SESSIONS, "customer:" CUS},   {COMMAND_BEGIN_TOTP, "customer:" CUS},
        {COMMAND_CONFIRM_TOTP, "customer:" CUS},   {COMMAND_END_TOTP, "customer:" CUS},
        {COMMAND_ERASE_CUSTOMER, "customer:" CUS}, {COMMAND_UNLOCK_CUSTOMER, "admin:key_1"},
        {COMMAND_REMOVE_TOTP, "admin:key_1"},      {COMMAND_ISSUE_PASSWORD, "system"},
    };
    when(customer, suspend);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        when(customer, (struct command){.type = rows[i].type, .meta.actor = str_of_cstr(rows[i].actor)});
        THEN_REFUSED(customer, REJECT_CUSTOMER_SUSPENDED, "");
    }
    when(customer, (struct command){.type = COMMAND_REQUEST_PASSWORD_RESET});
    THEN_NOTHING(customer);
}

/* As a wrong password does: nobody learns by logging in that there is such a customer. */
static void a_right_password_is_refused_to_the_suspended_as_a_wrong_one_is_and_written_down(void **state) {
    struct given *customer = *state;
    static const char *const whys[] = {"password", "suspended"};
    when(customer, suspend);
    for (int proved = 0; proved <= 1; proved++) {
        struct command command = people_log_in(proved);
        command.meta.command_id = STR("cmd_login");
        command.as.open_session.has_client = true;
        command.as.open_session.client = sealed_text("192.0.2.1");
        when(customer, command);
        THEN(customer, EVENT_LOGIN_FAILED);
        THEN_ANSWERS(customer, "cmd_login", REJECT_LOGIN_REFUSED);
        assert_str(made(customer, 0)->as.login_failed.why, whys[proved]);
        assert_str(made(customer, 0)->as.login_failed.client.ciphertext, "192.0.2.1");
    }
}

static void who_is_reinstated_logs_in_as_before(void **state) {
    struct given *customer = *state;
    when(customer, set_roles("admin:key_1", admin_and_support, 2));
    when(customer, reinstate);
    THEN_NOTHING(customer);
    when(customer, suspend);
    for (int i = 0; i < CUSTOMER_LOCK_AFTER; i++) {
        when(customer, people_log_in(true));
    }
    when(customer, reinstate);
    THEN(customer, EVENT_CUSTOMER_REINSTATED);
    assert_str(made(customer, 0)->as.customer_reinstated.to.ciphertext, "ada@example.org");
    assert_int_equal(customer_of(customer)->status, CUSTOMER_STATUS_ACTIVE);
    assert_int_equal(customer_of(customer)->suspended_at, 0);
    assert_int_equal(customer_of(customer)->roles.count, 2);
    when(customer, people_log_in(true));
    THEN(customer, EVENT_SESSION_OPENED);
}

/* A front that has not heard of it yet takes the token of who was suspended, or lost a role, for a moment. */
static void nobody_undoes_what_was_done_to_him(void **state) {
    struct given *customer = *state;
    struct command own = reinstate;
    own.meta.actor = STR("admin:" CUS);
    when(customer, own);
    THEN_REFUSED(customer, REJECT_OWN_ACCOUNT, "");
    when(customer, set_roles("admin:" CUS, admin_and_support, 2));
    THEN_REFUSED(customer, REJECT_OWN_ROLE, "/roles");
    static const uint16_t types[] = {COMMAND_UNLOCK_CUSTOMER, COMMAND_REMOVE_TOTP};
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        when(customer, (struct command){.type = types[i], .meta.actor = STR("admin:" CUS)});
        THEN_REFUSED(customer, REJECT_OWN_ACCOUNT, "");
    }
    when(customer, suspend);
    when(customer, own);
    THEN_REFUSED(customer, REJECT_OWN_ACCOUNT, "");
    assert_int_equal(customer_of(customer)->status, CUSTOMER_STATUS_SUSPENDED);
}

static void nobody_suspends_himself(void **state) {
    struct given *customer = *state;
    when(customer, suspend_by("admin:" CUS));
    THEN_REFUSED(customer, REJECT_OWN_ACCOUNT, "");
    when(customer, suspend_by("system"));
    THEN(customer, EVENT_CUSTOMER_SUSPENDED); /* there was no session to end */
}

static void who_never_proved_his_mailbox_is_not_suspended(void **state) {
    struct given *customer = *state; /* registered */
    when(customer, suspend);
    THEN_REFUSED(customer, REJECT_EMAIL_UNVERIFIED, "");
    when(customer, reinstate);
    THEN_REFUSED(customer, REJECT_EMAIL_UNVERIFIED, "");
}

/* Who robbed him may have asked for it. */
static void what_was_on_its_way_by_mail_is_good_for_nothing_after_a_suspension(void **state) {
    struct given *customer = *state;
    when(customer, (struct command){.type = COMMAND_REQUEST_PASSWORD_RESET});
    THEN(customer, EVENT_CUSTOMER_PASSWORD_RESET_REQUESTED);
    when(customer, people_change_email(NEW_IDN, "new@example.org", true));
    when(customer, people_confirm_email(1)); /* the claim is on its way: version 7 */
    THEN(customer, EVENT_CUSTOMER_VERIFICATION_PROVED);
    when(customer, suspend);
    when(customer, people_claimed(NEW_IDN, 7, true));
    THEN(customer, EVENT_CUSTOMER_CLAIM_REFUSED);
    SENT(customer, 0, COMMAND_RELEASE_IDENTITY, NEW_IDN);
    when(customer, reinstate);
    when(customer, people_reset_password(1));
    THEN_REFUSED(customer, REJECT_TOKEN_USED, "/token");
    when(customer, people_confirm_email(1));
    THEN_REFUSED(customer, REJECT_TOKEN_USED, "/token");
}

static void who_is_suspended_keeps_his_address(void **state) {
    struct given *customer = *state;
    when(customer, suspend);
    when(customer, people_claimed(IDN, 3, true)); /* a copy of the answer that he had */
    THEN_NOTHING(customer);
}

static void the_house_takes_roles_from_the_suspended_and_erases_them(void **state) {
    struct given *customer = *state;
    when(customer, set_roles("admin:key_1", admin_and_support, 2));
    when(customer, suspend);
    when(customer, set_roles("admin:key_1", NULL, 0));
    THEN(customer, EVENT_CUSTOMER_ROLES_CHANGED);
    when(customer, erase("customer:" CUS, true));
    THEN_REFUSED(customer, REJECT_CUSTOMER_SUSPENDED, "");
    when(customer, erase("admin:key_1", false));
    THEN(customer, EVENT_CUSTOMER_ERASURE_REQUESTED);
    assert_str(made(customer, 0)->as.customer_erasure_requested.identity, IDN);
    when(customer, reinstate);
    THEN_REFUSED(customer, REJECT_CUSTOMER_ERASING, "");
}

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

static void the_house_ends_all_sessions_of_somebody(void **state) {
    struct given *customer = *state;
    struct command end = {.type = COMMAND_END_SESSIONS, .meta.actor = STR("admin:key_1"), .as.end_sessions.kept = 1};
    when(customer, people_log_in(true));
    when(customer, end);
    THEN(customer, EVENT_SESSIONS_ENDED);
    assert_int_equal(made(customer, 0)->as.sessions_ended.kept, 0);
    assert_str(made(customer, 0)->as.sessions_ended.reason, "by_house");
    when(customer, end);
    THEN_NOTHING(customer);
    when(customer, suspend);
    when(customer, end);
    THEN_NOTHING(customer);
}

/* ---- erasure ----------------------------------------------------------------------------------------------------- */

static const struct command record_erasure = {.type = COMMAND_RECORD_ERASURE};

static bool find_sealed(void *context, struct sealed *sealed) {
    (void)context;
    (void)sealed;
    return false;
}

static void assert_holds_nothing_sealed(const struct given *customer) {
    struct customer_state state = *customer_of(customer);
    assert_true(customer_state_each_sealed(&state, find_sealed, NULL));
}

static void put_something(struct given *customer) {
    when(customer, (struct command){.type = COMMAND_PUT_ADDRESS, .as.put_address.address = sealed_text("{}")});
    THEN(customer, EVENT_CUSTOMER_ADDRESS_PUT);
    when(customer, people_change_email(NEW_IDN, "new@example.org", true));
    THEN(customer, EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED);
    when(customer, people_log_in(true));
    struct customer_state state = *customer_of(customer);
    assert_false(customer_state_each_sealed(&state, find_sealed, NULL));
}

static void who_asks_to_be_erased_is_and_told_when_it_is_done(void **state) {
    struct given *customer = *state;
    put_something(customer);
    when(customer, erase("customer:" CUS, true));
    THEN(customer, EVENT_SESSIONS_ENDED, EVENT_CUSTOMER_ERASURE_REQUESTED);
    THEN_ANSWERS_NOBODY(customer);
    const struct customer_erasure_requested *requested = &made(customer, 1)->as.customer_erasure_requested;
    assert_int_equal(requested->keys.count, 2);
    assert_str(requested->keys.items[0], "per_1");
    assert_str(requested->keys.items[1], "per_ada");
    assert_str(requested->identity, IDN);
    assert_true(requested->asked);
    THEN_SENDS(customer, 1);
    const struct command *release = SENT(customer, 0, COMMAND_RELEASE_IDENTITY, IDN);
    assert_int_equal(release->as.release_identity.claim, 3);
    assert_holds_nothing_sealed(customer);

    when(customer, record_erasure);
    THEN(customer, EVENT_CUSTOMER_ERASED);
    THEN_ANSWERS(customer, "cmd_erase", ACCEPTED);
    assert_int_equal(customer_of(customer)->status, CUSTOMER_STATUS_ERASED);
    when(customer, record_erasure);
    THEN_NOTHING(customer);
}

static void nobody_is_erased_by_who_does_not_know_his_password(void **state) {
    struct given *customer = *state;
    static const char *const actors[] = {"customer:" CUS, "admin:" CUS, "vendor:" CUS ":Acme"};
    for (size_t i = 0; i < ARRAY_LENGTH(actors); i++) {
        when(customer, erase(actors[i], false));
        THEN(customer, EVENT_LOGIN_FAILED);
        THEN_ANSWERS(customer, "cmd_erase", REJECT_LOGIN_REFUSED);
    }
    when(customer, record_erasure);
    THEN_REFUSED(customer, REJECT_UNKNOWN_CUSTOMER, "");
}

static void the_house_erases_without_a_password(void **state) {
    struct given *customer = *state;
    when(customer, erase("admin:key_1", false));
    THEN(customer, EVENT_CUSTOMER_ERASURE_REQUESTED); /* there was no session to end */
    when(customer, erase("admin:key_1", false));      /* its keys may still stand */
    THEN_REFUSED(customer, REJECT_CUSTOMER_ERASING, "");
}

/* Somebody else's orders may lie under the address's key. */
static void who_never_proved_his_mailbox_takes_his_own_key_alone_with_him(void **state) {
    struct given *customer = *state; /* registered */
    when(customer, erase("admin:key_1", false));
    THEN(customer, EVENT_CUSTOMER_ERASURE_REQUESTED);
    assert_int_equal(made(customer, 0)->as.customer_erasure_requested.keys.count, 1);
    assert_str(made(customer, 0)->as.customer_erasure_requested.keys.items[0], "per_1");
    assert_str(made(customer, 0)->as.customer_erasure_requested.identity, "");
    THEN_SENDS(customer, 0);
}

static void a_claim_that_is_granted_after_the_erasure_is_given_back(void **state) {
    struct given *customer = *state; /* registered */
    when(customer, people_verify(1, true));
    when(customer, erase("admin:key_1", false));
    struct command command = people_claimed(IDN, 3, true);
    command.meta.correlation_id = STR("cmd_verify");
    when(customer, command);
    THEN(customer, EVENT_CUSTOMER_CLAIM_REFUSED);
    assert_int_equal(SENT(customer, 0, COMMAND_RELEASE_IDENTITY, IDN)->as.release_identity.claim, 3);
    THEN_ANSWERS(customer, "cmd_verify", REJECT_TOKEN_USED);
}

/* The claim was answered long ago, and given back; a copy of it comes late. */
static void a_copy_of_his_claim_does_not_keep_the_address_for_the_erased(void **state) {
    struct given *customer = *state; /* verified */
    when(customer, erase("admin:key_1", false));
    when(customer, people_claimed(IDN, 3, true));
    THEN(customer, EVENT_CUSTOMER_CLAIM_REFUSED);
    assert_int_equal(SENT(customer, 0, COMMAND_RELEASE_IDENTITY, IDN)->as.release_identity.claim, 3);
}

static void also_when_all_is_over(void **state) {
    struct given *customer = *state; /* registered */
    when(customer, people_verify(1, true));
    when(customer, erase("admin:key_1", false));
    when(customer, record_erasure);
    when(customer, people_claimed(IDN, 3, true));
    THEN(customer, EVENT_CUSTOMER_CLAIM_REFUSED);
    SENT(customer, 0, COMMAND_RELEASE_IDENTITY, IDN);
    assert_int_equal(customer_of(customer)->status, CUSTOMER_STATUS_ERASED);
}

static void fire(struct given *customer) {
    struct command command = {0};
    customer->aggregate->on_deadline(customer->state, &command);
    when(customer, command);
}

static void a_registration_that_nobody_proves_ends_after_a_week(void **state) {
    struct given *customer = *state; /* registered */
    int64_t deadline_us = customer->aggregate->deadline_us(customer->state);
    assert_int_equal(deadline_us - customer_of(customer)->created_at, (int64_t)CUSTOMER_REGISTRATION_S * 1000000);
    fire(customer);
    THEN(customer, EVENT_CUSTOMER_ERASURE_REQUESTED);
    assert_false(made(customer, 0)->as.customer_erasure_requested.asked);
    assert_int_equal(customer->aggregate->deadline_us(customer->state), 0);
    when(customer, record_erasure);
    THEN(customer, EVENT_CUSTOMER_ERASED);
    THEN_ANSWERS_NOBODY(customer);
}

static void one_that_was_proved_does_not(void **state) {
    struct given *customer = *state; /* verified */
    assert_int_equal(customer->aggregate->deadline_us(customer->state), 0);
    fire(customer);
    THEN_NOTHING(customer);
}

static struct str who_may(uint16_t command_type) {
    bool is_of_house = command_type == COMMAND_SET_ROLES || command_type == COMMAND_UNLOCK_CUSTOMER ||
                       command_type == COMMAND_SUSPEND_CUSTOMER || command_type == COMMAND_REINSTATE_CUSTOMER ||
                       command_type == COMMAND_REMOVE_TOTP;
    return is_of_house                             ? STR("admin:key_1")
           : command_type == COMMAND_CONFIRM_EMAIL ? STR("customer:" CUS)
                                                   : STR("anonymous");
}

/* Every command there is, save what records that it is done, and claims. */
static void check_all_refused(struct given *customer, enum rejection by_name) {
    static const struct {
        uint16_t type;
        enum rejection refusal; /* REJECTION_COUNT: by_name */
    } commands[] = {
        {COMMAND_REGISTER_CUSTOMER, REJECT_ALREADY_EXISTS},
        {COMMAND_VERIFY_CUSTOMER, REJECT_TOKEN_USED},
        {COMMAND_CHANGE_PROFILE, REJECTION_COUNT},
        {COMMAND_PUT_ADDRESS, REJECTION_COUNT},
        {COMMAND_REMOVE_ADDRESS, REJECTION_COUNT},
        {COMMAND_SET_CONSENT, REJECTION_COUNT},
        {COMMAND_CHANGE_EMAIL, REJECTION_COUNT},
        {COMMAND_CONFIRM_EMAIL, REJECT_TOKEN_USED},
        {COMMAND_RESET_PASSWORD, REJECT_TOKEN_USED},
        {COMMAND_CHANGE_PASSWORD, REJECTION_COUNT},
        {COMMAND_OPEN_SESSION, REJECT_LOGIN_REFUSED},
        {COMMAND_REFRESH_SESSION, REJECT_SESSION_ENDED},
        {COMMAND_END_SESSION, REJECTION_COUNT},
        {COMMAND_END_SESSIONS, REJECTION_COUNT},
        {COMMAND_BEGIN_TOTP, REJECTION_COUNT},
        {COMMAND_CONFIRM_TOTP, REJECTION_COUNT},
        {COMMAND_END_TOTP, REJECTION_COUNT},
        {COMMAND_SET_ROLES, REJECTION_COUNT},
        {COMMAND_UNLOCK_CUSTOMER, REJECTION_COUNT},
        {COMMAND_SUSPEND_CUSTOMER, REJECTION_COUNT},
        {COMMAND_REINSTATE_CUSTOMER, REJECTION_COUNT},
        {COMMAND_REMOVE_TOTP, REJECTION_COUNT},
        {COMMAND_ERASE_CUSTOMER, REJECTION_COUNT},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        struct command command = {.type = commands[i].type};
        command.meta.actor = who_may(command.type);
        if (command.type == COMMAND_REFRESH_SESSION) {
            command.as.refresh_session.session = command.as.refresh_session.generation = 1;
        } else if (command.type == COMMAND_END_SESSION) {
            command.as.end_session.session = 1;
        }
        (void)when(customer, command);
        enum rejection expected = commands[i].refusal == REJECTION_COUNT ? by_name : commands[i].refusal;
        if (customer->rejection != expected) {
            fail_msg("%s: %d", command_name(command.type), (int)customer->rejection);
        }
    }
    when(customer, (struct command){.type = COMMAND_REQUEST_PASSWORD_RESET});
    THEN_NOTHING(customer);
}

static void nothing_is_done_with_who_is_being_erased(void **state) {
    struct given *customer = *state;
    put_something(customer);
    when(customer, erase("admin:key_1", false));
    check_all_refused(customer, REJECT_CUSTOMER_ERASING);
    assert_holds_nothing_sealed(customer);
}

static void nor_with_who_was(void **state) {
    struct given *customer = *state;
    put_something(customer);
    when(customer, erase("admin:key_1", false));
    when(customer, record_erasure);
    check_all_refused(customer, REJECT_UNKNOWN_CUSTOMER);
    when(customer, erase("admin:key_1", false));
    THEN_REFUSED(customer, REJECT_UNKNOWN_CUSTOMER, "");
    assert_holds_nothing_sealed(customer);
}

/* ---- mails ------------------------------------------------------------------------------------------------------- */

static struct command mailed(const char *result) {
    return (struct command){.type = COMMAND_RECORD_MAIL,
                            .as.record_mail = {.cause = STR("evt_1"),
                                               .template = STR("verify"),
                                               .result = str_of_cstr(result),
                                               .code = STR("250"),
                                               .attempt = 1}};
}

static void what_became_of_a_mail_is_written_down_until_the_person_is_erased(void **state) {
    struct given *customer = *state; /* registered */
    when(customer, mailed("sent"));
    THEN(customer, EVENT_CUSTOMER_MAILED);
    assert_str(made(customer, 0)->as.customer_mailed.cause, "evt_1");
    when(customer, erase("admin:key_1", false));
    when(customer, mailed("erased"));
    THEN(customer, EVENT_CUSTOMER_MAILED);
    when(customer, record_erasure);
    when(customer, mailed("sent"));
    THEN_REFUSED(customer, REJECT_UNKNOWN_CUSTOMER, "");
}

/* Its text quotes addresses. */
static void of_what_a_mail_server_says_three_digits_are_written_down(void **state) {
    struct given *customer = *state; /* registered */
    static const char *const texts[] = {"550 ada@example.org is unknown", "5.1.1", "55", "5501", "55a", "\"550"};
    struct command command = mailed("failed");
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        command.as.record_mail.code = str_of_cstr(texts[i]);
        when(customer, command);
        THEN_REFUSED(customer, REJECT_MALFORMED_COMMAND, "");
    }
    command.as.record_mail.code = STR("");
    when(customer, command);
    THEN(customer, EVENT_CUSTOMER_MAILED);
}

#define TEST(name, begin) cmocka_unit_test_setup_teardown(name, begin, customer_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(other_roles_end_the_sessions, verified_setup),
        TEST(nobody_takes_the_admin_from_himself, verified_setup),
        TEST(the_house_unlocks, verified_setup),
        TEST(who_is_suspended_has_no_session_and_opens_none, verified_setup),
        TEST(nothing_else_is_done_with_who_is_suspended, verified_setup),
        TEST(a_right_password_is_refused_to_the_suspended_as_a_wrong_one_is_and_written_down, verified_setup),
        TEST(who_is_reinstated_logs_in_as_before, verified_setup),
        TEST(nobody_suspends_himself, verified_setup),
        TEST(nobody_undoes_what_was_done_to_him, verified_setup),
        TEST(who_never_proved_his_mailbox_is_not_suspended, registered_setup),
        TEST(what_was_on_its_way_by_mail_is_good_for_nothing_after_a_suspension, verified_setup),
        TEST(who_is_suspended_keeps_his_address, verified_setup),
        TEST(the_house_takes_roles_from_the_suspended_and_erases_them, verified_setup),
        TEST(the_house_ends_all_sessions_of_somebody, verified_setup),
        TEST(who_asks_to_be_erased_is_and_told_when_it_is_done, verified_setup),
        TEST(nobody_is_erased_by_who_does_not_know_his_password, verified_setup),
        TEST(the_house_erases_without_a_password, verified_setup),
        TEST(who_never_proved_his_mailbox_takes_his_own_key_alone_with_him, registered_setup),
        TEST(a_claim_that_is_granted_after_the_erasure_is_given_back, registered_setup),
        TEST(a_copy_of_his_claim_does_not_keep_the_address_for_the_erased, verified_setup),
        TEST(also_when_all_is_over, registered_setup),
        TEST(a_registration_that_nobody_proves_ends_after_a_week, registered_setup),
        TEST(one_that_was_proved_does_not, verified_setup),
        TEST(nothing_is_done_with_who_is_being_erased, verified_setup),
        TEST(nor_with_who_was, verified_setup),
        TEST(what_became_of_a_mail_is_written_down_until_the_person_is_erased, registered_setup),
        TEST(of_what_a_mail_server_says_three_digits_are_written_down, registered_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
