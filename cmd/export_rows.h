/* export_rows.h: rows of a view's table as JSON or Avro, from a result in binary format.
 *
 * JSON     an object by column: times as RFC 3339, bytes as base64url, json as it is, null where there is none.
 * Avro     a record by column, whose schema is made from the table: times as timestamp-micros, json as string, what is
 *          not of the key as a union with null.
 * Promise  the columns are those of `struct view_table`, in its order; the result has to have the same.
 * Thread   one at a time.        May use: base, pg, views' tables.
 */
#pragma once

#include <libpq-fe.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "projections/runtime/view.h"

/* SELECT of the columns, by the order of the key. */
void export_rows_select(struct buf *out, const struct view *view, const struct view_table *table);

/* The Avro schema of the rows. */
void export_rows_schema(struct buf *out, const struct view *view, const struct view_table *table);

/* Appended to `out`. ERR_MALFORMED: a column does not hold what the table says. */
MUST_CHECK enum err export_row_json(struct buf *out, const struct view_table *table, const PGresult *result, int row,
                                    struct err_info *info);
MUST_CHECK enum err export_row_avro(struct buf *out, const struct view_table *table, const PGresult *result, int row,
                                    struct err_info *info);
