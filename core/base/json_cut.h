/* json_cut.h: a document without one of its members, for those who are shown less of it.
 *
 * Promise  everything else is copied byte for byte. What is no object, or ends in the middle, is refused: then
 *          nothing is to be shown of it.
 * Cost     linear in the document; nothing is allocated but `out`.
 * Thread   pure; any.          May use: base.
 */
#pragma once

#include "core/base/buf.h"
#include "core/base/macros.h"

/* Appends `document`, a JSON object as json_write.h makes it (no spaces outside of texts, no escapes in names),
 * without its member `name`, which need not be there; members of inner objects stay. False: it is no such object. */
MUST_CHECK bool json_without_member(struct buf *out, struct str document, const char *name);
