/* What the view of API keys makes of their events. */
#include "projections/runtime/test_fold.h"

extern const struct view keys_view;

enum { ID, NAME, STATUS, ROLES, VENDOR, HASH, PREVIOUS_HASH, PREVIOUS_UNTIL, EXPIRES_AT, USED_AT, DOCUMENT, VERSION };

#define HASH_1 "11111111111111111111111111111111"
#define HASH_2 "22222222222222222222222222222222"

static int setup(void **state) {
    (void)state;
    test_fold_setup(&keys_view, STR("key_A"));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    test_fold_teardown();
    return 0;
}

static void is_created(bool expires) {
    static struct role_grant roles[] = {{.role = STR("service")},
                                        {.role = STR("vendor"), .has_vendor = true, .vendor = STR("Garden & Co")}};
    struct event event = {.type = EVENT_API_KEY_CREATED};
    event.as.api_key_created = (struct api_key_created){.name = STR("till"),
                                                        .roles = {roles, 2, 2},
                                                        .hash = STR(HASH_1),
                                                        .generation = 1,
                                                        .has_expires_at = expires,
                                                        .expires_at = TEST_AT + 7};
    test_event(event);
}

static void is_rotated(void) {
    struct event event = {.type = EVENT_API_KEY_ROTATED};
    event.as.api_key_rotated =
        (struct api_key_rotated){.generation = 2, .hash = STR(HASH_2), .previous_until = TEST_AT + 9};
    test_event(event);
}

static void is_used(int64_t hour) {
    struct event event = {.type = EVENT_API_KEY_USED};
    event.as.api_key_used.hour = hour;
    test_event(event);
}

static void is_revoked(void) {
    struct event event = {.type = EVENT_API_KEY_REVOKED};
    event.as.api_key_revoked = (struct api_key_revoked){.has_reason = true, .reason = STR("lost")};
    test_event(event);
}

static void a_new_key_is_known_by_its_hash_alone(void **state) {
    (void)state;
    is_created(false);
    test_project();
    assert_int_equal(test_row_count(0), 1);
    const struct view_value *row = test_row(0, 0);
    test_text(&row[ID], "key_A");
    test_text(&row[NAME], "till");
    test_text(&row[STATUS], "active");
    assert_int_equal(row[ROLES].item_count, 2);
    assert_true(str_equal(row[ROLES].items[0], STR("service")));
    test_text(&row[VENDOR], "Garden & Co");
    test_text(&row[HASH], HASH_1);
    assert_true(row[PREVIOUS_HASH].is_null);
    assert_true(row[PREVIOUS_UNTIL].is_null);
    assert_true(row[EXPIRES_AT].is_null);
    assert_true(row[USED_AT].is_null);
    assert_int_equal(row[VERSION].number, 1);
    assert_null(memmem(row[DOCUMENT].text.data, row[DOCUMENT].text.len, HASH_1, 32));
}

static void a_rotated_key_has_the_hash_before_and_until_when_it_is_good(void **state) {
    (void)state;
    is_created(true);
    is_rotated();
    test_project();
    const struct view_value *row = test_row(0, 0);
    test_text(&row[HASH], HASH_2);
    test_text(&row[PREVIOUS_HASH], HASH_1);
    assert_int_equal(row[PREVIOUS_UNTIL].number, TEST_AT + 9);
    assert_int_equal(row[EXPIRES_AT].number, TEST_AT + 7);
}

static void a_key_was_used_in_an_hour_and_none_is_too_late_to_be_written(void **state) {
    (void)state;
    is_created(false);
    is_used(490896);
    test_project();
    assert_int_equal(test_row(0, 0)[USED_AT].number, INT64_C(1767225600000000));
    is_used(INT64_MAX);
    test_project();
    assert_int_equal(test_row(0, 0)[USED_AT].number, INT64_C(253402297200000000)); /* 9999-12-31T23:00:00Z */
}

static void a_revoked_key_is_no_active_one(void **state) {
    (void)state;
    is_created(false);
    is_revoked();
    test_project();
    assert_int_equal(test_row_count(0), 1);
    test_text(&test_row(0, 0)[STATUS], "revoked");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_new_key_is_known_by_its_hash_alone),
        TEST(a_rotated_key_has_the_hash_before_and_until_when_it_is_good),
        TEST(a_key_was_used_in_an_hour_and_none_is_too_late_to_be_written),
        TEST(a_revoked_key_is_no_active_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
