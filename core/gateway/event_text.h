/* event_text.h: Server-Sent Events as text (WHATWG HTML, "Server-sent events").
 *
 * Form     an event is `id: <version>`, its data and an empty line; the data's lines each stand behind `data: `.
 * Thread   pure; any.            May use: base.
 */
#pragma once

#include "core/base/buf.h"

/* A line that clients pass over, and that tells them and what stands between that the connection lives. */
#define EVENT_HEARTBEAT ":\n\n"

/* How long a client waits before it comes again. */
void event_text_retry(struct buf *out, unsigned retry_ms);

/* `data` has no CR, which the form cannot carry: our documents have no control bytes at all. */
void event_text_write(struct buf *out, int64_t version, struct str data);

/* What Last-Event-ID says: a version that was written as an event's id, at least 1. */
MUST_CHECK bool event_text_read_id(struct str text, int64_t *ret_version);
