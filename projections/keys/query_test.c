/* Rows of API keys as fronts read them, and the statement of the list. */
#include "projections/keys/query.h"

#include "projections/keys/list.h"
#include "projections/runtime/test_rows.h"

#define HASH_1 "1111111111111111111111111111111111111111111111111111111111111111"
#define HASH_2 "2222222222222222222222222222222222222222222222222222222222222222"

enum { KEY_COLUMNS = 7 };

static struct arena arena;

static int setup(void **state) {
    (void)state;
    arena_init(&arena, 1024 * 1024);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

static bool read_key(const char *const texts[KEY_COLUMNS], struct api_key_row *ret_key) {
    PGresult *rows = test_row_of(texts, KEY_COLUMNS);
    bool is_read = api_key_row_read(&arena, rows, 0, ret_key);
    if (is_read) {
        assert_true(str_equal(ret_key->id, STR("key_A")));
    }
    PQclear(rows);
    return is_read;
}

static void a_key_has_its_hashes_times_and_roles(void **state) {
    (void)state;
    struct api_key_row key = {0};
    assert_true(read_key((const char *const[]){"key_A", HASH_1, HASH_2, "1767225600123456", "1767225600000007",
                                               "admin vendor", "Garden & Co"},
                         &key));
    assert_int_equal(key.hash[0], 0x11);
    assert_int_equal(key.hash[31], 0x11);
    assert_true(key.has_previous);
    assert_int_equal(key.previous_hash[31], 0x22);
    assert_int_equal(key.previous_until, INT64_C(1767225600123456));
    assert_true(key.has_expires_at);
    assert_int_equal(key.expires_at, INT64_C(1767225600000007));
    assert_int_equal(key.roles.count, 2);
    assert_true(str_equal(key.roles.items[0].role, STR("admin")));
    assert_false(key.roles.items[0].has_vendor);
    assert_true(str_equal(key.roles.items[1].role, STR("vendor")));
    assert_true(key.roles.items[1].has_vendor);
    assert_true(str_equal(key.roles.items[1].vendor, STR("Garden & Co")));
}

static void what_a_key_has_not_is_not_there(void **state) {
    (void)state;
    struct api_key_row key = {0};
    assert_true(read_key((const char *const[]){"key_A", HASH_1, NULL, NULL, NULL, "service", NULL}, &key));
    assert_false(key.has_previous);
    assert_false(key.has_expires_at);
    assert_int_equal(key.roles.count, 1);
}

/* Rather no key at all than one without a hash, which anybody has. */
static void a_key_without_a_whole_hash_is_none(void **state) {
    (void)state;
    static const char longer[] = HASH_1 "11";
    struct api_key_row key = {.previous_until = 42};
    assert_false(read_key((const char *const[]){"key_A", NULL, NULL, NULL, NULL, "service", NULL}, &key));
    assert_false(read_key((const char *const[]){"key_A", "", NULL, NULL, NULL, "service", NULL}, &key));
    assert_false(read_key((const char *const[]){"key_A", "11", NULL, NULL, NULL, "service", NULL}, &key));
    assert_false(read_key((const char *const[]){"key_A", longer, NULL, NULL, NULL, "service", NULL}, &key));
    assert_false(read_key((const char *const[]){"key_A", HASH_1, "22", "1", NULL, "service", NULL}, &key));
    assert_false(read_key((const char *const[]){"key_A", HASH_1, HASH_2, NULL, NULL, "service", NULL}, &key));
    assert_false(read_key((const char *const[]){"key_A", HASH_1, NULL, NULL, "soon", "service", NULL}, &key));
    assert_int_equal(key.previous_until, 42);
}

static void a_list_asks_for_what_it_is_to_be_filtered_by_and_no_more(void **state) {
    (void)state;
    struct api_keys_filter filter = {.order = pg_order_find(api_keys_orders, STR("name"))};
    struct pg_select select;
    api_keys_list(&select, &arena, &filter, STR("51"));
    assert_string_equal(select.statement.sql, "SELECT k.document, concat(k.id, ' ', lower(k.name)) AS cursor"
                                              " FROM keys.keys AS k WHERE true ORDER BY lower(k.name), k.id"
                                              " LIMIT $1::bigint");
    filter.status = STR("active");
    filter.role = STR("service");
    filter.order = pg_order_find(api_keys_orders, STR("-created_at"));
    filter.after = (struct pg_cursor){.id = STR("key_A"), .key = STR("2026-01-01")};
    api_keys_list(&select, &arena, &filter, STR("51"));
    assert_string_equal(select.statement.sql, "SELECT k.document, concat(k.id, ' ', k.created_at) AS cursor"
                                              " FROM keys.keys AS k WHERE (k.created_at, k.id) <"
                                              " ($1::timestamptz, $2::text) AND k.status = $3::text"
                                              " AND k.roles @> ARRAY[$4::text] ORDER BY k.created_at DESC, k.id DESC"
                                              " LIMIT $5::bigint");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_key_has_its_hashes_times_and_roles),
        TEST(what_a_key_has_not_is_not_there),
        TEST(a_key_without_a_whole_hash_is_none),
        TEST(a_list_asks_for_what_it_is_to_be_filtered_by_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
