/* query.h: the statements that read carts. Results as in projections/products/query.h.
 * Thread   constants.            May use: pg.
 */
#pragma once

#include "core/pg/pool.h"

/* $1 id: document, version, owner. */
extern const struct pg_statement cart_by_id;

/* All carts of a customer: document, cursor. $1 customer (cus_..), $2 rows at most, $3 cursor (NULL: from the
 * beginning) */
extern const struct pg_statement carts_of_customer;

/* Facts for checking a cart out: columns sku, product, title, price_minor, currency, version (the cart's); a row for
 * each SKU of the cart, with NULL facts where it is not on sale. One row with a NULL sku when the cart is empty, none
 * when there is no such cart. $1 id */
extern const struct pg_statement cart_price_facts;
