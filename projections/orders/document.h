/* document.h: an order as clients see it: JSON, made from the aggregate's state. Personal data is not shown.
 * Thread   pure; any.            May use: base, generated structs.
 */
#pragma once

#include "core/base/buf.h"
#include "gen/state.h"

/* {id, status, cart, customer?, reference?, lines[], total, payments[], shortages[], deadline_at, cancel_reason?,
 * version, created_at, changed_at}, appended to `out`. */
void order_document(struct buf *out, struct str stream, int64_t version, const struct order_state *state);
