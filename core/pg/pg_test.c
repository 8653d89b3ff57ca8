/* The module against a PostgreSQL of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/pg/array.h"
#include "core/pg/grants.h"
#include "core/pg/migrate.h"
#include "core/pg/pool.h"
#include "core/pg/session.h"
#include "core/pg/test_server.h"

enum { WAIT_MS = 20000 };

/* ---- sessions -------------------------------------------------------------------------------------------------------
 */

static void an_unreachable_server_is_a_retriable_error(void **state) {
    (void)state;
    struct pg_session *session = NULL;
    struct err_info info = {0};
    assert_int_equal(pg_session_open("host=127.0.0.1 port=1 dbname=x user=x", "test", &session, &info), ERR_POSTGRES);
    assert_true(info.retriable);
    assert_null(session);
}

static void what_is_wrong_with_the_data_is_told_apart_from_what_is_wrong_with_the_server(void **state) {
    (void)state;
    struct pg_session *session = test_session_open();
    struct err_info info = {0};
    assert_int_equal(pg_session_exec(session, "SELECT 1 / 0", &info), ERR_MALFORMED);
    assert_false(info.retriable);
    assert_int_equal(pg_session_exec(session, "SELECT FROM nowhere", &info), ERR_POSTGRES);
    assert_false(info.retriable);
    assert_int_equal(pg_session_exec(session,
                                     "CREATE TEMP TABLE words (word text); CREATE INDEX ON words (word);"
                                     "INSERT INTO words SELECT string_agg(md5(i::text), '')"
                                     " FROM generate_series(1, 1000) AS i",
                                     &info),
                     ERR_MALFORMED);
    assert_int_equal(pg_session_exec(session, "SET statement_timeout = 20; SELECT pg_sleep(5)", &info), ERR_TIMEOUT);
    assert_true(info.retriable);
    pg_session_close(session);
}

static void a_lock_that_is_waited_for_in_vain_is_a_time_out(void **state) {
    (void)state;
    struct pg_session *holder = test_session_open(), *waiter = test_session_open();
    struct err_info info = {0};
    assert_int_equal(pg_session_exec(holder, "CREATE TABLE held (id int)", &info), ERR_NONE);
    assert_int_equal(pg_session_exec(holder, "BEGIN; LOCK TABLE held", &info), ERR_NONE);
    assert_int_equal(pg_session_exec(waiter, "SET lock_timeout TO 20; SELECT FROM held", &info), ERR_TIMEOUT);
    assert_true(info.retriable);
    pg_session_rollback(holder);
    assert_int_equal(pg_session_exec(waiter, "SELECT FROM held; DROP TABLE held", &info), ERR_NONE);
    pg_session_close(holder);
    pg_session_close(waiter);
}

static struct pg_param array_of(struct pg_array *array, enum pg_element type, struct str element) {
    pg_array_init(array, 4096);
    pg_array_begin(array, type);
    pg_array_null(array);
    pg_array_bytes(array, element);
    return PG_BINARY(pg_array_end(array));
}

static void arrays_of_every_type_come_out_as_they_went_in(void **state) {
    (void)state;
    struct pg_session *session = test_session_open();
    struct pg_array arrays[6];
    struct pg_param params[6] = {array_of(&arrays[0], PG_ELEMENT_TEXT, STR("snow \xe2\x98\x83")),
                                 array_of(&arrays[1], PG_ELEMENT_BYTEA, STR("\0\1\377")),
                                 array_of(&arrays[2], PG_ELEMENT_JSON, STR("{\"a\": [1]}"))};
    for (int i = 3; i < 6; i++) {
        pg_array_init(&arrays[i], 4096);
        pg_array_begin(&arrays[i], i == 3 ? PG_ELEMENT_INT8 : i == 4 ? PG_ELEMENT_BOOL : PG_ELEMENT_TIMESTAMPTZ);
        pg_array_null(&arrays[i]);
    }
    pg_array_int8(&arrays[3], INT64_MIN);
    pg_array_bool(&arrays[4], true);
    pg_array_timestamp(&arrays[5], 1767225600123456);
    for (int i = 3; i < 6; i++) {
        params[i] = PG_BINARY(pg_array_end(&arrays[i]));
    }
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    struct err_info info = {0};
    assert_int_equal(pg_session_query(session,
                                      "SELECT (t = 'snow \xe2\x98\x83' AND bytes = '\\x0001ff' AND j ->> 'a' = '[1]'"
                                      " AND n = -9223372036854775808 AND b AND at = '2026-01-01T00:00:00.123456Z')"
                                      " IS TRUE, num_nulls(t, bytes, j, n, b, at)::bigint"
                                      " FROM unnest($1::text[], $2::bytea[], $3::json[], $4::bigint[], $5::boolean[],"
                                      " $6::timestamptz[]) WITH ORDINALITY AS r (t, bytes, j, n, b, at, o) ORDER BY o",
                                      params, 6, true, &result, &info),
                     ERR_NONE);
    assert_int_equal(PQntuples(result), 2);
    assert_int_equal(pg_get_int8(result, 0, 1), 6);
    assert_true(pg_get_bool(result, 1, 0));
    for (int i = 0; i < 6; i++) {
        pg_array_release(&arrays[i]);
    }
    pg_session_close(session);
}

static void arrays_within_an_array_travel_as_text_and_are_cast(void **state) {
    (void)state;
    struct pg_session *session = test_session_open();
    struct pg_array lists;
    pg_array_init(&lists, 4096);
    pg_array_begin(&lists, PG_ELEMENT_TEXT);
    pg_array_literal(&lists, (struct str[]){STR("a"), STR("b,\"{}\\"), STR(""), STR("NULL"), STR(" c ")}, 5);
    pg_array_literal(&lists, NULL, 0);
    pg_array_null(&lists);
    struct pg_param param = PG_BINARY(pg_array_end(&lists));
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    struct err_info info = {0};
    assert_int_equal(pg_session_query(session,
                                      "SELECT l::text[] = ARRAY['a', E'b,\"{}\\\\', '', 'NULL', ' c '],"
                                      " l::text[] = '{}', l IS NULL"
                                      " FROM unnest($1::text[]) WITH ORDINALITY AS r (l, o) ORDER BY o",
                                      &param, 1, true, &result, &info),
                     ERR_NONE);
    assert_int_equal(PQntuples(result), 3);
    for (int i = 0; i < 3; i++) {
        assert_true(pg_get_bool(result, i, i));
    }
    pg_array_release(&lists);
    pg_session_close(session);
}

static void an_array_without_elements_is_an_empty_one(void **state) {
    (void)state;
    struct pg_session *session = test_session_open();
    struct pg_array none;
    pg_array_init(&none, 4096);
    pg_array_begin(&none, PG_ELEMENT_TEXT);
    struct pg_param param = PG_BINARY(pg_array_end(&none));
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    struct err_info info = {0};
    assert_int_equal(pg_session_query(session, "SELECT $1::text[] = '{}'", &param, 1, true, &result, &info), ERR_NONE);
    assert_true(pg_get_bool(result, 0, 0));
    pg_array_release(&none);
    pg_session_close(session);
}

/* ---- pipelines ------------------------------------------------------------------------------------------------------
 */

static struct pg_session *session_with_statements(void) {
    struct pg_session *session = test_session_open();
    struct err_info info = {0};
    assert_int_equal(pg_session_exec(session, "CREATE TEMPORARY TABLE many (n bigint UNIQUE, t text)", &info),
                     ERR_NONE);
    assert_int_equal(pg_session_prepare(session, "begin", "BEGIN", &info), ERR_NONE);
    assert_int_equal(pg_session_prepare(session, "fill",
                                        "INSERT INTO many SELECT n, $2::text FROM unnest($1::bigint[]) AS r (n)",
                                        &info),
                     ERR_NONE);
    return session;
}

static void send_numbers(struct pg_pipeline *pipeline, int64_t first, int64_t count, struct str text) {
    struct pg_array numbers;
    pg_array_init(&numbers, 1024 * 1024);
    pg_array_begin(&numbers, PG_ELEMENT_INT8);
    for (int64_t i = 0; i < count; i++) {
        pg_array_int8(&numbers, first + i);
    }
    struct pg_param params[] = {PG_BINARY(pg_array_end(&numbers)), PG_BINARY(text)};
    pg_pipeline_send(pipeline, "fill", params, 2);
    pg_array_release(&numbers);
}

static void a_pipeline_tells_how_many_rows_each_statement_touched(void **state) {
    (void)state;
    struct pg_session *session = session_with_statements();
    struct err_info info = {0};
    struct pg_pipeline pipeline;
    pg_pipeline_begin(&pipeline, session);
    pg_pipeline_send(&pipeline, "begin", NULL, 0);
    for (int64_t i = 0; i < 100; i++) { /* more than the sockets hold */
        send_numbers(&pipeline, i * 5000, 5000, STR("x"));
    }
    int64_t rows[3];
    assert_int_equal(pg_pipeline_end(&pipeline, rows, 3, &info), ERR_NONE);
    assert_true(rows[0] == 0 && rows[1] == 5000 && rows[2] == 5000);
    assert_int_equal(pg_session_exec(session, "COMMIT", &info), ERR_NONE);
    assert_int_equal(test_number(session, "SELECT count(*) FROM many"), 500000);
    pg_session_close(session);
}

static void after_a_statement_that_fails_a_pipeline_skips_the_rest_and_the_session_lives_on(void **state) {
    (void)state;
    struct pg_session *session = session_with_statements();
    struct err_info info = {0};
    struct pg_pipeline pipeline;
    pg_pipeline_begin(&pipeline, session);
    pg_pipeline_send(&pipeline, "begin", NULL, 0);
    send_numbers(&pipeline, 0, 3, STR("x"));
    send_numbers(&pipeline, 5, 3, STR("no\0text"));
    send_numbers(&pipeline, 9, 3, STR("x"));
    int64_t rows[5];
    assert_int_equal(pg_pipeline_end(&pipeline, rows, 5, &info), ERR_MALFORMED);
    assert_true(rows[1] == 3 && rows[2] == -1 && rows[3] == -1 && rows[4] == -1);
    assert_non_null(strstr(info.text, "0x00"));
    pg_session_rollback(session);
    assert_int_equal(test_number(session, "SELECT count(*) FROM many"), 0);
    pg_session_close(session);
}

static void a_pipeline_whose_connection_is_lost_ends_with_a_retriable_error(void **state) {
    (void)state;
    struct pg_session *session = session_with_statements();
    struct err_info info = {0};
    assert_int_equal(pg_session_prepare(session, "leave", "SELECT pg_terminate_backend(pg_backend_pid())", &info),
                     ERR_NONE);
    struct pg_pipeline pipeline;
    pg_pipeline_begin(&pipeline, session);
    pg_pipeline_send(&pipeline, "leave", NULL, 0);
    send_numbers(&pipeline, 0, 3, STR("x"));
    int64_t rows[2];
    assert_int_equal(pg_pipeline_end(&pipeline, rows, 2, &info), ERR_POSTGRES);
    assert_true(info.retriable);
    assert_true(rows[1] == -1);
    pg_session_rollback(session);
    pg_session_close(session);
}

/* ---- migrations -----------------------------------------------------------------------------------------------------
 */

static void migrations_run_once_in_order_and_all_or_nothing(void **state) {
    (void)state;
    struct pg_session *session = test_session_open();
    struct err_info info = {0};
    struct pg_migration steps[] = {{1, "a table", "CREATE TABLE things (id bigint)"},
                                   {2, "a row", "INSERT INTO things VALUES (1)"},
                                   {3, "a bad step", "INSERT INTO things VALUES (2); SELECT 1 / 0"}};
    int applied = -1;
    assert_int_equal(pg_migrate(session, "migrated", steps, 3, &applied, &info), ERR_MALFORMED);
    assert_int_equal(test_number(session, "SELECT count(*) FROM pg_namespace WHERE nspname = 'migrated'"), 0);
    assert_int_equal(pg_migrate(session, "migrated", steps, 2, &applied, &info), ERR_NONE);
    assert_int_equal(applied, 2);
    assert_int_equal(pg_migrate(session, "migrated", steps, 2, &applied, &info), ERR_NONE);
    assert_int_equal(applied, 0);
    steps[2].sql = "INSERT INTO things VALUES (3)";
    assert_int_equal(pg_migrate(session, "migrated", steps, 3, &applied, &info), ERR_NONE);
    assert_int_equal(applied, 1);
    assert_int_equal(test_number(session, "SELECT sum(id)::bigint FROM migrated.things"), 4);
    pg_session_close(session);
}

static void a_schema_of_a_newer_program_is_left_alone(void **state) {
    (void)state;
    struct pg_session *session = test_session_open();
    struct err_info info = {0};
    struct pg_migration steps[] = {{1, "one", "SELECT 1"}, {2, "two", "SELECT 2"}};
    assert_int_equal(pg_migrate(session, "newer", steps, 2, NULL, &info), ERR_NONE);
    assert_int_equal(pg_migrate(session, "newer", steps, 1, NULL, &info), ERR_CONFLICT);
    pg_session_close(session);
}

/* ---- what roles may do ------------------------------------------------------------------------------------------- */

/* Whether a role may do that to a table. */
static bool may(struct pg_session *session, const char *role, const char *table, const char *privilege) {
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT has_table_privilege('%s', '%s', '%s')::int::bigint", role, table, privilege);
    return test_number(session, sql) == 1;
}

/* Grows with each change of the catalogue's rows about this schema. */
static int64_t newest_change(struct pg_session *session) {
    return test_number(session,
                       "SELECT greatest((SELECT max(xmin::text::bigint) FROM pg_class WHERE relname IN ('one', 'two')),"
                       " (SELECT max(xmin::text::bigint) FROM pg_namespace WHERE nspname = 'view'))");
}

static void grant_views(struct pg_session *session) {
    struct err_info info = {0};
    if (pg_grants_view(session, "view", &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
}

static void fronts_read_views_and_projectors_write_them(void **state) {
    (void)state;
    struct pg_session *session = test_session_open();
    struct err_info info = {0};
    assert_int_equal(pg_session_exec(session, "CREATE SCHEMA view; CREATE TABLE view.one (n int)", &info), ERR_NONE);
    assert_int_equal(
        test_number(session, "SELECT has_schema_privilege('daybook_reader', 'view', 'USAGE')::int::bigint"), 0);
    grant_views(session);
    assert_int_equal(
        test_number(session, "SELECT has_schema_privilege('daybook_reader', 'view', 'USAGE')::int::bigint"), 1);
    assert_int_equal(
        test_number(session, "SELECT has_schema_privilege('daybook_writer', 'view', 'CREATE')::int::bigint"), 0);
    assert_true(may(session, "daybook_reader", "view.one", "SELECT"));
    assert_false(may(session, "daybook_reader", "view.one", "INSERT"));
    static const char *const all[] = {"SELECT", "INSERT", "UPDATE", "DELETE"};
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++) {
        assert_true(may(session, "daybook_writer", "view.one", all[i]));
    }
    assert_false(may(session, "daybook_writer", "view.one", "TRUNCATE"));
    assert_false(may(session, "daybook_keys", "view.one", "SELECT"));
    /* A table that came later, and a privilege that somebody took. */
    assert_int_equal(pg_session_exec(session,
                                     "CREATE TABLE view.two (n int);"
                                     "REVOKE DELETE ON view.one FROM daybook_writer",
                                     &info),
                     ERR_NONE);
    grant_views(session);
    assert_true(may(session, "daybook_reader", "view.two", "SELECT"));
    assert_true(may(session, "daybook_writer", "view.one", "DELETE"));
    int64_t before = newest_change(session);
    grant_views(session);
    assert_int_equal(newest_change(session), before);
    assert_int_equal(pg_session_exec(session, "DROP SCHEMA view CASCADE", &info), ERR_NONE);
    pg_session_close(session);
}

static void keys_are_for_those_who_seal_and_nobody_forges_the_fingerprint(void **state) {
    (void)state;
    struct pg_session *session = test_session_open();
    struct err_info info = {0};
    assert_int_equal(pg_session_exec(session,
                                     "CREATE SCHEMA vault; CREATE TABLE vault.keys (n int);"
                                     "CREATE TABLE vault.installation (n int); CREATE TABLE vault.masters (n int);"
                                     "CREATE TABLE vault.remains (n int)",
                                     &info),
                     ERR_NONE);
    if (pg_grants_vault(session, &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
    static const char *const all[] = {"SELECT", "INSERT", "UPDATE"};
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++) {
        assert_true(may(session, "daybook_keys", "vault.keys", all[i]));
        assert_false(may(session, "daybook_writer", "vault.keys", all[i]));
        assert_false(may(session, "daybook_reader", "vault.keys", all[i]));
    }
    assert_false(may(session, "daybook_keys", "vault.keys", "DELETE"));
    assert_true(may(session, "daybook_keys", "vault.installation", "INSERT"));
    assert_false(may(session, "daybook_keys", "vault.installation", "UPDATE"));
    assert_true(may(session, "daybook_keys", "vault.masters", "INSERT"));
    assert_false(may(session, "daybook_keys", "vault.masters", "UPDATE"));
    assert_true(may(session, "daybook_keys", "vault.remains", "UPDATE"));
    assert_int_equal(
        test_number(session, "SELECT has_schema_privilege('daybook_writer', 'vault', 'USAGE')::int::bigint"), 0);
    assert_int_equal(pg_session_exec(session, "DROP SCHEMA vault CASCADE", &info), ERR_NONE);
    pg_session_close(session);
}

static void a_schema_that_is_not_there_is_an_error(void **state) {
    (void)state;
    struct pg_session *session = test_session_open();
    struct err_info info = {0};
    assert_int_equal(pg_grants_view(session, "nowhere", &info), ERR_POSTGRES);
    assert_non_null(strstr(info.text, "nowhere"));
    pg_session_close(session);
}

/* ---- the pool -------------------------------------------------------------------------------------------------------
 */

static const struct pg_statement echo = {"echo", "SELECT $1::text", 1, false};
static const struct pg_statement divide = {"divide", "SELECT 10 / $1::bigint", 1, false};
static const struct pg_statement nonsense = {"nonsense", "SELECT FROM nowhere", 0, false};
static const struct pg_statement slow = {"slow", "SELECT pg_sleep($1::float8)", 1, false};
static const struct pg_statement tell = {"tell", "SELECT pg_notify('test_channel', $1::text)", 1, false};

struct pool_test {
    uv_loop_t loop;
    uv_timer_t deadline;
    struct pg_pool *pool;
    char answers[512]; /* one letter or text an answer, in the order they came */
    struct err_info last_error;
    char notified[64];
    bool closed;
};

static void note(struct pool_test *test, const char *text, size_t length) {
    size_t at = strlen(test->answers);
    assert_true(at + length + 2 < sizeof test->answers);
    memcpy(test->answers + at, text, length);
    memcpy(test->answers + at + length, " ", 2);
}

static void on_result(void *context, const PGresult *result, const struct err_info *error) {
    struct pool_test *test = context;
    if (error != NULL) {
        test->last_error = *error;
        note(test, error->retriable ? "again" : "wrong", 5);
    } else {
        struct str value = pg_value(result, 0, 0);
        bool is_null = PQgetisnull(result, 0, 0) == 1;
        note(test, is_null ? "null" : value.data, is_null ? 4 : value.len);
    }
}

static void on_notify(void *context, struct str channel, struct str payload) {
    struct pool_test *test = context;
    snprintf(test->notified, sizeof test->notified, "%.*s:%.*s", STR_ARGS(channel), STR_ARGS(payload));
}

static void on_deadline(uv_timer_t *timer) {
    (void)timer;
    fail_msg("what was waited for did not happen");
}

static void ask(struct pool_test *test, const struct pg_statement *statement, struct str parameter) {
    pg_pool_query(test->pool, statement, &parameter, on_result, test);
}

static void pool_setup(struct pool_test *test, int timeout_ms, int queries_max) {
    static const char *const channels[] = {"test_channel", NULL};
    *test = (struct pool_test){0};
    uv_loop_init(&test->loop);
    uv_timer_init(&test->loop, &test->deadline);
    uv_timer_start(&test->deadline, on_deadline, WAIT_MS, 0);
    struct pg_pool_options options = {.conninfo = test_conninfo,
                                      .timeout_ms = timeout_ms,
                                      .queries_max = queries_max,
                                      .listen = channels,
                                      .on_notify = on_notify,
                                      .context = test};
    struct err_info info = {0};
    assert_int_equal(pg_pool_open(&test->loop, &options, &test->pool, &info), ERR_NONE);
    while (!pg_pool_is_up(test->pool)) {
        uv_run(&test->loop, UV_RUN_ONCE);
    }
}

static void run_until(struct pool_test *test, const char *answers) {
    while (strcmp(test->answers, answers) != 0) {
        if (strncmp(test->answers, answers, strlen(test->answers)) != 0) {
            fail_msg("answers are '%s', not '%s' (%s)", test->answers, answers, test->last_error.text);
        }
        uv_run(&test->loop, UV_RUN_ONCE);
    }
}

static void on_closed(void *context) {
    ((struct pool_test *)context)->closed = true;
}

static void pool_teardown(struct pool_test *test) {
    pg_pool_close(test->pool, on_closed, test);
    uv_close((uv_handle_t *)&test->deadline, NULL);
    uv_run(&test->loop, UV_RUN_DEFAULT);
    assert_true(test->closed);
    assert_int_equal(uv_loop_close(&test->loop), 0);
}

static void queries_are_answered_in_their_order_and_one_that_fails_harms_no_other(void **state) {
    (void)state;
    struct pool_test test;
    pool_setup(&test, 0, 0);
    ask(&test, &echo, STR("a"));
    ask(&test, &divide, STR("0"));
    ask(&test, &divide, STR("5"));
    ask(&test, &nonsense, STR(""));
    ask(&test, &echo, (struct str){0});
    ask(&test, &divide, STR("no number"));
    ask(&test, &echo, STR("b"));
    run_until(&test, "a wrong 2 wrong null wrong b ");
    /* A statement that could not be prepared is tried anew. */
    ask(&test, &nonsense, STR(""));
    ask(&test, &divide, STR("2"));
    run_until(&test, "a wrong 2 wrong null wrong b wrong 5 ");
    pool_teardown(&test);
}

static void those_that_share_a_sync_with_one_that_fails_are_answered_all_the_same(void **state) {
    (void)state;
    struct pool_test test;
    pool_setup(&test, 0, 0);
    ask(&test, &echo, STR("a"));
    ask(&test, &divide, STR("5"));
    run_until(&test, "a 2 "); /* both are prepared: from here on one turn is one group */
    ask(&test, &echo, STR("b"));
    ask(&test, &divide, STR("0"));
    ask(&test, &echo, STR("c"));
    ask(&test, &divide, STR("0"));
    ask(&test, &divide, STR("2"));
    run_until(&test, "a 2 b wrong c wrong 5 ");
    ask(&test, &echo, STR("d"));
    run_until(&test, "a 2 b wrong c wrong 5 d ");
    pool_teardown(&test);
}

static void a_parameter_with_a_nul_byte_is_refused(void **state) {
    (void)state;
    struct pool_test test;
    pool_setup(&test, 0, 0);
    ask(&test, &echo, STR("a\0b"));
    run_until(&test, "wrong ");
    assert_int_equal(test.last_error.code, ERR_MALFORMED);
    pool_teardown(&test);
}

static void a_query_that_cannot_be_sent_fails_the_others_only_when_its_caller_has_returned(void **state) {
    (void)state;
    static const struct pg_statement unsendable = {"unsendable", NULL, 0, false}; /* which libpq itself refuses */
    struct pool_test test;
    pool_setup(&test, 0, 0);
    ask(&test, &slow, STR("30"));
    ask(&test, &unsendable, STR(""));
    assert_string_equal(test.answers, "");
    ask(&test, &echo, STR("late"));
    assert_string_equal(test.answers, "again ");
    run_until(&test, "again again again ");
    while (!pg_pool_is_up(test.pool)) {
        uv_run(&test.loop, UV_RUN_ONCE);
    }
    ask(&test, &echo, STR("a"));
    run_until(&test, "again again again a ");
    pool_teardown(&test);
}

static void a_notification_reaches_its_listener(void **state) {
    (void)state;
    struct pool_test test;
    pool_setup(&test, 0, 0);
    ask(&test, &tell, STR("hello"));
    while (strcmp(test.notified, "test_channel:hello") != 0) {
        uv_run(&test.loop, UV_RUN_ONCE);
    }
    pool_teardown(&test);
}

static void past_its_bound_the_pool_refuses_at_once(void **state) {
    (void)state;
    struct pool_test test;
    pool_setup(&test, 0, 5); /* SET and LISTEN may still be in flight */
    for (int i = 0; i < 8; i++) {
        ask(&test, &echo, STR("x"));
    }
    assert_true(strncmp(test.answers, "again again again ", 18) == 0);
    assert_int_equal(test.last_error.code, ERR_TOO_LARGE);
    pool_teardown(&test);
}

static void a_query_that_takes_too_long_is_cancelled_and_the_next_is_answered(void **state) {
    (void)state;
    struct pool_test test;
    pool_setup(&test, 400, 0);
    ask(&test, &slow, STR("30"));
    run_until(&test, "again ");
    assert_int_equal(test.last_error.code, ERR_TIMEOUT);
    ask(&test, &echo, STR("next"));
    run_until(&test, "again next ");
    pool_teardown(&test);
}

static void a_killed_server_fails_what_is_in_flight_and_is_used_again_when_it_is_back(void **state) {
    (void)state;
    struct pool_test test;
    pool_setup(&test, 0, 0);
    ask(&test, &echo, STR("a"));
    ask(&test, &slow, STR("30"));
    ask(&test, &echo, STR("b"));
    run_until(&test, "a ");
    test_server_kill();
    run_until(&test, "a again again ");
    assert_false(pg_pool_is_up(test.pool));
    ask(&test, &echo, STR("c"));
    assert_string_equal(test.answers, "a again again again ");
    test_server("start");
    while (!pg_pool_is_up(test.pool)) {
        uv_run(&test.loop, UV_RUN_ONCE);
    }
    ask(&test, &echo, STR("d"));
    run_until(&test, "a again again again d ");
    pool_teardown(&test);
}

static void closing_answers_what_is_in_flight(void **state) {
    (void)state;
    struct pool_test test;
    pool_setup(&test, 0, 0);
    ask(&test, &slow, STR("30"));
    pool_teardown(&test);
    assert_string_equal(test.answers, "again ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unreachable_server_is_a_retriable_error),
        cmocka_unit_test(what_is_wrong_with_the_data_is_told_apart_from_what_is_wrong_with_the_server),
        cmocka_unit_test(a_lock_that_is_waited_for_in_vain_is_a_time_out),
        cmocka_unit_test(arrays_of_every_type_come_out_as_they_went_in),
        cmocka_unit_test(arrays_within_an_array_travel_as_text_and_are_cast),
        cmocka_unit_test(an_array_without_elements_is_an_empty_one),
        cmocka_unit_test(a_pipeline_tells_how_many_rows_each_statement_touched),
        cmocka_unit_test(after_a_statement_that_fails_a_pipeline_skips_the_rest_and_the_session_lives_on),
        cmocka_unit_test(a_pipeline_whose_connection_is_lost_ends_with_a_retriable_error),
        cmocka_unit_test(migrations_run_once_in_order_and_all_or_nothing),
        cmocka_unit_test(a_schema_of_a_newer_program_is_left_alone),
        cmocka_unit_test(fronts_read_views_and_projectors_write_them),
        cmocka_unit_test(keys_are_for_those_who_seal_and_nobody_forges_the_fingerprint),
        cmocka_unit_test(a_schema_that_is_not_there_is_an_error),
        cmocka_unit_test(queries_are_answered_in_their_order_and_one_that_fails_harms_no_other),
        cmocka_unit_test(a_parameter_with_a_nul_byte_is_refused),
        cmocka_unit_test(a_query_that_cannot_be_sent_fails_the_others_only_when_its_caller_has_returned),
        cmocka_unit_test(a_notification_reaches_its_listener),
        cmocka_unit_test(those_that_share_a_sync_with_one_that_fails_are_answered_all_the_same),
        cmocka_unit_test(past_its_bound_the_pool_refuses_at_once),
        cmocka_unit_test(a_query_that_takes_too_long_is_cancelled_and_the_next_is_answered),
        cmocka_unit_test(a_killed_server_fails_what_is_in_flight_and_is_used_again_when_it_is_back),
        cmocka_unit_test(closing_answers_what_is_in_flight),
    };
    return cmocka_run_group_tests(tests, test_server_setup, test_server_teardown);
}
