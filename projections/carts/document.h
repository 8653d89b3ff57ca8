/* document.h: a cart as clients see it: JSON, made from the aggregate's state.
 * Thread   pure; any.            May use: base, generated structs.
 */
#pragma once

#include "core/base/buf.h"
#include "gen/state.h"

/* {id, status, customer?, currency, reference?, lines[], total, order?, version, created_at, changed_at}, appended to
 * `out`. */
void cart_document(struct buf *out, struct str stream, int64_t version, const struct cart_state *state);
