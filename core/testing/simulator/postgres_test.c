/* PostgreSQL's double, asked as the projectors ask: by the real writer of views and by sessions. What is asserted
 * within a fiber ends the program: cmocka could not come back from there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <assert.h>

#include "core/pg/array.h"
#include "core/pg/session.h"
#include "core/testing/simulator/postgres.h"
#include "projections/runtime/schema.h"
#include "projections/runtime/writer.h"

enum { SECOND_US = 1000000, MS = 1000, RUNS = 10 };

/* ---- a view ------------------------------------------------------------------------------------------------------ */

static const char things_sql[] = "CREATE TABLE things (\n"
                                 "    id text PRIMARY KEY,\n"
                                 "    note text,\n"
                                 "    amount bigint NOT NULL,\n"
                                 "    tags text[] NOT NULL\n"
                                 ");\n"
                                 "CREATE TABLE ledger (\n"
                                 "    id text,\n"
                                 "    version bigint,\n"
                                 "    seen_at timestamptz NOT NULL,\n"
                                 "    PRIMARY KEY (id, version)\n"
                                 ");\n";

enum { THINGS, LEDGER };

static const struct view things_view = {
    .name = "things",
    .sql = things_sql,
    .format = 7,
    .tables = {[THINGS] = {.name = "things",
                           .columns = {{"id", VIEW_TEXT, .key = true},
                                       {"note", VIEW_TEXT},
                                       {"amount", VIEW_BIGINT, .additive = true},
                                       {"tags", VIEW_TEXT_ARRAY}},
                           .column_count = 4},
               [LEDGER] = {.name = "ledger",
                           .columns = {{"id", VIEW_TEXT, .key = true},
                                       {"version", VIEW_BIGINT, .key = true},
                                       {"seen_at", VIEW_TIMESTAMP}},
                           .column_count = 3,
                           .append_only = true}},
    .table_count = 2,
};

/* ---- a projector ------------------------------------------------------------------------------------------------- */

/* What a fiber does its work with. */
struct worker {
    struct pg_session *session;
    struct view_writer *writer;
    struct arena arena;
    struct view_batch batch;
    struct fold fold;
    struct err_info info;
};

static enum err worker_open(struct worker *worker, const char *schema) {
    *worker = (struct worker){0};
    arena_init(&worker->arena, 1 << 24);
    batch_init(&worker->batch, &things_view);
    enum err failure = pg_session_open("", "test", &worker->session, &worker->info);
    if (failure == ERR_NONE) {
        failure = view_writer_open(worker->session, &things_view, schema, &worker->writer, &worker->info);
    }
    if (failure == ERR_NONE) {
        failure = pg_session_exec(
            worker->session, "INSERT INTO position VALUES ('t.things', 0, 0) ON CONFLICT DO NOTHING", &worker->info);
    }
    return failure;
}

static void worker_close(struct worker *worker) {
    view_writer_close(worker->writer);
    pg_session_close(worker->session);
    batch_release(&worker->batch);
    arena_release(&worker->arena);
}

static void begin_batch(struct worker *worker) {
    arena_reset(&worker->arena);
    batch_begin(&worker->batch, &worker->arena);
    worker->fold = (struct fold){.view = &things_view, .arena = &worker->arena};
    map_init(&worker->fold.streams, &worker->arena);
}

static struct fold_stream *add_stream(struct worker *worker, struct str name, int64_t version) {
    struct fold_stream *stream = arena_alloc(&worker->arena, sizeof *stream);
    *stream = (struct fold_stream){.name = name, .version = version, .state = STR("state"), .changed = version > 0};
    *map_at(&worker->fold.streams, name) = stream;
    return stream;
}

static void put_thing(struct worker *worker, const char *id, int64_t amount) {
    static const struct str tags[] = {STR("a \"tag\""), STR("")};
    view_upsert(&worker->batch, THINGS,
                (struct view_value[]){view_text(str_of_cstr(id)), view_null(), view_number(amount),
                                      view_texts(tags, ARRAY_LENGTH(tags))});
}

static void put_entry(struct worker *worker, const char *id, int64_t version) {
    view_upsert(&worker->batch, LEDGER,
                (struct view_value[]){view_text(str_of_cstr(id)), view_number(version), view_number(version)});
}

static enum err write_batch(struct worker *worker, int64_t expected, int64_t next_offset) {
    const struct position_move move = {STR("t.things"), 0, expected, next_offset};
    return view_writer_write(worker->writer, &worker->batch, &worker->fold, &move, 1, true, &worker->info);
}

/* One thing and one entry: from the position before to the next. */
static enum err write_one(struct worker *worker, const char *id, int64_t position) {
    begin_batch(worker);
    put_thing(worker, id, 1);
    put_entry(worker, id, position + 1);
    add_stream(worker, str_of_cstr(id), position + 1);
    return write_batch(worker, position, position + 1);
}

static int64_t position(void) {
    return sim_postgres_position("things", "t.things", 0);
}

static int64_t amount_of(const char *schema, size_t index) {
    struct str field = sim_postgres_field(sim_postgres_row(schema, "things", index), 2);
    uint64_t wire;
    assert_int_equal(field.len, sizeof wire);
    memcpy(&wire, field.data, sizeof wire);
    return (int64_t)__builtin_bswap64(wire);
}

/* ---- a world ----------------------------------------------------------------------------------------------------- */

static void world(uint64_t seed) {
    sim_begin(seed);
    sim_point_hook = NULL;
    sim_postgres_begin();
    sim_postgres_create(&things_view, "things");
}

/* Runs one process to its end. */
static void run(void (*main)(void *context), void *context) {
    sim_start("projector", 1, main, context);
    sim_run(sim_now_us() + 100 * (int64_t)SECOND_US);
}

static int tear_down(void **state) {
    (void)state;
    sim_point_hook = NULL;
    sim_postgres_begin();
    return 0;
}

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

/* Moves the position and writes the thing "slow", and ends its transaction 200 ms later. */
struct slow {
    bool commits;
    enum err failure;
};

static void put_move(struct pg_pipeline *pipeline, int64_t expected, int64_t next_offset) {
    const int64_t numbers[] = {0, expected, next_offset};
    struct pg_array arrays[4];
    struct pg_param params[4];
    for (int i = 0; i < 4; i++) {
        pg_array_init(&arrays[i], 1024);
        pg_array_begin(&arrays[i], i == 0 ? PG_ELEMENT_TEXT : PG_ELEMENT_INT8);
        if (i == 0) {
            pg_array_bytes(&arrays[i], STR("t.things"));
        } else {
            pg_array_int8(&arrays[i], numbers[i - 1]);
        }
        params[i] = PG_BINARY(pg_array_end(&arrays[i]));
    }
    pg_pipeline_send(pipeline, "move", params, 4);
    for (int i = 0; i < 4; i++) {
        pg_array_release(&arrays[i]);
    }
}

static void put_key(struct pg_pipeline *pipeline, const char *statement, const char *key) {
    struct pg_array array;
    pg_array_init(&array, 1024);
    pg_array_begin(&array, PG_ELEMENT_TEXT);
    pg_array_bytes(&array, str_of_cstr(key));
    struct pg_param param = PG_BINARY(pg_array_end(&array));
    pg_pipeline_send(pipeline, statement, &param, 1);
    pg_array_release(&array);
}

static void slow_main(void *context) {
    struct slow *slow = context;
    struct worker worker;
    slow->failure = worker_open(&worker, "things");
    assert(slow->failure == ERR_NONE);
    struct pg_pipeline pipeline;
    int64_t rows[2];
    pg_pipeline_begin(&pipeline, worker.session);
    pg_pipeline_send(&pipeline, "begin", NULL, 0);
    put_move(&pipeline, 0, 10);
    slow->failure = pg_pipeline_end(&pipeline, rows, 2, &worker.info);
    assert(slow->failure == ERR_NONE && rows[0] == 0 && rows[1] == 1);
    sim_sleep(200 * MS);
    slow->failure = pg_session_exec(worker.session, slow->commits ? "COMMIT" : "ROLLBACK", &worker.info);
    assert(slow->failure == ERR_NONE);
    worker_close(&worker);
}

struct quick {
    const char *id;
    int64_t begins_us;
    enum err failure;
    int64_t done_us;
};

static void quick_main(void *context) {
    struct quick *quick = context;
    struct worker worker;
    sim_sleep(quick->begins_us);
    quick->failure = worker_open(&worker, "things");
    assert(quick->failure == ERR_NONE);
    quick->failure = write_one(&worker, quick->id, 0);
    quick->done_us = sim_now_us();
    worker_close(&worker);
}

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

static void write_two(void *context) {
    (void)context;
    struct worker worker;
    enum err failure = worker_open(&worker, "things");
    failure = failure != ERR_NONE ? failure : write_one(&worker, "a", 0);
    failure = failure != ERR_NONE ? failure : write_one(&worker, "b", 1);
    assert(failure == ERR_NONE);
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

/* ---- processes that die ------------------------------------------------------------------------------------------ */

static const char *killed_at;
static int ends_told;

static void kill_there(const char *name) {
    if (strcmp(name, killed_at) == 0 && strcmp(sim_self()->name, "victim") == 0) {
        sim_kill(sim_self());
    }
}

static void tell_end(struct sim_process *process) {
    (void)process;
    ends_told++;
}

static void victim_main(void *context) {
    struct quick *quick = context;
    quick_main(quick);
    quick->done_us = -1; /* it was to die before this */
}

/* The victim dies there, then another one writes. */
static enum err kill_at(const char *point, uint64_t seed) {
    world(seed);
    killed_at = point;
    ends_told = 0;
    struct quick victim = {.id = "victim"}, heir = {.id = "heir", .begins_us = 3 * MS};
    sim_point_hook = kill_there;
    sim_start("victim", 1, victim_main, &victim)->on_end = tell_end;
    run(quick_main, &heir);
    assert_int_equal(ends_told, 1);
    assert_int_not_equal(victim.done_us, -1);
    return heir.failure;
}

static void a_process_that_dies_before_its_commit_leaves_nothing(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        enum err failure = kill_at("postgres: before commit", seed);
        assert_int_equal(failure, ERR_NONE);
        assert_int_equal(sim_postgres_row_count("things", "things"), 1);
        assert_true(str_equal(sim_postgres_field(sim_postgres_row("things", "things", 0), 0), STR("heir")));
    }
}

static void a_commit_that_was_sent_happens_although_its_sender_dies(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        enum err failure = kill_at("postgres: commit is sent", seed);
        assert_int_equal(failure, ERR_FENCED);
        assert_int_equal(position(), 1);
        assert_int_equal(sim_postgres_row_count("things", "things"), 1);
    }
}

/* ---- the network ------------------------------------------------------------------------------------------------- */

/* Its connection breaks in a way, at a point. */
struct broken {
    uint32_t *fault;
    const char *at; /* "postgres: before ..." */
    enum err failure;
};

static const struct broken *breaking;

static void break_there(const char *name) {
    bool is_before = strstr(name, ": before ") != NULL;
    if (is_before) {
        *breaking->fault = strcmp(name, breaking->at) == 0 ? 1000000 : 0;
    }
}

static void be_cut_off(void *context) {
    struct broken *broken = context;
    struct worker worker;
    enum err failure = worker_open(&worker, "things");
    assert(failure == ERR_NONE);
    breaking = broken;
    sim_postgres_faults.late_most_us = 5 * (int64_t)SECOND_US;
    sim_point_hook = break_there;
    broken->failure = write_one(&worker, "one", 0);
    sim_point_hook = NULL;
    assert(worker.info.retriable);
    failure = pg_session_exec(worker.session, "SET jit TO off", &worker.info);
    assert(failure == ERR_POSTGRES && worker.info.retriable);
    worker_close(&worker);
}

static void when_the_answer_to_a_commit_is_lost_it_has_happened(void **state) {
    (void)state;
    world(1);
    struct broken broken = {.fault = &sim_postgres_faults.answer_lost, .at = "postgres: before commit"};
    run(be_cut_off, &broken);
    assert_int_equal(broken.failure, ERR_POSTGRES);
    assert_int_equal(position(), 1);
}

static void when_a_commit_is_lost_it_has_not_happened(void **state) {
    (void)state;
    world(1);
    struct broken broken = {.fault = &sim_postgres_faults.request_lost, .at = "postgres: before commit"};
    struct quick next = {.id = "next"};
    run(be_cut_off, &broken);
    run(quick_main, &next);
    assert_int_equal(broken.failure, ERR_POSTGRES);
    assert_int_equal(next.failure, ERR_NONE);
    assert_int_equal(position(), 1);
}

static void a_late_commit_happens_after_it_was_given_up(void **state) {
    (void)state;
    world(1);
    struct broken broken = {.fault = &sim_postgres_faults.late, .at = "postgres: before commit"};
    struct quick next = {.id = "next"};
    sim_start("cut off", 1, be_cut_off, &broken);
    sim_run(99 * MS);
    assert_int_equal(broken.failure, ERR_POSTGRES);
    assert_int_equal(position(), 0);
    run(quick_main, &next);
    assert_int_equal(next.failure, ERR_FENCED);
    assert_true(next.done_us > 150 * MS);
    assert_int_equal(sim_postgres_row_count("things", "things"), 1);
}

static void late_rows_are_rolled_back_although_their_session_was_closed_meanwhile(void **state) {
    (void)state;
    world(1);
    struct broken broken = {.fault = &sim_postgres_faults.late, .at = "postgres: before pipeline"};
    struct quick next = {.id = "next"};
    run(be_cut_off, &broken);
    run(quick_main, &next);
    assert_int_equal(broken.failure, ERR_POSTGRES);
    assert_int_equal(next.failure, ERR_NONE);
    assert_int_equal(sim_postgres_row_count("things", "things"), 1);
}

static void try_to_open(void *context) {
    struct quick *quick = context;
    struct worker worker;
    quick->failure = worker_open(&worker, "things");
    assert(quick->failure == ERR_NONE || worker.info.retriable);
    quick->done_us = sim_now_us();
    worker_close(&worker);
}

static void a_cut_link_is_noticed(void **state) {
    (void)state;
    world(1);
    struct quick quick = {0};
    struct sim_process *process = sim_start("projector", 1, try_to_open, &quick);
    sim_postgres_cut(process, true);
    sim_run(10 * (int64_t)SECOND_US);
    assert_int_equal(quick.failure, ERR_POSTGRES);
    assert_int_equal(quick.done_us, 5 * SECOND_US);
    sim_postgres_cut(process, false);
    run(try_to_open, &quick);
    assert_int_equal(quick.failure, ERR_NONE);
}

/* ---- the server's life ------------------------------------------------------------------------------------------- */

/* Writes every 50 ms until something fails. */
static void write_on(void *context) {
    struct quick *quick = context;
    struct worker worker;
    quick->failure = worker_open(&worker, "things");
    int64_t at = position();
    while (quick->failure == ERR_NONE) {
        quick->failure = write_one(&worker, "one", at);
        at += quick->failure == ERR_NONE;
        sim_sleep(50 * MS);
    }
    assert(worker.info.retriable);
    quick->done_us = at;
    worker_close(&worker);
}

static void a_stop_loses_nothing_and_ends_sessions(void **state) {
    (void)state;
    world(1);
    struct quick quick = {0}, late = {0};
    sim_start("projector", 1, write_on, &quick);
    sim_run(SECOND_US);
    sim_postgres_down();
    assert_false(sim_postgres_is_up());
    run(try_to_open, &late);
    assert_int_equal(quick.failure, ERR_POSTGRES);
    assert_int_equal(late.failure, ERR_POSTGRES);
    assert_true(position() >= 15);
    assert_int_equal(position(), quick.done_us);
    sim_postgres_up();
    run(try_to_open, &late);
    assert_int_equal(late.failure, ERR_NONE);
    assert_int_equal(sim_postgres_lost_commits(), 0);
}

static void a_crash_loses_whole_transactions_of_the_last_moments(void **state) {
    (void)state;
    size_t most = 0, least = SIZE_MAX;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        world(seed);
        struct quick quick = {0};
        sim_start("projector", 1, write_on, &quick);
        sim_run(2 * SECOND_US + (int64_t)seed * MS);
        int64_t before = position();
        size_t lost = sim_postgres_crash();
        assert_int_equal(position(), before - (int64_t)lost);
        assert_int_equal(sim_postgres_row_count("things", "ledger"), position());
        assert_int_equal(amount_of("things", 0), position());
        assert_true(lost <= 600 / 50);
        assert_int_equal(sim_postgres_lost_commits(), lost);
        most = lost > most ? lost : most;
        least = lost < least ? lost : least;
        sim_run(3 * SECOND_US);
        assert_int_equal(quick.failure, ERR_POSTGRES);
    }
    assert_int_equal(least, 0);
    assert_true(most >= 10);
}

static void make_schema(void *context) {
    (void)context;
    struct pg_session *session;
    struct err_info info = {0};
    enum err failure = pg_session_open("", "test", &session, &info);
    failure = failure != ERR_NONE ? failure : pg_session_exec(session, "CREATE SCHEMA IF NOT EXISTS other", &info);
    assert(failure == ERR_NONE);
    pg_session_close(session);
}

static void what_came_before_a_synchronous_commit_survives_a_crash(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        world(seed);
        sim_start("projector", 1, write_two, NULL);
        sim_run(SECOND_US / 2);
        sim_start("migrate", 1, make_schema, NULL);
        sim_run(SECOND_US / 2 + 10 * MS);
        assert_int_equal(sim_postgres_crash(), 0);
        assert_int_equal(position(), 2);
    }
}

/* ---- schemas ----------------------------------------------------------------------------------------------------- */

static void migrate_twice(void *context) {
    (void)context;
    struct pg_session *session;
    struct err_info info = {0};
    int steps = 0;
    enum err failure = pg_session_open("", "test", &session, &info);
    failure = failure != ERR_NONE ? failure : pg_session_exec(session, "DROP SCHEMA IF EXISTS side CASCADE", &info);
    failure = failure != ERR_NONE ? failure : view_schema_migrate(session, views[0], "side", &steps, &info);
    assert(failure == ERR_NONE && steps == 2);
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
    assert_int_equal(sim_postgres_row_count("side", "migrations"), 2);
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
                                    "md5(ROW(id, version, seen_at)::text) FROM things.ledger ORDER BY key",
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

/* ---- the same again ---------------------------------------------------------------------------------------------- */

static uint64_t digest_of(uint64_t seed) {
    world(seed);
    sim_postgres_faults.answer_lost = sim_postgres_faults.late = sim_postgres_faults.slow = 20000;
    sim_postgres_faults.late_most_us = sim_postgres_faults.slow_most_us = SECOND_US;
    struct quick quick[2 * RUNS] = {0};
    for (int i = 0; i < RUNS; i++) {
        sim_start("one", i + 1, write_on, &quick[2 * i]);
        sim_start("other", i + 1, write_on, &quick[2 * i + 1]);
        sim_run((i + 1) * (int64_t)SECOND_US);
    }
    return sim_digest();
}

static void a_seed_makes_the_same_run_again(void **state) {
    (void)state;
    assert_int_equal(digest_of(3), digest_of(3));
    assert_int_not_equal(digest_of(3), digest_of(4));
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
        cmocka_unit_test_teardown(a_process_that_dies_before_its_commit_leaves_nothing, tear_down),
        cmocka_unit_test_teardown(a_commit_that_was_sent_happens_although_its_sender_dies, tear_down),
        cmocka_unit_test_teardown(when_the_answer_to_a_commit_is_lost_it_has_happened, tear_down),
        cmocka_unit_test_teardown(when_a_commit_is_lost_it_has_not_happened, tear_down),
        cmocka_unit_test_teardown(a_late_commit_happens_after_it_was_given_up, tear_down),
        cmocka_unit_test_teardown(late_rows_are_rolled_back_although_their_session_was_closed_meanwhile, tear_down),
        cmocka_unit_test_teardown(a_cut_link_is_noticed, tear_down),
        cmocka_unit_test_teardown(a_stop_loses_nothing_and_ends_sessions, tear_down),
        cmocka_unit_test_teardown(a_crash_loses_whole_transactions_of_the_last_moments, tear_down),
        cmocka_unit_test_teardown(what_came_before_a_synchronous_commit_survives_a_crash, tear_down),
        cmocka_unit_test_teardown(a_schema_is_made_by_the_real_migration_as_by_the_short_cut, tear_down),
        cmocka_unit_test_teardown(a_switch_holds_projectors_off_and_fences_them, tear_down),
        cmocka_unit_test_teardown(the_first_difference_of_two_schemas_is_told, tear_down),
        cmocka_unit_test_teardown(a_cursor_sees_one_moment_in_the_order_of_its_keys_texts, tear_down),
        cmocka_unit_test_teardown(a_seed_makes_the_same_run_again, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
