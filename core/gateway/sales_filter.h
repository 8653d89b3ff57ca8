/* sales_filter.h: what a report of sales is asked for, read strictly into what its statement takes.
 *
 * Promise  every failure fills in a 400 problem that names the parameter. `from`, `to` and `by` must be there.
 * Zone     only a name that has the form of one in the IANA database is taken: PostgreSQL would take rules of POSIX as
 *          well, whatever they say. Whether there is one of that name, sales_knows_zone tells.
 * Memory   the exchange's arena.
 * Thread   the exchange's.      May use: http, projections' lists.
 */
#pragma once

#include "core/gateway/list_filters.h"
#include "projections/sales/list.h"

MUST_CHECK bool sales_filter_read(struct http_exchange *exchange, const struct list_page *page,
                                  struct sales_filter *ret_filter, struct problem *ret_problem);

/* There is no such zone; false. */
bool sales_filter_refuse_zone(struct http_exchange *exchange, struct problem *ret_problem);
