/* me_totp.h: one's own authenticator: begun, confirmed by a code of it, ended.
 *
 *      POST /v1/me/totp   password -> the secret, for the app: pending
 *      PUT /v1/me/totp    a code of the app -> recovery codes, and from now on a login asks for a code
 *      DELETE /v1/me/totp password and a code, or a recovery code -> off
 *
 * Secrets  what the answers show derives from the installation's secret, the customer and the number of the
 *          authenticator, which is that of the outcome: a request that is sent again under its Idempotency-Key is given
 *          the same bytes, and nothing of it is stored.
 * Rule     they are shown to whoever has proved to be himself in this very request: what is begun counts within the
 *          password, what is confirmed within the code. A key alone brings neither back.
 * Thread   the loop's.          May use: http, vault, pg.
 */
#pragma once

#include "core/gateway/prepared.h"

/* For the table of prepared.c */
void me_totp_prepare_begin(struct preparation *preparation);
void me_totp_answer_begin(struct preparation *preparation, const struct outcome *outcome);
void me_totp_prepare_confirm(struct preparation *preparation);
void me_totp_answer_confirm(struct preparation *preparation, const struct outcome *outcome);
void me_totp_prepare_end(struct preparation *preparation);

/* Whose app asks for the code: the host of `public_url`, without its port. */
struct str me_totp_issuer(const char *public_url);
