/* query.h: the statements that read the tree of categories. The list is in list.h.
 * Result   by slug as in projections/products/query.h.
 * Thread   constants.            May use: pg.
 */
#pragma once

#include "core/pg/pool.h"

/* $1 slug */
extern const struct pg_statement category_by_slug;

/* $1 slug: that of each category at it and below it, also of one that there is not (itself alone). One row: those slugs
 * as PostgreSQL writes a text[], and how many there are. */
extern const struct pg_statement categories_below;
enum { BELOW_COLUMN_SLUGS, BELOW_COLUMN_COUNT };
