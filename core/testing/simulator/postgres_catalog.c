#include "core/testing/simulator/postgres_catalog.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/testing/simulator/postgres_sql.h"
#include "projections/runtime/tables.h"

static const struct view_table schemas_shape = {
    .name = "schemas", .columns = {{"name", VIEW_TEXT, .key = true}, {"number", VIEW_BIGINT}}, .column_count = 2};
static const struct view_table tables_shape = {
    .name = "tables",
    .columns = {{"schema", VIEW_BIGINT, .key = true}, {"name", VIEW_TEXT, .key = true}, {"number", VIEW_BIGINT}},
    .column_count = 3};
static const struct view_table locks_shape = {
    .name = "advisory_locks", .columns = {{"number", VIEW_BIGINT, .key = true}}, .column_count = 1};

const struct view_table position_shape = {.name = "position",
                                          .columns = {[POSITION_TOPIC] = {"topic", VIEW_TEXT, .key = true},
                                                      [POSITION_SHARD] = {"shard", VIEW_BIGINT, .key = true},
                                                      [POSITION_NEXT_OFFSET] = {"next_offset", VIEW_BIGINT}},
                                          .column_count = 3};
/* It has no key in PostgreSQL, and never more than one row. */
const struct view_table about_shape = {
    .name = "about",
    .columns = {[ABOUT_FORMAT] = {"format", VIEW_BIGINT, .key = true}, [ABOUT_EPOCH] = {"epoch", VIEW_TEXT}},
    .column_count = 2};
const struct view_table skipped_shape = {.name = "skipped",
                                         .columns = {[SKIPPED_STREAM] = {"stream", VIEW_TEXT, .key = true},
                                                     [SKIPPED_VERSION] = {"version", VIEW_BIGINT, .key = true},
                                                     {"parked_reason", VIEW_TEXT},
                                                     {"reason", VIEW_TEXT},
                                                     {"actor", VIEW_TEXT},
                                                     {"skipped_at", VIEW_TIMESTAMP}},
                                         .column_count = 6};
const struct view_table migrations_shape = {
    .name = "migrations", .columns = {{"number", VIEW_BIGINT, .key = true}, {"name", VIEW_TEXT}}, .column_count = 2};

static int64_t schemas_ever, epochs_ever;

void catalog_begin(void) {
    schemas_ever = epochs_ever = 0;
    size_t schemas = pg_store_table_new(&schemas_shape, 0);
    size_t tables = pg_store_table_new(&tables_shape, 0);
    size_t locks = pg_store_table_new(&locks_shape, 0);
    assert(schemas == CATALOG_SCHEMAS && tables == CATALOG_TABLES && locks == CATALOG_ADVISORY_LOCKS);
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

static const struct stored_row *schema_row(const struct pg_store_txn *txn, struct str schema) {
    return str_is_empty(schema) ? NULL : pg_store_find(txn, CATALOG_SCHEMAS, row_key_of(&schemas_shape, &schema));
}

bool catalog_has_schema(const struct pg_store_txn *txn, struct str schema) {
    return schema_row(txn, schema) != NULL;
}

int64_t catalog_schema_number(const struct pg_store_txn *txn, struct str schema) {
    const struct stored_row *row = schema_row(txn, schema);
    return row == NULL ? 0 : field_int8(row_field(row, 1));
}

struct str catalog_schema_name(const struct pg_store_txn *txn, int64_t number) {
    struct row_list rows = pg_store_rows(txn, CATALOG_SCHEMAS);
    struct str name = STR("");
    for (size_t i = 0; i < rows.count; i++) {
        if (field_int8(row_field(rows.items[i], 1)) == number) {
            name = row_field(rows.items[i], 0);
        }
    }
    free(rows.items);
    return name;
}

struct pg_store_txn *catalog_holder(const struct pg_store_txn *txn, struct str schema) {
    return pg_store_holder(txn, CATALOG_SCHEMAS, row_key_of(&schemas_shape, &schema));
}

bool catalog_find(const struct pg_store_txn *txn, struct str schema, struct str table, size_t *ret_table) {
    const struct stored_row *schema_found = schema_row(txn, schema);
    if (schema_found == NULL) {
        return false;
    }
    const struct str key[] = {row_field(schema_found, 1), table};
    const struct stored_row *found = pg_store_find(txn, CATALOG_TABLES, row_key_of(&tables_shape, key));
    if (found == NULL) {
        return false;
    }
    *ret_table = (size_t)field_int8(row_field(found, 2));
    return true;
}

size_t catalog_tables(const struct pg_store_txn *txn, struct str schema, size_t *ret_tables, size_t capacity) {
    const struct stored_row *schema_found = schema_row(txn, schema);
    struct row_list rows = pg_store_rows(txn, CATALOG_TABLES);
    size_t count = 0;
    for (size_t i = 0; schema_found != NULL && i < rows.count; i++) {
        if (str_equal(row_field(rows.items[i], 0), row_field(schema_found, 1))) {
            assert(count < capacity);
            ret_tables[count++] = (size_t)field_int8(row_field(rows.items[i], 2));
        }
    }
    free(rows.items);
    return count;
}

/* ---- a table's CREATE TABLE -------------------------------------------------------------------------------------- */

static const char *const type_names[] = {
    [VIEW_TEXT] = "text",   [VIEW_BIGINT] = "bigint", [VIEW_BOOLEAN] = "boolean",   [VIEW_TIMESTAMP] = "timestamptz",
    [VIEW_BYTEA] = "bytea", [VIEW_JSON] = "json",     [VIEW_TEXT_ARRAY] = "text[]",
};

/* What stands behind `before`, up to `after`; ends the program when it is not there. */
static struct str between(struct str text, const char *before, const char *after, const char *why) {
    const char *found = memmem(text.data, text.len, before, strlen(before));
    if (found == NULL) {
        sql_unknown(why, str_of_cstr(before));
    }
    struct str rest = str_from(text, (uint32_t)(found - text.data) + (uint32_t)strlen(before));
    const char *end = memmem(rest.data, rest.len, after, strlen(after));
    return end == NULL ? rest : str_first(rest, (uint32_t)(end - rest.data));
}

static bool holds(struct str text, const char *wanted) {
    return memmem(text.data, text.len, wanted, strlen(wanted)) != NULL;
}

/* The columns that are NOT NULL, a bit each, by the text that makes the table: one column a line. */
static uint32_t required_columns(const char *sql, const struct view_table *shape) {
    char before[128];
    snprintf(before, sizeof before, "CREATE TABLE %s (", shape->name);
    struct str body = between(str_of_cstr(sql), before, "\n)", "a table that view.sql does not make");
    uint32_t required = 0;
    for (size_t i = 0; i < shape->column_count; i++) {
        const struct view_column *column = &shape->columns[i];
        snprintf(before, sizeof before, "\n    %s ", column->name);
        struct str line = between(body, before, "\n", "a column that view.sql does not make");
        struct str type = str_first(line, (uint32_t)strcspn(line.data, " ,\n"));
        if (!str_equal(type, str_of_cstr(type_names[column->type]))) {
            sql_unknown("a column of another type in view.sql", line);
        }
        if (column->key || holds(line, "NOT NULL")) {
            required |= 1U << i;
        }
    }
    return required;
}

/* ---- making and dropping ----------------------------------------------------------------------------------------- */

static void create_table(struct pg_store_txn *txn, struct str schema, const struct view_table *shape,
                         uint32_t required) {
    const struct stored_row *schema_found = schema_row(txn, schema);
    assert(schema_found != NULL);
    const struct str fields[] = {row_field(schema_found, 1), str_of_cstr(shape->name),
                                 field_of_int8((int64_t)pg_store_table_new(shape, required))};
    pg_store_put(txn, CATALOG_TABLES, row_new(&tables_shape, fields));
}

void catalog_create_schema(struct pg_store_txn *txn, struct str schema) {
    const struct str fields[] = {schema, field_of_int8(++schemas_ever)};
    pg_store_put(txn, CATALOG_SCHEMAS, row_new(&schemas_shape, fields));
}

void catalog_create_runtime(struct pg_store_txn *txn, struct str schema) {
    create_table(txn, schema, &about_shape, UINT32_MAX);
    create_table(txn, schema, &position_shape, required_columns(runtime_sql, &position_shape));
    for (size_t i = 0; i < RUNTIME_TABLES; i++) {
        create_table(txn, schema, &runtime_tables[i], required_columns(runtime_sql, &runtime_tables[i]));
    }
}

/* The column of `about` is there from the beginning on: nobody looks in between. */
void catalog_create_parking(struct pg_store_txn *txn, struct str schema) {
    create_table(txn, schema, &skipped_shape, required_columns(parking_sql, &skipped_shape));
}

void catalog_create_view(struct pg_store_txn *txn, struct str schema, const struct view *view) {
    for (size_t i = 0; i < view->table_count; i++) {
        create_table(txn, schema, &view->tables[i], required_columns(view->sql, &view->tables[i]));
    }
}

void catalog_create_migrations(struct pg_store_txn *txn, struct str schema) {
    create_table(txn, schema, &migrations_shape, UINT32_MAX);
}

void catalog_drop_schema(struct pg_store_txn *txn, struct str schema) {
    const struct str number = row_field(schema_row(txn, schema), 1);
    struct row_list rows = pg_store_rows(txn, CATALOG_TABLES);
    for (size_t i = 0; i < rows.count; i++) {
        if (str_equal(row_field(rows.items[i], 0), number)) {
            pg_store_delete(txn, CATALOG_TABLES, rows.items[i]->key);
        }
    }
    free(rows.items);
    pg_store_delete(txn, CATALOG_SCHEMAS, row_key_of(&schemas_shape, &schema));
}

void catalog_rename_schema(struct pg_store_txn *txn, struct str schema, struct str name) {
    const struct str fields[] = {name, row_field(schema_row(txn, schema), 1)};
    pg_store_put(txn, CATALOG_SCHEMAS, row_new(&schemas_shape, fields));
    pg_store_delete(txn, CATALOG_SCHEMAS, row_key_of(&schemas_shape, &schema));
}

void catalog_put_about(struct pg_store_txn *txn, size_t about, int64_t format) {
    char epoch[24];
    snprintf(epoch, sizeof epoch, "%lld", (long long)++epochs_ever);
    const struct str fields[] = {field_of_int8(format), str_of_cstr(epoch)};
    pg_store_put(txn, about, row_new(&about_shape, fields));
}
