#include "core/connect/http_calls.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/memory.h"

enum { ANSWER_MAX_BYTES = 1024 * 1024, CONNECT_TIMEOUT_MS = 3000 };

struct http_calls {
    uv_loop_t *loop;
    uv_timer_t timer;
    CURLM *multi;
    int calls_max;
    int in_flight;
    struct call *first; /* all in flight, for close */
    int open_handles;   /* uv handles not closed yet: the timer and one a socket */
    bool closing;
    void (*on_closed)(void *context);
    void *closed_context;
};

struct call {
    struct http_calls *calls;
    struct call *next, **link;
    CURL *easy;
    struct curl_slist *headers;
    struct buf answer;
    http_call_cb *on_done;
    void *context;
};

/* One socket that libcurl wants watched. */
struct watch {
    struct http_calls *calls;
    uv_poll_t poll;
    curl_socket_t socket;
};

static void finish_close(struct http_calls *calls) {
    if (!calls->closing || calls->open_handles > 0) {
        return;
    }
    void (*on_closed)(void *) = calls->on_closed;
    void *context = calls->closed_context;
    free(calls);
    if (on_closed != NULL) {
        on_closed(context);
    }
}

static void call_free(struct call *call) {
    *call->link = call->next;
    if (call->next != NULL) {
        call->next->link = call->link;
    }
    call->calls->in_flight--;
    curl_multi_remove_handle(call->calls->multi, call->easy);
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    buf_release(&call->answer);
    free(call);
}

/* Tells the caller and frees the call. The caller may start the next call from its callback. */
static void call_done(struct call *call, CURLcode code) {
    long status = 0;
    if (code == CURLE_OK) {
        curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    }
    struct http_call_result result = {.status = (int)status,
                                      .body = buf_text(&call->answer),
                                      .error = code == CURLE_OK ? NULL : curl_easy_strerror(code)};
    call->on_done(call->context, &result);
    call_free(call);
}

static void collect_finished(struct http_calls *calls) {
    int left = 0;
    for (CURLMsg *message; (message = curl_multi_info_read(calls->multi, &left)) != NULL;) {
        if (message->msg == CURLMSG_DONE) {
            struct call *call = NULL;
            /* Read before the handle is removed, which frees the message. */
            CURLcode code = message->data.result;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
            call_done(call, code);
        }
    }
}

static void on_timer(uv_timer_t *timer) {
    struct http_calls *calls = timer->data;
    int running = 0;
    curl_multi_socket_action(calls->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect_finished(calls);
}

static int on_curl_timeout(CURLM *multi, long timeout_ms, void *user) {
    (void)multi;
    struct http_calls *calls = user;
    if (calls->closing) {
        return 0;
    }
    if (timeout_ms < 0) {
        uv_timer_stop(&calls->timer);
    } else {
        uv_timer_start(&calls->timer, on_timer, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

static void on_socket_ready(uv_poll_t *poll, int status, int events) {
    struct watch *watch = poll->data;
    struct http_calls *calls = watch->calls;
    int actions = status < 0 ? CURL_CSELECT_ERR : 0;
    actions |= (events & UV_READABLE) ? CURL_CSELECT_IN : 0;
    actions |= (events & UV_WRITABLE) ? CURL_CSELECT_OUT : 0;
    int running = 0;
    curl_multi_socket_action(calls->multi, watch->socket, actions, &running);
    collect_finished(calls);
}

static void on_watch_closed(uv_handle_t *handle) {
    struct watch *watch = handle->data;
    struct http_calls *calls = watch->calls;
    free(watch);
    calls->open_handles--;
    finish_close(calls);
}

static struct watch *watch_create(struct http_calls *calls, curl_socket_t socket) {
    struct watch *watch = calloc_or_end(1, sizeof *watch);
    if (uv_poll_init_socket(calls->loop, &watch->poll, socket) != 0) {
        free(watch);
        return NULL;
    }
    watch->calls = calls;
    watch->socket = socket;
    watch->poll.data = watch;
    calls->open_handles++;
    curl_multi_assign(calls->multi, socket, watch);
    return watch;
}

static int on_curl_socket(CURL *easy, curl_socket_t socket, int what, void *user, void *socket_data) {
    (void)easy;
    struct http_calls *calls = user;
    struct watch *watch = socket_data;
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL) {
            uv_poll_stop(&watch->poll);
            uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
            curl_multi_assign(calls->multi, socket, NULL);
        }
        return 0;
    }
    if (watch == NULL && (watch = watch_create(calls, socket)) == NULL) {
        return -1;
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&watch->poll, events, on_socket_ready) == 0 ? 0 : -1;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user) {
    struct call *call = user;
    buf_bytes(&call->answer, bytes, size * count);
    return buf_ok(&call->answer) ? size * count : 0; /* 0 ends the call: too large */
}

static void on_timer_closed(uv_handle_t *handle) {
    struct http_calls *calls = handle->data;
    calls->open_handles--;
    finish_close(calls);
}

enum err http_calls_open(uv_loop_t *loop, int calls_max, struct http_calls **ret_calls, struct err_info *info) {
    struct http_calls *calls = calloc_or_end(1, sizeof *calls);
    calls->multi = curl_multi_init();
    if (calls->multi == NULL) {
        free(calls);
        return err_set(info, ERR_IO, "cannot make a libcurl multi handle");
    }
    calls->loop = loop;
    calls->calls_max = calls_max;
    uv_timer_init(loop, &calls->timer);
    calls->timer.data = calls;
    calls->open_handles = 1;
    curl_multi_setopt(calls->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(calls->multi, CURLMOPT_SOCKETDATA, calls);
    curl_multi_setopt(calls->multi, CURLMOPT_TIMERFUNCTION, on_curl_timeout);
    curl_multi_setopt(calls->multi, CURLMOPT_TIMERDATA, calls);
    curl_multi_setopt(calls->multi, CURLMOPT_MAXCONNECTS, (long)calls_max);
    *ret_calls = calls;
    return ERR_NONE;
}

void http_calls_close(struct http_calls *calls, void (*on_closed)(void *context), void *context) {
    calls->closing = true;
    calls->on_closed = on_closed;
    calls->closed_context = context;
    while (calls->first != NULL) {
        call_done(calls->first, CURLE_ABORTED_BY_CALLBACK); // NOLINT(clang-analyzer-unix.Malloc): it unlinks the call
    }
    curl_multi_cleanup(calls->multi); /* closes kept connections, whose watches close through on_curl_socket */
    uv_close((uv_handle_t *)&calls->timer, on_timer_closed);
}

static void prepare(struct call *call, const struct http_call_request *request) {
    CURL *easy = call->easy;
    for (const char *const *header = request->headers; header != NULL && *header != NULL; header++) {
        call->headers = curl_slist_append(call->headers, *header);
    }
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
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
    assert(!calls->closing);
    if (calls->in_flight >= calls->calls_max) {
        return err_set_retriable(info, ERR_TOO_LARGE, "%d calls are in flight", calls->in_flight);
    }
    struct call *call = calloc_or_end(1, sizeof *call);
    call->easy = curl_easy_init();
    if (call->easy == NULL) {
        free(call);
        return err_set_retriable(info, ERR_IO, "cannot make a libcurl handle");
    }
    call->calls = calls;
    call->on_done = on_done;
    call->context = context;
    buf_init(&call->answer, ANSWER_MAX_BYTES);
    call->next = calls->first;
    call->link = &calls->first;
    if (call->next != NULL) {
        call->next->link = &call->next;
    }
    calls->first = call;
    calls->in_flight++;
    prepare(call, request);
    CURLMcode code = curl_multi_add_handle(calls->multi, call->easy);
    if (code != CURLM_OK) {
        call_free(call);
        return err_set_retriable(info, ERR_IO, "libcurl: %s", curl_multi_strerror(code));
    }
    return ERR_NONE;
}

int http_calls_in_flight(const struct http_calls *calls) {
    return calls->in_flight;
}
