/* list.h: the list of categories: filters and orders of it.
 *
 * Filters  a text with a NULL data pointer does not filter.
 * Result   columns document, cursor (projections/products/query.h).
 * Memory   the arena's; the filter's texts must live until the answer.
 * Thread   pure; any.            May use: pg.
 */
#pragma once

#include "core/pg/select.h"

struct categories_filter {
    struct str parent; /* those that stand in it, not those below these */
    bool is_of_top;    /* those that stand in none */
    const struct pg_order *order;
    struct pg_cursor after;
};

/* position (and where that is the same, slug), title, -title. */
extern const struct pg_order categories_orders[];

/* `rows`: at most so many, a whole number. */
void categories_list(struct pg_select *select, struct arena *arena, const struct categories_filter *filter,
                     struct str rows);
