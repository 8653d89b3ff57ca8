/* select.h: a SELECT put together for one request, from the conditions that this request has.
 *
 * Why      a list with ten filters that may each be absent, written as one prepared statement, is planned for all of
 *          them at once and so for none. Here what is not asked for is not in the text, and PostgreSQL plans the rest
 *          for the values that it comes with.
 * Promise  what came from outside only ever becomes a parameter, never text.
 * Order    a list is read in one of a few orders, each with a key that an index serves; the id makes it unique. A page
 *          goes on behind a cursor, which holds the last row's id and key: rows that come, go or change meanwhile
 *          neither shift nor repeat the others.
 * Bounds   PG_SELECT_PARAMETERS_MAX, PG_SELECT_SQL_MAX: past either is our bug.
 * Memory   the text and the parameters' pointers are in the arena given; the values are the caller's.
 * Thread   pure; any.            May use: base.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/pg/pool.h"

enum { PG_SELECT_PARAMETERS_MAX = 64, PG_SELECT_SQL_MAX = 8192 };

struct pg_select {
    struct pg_statement statement;
    struct str parameters[PG_SELECT_PARAMETERS_MAX];
    struct buf sql;
};

void pg_select_begin(struct pg_select *select, const char *name);
/* Text of ours. */
void pg_select_add(struct pg_select *select, const char *format, ...) PRINTF_LIKE(2, 3);
/* A value, as the n of $n. */
int pg_select_value(struct pg_select *select, struct str value);
/* AND with a condition of ours, whose only $ stands for the value; nothing when the value's data pointer is NULL. */
void pg_select_where(struct pg_select *select, struct str value, const char *condition);
/* The statement is whole. */
void pg_select_end(struct pg_select *select, struct arena *arena);

struct pg_order {
    const char *name; /* as clients ask for it */
    const char *key;  /* an expression over the list's row; never NULL */
    const char *type; /* of the key, which survives being written as text and read again */
    bool is_descending;
};

/* NULL when there is none of that name. The last of the table has no name. */
const struct pg_order *pg_order_find(const struct pg_order *orders, struct str name);

/* What a cursor holds: "<id> <key>". NULL data pointers: the list's beginning. */
struct pg_cursor {
    struct str id, key;
};
MUST_CHECK bool pg_cursor_read(struct str text, struct pg_cursor *ret_cursor);

/* A column `cursor`. `id` is the expression for the row's id. */
void pg_order_column(struct pg_select *select, const struct pg_order *order, const char *id);
/* A condition; always one, so that it may stand behind an AND. */
void pg_order_after(struct pg_select *select, const struct pg_order *order, const char *id,
                    const struct pg_cursor *cursor);
void pg_order_by(struct pg_select *select, const struct pg_order *order, const char *id);
