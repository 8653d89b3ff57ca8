/* intake.h: a request becomes a command, or a problem that says what is wrong with it.
 *
 * Purpose  everything that can be checked without asking anyone is checked here, before anything is written: the
 *          body against its schema, ids by kind, Idempotency-Key, If-Match, Prefer, Daybook-Position.
 * Promise  a command that comes out is complete save for what the gateway attaches (price facts, sealed texts, what
 *          prepared.h finds out) and where its answer goes. Where neither the path nor the command's id tells its
 *          stream it has no id either, until intake_name. Nothing of a refused request is kept.
 * Rule     what is malformed or breaks the schema is 400, 415 for another media type; an id of another kind is 422,
 *          one of no kind 404 (core/gateway/path_id.h).
 * Memory   the exchange's arena.
 * Thread   its loop's.          May use: http, domain's structs, vault.
 */
#pragma once

#include <jansson.h>

#include "core/gateway/position.h"
#include "core/gateway/router.h"
#include "core/http/problem.h"
#include "core/vault/secret.h"
#include "gen/commands.h"

enum { PREFER_WAIT_MAX_S = 60 };

struct intake_source {
    struct http_exchange *exchange;
    const struct route_match *match;
    const struct secret *secret;
    struct str scope;          /* within which an Idempotency-Key counts: struct principal, identity */
    struct str actor;          /* struct access */
    int64_t now_us;            /* wall clock */
    int64_t wait_default_ms;   /* command_wait_ms */
    const json_t *absent_body; /* what counts as the body of a request that has none; NULL: nothing */
};

struct intake {
    struct command command;
    struct str key;                /* Idempotency-Key; empty: none */
    int64_t wait_ms;               /* how long its outcome is waited for */
    bool responds_async;           /* answered 202 as soon as it stands in the log */
    struct str preference_applied; /* for the answer; empty for none */
    struct position position;      /* count 0: none given */
};

MUST_CHECK bool intake_command(const struct intake_source *source, struct intake *ret_intake,
                               struct problem *ret_problem);

/* Names the command once it is known whose stream it is for, and what was found out that its id must hold (`within`).
 * */
void intake_name(const struct intake_source *source, struct str stream, struct str within, struct intake *intake);

/* What Daybook-Position says, which queries have as well. Absent: true with an empty value. */
MUST_CHECK bool intake_position(struct str text, const struct secret *secret, struct position *ret_position,
                                struct problem *ret_problem);
/* The media type must be application/json and the body an object; *ret_body is NULL for an empty body. */
MUST_CHECK bool intake_json(struct http_exchange *exchange, json_t **ret_body, struct problem *ret_problem);
