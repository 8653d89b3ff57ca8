/* answers.h: what became of a command, as an HTTP answer.
 *
 * Promise  the same outcome always gives the same bytes of body, so that a retry's answer is the first one again:
 *          what differs between the two (Idempotent-Replayed, traceparent) is in headers. The trace_id of a refusal
 *          is the command's own, see identity_trace.
 * Memory   the arena.
 * Thread   pure; any.          May use: http, domain's structs, projections' documents.
 */
#pragma once

#include "core/base/arena.h"
#include "core/http/problem.h"
#include "gen/messages.h"

struct outcome_answer {
    int status;
    bool is_problem;
    struct problem problem; /* with is_problem */
    struct str body;        /* otherwise: the resource's document */
    struct str etag;        /* empty for none */
    struct str position;    /* as in the outcome, lent by it; see core/gateway/position.h. Empty for none */
    struct str location;    /* of the resource, e.g. /v1/orders/ord_...; empty for none */
    bool is_replayed;
};

/* Of an outcome that is accepted or rejected. `accepted_status`: 200 or 201. */
struct outcome_answer answer_of_outcome(struct arena *arena, const struct outcome *outcome, int accepted_status);

/* The resource of an outcome as clients see it, appended to `out`; false when there is none, or it cannot be read. */
MUST_CHECK bool answer_document(struct arena *arena, struct buf *out, const struct outcome *outcome);

/* Whose the resource of an outcome is, as access.h has it, in the arena; a NULL data pointer when there is none, or
 * nobody's. */
struct str answer_owner(struct arena *arena, const struct outcome *outcome);

/* Where the stream is found by GET, e.g. /v1/carts/cart_...; empty for one that is not. */
struct str answer_location(struct arena *arena, struct str stream);
