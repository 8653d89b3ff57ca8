/* authentication.h: who a request says it is from, and whether that is so.
 *
 *      Authorization: Bearer <access token>   a person's session
 *      Authorization: Bearer dbk_..           an API key
 *      Cookie: __Host-daybook=<access token>  a person's session in a browser, where there is no Authorization
 *
 * Rule     what is brought counts, or the request is refused with 401, on whatever route: whoever believes to be known
 *          must not be served as a stranger. With an Authorization a cookie is not looked at. Where somebody comes to
 *          say who he is (sessions, registration) a cookie is not looked at either: browsers send old ones by
 *          themselves. What a browser may have been made to send by another page (a cookie, and no GET) must show
 *          that it comes from a page of ours: Daybook-CSRF with the session's own token, and an origin that may
 *          (OWASP, Cross-Site Request Forgery Prevention); else 403.
 * Promise  a token is looked at whole once a loop; then it is found among those that were good (AUTHENTICATION_KNOWN of
 *          them), and only its end and the revocations are looked at. Time is that of a clock that does not go back.
 * Start    until the front has read once which sessions have ended (revocations.h) it does not know of any token
 *          whether its session has, and says so; that a token has had its time it says all the same.
 * Factor   where roles need one, a session that was not opened by a code of an authenticator is that of a customer, and
 *          the roles are withheld (principal.h): so its owner gets in to have an authenticator, and is told what he
 *          lacks.
 * API keys are those of core/gateway/api_keys.h, whose api_keys_find and api_keys_are_known are handed over; without
 * them there are none. Until they were read nobody is told that his key is none.
 * Memory   a principal's texts live in the request's arena.
 * Thread   the loop's.          May use: http, vault.
 */
#pragma once

#include "core/base/lru.h"
#include "core/base/steady_clock.h"
#include "core/gateway/cors.h"
#include "core/gateway/principal.h"
#include "core/gateway/revocations.h"
#include "core/vault/token.h"

enum { AUTHENTICATION_KNOWN = 8192, AUTHENTICATION_KNOWN_BYTES = AUTHENTICATION_KNOWN * 768 };

#define ACCESS_COOKIE "__Host-daybook"
#define REFRESH_COOKIE "__Secure-daybook-refresh"
#define CSRF_USE "csrf" /* of mail_token_write */

struct api_keys;

/* How keys are looked for: fills in identity, id, vendor and capacities. */
struct key_finder {
    bool (*find)(struct api_keys *keys, struct arena *arena, struct str text, int64_t now_us,
                 struct principal *ret_principal);
    bool (*are_known)(struct api_keys *keys);
    struct api_keys *keys;
};

struct authentication {
    const struct secret *secret;
    struct signing *signing;
    struct steady_clock clock;
    struct revocations *revocations;
    const struct cors_origins *origins; /* of pages that may send cookies, beside our own */
    struct str own_origin;              /* setting public_url */
    struct key_finder key_finder;       /* set by whoever has keys */
    bool roles_need_factor;             /* set by whoever has the setting staff_second_factor */
    struct lru known;                   /* access tokens that were good, by their hashes */
    uint8_t known_key[16];              /* of these: SipHash's */
};

/* `public_url` and `token_audience` are the settings; the texts, and what is pointed to, must outlive it. ERR_CONFIG.
 * */
MUST_CHECK enum err authentication_open(struct authentication *authentication, const struct secret *secret,
                                        const struct master_ring *masters, const char *public_url,
                                        const char *token_audience, struct revocations *revocations,
                                        const struct cors_origins *origins, struct err_info *info);
void authentication_close(struct authentication *authentication);

/* The time by which credentials are judged. Each tick asks for it, also when nobody comes. */
int64_t authentication_now_us(struct authentication *authentication);
/* Once a tick: the clock is seen, and signing keys turn when their epoch does. */
void authentication_tick(struct authentication *authentication);

enum credentials {
    CREDENTIALS_NONE,    /* nothing was brought: the principal is as it was */
    CREDENTIALS_GOOD,    /* he is known */
    CREDENTIALS_REFUSED, /* 401, *ret_problem says why: none of ours, so that somebody may have made it up */
    CREDENTIALS_OVER,    /* 401 as well: a token that we signed, which has had its time, or whose session has ended */
    CREDENTIALS_STRANGE, /* 403: good, but sent by a page of somebody else */
    CREDENTIALS_UNSURE,  /* 503: keys, or which sessions have ended, were not read yet */
};

/* `takes_cookie`: whether a cookie is looked at. The principal is that of principal_read. */
enum credentials authentication_read(struct authentication *authentication, struct http_exchange *exchange,
                                     bool takes_cookie, struct principal *principal, struct problem *ret_problem);

/* The value of the cookie; empty: there is none, or it is there twice. */
struct str cookie_find(const struct http_exchange *exchange, const char *name);

/* What Set-Cookie says of one of the two, which goes with each request to what begins as `path` does. */
struct str cookie_write(struct arena *arena, const char *name, const char *path, struct str value, int64_t life_s);
/* The browser is to forget the access token, which is good for nothing. */
void cookie_forget_access(struct http_exchange *exchange);

/* Whether the request shows to be from a page of ours, for this session; *ret_problem is 403 `csrf_failed`. */
MUST_CHECK bool csrf_is_met(const struct authentication *authentication, const struct http_exchange *exchange,
                            struct str customer, int32_t session, struct problem *ret_problem);
