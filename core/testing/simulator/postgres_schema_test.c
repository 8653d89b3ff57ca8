/* PostgreSQL's double: schemas, and what a cursor sees. */
#include "core/testing/simulator/postgres_scene.h"

/* ---- schemas ----------------------------------------------------------------------------------------------------- */

static void migrate_twice(void *context) {
    (void)context;
    struct pg_session *session;
    struct err_info info = {0};
    int steps = 0;
    enum err failure = pg_session_open("", "test", &session, &info);
    failure = failure != ERR_NONE ? failure : pg_session_exec(session, "DROP SCHEMA IF EXISTS side CASCADE", &info);
    failure = failure != ERR_NONE ? failure : view_schema_migrate(session, views[0], "side", &steps, &info);
    assert(failure == ERR_NONE && steps == 3);
    failure = view_schema_migrate(session, views[0], "side", &steps, &info);
    assert(failure == ERR_NONE && steps == 0);
    struct feed_partition partition = {.topic = "t.things"};
    failure = view_schema_positions(session, "side", &partition, 1, &info);
    assert(failure == ERR_NONE && partition.next_offset == 0);
    failure = view_schema_positions(session, "nowhere", &partition, 1, &info);
    assert(failure == ERR_POSTGRES && !info.retriable);
    pg_session_close(session);
}

static void a_schema_is_made_by_the_real_migration_as_by_the_short_cut(void **state) {
    (void)state;
    world(1);
    sim_postgres_migrate();
    run(migrate_twice, NULL);
    run(migrate_twice, NULL);
    struct buf difference;
    buf_init(&difference, 1024);
    assert_true(sim_postgres_equal(views[0]->name, "side", &difference));
    assert_int_equal(sim_postgres_row_count("side", "about"), 1);
    assert_int_equal(sim_postgres_row_count("side", "migrations"), 3);
    buf_release(&difference);
}

static void switch_schemas(void *context) {
    (void)context;
    struct pg_session *session;
    struct err_info info = {0};
    enum err failure = pg_session_open("", "test", &session, &info);
    sim_sleep(50 * MS);
    failure = failure != ERR_NONE
                  ? failure
                  : pg_session_exec(session, "BEGIN; LOCK TABLE things.position IN EXCLUSIVE MODE", &info);
    assert(failure == ERR_NONE && position() == 10); /* it had to wait for the slow one */
    sim_sleep(100 * MS);
    failure = pg_session_exec(session,
                              "ALTER SCHEMA things RENAME TO things_old; ALTER SCHEMA other RENAME TO things;"
                              "DROP SCHEMA things_old CASCADE; NOTIFY daybook_view, 'things'; COMMIT",
                              &info);
    assert(failure == ERR_NONE);
    pg_session_close(session);
}

static void a_switch_holds_projectors_off_and_fences_them(void **state) {
    (void)state;
    world(1);
    sim_postgres_create(&things_view, "other");
    struct slow slow = {.commits = true};
    struct quick quick = {.id = "quick", .begins_us = 100 * MS};
    sim_start("slow", 1, slow_main, &slow);
    sim_start("switch", 1, switch_schemas, NULL);
    run(quick_main, &quick);
    assert_int_equal(quick.failure, ERR_FENCED); /* the new schema has no such position yet */
    assert_int_equal(position(), 0);
    assert_int_equal(sim_postgres_row_count("other", "about"), 0);
    assert_int_equal(sim_postgres_row_count("things", "about"), 1);
}

static void write_elsewhere(void *context) {
    struct worker worker;
    enum err failure = worker_open(&worker, "other");
    failure = failure != ERR_NONE ? failure : write_one(&worker, "a", 0);
    failure = failure != ERR_NONE || context == NULL ? failure : write_one(&worker, context, 1);
    assert(failure == ERR_NONE);
    worker_close(&worker);
}

static void the_first_difference_of_two_schemas_is_told(void **state) {
    (void)state;
    static char same[] = "b", other[] = "c";
    const struct {
        char *second;
        const char *difference;
    } rows[] = {{same, ""}, {NULL, "ledger (b, 2) is in things alone"}, {other, "ledger (b, 2) is in things alone"}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        world(1);
        sim_postgres_create(&things_view, "other");
        run(write_two, NULL);
        run(write_elsewhere, rows[i].second);
        struct buf difference;
        buf_init(&difference, 1024);
        assert_int_equal(sim_postgres_equal("things", "other", &difference), i == 0);
        assert_true(str_equal(buf_text(&difference), str_of_cstr(rows[i].difference)));
        buf_release(&difference);
    }
}

static void read_by_cursor(void *context) {
    (void)context;
    struct pg_session *session;
    struct err_info info = {0};
    PGresult *rows = NULL;
    enum err failure = pg_session_open("", "test", &session, &info);
    failure = failure != ERR_NONE ? failure
                                  : pg_session_exec(session,
                                                    "SET work_mem TO '64MB'; SET TimeZone TO 'UTC'; SET "
                                                    "extra_float_digits TO 3;BEGIN ISOLATION LEVEL REPEATABLE READ "
                                                    "READ ONLY",
                                                    &info);
    failure = failure != ERR_NONE
                  ? failure
                  : pg_session_exec(session,
                                    "DECLARE side CURSOR FOR SELECT ROW(id, version)::text COLLATE \"C\" AS key, "
                                    "md5(seen_at::text) FROM things.ledger ORDER BY key",
                                    &info);
    sim_sleep(SECOND_US); /* what is written meanwhile is not seen */
    failure = failure != ERR_NONE ? failure
                                  : pg_session_query(session, "FETCH 10000 FROM side", NULL, 0, false, &rows, &info);
    assert(failure == ERR_NONE && PQntuples(rows) == 2);
    assert(str_equal(pg_get_bytes(rows, 0, 0), STR("(a,1)")) && str_equal(pg_get_bytes(rows, 1, 0), STR("(b,2)")));
    PQclear(rows);
    failure = pg_session_query(session, "FETCH 10000 FROM side", NULL, 0, false, &rows, &info);
    assert(failure == ERR_NONE && PQntuples(rows) == 0);
    PQclear(rows);
    failure = pg_session_query(session, "SELECT count(*) FROM things.ledger", NULL, 0, true, &rows, &info);
    assert(failure == ERR_NONE && pg_get_int8(rows, 0, 0) == 2);
    PQclear(rows);
    failure = pg_session_exec(session, "CLOSE side", &info);
    assert(failure == ERR_NONE);
    pg_session_close(session);
}

static void a_cursor_sees_one_moment_in_the_order_of_its_keys_texts(void **state) {
    (void)state;
    world(1);
    run(write_two, NULL);
    struct quick quick = {0};
    sim_start("cursor", 1, read_by_cursor, NULL);
    sim_run(sim_now_us() + 100 * MS);
    sim_start("projector", 2, write_on, &quick);
    sim_run(sim_now_us() + 2 * SECOND_US);
    sim_postgres_down();
    assert_true(sim_postgres_row_count("things", "ledger") > 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_schema_is_made_by_the_real_migration_as_by_the_short_cut, tear_down),
        cmocka_unit_test_teardown(a_switch_holds_projectors_off_and_fences_them, tear_down),
        cmocka_unit_test_teardown(the_first_difference_of_two_schemas_is_told, tear_down),
        cmocka_unit_test_teardown(a_cursor_sees_one_moment_in_the_order_of_its_keys_texts, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
