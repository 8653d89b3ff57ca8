/* statements.h: the SQL that writes a table's rows, which come as one array a column.
 *
 * Promise  insert: $1 to $n are all columns in the table's order; a row whose key is there already is replaced, its
 *          additive columns are added to; in an append-only table it is an error. add: the same, and an error in
 *          every table; it spares PostgreSQL the search, and the token that holds the key meanwhile. delete: $1 to $n
 *          are the key's columns. An array column's elements are the texts of arrays (core/pg/array.h says why).
 * Thread   pure; any.            May use: base.
 */
#pragma once

#include "projections/runtime/view.h"

void statement_insert(struct buf *sql, const struct view_table *shape);
void statement_add(struct buf *sql, const struct view_table *shape);
void statement_delete(struct buf *sql, const struct view_table *shape);
