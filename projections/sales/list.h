/* list.h: the report of sales: what was sold in a time, by hour, day, week or month, or by whose goods they were.
 *
 * Time     a half-open range; both ends begin a quarter of an hour (quarter.h), and from_us is before to_us. Hours,
 *          days, weeks (ISO 8601, from Monday on) and months are those of `zone`, which PostgreSQL knows:
 *          sales_knows_zone. The first and the last of them have what of them is in the range.
 * Rows     one for each hour, day ... vendor and currency in which anything was sold, cancelled or refunded: money of
 *          two currencies is never added up. In the order of the first, then of the currency.
 * Cost     by time and by currency: quarters of an hour in the range. By category and vendor: their months, and at both
 *          ends their days and their quarters. By product: what the products of the page have sold.
 * Result   columns document, cursor (projections/products/query.h).
 * Memory   the arena's; the filter's texts must live until the answer.
 * Thread   pure; any.            May use: pg.
 */
#pragma once

#include "core/pg/select.h"

enum sales_by {
    SALES_BY_HOUR,
    SALES_BY_DAY,
    SALES_BY_WEEK,
    SALES_BY_MONTH,
    SALES_BY_CATEGORY,
    SALES_BY_VENDOR,
    SALES_BY_PRODUCT,
    SALES_BY_CURRENCY,
};
enum { SALES_BY_COUNT = SALES_BY_CURRENCY + 1 };

/* As clients ask for it. */
const char *sales_by_name(enum sales_by by);
/* Whether its rows are parts of the range, and so depend on the zone. */
bool sales_is_by_time(enum sales_by by);
/* How many days a range may have: so many that a page costs some ten milliseconds. */
int sales_days_max(enum sales_by by);

struct sales_filter {
    enum sales_by by;
    int64_t from_us, to_us;
    struct str zone; /* e.g. Europe/Berlin */
    struct pg_cursor after;
};

/* $1: the name of a time zone: one column, t or f. */
extern const struct pg_statement sales_knows_zone;

/* `rows`: at most so many, a whole number. */
void sales_list(struct pg_select *select, struct arena *arena, const struct sales_filter *filter, struct str rows);
