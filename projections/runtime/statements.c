#include "projections/runtime/statements.h"

#include <assert.h>

/* The names of the columns, or of the key's alone, each with a prefix, separated by commas. */
static void put_columns(struct buf *sql, const struct view_table *shape, bool keys_only, const char *prefix) {
    const char *comma = "";
    for (size_t i = 0; i < shape->column_count; i++) {
        if (!keys_only || shape->columns[i].key) {
            buf_printf(sql, "%s%s%s", comma, prefix, shape->columns[i].name);
            comma = ", ";
        }
    }
}

static const char *array_type(enum view_column_type type) {
    switch (type) {
    case VIEW_TEXT:
    case VIEW_TEXT_ARRAY: /* as array literals */
        return "text[]";
    case VIEW_BYTEA:
        return "bytea[]";
    case VIEW_JSON:
        return "json[]";
    case VIEW_BIGINT:
        return "bigint[]";
    case VIEW_BOOLEAN:
        return "boolean[]";
    case VIEW_TIMESTAMP:
        return "timestamptz[]";
    }
    assert(false);
}

static void put_on_conflict(struct buf *sql, const struct view_table *shape) {
    buf_printf(sql, " ON CONFLICT (");
    put_columns(sql, shape, true, "");
    buf_printf(sql, ") DO UPDATE SET ");
    const char *comma = "";
    for (size_t i = 0; i < shape->column_count; i++) {
        const struct view_column *column = &shape->columns[i];
        if (!column->key) {
            buf_printf(sql, "%s%s = %s%s%sexcluded.%s", comma, column->name, column->additive ? "t." : "",
                       column->additive ? column->name : "", column->additive ? " + " : "", column->name);
            comma = ", ";
        }
    }
}

/* The arrays are unnested in the select list, side by side: in FROM each would be written out and read again, which is
 * half of the statement's cost. */
void statement_add(struct buf *sql, const struct view_table *shape) {
    buf_printf(sql, "INSERT INTO %s AS t (", shape->name);
    put_columns(sql, shape, false, "");
    buf_printf(sql, ") SELECT ");
    for (size_t i = 0; i < shape->column_count; i++) {
        const struct view_column *column = &shape->columns[i];
        buf_printf(sql, "%sunnest($%zu::%s)%s", i > 0 ? ", " : "", i + 1, array_type(column->type),
                   column->type == VIEW_TEXT_ARRAY ? "::text[]" : "");
    }
}

void statement_insert(struct buf *sql, const struct view_table *shape) {
    statement_add(sql, shape);
    if (!shape->append_only) {
        put_on_conflict(sql, shape);
    }
}

void statement_delete(struct buf *sql, const struct view_table *shape) {
    buf_printf(sql, "DELETE FROM %s AS t USING unnest(", shape->name);
    int number = 0;
    for (size_t i = 0; i < shape->column_count; i++) {
        if (shape->columns[i].key) {
            buf_printf(sql, "%s$%d::%s", number > 0 ? ", " : "", number + 1, array_type(shape->columns[i].type));
            number++;
        }
    }
    buf_printf(sql, ") AS r (");
    put_columns(sql, shape, true, "");
    buf_printf(sql, ") WHERE (");
    put_columns(sql, shape, true, "t.");
    buf_printf(sql, ") = (");
    put_columns(sql, shape, true, "r.");
    buf_printf(sql, ")");
}
