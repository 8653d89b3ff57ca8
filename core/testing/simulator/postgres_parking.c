/* postgres_parking.c: the statements of PostgreSQL's double about what is parked and skipped (postgres_rows.h). */
#include "core/testing/simulator/postgres_rows.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/text.h"
#include "core/testing/simulator/postgres_catalog.h"
#include "projections/runtime/tables.h"

enum { PARKED_TOPIC, PARKED_SHARD, PARKED_OFFSET, PARKED_STREAM, PARKED_VERSION, PARKED_APPENDED_AT, PARKED_REASON };
enum { STREAMS_VERSION = 2, STREAMS_PARKED = 3 };

/* What a statement works with. */
struct asked {
    struct backend *backend;
    struct request *request;
    struct statement *statement;
    size_t table;
    struct row_list rows;
};

static int64_t number_param(const struct asked *asked, int index) {
    int64_t number;
    bool is_number = int64_read(asked->statement->params[index], &number);
    assert(is_number);
    return number;
}

static bool is_null(struct str param) {
    return param.data == NULL;
}

static bool is_of_stream(const struct stored_row *row, struct str stream) {
    struct str of_row = row_field(row, PARKED_STREAM);
    return !is_null(of_row) && str_equal(of_row, stream);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static enum run select_stream(const struct asked *asked) {
    struct str key = row_key_of(&runtime_tables[RUNTIME_STREAMS], asked->statement->params);
    const struct stored_row *row = pg_store_find(&asked->backend->txn, asked->table, key);
    result_begin(asked->request, asked->statement, 2);
    if (row != NULL) {
        result_field(asked->request, 0, 0, row_field(row, STREAMS_VERSION));
        result_field(asked->request, 0, 1, row_field(row, STREAMS_PARKED));
    }
    return RUN_DONE;
}

/* Rows are in the order of topic, shard and offset, and a stream has all its events in one partition. */
static enum run first_parked(const struct asked *asked) {
    result_begin(asked->request, asked->statement, 1);
    for (size_t i = 0; i < asked->rows.count; i++) {
        if (is_of_stream(asked->rows.items[i], asked->statement->params[0])) {
            result_field(asked->request, 0, 0, row_field(asked->rows.items[i], PARKED_REASON));
            break;
        }
    }
    return RUN_DONE;
}

static enum run parked_partitions(const struct asked *asked) {
    struct str stream = asked->statement->params[0], topic = {0};
    int64_t shard = -1;
    int found = 0;
    result_begin(asked->request, asked->statement, 2);
    for (size_t i = 0; i < asked->rows.count; i++) {
        const struct stored_row *row = asked->rows.items[i];
        bool is_meant = is_null(stream) || is_of_stream(row, stream);
        bool is_new = found == 0 || !str_equal(row_field(row, PARKED_TOPIC), topic) ||
                      field_int8(row_field(row, PARKED_SHARD)) != shard;
        if (is_meant && is_new) {
            topic = row_field(row, PARKED_TOPIC);
            shard = field_int8(row_field(row, PARKED_SHARD));
            result_field(asked->request, found, 0, topic);
            result_field(asked->request, found++, 1, row_field(row, PARKED_SHARD));
        }
    }
    return RUN_DONE;
}

static enum run parked_offsets(const struct asked *asked) {
    const struct str *params = asked->statement->params;
    int64_t shard = number_param(asked, 1), after = number_param(asked, 2), limit = number_param(asked, 4);
    int found = 0;
    result_begin(asked->request, asked->statement, 1);
    for (size_t i = 0; i < asked->rows.count && found < limit; i++) {
        const struct stored_row *row = asked->rows.items[i];
        bool is_there = str_equal(row_field(row, PARKED_TOPIC), params[0]) &&
                        field_int8(row_field(row, PARKED_SHARD)) == shard &&
                        field_int8(row_field(row, PARKED_OFFSET)) > after;
        bool is_meant = is_null(params[3]) || is_null(row_field(row, PARKED_STREAM)) || is_of_stream(row, params[3]);
        if (is_there && is_meant) {
            result_field(asked->request, found++, 0, row_field(row, PARKED_OFFSET));
        }
    }
    return RUN_DONE;
}

static enum run count_parked_of(const struct asked *asked) {
    struct str stream = asked->statement->params[0];
    int64_t count = 0;
    for (size_t i = 0; i < asked->rows.count; i++) {
        count += is_null(stream) || is_of_stream(asked->rows.items[i], stream);
    }
    result_begin(asked->request, asked->statement, 1);
    result_int8(asked->request, asked->statement, 0, 0, count);
    return RUN_DONE;
}

/* A stream once, though many of its rows are behind. */
static enum run parked_behind(const struct asked *asked) {
    int64_t after = number_param(asked, 1);
    int found = 0;
    struct str *names;
    size_t count = text_array_read(asked->request, asked->statement->params[0], &names);
    result_begin(asked->request, asked->statement, 1);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < asked->rows.count; j++) {
            const struct stored_row *row = asked->rows.items[j];
            if (is_of_stream(row, names[i]) && field_int8(row_field(row, PARKED_OFFSET)) > after) {
                result_field(asked->request, found++, 0, names[i]);
                break;
            }
        }
    }
    return RUN_DONE;
}

/* ---- changing ---------------------------------------------------------------------------------------------------- */

static enum run new_epoch(const struct asked *asked) {
    assert(asked->rows.count == 1);
    const struct stored_row *row = asked->rows.items[0];
    struct pg_store_txn *holder = pg_store_holder(&asked->backend->txn, asked->table, row->key);
    if (holder != NULL) {
        return wait_for(asked->backend, holder);
    }
    catalog_put_about(&asked->backend->txn, asked->table, field_int8(row_field(row, ABOUT_FORMAT)));
    return RUN_DONE;
}

static enum run add_skip(const struct asked *asked) {
    const struct str *params = asked->statement->params;
    const struct str fields[] = {
        params[0], field_of_int8(number_param(asked, 1)), params[2], params[3], params[4], field_of_int8(sim_now_us())};
    const struct stored_row *row = row_new(&skipped_shape, fields);
    struct pg_store_txn *holder = pg_store_holder(&asked->backend->txn, asked->table, row->key);
    if (holder != NULL) {
        return wait_for(asked->backend, holder);
    }
    if (pg_store_find(&asked->backend->txn, asked->table, row->key) == NULL) {
        pg_store_put(&asked->backend->txn, asked->table, row);
    }
    return RUN_DONE;
}

static enum run take_parked(const struct asked *asked) {
    const struct str key[] = {asked->statement->params[0], field_of_int8(number_param(asked, 1)),
                              field_of_int8(number_param(asked, 2))};
    struct str of_row = row_key_of(&runtime_tables[RUNTIME_PARKED], key);
    const struct stored_row *row = pg_store_find(&asked->backend->txn, asked->table, of_row);
    result_begin(asked->request, asked->statement, 1);
    if (row == NULL || !is_null(row_field(row, PARKED_STREAM))) {
        return RUN_DONE;
    }
    struct pg_store_txn *holder = pg_store_holder(&asked->backend->txn, asked->table, row->key);
    if (holder != NULL) {
        return wait_for(asked->backend, holder);
    }
    result_field(asked->request, 0, 0, row_field(row, PARKED_REASON));
    pg_store_delete(&asked->backend->txn, asked->table, row->key);
    return RUN_DONE;
}

static enum run copy_skips(const struct asked *asked) {
    size_t from;
    enum run run = find_table(asked->backend, asked->request, asked->statement->sql.words[1], STR("skipped"), &from);
    if (run != RUN_DONE) {
        return run;
    }
    struct row_list rows = pg_store_rows(&asked->backend->txn, from);
    for (size_t i = 0; i < rows.count; i++) {
        pg_store_put(&asked->backend->txn, asked->table, rows.items[i]);
    }
    free(rows.items);
    return RUN_DONE;
}

/* ---- which does what --------------------------------------------------------------------------------------------- */

static const struct {
    const char *table;
    enum run (*run)(const struct asked *asked);
} kinds[SQL_KINDS] = {
    [SQL_COPY_SKIPS] = {"skipped", copy_skips},
    [SQL_NEW_EPOCH] = {"about", new_epoch},
    [SQL_SELECT_STREAM] = {"streams", select_stream},
    [SQL_FIRST_PARKED] = {"parked", first_parked},
    [SQL_ADD_SKIP] = {"skipped", add_skip},
    [SQL_TAKE_PARKED] = {"parked", take_parked},
    [SQL_PARKED_PARTITIONS] = {"parked", parked_partitions},
    [SQL_PARKED_OFFSETS] = {"parked", parked_offsets},
    [SQL_PARKED_BEHIND] = {"parked", parked_behind},
    [SQL_COUNT_PARKED_OF] = {"parked", count_parked_of},
};

enum run run_parking(struct backend *backend, struct request *request, struct statement *statement) {
    struct asked asked = {.backend = backend, .request = request, .statement = statement};
    bool has_schema = statement->sql.kind == SQL_COPY_SKIPS;
    enum run run = find_table(backend, request, has_schema ? statement->sql.words[0] : STR(""),
                              str_of_cstr(kinds[statement->sql.kind].table), &asked.table);
    if (run == RUN_DONE) {
        asked.rows = pg_store_rows(&backend->txn, asked.table);
        run = kinds[statement->sql.kind].run(&asked);
        free(asked.rows.items);
    }
    return run;
}
