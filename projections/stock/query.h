/* query.h: the statements that read stock. Results and cursors as in projections/products/query.h.
 * Thread   constants.            May use: pg.
 */
#pragma once

#include "core/pg/pool.h"

/* $1 SKU: document, version. */
extern const struct pg_statement stock_by_sku;

/* How it stood, as projections/runtime/standing.h has it. $1 stream, $2 version or time; stock_began: $1 stream. */
extern const struct pg_statement stock_at_version, stock_at_time, stock_began;

/* The ledger of one SKU, newest first: every change of on_hand or reserved, one item a location.
 * $1 SKU, $2 rows at most, $3 cursor */
extern const struct pg_statement stock_movements;
