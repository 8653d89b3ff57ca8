/* query.h: the statements that read orders. Results, cursors and NULL as in projections/products/query.h.
 * Thread   constants.            May use: pg.
 */
#pragma once

#include "core/pg/pool.h"

/* $1 id: document, version. */
extern const struct pg_statement order_by_id;

/* Newest first. $1 rows at most, $2 cursor, $3 reference, $4 status, $5 SKU, $6 placed from, $7 placed before (times as
 * RFC 3339 texts that were checked) */
extern const struct pg_statement orders_list;

/* The order's events, oldest first: document ({stream, version, occurred_at, type, actor, command_id, causation_id,
 * hash, event}), version. $1 id, $2 up to this version, $3 up to this time (RFC 3339) */
extern const struct pg_statement order_history;
