/* access.h: whether somebody may.
 *
 * Purpose  one judgement of each request, before anything is looked at or sent: routes.def says who may, principal.h
 *          who asks.
 * Promise  what a thing is, and whether it exists, changes nothing of a refusal: who may not know of it is told what
 *          he would be told if it were not there (ACCESS_HIDDEN). What lets in is the most powerful capacity that the
 *          route takes. A guest owns a cart by its token, and so its orders, whose ids have the cart's ULID: no
 *          question is asked for that.
 * Whose    whether a thing is a customer's or a vendor's own is known where the thing is: a command's actor says who
 *          asks, and its aggregate decides; a document comes with its owner, of whom access_shows judges.
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

/* What lets in where access is open: it is no letter of routes.def. */
#define ACCESS_OPEN '*'

struct access {
    enum access_verdict verdict;
    char by; /* granted: the letter of routes.def that let him in, or ACCESS_OPEN */
    struct str
        actor; /* what an event says of its cause: "anonymous", "guest:...", "admin:cus_...", "vendor:cus_...:name" */
    struct str customer; /* the person, cus_..., whose is what he creates; empty: nobody's who is known */
};

/* Only for what is his own; whose it is remains to be seen. */
static inline bool access_is_own(const struct access *access) {
    return access->by == 'c' || access->by == 'v';
}

/* `is_open`: who brings nothing by which he is known may do everything (setting `access`), save with people and API
 * keys: there the letters count. */
struct access access_judge(struct arena *arena, const struct secret *secret, bool is_open,
                           const struct route_match *match, const struct principal *principal);
/* The same for a part of what the route answers, which fewer may: `may` in the place of the route's letters. */
struct access access_judge_for(struct arena *arena, const struct secret *secret, bool is_open,
                               const struct route_match *match, const struct principal *principal, const char *may);

/* Whose something is, as a row or a state says it. */
#define OWNER_GUEST STR("guest")
#define OWNER_VENDOR "vendor:" /* and his name: goods that are not for everybody. Else cus_...; empty: everybody's */
#define OWNER_NOBODY STR(OWNER_VENDOR) /* without a name: for staff alone */

/* Whether who was let in sees what is this owner's. Else it is not there for him. */
bool access_shows(const struct access *access, const struct principal *principal, struct str owner);

/* Whether what became of a command at `stream` is told to whoever has the command's id: to staff who may read such
 * things, to the holder of the cart's token, and to the owner. `owner` has a NULL data pointer when nobody knows:
 * a refusal does not say whose the thing is. */
bool access_shows_outcome(struct arena *arena, const struct secret *secret, bool is_open,
                          const struct principal *principal, struct str stream, struct str owner);

/* The code of a 404 for what the path names: "unknown_cart". */
const char *access_hidden_code(const struct route_match *match);
