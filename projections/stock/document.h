/* document.h: a stock item as clients see it: JSON, made from the aggregate's state.
 * Thread   pure; any.            May use: base, generated structs.
 */
#pragma once

#include "core/base/buf.h"
#include "gen/state.h"

/* {sku, available, locations: [{location, on_hand, reserved, available}], version}, appended to `out`. */
void stock_document(struct buf *out, struct str stream, int64_t version, const struct sku_state *state);
