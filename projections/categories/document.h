/* document.h: a category as clients see it: JSON, made from the part of the tree's state that is its own.
 *
 * Promise  the view's document and a command's answer are made by this one function, so both say the same.
 * Thread   pure; any.            May use: base, generated structs.
 */
#pragma once

#include "core/base/buf.h"
#include "gen/state.h"

/* {slug, status, title, description?, parent?, position, version, created_at, changed_at}, appended to `out`. `stream`
 * is that of the tree, and not shown. */
void category_document(struct buf *out, struct str stream, int64_t version, const struct category_state *state);
