/* queries.h: GETs answered from the read models.
 *
 * By id    the view's ready-made document is sent as it is, with an ETag; If-None-Match answers 304.
 * Lists    {"items": [...], "next_cursor": "..." | null}; limit 1 to 200, 50 when absent. A parameter that a list
 *          does not know is 400 unknown_parameter: silence would look like a filter.
 * Promise  with a Daybook-Position the answer shows at least what the token names, or is 503 view_behind after
 *          view_wait_ms.
 * Thread   the loop's.          May use: http, pg, projections' statements.
 */
#pragma once

struct request;

void query_products(struct request *request);
void query_product(struct request *request);
void query_variant(struct request *request);
void query_barcode(struct request *request);
void query_stock(struct request *request);
void query_movements(struct request *request);
void query_cart(struct request *request);
void query_orders(struct request *request);
void query_order(struct request *request);
void query_order_history(struct request *request);
void query_payment(struct request *request);
