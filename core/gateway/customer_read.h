/* customer_read.h: one customer, read for whoever may see him: found in the view, and what is sealed of him opened.
 *
 * Promise  `answer` is called once, on the way of the request: the customer is opened as far as he can be, or is not
 *          there. Otherwise the request was answered (400 for its position, 503), or dropped with its client. What
 *          cannot be opened because the vault is away is 503, never half an answer. Of one who was erased nothing
 *          opens, and the rest is there.
 * Sealed   the verifier of the password is never opened.
 * Memory   the request's arena.
 * Thread   the loop's.          May use: http, pg, vault, projections' statements.
 */
#pragma once

#include "core/gateway/customer_find.h"
#include "core/gateway/position.h"
#include "core/gateway/unsealing.h"

struct customer_reading {
    struct request *request;
    struct position position;
    struct customer_finding finding;
    struct unsealing unsealing;
    void (*answer)(struct customer_reading *reading);
};

void customer_read_by_id(struct request *request, struct str customer,
                         void (*answer)(struct customer_reading *reading));
/* Whoever logs in with the address of this stream (identity_of_email). */
void customer_read_by_identity(struct request *request, struct str identity,
                               void (*answer)(struct customer_reading *reading));

/* His document, appended. */
void customer_reading_write(const struct customer_reading *reading, struct buf *out);
/* Answers it, with its ETag; 404 where he is not there. */
void customer_reading_answer(struct customer_reading *reading);

/* Adds what is opened of a customer for a reader to `unsealing`, whose other members are set, and begins. The state
 * must stay until it is done. */
void customer_state_open(struct unsealing *unsealing, struct customer_state *state, struct vault *vault);

/* Whether all is opened that can be. */
static inline bool customer_is_opened(enum vault_found found) {
    return found == VAULT_THERE || found == VAULT_NONE; /* of none there is nothing to open */
}
/* 503 for what could not be. */
void customer_refuse_unopened(struct request *request, enum vault_found found);
