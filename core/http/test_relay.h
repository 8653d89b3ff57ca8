/* test_relay.h: for tests: lets a plain socket speak TLS, so that what was written for TCP runs over both.
 *
 *      test's socket <- socketpair -> relay <- TLS -> server
 *
 * What the test does to its end is done to the server: its sending side ends with close_notify and FIN, and when the
 * test closes it, the connection is reset once all is sent. What the server does comes back the same way. A test that
 * does not read makes the relay wait, and so the server.
 * Thread   each relay is one of its own; the functions are for the test's.
 */
#pragma once

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "core/http/test_tls.h"

enum { RELAY_READ_BYTES = 16 * 1024, RELAY_BUFFER_BYTES = 4 << 20 };

struct test_relay {
    int local, remote;
    struct tls *tls;
    struct buf to_local, to_remote;
    size_t local_sent, remote_sent;
    bool local_ended, local_closed, remote_ended;
};

static _Atomic int test_relays_running;

/* Sends what it can; false when the other end is gone. */
static inline bool relay_send(int fd, struct buf *bytes, size_t *sent) {
    while (*sent < bytes->len) {
        ssize_t size = send(fd, bytes->data + *sent, bytes->len - *sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size < 0) {
            return errno == EAGAIN;
        }
        *sent += (size_t)size;
    }
    buf_clear(bytes);
    *sent = 0;
    return true;
}

/* Whether the test has closed its end, and not only its sending side. */
static inline bool relay_is_closed(const struct test_relay *relay) {
    struct pollfd polled = {.fd = relay->local};
    return poll(&polled, 1, 0) == 1 && (polled.revents & POLLHUP) != 0;
}

static inline void relay_read_local(struct test_relay *relay) {
    char bytes[RELAY_READ_BYTES];
    ssize_t size = recv(relay->local, bytes, sizeof bytes, MSG_DONTWAIT);
    if (size > 0) {
        (void)!tls_send(relay->tls, str_of(bytes, (size_t)size), &relay->to_remote);
    } else if (size == 0 || errno != EAGAIN) {
        relay->local_ended = true;
        relay->local_closed |= relay_is_closed(relay);
        if (!relay->local_closed) {
            tls_end(relay->tls, &relay->to_remote);
        }
    }
}

static inline void relay_read_remote(struct test_relay *relay) {
    char bytes[RELAY_READ_BYTES];
    ssize_t size = recv(relay->remote, bytes, sizeof bytes, MSG_DONTWAIT);
    if (size > 0) {
        enum tls_state state =
            tls_received(relay->tls, str_of(bytes, (size_t)size), &relay->to_local, &relay->to_remote);
        relay->remote_ended |= state != TLS_GOES_ON;
    } else if (size == 0 || errno != EAGAIN) {
        relay->remote_ended = true;
    }
}

static inline void relay_work(struct test_relay *relay) {
    bool is_shut = false;
    (void)!tls_received(relay->tls, (struct str){0}, &relay->to_local, &relay->to_remote);
    for (;;) {
        bool can_send = tls_is_open(relay->tls) && !relay->local_ended && relay->to_remote.len == 0;
        bool can_take = !relay->remote_ended && relay->to_local.len == 0;
        struct pollfd polled[] = {
            {.fd = relay->local, .events = (short)((can_send ? POLLIN : 0) | (relay->to_local.len > 0 ? POLLOUT : 0))},
            {.fd = relay->remote,
             .events = (short)((can_take ? POLLIN : 0) | (relay->to_remote.len > 0 ? POLLOUT : 0))},
        };
        (void)poll(polled, 2, -1);
        relay->local_closed |= (polled[0].revents & POLLHUP) != 0;
        if (can_send && (polled[0].revents & (POLLIN | POLLHUP)) != 0) {
            relay_read_local(relay);
        }
        if (can_take && (polled[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
            relay_read_remote(relay);
        }
        bool remote_lives = relay_send(relay->remote, &relay->to_remote, &relay->remote_sent);
        bool local_lives = relay_send(relay->local, &relay->to_local, &relay->local_sent);
        bool all_sent = relay->to_remote.len == 0;
        if (relay->local_ended && !relay->local_closed && all_sent && !is_shut) {
            is_shut = true;
            shutdown(relay->remote, SHUT_WR);
        }
        bool is_over = !remote_lives || (relay->remote_ended && (relay->to_local.len == 0 || !local_lives));
        bool has_left = relay->local_closed && (!local_lives || (relay->local_ended && all_sent) || !can_send);
        if (is_over || has_left) {
            return;
        }
    }
}

static inline void *relay_run(void *context) {
    struct test_relay *relay = context;
    relay_work(relay);
    if (relay->local_closed) {
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        setsockopt(relay->remote, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    close(relay->remote);
    close(relay->local);
    tls_free(relay->tls);
    buf_release(&relay->to_local);
    buf_release(&relay->to_remote);
    free(relay);
    atomic_fetch_sub(&test_relays_running, 1);
    return NULL;
}

/* The plain end, which the caller closes; `socket` is the relay's. Reading and writing time out after wait_s. */
static inline int test_relay(int socket, struct tls_context *context, int wait_s) {
    struct test_relay *relay = calloc(1, sizeof *relay);
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct timeval wait = {.tv_sec = wait_s};
    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    int small = RELAY_READ_BYTES; /* it holds little of what its test does not read */
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    relay->local = ends[1];
    relay->remote = socket;
    relay->tls = tls_begin(context, "localhost");
    buf_init(&relay->to_local, RELAY_BUFFER_BYTES);
    buf_init(&relay->to_remote, RELAY_BUFFER_BYTES);
    pthread_t thread;
    atomic_fetch_add(&test_relays_running, 1);
    assert_int_equal(pthread_create(&thread, NULL, relay_run, relay), 0);
    pthread_detach(thread);
    return ends[0];
}

/* All must be closed by then on either side. */
static inline void test_relays_end(void) {
    for (int tries = 0; atomic_load(&test_relays_running) > 0; tries++) {
        assert_true(tries < 2000);
        (void)poll(NULL, 0, 1);
    }
}
