/* list_filters.h: what a list's query asks for, read strictly into what the list's statement takes.
 *
 * Promise  every failure fills in a 400 problem that names the parameter.
 * Cursor   `text` of a page is the cursor's content, which only a cursor of this list with these parameters (limit
 *          aside) has: its hash is over `identity`.
 * Memory   the exchange's arena.
 * Thread   the exchange's.      May use: http, vault, domain, projections' lists.
 */
#pragma once

#include "core/gateway/query_string.h"
#include "core/vault/secret.h"
#include "projections/categories/list.h"
#include "projections/customers/list.h"
#include "projections/keys/list.h"
#include "projections/orders/list.h"
#include "projections/products/list.h"

struct list_page {
    const char *identity;
    int64_t limit;
    struct str cursor; /* as the view wrote it; NULL data pointer: the first page */
};

/* `list`: a name that no other list has. */
MUST_CHECK bool list_page_read(struct http_exchange *exchange, const struct secret *secret, const char *list,
                               struct list_page *ret_page, struct problem *ret_problem);

MUST_CHECK bool list_filters_products(struct http_exchange *exchange, const struct list_page *page,
                                      struct products_filter *ret_filter, struct problem *ret_problem);
MUST_CHECK bool list_filters_orders(struct http_exchange *exchange, const struct list_page *page,
                                    struct orders_filter *ret_filter, struct problem *ret_problem);
/* What vendors may ask for; the list's other parameters are refused. */
MUST_CHECK bool list_filters_orders_of_vendor(struct http_exchange *exchange, const struct list_page *page,
                                              struct orders_filter *ret_filter, struct problem *ret_problem);
MUST_CHECK bool list_filters_api_keys(struct http_exchange *exchange, const struct list_page *page,
                                      struct api_keys_filter *ret_filter, struct problem *ret_problem);
MUST_CHECK bool list_filters_categories(struct http_exchange *exchange, const struct list_page *page,
                                        struct categories_filter *ret_filter, struct problem *ret_problem);
/* Whoever's address it is, no query says: it would stand in the logs of proxies. */
MUST_CHECK bool list_filters_customers(struct http_exchange *exchange, const struct list_page *page,
                                       struct customers_filter *ret_filter, struct problem *ret_problem);
