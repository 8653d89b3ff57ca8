/* principal.h: who asks.
 *
 * Purpose  what a request says of its sender is read once, here; access.h judges by it, and command ids count within
 *          it.
 * Capacity what somebody may be let in as. Here guests are told by their carts' tokens; who he is whom a token of a
 *          session or an API key speaks for, authentication.h adds.
 * Memory   texts live in the request's arena.
 * Thread   pure; any.          May use: base, http, vault.
 */
#pragma once

#include "core/http/problem.h"
#include "core/http/server.h"
#include "core/vault/secret.h"

/* The most powerful first: it is the one that lets in. The letter is that of routes.def, the name begins an actor. */
#define CAPACITY_TABLE(ROW)                                                                                            \
    ROW(ADMIN, 'A', "admin")                                                                                           \
    ROW(SUPPORT, 'H', "support")                                                                                       \
    ROW(SERVICE, 'S', "service")                                                                                       \
    ROW(AUDITOR, 'U', "auditor")                                                                                       \
    ROW(ANALYST, 'N', "analyst")                                                                                       \
    ROW(VENDOR, 'v', "vendor")                                                                                         \
    ROW(CUSTOMER, 'c', "customer")

enum capacity {
#define CAPACITY_NAME(name, letter, text) CAPACITY_##name,
    CAPACITY_TABLE(CAPACITY_NAME)
#undef CAPACITY_NAME
        CAPACITY_COUNT
};

/* By what somebody says who he is. */
enum principal_by { BY_NOTHING, BY_TOKEN, BY_COOKIE, BY_KEY };

struct principal {
    struct str identity;   /* whose keys count together: an id, "guest:<hash>" or "anonymous" */
    struct str id;         /* of a person (cus_...) or an API key (key_...); empty: nobody who is known */
    struct str vendor;     /* for whom he acts with CAPACITY_VENDOR */
    struct str cart_token; /* as it was sent; empty: none */
    uint32_t capacities;   /* bits of enum capacity */
    uint32_t withheld;     /* the same: what he would be besides, had his session been opened with a second factor */
    enum principal_by by;  /* BY_NOTHING also with a cart's token alone */
    int32_t session;       /* of a person; 0: none */
    bool is_once;          /* his password must be changed before anything else */
    bool is_operator;      /* asks from an address of `metrics_from` */
};

/* False: what was sent as credentials is none; nothing is granted for it. */
MUST_CHECK bool principal_read(struct http_exchange *exchange, const struct secret *secret,
                               struct principal *ret_principal, struct problem *ret_problem);
