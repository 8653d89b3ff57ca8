/* row_read.h: values out of the rows of a query's answer, which come as texts, for those who read more than a document.
 *
 * Memory   bytes live in the arena.
 * Thread   pure; any.            May use: pg.
 */
#pragma once

#include "core/base/arena.h"
#include "core/pg/pool.h"

/* In a SELECT: a timestamptz as the microseconds since 1970 that events have. */
#define ROW_MICROS(column) "(extract(epoch FROM " column ") * 1000000)::bigint"

/* False: it is no such number, e.g. NULL. */
MUST_CHECK bool row_int64(const PGresult *rows, int row, int column, int64_t *ret_value);
MUST_CHECK bool row_int32(const PGresult *rows, int row, int column, int32_t *ret_value);

/* Of encode(column, 'hex'); false: it is none, or the arena is full. NULL has no bytes. */
MUST_CHECK bool row_bytes(struct arena *arena, const PGresult *rows, int row, int column, struct str *ret_bytes);
