/* test_server.h: for tests: a server on its own thread and a free port, and blocking sockets that speak raw bytes to
 * it.
 *
 * The application behind it answers by path:
 *   /hello          200 "hello"
 *   /echo           200 with the request's body
 *   /fields         200 with the request's fields, a line each
 *   /later          200 "later", 30 ms later
 *   /hold           not before the connection is lost (or the server closes it)
 *   /big            200 with BIG_BYTES bytes
 *   /inject         201 with a field whose value tries to be two
 *   /empty          204 without a body
 *   /unchanged      304 without a body
 *   /page           200 with a policy of its own
 * With `test_over_tls` set the server speaks TLS, and what test_connect gives is the plain end of a relay
 * (test_relay.h), so that one test says the same over both.
 * Thread   the server's loop runs on its own thread; all functions are for the test's thread.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/http/problem.h"
#include "core/http/server.h"
#include "core/http/test_relay.h"

enum { TEST_BIG_BYTES = 8 * 1024 * 1024, TEST_REPLY_MAX = 16 * 1024 * 1024, TEST_WAIT_S = 20 };

struct test_server {
    uv_loop_t loop;
    uv_thread_t thread;
    uv_async_t stop;
    uv_barrier_t opened;
    struct http_server_options options;
    struct http_server *server;
    struct http_server_stats stats; /* as they stood when it was closed */
    int port;
    int grace_ms;
    int lost_count;
    uv_sem_t lost; /* posted for every lost exchange */
    uv_sem_t held; /* posted for every exchange that came to /hold */
    char *big;
    bool has_closed;
};

static bool test_over_tls;
static struct test_authority test_authority;
static struct tls_context *test_client_tls;

struct test_later {
    uv_timer_t timer;
    struct http_exchange *exchange;
};

static void test_later_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void test_later_answer(uv_timer_t *timer) {
    struct test_later *later = timer->data;
    http_answer(later->exchange, 200, "text/plain", STR("later"));
    uv_close((uv_handle_t *)timer, test_later_closed);
}

static void test_answer_later(struct test_server *test, struct http_exchange *exchange) {
    struct test_later *later = calloc(1, sizeof *later);
    later->exchange = exchange;
    uv_timer_init(&test->loop, &later->timer);
    later->timer.data = later;
    uv_timer_start(&later->timer, test_later_answer, 30, 0);
}

static void test_answer_fields(struct http_exchange *exchange) {
    struct buf text;
    buf_init(&text, 64 * 1024);
    for (size_t i = 0; i < exchange->field_count; i++) {
        buf_printf(&text, "%.*s=[%.*s]\n", STR_ARGS(exchange->fields[i].name), STR_ARGS(exchange->fields[i].value));
    }
    http_answer(exchange, 200, "text/plain", buf_text(&text));
    buf_release(&text);
}

static void test_on_request(void *context, struct http_exchange *exchange) {
    struct test_server *test = context;
    if (str_equal(exchange->path, STR("/hello"))) {
        http_answer(exchange, 200, "text/plain", STR("hello"));
    } else if (str_equal(exchange->path, STR("/echo"))) {
        http_answer(exchange, 200, "application/octet-stream", exchange->body);
    } else if (str_equal(exchange->path, STR("/fields"))) {
        test_answer_fields(exchange);
    } else if (str_equal(exchange->path, STR("/later"))) {
        test_answer_later(test, exchange);
    } else if (str_equal(exchange->path, STR("/hold"))) {
        uv_sem_post(&test->held);
    } else if (str_equal(exchange->path, STR("/big"))) {
        http_answer(exchange, 200, "application/octet-stream", str_of(test->big, TEST_BIG_BYTES));
    } else if (str_equal(exchange->path, STR("/inject"))) {
        http_answer_field(exchange, "Location", STR("/x\r\nSet-Cookie: a=b\r\n\r\nHTTP/1.1 200 OK"));
        http_answer(exchange, 201, NULL, (struct str){0});
    } else if (str_equal(exchange->path, STR("/empty"))) {
        http_answer(exchange, 204, NULL, (struct str){0});
    } else if (str_equal(exchange->path, STR("/unchanged"))) {
        http_answer(exchange, 304, NULL, (struct str){0});
    } else if (str_equal(exchange->path, STR("/page"))) {
        http_answer_field(exchange, "content-security-policy", STR("default-src 'self'"));
        http_answer(exchange, 200, "text/html", STR("<!doctype html>"));
    } else {
        http_answer_problem(exchange, &(struct problem){.status = 404, .code = "not_found"});
    }
}

static void test_on_lost(void *context, struct http_exchange *exchange) {
    struct test_server *test = context;
    test->lost_count++;
    if (str_equal(exchange->path, STR("/hold"))) {
        http_answer(exchange, 200, NULL, (struct str){0}); /* only frees */
    }
    uv_sem_post(&test->lost);
}

static void test_closed(void *context) {
    struct test_server *test = context;
    test->has_closed = true;
}

static void test_on_stop(uv_async_t *stop) {
    struct test_server *test = stop->data;
    test->stats = http_server_stats(test->server);
    http_server_close(test->server, test->grace_ms, test_closed, test);
    uv_close((uv_handle_t *)stop, NULL);
}

static void test_run(void *context) {
    struct test_server *test = context;
    struct err_info info = {0};
    uv_loop_init(&test->loop);
    uv_async_init(&test->loop, &test->stop, test_on_stop);
    test->stop.data = test;
    if (http_server_open(&test->loop, &test->options, &test->server, &info) != ERR_NONE) {
        fprintf(stderr, "%s\n", info.text);
        abort();
    }
    test->port = http_server_port(test->server);
    uv_barrier_wait(&test->opened);
    uv_run(&test->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&test->loop) != 0) {
        fprintf(stderr, "the server left handles on its loop\n");
        abort();
    }
}

/* Options that are zero get a test's defaults. */
static void test_server_start(struct test_server *test, struct http_server_options options) {
    *test = (struct test_server){.options = options, .grace_ms = 2000};
    test->options.host = "127.0.0.1";
    test->options.body_max_bytes = options.body_max_bytes > 0 ? options.body_max_bytes : 64 * 1024;
    test->options.connections_max = options.connections_max > 0 ? options.connections_max : 1000;
    test->options.on_request = options.on_request != NULL ? options.on_request : test_on_request;
    test->options.on_lost = options.on_lost != NULL ? options.on_lost : test_on_lost;
    test->options.context = options.context != NULL ? options.context : test;
    if (test_over_tls) {
        test->options.tls = test_server_context(&test_authority, "server");
    }
    test->big = malloc(TEST_BIG_BYTES);
    memset(test->big, 'b', TEST_BIG_BYTES);
    uv_barrier_init(&test->opened, 2);
    uv_sem_init(&test->lost, 0);
    uv_sem_init(&test->held, 0);
    uv_thread_create(&test->thread, test_run, test);
    uv_barrier_wait(&test->opened);
}

/* Closes it and waits until all is freed. */
static void test_server_stop(struct test_server *test) {
    uv_async_send(&test->stop);
    uv_thread_join(&test->thread);
    assert_true(test->has_closed);
    uv_barrier_destroy(&test->opened);
    uv_sem_destroy(&test->lost);
    uv_sem_destroy(&test->held);
    tls_context_close(test->options.tls);
    free(test->big);
}

/* Runs all tests plainly, and again over TLS. */
static inline int test_run_both(int (*run_all)(void)) {
    signal(SIGPIPE, SIG_IGN); /* as the program does: the server writes to who has just gone */
    int failed = run_all();
    test_authority_begin(&test_authority);
    test_certificate_write(&test_authority, (struct test_certificate){.name = "server"});
    test_client_tls = test_client_context(&test_authority);
    test_over_tls = true;
    failed += run_all();
    test_relays_end();
    tls_context_close(test_client_tls);
    test_authority_end(&test_authority);
    return failed;
}

static inline int test_connect_socket(const struct test_server *test, const char *source) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    struct timeval wait = {.tv_sec = TEST_WAIT_S};
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct sockaddr_in from = {.sin_family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, source, &from.sin_addr), 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)test->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* From this address of the loopback network, e.g. 127.0.0.2. */
static inline int test_connect_from(const struct test_server *test, const char *source) {
    int fd = test_connect_socket(test, source);
    return test->options.tls == NULL ? fd : test_relay(fd, test_client_tls, TEST_WAIT_S);
}

static inline int test_connect(const struct test_server *test) {
    return test_connect_from(test, "127.0.0.1");
}

/* Sends all; false when the server has cut the connection. */
static inline bool test_send(int fd, struct str bytes) {
    while (bytes.len > 0) {
        ssize_t sent = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes = str_from(bytes, (uint32_t)sent);
    }
    return true;
}

/* Reads until the server ends the connection; fails the test when it does not in TEST_WAIT_S. */
static inline void test_read_to_end(int fd, struct buf *reply) {
    for (;;) {
        char *at = buf_reserve(reply, 64 * 1024);
        assert_non_null(at);
        ssize_t size = recv(fd, at, 64 * 1024, 0);
        if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            fail_msg("the server neither sent nor closed");
        }
        if (size <= 0) {
            return;
        }
        reply->len += (size_t)size;
    }
}

/* Reads until `reply` holds `count` times `text`. */
static inline void test_read_until(int fd, struct buf *reply, const char *text, int count) {
    for (;;) {
        int found = 0;
        buf_byte(reply, '\0');
        reply->len--;
        for (const char *at = reply->data; (at = strstr(at, text)) != NULL; at += strlen(text)) {
            found++;
        }
        if (found >= count) {
            return;
        }
        char *at = buf_reserve(reply, 4096);
        assert_non_null(at);
        ssize_t size = recv(fd, at, 4096, 0);
        if (size <= 0) {
            fail_msg("the connection ended or fell silent after: %.*s", (int)reply->len, reply->data);
        }
        reply->len += (size_t)size;
    }
}

static inline bool test_holds(const struct buf *reply, const char *text) {
    return reply->len > 0 && memmem(reply->data, reply->len, text, strlen(text)) != NULL;
}

static inline void test_assert_holds(const struct buf *reply, const char *text) {
    if (!test_holds(reply, text)) {
        fail_msg("expected %s in: %.*s", text, (int)(reply->len < 2000 ? reply->len : 2000), reply->data);
    }
}

/* ---- crowds --------------------------------------------------------------------------------------------------- */

/* What the process holds, pages of files too. */
static inline size_t test_resident_bytes(void) {
    char text[256];
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    const char *second = strchr(text, ' '); /* the first number is all, the second what is resident, in pages */
    assert_non_null(second);
    return (size_t)strtoul(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

/* Skips the test where a process may not have so many descriptors. */
static inline void test_need_descriptors(unsigned count) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < count) {
        print_message("skipped: this machine allows a process no %u descriptors\n", count);
        skip();
    }
}
