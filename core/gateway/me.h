/* me.h: one's own things: what the view and the log have of the person who asks.
 *
 *      GET, PATCH /v1/me            PUT /v1/me/consents/{purpose}
 *      POST, GET /v1/me/addresses   PUT, DELETE /v1/me/addresses/{address}
 *      GET, DELETE /v1/me/sessions  DELETE /v1/me/sessions/{session}
 *
 * Rule     no path names a person: he is whoever the session is of, so that there is nobody else's to ask for. Where
 *          access is open and nobody is logged in it is 401.
 *          What he says of himself is sealed with his own key, which is never made here: one who was erased has none.
 * Answers  to a change the whole of his document as it stood after it, opened for the answer; so a request that is sent
 *          again gets the same bytes, save after an erasure. Where the vault cannot be asked once the change is made,
 *          the change stands, and what is personal is left out of its answer.
 * Bounds   MY_SESSIONS_MAX sessions are shown, the newest.
 * Thread   the loop's.          May use: http, pg, vault, projections' statements.
 */
#pragma once

#include "core/gateway/prepared.h"

enum { MY_SESSIONS_MAX = 200 };

void query_me(struct request *request);
void query_my_addresses(struct request *request);
void query_my_sessions(struct request *request);

/* For the table of prepared.c */
void me_prepare(struct preparation *preparation);
void me_answer_customer(struct preparation *preparation, const struct outcome *outcome);
void me_answer_address(struct preparation *preparation, const struct outcome *outcome);
void me_prepare_session_end(struct preparation *preparation);
void me_answer_session_end(struct preparation *preparation, const struct outcome *outcome);
void me_prepare_sessions_end(struct preparation *preparation);

/* ---- for others of one's own commands ---------------------------------------------------------------------------- */

/* Takes whoever asks as the one whom it is about: the stream, and the key of what is sealed. False: nobody is logged
 * in, and the request is answered. */
MUST_CHECK bool me_take(struct preparation *preparation);

/* What was decided, and the person as he stood then. */
struct my_answer {
    struct preparation *preparation;
    int status;
    struct str stream;
    int64_t version;
    struct customer_state state;
    struct unsealing unsealing;
    void (*write)(struct my_answer *answer); /* answers the request */
};
/* Refuses by a refusal; else gives the answer its headers, opens the person but for his password, and goes on with
 * `write`. `location`: of what was created, by the state; NULL: none. */
void me_answer_opened(struct preparation *preparation, const struct outcome *outcome,
                      struct str (*location)(struct arena *arena, const struct customer_state *state),
                      void (*write)(struct my_answer *answer));
