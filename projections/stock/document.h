/* document.h: a stock item as clients see it: JSON, made from the aggregate's state.
 * Thread   pure; any.            May use: base, generated structs.
 */
#pragma once

#include "core/base/buf.h"
#include "gen/state.h"

/* The member of the document that is for those who keep the stock: how much lies where, and how much of it is
 * promised, is nobody else's. */
#define STOCK_NOT_FOR_EVERYBODY "locations"

/* {sku, available, locations: [{location, on_hand, reserved, available}], version}, appended to `out`. */
void stock_document(struct buf *out, struct str stream, int64_t version, const struct sku_state *state);
