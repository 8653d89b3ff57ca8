/* as_of.h: how things stood: the parameter as_of of the queries of one product, one SKU and an order's history.
 *
 * Meaning  a version, or a time: the answer shows the stream after its last event that is not later, and a member
 *          `as_of` says which that is, its version and when it occurred. What is later than the newest event is
 *          answered with that one: nothing has happened since, as far as the view knows.
 * Errors   400 invalid_parameter for what is neither; 404 before_beginning, with the time of the first event, for a
 *          time before it; 404 with the thing's own code when there is no such thing.
 * Thread   the loop's.          May use: http, pg, domain, projections' statements and documents.
 */
#pragma once

#include "core/gateway/query_run.h"

/* At most one of the two is there; the others' data pointers are NULL. */
struct as_of {
    struct str version; /* digits, at least 1 */
    struct str time;    /* RFC 3339, UTC */
};

static inline bool as_of_is_given(const struct as_of *as_of) {
    return as_of->version.data != NULL || as_of->time.data != NULL;
}

/* The parameter, or neither when it is absent. False with a 400 problem. */
MUST_CHECK bool as_of_read(struct http_exchange *exchange, struct as_of *ret_as_of, struct problem *ret_problem);

/* What can be asked how it stood, by its past in a view (projections/runtime/standing.h). Behind the parameters said
 * there a statement is given for which vendor it is asked: those of a vendor's own ask for it. */
struct as_of_thing {
    const struct aggregate *aggregate;
    const char *const *views; /* that the statements read */
    const struct pg_statement *at_version, *at_time, *began;
    const char *unknown_code;
    /* Whose it was then (access.h), in the arena; NULL: who is let in sees it. */
    struct str (*owner)(struct arena *arena, const void *state);
    void (*write)(struct buf *out, struct str stream, int64_t version, const void *state);
};

/* Answers with the thing's document, as it was at `as_of`, which is given. */
void as_of_answer(struct request *request, const struct as_of_thing *thing, struct str stream,
                  const struct as_of *as_of);

/* The member "as_of":{...}. */
void as_of_write(struct buf *body, int64_t version, struct str occurred_at);

/* No rows, inside on_rows: was it before the beginning, or is there no such thing? `began` asks, $1 is `id` and $2 the
 * vendor, and says whose it is besides when not all may know. */
void as_of_refuse(struct query_run *run, const struct pg_statement *began, struct str id, const struct as_of *as_of);
