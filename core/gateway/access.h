/* access.h: whether somebody may.
 *
 * Purpose  one judgement of each request, before anything is looked at or sent: routes.def says who may, principal.h
 *          who asks.
 * Promise  what a thing is, and whether it exists, changes nothing of a refusal: who may not know of it is told what
 *          he would be told if it were not there (ACCESS_HIDDEN). What lets in is the most powerful capacity that the
 *          route takes. A guest owns a cart by its token, and so its orders, whose ids have the cart's ULID: no
 *          question is asked for that.
 * Not here whether a thing is a customer's or a vendor's own (`own_only`): that is known where the thing is.
 * Source   OWASP ASVS 5.0, V8: decided in one trusted place, by function and by object.
 * Memory   texts live in the arena.
 * Thread   pure; any.          May use: base, http, vault.
 */
#pragma once

#include "core/gateway/principal.h"
#include "core/gateway/router.h"

enum access_verdict {
    ACCESS_GRANTED,
    ACCESS_UNAUTHENTICATED, /* 401: nobody knows who asks, and the route is not for everybody */
    ACCESS_FORBIDDEN,       /* 403: who asks is known, and the route is for others */
    ACCESS_HIDDEN,          /* 404, as if it were not there */
};

struct access {
    enum access_verdict verdict;
    bool own_only; /* granted for what is one's own; whose it is remains to be seen */
    struct str
        actor; /* what an event says of its cause: "anonymous", "guest:...", "admin:cus_...", "vendor:cus_...:name" */
};

/* `is_open`: who brings nothing by which he is known may do everything (setting `access`). */
struct access access_judge(struct arena *arena, const struct secret *secret, bool is_open,
                           const struct route_match *match, const struct principal *principal);

/* Whether what became of a command at `stream` is told to whoever has the command's id: to staff who help, and to the
 * holder of the cart's token. */
bool access_shows_outcome(struct arena *arena, const struct secret *secret, bool is_open,
                          const struct principal *principal, struct str stream);

/* The code of a 404 for what the path names: "unknown_cart". */
const char *access_hidden_code(const struct route_match *match);
