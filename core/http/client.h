/* client.h: an HTTP/1.1 client for `daybook load` and tests: many kept connections to one address, one request at a
 * time on each.
 *
 * Promise  every request gets exactly one callback: a whole answer, or how it failed. A failure says nothing about
 *          whether the server did the work: the caller repeats with the same Idempotency-Key. Nothing is repeated here.
 * Bounds   connections_max requests under way; timeout_ms for each, connecting included; answers of 32 KiB and 64
 *          fields in the head and body_max_bytes in the body.
 * Memory   the request is copied before http_client_send returns; the answer's texts live until the callback returns.
 * Thread   the loop's. The callback may send the next request.
 * TLS      with options.tls; the server's certificate must be for options.host. A body that the connection's end ends
 *          is whole only when that end was announced.
 * Not for  strangers' servers: no redirects, no proxies (the connector uses libcurl).    May use: base, llhttp.
 */
#pragma once

#include "core/http/server.h"

enum http_client_failure {
    HTTP_CLIENT_OK,
    HTTP_CLIENT_NOT_CONNECTED, /* the server has not seen the request */
    HTTP_CLIENT_LOST,          /* the connection ended before the answer did */
    HTTP_CLIENT_TIMEOUT,
    HTTP_CLIENT_MALFORMED,   /* the answer is not HTTP/1.1, or too large */
    HTTP_CLIENT_NOT_TRUSTED, /* its certificate is for another name, or of no authority of ours: as not connected */
};

/* "lost", "timeout" ... */
const char *http_client_failure_text(enum http_client_failure failure);

struct http_client_answer {
    enum http_client_failure failure;
    int status; /* 0 after a failure */
    const struct http_field *fields;
    size_t field_count;
    struct str body;
};

struct http_client_request {
    const char *method; /* upper case */
    struct str path;    /* with its query, percent-encoded */
    const struct http_field *fields;
    size_t field_count;
    const char *content_type; /* NULL: no body */
    struct str body;
    void (*on_answer)(void *context, const struct http_client_answer *answer);
    void *context;
};

struct http_client_options {
    const char *host; /* a name or an address */
    int port;
    size_t connections_max;
    bool rotates; /* the connection that was idle longest is next; else the one used last, so that few are kept busy */
    int timeout_ms;
    size_t body_max_bytes;
    struct tls_context *tls; /* tls_client_context_open; NULL: plain. Outlives the client */
};

struct http_client;

MUST_CHECK enum err http_client_open(uv_loop_t *loop, const struct http_client_options *options,
                                     struct http_client **ret_client, struct err_info *info);

/* False when connections_max requests are under way; the callback is never called from inside. */
MUST_CHECK bool http_client_send(struct http_client *client, const struct http_client_request *request);

/* The answer's field, empty when absent; `name` without regard to case. */
struct str http_client_field(const struct http_client_answer *answer, const char *name);

/* What is under way fails as lost; on_closed is called when all is freed. */
void http_client_close(struct http_client *client, void (*on_closed)(void *context), void *context);
