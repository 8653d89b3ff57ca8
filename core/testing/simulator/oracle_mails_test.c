/* The oracle: what is wrong with mails and erasures is found in a run in which just that is wrong. */
#include "core/testing/simulator/oracle_scene.h"

#define ADA STR("cus_01ARZ3NDEKTSV4RRFFQ69G5FA1")
#define IDN STR("idn_01ARZ3NDEKTSV4RRFFQ69G5FA3")
#define KEY STR("per_7")

/* ---- the mail server and the vault ------------------------------------------------------------------------------- */

static struct oracle_mail mails[2];
static size_t mail_count;
static bool is_destroyed;

static size_t count_mails(void) {
    return mail_count;
}

static struct oracle_mail mail_at(size_t index) {
    return mails[index];
}

static bool key_is_destroyed(struct str key_id) {
    return is_destroyed && str_equal(key_id, KEY);
}

/* Judges the run. `check` NULL: nothing is wrong. `other` finds the same in its own way; NULL: no other does. */
static void expect_with(const char *check, const char *other) {
    struct oracle_sources sources = scene_sources;
    sources.mail_count = count_mails;
    sources.mail_at = mail_at;
    sources.key_is_destroyed = key_is_destroyed;
    struct oracle_options options = scene_options();
    options.sources = &sources;
    struct oracle *oracle = oracle_judge(&options);
    size_t found = check == NULL ? 0 : oracle_violations_of(oracle, check);
    size_t beside = other == NULL ? 0 : oracle_violations_of(oracle, other);
    if (found != (check != NULL) || beside != (other != NULL) || oracle_violation_count(oracle) != found + beside) {
        oracle_report(oracle, stderr);
        fail_msg("%s was to be found alone", check == NULL ? "nothing" : check);
    }
    oracle_free(oracle);
    scene_end();
}

static void expect_alone(const char *check) {
    expect_with(check, NULL);
}

/* ---- what happens ------------------------------------------------------------------------------------------------ */

static struct str event_ids[16];
static size_t event_count;

static void keep_id(struct event *event) {
    if (str_starts_with(event->meta.stream, STR("cus_"))) {
        event_ids[event_count++] = event->meta.event_id;
    }
}

static int begin(void **state) {
    (void)state;
    mail_count = 0;
    is_destroyed = false;
    event_count = 0;
    play_tampered(keep_id);
    scene_event(ADA, STR(""), (struct event){.type = EVENT_CUSTOMER_REGISTERED});
    struct event event = {.type = EVENT_CUSTOMER_VERIFICATION_REQUESTED};
    event.as.customer_verification_requested.number = 1;
    event.as.customer_verification_requested.to = (struct sealed){.key_id = KEY};
    scene_event(ADA, STR(""), event);
    return 0;
}

static void is_told(const char *result) {
    struct event event = {.type = EVENT_CUSTOMER_MAILED};
    event.as.customer_mailed = (struct customer_mailed){
        .cause = event_ids[1], .template = STR("verify"), .result = str_of_cstr(result), .attempt = 1};
    scene_event(ADA, STR(""), event);
}

static void is_taken(struct str to) {
    mails[mail_count++] = (struct oracle_mail){
        .message_id = arena_printf(&scene.arena, "<%.*s@example.com>", STR_ARGS(event_ids[1])), .to = to};
}

static void is_to_be_erased(void) {
    static struct str keys[] = {KEY};
    struct event event = {.type = EVENT_CUSTOMER_ERASURE_REQUESTED};
    event.as.customer_erasure_requested.keys = (struct str_array){keys, 1, 1};
    scene_event(ADA, STR(""), event);
}

static void is_erased(void) {
    scene_event(ADA, STR(""), (struct event){.type = EVENT_CUSTOMER_ERASED});
}

/* ---- the tests --------------------------------------------------------------------------------------------------- */

static void a_mail_that_was_sent_and_told_is_sound(void **state) {
    (void)state;
    is_taken(STR("per_7@example.com"));
    is_told("sent");
    expect_alone(NULL);
}

static void a_mail_that_failed_is_sound_and_so_is_one_to_who_was_erased_first(void **state) {
    (void)state;
    is_told("failed");
    is_to_be_erased();
    is_destroyed = true;
    is_erased();
    expect_alone(NULL);
}

static void a_mail_that_nothing_came_of_is_found(void **state) {
    (void)state;
    is_taken(STR("per_7@example.com"));
    expect_alone("mail.closed");
}

static void a_mail_that_waits_while_somebody_is_erased_is_owed_no_more(void **state) {
    (void)state;
    is_to_be_erased();
    is_destroyed = true;
    is_erased();
    expect_alone(NULL);
}

static void what_happens_to_an_account_and_is_not_told_is_found(void **state) {
    const struct sealed to = {.key_id = KEY};
    struct event events[] = {{.type = EVENT_LOGIN_FAILED},
                             {.type = EVENT_LOGIN_FAILED},
                             {.type = EVENT_CUSTOMER_TOTP_ENABLED},
                             {.type = EVENT_CUSTOMER_TOTP_ENDED}};
    events[0].as.login_failed = (struct login_failed){.why = STR("code"), .failures = 1, .has_to = true, .to = to};
    events[1].as.login_failed = events[0].as.login_failed;
    events[1].as.login_failed.within = true;
    events[2].as.customer_totp_enabled = (struct customer_totp_enabled){.step = 1, .has_to = true, .to = to};
    events[3].as.customer_totp_ended = (struct customer_totp_ended){.has_to = true, .to = to};
    for (size_t i = 0; i < ARRAY_LENGTH(events); i++) {
        if (i > 0) {
            begin(state);
        }
        is_told("failed"); /* of the mail of before */
        scene_event(ADA, STR(""), events[i]);
        expect_alone("mail.closed");
    }
}

/* He has proved his mailbox under claim 4: the mail of before is version 3. */
static void is_verified(void) {
    is_told("failed");
    scene_event(
        ADA, STR(""),
        (struct event){.type = EVENT_CUSTOMER_VERIFICATION_PROVED, .as.customer_verification_proved.identity = IDN});
    scene_event(IDN, STR(""),
                (struct event){.type = EVENT_IDENTITY_CLAIMED, .as.identity_claimed = {.customer = ADA, .claim = 4}});
    scene_event(ADA, STR(""), (struct event){.type = EVENT_CUSTOMER_VERIFIED, .as.customer_verified.identity = IDN});
}

static void who_is_suspended_or_let_in_again_and_not_told_is_found(void **state) {
    const struct sealed to = {.key_id = KEY};
    struct event suspended = {.type = EVENT_CUSTOMER_SUSPENDED}, reinstated = {.type = EVENT_CUSTOMER_REINSTATED};
    suspended.as.customer_suspended = (struct customer_suspended){.reason = STR("robbed"), .has_to = true, .to = to};
    reinstated.as.customer_reinstated = (struct customer_reinstated){.has_to = true, .to = to};
    is_verified();
    scene_event(ADA, STR(""), suspended);
    expect_alone("mail.closed");
    begin(state);
    is_verified();
    suspended.as.customer_suspended.has_to = false; /* whose address is not known any more */
    scene_event(ADA, STR(""), suspended);
    scene_event(ADA, STR(""), reinstated);
    expect_alone("mail.closed");
}

static void a_mail_that_nobody_asked_for_is_found(void **state) {
    (void)state;
    is_told("failed");
    mails[mail_count++] =
        (struct oracle_mail){.message_id = STR("<evt_of_nobody@example.com>"), .to = STR("per_7@example.com")};
    expect_alone("mail.asked");
}

static void a_mail_to_somebody_else_is_found(void **state) {
    (void)state;
    is_taken(STR("per_71@example.com"));
    is_told("sent");
    expect_alone("mail.asked");
}

static void a_mail_that_comes_again_as_another_is_found(void **state) {
    (void)state;
    is_taken(STR("per_7@example.com"));
    mails[0].changed = 1;
    is_told("sent");
    expect_alone("mail.same");
}

static void a_mail_that_no_server_took_is_found(void **state) {
    (void)state;
    is_told("sent");
    expect_alone("mail.told");
}

static void who_is_not_erased_is_found(void **state) {
    (void)state;
    is_told("failed");
    is_to_be_erased();
    is_destroyed = true;
    expect_with("person.destroyed", "person.erased");
}

static void a_key_that_is_still_there_is_found(void **state) {
    (void)state;
    is_told("failed");
    is_to_be_erased();
    is_erased();
    expect_alone("person.destroyed");
}

/* ---- mails of orders --------------------------------------------------------------------------------------------- */

static struct str confirmed_id;

/* The order of the scene has an address. */
static void with_address(struct event *event) {
    keep_id(event);
    if (event->type == EVENT_ORDER_PLACED) {
        event->as.order_placed.has_email = true;
        event->as.order_placed.email = (struct sealed){.key_id = KEY};
    } else if (event->type == EVENT_ORDER_CONFIRMED) {
        confirmed_id = event->meta.event_id;
    }
}

static int begin_order(void **state) {
    (void)state;
    mail_count = 0;
    is_destroyed = false;
    event_count = 0;
    play_tampered(with_address);
    return 0;
}

static void order_is_told(struct str cause, const char *result) {
    struct event event = {.type = EVENT_ORDER_MAILED};
    event.as.order_mailed = (struct order_mailed){
        .cause = cause, .template = STR("order_confirmed"), .result = str_of_cstr(result), .attempt = 1};
    scene_event(SCENE_ORDER, STR(""), event);
}

static void order_is_mailed(struct str to) {
    mails[mail_count++] = (struct oracle_mail){
        .message_id = arena_printf(&scene.arena, "<%.*s@example.com>", STR_ARGS(confirmed_id)), .to = to};
}

static void a_confirmation_that_was_sent_and_told_is_sound(void **state) {
    (void)state;
    order_is_mailed(STR("per_7@example.com"));
    order_is_told(confirmed_id, "sent");
    expect_alone(NULL);
}

static void a_confirmation_that_nothing_came_of_is_found(void **state) {
    (void)state;
    expect_alone("mail.closed");
}

static void a_confirmation_to_another_than_the_order_names_is_found(void **state) {
    (void)state;
    order_is_mailed(STR("per_71@example.com"));
    order_is_told(confirmed_id, "sent");
    expect_alone("mail.asked");
}

static void what_is_said_of_a_mail_that_the_order_did_not_ask_for_is_found(void **state) {
    (void)state;
    order_is_told(confirmed_id, "failed");
    order_is_told(STR("evt_of_nobody"), "failed");
    expect_alone("mail.asked");
}

static void a_confirmation_that_no_server_took_is_found(void **state) {
    (void)state;
    order_is_told(confirmed_id, "sent");
    expect_alone("mail.told");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_mail_that_was_sent_and_told_is_sound, begin),
        cmocka_unit_test_setup(a_mail_that_failed_is_sound_and_so_is_one_to_who_was_erased_first, begin),
        cmocka_unit_test_setup(a_mail_that_nothing_came_of_is_found, begin),
        cmocka_unit_test_setup(a_mail_that_waits_while_somebody_is_erased_is_owed_no_more, begin),
        cmocka_unit_test_setup(what_happens_to_an_account_and_is_not_told_is_found, begin),
        cmocka_unit_test_setup(who_is_suspended_or_let_in_again_and_not_told_is_found, begin),
        cmocka_unit_test_setup(a_mail_that_nobody_asked_for_is_found, begin),
        cmocka_unit_test_setup(a_mail_to_somebody_else_is_found, begin),
        cmocka_unit_test_setup(a_mail_that_comes_again_as_another_is_found, begin),
        cmocka_unit_test_setup(a_mail_that_no_server_took_is_found, begin),
        cmocka_unit_test_setup(who_is_not_erased_is_found, begin),
        cmocka_unit_test_setup(a_key_that_is_still_there_is_found, begin),
        cmocka_unit_test_setup(a_confirmation_that_was_sent_and_told_is_sound, begin_order),
        cmocka_unit_test_setup(a_confirmation_that_nothing_came_of_is_found, begin_order),
        cmocka_unit_test_setup(a_confirmation_to_another_than_the_order_names_is_found, begin_order),
        cmocka_unit_test_setup(what_is_said_of_a_mail_that_the_order_did_not_ask_for_is_found, begin_order),
        cmocka_unit_test_setup(a_confirmation_that_no_server_took_is_found, begin_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
