/* Rows of customers and their sessions as fronts read them, and the statement of the list. */
#include "projections/customers/query.h"

#include "core/base/text.h"
#include "gen/codec.h"
#include "projections/customers/list.h"
#include "projections/customers/sessions.h"
#include "projections/runtime/test_rows.h"

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

/* ---- customers --------------------------------------------------------------------------------------------------- */

static const char *hex_of_state(const struct customer_state *state) {
    struct buf bytes, hex;
    buf_init(&bytes, 4096);
    buf_init(&hex, 8192);
    customer_state_encode(&bytes, state);
    hex_write(&hex, buf_text(&bytes));
    buf_byte(&hex, '\0');
    const char *text = arena_str_copy(&arena, buf_text(&hex)).data;
    buf_release(&bytes);
    buf_release(&hex);
    return text;
}

static const char *schema_text(uint32_t schema_id) {
    return arena_printf(&arena, "%u", schema_id).data;
}

static bool read_customer(const char *version, const char *schema, const char *state, struct customer_row *ret_row) {
    const char *const texts[CUSTOMER_COLUMNS] = {"cus_A", version, schema, state};
    PGresult *rows = test_row_of(texts, CUSTOMER_COLUMNS);
    bool is_read = customer_row_read(&arena, rows, 0, ret_row);
    if (is_read) {
        assert_true(str_equal(ret_row->id, STR("cus_A")));
    }
    PQclear(rows);
    return is_read;
}

static void a_customer_comes_with_his_folded_state(void **state) {
    (void)state;
    struct customer_state folded = {.status = CUSTOMER_STATUS_ACTIVE,
                                    .identity = STR("idn_A"),
                                    .has_password = true,
                                    .password = {STR("per_1"), STR("nonce"), STR("sealed"), {0}},
                                    .password_number = 3};
    struct customer_row row = {0};
    assert_true(read_customer("7", schema_text(CUSTOMER_STATE_SCHEMA_ID), hex_of_state(&folded), &row));
    assert_int_equal(row.version, 7);
    assert_int_equal(row.state.status, CUSTOMER_STATUS_ACTIVE);
    assert_int_equal(row.state.password_number, 3);
    assert_true(str_equal(row.state.password.ciphertext, STR("sealed")));
}

static void what_cannot_be_read_is_no_customer(void **state) {
    (void)state;
    struct customer_state folded = {.status = CUSTOMER_STATUS_ACTIVE};
    const char *schema = schema_text(CUSTOMER_STATE_SCHEMA_ID), *good = hex_of_state(&folded);
    struct customer_row row = {0};
    assert_true(read_customer("7", schema, good, &row));
    row = (struct customer_row){0};
    assert_false(read_customer("7", schema_text(999999), good, &row));
    assert_false(read_customer("7", "-1", good, &row));
    assert_false(read_customer("7", "4294967394", good, &row)); /* that id and 2^32 */
    assert_false(read_customer("7", NULL, good, &row));
    assert_false(read_customer(NULL, schema, good, &row));
    assert_false(read_customer("7", schema, NULL, &row));
    assert_false(read_customer("7", schema, "zz", &row));
    assert_false(read_customer("7", schema, arena_printf(&arena, "%s0", good).data, &row));
    assert_int_equal(row.version, 0);
}

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

enum { SESSION_COLUMNS = 9, END_COLUMNS = 5 };

static bool read_session(const char *number, const char *nonce, const char *client,
                         struct customer_session *ret_session) {
    const char *const texts[SESSION_COLUMNS] = {
        number, "totp", "1767225600123456", "1767225601000000", "1767225602000000", "4", "per_1", nonce, client};
    PGresult *rows = test_row_of(texts, SESSION_COLUMNS);
    bool is_read = customer_session_read(&arena, rows, 0, ret_session);
    PQclear(rows);
    return is_read;
}

static void a_session_says_when_it_was_used_and_from_where_it_was_opened(void **state) {
    (void)state;
    struct customer_session session;
    assert_true(read_session("2", "6e6f", "636c", &session));
    assert_int_equal(session.session, 2);
    assert_true(str_equal(session.method, STR("totp")));
    assert_int_equal(session.opened_at, INT64_C(1767225600123456));
    assert_int_equal(session.used_at, INT64_C(1767225601000000));
    assert_int_equal(session.expires_at, INT64_C(1767225602000000));
    assert_int_equal(session.generation, 4);
    assert_true(session.has_client);
    assert_true(str_equal(session.client.key_id, STR("per_1")));
    assert_true(str_equal(session.client.nonce, STR("no")));
    assert_true(str_equal(session.client.ciphertext, STR("cl")));
    assert_true(read_session("2", NULL, NULL, &session));
    assert_false(session.has_client);
    assert_false(read_session("2147483648", "6e6f", "636c", &session));
    assert_false(read_session("2", "6e6", "636c", &session));
}

static bool read_end(const char *session, const char *upto, const char *kept, struct session_end *ret_end) {
    const char *const texts[END_COLUMNS] = {"cus_A", session, upto, kept, "1767225600123456"};
    PGresult *rows = test_row_of(texts, END_COLUMNS);
    bool is_read = session_end_read(rows, 0, ret_end);
    PQclear(rows);
    return is_read;
}

static void an_end_tells_which_sessions_it_is_of(void **state) {
    (void)state;
    struct session_end end;
    assert_true(read_end("3", "f", "0", &end));
    assert_int_equal(end.ended_at, INT64_C(1767225600123456));
    assert_true(session_end_ends(&end, 3));
    assert_false(session_end_ends(&end, 2));
    assert_false(session_end_ends(&end, 4));
    assert_true(read_end("4", "t", "2", &end));
    assert_true(session_end_ends(&end, 1));
    assert_false(session_end_ends(&end, 2));
    assert_true(session_end_ends(&end, 3));
    assert_false(session_end_ends(&end, 4));
    assert_false(read_end(NULL, "t", "2", &end));
    assert_false(read_end("4", "t", "", &end));
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

#define ROWS_OF                                                                                                        \
    "SELECT c.id, c.version, c.state_schema, encode(s.state, 'hex') AS state, concat(c.id, ' ', c.created_at)"         \
    " AS cursor FROM customers.customers AS c JOIN customers.streams AS s ON s.stream = c.id WHERE "

static void a_list_asks_for_what_it_is_to_be_filtered_by_and_no_more(void **state) {
    (void)state;
    struct customers_filter filter = {.order = pg_order_find(customers_orders, STR("-created_at"))};
    struct pg_select select;
    customers_list(&select, &arena, &filter, STR("51"));
    assert_string_equal(select.statement.sql, ROWS_OF "true ORDER BY c.created_at DESC, c.id DESC LIMIT $1::bigint");
    filter.order = pg_order_find(customers_orders, STR("created_at"));
    filter.status = STR("active");
    filter.role = STR("admin");
    filter.identity = STR("idn_A");
    filter.after = (struct pg_cursor){.id = STR("cus_A"), .key = STR("2026-01-01")};
    customers_list(&select, &arena, &filter, STR("51"));
    assert_string_equal(select.statement.sql,
                        ROWS_OF "(c.created_at, c.id) > ($1::timestamptz, $2::text) AND c.status = $3::text"
                                " AND c.roles <> '{}' AND c.roles @> ARRAY[$4::text] AND c.identity = $5::text"
                                " ORDER BY c.created_at, c.id LIMIT $6::bigint");
    assert_int_equal(select.statement.parameter_count, 6);
    assert_true(str_equal(select.parameters[3], STR("admin")));
    assert_true(str_equal(select.parameters[5], STR("51")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_customer_comes_with_his_folded_state),
        TEST(what_cannot_be_read_is_no_customer),
        TEST(a_session_says_when_it_was_used_and_from_where_it_was_opened),
        TEST(an_end_tells_which_sessions_it_is_of),
        TEST(a_list_asks_for_what_it_is_to_be_filtered_by_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
