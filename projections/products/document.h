/* document.h: a product as clients see it: JSON, made from the aggregate's state.
 *
 * Promise  the view's document and a command's answer are made by this one function, so both say the same.
 *          Absent optional fields are left out; times are RFC 3339.
 * Thread   pure; any.            May use: base, generated structs.
 */
#pragma once

#include "core/base/buf.h"
#include "gen/state.h"

/* {id, status, title, ..., variants[], version, created_at, changed_at}, appended to `out`. */
void product_document(struct buf *out, struct str stream, int64_t version, const struct product_state *state);
