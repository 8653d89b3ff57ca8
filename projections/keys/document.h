/* document.h: an API key as clients see it: JSON, made from the aggregate's state. Its hashes are not shown.
 * Thread   pure; any.            May use: base, generated structs.
 */
#pragma once

#include "core/base/buf.h"
#include "gen/state.h"

/* {id, name, status, roles[], generation, previous_until?, expires_at?, used_at?, reason?, version, created_at,
 * changed_at}, appended to `out`. used_at: the hour in which it was used last. */
void api_key_document(struct buf *out, struct str stream, int64_t version, const struct api_key_state *state);

/* When the hour began in which it was used last, which it was: microseconds since 1970. */
int64_t api_key_used_at(const struct api_key_state *state);
