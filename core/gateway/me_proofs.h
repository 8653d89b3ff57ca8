/* me_proofs.h: what somebody does to himself that a session alone is not enough for: another password, another address,
 * erasure. He gives his password again, for a session may have been left open on somebody else's desk.
 *
 *      PUT /v1/me/password   PUT /v1/me/email   DELETE /v1/me
 *
 * Rule     the password is compared on the hashing threads with the verifier that the view has; the decision counts
 *          what was wrong, apart from logins, and compares once more which password it was. A new one is judged before
 *          anything else is done for it (password.h).
 * Factor   who has an authenticator sends a code of it as well for another password or address (OWASP ASVS 5.0, 7.5.1):
 *          a thief of password and session must not get the account by them. Each is good once, so that of the login
 *          is not good here.
 * Once     a password for one use lets in to set another one, and to log out. The session that asks is kept: its next
 *          tokens (POST /v1/sessions/refresh) let in everywhere.
 * Keys     an Idempotency-Key counts within the person, whatever was proved: whoever asks again is given the first
 *          answer, also though his password is another one by then, and no more is told by it than his standing.
 * Memory   the request's arena; passwords are wiped as soon as they were used.
 * Thread   the loop's.          May use: http, vault, pg.
 */
#pragma once

#include "core/gateway/prepared.h"

/* For the table of prepared.c */
void me_prepare_password(struct preparation *preparation);
void me_prepare_email(struct preparation *preparation);
void me_prepare_erasure(struct preparation *preparation);
void me_answer_erasure(struct preparation *preparation, const struct outcome *outcome);

/* ---- for others of one's own commands ---------------------------------------------------------------------------- */

/* Finds the person as the view has him; `on_found` is called when he is there. `secret` is wiped when he is not. */
void me_find(struct preparation *preparation, struct str *secret, void (*on_found)(struct preparation *preparation));
/* Compares the password, which is wiped, with the verifier of who was found. */
void me_compare(struct preparation *preparation, struct str *password,
                void (*on_proved)(struct preparation *preparation, bool is_proved));
/* The two, one after the other: all that most commands need. */
void me_prove(struct preparation *preparation, struct str *password,
              void (*on_proved)(struct preparation *preparation, bool is_proved));
