/* The oracle: what is wrong with people is found in a run in which just that is wrong. */
#include "core/testing/simulator/oracle_scene.h"

#define ADA STR("cus_01ARZ3NDEKTSV4RRFFQ69G5FA1")
#define BOB STR("cus_01ARZ3NDEKTSV4RRFFQ69G5FA2")
#define IDN STR("idn_01ARZ3NDEKTSV4RRFFQ69G5FA3")
#define OTHER STR("idn_01ARZ3NDEKTSV4RRFFQ69G5FA4")

static void happens(struct str stream, uint16_t type) {
    scene_event(stream, STR(""), (struct event){.type = type});
}

static void is_claimed(struct str identity, struct str customer, int64_t claim) {
    scene_event(
        identity, STR(""),
        (struct event){.type = EVENT_IDENTITY_CLAIMED, .as.identity_claimed = {.customer = customer, .claim = claim}});
}

static void is_released(struct str identity, struct str customer, int64_t claim) {
    scene_event(identity, STR(""),
                (struct event){.type = EVENT_IDENTITY_RELEASED,
                               .as.identity_released = {.customer = customer, .claim = claim}});
}

static void registers(struct str customer) {
    scene_event(customer, STR(""),
                (struct event){.type = EVENT_CUSTOMER_REGISTERED, .as.customer_registered.identity = IDN});
}

static void proves(struct str customer, struct str identity) {
    scene_event(customer, STR(""),
                (struct event){.type = EVENT_CUSTOMER_VERIFICATION_PROVED,
                               .as.customer_verification_proved.identity = identity});
}

static void is_verified(struct str customer) {
    scene_event(customer, STR(""),
                (struct event){.type = EVENT_CUSTOMER_VERIFIED, .as.customer_verified.identity = IDN});
}

/* Of her authenticator's newest code, if she has one. */
static int64_t step;

static void opens(int32_t session) {
    scene_event(
        ADA, STR(""),
        (struct event){.type = EVENT_SESSION_OPENED, .as.session_opened = {.session = session, .totp_step = ++step}});
}

static void refreshes(int32_t session, int32_t generation) {
    scene_event(ADA, STR(""),
                (struct event){.type = EVENT_SESSION_REFRESHED,
                               .as.session_refreshed = {.session = session, .generation = generation}});
}

static void ends_all(int32_t before, int32_t kept) {
    scene_event(ADA, STR(""),
                (struct event){.type = EVENT_SESSIONS_ENDED, .as.sessions_ended = {.before = before, .kept = kept}});
}

static void fails_at(bool within, int32_t failures, int64_t lock_us) {
    int64_t until = lock_us == 0 ? 0 : scene.now_us + 1000 + lock_us; /* the event's time is a millisecond on */
    scene_event(ADA, STR(""),
                (struct event){.type = EVENT_LOGIN_FAILED,
                               .as.login_failed = {.within = within, .failures = failures, .locked_until = until}});
}

static void fails(int32_t failures, int64_t lock_us) {
    fails_at(false, failures, lock_us);
}

static void fails_within(int32_t failures, int64_t lock_us) {
    fails_at(true, failures, lock_us);
}

static void changes_password(const char *how) {
    scene_event(ADA, STR(""),
                (struct event){.type = EVENT_CUSTOMER_PASSWORD_CHANGED,
                               .as.customer_password_changed = {.how = str_of_cstr(how), .totp_step = ++step}});
}

static void opens_by(int64_t of_step, int32_t recovery) {
    scene_event(ADA, STR(""),
                (struct event){.type = EVENT_SESSION_OPENED,
                               .as.session_opened = {.session = 1, .totp_step = of_step, .recovery = recovery}});
}

static void is_locked_within(void) {
    for (int32_t i = 1; i <= 9; i++) {
        fails_within(i, 0);
    }
    fails_within(10, 60000000);
}

/* Ada has the address, under claim 2. */
static void play_people(void) {
    play();
    registers(ADA);
    proves(ADA, IDN);
    is_claimed(IDN, ADA, 2);
    is_verified(ADA);
}

static void a_sound_life_is_sound(void **state) {
    (void)state;
    play_people();
    for (int32_t i = 1; i <= 9; i++) {
        fails(i, 0);
    }
    is_locked_within(); /* which keeps nobody from logging in */
    opens(1);
    fails_within(1, 0);
    fails(1, 0);
    changes_password("changed"); /* clears what failed within alone */
    fails_within(1, 0);
    fails(2, 0);
    happens(ADA, EVENT_CUSTOMER_TOTP_BEGUN);
    happens(ADA, EVENT_CUSTOMER_TOTP_ENABLED);
    fails_within(1, 0);
    changes_password("changed"); /* by a code as well */
    fails_within(1, 0);
    changes_password("reset");
    fails_within(1, 0);
    fails(1, 0);
    changes_password("issued"); /* by the house */
    fails_within(1, 0);
    fails(1, 0);
    opens(2);
    refreshes(1, 2);
    ends_all(3, 1);
    refreshes(1, 3);
    ends_all(3, 0);
    happens(ADA, EVENT_CUSTOMER_SUSPENDED);
    fails(1, 0);
    happens(ADA, EVENT_CUSTOMER_ROLES_CHANGED);
    happens(ADA, EVENT_CUSTOMER_MAILED);
    happens(ADA, EVENT_CUSTOMER_REINSTATED);
    fails(1, 0);
    happens(ADA, EVENT_CUSTOMER_SUSPENDED);
    happens(ADA, EVENT_CUSTOMER_ERASURE_REQUESTED);
    is_released(IDN, ADA, 2);
    happens(ADA, EVENT_CUSTOMER_MAILED);
    happens(ADA, EVENT_CUSTOMER_ERASED);
    struct oracle_options options = scene_options();
    struct oracle *oracle = oracle_judge(&options);
    oracle_report(oracle, stderr);
    assert_int_equal(oracle_violation_count(oracle), 0);
    oracle_free(oracle);
    scene_end();
}

/* ---- whose carts and orders are ---------------------------------------------------------------------------------- */

static const char *forged_actor;

/* The checkout is a customer's, and what follows it. */
static void by_a_customer(struct event *event) {
    if (event->type == EVENT_CART_CHECKED_OUT) {
        event->as.cart_checked_out.has_customer = true;
        event->as.cart_checked_out.customer = ADA;
    } else if (event->type == EVENT_ORDER_PLACED) {
        event->as.order_placed.has_customer = true;
        event->as.order_placed.customer = ADA;
    } else if (event->type == EVENT_CART_REOPENED || event->type == EVENT_CART_UPDATED) {
        event->meta.actor = str_of_cstr(forged_actor);
    }
}

static size_t found_when_her_cart_is_touched_by(const char *actor) {
    forged_actor = actor;
    play_tampered(by_a_customer);
    struct event touched = {.type = EVENT_CART_REOPENED};
    touched.as.cart_reopened.order = SCENE_ORDER;
    scene_event(SCENE_CART, scene_id("cmd"), touched);
    struct oracle_options options = scene_options();
    struct oracle *oracle = oracle_judge(&options);
    size_t found = oracle_violations_of(oracle, "person.owner");
    oracle_free(oracle);
    scene_end();
    return found;
}

static void who_touches_what_is_anothers_is_found(void **state) {
    (void)state;
    static const char *const others[] = {"customer:cus_01ARZ3NDEKTSV4RRFFQ69G5FA2", "guest:2", "anonymous",
                                         "guest:2:cus_01ARZ3NDEKTSV4RRFFQ69G5FA2",
                                         "vendor:cus_01ARZ3NDEKTSV4RRFFQ69G5FA1:V"};
    static const char *const hers[] = {"customer:cus_01ARZ3NDEKTSV4RRFFQ69G5FA1",
                                       "guest:2:cus_01ARZ3NDEKTSV4RRFFQ69G5FA1", "admin:key_1", "system"};
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        assert_int_equal(found_when_her_cart_is_touched_by(others[i]), 1);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(hers); i++) {
        assert_int_equal(found_when_her_cart_is_touched_by(hers[i]), 0);
    }
}

static void two_who_have_one_address_are_found(void **state) {
    (void)state;
    play_people();
    is_claimed(IDN, BOB, 2);
    is_claimed(IDN, ADA, 2); /* so that all is well in the end */
    expect("person.unique");
}

static void who_is_verified_without_the_address_is_found(void **state) {
    (void)state;
    play_people();
    registers(BOB);
    proves(BOB, IDN);
    is_verified(BOB);
    expect_only("person.unique");
}

static void who_is_verified_without_a_claim_is_found(void **state) {
    (void)state;
    play();
    registers(ADA);
    is_claimed(IDN, ADA, 0);
    is_verified(ADA);
    expect_only("person.unique");
}

static void a_release_by_somebody_else_is_found(void **state) {
    (void)state;
    play_people();
    is_released(IDN, BOB, 2);
    is_claimed(IDN, ADA, 2);
    expect_only("person.released");
}

static void an_address_that_the_erased_keeps_is_found(void **state) {
    (void)state;
    play_people();
    happens(ADA, EVENT_CUSTOMER_ERASURE_REQUESTED);
    happens(ADA, EVENT_CUSTOMER_ERASED);
    expect_only("person.released");
}

static void an_address_that_nobody_wants_any_more_is_found(void **state) {
    (void)state;
    play_people();
    is_claimed(OTHER, ADA, 9);
    expect_only("person.released");
}

static void a_claim_without_an_answer_is_found(void **state) {
    (void)state;
    play_people();
    proves(ADA, OTHER);
    expect_only("person.released");
}

static void a_generation_twice_is_found(void **state) {
    (void)state;
    play_people();
    opens(1);
    refreshes(1, 2);
    refreshes(1, 2);
    expect_only("person.session");
}

static void a_session_that_goes_on_after_its_end_is_found(void **state) {
    (void)state;
    play_people();
    opens(1);
    ends_all(2, 0);
    refreshes(1, 2);
    expect_only("person.session");
}

static void a_session_that_is_brought_back_is_found(void **state) {
    (void)state;
    play_people();
    opens(1);
    opens(2);
    ends_all(3, 2);
    ends_all(3, 1);
    expect_only("person.session");
}

static void a_session_number_twice_is_found(void **state) {
    (void)state;
    play_people();
    opens(1);
    opens(1);
    expect_only("person.session");
}

static void a_login_while_locked_is_found(void **state) {
    (void)state;
    play_people();
    for (int32_t i = 1; i <= 9; i++) {
        fails(i, 0);
    }
    fails(10, 60000000);
    opens(1);
    expect_only("person.lockout");
}

static void a_failure_that_is_not_counted_is_found(void **state) {
    (void)state;
    play_people();
    fails(1, 0);
    fails(1, 0);
    expect_only("person.lockout");
}

static void a_tenth_failure_that_does_not_lock_is_found(void **state) {
    (void)state;
    play_people();
    for (int32_t i = 1; i <= 10; i++) {
        fails(i, 0);
    }
    expect_only("person.lockout");
}

static void a_proof_while_locked_within_is_found(void **state) {
    (void)state;
    static const uint16_t proofs[] = {EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED, EVENT_CUSTOMER_TOTP_BEGUN,
                                      EVENT_CUSTOMER_TOTP_ENDED, EVENT_CUSTOMER_PASSWORD_CHANGED};
    for (size_t i = 0; i < ARRAY_LENGTH(proofs); i++) {
        play_people();
        is_locked_within();
        happens(ADA, proofs[i]);
        expect_only("person.lockout");
    }
}

static void a_failure_that_clears_the_other_counter_is_found(void **state) {
    (void)state;
    play_people();
    fails(1, 0);
    fails_within(2, 0);
    expect_only("person.lockout");
}

/* Without a code, or with one that was used: at the door, and within a session. */
static void a_proof_without_a_code_of_its_own_is_found(void **state) {
    (void)state;
    for (int way = 0; way < 5; way++) {
        play_people();
        happens(ADA, EVENT_CUSTOMER_TOTP_ENABLED);
        if (way == 0) {
            opens_by(0, 0);
        } else if (way == 1) {
            opens(1);
            scene_event(ADA, STR(""),
                        (struct event){.type = EVENT_CUSTOMER_PASSWORD_CHANGED,
                                       .as.customer_password_changed = {.how = STR("changed"), .totp_step = step}});
        } else if (way == 2) {
            opens_by(0, 3);
            scene_event(ADA, STR(""),
                        (struct event){.type = EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED,
                                       .as.customer_email_change_requested.recovery = 3});
        } else if (way == 3) {
            scene_event(ADA, STR(""),
                        (struct event){.type = EVENT_CUSTOMER_PASSWORD_CHANGED,
                                       .as.customer_password_changed.how = STR("changed")});
        } else {
            happens(ADA, EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED);
        }
        expect_only("person.factor");
    }
}

static void who_is_suspended_and_has_or_gets_a_session_is_found(void **state) {
    (void)state;
    play_people();
    opens(1);
    happens(ADA, EVENT_CUSTOMER_SUSPENDED);
    expect_only("person.suspended");
    play_people();
    happens(ADA, EVENT_CUSTOMER_SUSPENDED);
    opens(1);
    expect_only("person.suspended");
    play_people();
    happens(ADA, EVENT_CUSTOMER_SUSPENDED);
    changes_password("reset");
    expect_only("person.suspended");
    play_people();
    happens(ADA, EVENT_CUSTOMER_REINSTATED);
    expect_only("person.suspended");
}

static void whoever_is_suspended_and_loses_his_address_is_found(void **state) {
    (void)state;
    play_people();
    happens(ADA, EVENT_CUSTOMER_SUSPENDED);
    is_released(IDN, ADA, 2);
    expect_only("person.unique");
}

static void an_erasure_without_an_end_is_found(void **state) {
    (void)state;
    play_people();
    happens(ADA, EVENT_CUSTOMER_ERASURE_REQUESTED);
    is_released(IDN, ADA, 2);
    expect_only("person.erased");
}

static void what_is_written_of_the_erased_is_found(void **state) {
    (void)state;
    play_people();
    happens(ADA, EVENT_CUSTOMER_ERASURE_REQUESTED);
    is_released(IDN, ADA, 2);
    happens(ADA, EVENT_CUSTOMER_PROFILE_CHANGED);
    happens(ADA, EVENT_CUSTOMER_ERASED);
    expect_only("person.erased");
}

static void an_erasure_that_nobody_asked_for_is_found(void **state) {
    (void)state;
    play_people();
    is_released(IDN, ADA, 2);
    happens(ADA, EVENT_CUSTOMER_ERASED);
    expect_only("person.erased");
}

/* ---- API keys ---------------------------------------------------------------------------------------------------- */

#define KEY STR("key_01ARZ3NDEKTSV4RRFFQ69G5FA5")

static void key_is_made(void) {
    play();
    scene_event(
        KEY, STR(""),
        (struct event){.type = EVENT_API_KEY_CREATED, .as.api_key_created = {.generation = 1, .hash = STR("1")}});
}

static void key_is_rotated(int32_t generation, const char *hash) {
    scene_event(KEY, STR(""),
                (struct event){.type = EVENT_API_KEY_ROTATED,
                               .as.api_key_rotated = {.generation = generation, .hash = str_of_cstr(hash)}});
}

static void key_is_used(int64_t hours_ago) {
    int64_t hour = scene.now_us / (INT64_C(3600) * 1000000) - hours_ago;
    scene_event(KEY, STR(""), (struct event){.type = EVENT_API_KEY_USED, .as.api_key_used.hour = hour});
}

static void a_sound_key_is_sound(void **state) {
    (void)state;
    key_is_made();
    key_is_used(2);
    key_is_rotated(2, "2");
    key_is_rotated(3, "3");
    key_is_used(0);
    happens(KEY, EVENT_API_KEY_REVOKED);
    struct oracle_options options = scene_options();
    struct oracle *oracle = oracle_judge(&options);
    oracle_report(oracle, stderr);
    assert_int_equal(oracle_violation_count(oracle), 0);
    oracle_free(oracle);
    scene_end();
}

static void two_secrets_of_one_generation_are_found(void **state) {
    (void)state;
    key_is_made();
    key_is_rotated(2, "2");
    key_is_rotated(2, "3");
    expect_only("key.secret");
}

static void a_secret_that_was_before_is_found(void **state) {
    (void)state;
    key_is_made();
    key_is_rotated(2, "2");
    key_is_rotated(3, "1");
    expect_only("key.secret");
}

static void a_use_that_is_noted_twice_is_found(void **state) {
    (void)state;
    key_is_made();
    key_is_used(1);
    key_is_used(1);
    expect_only("key.use");
}

static void a_use_in_an_hour_to_come_is_found(void **state) {
    (void)state;
    key_is_made();
    key_is_used(-1);
    expect_only("key.use");
}

static void a_key_that_is_used_after_its_end_is_found(void **state) {
    (void)state;
    key_is_made();
    happens(KEY, EVENT_API_KEY_REVOKED);
    key_is_used(0);
    expect_only("key.life");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_life_is_sound),
        cmocka_unit_test(who_touches_what_is_anothers_is_found),
        cmocka_unit_test(two_who_have_one_address_are_found),
        cmocka_unit_test(who_is_verified_without_the_address_is_found),
        cmocka_unit_test(who_is_verified_without_a_claim_is_found),
        cmocka_unit_test(a_release_by_somebody_else_is_found),
        cmocka_unit_test(an_address_that_the_erased_keeps_is_found),
        cmocka_unit_test(an_address_that_nobody_wants_any_more_is_found),
        cmocka_unit_test(a_claim_without_an_answer_is_found),
        cmocka_unit_test(a_generation_twice_is_found),
        cmocka_unit_test(a_session_that_goes_on_after_its_end_is_found),
        cmocka_unit_test(a_session_that_is_brought_back_is_found),
        cmocka_unit_test(a_session_number_twice_is_found),
        cmocka_unit_test(a_login_while_locked_is_found),
        cmocka_unit_test(a_failure_that_is_not_counted_is_found),
        cmocka_unit_test(a_tenth_failure_that_does_not_lock_is_found),
        cmocka_unit_test(a_proof_while_locked_within_is_found),
        cmocka_unit_test(a_failure_that_clears_the_other_counter_is_found),
        cmocka_unit_test(a_proof_without_a_code_of_its_own_is_found),
        cmocka_unit_test(who_is_suspended_and_has_or_gets_a_session_is_found),
        cmocka_unit_test(whoever_is_suspended_and_loses_his_address_is_found),
        cmocka_unit_test(an_erasure_without_an_end_is_found),
        cmocka_unit_test(what_is_written_of_the_erased_is_found),
        cmocka_unit_test(an_erasure_that_nobody_asked_for_is_found),
        cmocka_unit_test(a_sound_key_is_sound),
        cmocka_unit_test(two_secrets_of_one_generation_are_found),
        cmocka_unit_test(a_secret_that_was_before_is_found),
        cmocka_unit_test(a_use_that_is_noted_twice_is_found),
        cmocka_unit_test(a_use_in_an_hour_to_come_is_found),
        cmocka_unit_test(a_key_that_is_used_after_its_end_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
