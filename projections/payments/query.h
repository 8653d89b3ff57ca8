/* query.h: the statements that read payments. Results as in projections/products/query.h.
 * Thread   constants.            May use: pg.
 */
#pragma once

#include "core/pg/pool.h"

/* $1 id: document, version. */
extern const struct pg_statement payment_by_id;
