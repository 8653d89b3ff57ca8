/* postgres_oracle.c: what the simulator itself does with PostgreSQL's double (postgres.h). */
#include "core/testing/simulator/postgres.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/testing/simulator/postgres_catalog.h"
#include "core/testing/simulator/postgres_server.h"
#include "projections/runtime/schema.h"

enum { TABLES_MAX = 2 * VIEW_TABLES_MAX + 8, SHOWN_BYTES = 60 };

/* ---- making ------------------------------------------------------------------------------------------------------ */

void sim_postgres_create(const struct view *view, const char *schema) {
    struct pg_store_txn txn = {0};
    struct str name = str_of_cstr(schema);
    size_t about, migrations;
    pg_store_open(&txn);
    catalog_create_schema(&txn, name);
    catalog_create_migrations(&txn, name);
    catalog_create_runtime(&txn, name);
    catalog_create_view(&txn, name, view);
    catalog_create_parking(&txn, name);
    if (!catalog_find(&txn, name, STR("about"), &about) || !catalog_find(&txn, name, STR("migrations"), &migrations)) {
        abort();
    }
    catalog_put_about(&txn, about, view->format);
    static const struct str steps[] = {STR("what the runtime keeps"), STR("the view"), STR("parking")};
    for (size_t step = 0; step < ARRAY_LENGTH(steps); step++) {
        const struct str fields[] = {field_of_int8((int64_t)step + 1), steps[step]};
        pg_store_put(&txn, migrations, row_new(&migrations_shape, fields));
    }
    pg_store_commit(&txn, true);
}

void sim_postgres_migrate(void) {
    for (size_t i = 0; i < view_count; i++) {
        sim_postgres_create(views[i], views[i]->name);
    }
}

void sim_postgres_empty(void) {
    struct pg_store_txn txn = {0};
    pg_store_open(&txn);
    for (size_t i = 0; i < view_count; i++) {
        for (int which = 0; which < VIEW_SCHEMAS; which++) {
            char schema[SCHEMA_NAME_MAX];
            view_schema_name(views[i], (enum view_schema)which, schema);
            if (catalog_has_schema(&txn, str_of_cstr(schema))) {
                catalog_drop_schema(&txn, str_of_cstr(schema));
            }
        }
    }
    pg_store_commit(&txn, true);
    sim_postgres_migrate();
    pg_store_flush();
}

/* ---- its life ---------------------------------------------------------------------------------------------------- */

bool sim_postgres_is_up(void) {
    return server_is_up();
}

void sim_postgres_down(void) {
    SIM_TRACE("PostgreSQL is stopped");
    server_stop(false);
}

size_t sim_postgres_crash(void) {
    size_t lost = server_stop(true);
    SIM_TRACE("PostgreSQL CRASHES, and loses %zu commits", lost);
    return lost;
}

void sim_postgres_up(void) {
    SIM_TRACE("PostgreSQL is up");
    server_start();
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static const struct stored_table *table_of(const char *schema, const char *table) {
    size_t number;
    bool is_there = catalog_find(NULL, str_of_cstr(schema), str_of_cstr(table), &number);
    return is_there ? pg_store_table(number) : NULL;
}

size_t sim_postgres_row_count(const char *schema, const char *table) {
    const struct stored_table *found = table_of(schema, table);
    return found == NULL ? 0 : found->rows.count;
}

struct sim_postgres_row sim_postgres_row(const char *schema, const char *table, size_t index) {
    const struct stored_table *found = table_of(schema, table);
    if (found == NULL || index >= found->rows.count) {
        return (struct sim_postgres_row){0};
    }
    return (struct sim_postgres_row){found->rows.items[index]->key, found->rows.items[index]->bytes};
}

struct str sim_postgres_field(struct sim_postgres_row row, size_t column) {
    const struct stored_row stored = {row.key, row.bytes};
    return row_field(&stored, column);
}

int64_t sim_postgres_position(const char *schema, const char *topic, int64_t shard) {
    size_t table;
    if (!catalog_find(NULL, str_of_cstr(schema), STR("position"), &table)) {
        return 0;
    }
    const struct str key[] = {str_of_cstr(topic), field_of_int8(shard)};
    const struct stored_row *row = pg_store_find(NULL, table, row_key_of(&position_shape, key));
    return row == NULL ? 0 : field_int8(row_field(row, POSITION_NEXT_OFFSET));
}

int64_t sim_postgres_commits(void) {
    return pg_store_commit_count();
}

int64_t sim_postgres_lost_commits(void) {
    return server_lost_commits();
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

/* A bigint as a number, all else as text, cut short. */
static void put_field(struct buf *out, enum view_column_type type, struct str field) {
    if (field.data == NULL) {
        buf_printf(out, "NULL");
        return;
    }
    if (type == VIEW_BIGINT || type == VIEW_TIMESTAMP) {
        buf_printf(out, "%" PRId64, field_int8(field));
        return;
    }
    for (uint32_t i = 0; i < field.len && i < SHOWN_BYTES; i++) {
        unsigned char byte = (unsigned char)field.data[i];
        buf_printf(out, isprint(byte) ? "%c" : "\\x%02x", byte);
    }
    buf_printf(out, "%s", field.len > SHOWN_BYTES ? "..." : "");
}

static void put_key(struct buf *out, const struct view_table *shape, const struct stored_row *row) {
    buf_printf(out, "%s (", shape->name);
    const char *comma = "";
    for (size_t i = 0; i < shape->column_count; i++) {
        if (shape->columns[i].key) {
            buf_printf(out, "%s", comma);
            put_field(out, shape->columns[i].type, row_field(row, i));
            comma = ", ";
        }
    }
    buf_printf(out, ")");
}

/* NULL is not the empty text. */
static bool fields_are_equal(struct str a, struct str b) {
    return a.data == NULL || b.data == NULL ? a.data == b.data : str_equal(a, b);
}

static void put_unequal(struct buf *out, const struct view_table *shape, const struct stored_row *a,
                        const struct stored_row *b) {
    put_key(out, shape, a);
    for (size_t i = 0; i < shape->column_count; i++) {
        struct str of_a = row_field(a, i), of_b = row_field(b, i);
        if (!fields_are_equal(of_a, of_b)) {
            buf_printf(out, " has %s ", shape->columns[i].name);
            put_field(out, shape->columns[i].type, of_a);
            buf_printf(out, " and ");
            put_field(out, shape->columns[i].type, of_b);
            return;
        }
    }
}

struct two_schemas {
    const char *a, *b;
    struct buf *difference;
};

static bool rows_are_equal(const struct two_schemas *two, const struct stored_table *a, const struct stored_table *b) {
    size_t count = a->rows.count > b->rows.count ? a->rows.count : b->rows.count;
    for (size_t i = 0; i < count; i++) {
        const struct stored_row *row_a = i < a->rows.count ? a->rows.items[i] : NULL;
        const struct stored_row *row_b = i < b->rows.count ? b->rows.items[i] : NULL;
        int order = row_a == NULL ? 1 : row_b == NULL ? -1 : str_compare(row_a->key, row_b->key);
        if (order != 0) {
            put_key(two->difference, a->shape, order < 0 ? row_a : row_b);
            buf_printf(two->difference, " is in %s alone", order < 0 ? two->a : two->b);
            return false;
        }
        if (!str_equal(row_a->bytes, row_b->bytes)) {
            put_unequal(two->difference, a->shape, row_a, row_b);
            buf_printf(two->difference, " in %s and %s", two->a, two->b);
            return false;
        }
    }
    return true;
}

static bool counts(const struct view_table *shape) {
    return shape != &position_shape && shape != &about_shape && shape != &migrations_shape;
}

bool sim_postgres_equal(const char *schema_a, const char *schema_b, struct buf *ret_difference) {
    const struct two_schemas two = {schema_a, schema_b, ret_difference};
    size_t tables[TABLES_MAX], others[TABLES_MAX];
    size_t count = catalog_tables(NULL, str_of_cstr(schema_a), tables, TABLES_MAX);
    size_t other_count = catalog_tables(NULL, str_of_cstr(schema_b), others, TABLES_MAX);
    if (count == 0 || count != other_count) {
        buf_printf(ret_difference, "%s and %s do not hold the same tables", schema_a, schema_b);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct stored_table *a = pg_store_table(tables[i]), *b = pg_store_table(others[i]);
        if (a->shape != b->shape) {
            buf_printf(ret_difference, "%s and %s do not hold the same tables", schema_a, schema_b);
            return false;
        }
        if (counts(a->shape) && !rows_are_equal(&two, a, b)) {
            return false;
        }
    }
    return true;
}
