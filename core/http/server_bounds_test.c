/* server_bounds_test.c: what all connections share, and who has to give way when it is used up. */
#include "core/http/test_server.h"

static struct test_server server;
static struct buf reply;

/* A connection that sends `bytes`, and what came back until the server closed. */
static void converse(struct str bytes) {
    int fd = test_connect(&server);
    test_send(fd, bytes);
    buf_clear(&reply);
    test_read_to_end(fd, &reply);
    close(fd);
}

static void assert_status(int status) {
    char expected[32];
    snprintf(expected, sizeof expected, "HTTP/1.1 %d ", status);
    if (reply.len < strlen(expected) || memcmp(reply.data, expected, strlen(expected)) != 0) {
        fail_msg("expected %s but got: %.*s", expected, (int)reply.len, reply.data == NULL ? "" : reply.data);
    }
}

static void assert_holds(const char *text) {
    test_assert_holds(&reply, text);
}

static int start_small(void **state) {
    (void)state;
    buf_init(&reply, TEST_REPLY_MAX);
    test_server_start(&server, (struct http_server_options){.connections_max = 3, .bodies_max_bytes = 50000});
    return 0;
}

static int stop(void **state) {
    (void)state;
    test_server_stop(&server);
    buf_release(&reply);
    return 0;
}

#define HOST "Host: a\r\n"
#define GET_AFTER "GET /hello HTTP/1.1\r\n" HOST "\r\n"

/* The server looks at the loss of a connection when it comes to it: asked until it has, with a bound. */
static void converse_until_200(struct str bytes) {
    for (int tries = 0; tries < 1000; tries++) {
        converse(bytes);
        if (test_holds(&reply, "HTTP/1.1 200")) {
            break;
        }
    }
    assert_status(200);
}

static void when_all_are_owed_an_answer_a_connection_past_the_maximum_is_told_503_and_closed(void **state) {
    (void)state;
    int held[3];
    for (int i = 0; i < 3; i++) {
        held[i] = test_connect(&server);
        test_send(held[i], STR("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
        uv_sem_wait(&server.held);
    }
    converse(STR(GET_AFTER));
    assert_status(503);
    assert_holds("\r\nRetry-After: 1\r\n");
    assert_holds("\"code\":\"overloaded\"");
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(held[0], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(held[0]);
    converse_until_200(STR("GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    server.grace_ms = 0;
    close(held[1]);
    close(held[2]);
}

static void a_connection_past_the_maximum_takes_the_place_of_who_waited_longest(void **state) {
    (void)state;
    int held[3];
    buf_clear(&reply);
    for (int i = 0; i < 3; i++) {
        held[i] = test_connect(&server);
        /* The second one begins another header block in the same bytes: its answer tells that they were read. */
        test_send(held[i], i == 1 ? STR(GET_AFTER "GET /hello HTTP/1.1\r\nX: ") : STR(GET_AFTER));
        test_read_until(held[i], &reply, "hello", i + 1);
    }
    int fourth = test_connect(&server), fifth = test_connect(&server);
    test_send(fourth, STR(GET_AFTER));
    test_send(fifth, STR("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    uv_sem_wait(&server.held);
    test_read_until(fourth, &reply, "hello", 4);
    for (int i = 0; i < 3; i += 2) { /* the idle ones */
        buf_clear(&reply);
        test_read_to_end(held[i], &reply);
        assert_int_equal(reply.len, 0);
        close(held[i]);
    }
    test_send(held[1], STR("y\r\n" HOST "\r\n"));
    test_read_until(held[1], &reply, "hello", 1);
    server.grace_ms = 0;
    close(held[1]);
    close(fourth);
    close(fifth);
}

static void all_bodies_together_have_a_bound(void **state) {
    (void)state;
    int fd = test_connect(&server);
    struct buf request;
    buf_init(&request, 1 << 20);
    buf_printf(&request, "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 40000\r\n\r\n%040000d", 0);
    test_send(fd, buf_text(&request));
    uv_sem_wait(&server.held);
    buf_clear(&request);
    buf_printf(&request, "POST /echo HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Length: 20000\r\n\r\n%020000d",
               0);
    converse(buf_text(&request));
    assert_status(503);
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
    uv_sem_wait(&server.lost);
    converse(buf_text(&request)); /* the first one's are given back */
    buf_release(&request);
    assert_status(200);
}

static void an_upload_that_lasts_is_cut_off_when_others_need_the_room(void **state) {
    (void)state;
    int slow[2];
    struct buf request;
    buf_init(&request, 1 << 20);
    buf_printf(&request, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 24001\r\n\r\n%024000d", 0);
    for (int i = 0; i < 2; i++) {
        slow[i] = test_connect(&server);
        test_send(slow[i], buf_text(&request));
        converse(STR("GET /later HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n")); /* it has been read */
    }
    buf_clear(&request);
    buf_printf(&request, "POST /echo HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Length: 20000\r\n\r\n%020000d",
               0);
    converse(buf_text(&request));
    assert_status(200);
    buf_clear(&reply);
    test_read_to_end(slow[0], &reply);
    assert_status(503);
    test_send(slow[1], STR("1"));
    buf_clear(&reply);
    test_read_until(slow[1], &reply, "HTTP/1.1 200 OK\r\n", 1);
    close(slow[0]);
    close(slow[1]);
    buf_release(&request);
}

static void small_bodies_have_a_part_of_their_own(void **state) {
    (void)state;
    int fd = test_connect(&server);
    struct buf request;
    buf_init(&request, 1 << 20);
    buf_printf(&request, "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 49999\r\n\r\n%049999d", 0);
    test_send(fd, buf_text(&request));
    uv_sem_wait(&server.held);
    converse(STR("POST /echo HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Length: 5\r\n\r\nsmall"));
    assert_status(200);
    server.grace_ms = 0;
    close(fd);
    buf_release(&request);
}

static void copy_and_hold(void *context, struct http_exchange *exchange) {
    http_body_done(exchange);
    test_on_request(context, exchange);
}

static void a_body_that_was_copied_takes_no_room(void **state) {
    (void)state;
    buf_init(&reply, TEST_REPLY_MAX);
    test_server_start(&server, (struct http_server_options){
                                   .bodies_max_bytes = 50000, .on_request = copy_and_hold, .context = &server});
    int fds[4];
    struct buf request;
    buf_init(&request, 1 << 20);
    buf_printf(&request, "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 40000\r\n\r\n%040000d", 0);
    for (int i = 0; i < 4; i++) {
        fds[i] = test_connect(&server);
        test_send(fds[i], buf_text(&request));
        uv_sem_wait(&server.held);
    }
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    for (int i = 0; i < 4; i++) {
        setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fds[i]);
        uv_sem_wait(&server.lost);
    }
    server.grace_ms = 0;
    buf_release(&request);
    stop(state);
}

static void who_does_not_read_is_cut_off_when_others_need_the_room(void **state) {
    (void)state;
    buf_init(&reply, TEST_REPLY_MAX);
    test_server_start(&server, (struct http_server_options){.answers_max_bytes = 3 * TEST_BIG_BYTES / 2});
    int lazy = test_connect(&server), other = test_connect(&server);
    test_send(lazy, STR("GET /big HTTP/1.1\r\n" HOST "\r\n"));
    test_read_until(lazy, &reply, "HTTP/1.1 200", 1);
    test_send(other, STR("GET /big HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    buf_clear(&reply);
    test_read_to_end(other, &reply);
    assert_true(reply.len > TEST_BIG_BYTES);
    buf_clear(&reply);
    test_read_to_end(lazy, &reply);
    assert_true(reply.len < TEST_BIG_BYTES);
    close(lazy);
    close(other);
    stop(state);
}

/* Each answer is more than a connection may owe before it is no longer read, and the socket may take it at once. */
static void requests_behind_large_answers_are_answered(void **state) {
    (void)state;
    enum { BODY_BYTES = 300 * 1024 };
    buf_init(&reply, TEST_REPLY_MAX);
    test_server_start(&server, (struct http_server_options){.body_max_bytes = 2 * BODY_BYTES});
    struct buf requests;
    buf_init(&requests, 1 << 20);
    for (int i = 0; i < 2; i++) {
        buf_printf(&requests, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n%0*d", BODY_BYTES, BODY_BYTES,
                   0);
    }
    buf_str(&requests, STR("GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    converse(buf_text(&requests));
    buf_release(&requests);
    assert_true(reply.len > 2 * BODY_BYTES);
    assert_holds("\r\n\r\nhello");
    stop(state);
}

#define WITH(setup, test) cmocka_unit_test_setup_teardown(test, setup, stop)

static int run_all(void) {
    const struct CMUnitTest tests[] = {
        WITH(start_small, when_all_are_owed_an_answer_a_connection_past_the_maximum_is_told_503_and_closed),
        WITH(start_small, a_connection_past_the_maximum_takes_the_place_of_who_waited_longest),
        WITH(start_small, all_bodies_together_have_a_bound),
        WITH(start_small, an_upload_that_lasts_is_cut_off_when_others_need_the_room),
        WITH(start_small, small_bodies_have_a_part_of_their_own),
        cmocka_unit_test(a_body_that_was_copied_takes_no_room),
        cmocka_unit_test(who_does_not_read_is_cut_off_when_others_need_the_room),
        cmocka_unit_test(requests_behind_large_answers_are_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void) {
    return test_run_both(run_all);
}
