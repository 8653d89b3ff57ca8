/* server.h: a small HTTP/1.1 server on libuv: it knows requests and answers, and nothing of Daybook.
 *
 * Promise  a request is handed over whole and valid, or answered 4xx and the connection closed. Bare CR or LF, NUL,
 *          obs-fold and a space before a colon are refused before llhttp sees them (it is lenient there); so are
 *          conflicting or repeated Content-Length, and Transfer-Encoding beside Content-Length (RFC 9112, 6.3).
 *          Pipelined requests are answered in their order. Every exchange is answered exactly once.
 *          A peer that ends only its sending side still gets its answers.
 * Bounds   header block 16 KiB and 100 fields, target 8 KiB, body as configured, one request being read and at most
 *          16 unanswered a connection; times: 10 s for a header block, 30 s for a body, 60 s idle, 30 s for a reader
 *          that does not read. Past connections_max a new one takes the place of who has waited longest without being
 *          owed an answer (idle ones first); when all are owed one it is answered 503 and closed. Past
 *          connections_per_address of one address (IPv6: of one /64) it is one of the same address that gives way, and
 *          when all of them are owed an answer 429. All bodies that are
 *          held at once share bodies_max_bytes; past it the upload that has lasted longest is cut off with 503, and
 *          when there is no other the newcomer is, unless its body is small. Answers that are not read yet share
 *          answers_max_bytes; past it the reader that has made no progress for longest is cut off. What the server
 *          refuses by itself is an application/problem+json from the table in refusal.h, with Connection: close.
 * Streams  an answer may stay open: stream.h.
 * Memory   an arena per exchange holds the request's head and what the application makes for it: at most
 *          HTTP_ARENA_BYTES + 8 x body_max_bytes. The body has a buffer of its own, which grows as bytes arrive, so an
 *          announced length alone costs nothing.
 * Thread   each server belongs to one uv loop; all calls on its thread. Several servers share a port by SO_REUSEPORT.
 *          May use: base.
 * TLS      when options.tls is given, and then nothing else is spoken (tls.h). It stands between the socket and the
 *          connection; a handshake has the time of a header block, and one that fails counts as refused. Answers tell
 *          browsers to come over TLS only (HSTS, RFC 6797).
 */
#pragma once

#include <uv.h>

#include "core/base/address.h"
#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/err.h"

enum http_method {
    HTTP_GET_,
    HTTP_HEAD_,
    HTTP_POST_,
    HTTP_PUT_,
    HTTP_PATCH_,
    HTTP_DELETE_,
    HTTP_OPTIONS_,
    HTTP_OTHER_
};

struct http_field {
    struct str name; /* as sent; compare with http_name_equal */
    struct str value;
};

/* A request and its answer. Lives until http_answer, also when its connection is lost before. */
struct http_exchange {
    struct arena arena;
    enum http_method method;
    struct str path;  /* before '?', still percent-encoded; begins with '/' */
    struct str query; /* after '?', without it; empty when there is none */
    struct http_field *fields;
    size_t field_count;
    struct str body;
    uint8_t peer[ADDRESS_BYTES]; /* who is at the other end of the connection: perhaps a proxy */
    int64_t received_at_boot_us; /* clock_boot_us when its last byte came */
    bool is_encrypted;           /* it came over TLS */
    /* Its arena and its answer are overwritten when they are needed no more, as its body always is. Set where the head
     * has Authorization or Cookie, and by the application where else the request or its answer holds secrets. */
    bool holds_secrets;
    void *application; /* the application's own; NULL at first */
    /* Set before answering, all optional: */
    struct http_field *answer_fields;
    size_t answer_field_count, answer_field_capacity;
};

struct http_server;
struct tls_context;

enum { HTTP_ARENA_BYTES = 4 * 1024 * 1024 };

/* How long a peer may take; 0 is the default that stands beside each. */
struct http_time_limits {
    int head_ms;   /* 10 s: a header block, from its first byte to its last */
    int body_ms;   /* 30 s: a body, from the end of the header block */
    int idle_ms;   /* 60 s: nothing asked, nothing owed */
    int write_ms;  /* 30 s: in which a reader takes 16 KiB, or all there is */
    int linger_ms; /* 2 s: after our last byte, until the peer closes too */
};

struct http_server_options {
    const char *host;
    int port; /* 0: chosen by the system, see http_server_port */
    size_t body_max_bytes;
    size_t connections_max;
    size_t connections_per_address; /* 0: no bound but the one above */
    /* Whether the address may have as many as it likes: a proxy, which speaks for many. NULL: none may. */
    bool (*is_exempt)(void *context, const uint8_t address[ADDRESS_BYTES]);
    size_t bodies_max_bytes;  /* 0: 128 MiB */
    size_t answers_max_bytes; /* 0: 256 MiB */
    struct tls_context *tls;  /* NULL: plain. Outlives the server */
    struct http_time_limits times;
    /* Called with each whole request; answers now or later, on the same thread. */
    void (*on_request)(void *context, struct http_exchange *exchange);
    /* The connection was lost before the answer: what waits for it may stop waiting. http_answer must still be
     * called once (it then only frees), now or later. May be NULL. */
    void (*on_lost)(void *context, struct http_exchange *exchange);
    /* The server refuses by itself: a row of refusal.h. May be NULL. */
    void (*on_refused)(void *context, int status, const char *code);
    void *context;
};

MUST_CHECK enum err http_server_open(uv_loop_t *loop, const struct http_server_options *options,
                                     struct http_server **ret_server, struct err_info *info);
int http_server_port(const struct http_server *server);

/* Stops accepting; idle connections are closed, the others after their answer (Connection: close), all after grace_ms.
 * on_closed is called when the last connection is gone and the last exchange was answered; the server is freed after
 * it. Called once. */
void http_server_close(struct http_server *server, int grace_ms, void (*on_closed)(void *context), void *context);

/* A field of the answer; name and value must live until http_answer (the exchange's arena is the place). Control bytes
 * in the value are sent as spaces (RFC 9110, 5.5), so no value can add a field or end the head. */
void http_answer_field(struct http_exchange *exchange, const char *name, struct str value);

/* Answers, once; status 200 to 599. The body is copied or written before it returns. HEAD is sent without it.
 * content_type may be NULL for an empty body. Date, Content-Length and Connection are added. The exchange is gone
 * afterwards. */
void http_answer(struct http_exchange *exchange, int status, const char *content_type, struct str body);

/* The application needs the body no more (it copied what it wants): its memory is given back and no longer counts
 * against bodies_max_bytes; what the arena holds beyond a common request's counts instead. */
void http_body_done(struct http_exchange *exchange);

/* The value of the request's field, empty when absent, and then without data. */
struct str http_request_field(const struct http_exchange *exchange, const char *name);
/* Without regard to case (ASCII). */
bool http_name_equal(struct str name, const char *expected);

/* Percent-decoding (RFC 3986); false for bad escapes, NUL and invalid UTF-8. */
MUST_CHECK bool http_percent_decode(struct arena *arena, struct str text, bool plus_is_space, struct str *ret_text);
/* The decoded value of the query's parameter; false when it is malformed or given twice; empty and true when absent,
 * *ret_present tells. */
MUST_CHECK bool http_query_parameter(struct http_exchange *exchange, const char *name, bool *ret_present,
                                     struct str *ret_value);

struct http_server_stats {
    uint64_t connections_open, connections_total, requests_total, refused_total;
    uint64_t crowded_total; /* connections closed or refused because their address had as many as it may */
};
struct http_server_stats http_server_stats(const struct http_server *server);
