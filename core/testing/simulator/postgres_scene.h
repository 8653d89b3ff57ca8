/* postgres_scene.h: a small view and a projector of it, to test PostgreSQL's double. For postgres_*test.c alone.
 *
 * The double is asked as the projectors ask: by the real writer of views and by sessions. What is asserted within a
 * fiber ends the program: cmocka could not come back from there.
 */
#pragma once

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
    struct view_about about;
    struct view_writer *writer;
    struct arena arena;
    struct view_batch batch;
    struct fold fold;
    struct err_info info;
};

static inline enum err worker_open(struct worker *worker, const char *schema) {
    *worker = (struct worker){0};
    arena_init(&worker->arena, 1 << 24);
    batch_init(&worker->batch, &things_view);
    enum err failure = pg_session_open("", "test", &worker->session, &worker->info);
    if (failure == ERR_NONE) {
        failure = view_schema_about(worker->session, schema, &worker->about, &worker->info);
    }
    if (failure == ERR_NONE) {
        failure = view_writer_open(worker->session, &things_view, schema, worker->about.epoch, &worker->writer,
                                   &worker->info);
    }
    if (failure == ERR_NONE) {
        failure = pg_session_exec(
            worker->session, "INSERT INTO position VALUES ('t.things', 0, 0) ON CONFLICT DO NOTHING", &worker->info);
    }
    return failure;
}

static inline void worker_close(struct worker *worker) {
    view_writer_close(worker->writer);
    pg_session_close(worker->session);
    batch_release(&worker->batch);
    arena_release(&worker->arena);
}

static inline void begin_batch(struct worker *worker) {
    arena_reset(&worker->arena);
    batch_begin(&worker->batch, &worker->arena);
    worker->fold = (struct fold){.view = &things_view, .arena = &worker->arena};
    map_init(&worker->fold.streams, &worker->arena);
}

static inline struct fold_stream *add_stream(struct worker *worker, struct str name, int64_t version) {
    struct fold_stream *stream = arena_alloc(&worker->arena, sizeof *stream);
    *stream = (struct fold_stream){.name = name, .version = version, .state = STR("state"), .changed = version > 0};
    *map_at(&worker->fold.streams, name) = stream;
    return stream;
}

static inline void put_thing(struct worker *worker, const char *id, int64_t amount) {
    static const struct str tags[] = {STR("a \"tag\""), STR("")};
    view_upsert(&worker->batch, THINGS,
                (struct view_value[]){view_text(str_of_cstr(id)), view_null(), view_number(amount),
                                      view_texts(tags, ARRAY_LENGTH(tags))});
}

static inline void put_entry(struct worker *worker, const char *id, int64_t version) {
    view_upsert(&worker->batch, LEDGER,
                (struct view_value[]){view_text(str_of_cstr(id)), view_number(version), view_number(version)});
}

static inline enum err write_batch(struct worker *worker, int64_t expected, int64_t next_offset) {
    const struct position_move move = {STR("t.things"), 0, expected, next_offset};
    return view_writer_write(worker->writer, &worker->batch, &worker->fold, &move, 1, true, &worker->info);
}

/* One thing and one entry: from the position before to the next. */
static inline enum err write_one(struct worker *worker, const char *id, int64_t position) {
    begin_batch(worker);
    put_thing(worker, id, 1);
    put_entry(worker, id, position + 1);
    add_stream(worker, str_of_cstr(id), position + 1);
    return write_batch(worker, position, position + 1);
}

static inline int64_t position(void) {
    return sim_postgres_position("things", "t.things", 0);
}

static inline int64_t amount_of(const char *schema, size_t index) {
    struct str field = sim_postgres_field(sim_postgres_row(schema, "things", index), 2);
    uint64_t wire;
    assert_int_equal(field.len, sizeof wire);
    memcpy(&wire, field.data, sizeof wire);
    return (int64_t)__builtin_bswap64(wire);
}

/* ---- a world ----------------------------------------------------------------------------------------------------- */

static inline void world(uint64_t seed) {
    sim_begin(seed);
    sim_point_hook = NULL;
    sim_postgres_begin();
    sim_postgres_create(&things_view, "things");
}

/* Runs one process to its end. */
static inline void run(void (*main)(void *context), void *context) {
    sim_start("projector", 1, main, context);
    sim_run(sim_now_us() + 100 * (int64_t)SECOND_US);
}

static inline int tear_down(void **state) {
    (void)state;
    sim_point_hook = NULL;
    sim_postgres_begin();
    return 0;
}

/* ---- what projectors do ------------------------------------------------------------------------------------------ */

/* Moves the position and writes the thing "slow", and ends its transaction 200 ms later. */
struct slow {
    bool commits;
    enum err failure;
};

static inline void put_move(const struct worker *worker, struct pg_pipeline *pipeline, int64_t expected,
                            int64_t next_offset) {
    const int64_t numbers[] = {0, expected, next_offset};
    struct pg_array arrays[4];
    struct pg_param params[5] = {[4] = PG_TEXT(str_of_cstr(worker->about.epoch))};
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
    pg_pipeline_send(pipeline, "move", params, 5);
    for (int i = 0; i < 4; i++) {
        pg_array_release(&arrays[i]);
    }
}

static inline void put_key(struct pg_pipeline *pipeline, const char *statement, const char *key) {
    struct pg_array array;
    pg_array_init(&array, 1024);
    pg_array_begin(&array, PG_ELEMENT_TEXT);
    pg_array_bytes(&array, str_of_cstr(key));
    struct pg_param param = PG_BINARY(pg_array_end(&array));
    pg_pipeline_send(pipeline, statement, &param, 1);
    pg_array_release(&array);
}

static inline void slow_main(void *context) {
    struct slow *slow = context;
    struct worker worker;
    slow->failure = worker_open(&worker, "things");
    assert(slow->failure == ERR_NONE);
    struct pg_pipeline pipeline;
    int64_t rows[2];
    pg_pipeline_begin(&pipeline, worker.session);
    pg_pipeline_send(&pipeline, "begin", NULL, 0);
    put_move(&worker, &pipeline, 0, 10);
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

static inline void quick_main(void *context) {
    struct quick *quick = context;
    struct worker worker;
    sim_sleep(quick->begins_us);
    quick->failure = worker_open(&worker, "things");
    assert(quick->failure == ERR_NONE);
    quick->failure = write_one(&worker, quick->id, 0);
    quick->done_us = sim_now_us();
    worker_close(&worker);
}

static inline void write_two(void *context) {
    (void)context;
    struct worker worker;
    enum err failure = worker_open(&worker, "things");
    failure = failure != ERR_NONE ? failure : write_one(&worker, "a", 0);
    failure = failure != ERR_NONE ? failure : write_one(&worker, "b", 1);
    assert(failure == ERR_NONE);
    worker_close(&worker);
}

/* Writes every 50 ms until something fails. */
static inline void write_on(void *context) {
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
