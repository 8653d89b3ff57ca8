/* queries.h: GETs of one thing, answered from the read models. Lists are in lists.h.
 *
 * By id    the view's ready-made document is sent as it is, with an ETag; If-None-Match answers 304. A product and a
 *          SKU are also answered as they stood (as_of.h).
 * History  an order's events, all of them or those up to as_of, and the order as it stood then.
 * Promise  with a Daybook-Position the answer shows at least what the token names, or is 503 view_behind after
 *          view_wait_ms. Without one, a document by id may come from the page cache.
 * Thread   the loop's.          May use: http, pg, projections' statements.
 */
#pragma once

struct request;

void query_product(struct request *request);
void query_variant(struct request *request);
void query_barcode(struct request *request);
void query_stock(struct request *request);
void query_cart(struct request *request);
void query_order(struct request *request);
void query_order_history(struct request *request);
void query_payment(struct request *request);
void query_api_key(struct request *request);
void query_category(struct request *request);
