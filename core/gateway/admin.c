#include "core/gateway/admin.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/base/logger.h"
#include "core/base/memory.h"
#include "core/base/thread_name.h"
#include "core/http/problem.h"

enum {
    ADMIN_BODY_MAX_BYTES = 1024,
    ADMIN_CONNECTIONS_MAX = 64,
    ADMIN_GRACE_MS = 1000,
    PAGE_MAX_BYTES = 4 * 1024 * 1024,
};

struct admin {
    const struct gateway_peer *peers;
    size_t peer_count;
    uv_loop_t loop;
    uv_async_t stop;
    struct http_server *server;
    pthread_t thread;
};

/* ---- pages --------------------------------------------------------------------------------------------------------
 */

static void page_live(const struct admin *admin, struct http_exchange *exchange, struct buf *page) {
    (void)admin, (void)page;
    http_answer(exchange, 200, "application/json", STR("{\"live\":true}"));
}

static void page_ready(const struct admin *admin, struct http_exchange *exchange, struct buf *page) {
    bool is_ready;
    peers_readiness_write(admin->peers, admin->peer_count, NULL, 0, page, &is_ready);
    http_answer(exchange, is_ready ? 200 : 503, "application/json", buf_text(page));
}

static void page_metrics(const struct admin *admin, struct http_exchange *exchange, struct buf *page) {
    peers_metrics_write(admin->peers, admin->peer_count, page);
    http_answer(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", buf_text(page));
}

static const struct {
    const char *path;
    void (*answer)(const struct admin *admin, struct http_exchange *exchange, struct buf *page);
} pages[] = {{"/health/live", page_live}, {"/health/ready", page_ready}, {"/metrics", page_metrics}};

static void on_request(void *context, struct http_exchange *exchange) {
    const struct admin *admin = context;
    for (size_t i = 0; i < ARRAY_LENGTH(pages); i++) {
        if (!str_equal(exchange->path, str_of_cstr(pages[i].path))) {
            continue;
        }
        if (exchange->method != HTTP_GET_ && exchange->method != HTTP_HEAD_) {
            http_answer_field(exchange, "Allow", STR("GET, HEAD"));
            http_answer_problem(exchange, &(struct problem){.status = 405,
                                                            .code = "method_not_allowed",
                                                            .detail = "This method is not for this path; see Allow."});
            return;
        }
        struct buf page;
        buf_init(&page, PAGE_MAX_BYTES);
        pages[i].answer(admin, exchange, &page);
        buf_release(&page);
        return;
    }
    http_answer_problem(exchange,
                        &(struct problem){.status = 404,
                                          .code = "unknown_path",
                                          .detail = "This process has no front: here are /metrics and /health."});
}

/* ---- life cycle ---------------------------------------------------------------------------------------------------
 */

static void on_closed(void *context) {
    struct admin *admin = context;
    uv_close((uv_handle_t *)&admin->stop, NULL);
}

static void on_stop(uv_async_t *stop) {
    struct admin *admin = stop->data;
    http_server_close(admin->server, ADMIN_GRACE_MS, on_closed, admin);
}

static void *admin_run(void *context) {
    struct admin *admin = context;
    thread_name("admin");
    (void)uv_run(&admin->loop, UV_RUN_DEFAULT);
    return NULL;
}

/* When one of these fails the process ends; nothing is undone. */
enum err admin_start(const struct config *config, const struct gateway_peer *peers, size_t peer_count,
                     struct admin **ret_admin, struct err_info *info) {
    struct admin *admin = calloc_or_end(1, sizeof *admin);
    admin->peers = peers;
    admin->peer_count = peer_count;
    admin->stop.data = admin;
    const struct http_server_options options = {
        .host = config->admin_host,
        .port = (int)config->admin_port,
        .body_max_bytes = ADMIN_BODY_MAX_BYTES,
        .connections_max = ADMIN_CONNECTIONS_MAX,
        .on_request = on_request,
        .context = admin,
    };
    int failed = uv_loop_init(&admin->loop);
    failed = failed != 0 ? failed : uv_async_init(&admin->loop, &admin->stop, on_stop);
    if (failed != 0) {
        return err_set(info, ERR_IO, "cannot make an event loop: %s", uv_strerror(failed));
    }
    enum err err = http_server_open(&admin->loop, &options, &admin->server, info);
    if (err != ERR_NONE) {
        return err;
    }
    if (pthread_create(&admin->thread, NULL, admin_run, admin) != 0) {
        return err_set(info, ERR_IO, "no thread could be started for the operator's pages");
    }
    log_line(LOG_INFO, "admin", "metrics and health are served", LOG_CSTR("host", config->admin_host),
             LOG_INT("port", config->admin_port));
    *ret_admin = admin;
    return ERR_NONE;
}

void admin_stop(struct admin *admin) {
    if (admin == NULL) {
        return;
    }
    (void)uv_async_send(&admin->stop);
    pthread_join(admin->thread, NULL);
    (void)uv_loop_close(&admin->loop);
    free(admin);
}
