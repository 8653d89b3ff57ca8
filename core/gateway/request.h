/* request.h: a request on its way through the gateway, and how it is answered.
 *
 * Promise  request_answer or request_problem is called exactly once; the request is gone afterwards.
 *          Every answer is counted by route and status and carries the request's traceparent.
 * Memory   lives in the exchange's arena.
 * Thread   its loop's.           May use: http.
 */
#pragma once

#include "core/base/address.h"
#include "core/gateway/access.h"
#include "core/gateway/principal.h"
#include "core/gateway/router.h"
#include "core/gateway/view_wait.h"
#include "core/http/problem.h"
#include "core/http/server.h"
#include "core/http/stream.h"

struct gateway_loop;

struct request {
    struct http_exchange *exchange;
    struct gateway_loop *loop;
    struct route_match match; /* route is NULL when there is none */
    struct str trace_id;      /* 32 hexadecimal digits; empty until the command's id is known, see has_client_trace */
    bool has_client_trace;    /* the client began the trace */
    bool is_lost;             /* nobody will read the answer */
    /* Called when the client is gone before the answer: what waits for the request may end it (request_drop). */
    void (*on_lost)(struct request *request);
    void *waiting;    /* on_lost's own */
    bool is_admitted; /* has a place among the commands of a shard, which its answer gives back */
    bool is_decided;  /* the command's outcome is known, whatever the answer says */
    int32_t shard;
    uint8_t client[ADDRESS_BYTES];  /* whose limits count: the peer, or whom a trusted proxy speaks for */
    enum limit_class limit;         /* that counts: of the route, or what counts before there is one */
    struct limit_answer limit_left; /* of the client's and of who is known, the one that has less left */
    struct principal principal;     /* who asks */
    struct access access;           /* as what he was let in */
};

/* The whole life of a request: routes it and lets the route answer. */
void request_received(void *gateway_loop, struct http_exchange *exchange);

/* The connection of a request that was not answered yet is gone. */
void request_lost(void *gateway_loop, struct http_exchange *exchange);

/* What came is no request: the server answered by itself. */
void request_refused_unread(void *gateway_loop, int status, const char *code);

static inline struct arena *request_arena(struct request *request) {
    return &request->exchange->arena;
}

static inline struct str request_parameter(const struct request *request, const char *name) {
    return route_parameter(&request->match, name);
}

/* For a part of the answer that fewer may have than the route lets in: judged again, by these letters of routes.def;
 * `access` is what they grant then. False: it was refused. */
MUST_CHECK bool request_is_let_in_for(struct request *request, const char *may);

/* Whether If-None-Match names the ETag (weak comparison, RFC 9110, 13.1.2). */
bool request_knows(struct request *request, struct str etag);

void request_answer(struct request *request, int status, const char *content_type, struct str body);
void request_answer_json(struct request *request, int status, struct str body);
/* 200 with a body that goes on; false when there is none to send. The request is gone either way. */
MUST_CHECK bool request_stream(struct request *request, const char *content_type, struct http_stream *stream);
/* The outcome is known, and its answer has yet to wait: the place among the commands of its shard is given back. */
void request_leaves_shard(struct request *request);
/* Ends a lost request without an answer. */
void request_drop(struct request *request);
/* trace_id is filled in when empty. */
void request_problem(struct request *request, const struct problem *problem);
/* The commonest problems: no pointer, no members. */
void request_refuse(struct request *request, int status, const char *code, const char *detail);
/* The detail of a 404 for a thing by its id, whether it is not there or not his who asks. */
#define REQUEST_UNKNOWN_THING "There is no such thing, or the read model has not seen it yet."

/* Before credentials that somebody may have guessed are looked at, or once they turned out not to be ours: false when
 * too many of this client were refused of late, and then the request is answered 429. */
MUST_CHECK bool request_may_present(struct request *request);
/* They were refused, and may have been guessed; the answer is the caller's. Who has credentials that were good once,
 * and are no more, guesses nothing. */
void request_presented_in_vain(struct request *request);

/* Names for what many clients may ask about one e-mail address; its identity (idn_...) stands behind. */
#define REQUEST_NAME_LOGIN "login:"
#define REQUEST_NAME_RESET "reset:"
#define REQUEST_NAME_REGISTRATION "registration:"
/* One client alone cannot take what is left for a name: he would keep out whom it is of. */
enum { REQUEST_NAME_TIMES = 10 };

/* Whether another may be taken from what stands under the name, `times` as much as one client may have. False: the
 * request is answered 429. */
MUST_CHECK bool request_may_take(struct request *request, enum limit_class limit, const char *kind, struct str of,
                                 int64_t times);
/* 429: more is being done for all clients together than may wait. */
void request_crowded(struct request *request);

/* 503, each with Retry-After. */
void request_no_database(struct request *request);
void request_no_key(struct request *request);
void request_no_log(struct request *request);
void request_overloaded(struct request *request);
void request_stopping(struct request *request);
/* For what the database said, or did not say in time. */
void request_query_failed(struct request *request, const char *statement, const struct err_info *error);
/* For what view_wait says that is not VIEW_CAUGHT_UP. */
void request_view_is_not_there(struct request *request, enum view_state state);
