/* test_smtp.h: for tests: an SMTP server on a free port that behaves as its options and the recipients say.
 *
 *   refused@   550 to the recipient            spam@      554 to the message
 *   deferred@  450 to the recipient            busy@      451 to the message
 *   hanging@   never an answer                 vanishing@ no answer to the message: the connection is lost
 *   lost@      the connection is lost          all others are taken
 * Thread   one a connection; the functions are for the test's.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/http/tls.h"

enum { TEST_SMTP_CONNECTIONS_MAX = 64, TEST_SMTP_MAILS_MAX = 64, TEST_SMTP_WAIT_S = 20, TEST_SMTP_LINE_MAX = 1024 };

struct test_smtp_options {
    struct tls_context *tls; /* offers STARTTLS with it */
    bool begins_with_tls;
    const char *login;     /* what AUTH PLAIN must bring, in base64 */
    const char *greeting;  /* NULL: 220 */
    const char *to_sender; /* the answer to MAIL; NULL: 250 */
    int greets_when_open;  /* so many connections have to be open before any is greeted */
    const char *farewell;  /* said after a mail, with the connection then closed; "" closes it without a word */
    bool is_mute_at_quit;
};

struct test_smtp_mail {
    char from[TEST_SMTP_LINE_MAX], to[TEST_SMTP_LINE_MAX];
    struct buf data;
    bool was_encrypted, was_logged_in;
};

struct test_smtp {
    struct test_smtp_options options;
    int listener, port;
    pthread_t acceptor;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    pthread_t threads[TEST_SMTP_CONNECTIONS_MAX];
    int fds[TEST_SMTP_CONNECTIONS_MAX];
    int connections, open_now, open_most, quits, senders, passwords;
    struct test_smtp_mail mails[TEST_SMTP_MAILS_MAX];
    int mail_count;
};

struct test_smtp_session {
    struct test_smtp *server;
    int fd;
    struct tls *tls;
    struct buf plain, wire;
    size_t plain_read;
    struct test_smtp_mail mail;
    bool is_logged_in;
};

static inline bool test_smtp_write(struct test_smtp_session *session, struct buf *bytes) {
    for (size_t sent = 0; sent < bytes->len;) {
        ssize_t size = send(session->fd, bytes->data + sent, bytes->len - sent, MSG_NOSIGNAL);
        if (size <= 0) {
            return false;
        }
        sent += (size_t)size;
    }
    buf_clear(bytes);
    return true;
}

static inline bool test_smtp_say(struct test_smtp_session *session, const char *text) {
    struct str line = str_of_cstr(text);
    if (session->tls == NULL) {
        buf_str(&session->wire, line);
    } else if (!tls_send(session->tls, line, &session->wire)) {
        return false;
    }
    return test_smtp_write(session, &session->wire);
}

static inline bool test_smtp_read_more(struct test_smtp_session *session) {
    char bytes[4096];
    ssize_t size = recv(session->fd, bytes, sizeof bytes, 0);
    if (size <= 0) {
        return false;
    }
    if (session->tls == NULL) {
        buf_bytes(&session->plain, bytes, (size_t)size);
        return true;
    }
    enum tls_state state = tls_received(session->tls, str_of(bytes, (size_t)size), &session->plain, &session->wire);
    return test_smtp_write(session, &session->wire) && state == TLS_GOES_ON;
}

/* With its CRLF cut off; false when the connection ends. */
static inline bool test_smtp_read_line(struct test_smtp_session *session, char ret_line[TEST_SMTP_LINE_MAX]) {
    for (;;) {
        const char *begin = session->plain.data + session->plain_read;
        size_t left = session->plain.len - session->plain_read;
        const char *end = left == 0 ? NULL : memmem(begin, left, "\r\n", 2);
        if (end != NULL) {
            snprintf(ret_line, TEST_SMTP_LINE_MAX, "%.*s", (int)(end - begin), begin);
            session->plain_read += (size_t)(end - begin) + 2;
            return true;
        }
        if (!test_smtp_read_more(session)) {
            return false;
        }
    }
}

static inline bool test_smtp_begin_tls(struct test_smtp_session *session) {
    session->tls = tls_begin(session->server->options.tls, NULL);
    while (!tls_is_open(session->tls)) {
        if (!test_smtp_read_more(session)) {
            return false;
        }
    }
    return true;
}

static inline bool test_smtp_is_to(const struct test_smtp_session *session, const char *local) {
    return strncmp(session->mail.to + 1, local, strlen(local)) == 0; /* behind the bracket */
}

static inline bool test_smtp_take_mail(struct test_smtp_session *session) {
    struct test_smtp *server = session->server;
    char line[TEST_SMTP_LINE_MAX];
    struct test_smtp_mail *mail = &session->mail;
    buf_init(&mail->data, 4 << 20);
    for (;;) {
        if (!test_smtp_read_line(session, line)) {
            buf_release(&mail->data);
            return false;
        }
        if (strcmp(line, ".") == 0) {
            break;
        }
        buf_printf(&mail->data, "%s\r\n", line[0] == '.' ? line + 1 : line);
    }
    bool is_refused = test_smtp_is_to(session, "spam"), is_deferred = test_smtp_is_to(session, "busy");
    if (is_refused || is_deferred || test_smtp_is_to(session, "vanishing")) {
        buf_release(&mail->data);
        return (is_refused || is_deferred) && test_smtp_say(session, is_refused ? "554 no\r\n" : "451 later\r\n");
    }
    mail->was_encrypted = session->tls != NULL;
    mail->was_logged_in = session->is_logged_in;
    pthread_mutex_lock(&server->lock);
    server->mails[server->mail_count++] = *mail;
    pthread_mutex_unlock(&server->lock);
    const char *farewell = server->options.farewell;
    return test_smtp_say(session, "250 taken\r\n") &&
           (farewell == NULL || (farewell[0] != '\0' && test_smtp_say(session, farewell) && false));
}

static inline void test_smtp_wait_for_end(struct test_smtp_session *session) {
    char bytes[256];
    while (recv(session->fd, bytes, sizeof bytes, 0) > 0) {
    }
}

static inline bool test_smtp_log_in(struct test_smtp_session *session, const char *initial) {
    char line[TEST_SMTP_LINE_MAX];
    if (initial[0] == '\0') {
        if (!test_smtp_say(session, "334 \r\n") || !test_smtp_read_line(session, line)) {
            return false;
        }
        initial = line;
    }
    pthread_mutex_lock(&session->server->lock);
    session->server->passwords++;
    pthread_mutex_unlock(&session->server->lock);
    session->is_logged_in = strcmp(initial, session->server->options.login) == 0;
    return test_smtp_say(session, session->is_logged_in ? "235 yes\r\n" : "535 wrong\r\n");
}

static inline bool test_smtp_take_recipient(struct test_smtp_session *session, const char *to) {
    snprintf(session->mail.to, sizeof session->mail.to, "%s", to);
    if (test_smtp_is_to(session, "lost")) {
        return false;
    }
    if (test_smtp_is_to(session, "hanging")) {
        test_smtp_wait_for_end(session);
        return false;
    }
    return test_smtp_say(session, test_smtp_is_to(session, "refused")    ? "550 5.1.1 unknown\r\n"
                                  : test_smtp_is_to(session, "deferred") ? "450 4.2.0 come again\r\n"
                                                                         : "250 fine\r\n");
}

static inline bool test_smtp_take_quit(struct test_smtp_session *session) {
    pthread_mutex_lock(&session->server->lock);
    session->server->quits++;
    pthread_cond_broadcast(&session->server->changed);
    pthread_mutex_unlock(&session->server->lock);
    if (session->server->options.is_mute_at_quit) {
        test_smtp_wait_for_end(session);
    } else {
        (void)!test_smtp_say(session, "221 bye\r\n");
    }
    return false;
}

/* False: the connection is over. */
static inline bool test_smtp_obey(struct test_smtp_session *session, const char *line) {
    struct test_smtp *server = session->server;
    const struct test_smtp_options *options = &server->options;
    if (strncmp(line, "EHLO ", 5) == 0) {
        return test_smtp_say(session, "250-test\r\n") &&
               (options->tls == NULL || session->tls != NULL || test_smtp_say(session, "250-STARTTLS\r\n")) &&
               (options->login == NULL || test_smtp_say(session, "250-AUTH PLAIN\r\n")) &&
               test_smtp_say(session, "250 SIZE 4194304\r\n");
    }
    if (strcmp(line, "STARTTLS") == 0) {
        return test_smtp_say(session, "220 go on\r\n") && test_smtp_begin_tls(session);
    }
    if (strncmp(line, "AUTH PLAIN", 10) == 0) {
        return test_smtp_log_in(session, line[10] == ' ' ? line + 11 : "");
    }
    if (strncmp(line, "MAIL FROM:", 10) == 0) {
        pthread_mutex_lock(&server->lock);
        server->senders++;
        pthread_mutex_unlock(&server->lock);
        snprintf(session->mail.from, sizeof session->mail.from, "%s", line + 10);
        return test_smtp_say(session, options->to_sender != NULL ? options->to_sender : "250 fine\r\n");
    }
    if (strncmp(line, "RCPT TO:", 8) == 0) {
        return test_smtp_take_recipient(session, line + 8);
    }
    if (strcmp(line, "DATA") == 0) {
        return test_smtp_say(session, "354 go on\r\n") && test_smtp_take_mail(session);
    }
    if (strcmp(line, "QUIT") == 0) {
        return test_smtp_take_quit(session);
    }
    return test_smtp_say(session, "500 what\r\n");
}

static inline void test_smtp_converse(struct test_smtp_session *session) {
    struct test_smtp *server = session->server;
    char line[TEST_SMTP_LINE_MAX];
    pthread_mutex_lock(&server->lock);
    while (server->open_most < server->options.greets_when_open) {
        pthread_cond_wait(&server->changed, &server->lock);
    }
    pthread_mutex_unlock(&server->lock);
    if (server->options.begins_with_tls && !test_smtp_begin_tls(session)) {
        return;
    }
    bool goes_on = test_smtp_say(session, server->options.greeting != NULL ? server->options.greeting : "220 test\r\n");
    while (goes_on && test_smtp_read_line(session, line)) {
        goes_on = test_smtp_obey(session, line);
    }
}

static inline void *test_smtp_session_run(void *context) {
    struct test_smtp_session *session = context;
    struct test_smtp *server = session->server;
    test_smtp_converse(session);
    pthread_mutex_lock(&server->lock);
    server->open_now--;
    for (int i = 0; i < server->connections; i++) {
        server->fds[i] = server->fds[i] == session->fd ? -1 : server->fds[i];
    }
    close(session->fd);
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    tls_free(session->tls);
    buf_release(&session->plain);
    buf_release(&session->wire);
    free(session);
    return NULL;
}

static inline void *test_smtp_accept(void *context) {
    struct test_smtp *server = context;
    for (int fd; (fd = accept(server->listener, NULL, NULL)) >= 0;) {
        struct timeval wait = {.tv_sec = TEST_SMTP_WAIT_S};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        struct test_smtp_session *session = calloc(1, sizeof *session);
        session->server = server;
        session->fd = fd;
        buf_init(&session->plain, 8 << 20);
        buf_init(&session->wire, 1 << 20);
        pthread_mutex_lock(&server->lock);
        server->open_now++;
        server->open_most = server->open_now > server->open_most ? server->open_now : server->open_most;
        server->fds[server->connections] = fd;
        pthread_create(&server->threads[server->connections++], NULL, test_smtp_session_run, session);
        pthread_cond_broadcast(&server->changed);
        pthread_mutex_unlock(&server->lock);
    }
    return NULL;
}

static inline void test_smtp_start(struct test_smtp *server, struct test_smtp_options options) {
    *server = (struct test_smtp){.options = options};
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->listener, 64), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &size), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->acceptor, NULL, test_smtp_accept, server), 0);
}

/* Until no connection is open. */
static inline void test_smtp_wait_closed(struct test_smtp *server) {
    pthread_mutex_lock(&server->lock);
    while (server->open_now > 0) {
        pthread_cond_wait(&server->changed, &server->lock);
    }
    pthread_mutex_unlock(&server->lock);
}

/* How many mails were begun. */
static inline int test_smtp_senders(struct test_smtp *server) {
    pthread_mutex_lock(&server->lock);
    int senders = server->senders;
    pthread_mutex_unlock(&server->lock);
    return senders;
}

/* What it counted can be read after it. */
static inline void test_smtp_stop(struct test_smtp *server) {
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->acceptor, NULL);
    close(server->listener);
    pthread_mutex_lock(&server->lock);
    server->options.greets_when_open = 0;
    for (int i = 0; i < server->connections; i++) {
        if (server->fds[i] >= 0) {
            shutdown(server->fds[i], SHUT_RDWR);
        }
    }
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    for (int i = 0; i < server->connections; i++) {
        pthread_join(server->threads[i], NULL);
    }
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->changed);
}

static inline void test_smtp_release(struct test_smtp *server) {
    for (int i = 0; i < server->mail_count; i++) {
        buf_release(&server->mails[i].data);
    }
}
