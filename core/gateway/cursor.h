/* cursor.h: cursors of lists, as clients see them: opaque, and only ever the ones that we gave.
 *
 * Form     base64url of 12 bytes of keyed hash and the view's own cursor. The hash is over the list's name as well
 *          (and what else its caller puts into `list`: the filters), so a cursor of another list, or one made up, is
 *          refused before it reaches a statement.
 * Thread   pure; any.          May use: base, vault.
 */
#pragma once

#include "core/base/arena.h"
#include "core/vault/secret.h"

/* An id and a title of 256 bytes, some of which may grow in lower case: less than 496. What a search took its words to
 * mean: 1,024 (QUESTION_CURSOR_MAX_BYTES). As text, with the hash: less than 2,048. */
enum { CURSOR_INNER_MAX = 1520 };

/* `inner` has at most CURSOR_INNER_MAX bytes. */
struct str cursor_write(struct arena *arena, const struct secret *secret, const char *list, struct str inner);
MUST_CHECK bool cursor_read(struct arena *arena, const struct secret *secret, const char *list, struct str text,
                            struct str *ret_inner);
