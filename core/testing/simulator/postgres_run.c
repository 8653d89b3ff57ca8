/* postgres_run.c: what each statement that PostgreSQL's double knows does. postgres_server.h says how it is called;
 * postgres_rows.c has those that write and read a view's rows. */
#include "core/testing/simulator/postgres_rows.h"

#include "core/base/text.h"
#include "core/testing/simulator/postgres_catalog.h"

#include <assert.h>
#include <stdlib.h>

typedef enum run run_fn(struct backend *backend, struct request *request, struct statement *statement);

/* ---- finding tables ---------------------------------------------------------------------------------------------- */

static struct str current_schema(const struct backend *backend) {
    bool is_local = backend->local_schema[0] != '\0';
    return str_of_cstr(is_local ? backend->local_schema : backend->schema);
}

enum run find_table(struct backend *backend, struct request *request, struct str schema, struct str name,
                    size_t *ret_table) {
    struct str where = str_is_empty(schema) ? current_schema(backend) : schema;
    if (!catalog_find(&backend->txn, where, name, ret_table)) {
        return refuse(request, REFUSED, "relation \"%.*s.%.*s\" does not exist", STR_ARGS(where), STR_ARGS(name));
    }
    return RUN_DONE;
}

struct str schema_of(const struct backend *backend) {
    return current_schema(backend);
}

/* ---- transactions and settings ----------------------------------------------------------------------------------- */

static enum run run_begin(struct backend *backend, struct request *request, struct statement *statement) {
    (void)request;
    backend->state = IN_TRANSACTION;
    backend->wants_snapshot = statement->sql.kind == SQL_BEGIN_SNAPSHOT;
    return RUN_DONE;
}

/* Of a transaction that has failed COMMIT makes a rollback, and calls that no error. */
static enum run run_commit(struct backend *backend, struct request *request, struct statement *statement) {
    (void)request;
    if (backend->state == FAILED || statement->sql.kind == SQL_ROLLBACK) {
        backend_rollback(backend);
    } else {
        backend_commit(backend);
    }
    return RUN_DONE;
}

static void name_schema(char ret_name[SCHEMA_NAME_BYTES], struct str name) {
    assert(name.len < SCHEMA_NAME_BYTES);
    memcpy(ret_name, name.data, name.len);
    ret_name[name.len] = '\0';
}

static enum run run_set_schema(struct backend *backend, struct request *request, struct statement *statement) {
    (void)request;
    bool is_local = statement->sql.kind == SQL_SET_LOCAL_SCHEMA;
    name_schema(is_local ? backend->local_schema : backend->schema, statement->sql.words[0]);
    return RUN_DONE;
}

static int64_t number_of(struct str word) {
    int64_t number;
    if (!int64_read(word, &number)) {
        sql_unknown("a number that it cannot read", word);
    }
    return number;
}

static enum run run_lock_timeout(struct backend *backend, struct request *request, struct statement *statement) {
    (void)request;
    bool is_local = statement->sql.kind == SQL_LOCAL_LOCK_TIMEOUT;
    *(is_local ? &backend->local_lock_timeout_us : &backend->lock_timeout_us) =
        number_of(statement->sql.words[0]) * 1000;
    return RUN_DONE;
}

static enum run run_set_asynchronous(struct backend *backend, struct request *request, struct statement *statement) {
    (void)request, (void)statement;
    backend->is_asynchronous = true;
    return RUN_DONE;
}

static enum run run_nothing(struct backend *backend, struct request *request, struct statement *statement) {
    (void)backend, (void)request, (void)statement;
    return RUN_DONE;
}

/* ---- schemas ----------------------------------------------------------------------------------------------------- */

static enum run run_advisory_lock(struct backend *backend, struct request *request, struct statement *statement) {
    (void)request;
    const struct view_table *shape = pg_store_table(CATALOG_ADVISORY_LOCKS)->shape;
    struct str number = field_of_int8(number_of(statement->sql.words[0]));
    struct str key = row_key_of(shape, &number);
    struct pg_store_txn *holder = pg_store_holder(&backend->txn, CATALOG_ADVISORY_LOCKS, key);
    if (holder != NULL) {
        return wait_for(backend, holder);
    }
    pg_store_lock(&backend->txn, CATALOG_ADVISORY_LOCKS, key);
    return RUN_DONE;
}

static enum run run_create_schema(struct backend *backend, struct request *request, struct statement *statement) {
    (void)request;
    struct str schema = statement->sql.words[0];
    struct pg_store_txn *holder = catalog_holder(&backend->txn, schema);
    if (holder != NULL) {
        return wait_for(backend, holder);
    }
    if (!catalog_has_schema(&backend->txn, schema)) {
        catalog_create_schema(&backend->txn, schema);
    }
    return RUN_DONE;
}

/* A schema's whole contents, so that nobody else may be writing to them. */
static struct pg_store_txn *writer_in(struct backend *backend, struct str schema) {
    size_t tables[2 * VIEW_TABLES_MAX + 8];
    size_t count = catalog_tables(&backend->txn, schema, tables, ARRAY_LENGTH(tables));
    struct pg_store_txn *holder = catalog_holder(&backend->txn, schema);
    for (size_t i = 0; i < count && holder == NULL; i++) {
        holder = pg_store_table_holder(&backend->txn, tables[i]);
    }
    return holder;
}

/* The name is looked up once: what has it as the wait begins is dropped, whatever it is called by then. */
static enum run run_drop_schema(struct backend *backend, struct request *request, struct statement *statement) {
    struct str schema = statement->sql.words[0];
    if (!statement->is_read) {
        statement->is_read = true;
        statement->schema_number = catalog_schema_number(&backend->txn, schema);
    }
    schema = catalog_schema_name(&backend->txn, statement->schema_number);
    if (str_is_empty(schema)) {
        schema = statement->sql.words[0];
        bool is_required = statement->sql.kind == SQL_DROP_SCHEMA;
        return is_required ? refuse(request, REFUSED, "schema \"%.*s\" does not exist", STR_ARGS(schema)) : RUN_DONE;
    }
    struct pg_store_txn *holder = writer_in(backend, schema);
    if (holder != NULL) {
        return wait_for(backend, holder);
    }
    catalog_drop_schema(&backend->txn, schema);
    return RUN_DONE;
}

static enum run run_rename_schema(struct backend *backend, struct request *request, struct statement *statement) {
    struct str schema = statement->sql.words[0], name = statement->sql.words[1];
    struct pg_store_txn *holder = catalog_holder(&backend->txn, schema);
    holder = holder != NULL ? holder : catalog_holder(&backend->txn, name);
    if (holder != NULL) {
        return wait_for(backend, holder);
    }
    if (!catalog_has_schema(&backend->txn, schema)) {
        return refuse(request, REFUSED, "schema \"%.*s\" does not exist", STR_ARGS(schema));
    }
    if (catalog_has_schema(&backend->txn, name)) {
        return refuse(request, REFUSED, "schema \"%.*s\" already exists", STR_ARGS(name));
    }
    catalog_rename_schema(&backend->txn, schema, name);
    return RUN_DONE;
}

static enum run run_find_schema(struct backend *backend, struct request *request, struct statement *statement) {
    result_begin(request, statement, 1);
    if (catalog_has_schema(&backend->txn, statement->params[0])) {
        result_int8(request, statement, 0, 0, 1); /* as in run_find_about */
    }
    return RUN_DONE;
}

/* No group role exists here: none lacks anything. */
static enum run run_find_lacking(struct backend *backend, struct request *request, struct statement *statement) {
    (void)backend;
    result_begin(request, statement, 1);
    return RUN_DONE;
}

static enum run run_claim(struct backend *backend, struct request *request, struct statement *statement) {
    bool is_free = server_claim(backend, statement->params[0]);
    result_begin(request, statement, 1);
    result_field(request, 0, 0, str_of(is_free ? "\1" : "\0", 1));
    return RUN_DONE;
}

static enum run run_lock_position(struct backend *backend, struct request *request, struct statement *statement) {
    size_t table;
    enum run run = find_table(backend, request, statement->sql.words[0], STR("position"), &table);
    if (run != RUN_DONE) {
        return run;
    }
    struct pg_store_txn *holder = pg_store_table_holder(&backend->txn, table);
    if (holder != NULL) {
        return wait_for(backend, holder);
    }
    pg_store_lock_table(&backend->txn, table);
    return RUN_DONE;
}

/* ---- migrations -------------------------------------------------------------------------------------------------- */

static enum run run_create_migrations(struct backend *backend, struct request *request, struct statement *statement) {
    (void)request, (void)statement;
    struct str schema = current_schema(backend);
    size_t table;
    if (!catalog_find(&backend->txn, schema, STR("migrations"), &table)) {
        catalog_create_migrations(&backend->txn, schema);
    }
    return RUN_DONE;
}

static enum run run_create_tables(struct backend *backend, struct request *request, struct statement *statement) {
    struct str schema = current_schema(backend);
    const struct view *view = statement->sql.view;
    bool is_runtime = statement->sql.kind == SQL_CREATE_RUNTIME, is_parking = statement->sql.kind == SQL_CREATE_PARKING;
    struct str first = is_runtime ? STR("about") : is_parking ? STR("skipped") : str_of_cstr(view->tables[0].name);
    size_t table;
    if (catalog_find(&backend->txn, schema, first, &table)) {
        return refuse(request, REFUSED, "relation already exists in \"%.*s\"", STR_ARGS(schema));
    }
    if (is_runtime) {
        catalog_create_runtime(&backend->txn, schema);
    } else if (is_parking) {
        catalog_create_parking(&backend->txn, schema);
    } else {
        catalog_create_view(&backend->txn, schema, view);
    }
    return RUN_DONE;
}

static enum run run_newest_migration(struct backend *backend, struct request *request, struct statement *statement) {
    size_t table;
    enum run run = find_table(backend, request, STR(""), STR("migrations"), &table);
    if (run != RUN_DONE) {
        return run;
    }
    struct row_list rows = pg_store_rows(&backend->txn, table);
    int64_t newest = rows.count == 0 ? 0 : field_int8(row_field(rows.items[rows.count - 1], 0));
    free(rows.items);
    result_begin(request, statement, 1);
    result_int8(request, statement, 0, 0, newest);
    return RUN_DONE;
}

static enum run run_add_migration(struct backend *backend, struct request *request, struct statement *statement) {
    size_t table;
    enum run run = find_table(backend, request, STR(""), STR("migrations"), &table);
    if (run == RUN_DONE) {
        const struct str fields[] = {field_of_int8(number_of(statement->sql.words[0])), statement->sql.words[1]};
        pg_store_put(&backend->txn, table, row_new(&migrations_shape, fields));
    }
    return run;
}

static enum run run_add_format(struct backend *backend, struct request *request, struct statement *statement) {
    size_t table;
    enum run run = find_table(backend, request, statement->sql.words[0], STR("about"), &table);
    if (run != RUN_DONE) {
        return run;
    }
    struct row_list rows = pg_store_rows(&backend->txn, table);
    if (rows.count == 0) {
        catalog_put_about(&backend->txn, table, number_of(statement->sql.words[1]));
    }
    free(rows.items);
    return RUN_DONE;
}

/* ---- feed.c's questions ------------------------------------------------------------------------------------------ */

static enum run run_find_about(struct backend *backend, struct request *request, struct statement *statement) {
    assert(statement->param_count == 1);
    size_t table;
    result_begin(request, statement, 1);
    if (catalog_find(&backend->txn, statement->params[0], STR("skipped"), &table)) {
        result_int8(request, statement, 0, 0, 1); /* a row without columns, of which libpq can make none */
    }
    return RUN_DONE;
}

/* It keeps none. */
static enum run run_find_indexes(struct backend *backend, struct request *request, struct statement *statement) {
    (void)backend;
    result_begin(request, statement, 2);
    return RUN_DONE;
}

static enum run run_select_about(struct backend *backend, struct request *request, struct statement *statement) {
    return select_columns(backend, request, statement, statement->sql.words[0], STR("about"), ABOUT_EPOCH + 1);
}

static enum run run_select_skips(struct backend *backend, struct request *request, struct statement *statement) {
    return select_columns(backend, request, statement, STR(""), STR("skipped"), SKIPPED_VERSION + 1);
}

static enum run run_select_positions(struct backend *backend, struct request *request, struct statement *statement) {
    bool is_named = statement->sql.kind == SQL_POSITIONS_OF;
    return select_columns(backend, request, statement, is_named ? statement->sql.words[0] : STR(""), STR("position"),
                          position_shape.column_count);
}

static enum run run_count(struct backend *backend, struct request *request, struct statement *statement) {
    bool is_named = statement->sql.kind == SQL_COUNT_ROWS;
    struct str known = statement->sql.kind == SQL_COUNT_PARKED ? STR("parked") : STR("skipped");
    size_t table;
    enum run run = find_table(backend, request, is_named ? statement->sql.words[0] : STR(""),
                              is_named ? statement->sql.words[1] : known, &table);
    if (run == RUN_DONE) {
        struct row_list rows = pg_store_rows(&backend->txn, table);
        result_begin(request, statement, 1);
        result_int8(request, statement, 0, 0, (int64_t)rows.count);
        free(rows.items);
    }
    return run;
}

static enum run run_add_position(struct backend *backend, struct request *request, struct statement *statement) {
    size_t table;
    enum run run = find_table(backend, request, STR(""), STR("position"), &table);
    if (run != RUN_DONE) {
        return run;
    }
    const struct str fields[] = {statement->sql.words[0], field_of_int8(number_of(statement->sql.words[1])),
                                 field_of_int8(0)};
    const struct stored_row *row = row_new(&position_shape, fields);
    if (pg_store_find(&backend->txn, table, row->key) != NULL) {
        return RUN_DONE;
    }
    struct pg_store_txn *holder = pg_store_holder(&backend->txn, table, row->key);
    if (holder != NULL) {
        return wait_for(backend, holder);
    }
    pg_store_put(&backend->txn, table, row);
    return RUN_DONE;
}

/* ---- which does what --------------------------------------------------------------------------------------------- */

static run_fn *const runs[SQL_KINDS] = {
    [SQL_BEGIN] = run_begin,
    [SQL_BEGIN_SNAPSHOT] = run_begin,
    [SQL_COMMIT] = run_commit,
    [SQL_ROLLBACK] = run_commit,
    [SQL_SET_LOCAL_SCHEMA] = run_set_schema,
    [SQL_SET_SCHEMA] = run_set_schema,
    [SQL_SET_ASYNCHRONOUS] = run_set_asynchronous,
    [SQL_NO_PLAN_CACHE] = run_nothing,
    [SQL_LOCK_TIMEOUT] = run_lock_timeout,
    [SQL_LOCAL_LOCK_TIMEOUT] = run_lock_timeout,
    [SQL_IDLE_TIMEOUT] = run_nothing,
    [SQL_LOCAL_IDLE_TIMEOUT] = run_nothing,
    [SQL_NO_SEQSCAN] = run_nothing,
    [SQL_NO_HASHJOIN] = run_nothing,
    [SQL_NO_MERGEJOIN] = run_nothing,
    [SQL_NO_JIT] = run_nothing,
    [SQL_WORK_MEM] = run_nothing,
    [SQL_TIME_ZONE] = run_nothing,
    [SQL_FLOAT_DIGITS] = run_nothing,
    [SQL_NOTIFY] = run_nothing,
    [SQL_TELL] = run_nothing,
    [SQL_ADVISORY_LOCK] = run_advisory_lock,
    [SQL_CREATE_SCHEMA] = run_create_schema,
    [SQL_CREATE_MIGRATIONS] = run_create_migrations,
    [SQL_NEWEST_MIGRATION] = run_newest_migration,
    [SQL_ADD_MIGRATION] = run_add_migration,
    [SQL_ADD_FORMAT] = run_add_format,
    [SQL_DROP_SCHEMA_IF_THERE] = run_drop_schema,
    [SQL_DROP_SCHEMA] = run_drop_schema,
    [SQL_RENAME_SCHEMA] = run_rename_schema,
    [SQL_LOCK_POSITION] = run_lock_position,
    [SQL_LOCK_POSITION_ALONE] = run_lock_position,
    [SQL_FIND_LACKING] = run_find_lacking,
    [SQL_FIND_SCHEMA] = run_find_schema,
    [SQL_CLAIM] = run_claim,
    [SQL_KEEPALIVES] = run_nothing,
    [SQL_CHECK_CLIENT] = run_nothing,
    [SQL_POSITIONS_OF] = run_select_positions,
    [SQL_FIND_ABOUT] = run_find_about,
    [SQL_FIND_INDEXES] = run_find_indexes,
    [SQL_MAINTENANCE_WORK_MEM] = run_nothing,
    [SQL_ANALYZE] = run_nothing,
    [SQL_SELECT_ABOUT] = run_select_about,
    [SQL_SELECT_SKIPS] = run_select_skips,
    [SQL_COPY_SKIPS] = run_parking,
    [SQL_NEW_EPOCH] = run_parking,
    [SQL_COUNT_SKIPPED] = run_count,
    [SQL_SELECT_STREAM] = run_parking,
    [SQL_FIRST_PARKED] = run_parking,
    [SQL_ADD_SKIP] = run_parking,
    [SQL_TAKE_PARKED] = run_parking,
    [SQL_PARKED_PARTITIONS] = run_parking,
    [SQL_PARKED_OFFSETS] = run_parking,
    [SQL_PARKED_BEHIND] = run_parking,
    [SQL_COUNT_PARKED_OF] = run_parking,
    [SQL_FIND_COLUMNS] = run_find_columns,
    [SQL_UNPARK] = run_unpark,
    [SQL_ADD_POSITION] = run_add_position,
    [SQL_SELECT_POSITIONS] = run_select_positions,
    [SQL_COUNT_PARKED] = run_count,
    [SQL_MOVE] = run_move,
    [SQL_LOAD] = run_load,
    [SQL_COUNT_ROWS] = run_count,
    [SQL_FETCH] = run_fetch,
    [SQL_CLOSE] = run_close,
    [SQL_CREATE_RUNTIME] = run_create_tables,
    [SQL_CREATE_VIEW] = run_create_tables,
    [SQL_CREATE_PARKING] = run_create_tables,
    [SQL_INSERT_ROWS] = run_insert_rows,
    [SQL_DELETE_ROWS] = run_delete_rows,
    [SQL_OPEN_CURSOR] = run_open_cursor,
};

static bool ends_transaction(const struct statement *statement) {
    return statement->sql.kind == SQL_COMMIT || statement->sql.kind == SQL_ROLLBACK;
}

enum run statement_run(struct backend *backend, struct request *request) {
    struct statement *statement = &request->statements[request->at];
    if (backend->state == FAILED && !ends_transaction(statement)) {
        return refuse(request, REFUSED,
                      "current transaction is aborted, commands ignored until end of transaction block");
    }
    if (!backend->txn.is_open && !ends_transaction(statement)) {
        pg_store_open(&backend->txn);
    }
    if (request->is_preparing) {
        return look_at_rows(backend, request, statement);
    }
    if (!statement->is_read) {
        backend->txn.command++;
    }
    if (backend->wants_snapshot && backend->txn.snapshot == NULL && statement->sql.kind != SQL_BEGIN_SNAPSHOT) {
        pg_store_snapshot(&backend->txn);
    }
    enum run run = runs[statement->sql.kind](backend, request, statement);
    if (run == RUN_DONE && statement->touched < 0) {
        statement->touched = 0; /* it counts no rows */
    }
    return run;
}
