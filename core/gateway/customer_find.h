/* customer_find.h: the customer that a request is about, as the view has him, before anything is decided.
 *
 * Purpose  proofs need what only the log knows: the verifier of a password, which mail was the newest. The view may
 *          be a moment behind; the decision compares once more.
 * Promise  on_found is called once, or the request was answered: 503 view_behind, database_unavailable and the like. A
 *          client who leaves meanwhile is dropped, and on_found not called.
 * Memory   what was found lives in the request's arena.
 * Thread   the loop's.          May use: pg, projections' contracts.
 */
#pragma once

#include "core/gateway/request.h"
#include "projections/customers/query.h"

struct customer_finding {
    struct request *request;
    const struct pg_statement *statement;
    struct str parameter;
    struct view_wait view_wait;
    bool is_discreet;
    bool is_there;
    struct customer_row customer; /* with is_there */
    void (*on_found)(struct customer_finding *finding);
};

/* Once the view has what `position` names, until the time that queries have (view_wait_ms). */
void customer_find_by_id(struct customer_finding *finding, struct request *request, struct str customer,
                         const struct position *position, void (*on_found)(struct customer_finding *finding));
void customer_find_by_identity(struct customer_finding *finding, struct request *request, struct str identity,
                               const struct position *position, void (*on_found)(struct customer_finding *finding));
/* The same where it must not show whether there is one: of one who cannot be read it is as if there were nobody, which
 * the process's log is told. */
void customer_find_discreetly(struct customer_finding *finding, struct request *request, struct str identity,
                              const struct position *position, void (*on_found)(struct customer_finding *finding));

/* The client is gone: false, when an answer is on its way, which then drops the request. */
bool customer_finding_cancel(struct customer_finding *finding);
