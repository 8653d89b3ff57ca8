/* postgres_cursor.c: results, as libpq's, and the cursor that compare.c reads a table's rows with (postgres_rows.h). */
#include "core/testing/simulator/postgres_rows.h"

#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/testing/simulator/postgres_catalog.h"

enum { FETCH_ROWS = 10000, COLUMNS_MAX = VIEW_COLUMNS_MAX + 1 };

/* ---- results ----------------------------------------------------------------------------------------------------- */

void result_begin(struct request *request, const struct statement *statement, int columns) {
    static char name[] = "column";
    PGresAttDesc attributes[COLUMNS_MAX] = {0};
    assert(columns <= COLUMNS_MAX);
    for (int i = 0; i < columns; i++) {
        attributes[i] = (PGresAttDesc){.name = name, .format = statement->is_binary ? 1 : 0};
    }
    PQclear(request->result);
    request->result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    if (request->result == NULL || !PQsetResultAttrs(request->result, columns, attributes)) {
        abort();
    }
}

void result_field(struct request *request, int row, int column, struct str field) {
    /* libpq copies it, and has no const. */
    char *data = field.len == 0 ? "" : (char *)(uintptr_t)field.data;
    if (!PQsetvalue(request->result, row, column, data, field.data == NULL ? -1 : (int)field.len)) {
        abort();
    }
}

void result_int8(struct request *request, const struct statement *statement, int row, int column, int64_t number) {
    char text[24];
    int length = snprintf(text, sizeof text, "%" PRId64, number);
    uint64_t wire = htobe64((uint64_t)number);
    struct str binary = str_of((const char *)&wire, sizeof wire);
    result_field(request, row, column, statement->is_binary ? binary : str_of(text, (size_t)length));
}

enum run select_columns(struct backend *backend, struct request *request, struct statement *statement,
                        struct str schema, struct str name, size_t columns) {
    size_t table;
    enum run run = find_table(backend, request, schema, name, &table);
    if (run != RUN_DONE) {
        return run;
    }
    if (!statement->is_binary) {
        sql_unknown("rows as text", statement->sql.text);
    }
    struct row_list rows = pg_store_rows(&backend->txn, table);
    result_begin(request, statement, (int)columns);
    for (size_t i = 0; i < rows.count; i++) {
        for (size_t j = 0; j < columns; j++) {
            result_field(request, (int)i, (int)j, row_field(rows.items[i], j));
        }
    }
    free(rows.items);
    return RUN_DONE;
}

/* ---- what columns there are -------------------------------------------------------------------------------------- */

static bool is_compared(const struct view_table *shape) {
    return shape != &position_shape && shape != &about_shape && shape != &migrations_shape;
}

enum run run_find_columns(struct backend *backend, struct request *request, struct statement *statement) {
    size_t tables[2 * VIEW_TABLES_MAX + 8];
    size_t count = catalog_tables(&backend->txn, statement->params[0], tables, ARRAY_LENGTH(tables));
    int row = 0;
    result_begin(request, statement, 3);
    for (size_t i = 0; i < count; i++) {
        const struct view_table *shape = pg_store_table(tables[i])->shape;
        for (size_t j = 0; is_compared(shape) && j < shape->column_count; j++) {
            result_field(request, row, 0, str_of_cstr(shape->name));
            result_field(request, row, 1, str_of_cstr(shape->columns[j].name));
            result_field(request, row++, 2, shape->columns[j].key ? STR("t") : STR("f"));
        }
    }
    return RUN_DONE;
}

/* ---- the cursor -------------------------------------------------------------------------------------------------- */

static bool needs_quotes(struct str text) {
    for (uint32_t i = 0; i < text.len; i++) {
        if (strchr("\"\\(), \t\r\n\v\f", text.data[i]) != NULL) { /* no NUL is in a text */
            return true;
        }
    }
    return str_is_empty(text);
}

static void put_text(struct buf *out, struct str text) {
    bool is_quoted = needs_quotes(text);
    buf_printf(out, "%s", is_quoted ? "\"" : "");
    for (uint32_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\') {
            buf_byte(out, text.data[i]);
        }
        buf_byte(out, text.data[i]);
    }
    buf_printf(out, "%s", is_quoted ? "\"" : "");
}

/* ROW(...)::text of the key's columns: texts in quotes where PostgreSQL would set them (record_out). */
static void put_key_text(struct buf *out, const struct view_table *shape, const struct stored_row *row) {
    const char *before = "(";
    for (size_t i = 0; i < shape->column_count; i++) {
        if (!shape->columns[i].key) {
            continue;
        }
        struct str field = row_field(row, i);
        buf_printf(out, "%s", before);
        before = ",";
        if (shape->columns[i].type == VIEW_TEXT) {
            put_text(out, field);
        } else {
            buf_printf(out, "%" PRId64, field_int8(field));
        }
    }
    buf_byte(out, ')');
}

struct keyed_row {
    struct str text;
    const struct stored_row *row;
};

static int by_text(const void *a, const void *b) {
    return str_compare(((const struct keyed_row *)a)->text, ((const struct keyed_row *)b)->text);
}

/* The order of the texts is not that of the keys. */
static void sort_by_text(struct request *request, const struct view_table *shape, struct row_list *rows) {
    struct keyed_row *keyed = arena_alloc(&request->arena, (rows->count + 1) * sizeof *keyed);
    struct buf text;
    buf_init(&text, UINT32_MAX);
    for (size_t i = 0; i < rows->count; i++) {
        buf_clear(&text);
        put_key_text(&text, shape, rows->items[i]);
        keyed[i] = (struct keyed_row){arena_str_copy(&request->arena, buf_text(&text)), rows->items[i]};
    }
    buf_release(&text);
    qsort(keyed, rows->count, sizeof *keyed, by_text);
    for (size_t i = 0; i < rows->count; i++) {
        rows->items[i] = keyed[i].row;
    }
}

enum run run_open_cursor(struct backend *backend, struct request *request, struct statement *statement) {
    size_t table;
    enum run run = find_table(backend, request, statement->sql.words[0], statement->sql.words[1], &table);
    if (run != RUN_DONE) {
        return run;
    }
    assert(backend->cursor.items == NULL && backend->state == IN_TRANSACTION);
    const struct view_table *shape = pg_store_table(table)->shape;
    sql_check_rows(&statement->sql, shape);
    backend->cursor = pg_store_rows(&backend->txn, table);
    backend->cursor_table = table;
    backend->cursor_at = 0;
    sort_by_text(request, shape, &backend->cursor);
    return RUN_DONE;
}

/* The key's text, and the other columns themselves where PostgreSQL gives their hashes. */
enum run run_fetch(struct backend *backend, struct request *request, struct statement *statement) {
    const struct view_table *shape = pg_store_table(backend->cursor_table)->shape;
    struct buf text;
    buf_init(&text, UINT32_MAX);
    size_t keys = 0;
    for (size_t j = 0; j < shape->column_count; j++) {
        keys += shape->columns[j].key;
    }
    result_begin(request, statement, 1 + (int)(shape->column_count - keys));
    for (int i = 0; i < FETCH_ROWS && backend->cursor_at < backend->cursor.count; i++) {
        const struct stored_row *row = backend->cursor.items[backend->cursor_at++];
        buf_clear(&text);
        put_key_text(&text, shape, row);
        result_field(request, i, 0, buf_text(&text));
        int column = 1;
        for (size_t j = 0; j < shape->column_count; j++) {
            if (!shape->columns[j].key) {
                result_field(request, i, column++, row_field(row, j));
            }
        }
    }
    buf_release(&text);
    return RUN_DONE;
}

enum run run_close(struct backend *backend, struct request *request, struct statement *statement) {
    (void)request, (void)statement;
    free(backend->cursor.items);
    backend->cursor = (struct row_list){0};
    return RUN_DONE;
}
