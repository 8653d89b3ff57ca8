/* list.h: the list of API keys: filters and orders of it.
 *
 * Filters  a text with a NULL data pointer does not filter.
 * Result   columns document, cursor (projections/products/query.h).
 * Memory   the arena's; the filter's texts must live until the answer.
 * Thread   pure; any.            May use: pg.
 */
#pragma once

#include "core/pg/select.h"

struct api_keys_filter {
    struct str status; /* active, revoked */
    struct str role;   /* has it, beside whatever others */
    const struct pg_order *order;
    struct pg_cursor after;
};

/* -created_at (newest first), created_at, name, -name. */
extern const struct pg_order api_keys_orders[];

/* `rows`: at most so many, a whole number. */
void api_keys_list(struct pg_select *select, struct arena *arena, const struct api_keys_filter *filter,
                   struct str rows);
