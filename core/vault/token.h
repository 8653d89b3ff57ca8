/* token.h: what people and services show to be let in: access tokens, refresh tokens, mailed tokens, API keys.
 *
 * Promise  all of them derive from the installation's secret or its ring and from what the log says, and none is
 *          stored: a request that is sent again is answered with the same bytes. Each value has one text; whatever else
 *          is brought is refused, and comparing takes the same time wherever the difference is.
 * Access   a JWT (RFC 7519) signed with Ed25519 (RFC 8037), in the form of RFC 9068 without `client_id` and `jti`:
 *          there is one client, and `sid` is the session's number. Checked as RFC 8725 asks: algorithm and type are
 *          ours and never the token's choice, and the signature is looked at before what is signed. No personal data.
 *              {"alg":"EdDSA","typ":"at+jwt","kid":"<16 hex digits>"}
 *              {"iss":..,"aud":..,"sub":"cus_..","sid":"7","iat":..,"exp":..,"roles":["admin"],"vendor":..,
 *               "once":true,"amr":["pwd","otp"]}
 *          In this order, without spaces; `vendor` (base64url: a name may hold any character) and `once` only where
 *          they say something. A claim that this release does not know is refused, for it may be a restriction: a
 *          release that reads a new one goes to all fronts before one that writes it.
 * Refresh  drt_<64>: the session and its generation, and 24 bytes of HMAC over them.
 * Mailed   <32>: 24 bytes of HMAC over the use, the customer and a number: one of them passes for no other.
 * API key  dbk_<26 of the stream key_..>_<43>: 32 bytes of HMAC over the stream and its generation. The log and the
 *          fronts keep its hash alone.
 * Bounds   ACCESS_TOKEN_MAX, ACCESS_VENDOR_MAX, ACCESS_LIFE_MAX_S.
 * Memory   results live in the arena.
 * Thread   as the signing that is given; else any.          May use: base, libsodium.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/text.h"
#include "core/vault/secret.h"
#include "core/vault/signing.h"

enum {
    ACCESS_TOKEN_MAX = 1024,
    ACCESS_VENDOR_MAX = 128,    /* bytes */
    ACCESS_LIFE_MAX_S = 3600,   /* from iat to exp */
    ACCESS_EARLY_MAX_S = 60,    /* how far iat may be ahead of the reader's clock */
    CUSTOMER_ID_LEN = 4 + 26,   /* cus_ and a ULID's text */
    REFRESH_TOKEN_LEN = 4 + 64, /* drt_ and base64url of 48 bytes */
    MAIL_TOKEN_LEN = 32,
    API_KEY_STREAM_LEN = 4 + 26, /* key_ and a ULID's text */
    API_KEY_LEN = 4 + 26 + 1 + 43,
    API_KEY_HASH_BYTES = 32,
};

/* What somebody may be besides a customer, which everybody is. The names stand in events and tokens. */
#define TOKEN_ROLE_TABLE(ROW)                                                                                          \
    ROW(VENDOR, "vendor", 0)                                                                                           \
    ROW(SUPPORT, "support", 1)                                                                                         \
    ROW(ADMIN, "admin", 2)                                                                                             \
    ROW(ANALYST, "analyst", 3)                                                                                         \
    ROW(AUDITOR, "auditor", 4)                                                                                         \
    ROW(SERVICE, "service", 5)

enum token_role {
#define TOKEN_ROLE_BIT(name, text, place) TOKEN_ROLE_##name = 1 << (place),
    TOKEN_ROLE_TABLE(TOKEN_ROLE_BIT)
#undef TOKEN_ROLE_BIT
        TOKEN_ROLE_ALL = (1 << 6) - 1,
};

/* 0 when there is no such role. */
uint32_t token_role_of_name(struct str name);

struct access_claims {
    struct str customer;  /* cus_.. */
    int32_t session;      /* not negative */
    uint32_t roles;       /* bits of enum token_role */
    struct str vendor;    /* whose things he may touch as a vendor; empty: nobody's */
    bool is_once;         /* with a password that must be changed first */
    bool was_code_given;  /* when the session was opened: of an authenticator that is still on, or a recovery code */
    int64_t issued_at_s;  /* since 1970 */
    int64_t expires_at_s; /* later, by ACCESS_LIFE_MAX_S at most */
};

enum token_verdict {
    TOKEN_FINE,
    TOKEN_MALFORMED,   /* none of ours: algorithm, type, form, an unknown claim */
    TOKEN_UNKNOWN_KEY, /* of a key that is not, or no longer, accepted */
    TOKEN_FORGED,
    TOKEN_FOR_OTHERS, /* another issuer or audience */
    TOKEN_NOT_YET,    /* written more than ACCESS_EARLY_MAX_S from now */
    TOKEN_EXPIRED,
};

/* The claims are ours and within their bounds; else it is our bug. */
struct str access_token_write(const struct signing *signing, struct arena *arena, const struct access_claims *claims);
/* The verdicts are looked for in the order of the enum, from TOKEN_MALFORMED on (a form of the claims that is not ours
 * is told once the signature is right). `now_s` of a steady clock. */
enum token_verdict access_token_read(const struct signing *signing, struct arena *arena, struct str token,
                                     int64_t now_s, struct access_claims *ret_claims);

struct session_ref {
    uint8_t customer[ULID_BYTES]; /* of cus_.. */
    uint32_t session, generation;
};

struct str refresh_token_write(struct arena *arena, const struct secret *secret, const struct session_ref *ref);
MUST_CHECK bool refresh_token_read(const struct secret *secret, struct str token, struct session_ref *ret_ref);

/* `use`: what it is for ("verify", "reset", "email", "csrf"); `number`: which of them, or the session's. */
struct str mail_token_write(struct arena *arena, const struct secret *secret, const char *use, struct str customer,
                            int32_t number);
MUST_CHECK bool mail_token_read(const struct secret *secret, const char *use, struct str customer, int32_t number,
                                struct str token);

/* `key_stream`: key_<26>. */
struct str api_key_write(struct arena *arena, const struct secret *secret, struct str key_stream, int32_t generation);
/* Whether it has the form of one, and of which stream; not whether it is one: that is its hash's to say. */
MUST_CHECK bool api_key_parse(struct str text, char ret_key_stream[API_KEY_STREAM_LEN]);
/* BLAKE2b-256. */
void api_key_hash(struct str text, uint8_t ret_hash[API_KEY_HASH_BYTES]);
