/* server_tls_test.c: what is said of TLS itself; all else the other tests say over both (test_run_both). */
#include "core/http/test_server.h"

static struct test_server server;

/* A client that is asked for each step. */
struct peer {
    int fd;
    struct tls *tls;
    struct buf plain, wire;
    enum tls_state state;
};

static int start_with(struct http_time_limits times) {
    test_server_start(&server, (struct http_server_options){.times = times});
    return 0;
}

static int start(void **state) {
    (void)state;
    return start_with((struct http_time_limits){0});
}

static int start_impatient(void **state) {
    (void)state;
    return start_with((struct http_time_limits){.head_ms = 400, .idle_ms = 400, .linger_ms = 100});
}

static int stop(void **state) {
    (void)state;
    test_server_stop(&server);
    return 0;
}

static void flush(struct peer *peer) {
    test_send(peer->fd, buf_text(&peer->wire));
    buf_clear(&peer->wire);
}

/* Takes what comes; false at the connection's end. */
static bool take(struct peer *peer) {
    char bytes[16 * 1024];
    ssize_t size = recv(peer->fd, bytes, sizeof bytes, 0);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        fail_msg("the server neither sent nor closed");
    }
    if (size <= 0) {
        return false;
    }
    peer->state = tls_received(peer->tls, str_of(bytes, (size_t)size), &peer->plain, &peer->wire);
    flush(peer);
    return true;
}

static void meet(struct peer *peer) {
    *peer =
        (struct peer){.fd = test_connect_socket(&server, "127.0.0.1"), .tls = tls_begin(test_client_tls, "localhost")};
    buf_init(&peer->plain, TEST_REPLY_MAX);
    buf_init(&peer->wire, TEST_REPLY_MAX);
    peer->state = tls_received(peer->tls, (struct str){0}, &peer->plain, &peer->wire);
}

static void shake_hands(struct peer *peer) {
    meet(peer);
    flush(peer);
    while (!tls_is_open(peer->tls)) {
        assert_true(take(peer));
    }
}

static void say(struct peer *peer, struct str text) {
    assert_true(tls_send(peer->tls, text, &peer->wire));
}

static void leave(struct peer *peer) {
    close(peer->fd);
    tls_free(peer->tls);
    buf_release(&peer->plain);
    buf_release(&peer->wire);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_LAST(path) "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

static uint64_t refused_when_stopped(void) {
    test_server_stop(&server);
    return server.stats.refused_total;
}

/* ---- the handshake ------------------------------------------------------------------------------------------- */

/* What comes back of bytes that are no TLS. */
static void send_plainly(struct str bytes, struct buf *reply) {
    buf_clear(reply);
    int fd = test_connect_socket(&server, "127.0.0.1");
    test_send(fd, bytes);
    test_read_to_end(fd, reply);
    close(fd);
}

static void plain_http_and_what_is_no_tls_are_closed_with_an_alert_at_most(void **state) {
    (void)state;
    start(NULL);
    struct buf reply;
    buf_init(&reply, TEST_REPLY_MAX);
    send_plainly(STR(GET("/hello")), &reply);
    assert_int_equal(reply.len, 0); /* who speaks HTTP would not understand one */
    send_plainly(STR("\x16\x03\x01\xff\xff and no record is so long"), &reply);
    assert_int_equal(reply.len, 7);
    assert_int_equal(reply.data[0], 21); /* an alert */
    buf_release(&reply);
    assert_int_equal(refused_when_stopped(), 2);
    assert_int_equal(server.stats.requests_total, 0);
}

static void a_handshake_that_dawdles_is_cut_off(void **state) {
    (void)state;
    start_impatient(NULL);
    struct peer peer;
    struct buf reply;
    buf_init(&reply, TEST_REPLY_MAX);
    meet(&peer);
    struct str hello = buf_text(&peer.wire);
    for (uint32_t i = 0; i < hello.len - 1 && test_send(peer.fd, str_of(hello.data + i, 1)); i++) {
        usleep(10000); /* the attack itself: one byte now and then */
    }
    test_read_to_end(peer.fd, &reply);
    leave(&peer);
    int silent = test_connect_socket(&server, "127.0.0.1");
    test_read_to_end(silent, &reply);
    close(silent);
    assert_int_equal(reply.len, 0);
    buf_release(&reply);
    assert_int_equal(refused_when_stopped(), 2);
}

static void who_connects_and_goes_is_not_refused(void **state) {
    (void)state;
    start(NULL);
    for (int i = 0; i < 3; i++) {
        close(test_connect_socket(&server, "127.0.0.1"));
    }
    struct peer peer;
    shake_hands(&peer);
    say(&peer, STR(GET_LAST("/hello")));
    flush(&peer);
    while (take(&peer)) {
    }
    leave(&peer);
    assert_int_equal(refused_when_stopped(), 0);
    assert_int_equal(server.stats.requests_total, 1);
}

static void a_first_request_may_come_with_the_handshakes_end(void **state) {
    (void)state;
    struct peer peer;
    meet(&peer);
    flush(&peer);
    while (!tls_is_open(peer.tls)) {
        char bytes[16 * 1024];
        ssize_t size = recv(peer.fd, bytes, sizeof bytes, 0);
        assert_true(size > 0);
        peer.state = tls_received(peer.tls, str_of(bytes, (size_t)size), &peer.plain, &peer.wire);
    }
    say(&peer, STR(GET_LAST("/hello"))); /* behind our Finished, in one write */
    flush(&peer);
    while (take(&peer)) {
    }
    test_assert_holds(&peer.plain, "\r\n\r\nhello");
    leave(&peer);
}

/* ---- ends ---------------------------------------------------------------------------------------------------- */

static void our_end_is_announced(void **state) {
    (void)state;
    struct peer closing, idle;
    shake_hands(&closing);
    say(&closing, STR(GET_LAST("/hello")));
    flush(&closing);
    while (take(&closing)) {
    }
    assert_int_equal(closing.state, TLS_ENDED);
    leave(&closing);
    shake_hands(&idle); /* longer than idle_ms */
    while (take(&idle)) {
    }
    assert_int_equal(idle.state, TLS_ENDED);
    assert_int_equal(idle.plain.len, 0);
    leave(&idle);
}

static void an_end_that_was_not_announced_in_a_request_is_a_loss(void **state) {
    (void)state;
    struct peer peer;
    shake_hands(&peer);
    say(&peer, STR(GET("/later") "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"));
    flush(&peer);
    shutdown(peer.fd, SHUT_WR);
    while (take(&peer)) {
    }
    assert_int_equal(peer.plain.len, 0);
    leave(&peer);
    uv_sem_wait(&server.lost);
    /* Announced it is the peer's own will: what it asked before is answered. */
    shake_hands(&peer);
    say(&peer, STR(GET("/later") "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"));
    tls_end(peer.tls, &peer.wire);
    flush(&peer);
    while (take(&peer)) {
    }
    test_assert_holds(&peer.plain, "\r\n\r\nlater");
    assert_false(test_holds(&peer.plain, "half"));
    leave(&peer);
}

/* More than may be unanswered at once: those behind wait, and the end behind them. */
static void what_was_asked_before_an_announced_end_is_all_answered(void **state) {
    (void)state;
    enum { ASKED = 100 };
    struct peer peer;
    shake_hands(&peer);
    for (int i = 0; i < ASKED; i++) {
        say(&peer, i % 20 == 0 ? STR(GET("/later")) : STR(GET("/hello")));
    }
    tls_end(peer.tls, &peer.wire);
    flush(&peer);
    while (take(&peer)) {
    }
    int answers = 0;
    buf_byte(&peer.plain, '\0');
    for (const char *at = peer.plain.data; (at = strstr(at, "HTTP/1.1 200 OK")) != NULL; at++) {
        answers++;
    }
    assert_int_equal(answers, ASKED);
    assert_int_equal(peer.state, TLS_ENDED);
    leave(&peer);
}

/* All but a record's last bytes are there when a read brings 64 KiB more: what both say waits, for 16 answers. */
static void what_two_reads_say_at_once_waits_as_a_whole(void **state) {
    (void)state;
    enum { ASKED = 2500, FIRST_BYTES = 16000 };
    struct peer peer;
    struct buf asked;
    shake_hands(&peer);
    buf_init(&asked, TEST_REPLY_MAX);
    for (int i = 0; i < ASKED; i++) {
        buf_str(&asked, i < 16 ? STR(GET("/later")) : STR(GET("/hello")));
    }
    buf_str(&asked, STR(GET_LAST("/hello")));
    say(&peer, buf_text(&asked));
    struct str wire = buf_text(&peer.wire);
    test_send(peer.fd, str_first(wire, FIRST_BYTES));
    usleep(50000); /* so that they are read by themselves */
    test_send(peer.fd, str_from(wire, FIRST_BYTES));
    buf_clear(&peer.wire);
    while (take(&peer)) {
    }
    int answers = 0;
    buf_byte(&peer.plain, '\0');
    for (const char *at = peer.plain.data; (at = strstr(at, "HTTP/1.1 200 OK")) != NULL; at++) {
        answers++;
    }
    assert_int_equal(answers, ASKED + 1);
    buf_release(&asked);
    leave(&peer);
}

static void a_changed_byte_loses_the_connection_and_what_it_asked(void **state) {
    (void)state;
    struct peer peer;
    shake_hands(&peer);
    say(&peer, STR(GET("/hold")));
    flush(&peer);
    uv_sem_wait(&server.held);
    say(&peer, STR(GET("/hello")));
    peer.wire.data[peer.wire.len - 1] ^= 1;
    flush(&peer);
    while (take(&peer)) {
    }
    assert_int_equal(peer.state, TLS_FAILED); /* by the server's alert */
    assert_int_equal(peer.plain.len, 0);
    uv_sem_wait(&server.lost);
    leave(&peer);
}

/* ---- what else is said --------------------------------------------------------------------------------------- */

static void answers_tell_browsers_to_come_over_tls_only(void **state) {
    (void)state;
    static const struct str ASKED[] = {STR(GET_LAST("/hello")), STR(GET_LAST("/nowhere")), STR("GET bad\r\n\r\n")};
    for (size_t i = 0; i < ARRAY_LENGTH(ASKED); i++) {
        struct peer peer;
        shake_hands(&peer);
        say(&peer, ASKED[i]);
        flush(&peer);
        while (take(&peer)) {
        }
        test_assert_holds(&peer.plain, "\r\nStrict-Transport-Security: max-age=63072000\r\n");
        leave(&peer);
    }
}

static void a_plain_answer_tells_nothing_of_tls(void **state) {
    (void)state;
    test_over_tls = false;
    start(NULL);
    struct buf reply;
    buf_init(&reply, TEST_REPLY_MAX);
    int fd = test_connect(&server);
    test_send(fd, STR(GET_LAST("/hello")));
    test_read_to_end(fd, &reply);
    close(fd);
    test_assert_holds(&reply, "\r\n\r\nhello");
    assert_false(test_holds(&reply, "Strict-Transport-Security"));
    buf_release(&reply);
    test_server_stop(&server);
    test_over_tls = true;
}

static void a_new_certificate_serves_new_connections_and_old_ones_go_on(void **state) {
    (void)state;
    struct peer old;
    shake_hands(&old);
    bool changed = false;
    test_certificate_write(&test_authority, (struct test_certificate){.name = "server"});
    assert_int_equal(tls_context_reload(server.options.tls, &changed, NULL), ERR_NONE);
    assert_true(changed);
    struct peer new;
    shake_hands(&new);
    say(&old, STR(GET_LAST("/hello")));
    flush(&old);
    while (take(&old)) {
    }
    test_assert_holds(&old.plain, "\r\n\r\nhello");
    leave(&old);
    leave(&new);
}

#define WITH(setup, test) cmocka_unit_test_setup_teardown(test, setup, stop)

static int run_all(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_http_and_what_is_no_tls_are_closed_with_an_alert_at_most),
        cmocka_unit_test(a_handshake_that_dawdles_is_cut_off),
        cmocka_unit_test(who_connects_and_goes_is_not_refused),
        WITH(start, a_first_request_may_come_with_the_handshakes_end),
        WITH(start_impatient, our_end_is_announced),
        WITH(start, an_end_that_was_not_announced_in_a_request_is_a_loss),
        WITH(start, what_was_asked_before_an_announced_end_is_all_answered),
        WITH(start, what_two_reads_say_at_once_waits_as_a_whole),
        WITH(start, a_changed_byte_loses_the_connection_and_what_it_asked),
        WITH(start, answers_tell_browsers_to_come_over_tls_only),
        cmocka_unit_test(a_plain_answer_tells_nothing_of_tls),
        WITH(start, a_new_certificate_serves_new_connections_and_old_ones_go_on),
    };
    return test_over_tls ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}

int main(void) {
    return test_run_both(run_all);
}
