#include "core/connect/curl_loop.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/memory.h"

struct curl_loop {
    uv_loop_t *uv;
    uv_timer_t timer;
    CURLM *multi;
    struct curl_transfer *first;
    int open_handles; /* uv handles not closed yet: the timer and one a socket */
    bool closing;
    void (*on_closed)(void *context);
    void *closed_context;
};

/* One socket that libcurl wants watched. */
struct watch {
    struct curl_loop *loop;
    uv_poll_t poll;
    curl_socket_t socket;
};

static void finish_close(struct curl_loop *loop) {
    if (!loop->closing || loop->open_handles > 0) {
        return;
    }
    void (*on_closed)(void *) = loop->on_closed;
    void *context = loop->closed_context;
    free(loop);
    if (on_closed != NULL) {
        on_closed(context);
    }
}

static struct curl_transfer *transfer_of(CURL *easy) {
    char *transfer = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    return (struct curl_transfer *)transfer;
}

static void collect_finished(struct curl_loop *loop) {
    int left = 0;
    for (CURLMsg *message; (message = curl_multi_info_read(loop->multi, &left)) != NULL;) {
        if (message->msg == CURLMSG_DONE) {
            /* Read before the handle is removed, which frees the message. */
            CURLcode code = message->data.result;
            struct curl_transfer *transfer = transfer_of(message->easy_handle);
            transfer->on_done(transfer, code);
        }
    }
}

static void on_timer(uv_timer_t *timer) {
    struct curl_loop *loop = timer->data;
    int running = 0;
    curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect_finished(loop);
}

static int on_curl_timeout(CURLM *multi, long timeout_ms, void *user) {
    (void)multi;
    struct curl_loop *loop = user;
    if (loop->closing) {
        return 0;
    }
    if (timeout_ms < 0) {
        uv_timer_stop(&loop->timer);
    } else {
        uv_timer_start(&loop->timer, on_timer, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

static void on_socket_ready(uv_poll_t *poll, int status, int events) {
    struct watch *watch = poll->data;
    struct curl_loop *loop = watch->loop;
    int actions = status < 0 ? CURL_CSELECT_ERR : 0;
    actions |= (events & UV_READABLE) ? CURL_CSELECT_IN : 0;
    actions |= (events & UV_WRITABLE) ? CURL_CSELECT_OUT : 0;
    int running = 0;
    curl_multi_socket_action(loop->multi, watch->socket, actions, &running);
    collect_finished(loop);
}

static void on_watch_closed(uv_handle_t *handle) {
    struct watch *watch = handle->data;
    struct curl_loop *loop = watch->loop;
    free(watch);
    loop->open_handles--;
    finish_close(loop);
}

static struct watch *watch_create(struct curl_loop *loop, curl_socket_t socket) {
    struct watch *watch = calloc_or_end(1, sizeof *watch);
    if (uv_poll_init_socket(loop->uv, &watch->poll, socket) != 0) {
        free(watch);
        return NULL;
    }
    watch->loop = loop;
    watch->socket = socket;
    watch->poll.data = watch;
    loop->open_handles++;
    curl_multi_assign(loop->multi, socket, watch);
    return watch;
}

static int on_curl_socket(CURL *easy, curl_socket_t socket, int what, void *user, void *socket_data) {
    struct curl_loop *loop = user;
    struct watch *watch = socket_data;
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL) {
            uv_poll_stop(&watch->poll);
            uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
            curl_multi_assign(loop->multi, socket, NULL);
        }
        return 0;
    }
    if (watch == NULL && (watch = watch_create(loop, socket)) == NULL) {
        return -1;
    }
    struct curl_transfer *transfer = transfer_of(easy);
    if (transfer != NULL) { /* libcurl has a handle of its own, for closing */
        transfer->socket = socket;
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&watch->poll, events, on_socket_ready) == 0 ? 0 : -1;
}

static void on_timer_closed(uv_handle_t *handle) {
    struct curl_loop *loop = handle->data;
    loop->open_handles--;
    finish_close(loop);
}

enum err curl_loop_open(uv_loop_t *uv, int connections_max, struct curl_loop **ret_loop, struct err_info *info) {
    struct curl_loop *loop = calloc_or_end(1, sizeof *loop);
    loop->multi = curl_multi_init();
    if (loop->multi == NULL) {
        free(loop);
        return err_set(info, ERR_IO, "cannot make a libcurl multi handle");
    }
    loop->uv = uv;
    uv_timer_init(uv, &loop->timer);
    loop->timer.data = loop;
    loop->open_handles = 1;
    curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
    curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, on_curl_timeout);
    curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
    curl_multi_setopt(loop->multi, CURLMOPT_MAXCONNECTS, (long)connections_max);
    *ret_loop = loop;
    return ERR_NONE;
}

void curl_loop_close(struct curl_loop *loop, void (*on_closed)(void *context), void *context) {
    loop->closing = true;
    loop->on_closed = on_closed;
    loop->closed_context = context;
    while (loop->first != NULL) {
        struct curl_transfer *transfer = loop->first;
        transfer->on_done(transfer, CURLE_ABORTED_BY_CALLBACK);
    }
    curl_multi_cleanup(loop->multi); /* closes kept connections, whose watches close through on_curl_socket */
    uv_close((uv_handle_t *)&loop->timer, on_timer_closed);
}

enum err curl_transfer_init(struct curl_loop *loop, struct curl_transfer *transfer, curl_done_cb *on_done,
                            struct err_info *info) {
    assert(!loop->closing);
    CURL *easy = curl_easy_init();
    if (easy == NULL) {
        return err_set_retriable(info, ERR_IO, "cannot make a libcurl handle");
    }
    *transfer = (struct curl_transfer){.loop = loop,
                                       .next = loop->first,
                                       .link = &loop->first,
                                       .easy = easy,
                                       .on_done = on_done,
                                       .socket = CURL_SOCKET_BAD};
    if (transfer->next != NULL) {
        transfer->next->link = &transfer->next;
    }
    loop->first = transfer;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    return ERR_NONE;
}

enum err curl_transfer_start(struct curl_transfer *transfer, struct err_info *info) {
    CURLMcode code = curl_multi_add_handle(transfer->loop->multi, transfer->easy);
    if (code != CURLM_OK) {
        return err_set_retriable(info, ERR_IO, "libcurl: %s", curl_multi_strerror(code));
    }
    return ERR_NONE;
}

void curl_transfer_release(struct curl_transfer *transfer) {
    *transfer->link = transfer->next;
    if (transfer->next != NULL) {
        transfer->next->link = transfer->link;
    }
    curl_multi_remove_handle(transfer->loop->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
}
