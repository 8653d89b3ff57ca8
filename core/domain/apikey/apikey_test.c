#include "core/domain/apikey/apikey.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/testing/given.h"

#define KEY "key_01J00000000000000000000001"
#define HASH_1 "11111111111111111111111111111111"
#define HASH_2 "22222222222222222222222222222222"
#define HASH_3 "33333333333333333333333333333333"

static struct role_grant service[] = {{.role = {"service", 7}}};
static struct role_grant king[] = {{.role = {"king", 4}}};

#define ADMIN                                                                                                          \
    { "admin:key_1", 11 }

static struct command create(const char *hash, struct role_grant *roles, uint32_t count) {
    return (struct command){
        .type = COMMAND_CREATE_API_KEY,
        .meta.actor = ADMIN,
        .as.create_api_key = {.name = STR("importer"), .roles = {roles, count, count}, .hash = str_of_cstr(hash)}};
}

static struct command rotate(const char *hash, int32_t generation, int32_t grace_s) {
    return (struct command){
        .type = COMMAND_ROTATE_API_KEY,
        .meta.actor = ADMIN,
        .as.rotate_api_key = {.grace_s = grace_s, .hash = str_of_cstr(hash), .generation = generation}};
}

static struct command note_use(int64_t hour) {
    return (struct command){
        .type = COMMAND_NOTE_API_KEY_USE, .meta.actor = STR("system"), .as.note_api_key_use.hour = hour};
}

#define HOUR_US (INT64_C(3600) * 1000000)

static int64_t hour_of(const struct given *key) {
    return key->now_us / HOUR_US;
}

static const struct command revoke = {.type = COMMAND_REVOKE_API_KEY,
                                      .meta.actor = ADMIN,
                                      .as.revoke_api_key = {.has_reason = true, .reason = {"lost", 4}}};

static const struct api_key_state *key_of(const struct given *key) {
    return key->state;
}

static int begin(void **state) {
    struct given *key = malloc(sizeof *key);
    given_begin(key, STR(KEY));
    *state = key;
    return 0;
}

static int created(void **state) {
    begin(state);
    when(*state, create(HASH_1, service, 1));
    THEN((struct given *)*state, EVENT_API_KEY_CREATED);
    return 0;
}

static int end(void **state) {
    given_check_history(*state);
    given_end(*state);
    free(*state);
    return 0;
}

static void a_key_is_made_once(void **state) {
    struct given *key = *state; /* created */
    assert_int_equal(key_of(key)->status, API_KEY_STATUS_ACTIVE);
    assert_int_equal(key_of(key)->generation, 1);
    assert_str(key_of(key)->hash, HASH_1);
    assert_str(key_of(key)->previous_hash, "");
    when(key, create(HASH_2, service, 1));
    THEN_REFUSED(key, REJECT_ALREADY_EXISTS, "");
}

static void a_key_may_something_that_there_is(void **state) {
    struct given *key = *state;
    when(key, create(HASH_1, NULL, 0));
    THEN_REFUSED(key, REJECT_UNKNOWN_ROLE, "/roles");
    when(key, create(HASH_1, king, 1));
    THEN_REFUSED(key, REJECT_UNKNOWN_ROLE, "/roles");
}

static void a_key_without_a_hash_is_none(void **state) {
    struct given *key = *state;
    when(key, create("", service, 1));
    THEN_REFUSED(key, REJECT_MALFORMED_COMMAND, "");
    when(key, create(HASH_1, service, 1));
    when(key, rotate("", 2, 0));
    THEN_REFUSED(key, REJECT_MALFORMED_COMMAND, "");
}

static void after_a_rotation_the_secret_before_is_good_for_a_while(void **state) {
    struct given *key = *state; /* created */
    when(key, rotate(HASH_2, 2, 60));
    THEN(key, EVENT_API_KEY_ROTATED);
    assert_int_equal(made(key, 0)->as.api_key_rotated.generation, 2);
    assert_int_equal(key_of(key)->previous_until - key->now_us, INT64_C(60000000));
    assert_str(key_of(key)->previous_hash, HASH_1);
    assert_str(key_of(key)->hash, HASH_2);
    when(key, rotate(HASH_3, 3, 0)); /* and the one before that no more */
    assert_str(key_of(key)->previous_hash, HASH_2);
    assert_int_equal(key_of(key)->previous_until, key->now_us);
    when(key, rotate(HASH_1, 4, API_KEY_GRACE_MAX_S + 1));
    THEN_REFUSED(key, REJECT_MALFORMED_COMMAND, "");
    when(key, rotate(HASH_1, 4, -1));
    THEN_REFUSED(key, REJECT_MALFORMED_COMMAND, "");
}

/* The secret of the second was never given to anybody, were its hash taken. */
static void of_two_rotations_at_once_one_is_refused(void **state) {
    struct given *key = *state; /* created */
    when(key, rotate(HASH_2, 2, 0));
    THEN(key, EVENT_API_KEY_ROTATED);
    static const int32_t others[] = {2, 1, 0, 4};
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        when(key, rotate(HASH_3, others[i], 0));
        THEN_REFUSED(key, REJECT_KEY_ROTATED, "");
    }
    assert_str(key_of(key)->hash, HASH_2);
}

static void a_secret_that_was_is_no_new_one(void **state) {
    struct given *key = *state; /* created */
    when(key, rotate(HASH_1, 2, 0));
    THEN_REFUSED(key, REJECT_MALFORMED_COMMAND, "");
    when(key, rotate(HASH_2, 2, 0));
    when(key, rotate(HASH_1, 3, 0));
    THEN_REFUSED(key, REJECT_MALFORMED_COMMAND, "");
    when(key, rotate(HASH_2, 3, 0));
    THEN_REFUSED(key, REJECT_MALFORMED_COMMAND, "");
}

static void a_revoked_key_stays_so(void **state) {
    struct given *key = *state; /* created */
    when(key, revoke);
    THEN(key, EVENT_API_KEY_REVOKED);
    assert_str(key_of(key)->reason, "lost");
    when(key, revoke);
    THEN_NOTHING(key);
    when(key, rotate(HASH_2, 2, 60));
    THEN_REFUSED(key, REJECT_KEY_REVOKED, "");
    when(key, create(HASH_2, service, 1));
    THEN_REFUSED(key, REJECT_ALREADY_EXISTS, "");
    when(key, note_use(hour_of(key)));
    THEN_NOTHING(key);
}

static void a_use_is_noted_once_an_hour(void **state) {
    struct given *key = *state; /* created */
    int64_t changed_at = key_of(key)->changed_at;
    int64_t hour = hour_of(key);
    when(key, note_use(hour - 1));
    THEN(key, EVENT_API_KEY_USED);
    when(key, note_use(hour - 1));
    THEN_NOTHING(key);
    when(key, note_use(hour - 2)); /* it was on its way for long */
    THEN_NOTHING(key);
    when(key, note_use(hour));
    THEN(key, EVENT_API_KEY_USED);
    assert_int_equal(key_of(key)->changed_at, changed_at);
}

/* No use would be noted until then. */
static void a_use_in_an_hour_to_come_is_none(void **state) {
    struct given *key = *state; /* created */
    when(key, note_use(hour_of(key) + 1));
    THEN_REFUSED(key, REJECT_MALFORMED_COMMAND, "");
    key->now_us += HOUR_US;
    when(key, note_use(hour_of(key)));
    THEN(key, EVENT_API_KEY_USED);
}

static void of_a_key_that_is_none_nothing_is_done(void **state) {
    struct given *key = *state;
    const struct command commands[] = {rotate(HASH_1, 1, 0), revoke, note_use(1)};
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        when(key, commands[i]);
        THEN_REFUSED(key, REJECT_UNKNOWN_KEY, "");
    }
}

/* Whoever was let in because access is open, and whoever is no staff: a key would outlive that. */
static void nobody_but_the_house_makes_keys_or_ends_them(void **state) {
    struct given *key = *state; /* created */
    static const char *const others[] = {"anonymous",
                                         "guest:0123456789abcdef",
                                         "guest:0123456789abcdef:cus_01J00000000000000000000001",
                                         "customer:cus_01J00000000000000000000001",
                                         "vendor:cus_01J00000000000000000000001:Roasters",
                                         "service:key_01J00000000000000000000001",
                                         "provider:test",
                                         "nobody"};
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        struct command commands[] = {create(HASH_2, service, 1), rotate(HASH_2, 2, 0), revoke, note_use(hour_of(key))};
        for (size_t at = 0; at < ARRAY_LENGTH(commands); at++) {
            commands[at].meta.actor = str_of_cstr(others[i]);
            when(key, commands[at]);
            THEN_REFUSED(key, REJECT_UNKNOWN_KEY, "");
        }
    }
    struct command by_command_line = rotate(HASH_2, 2, 0);
    by_command_line.meta.actor = STR("system");
    when(key, by_command_line);
    THEN(key, EVENT_API_KEY_ROTATED);
}

/* Nor is one made of a stream that is none yet. */
static void a_stranger_makes_no_key(void **state) {
    struct given *key = *state;
    struct command ask = create(HASH_1, service, 1);
    ask.meta.actor = STR("anonymous");
    when(key, ask);
    THEN_REFUSED(key, REJECT_UNKNOWN_KEY, "");
    assert_int_equal(key_of(key)->status, API_KEY_STATUS_ABSENT);
}

#define TEST(name, begin) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_key_is_made_once, created),
        TEST(a_key_may_something_that_there_is, begin),
        TEST(a_key_without_a_hash_is_none, begin),
        TEST(after_a_rotation_the_secret_before_is_good_for_a_while, created),
        TEST(of_two_rotations_at_once_one_is_refused, created),
        TEST(a_secret_that_was_is_no_new_one, created),
        TEST(a_revoked_key_stays_so, created),
        TEST(a_use_is_noted_once_an_hour, created),
        TEST(a_use_in_an_hour_to_come_is_none, created),
        TEST(of_a_key_that_is_none_nothing_is_done, begin),
        TEST(nobody_but_the_house_makes_keys_or_ends_them, created),
        TEST(a_stranger_makes_no_key, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
