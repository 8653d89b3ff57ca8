#include "core/testing/simulator/postgres_rows.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>

#include "core/base/text.h"
#include "core/testing/simulator/postgres_catalog.h"
#include "projections/runtime/tables.h"

/* ---- arrays as parameters (array_recv in PostgreSQL's arrayfuncs.c) ---------------------------------------------- */

enum { OID_BOOL = 16, OID_BYTEA = 17, OID_INT8 = 20, OID_TEXT = 25, OID_JSON = 114, OID_TIMESTAMPTZ = 1184 };

static uint32_t element_oid(enum view_column_type type) {
    static const uint32_t oids[] = {
        [VIEW_TEXT] = OID_TEXT,       [VIEW_BIGINT] = OID_INT8,
        [VIEW_BOOLEAN] = OID_BOOL,    [VIEW_TIMESTAMP] = OID_TIMESTAMPTZ,
        [VIEW_BYTEA] = OID_BYTEA,     [VIEW_JSON] = OID_JSON,
        [VIEW_TEXT_ARRAY] = OID_TEXT,
    };
    return oids[type];
}

struct array_reader {
    struct str rest;
    uint32_t count;
    bool may_have_null;
};

static uint32_t take_int32(struct array_reader *array) {
    uint32_t wire;
    assert(array->rest.data != NULL && array->rest.len >= sizeof wire);
    memcpy(&wire, array->rest.data, sizeof wire);
    array->rest = str_from(array->rest, sizeof wire);
    return be32toh(wire);
}

static struct array_reader array_begin(struct str parameter, enum view_column_type type) {
    struct array_reader array = {.rest = parameter};
    uint32_t dimensions = take_int32(&array);
    array.may_have_null = take_int32(&array) != 0;
    uint32_t oid = take_int32(&array);
    assert(dimensions <= 1 && oid == element_oid(type));
    if (dimensions == 1) {
        array.count = take_int32(&array);
        uint32_t first = take_int32(&array);
        assert(first == 1 && array.count > 0);
    }
    return array;
}

static struct str array_next(struct array_reader *array) {
    uint32_t length = take_int32(array);
    if (length == UINT32_MAX) {
        assert(array->may_have_null);
        return (struct str){0};
    }
    assert(length <= array->rest.len);
    struct str element = str_of(array->rest.data, length);
    array->rest = str_from(array->rest, length);
    return element;
}

size_t text_array_read(struct request *request, struct str parameter, struct str **ret_elements) {
    struct array_reader array = array_begin(parameter, VIEW_TEXT);
    *ret_elements = arena_alloc(&request->arena, (array.count + 1) * sizeof **ret_elements);
    for (uint32_t i = 0; i < array.count; i++) {
        (*ret_elements)[i] = array_next(&array);
    }
    return array.count;
}

/* ---- what PostgreSQL refuses ------------------------------------------------------------------------------------- */

/* src/include/datatype/timestamp.h: 4714-11-24 BC up to 294277-01-01, counted from 2000. */
static const int64_t TIMESTAMP_LEAST = -211813488000000000, TIMESTAMP_END = 9223371331200000000;

/* Why the element is none of its type; NULL: it is one. Whether a json is JSON is not looked at. */
static const char *why_refused(enum view_column_type type, struct str element) {
    switch (type) {
    case VIEW_TEXT:
    case VIEW_JSON:
    case VIEW_TEXT_ARRAY:
        if (str_find(element, '\0') != element.len || !utf8_is_valid(element)) {
            return "invalid byte sequence for encoding \"UTF8\"";
        }
        return NULL;
    case VIEW_TIMESTAMP:
        assert(element.len == sizeof(int64_t));
        return field_int8(element) < TIMESTAMP_LEAST || field_int8(element) >= TIMESTAMP_END ? "timestamp out of range"
                                                                                             : NULL;
    case VIEW_BIGINT:
        assert(element.len == sizeof(int64_t));
        return NULL;
    case VIEW_BOOLEAN:
        assert(element.len == 1 && (element.data[0] == 0 || element.data[0] == 1));
        return NULL;
    case VIEW_BYTEA:
        return NULL;
    }
    assert(false);
}

/* One array a column, all of one length, into cells, a row after the other. */
static enum run read_cells(struct request *request, struct statement *statement, const enum view_column_type *types,
                           size_t columns) {
    if (statement->is_read) {
        return RUN_DONE;
    }
    assert((size_t)statement->param_count == columns);
    for (size_t i = 0; i < columns; i++) {
        struct array_reader array = array_begin(statement->params[i], types[i]);
        if (i == 0) {
            statement->row_count = array.count;
            statement->cells = arena_alloc(&request->arena, (array.count + 1) * columns * sizeof *statement->cells);
        }
        assert(array.count == statement->row_count);
        for (size_t row = 0; row < array.count; row++) {
            struct str element = array_next(&array);
            const char *why = element.data == NULL ? NULL : why_refused(types[i], element);
            if (why != NULL) {
                return refuse(request, REFUSED_DATA, "%s", why);
            }
            statement->cells[row * columns + i] = element;
        }
        assert(str_is_empty(array.rest));
    }
    statement->is_read = true;
    statement->touched = 0;
    return RUN_DONE;
}

/* ---- the fence --------------------------------------------------------------------------------------------------- */

enum { MOVE_TOPIC, MOVE_SHARD, MOVE_EXPECTED, MOVE_NEXT_OFFSET, MOVE_COLUMNS };

/* Whether the schema's epoch is the one that the projector knows. */
static bool is_epoch(const struct backend *backend, struct str epoch) {
    size_t about;
    bool is = false;
    if (catalog_find(&backend->txn, schema_of(backend), STR("about"), &about)) {
        struct row_list rows = pg_store_rows(&backend->txn, about);
        is = rows.count == 1 && str_equal(row_field(rows.items[0], ABOUT_EPOCH), epoch);
        free(rows.items);
    }
    return is;
}

/* Who had to wait for a row keeps it from then on, also when it is not as expected any more (EvalPlanQual). */
static enum run move_row(struct backend *backend, struct statement *statement, size_t table, const struct str *cells) {
    struct str key = row_key_of(&position_shape, cells);
    const struct stored_row *row = pg_store_find(&backend->txn, table, key);
    bool is_meant = row != NULL && field_int8(row_field(row, POSITION_NEXT_OFFSET)) == field_int8(cells[MOVE_EXPECTED]);
    if (!is_meant && !statement->has_waited) {
        return RUN_DONE;
    }
    struct pg_store_txn *holder = pg_store_holder(&backend->txn, table, key);
    if (holder != NULL) {
        statement->has_waited = true;
        return wait_for(backend, holder);
    }
    if (is_meant) {
        const struct str fields[] = {cells[MOVE_TOPIC], cells[MOVE_SHARD], cells[MOVE_NEXT_OFFSET]};
        pg_store_put(&backend->txn, table, row_new(&position_shape, fields));
        statement->touched++;
    } else if (row != NULL) {
        pg_store_lock(&backend->txn, table, key);
    }
    return RUN_DONE;
}

enum run run_move(struct backend *backend, struct request *request, struct statement *statement) {
    static const enum view_column_type types[] = {VIEW_TEXT, VIEW_BIGINT, VIEW_BIGINT, VIEW_BIGINT};
    size_t table;
    enum run run = find_table(backend, request, STR(""), STR("position"), &table);
    if (run != RUN_DONE) {
        return run;
    }
    /* Only a lock on all of the table has this key. */
    struct pg_store_txn *holder = pg_store_holder(&backend->txn, table, STR(""));
    if (holder != NULL) {
        return wait_for(backend, holder);
    }
    assert(statement->is_read || statement->param_count == MOVE_COLUMNS + 1);
    statement->param_count = MOVE_COLUMNS;
    run = read_cells(request, statement, types, MOVE_COLUMNS);
    if (run == RUN_DONE && !is_epoch(backend, statement->params[MOVE_COLUMNS])) {
        return RUN_DONE;
    }
    for (; run == RUN_DONE && statement->row_at < statement->row_count; statement->row_at++) {
        run = move_row(backend, statement, table, &statement->cells[statement->row_at * MOVE_COLUMNS]);
        if (run != RUN_DONE) {
            break;
        }
        statement->has_waited = false;
    }
    return run;
}

/* ---- deleting by key --------------------------------------------------------------------------------------------- */

static enum run delete_cells(struct backend *backend, struct statement *statement, size_t table, size_t columns) {
    for (; statement->row_at < statement->row_count; statement->row_at++) {
        struct str key = row_key_of(pg_store_table(table)->shape, &statement->cells[statement->row_at * columns]);
        if (pg_store_find(&backend->txn, table, key) == NULL) {
            continue; /* what another transaction may be adding is not seen */
        }
        struct pg_store_txn *holder = pg_store_holder(&backend->txn, table, key);
        if (holder != NULL) {
            return wait_for(backend, holder);
        }
        pg_store_delete(&backend->txn, table, key);
        statement->touched++;
    }
    return RUN_DONE;
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

enum run run_unpark(struct backend *backend, struct request *request, struct statement *statement) {
    static const enum view_column_type types[] = {VIEW_TEXT, VIEW_BIGINT, VIEW_BIGINT};
    size_t table;
    enum run run = find_table(backend, request, STR(""), STR("parked"), &table);
    run = run != RUN_DONE ? run : read_cells(request, statement, types, ARRAY_LENGTH(types));
    return run != RUN_DONE ? run : delete_cells(backend, statement, table, ARRAY_LENGTH(types));
}

enum run run_load(struct backend *backend, struct request *request, struct statement *statement) {
    static const enum view_column_type type = VIEW_TEXT;
    enum { STREAM, HASH, VERSION, PARKED, STATE };
    static const size_t columns[] = {STREAM, VERSION, PARKED, STATE};
    size_t table;
    enum run run = find_table(backend, request, STR(""), STR("streams"), &table);
    run = run != RUN_DONE ? run : read_cells(request, statement, &type, 1);
    if (run != RUN_DONE) {
        return run;
    }
    assert(statement->is_binary);
    result_begin(request, statement, ARRAY_LENGTH(columns));
    int found = 0;
    for (size_t i = 0; i < statement->row_count; i++) {
        struct str key = row_key_of(&runtime_tables[RUNTIME_STREAMS], &statement->cells[i]);
        const struct stored_row *row = pg_store_find(&backend->txn, table, key);
        for (size_t j = 0; row != NULL && j < ARRAY_LENGTH(columns); j++) {
            result_field(request, found, (int)j, row_field(row, columns[j]));
        }
        found += row != NULL;
    }
    statement->touched = found;
    return RUN_DONE;
}

/* ---- rows of a view ---------------------------------------------------------------------------------------------- */

static size_t column_types(const struct view_table *shape, bool keys_only, enum view_column_type *ret_types) {
    size_t count = 0;
    for (size_t i = 0; i < shape->column_count; i++) {
        if (!keys_only || shape->columns[i].key) {
            ret_types[count++] = shape->columns[i].type;
        }
    }
    return count;
}

static enum run begin_rows(struct backend *backend, struct request *request, struct statement *statement,
                           size_t *ret_table, size_t *ret_columns) {
    enum run run = find_table(backend, request, STR(""), statement->sql.words[0], ret_table);
    if (run != RUN_DONE) {
        return run;
    }
    const struct view_table *shape = pg_store_table(*ret_table)->shape;
    enum view_column_type types[VIEW_COLUMNS_MAX];
    *ret_columns = column_types(shape, statement->sql.kind == SQL_DELETE_ROWS, types);
    return read_cells(request, statement, types, *ret_columns);
}

static enum run check_nulls(struct request *request, const struct stored_table *table, const struct str *cells) {
    for (size_t i = 0; i < table->shape->column_count; i++) {
        if (cells[i].data == NULL && (table->required & 1U << i) != 0) {
            return refuse(request, REFUSED_DATA, "null value in column \"%s\" of relation \"%s\" violates not-null",
                          table->shape->columns[i].name, table->shape->name);
        }
    }
    return RUN_DONE;
}

/* The additive columns of what was there are added to the row's. */
static enum run add_to(struct request *request, const struct view_table *shape, const struct stored_row *before,
                       struct str *cells) {
    for (size_t i = 0; i < shape->column_count; i++) {
        if (!shape->columns[i].additive) {
            continue;
        }
        int64_t sum;
        if (__builtin_add_overflow(field_int8(row_field(before, i)), field_int8(cells[i]), &sum)) {
            return refuse(request, REFUSED_DATA, "bigint out of range");
        }
        cells[i] = field_of_int8(sum);
    }
    return RUN_DONE;
}

static enum run insert_row(struct backend *backend, struct request *request, size_t table, struct str *cells,
                           bool adds) {
    const struct view_table *shape = pg_store_table(table)->shape;
    enum run run = check_nulls(request, pg_store_table(table), cells);
    if (run != RUN_DONE) {
        return run;
    }
    const struct stored_row *row = row_new(shape, cells);
    struct pg_store_txn *holder = pg_store_holder(&backend->txn, table, row->key);
    if (holder != NULL) {
        return wait_for(backend, holder);
    }
    const struct stored_row *before = pg_store_find(&backend->txn, table, row->key);
    if (before != NULL && adds) {
        return refuse(request, REFUSED_DATA, "duplicate key value violates unique constraint \"%s_pkey\"", shape->name);
    }
    const struct pg_store_change *change = pg_store_changed(&backend->txn, table, row->key);
    if (before != NULL && change != NULL && !change->is_lock && change->command == backend->txn.command) {
        return refuse(request, REFUSED, "ON CONFLICT DO UPDATE command cannot affect row a second time");
    }
    if (before != NULL) {
        run = add_to(request, shape, before, cells);
        row = row_new(shape, cells);
    }
    if (run == RUN_DONE) {
        pg_store_put(&backend->txn, table, row);
    }
    return run;
}

enum run run_insert_rows(struct backend *backend, struct request *request, struct statement *statement) {
    size_t table, columns;
    enum run run = begin_rows(backend, request, statement, &table, &columns);
    for (; run == RUN_DONE && statement->row_at < statement->row_count; statement->row_at++) {
        run = insert_row(backend, request, table, &statement->cells[statement->row_at * columns], statement->sql.adds);
        if (run != RUN_DONE) {
            break;
        }
        statement->touched++;
    }
    return run;
}

enum run run_delete_rows(struct backend *backend, struct request *request, struct statement *statement) {
    size_t table, columns;
    enum run run = begin_rows(backend, request, statement, &table, &columns);
    return run != RUN_DONE ? run : delete_cells(backend, statement, table, columns);
}

enum run look_at_rows(struct backend *backend, struct request *request, struct statement *statement) {
    enum sql_kind kind = statement->sql.kind;
    size_t table;
    if (kind == SQL_INSERT_ROWS || kind == SQL_DELETE_ROWS) {
        enum run run = find_table(backend, request, STR(""), statement->sql.words[0], &table);
        if (run == RUN_DONE) {
            sql_check_rows(&statement->sql, pg_store_table(table)->shape);
        }
        return run;
    }
    if (kind == SQL_MOVE || kind == SQL_LOAD || kind == SQL_UNPARK) {
        struct str name = kind == SQL_MOVE ? STR("position") : kind == SQL_LOAD ? STR("streams") : STR("parked");
        return find_table(backend, request, STR(""), name, &table);
    }
    return RUN_DONE;
}
