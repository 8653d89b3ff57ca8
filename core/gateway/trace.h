/* trace.h: the trace a request belongs to (W3C Trace Context, level 1: traceparent).
 *
 * Promise  a well-formed traceparent is continued, anything else is as good as none, as the standard asks.
 * Thread   pure, save for the random parts of a new one; any.    May use: base.
 */
#pragma once

#include "core/base/arena.h"

enum { TRACE_ID_LEN = 32 };

/* The trace id within a traceparent header; false when it is not well-formed (or of version ff). */
bool trace_read(struct str traceparent, struct str *ret_trace_id);

/* A new trace id. */
struct str trace_begin(struct arena *arena);

/* A traceparent for what happens next in the trace, with a span id of its own, sampled. */
struct str trace_parent(struct arena *arena, struct str trace_id);
