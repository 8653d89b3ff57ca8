/* http_calls.h: outgoing HTTP requests on a uv loop, by libcurl's multi interface.
 *
 * Promise  each call's callback is called exactly once, on the loop's thread: with a status and a body, or with
 *          status 0 when it is not known what the other side did (no connection, time-out, cut off).
 * Bounds   calls_max at once (past it http_call answers ERR_TOO_LARGE, retriable); answers up to 1 MiB; each call
 *          within its time-out. Connections are kept and shared between calls to one host.
 * Memory   url, headers and body are copied.
 * Thread   the loop's.          May use: base.
 */
#pragma once

#include <uv.h>

#include "core/base/err.h"
#include "core/base/str.h"

struct http_calls;

struct http_call_result {
    int status; /* 0: no whole answer came, `error` says why */
    struct str body;
    const char *error;
};

typedef void http_call_cb(void *context, const struct http_call_result *result);

struct http_call_request {
    const char *method; /* "GET", "POST" */
    const char *url;
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    struct str body;
    int timeout_ms;
    const char *ca_file; /* of https: the authorities that are trusted, PEM; NULL: the system's */
};

MUST_CHECK enum err http_calls_open(uv_loop_t *loop, int calls_max, struct http_calls **ret_calls,
                                    struct err_info *info);

/* Ends what is in flight (their callbacks get status 0), then calls on_closed; the memory is gone after it. */
void http_calls_close(struct http_calls *calls, void (*on_closed)(void *context), void *context);

MUST_CHECK enum err http_call(struct http_calls *calls, const struct http_call_request *request, http_call_cb *on_done,
                              void *context, struct err_info *info);

int http_calls_in_flight(const struct http_calls *calls);
