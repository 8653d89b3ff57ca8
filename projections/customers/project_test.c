/* What the view of customers makes of their events, and what it has of a person who was erased. */
#include "projections/customers/test_life.h"

#include "gen/codec.h"
#include "gen/state.h"

enum { CUSTOMERS, SESSIONS, SESSION_USES, SESSION_ENDS, CUSTOMER_HISTORY };
enum { ID, STATUS, IDENTITY_OF, ROLES, VENDOR, SESSIONS_FROM, SESSION_KEPT, STATE_SCHEMA, VERSION };
enum { USED_AT = 2, USED_GENERATION, USED_EXPIRES_AT };
enum { ENDED_SESSION = 2, ENDED_UPTO, ENDED_KEPT, ENDED_AT, ENDED_REASON };
enum { HISTORY_VERSION = 1, HISTORY_TYPE = 3, HISTORY_HASH = 7, HISTORY_EVENT };

static int setup(void **state) {
    (void)state;
    test_fold_setup(&customers_view, STR(CUSTOMER));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    test_fold_teardown();
    return 0;
}

/* ---- customers --------------------------------------------------------------------------------------------------- */

static void a_customer_has_an_address_that_is_known_by_its_stream_and_roles(void **state) {
    (void)state;
    registers();
    is_verified();
    is_given_roles();
    test_project();
    assert_int_equal(test_row_count(CUSTOMERS), 1);
    const struct view_value *row = test_row(CUSTOMERS, 0);
    test_text(&row[ID], CUSTOMER);
    test_text(&row[STATUS], "active");
    test_text(&row[IDENTITY_OF], IDENTITY);
    assert_int_equal(row[ROLES].item_count, 2);
    assert_true(str_equal(row[ROLES].items[0], STR("support")));
    assert_true(str_equal(row[ROLES].items[1], STR("vendor")));
    test_text(&row[VENDOR], "Garden & Co");
    assert_int_equal(row[SESSIONS_FROM].number, 1);
    assert_int_equal(row[SESSION_KEPT].number, 0);
    assert_int_equal(row[STATE_SCHEMA].number, CUSTOMER_STATE_SCHEMA_ID);
    assert_int_equal(row[VERSION].number, 4);
}

static void who_has_no_vendors_role_has_no_vendor(void **state) {
    (void)state;
    registers();
    test_project();
    test_text(&test_row(CUSTOMERS, 0)[STATUS], "unverified");
    assert_int_equal(test_row(CUSTOMERS, 0)[ROLES].item_count, 0);
    assert_true(test_row(CUSTOMERS, 0)[VENDOR].is_null);
}

static void who_is_suspended_is_found_as_before(void **state) {
    (void)state;
    registers();
    is_verified();
    is_given_roles();
    is_suspended();
    test_project();
    const struct view_value *row = test_row(CUSTOMERS, 0);
    test_text(&row[STATUS], "suspended");
    test_text(&row[IDENTITY_OF], IDENTITY);
    assert_int_equal(row[ROLES].item_count, 2);
}

static void from_when_an_erasure_is_asked_for_nobody_finds_him_by_his_address_or_roles(void **state) {
    (void)state;
    registers();
    is_verified();
    is_given_roles();
    is_to_be_erased();
    test_project();
    const struct view_value *row = test_row(CUSTOMERS, 0);
    test_text(&row[STATUS], "erasing");
    assert_true(row[IDENTITY_OF].is_null);
    assert_int_equal(row[ROLES].item_count, 0);
    assert_true(row[VENDOR].is_null);
}

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

static void a_session_has_a_row_from_where_it_was_opened_and_one_of_its_last_use(void **state) {
    (void)state;
    registers();
    is_verified();
    opens(1);
    opens(2);
    refreshes(1, 2);
    test_project();
    assert_int_equal(test_row_count(SESSIONS), 2);
    const struct view_value *opened = test_row(SESSIONS, 0);
    test_text(&opened[0], CUSTOMER);
    assert_int_equal(opened[1].number, 1);
    assert_int_equal(opened[2].number, TEST_AT + 3 * 1000000);
    test_text(&opened[3], "password");
    test_text(&opened[4], "per_1");
    test_text(&opened[5], "nonce");
    test_text(&opened[6], "sealed-client");
    assert_true(customers_view.tables[SESSIONS].columns[6].personal);
    assert_true(test_row(SESSIONS, 1)[4].is_null);
    assert_true(test_row(SESSIONS, 1)[6].is_null);
    assert_int_equal(test_row_count(SESSION_USES), 2);
    const struct view_value *used = test_row(SESSION_USES, 0);
    assert_int_equal(used[1].number, 1);
    assert_int_equal(used[USED_AT].number, TEST_AT + 5 * 1000000);
    assert_int_equal(used[USED_GENERATION].number, 2);
    assert_int_equal(used[USED_EXPIRES_AT].number, TEST_AT + 2000);
    assert_int_equal(test_row(SESSION_USES, 1)[USED_GENERATION].number, 1);
}

static void what_ended_by_itself_has_no_use_and_what_ended_with_others_is_told_by_number(void **state) {
    (void)state;
    registers();
    is_verified();
    opens(1);
    opens(2);
    test_project();
    ends(1);
    opens(3);
    ends_all_before(4, 2);
    test_project();
    assert_int_equal(test_row_count(SESSION_ENDS), 2);
    const struct view_value *one = test_row(SESSION_ENDS, 0), *all = test_row(SESSION_ENDS, 1);
    assert_int_equal(one[1].number, 6);
    assert_int_equal(one[ENDED_SESSION].number, 1);
    assert_int_equal(one[ENDED_UPTO].number, 0);
    assert_int_equal(one[ENDED_AT].number, TEST_AT + 5 * 1000000);
    test_text(&one[ENDED_REASON], "request");
    assert_int_equal(all[ENDED_SESSION].number, 4);
    assert_int_equal(all[ENDED_UPTO].number, 1);
    assert_int_equal(all[ENDED_KEPT].number, 2);
    assert_int_equal(test_fold.batch.tables[SESSION_USES].deleted_count, 1);
    assert_int_equal(test_row_count(SESSION_USES), 1); /* that of 3; that of 2 is as it was */
    assert_int_equal(test_row(CUSTOMERS, 0)[SESSIONS_FROM].number, 4);
    assert_int_equal(test_row(CUSTOMERS, 0)[SESSION_KEPT].number, 2);
}

/* Two ends of one moment must not meet in one key: an append-only table refuses that, and their stream is parked. */
static void ends_of_one_moment_are_two_rows(void **state) {
    (void)state;
    registers();
    is_verified();
    opens(1);
    ends(1);
    ends_all_before(1, 0);
    test_project();
    assert_int_equal(test_row_count(SESSION_ENDS), 2);
    assert_int_not_equal(test_row(SESSION_ENDS, 0)[1].number, test_row(SESSION_ENDS, 1)[1].number);
    assert_true(customers_view.tables[SESSION_ENDS].columns[1].key);
}

/* ---- history ----------------------------------------------------------------------------------------------------- */

static void a_history_has_all_but_refreshes_and_is_chained_by_hashes(void **state) {
    (void)state;
    registers();
    is_verified();
    opens(1);
    refreshes(1, 2);
    ends(1);
    test_project();
    static const char *const types[] = {"CustomerRegistered", "CustomerVerificationProved", "CustomerVerified",
                                        "SessionOpened", "SessionEnded"};
    assert_int_equal(test_row_count(CUSTOMER_HISTORY), ARRAY_LENGTH(types));
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        test_text(&test_row(CUSTOMER_HISTORY, i)[HISTORY_TYPE], types[i]);
    }
    assert_int_equal(test_row(CUSTOMER_HISTORY, 4)[HISTORY_VERSION].number, 6);
    uint8_t hash[CHAIN_HASH_BYTES];
    chain_hash(test_fold.records[0].value, hash);
    assert_memory_equal(test_row(CUSTOMER_HISTORY, 0)[HISTORY_HASH].text.data, hash, CHAIN_HASH_BYTES);
}

static bool has(struct str text, const char *what) {
    return text.len > 0 && memmem(text.data, text.len, what, strlen(what)) != NULL;
}

static void of_what_is_sealed_a_history_shows_the_key(void **state) {
    (void)state;
    registers();
    is_verified();
    puts_address();
    test_project();
    struct str registered = test_row(CUSTOMER_HISTORY, 0)[HISTORY_EVENT].text;
    assert_true(has(registered, "\"email\":{\"key_id\":\"per_1\"}"));
    struct str put = test_row(CUSTOMER_HISTORY, 3)[HISTORY_EVENT].text;
    assert_true(has(put, "\"id\":\"home\""));
    assert_false(has(put, "sealed-address"));
}

/* ---- all together ------------------------------------------------------------------------------------------------ */

/* What personal data a value may hold, readable or not. */
static const char *const canaries[] = {"sealed-email", "sealed-name", "sealed-verifier", "sealed-address"};

static void assert_no_canary(struct str text, const char *where) {
    for (size_t i = 0; i < ARRAY_LENGTH(canaries); i++) {
        if (has(text, canaries[i])) {
            fail_msg("%s has %s", where, canaries[i]);
        }
    }
}

static void live_a_life(void) {
    registers();
    is_verified();
    puts_address();
    opens(1);
    refreshes(1, 2);
    opens(2);
    ends(1);
    ends_all_before(3, 0);
    is_to_be_erased();
    is_erased();
}

/* The ciphertext of where a session was opened from stays, and nobody has its key: nothing else does. */
static void what_is_left_of_an_erased_person_are_ids(void **state) {
    (void)state;
    live_a_life();
    test_project();
    for (size_t table = 0; table < customers_view.table_count; table++) {
        for (size_t i = 0; i < test_row_count(table); i++) {
            for (size_t column = 0; column < customers_view.tables[table].column_count; column++) {
                assert_no_canary(test_row(table, i)[column].text, customers_view.tables[table].columns[column].name);
            }
        }
    }
    assert_no_canary(test_fold.state, "the stored state");
    test_text(&test_row(CUSTOMERS, 0)[STATUS], "erased");
}

static void assert_same_row(const struct view_table *table, const struct view_value *a, const struct view_value *b) {
    for (size_t i = 0; i < table->column_count; i++) {
        assert_int_equal(a[i].is_null, b[i].is_null);
        assert_int_equal(a[i].number, b[i].number);
        assert_true(str_equal(a[i].text, b[i].text));
        assert_int_equal(a[i].item_count, b[i].item_count);
    }
}

/* As a rebuild has them, and as they came. */
static void the_rows_are_the_same_in_one_batch_and_in_many(void **state) {
    (void)state;
    live_a_life();
    test_project();
    size_t events = test_fold.count, ends_count = test_row_count(SESSION_ENDS);
    const struct view_value *whole = test_row(CUSTOMERS, 0);
    const struct view_value *ends_whole[] = {test_row(SESSION_ENDS, 0), test_row(SESSION_ENDS, 1)};
    struct str state_whole = test_fold.state;
    size_t histories = test_row_count(CUSTOMER_HISTORY), one_by_one = 0, ends_met = 0;
    test_fold.projected = 0;
    test_fold.state = (struct str){0};
    for (size_t i = 1; i <= events; i++) {
        test_fold.count = i;
        test_project();
        one_by_one += test_row_count(CUSTOMER_HISTORY);
        if (test_row_count(SESSION_ENDS) > 0 && ends_met < ARRAY_LENGTH(ends_whole)) {
            assert_same_row(&customers_view.tables[SESSION_ENDS], ends_whole[ends_met++], test_row(SESSION_ENDS, 0));
        }
    }
    assert_same_row(&customers_view.tables[CUSTOMERS], whole, test_row(CUSTOMERS, 0));
    assert_true(str_equal(test_fold.state, state_whole));
    assert_int_equal(one_by_one, histories);
    assert_int_equal(ends_met, ends_count);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_customer_has_an_address_that_is_known_by_its_stream_and_roles),
        TEST(who_has_no_vendors_role_has_no_vendor),
        TEST(who_is_suspended_is_found_as_before),
        TEST(from_when_an_erasure_is_asked_for_nobody_finds_him_by_his_address_or_roles),
        TEST(a_session_has_a_row_from_where_it_was_opened_and_one_of_its_last_use),
        TEST(what_ended_by_itself_has_no_use_and_what_ended_with_others_is_told_by_number),
        TEST(ends_of_one_moment_are_two_rows),
        TEST(a_history_has_all_but_refreshes_and_is_chained_by_hashes),
        TEST(of_what_is_sealed_a_history_shows_the_key),
        TEST(what_is_left_of_an_erased_person_are_ids),
        TEST(the_rows_are_the_same_in_one_batch_and_in_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
