/* sku_owner.h: whether the goods of a path's {sku} are his who asks as a vendor.
 *
 * Why      a SKU's stream does not know whose goods it is, and shall not: a product passes to another vendor by one
 *          event. So the front asks the catalogue, whose view may be milliseconds behind the log.
 * Promise  of a SKU that is nobody's, or that does not exist, he is told the same: it is not his.
 * Thread   the loop's.          May use: http, pg.
 */
#pragma once

#include <stdbool.h>

struct request;

/* Calls on_known, now or later, unless the request was answered (a malformed SKU, no database) or its client is gone.
 * Until then the request's on_lost and waiting are used. */
void sku_owner_ask(struct request *request, void (*on_known)(struct request *request, bool is_his));
