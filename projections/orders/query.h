/* query.h: the statements that read orders. Results as in projections/products/query.h.
 * The list of orders is in list.h.
 * Thread   constants.            May use: pg.
 */
#pragma once

#include "core/pg/pool.h"

/* $1 id: document, version, owner. */
extern const struct pg_statement order_by_id;

/* $1 id, $2 a vendor: document, version, of an order with a line of his products: {id, status, lines, created_at},
 * his lines alone. No row when it has none. */
extern const struct pg_statement order_of_vendor;

/* All orders of a customer, for whoever takes them along: document, cursor. $1 customer (cus_..), $2 rows at most, $3
 * cursor (NULL: from the beginning) */
extern const struct pg_statement orders_of_customer;

/* The order's events, oldest first: document ({stream, version, occurred_at, type, actor, command_id, causation_id,
 * hash, event}), version, time, owner. $1 id, $2 up to this version, $3 up to this time (RFC 3339), $4 whether actors
 * are shown whole: else only in which capacity somebody acted, and not who he is. */
extern const struct pg_statement order_history;

/* $1 id: the time of its first event, RFC 3339; owner. */
extern const struct pg_statement order_began;
