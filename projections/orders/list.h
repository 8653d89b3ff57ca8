/* list.h: the list of orders: filters and orders of it.
 *
 * Filters  a text with a NULL data pointer does not filter. Times are RFC 3339 texts that were checked; `from` is
 *          included, `to` is not.
 * Result   columns document, cursor (projections/products/query.h).
 * Memory   the arena's; the filter's texts must live until the answer.
 * Thread   pure; any.            May use: pg.
 */
#pragma once

#include "core/pg/select.h"

struct orders_filter {
    struct str reference, status, sku, from, to, customer;
    struct str owner; /* only this customer's, whatever is asked for */
    const struct pg_order *order;
    struct pg_cursor after;
};

/* -placed_at (newest first), placed_at, total, -total: in minor units, whatever the currency. */
extern const struct pg_order orders_orders[];

/* The first two: what a vendor may sort by. */
enum { ORDERS_ORDERS_OF_VENDOR = 2 };

/* `rows`: at most so many, a whole number. */
void orders_list(struct pg_select *select, struct arena *arena, const struct orders_filter *filter, struct str rows);
/* The same of a vendor (of_vendor.h), by status, sku, from and to: of the filter's other members none is looked at. A
 * `sku` is one of his. What it costs grows with his products and the page, not with the orders of all. */
void orders_list_of_vendor(struct pg_select *select, struct arena *arena, const struct orders_filter *filter,
                           struct str vendor, struct str rows);
