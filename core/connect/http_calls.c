#include "core/connect/http_calls.h"

#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/memory.h"
#include "core/connect/curl_loop.h"

enum { ANSWER_MAX_BYTES = 1024 * 1024, CONNECT_TIMEOUT_MS = 3000 };

struct http_calls {
    struct curl_loop *loop;
    int calls_max;
    int in_flight;
    void (*on_closed)(void *context);
    void *closed_context;
};

struct call {
    struct curl_transfer transfer; /* first: the transfer is the call */
    struct http_calls *calls;
    struct curl_slist *headers;
    struct buf answer;
    http_call_cb *on_done;
    void *context;
};

static void call_free(struct call *call) {
    call->calls->in_flight--;
    curl_transfer_release(&call->transfer);
    curl_slist_free_all(call->headers);
    buf_release(&call->answer);
    free(call);
}

/* Tells the caller and frees the call. The caller may start the next call from its callback. */
static void call_done(struct curl_transfer *transfer, CURLcode code) {
    struct call *call = (struct call *)transfer;
    long status = 0;
    if (code == CURLE_OK) {
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    }
    struct http_call_result result = {.status = (int)status,
                                      .body = buf_text(&call->answer),
                                      .error = code == CURLE_OK ? NULL : curl_easy_strerror(code)};
    call->on_done(call->context, &result);
    call_free(call);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user) {
    struct call *call = user;
    buf_bytes(&call->answer, bytes, size * count);
    return buf_ok(&call->answer) ? size * count : 0; /* 0 ends the call: too large */
}

enum err http_calls_open(uv_loop_t *loop, int calls_max, struct http_calls **ret_calls, struct err_info *info) {
    struct http_calls *calls = calloc_or_end(1, sizeof *calls);
    enum err err = curl_loop_open(loop, calls_max, &calls->loop, info);
    if (err != ERR_NONE) {
        free(calls);
        return err;
    }
    calls->calls_max = calls_max;
    *ret_calls = calls;
    return ERR_NONE;
}

static void on_loop_closed(void *context) {
    struct http_calls *calls = context;
    void (*on_closed)(void *) = calls->on_closed;
    void *closed_context = calls->closed_context;
    free(calls);
    if (on_closed != NULL) {
        on_closed(closed_context);
    }
}

void http_calls_close(struct http_calls *calls, void (*on_closed)(void *context), void *context) {
    calls->on_closed = on_closed;
    calls->closed_context = context;
    curl_loop_close(calls->loop, on_loop_closed, calls);
}

static void prepare(struct call *call, const struct http_call_request *request) {
    CURL *easy = call->transfer.easy;
    for (const char *const *header = request->headers; header != NULL && *header != NULL; header++) {
        call->headers = curl_slist_append(call->headers, *header);
    }
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    if (request->ca_file != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file);
    }
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    /* A provider's address is a setting of ours: a proxy from the environment or a redirect has no say in it. */
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    if (request->body.len > 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)request->body.len);
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body.data);
    }
}

enum err http_call(struct http_calls *calls, const struct http_call_request *request, http_call_cb *on_done,
                   void *context, struct err_info *info) {
    if (calls->in_flight >= calls->calls_max) {
        return err_set_retriable(info, ERR_TOO_LARGE, "%d calls are in flight", calls->in_flight);
    }
    struct call *call = calloc_or_end(1, sizeof *call);
    enum err err = curl_transfer_init(calls->loop, &call->transfer, call_done, info);
    if (err != ERR_NONE) {
        free(call);
        return err;
    }
    call->calls = calls;
    call->on_done = on_done;
    call->context = context;
    buf_init(&call->answer, ANSWER_MAX_BYTES);
    calls->in_flight++;
    prepare(call, request);
    err = curl_transfer_start(&call->transfer, info);
    if (err != ERR_NONE) {
        call_free(call);
    }
    return err;
}

int http_calls_in_flight(const struct http_calls *calls) {
    return calls->in_flight;
}
