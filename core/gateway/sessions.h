/* sessions.h: logging in, the next tokens of a session, and logging out.
 *
 *      POST /v1/sessions           address -> customer, or nobody -> password and code compared -> OpenSession
 *      POST /v1/sessions/refresh   the refresh token says whose and which -> RefreshSession
 *      DELETE /v1/sessions/current the access token says so -> EndSession
 *
 * Promise  that an address is nobody's is told by nothing: another verifier is compared, the vault and the log are
 *          asked for nobody, the answer is the same, and leaves a whole number of LOGIN_ANSWER_MS after the request.
 *          What is told of a customer is told to whoever had the right password.
 *          Tokens derive from what was decided: a request that is sent again gets the same bytes. They stand in no
 *          store.
 * Rule     a login counts within what was proved, a refresh within the session and its generation: an Idempotency-Key
 *          brings back one's own answer alone.
 * Cookies  where they are asked for the tokens are in cookies and not in the body, which has the token that goes with
 *          them instead (csrf_token, see authentication.h).
 * Database a login reads the customer and his key; a refresh and a logout need neither.
 * Thread   the loop's.          May use: http, vault, pg.
 */
#pragma once

#include "core/gateway/prepared.h"

enum { LOGIN_ANSWER_MS = DISCREET_ANSWER_MS, CLIENT_AGENT_MAX_BYTES = 256 };

/* For the table of prepared.c. */
void sessions_prepare_login(struct preparation *preparation);
void sessions_answer_login(struct preparation *preparation, const struct outcome *outcome);
void sessions_prepare_refresh(struct preparation *preparation);
void sessions_answer_refresh(struct preparation *preparation, const struct outcome *outcome);
json_t *sessions_cookie_as_body(struct request *request);
void sessions_prepare_logout(struct preparation *preparation);
void sessions_answer_logout(struct preparation *preparation, const struct outcome *outcome);

/* In the answer to whoever came by cookies, and whose session is over. */
void sessions_forget_cookies(struct request *request);

/* GET /.well-known/jwks.json: the keys by which others check access tokens. */
void jwks_document(struct request *request);

/* What is answered to whoever has a session now. */
struct session_answer {
    struct str body;
    struct str access_cookie, refresh_cookie; /* Set-Cookie; empty without cookies */
};

struct session_terms {
    const struct signing *signing;
    const struct secret *secret;
    int64_t access_token_s;
    bool as_cookies;
    bool roles_need_factor; /* setting staff_second_factor */
};

/* Of the session that was touched last; false: the state has none that could be. */
MUST_CHECK bool session_answer_write(struct arena *arena, const struct session_terms *terms, struct str customer,
                                     const struct customer_state *state, struct session_answer *ret_answer);
