/* list.h: the list of customers: filters and orders of it.
 *
 * Filters  a text with a NULL data pointer does not filter. Those who are being erased, or were, have no identity and
 *          no roles any more.
 * Result   the columns of a customer (query.h), then CUSTOMERS_COLUMN_CURSOR. One row an item; ask for one row more
 *          than the page.
 * Memory   the arena's; the filter's texts must live until the answer.
 * Thread   pure; any.            May use: pg.
 */
#pragma once

#include "core/pg/select.h"
#include "projections/customers/query.h"

enum { CUSTOMERS_COLUMN_CURSOR = CUSTOMER_COLUMNS };

struct customers_filter {
    struct str status;   /* as customer_status_name has it */
    struct str role;     /* has it, beside whatever others */
    struct str identity; /* the stream of his address: there may be several customers, one of them verified */
    const struct pg_order *order;
    struct pg_cursor after;
};

/* -created_at (newest first), created_at. */
extern const struct pg_order customers_orders[];

/* `rows`: at most so many, a whole number. */
void customers_list(struct pg_select *select, struct arena *arena, const struct customers_filter *filter,
                    struct str rows);
