/* sku_owner.h: whether the goods of a SKU are his who asks as a vendor.
 *
 * Why      a SKU's stream does not know whose goods it is, and shall not: a product passes to another vendor by one
 *          event. So the front asks the catalogue, whose view may be milliseconds behind the log.
 * Promise  of a SKU that is nobody's, or that does not exist, he is told the same: it is not his. Who brings a
 *          Daybook-Position is judged by a catalogue that has seen what it names, and not from memory.
 * Bounds   the view is waited for as long as queries may (view_wait_ms).
 * Thread   the loop's.          May use: http, pg.
 */
#pragma once

#include <stdbool.h>

#include "core/base/str.h"

struct request;

/* Of the path's {sku}. Calls on_known, now or later, unless the request was answered (a malformed SKU or position, no
 * database, a view that is behind) or its client is gone. Until then the request's on_lost and waiting are others. */
void sku_owner_ask(struct request *request, void (*on_known)(struct request *request, bool is_his));

/* Of a SKU that stands elsewhere, and lives as long as the request. */
void sku_owner_ask_of(struct request *request, struct str sku, void (*on_known)(struct request *request, bool is_his));
