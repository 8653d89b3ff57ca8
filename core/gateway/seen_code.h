/* seen_code.h: a code that somebody has sent, compared with his authenticator: the facts that a decision counts.
 *
 * Rule     whether it was used before is not for the front to say; so a request that is sent again is the same one.
 * Thread   the loop's.          May use: vault.
 */
#pragma once

#include "core/base/str.h"

struct gateway_loop;

struct seen_code {
    int64_t step;     /* of the authenticator whose code it is; 0: it is a recovery code, -1: neither */
    int32_t recovery; /* the recovery code's number, from 1; 0: it is none */
};

/* `totp_number`: which of the customer's authenticators. */
struct seen_code seen_code_of(struct gateway_loop *loop, struct str customer, int32_t totp_number, struct str code);
