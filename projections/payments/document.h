/* document.h: a payment as clients see it: JSON, made from the aggregate's state.
 * Thread   pure; any.            May use: base, generated structs.
 */
#pragma once

#include "core/base/buf.h"
#include "gen/state.h"

/* {id, order, status, provider, method, amount, authorized, captured, refund_pending, refunded (each as Money),
 * refunds[], provider_ref?, failure_code?, action_url?,
 * version, created_at, changed_at}, appended to `out`. */
void payment_document(struct buf *out, struct str stream, int64_t version, const struct payment_state *state);
