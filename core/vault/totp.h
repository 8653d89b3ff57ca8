/* totp.h: codes of an authenticator app (RFC 6238), and the recovery codes for when it is lost.
 *
 * Promise  six digits of HMAC-SHA-1 over steps of 30 s, which every app knows. A code of the step before and of the one
 *          after is taken too (clocks differ), and none of a step that was taken already: `after_step` is what the log
 *          says. The app's secret and the recovery codes derive from the installation's secret, the customer and the
 *          number of his enrolment: nothing is stored, and a new enrolment makes the old ones worthless.
 * Rule     a million codes are few: who counts the failures and locks is the domain.
 * Thread   pure; any.          May use: base, libsodium, openssl (SHA-1, which libsodium has not).
 */
#pragma once

#include "core/base/arena.h"
#include "core/vault/secret.h"

enum {
    TOTP_SECRET_BYTES = 20, /* RFC 4226, 4: R6 */
    TOTP_DIGITS = 6,
    TOTP_STEP_S = 30,
    RECOVERY_CODES = 10,
    RECOVERY_CODE_LEN = 11, /* xxxxx-xxxxx of Crockford's base 32: 50 bits */
    TOTP_LABEL_MAX = 254,   /* bytes: an e-mail address */
};

/* Whether the code is right now and its step is later than `after_step` (-1: any); `now_s` since 1970. The step is to
 * be remembered. */
MUST_CHECK bool totp_check(const uint8_t secret[TOTP_SECRET_BYTES], struct str code, int64_t now_s, int64_t after_step,
                           int64_t *ret_step);

/* Of the customer's enrolment with this number. Wipe it after use. */
void totp_secret_derive(const struct secret *secret, struct str customer, int32_t number,
                        uint8_t ret_secret[TOTP_SECRET_BYTES]);
/* As apps take it by hand: 32 characters of base 32 (RFC 4648). */
struct str totp_secret_text(struct arena *arena, const uint8_t secret[TOTP_SECRET_BYTES]);
/* otpauth://totp/ISSUER:LABEL?secret=..&issuer=ISSUER, for a QR code; both of TOTP_LABEL_MAX bytes at most. */
struct str totp_uri(struct arena *arena, const uint8_t secret[TOTP_SECRET_BYTES], struct str issuer, struct str label);

/* `index` below RECOVERY_CODES. */
struct str recovery_code_write(struct arena *arena, const struct secret *secret, struct str customer, int32_t number,
                               int index);
/* Which of them it is, -1: none. In upper or lower case, with its hyphen or without. Whether it was used before is for
 * the caller to look at. */
int recovery_code_find(const struct secret *secret, struct str customer, int32_t number, struct str code);
