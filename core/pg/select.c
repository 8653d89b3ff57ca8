#include "core/pg/select.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

void pg_select_begin(struct pg_select *select, const char *name) {
    *select = (struct pg_select){.statement = {.name = name, .once = true}};
    buf_init(&select->sql, PG_SELECT_SQL_MAX);
}

void pg_select_add(struct pg_select *select, const char *format, ...) {
    char *at = buf_reserve(&select->sql, PG_SELECT_SQL_MAX - select->sql.len);
    assert(at != NULL);
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(at, PG_SELECT_SQL_MAX - select->sql.len, format, arguments);
    va_end(arguments);
    assert(len >= 0 && (size_t)len < PG_SELECT_SQL_MAX - select->sql.len);
    select->sql.len += (size_t)len;
}

int pg_select_value(struct pg_select *select, struct str value) {
    assert(select->statement.parameter_count < PG_SELECT_PARAMETERS_MAX);
    select->parameters[select->statement.parameter_count] = value;
    return ++select->statement.parameter_count;
}

void pg_select_where(struct pg_select *select, struct str value, const char *condition) {
    if (value.data != NULL) {
        uint32_t dollar = str_find(str_of_cstr(condition), '$');
        pg_select_add(select, " AND %.*s$%d%s", (int)dollar, condition, pg_select_value(select, value),
                      condition + dollar + 1);
    }
}

void pg_select_end(struct pg_select *select, struct arena *arena) {
    buf_byte(&select->sql, '\0');
    assert(buf_ok(&select->sql));
    select->statement.sql = arena_str_copy(arena, buf_text(&select->sql)).data;
    buf_release(&select->sql);
}

const struct pg_order *pg_order_find(const struct pg_order *orders, struct str name) {
    for (; orders->name != NULL; orders++) {
        if (str_equal(str_of_cstr(orders->name), name)) {
            return orders;
        }
    }
    return NULL;
}

bool pg_cursor_read(struct str text, struct pg_cursor *ret_cursor) {
    uint32_t space = str_find(text, ' ');
    if (space == text.len) {
        return false;
    }
    *ret_cursor = (struct pg_cursor){.id = str_first(text, space), .key = str_from(text, space + 1)};
    return true;
}

void pg_order_column(struct pg_select *select, const struct pg_order *order, const char *id) {
    pg_select_add(select, "concat(%s, ' ', %s) AS cursor", id, order->key);
}

void pg_order_after(struct pg_select *select, const struct pg_order *order, const char *id,
                    const struct pg_cursor *cursor) {
    if (cursor->id.data == NULL) {
        pg_select_add(select, "true");
        return;
    }
    int key = pg_select_value(select, cursor->key);
    pg_select_add(select, "(%s, %s) %s ($%d::%s, $%d::text)", order->key, id, order->is_descending ? "<" : ">", key,
                  order->type, pg_select_value(select, cursor->id));
}

void pg_order_by(struct pg_select *select, const struct pg_order *order, const char *id) {
    const char *direction = order->is_descending ? " DESC" : "";
    pg_select_add(select, " ORDER BY %s%s, %s%s", order->key, direction, id, direction);
}
