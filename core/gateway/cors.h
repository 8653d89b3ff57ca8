/* cors.h: which pages of other origins may read answers.
 *
 * Purpose  a browser gives an answer to a page of another origin only when the answer names that origin (WHATWG Fetch,
 *          "CORS protocol"); whoever is no browser is not concerned. Setting `cors_origins`.
 * Promise  an origin that is not in the list is told nothing. `*` is never said, so that an origin is always one that
 *          somebody has named; its pages may therefore send cookies and read what is answered to them, as far as
 *          browsers have any to send: ours are SameSite=Strict, which leaves origins of the same site. That such a
 *          request is meant by the page Daybook-CSRF shows (authentication.h). With a list every answer varies by
 *          Origin, whoever asks, for caches between.
 * Memory   the list lives in the setting's text.
 * Thread   pure; any.          May use: base, http.
 */
#pragma once

#include "core/base/err.h"
#include "core/http/server.h"

enum { CORS_ORIGINS_MAX = 16, CORS_ORIGIN_MAX_BYTES = 255, CORS_PREFLIGHT_KEPT_S = 600 };

struct cors_origins {
    struct str items[CORS_ORIGINS_MAX];
    size_t count;
};

/* "https://shop.example https://shop.example:8443", with spaces between. ERR_CONFIG names what is no origin. */
MUST_CHECK enum err cors_read(const char *text, struct cors_origins *ret_origins, struct err_info *info);

/* scheme "://" host [ ":" port ], in lower case, as browsers write it. */
bool cors_is_origin(struct str text);

/* What an answer says of it, whatever else it says. */
void cors_answer(const struct cors_origins *origins, struct http_exchange *exchange);

/* What the answer to OPTIONS says besides: `methods` are those of the path, e.g. "GET, HEAD, PATCH". */
void cors_answer_preflight(const struct cors_origins *origins, struct http_exchange *exchange, struct str methods);
