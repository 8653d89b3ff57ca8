/* lists.h: GETs of lists, answered from the read models, a page at a time.
 *
 * Answer   {"items": [...], "next_cursor": "..." | null}; limit 1 to 200, 50 when absent, fewer when the documents are
 *          large. A parameter that a list does not know is 400 unknown_parameter: silence would look like a filter.
 *          The list of products has "facets" as well: on the first page, null on the others, where they would be the
 *          same; and "corrected": the words that were searched in the place of `q`, or null.
 *          The report of sales is such a list as well, in an order of its own.
 * Promise  as queries.h. With in_stock the list of products waits for the stock as well as for the products.
 * Thread   the loop's.          May use: http, pg, projections' lists.
 */
#pragma once

struct request;

void query_products(struct request *request);
void query_orders(struct request *request);
void query_movements(struct request *request);
void query_api_keys(struct request *request);
void query_sales(struct request *request);
void query_categories(struct request *request);
