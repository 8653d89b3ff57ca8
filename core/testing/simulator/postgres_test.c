/* PostgreSQL's double: rows, and projectors that meet. */
#include "core/testing/simulator/postgres_scene.h"

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static void write_and_load(void *context) {
    (void)context;
    struct worker worker;
    enum err failure = worker_open(&worker, "things");
    assert(failure == ERR_NONE);
    failure = write_one(&worker, "one", 0);
    assert(failure == ERR_NONE);
    begin_batch(&worker);
    const struct fold_stream *known = add_stream(&worker, STR("one"), 0);
    const struct fold_stream *unknown = add_stream(&worker, STR("two"), 0);
    failure = view_writer_load(worker.writer, &worker.fold, &worker.info);
    assert(failure == ERR_NONE && known->version == 1 && str_equal(known->state, STR("state")));
    assert(unknown->version == 0);
    worker_close(&worker);
}

static void what_was_committed_is_read_again(void **state) {
    (void)state;
    world(1);
    run(write_and_load, NULL);
    assert_int_equal(position(), 1);
    assert_int_equal(sim_postgres_row_count("things", "things"), 1);
    struct sim_postgres_row row = sim_postgres_row("things", "things", 0);
    assert_true(str_equal(sim_postgres_field(row, 0), STR("one")));
    assert_null(sim_postgres_field(row, 1).data);
    assert_true(str_equal(sim_postgres_field(row, 3), STR("{\"a \\\"tag\\\"\",\"\"}")));
    assert_int_equal(sim_postgres_row_count("things", "ledger"), 1);
    assert_int_equal(sim_postgres_row_count("things", "streams"), 1);
    assert_int_equal(sim_postgres_row_count("things", "no_such_table"), 0);
}

static void replace_add_and_delete(void *context) {
    (void)context;
    struct worker worker;
    enum err failure = worker_open(&worker, "things");
    failure = failure != ERR_NONE ? failure : write_one(&worker, "b", 0);
    failure = failure != ERR_NONE ? failure : write_one(&worker, "a", 1);
    failure = failure != ERR_NONE ? failure : write_one(&worker, "c", 2);
    begin_batch(&worker);
    put_thing(&worker, "b", 41);
    view_delete(&worker.batch, THINGS, (struct view_value[]){view_text(STR("a"))});
    view_delete(&worker.batch, THINGS, (struct view_value[]){view_text(STR("not there"))});
    view_delete(&worker.batch, THINGS, (struct view_value[]){view_text(STR("c"))});
    put_thing(&worker, "c", 5);
    failure = failure != ERR_NONE ? failure : write_batch(&worker, 3, 4);
    assert(failure == ERR_NONE);
    worker_close(&worker);
}

static void additive_columns_add_unless_the_row_was_deleted_and_rows_are_in_the_order_of_their_keys(void **state) {
    (void)state;
    world(1);
    run(replace_add_and_delete, NULL);
    assert_int_equal(sim_postgres_row_count("things", "things"), 2);
    assert_int_equal(amount_of("things", 0), 42);
    assert_int_equal(amount_of("things", 1), 5);
    assert_int_equal(sim_postgres_row_count("things", "ledger"), 3);
}

static void be_refused(void *context) {
    (void)context;
    struct worker worker;
    enum err failure = worker_open(&worker, "things");
    failure = failure != ERR_NONE ? failure : write_one(&worker, "one", 0);
    assert(failure == ERR_NONE);
    begin_batch(&worker);
    put_thing(&worker, "two", 1);
    put_entry(&worker, "one", 1);
    failure = write_batch(&worker, 1, 2);
    assert(failure == ERR_MALFORMED && strstr(worker.info.text, "duplicate key") != NULL);
    begin_batch(&worker);
    view_upsert(&worker.batch, THINGS,
                (struct view_value[]){view_text(STR("a\0b")), view_null(), view_number(1), view_texts(NULL, 0)});
    failure = write_batch(&worker, 1, 2);
    assert(failure == ERR_MALFORMED && strstr(worker.info.text, "invalid byte sequence") != NULL);
    begin_batch(&worker);
    view_upsert(&worker.batch, THINGS,
                (struct view_value[]){view_text(STR("two")), view_null(), view_null(), view_texts(NULL, 0)});
    failure = write_batch(&worker, 1, 2);
    assert(failure == ERR_MALFORMED && strstr(worker.info.text, "null value in column \"amount\"") != NULL);
    failure = write_one(&worker, "three", 1);
    assert(failure == ERR_NONE);
    worker_close(&worker);
}

static void refused_data_leaves_nothing_of_its_transaction(void **state) {
    (void)state;
    world(1);
    run(be_refused, NULL);
    assert_int_equal(position(), 2);
    assert_int_equal(sim_postgres_row_count("things", "things"), 2);
}

/* ---- two projectors ---------------------------------------------------------------------------------------------- */

static void a_projector_waits_for_the_other_one_and_is_fenced_when_that_committed(void **state) {
    (void)state;
    world(1);
    struct slow slow = {.commits = true};
    struct quick quick = {.id = "quick", .begins_us = 100 * MS};
    sim_start("slow", 1, slow_main, &slow);
    run(quick_main, &quick);
    assert_int_equal(quick.failure, ERR_FENCED);
    assert_true(quick.done_us > 200 * MS);
    assert_int_equal(position(), 10);
    assert_int_equal(sim_postgres_row_count("things", "things"), 0);
}

static void a_projector_goes_on_when_the_other_one_rolled_back(void **state) {
    (void)state;
    world(1);
    struct slow slow = {.commits = false};
    struct quick quick = {.id = "quick", .begins_us = 100 * MS};
    sim_start("slow", 1, slow_main, &slow);
    run(quick_main, &quick);
    assert_int_equal(quick.failure, ERR_NONE);
    assert_true(quick.done_us > 200 * MS);
    assert_int_equal(position(), 1);
}

static void a_projector_whose_position_is_not_there_any_more_is_fenced_at_once(void **state) {
    (void)state;
    world(1);
    struct quick first = {.id = "first"}, second = {.id = "second"};
    run(quick_main, &first);
    run(quick_main, &second);
    assert_int_equal(first.failure, ERR_NONE);
    assert_int_equal(second.failure, ERR_FENCED);
}

/* Two that take each other's rows, in the opposite order. */
struct crossing {
    const char *first, *second;
    enum err failure;
};

static void crossing_main(void *context) {
    struct crossing *crossing = context;
    struct worker worker;
    crossing->failure = worker_open(&worker, "things");
    assert(crossing->failure == ERR_NONE);
    for (int i = 0; i < 2 && crossing->failure == ERR_NONE; i++) {
        struct pg_pipeline pipeline;
        pg_pipeline_begin(&pipeline, worker.session);
        if (i == 0) {
            pg_pipeline_send(&pipeline, "begin", NULL, 0);
        }
        put_key(&pipeline, "delete_things", i == 0 ? crossing->first : crossing->second);
        crossing->failure = pg_pipeline_end(&pipeline, NULL, 0, &worker.info);
        sim_sleep(50 * MS);
    }
    if (crossing->failure == ERR_NONE) {
        crossing->failure = pg_session_exec(worker.session, "COMMIT", &worker.info);
    } else {
        assert(worker.info.retriable && strstr(worker.info.text, "deadlock") != NULL);
        pg_session_rollback(worker.session);
    }
    worker_close(&worker);
}

static void of_two_that_wait_for_each_other_one_is_refused(void **state) {
    (void)state;
    world(1);
    run(write_two, NULL);
    struct crossing one = {.first = "a", .second = "b"}, other = {.first = "b", .second = "a"};
    sim_start("one", 1, crossing_main, &one);
    run(crossing_main, &other);
    assert_true((one.failure == ERR_NONE) != (other.failure == ERR_NONE));
    assert_int_equal(sim_postgres_row_count("things", "things"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_was_committed_is_read_again, tear_down),
        cmocka_unit_test_teardown(
            additive_columns_add_unless_the_row_was_deleted_and_rows_are_in_the_order_of_their_keys, tear_down),
        cmocka_unit_test_teardown(refused_data_leaves_nothing_of_its_transaction, tear_down),
        cmocka_unit_test_teardown(a_projector_waits_for_the_other_one_and_is_fenced_when_that_committed, tear_down),
        cmocka_unit_test_teardown(a_projector_goes_on_when_the_other_one_rolled_back, tear_down),
        cmocka_unit_test_teardown(a_projector_whose_position_is_not_there_any_more_is_fenced_at_once, tear_down),
        cmocka_unit_test_teardown(of_two_that_wait_for_each_other_one_is_refused, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
