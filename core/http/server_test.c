#include "core/http/connection.h"
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

static int start(void **state) {
    (void)state;
    buf_init(&reply, TEST_REPLY_MAX);
    test_server_start(&server, (struct http_server_options){0});
    return 0;
}

static int start_impatient(void **state) {
    (void)state;
    buf_init(&reply, TEST_REPLY_MAX);
    struct http_time_limits times = {.head_ms = 400, .body_ms = 200, .idle_ms = 250, .write_ms = 200, .linger_ms = 100};
    test_server_start(&server, (struct http_server_options){.times = times});
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

/* ---- what must be served ------------------------------------------------------------------------------------- */

static void a_request_is_answered_and_the_connection_stays_open(void **state) {
    (void)state;
    int fd = test_connect(&server);
    buf_clear(&reply);
    for (int i = 1; i <= 3; i++) {
        test_send(fd, STR(GET_AFTER));
        test_read_until(fd, &reply, "hello", i);
    }
    close(fd);
    assert_status(200);
    assert_holds("\r\nContent-Length: 5\r\n");
    assert_holds(" GMT\r\n");
    assert_false(test_holds(&reply, "Connection:"));
}

static void http_1_0_closes_unless_it_is_asked_to_stay(void **state) {
    (void)state;
    converse(STR("GET /hello HTTP/1.0\r\n\r\n"));
    assert_status(200);
    assert_holds("\r\nConnection: close\r\n");
    int fd = test_connect(&server);
    buf_clear(&reply);
    test_send(fd, STR("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    test_read_until(fd, &reply, "\r\nConnection: keep-alive\r\n", 1);
    test_send(fd, STR("GET /hello HTTP/1.0\r\n\r\n"));
    test_read_to_end(fd, &reply);
    close(fd);
    assert_holds("\r\nConnection: close\r\n");
}

static void connection_close_ends_the_connection_after_the_answer(void **state) {
    (void)state;
    converse(STR("GET /hello HTTP/1.1\r\n" HOST "Connection: foo, Close\r\n\r\n" GET_AFTER));
    assert_status(200);
    assert_holds("\r\nConnection: close\r\n");
    assert_null(memmem(reply.data + 9, reply.len - 9, "HTTP/1.1 ", 9));
}

static void bodies_come_by_length_and_chunked_and_in_any_pieces(void **state) {
    (void)state;
    struct str bytes = STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nfirst"
                           "POST /echo HTTP/1.1\r\n" HOST "transfer-encoding: Chunked\r\n\r\n"
                           "3\r\nsec\r\n00000003\r\nond\r\n0\r\n\r\n"
                           "PUT /echo HTTP/1.1\r\n" HOST "Content-Length: 0\r\nConnection: close\r\n\r\n");
    for (uint32_t piece = 1; piece < bytes.len; piece += 7) {
        int fd = test_connect(&server);
        for (uint32_t at = 0; at < bytes.len; at += piece) {
            test_send(fd, str_first(str_from(bytes, at), piece));
        }
        buf_clear(&reply);
        test_read_to_end(fd, &reply);
        close(fd);
        assert_holds("\r\n\r\nfirstHTTP/1.1 200 OK\r\n");
        assert_holds("\r\n\r\nsecondHTTP/1.1 200 OK\r\n");
        assert_holds("\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
}

static void head_tells_the_length_and_sends_no_body(void **state) {
    (void)state;
    converse(STR("HEAD /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    assert_status(200);
    assert_holds("\r\nContent-Length: 5\r\n");
    assert_memory_equal(reply.data + reply.len - 4, "\r\n\r\n", 4);
}

static void expect_100_continue_is_answered_before_the_body(void **state) {
    (void)state;
    int fd = test_connect(&server);
    buf_clear(&reply);
    test_send(fd, STR("POST /echo HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 4\r\n\r\n"));
    test_read_until(fd, &reply, "HTTP/1.1 100 Continue\r\n\r\n", 1);
    test_send(fd, STR("body"));
    test_read_until(fd, &reply, "\r\n\r\nbody", 1);
    close(fd);
}

static void one_empty_line_before_the_request_is_skipped(void **state) {
    (void)state;
    int fd = test_connect(&server);
    buf_clear(&reply);
    test_send(fd, STR("\r"));
    test_send(fd, STR("\nGET /hello HTTP/1.1\r\n" HOST "\r\n\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n"));
    test_read_until(fd, &reply, "\r\n\r\nhello", 2);
    close(fd);
}

static void field_values_lose_the_space_around_them_and_keep_the_rest(void **state) {
    (void)state;
    converse(
        STR("GET /fields HTTP/1.1\r\n" HOST "A:  b c\t \r\nEmpty:\r\nUtf8: \303\244\r\nConnection: close\r\n\r\n"));
    assert_holds("\nA=[b c]\nEmpty=[]\nUtf8=[\303\244]\n");
}

static void an_answers_field_cannot_begin_another_line(void **state) {
    (void)state;
    converse(STR("POST /inject HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    assert_status(201);
    assert_holds("\r\nLocation: /x  Set-Cookie: a=b    HTTP/1.1 200 OK\r\n");
}

/* With a body or without one, refused by whomever: a browser guesses no type, and makes no page of it. */
static void every_answer_says_that_it_is_no_page_and_nothing_but_what_it_says(void **state) {
    (void)state;
    static const struct {
        struct str request;
        int status;
    } ROWS[] = {
        {STR("GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"), 200},
        {STR("HEAD /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"), 200},
        {STR("GET /empty HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"), 204},
        {STR("GET /unchanged HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"), 304},
        {STR("GET /nowhere HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"), 404},
        {STR("GET /hello HTTP/1.0\r\nA : b\r\n\r\n"), 400},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        converse(ROWS[i].request);
        assert_status(ROWS[i].status);
        assert_holds("\r\nX-Content-Type-Options: nosniff\r\n");
        assert_holds("\r\nContent-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n");
    }
}

static void a_page_has_the_policy_that_it_brings_and_no_other(void **state) {
    (void)state;
    converse(STR("GET /page HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    assert_status(200);
    assert_holds("\r\nX-Content-Type-Options: nosniff\r\n");
    assert_holds("\r\ncontent-security-policy: default-src 'self'\r\n");
    assert_false(test_holds(&reply, "Content-Security-Policy"));
}

static void pipelined_requests_are_answered_in_their_order(void **state) {
    (void)state;
    converse(STR("GET /later HTTP/1.1\r\n" HOST "\r\n"
                 "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\ntwo"
                 "GET /later HTTP/1.1\r\n" HOST "\r\n"
                 "GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    const char *at = reply.data;
    static const char *const ORDER[] = {"\r\n\r\nlater", "\r\n\r\ntwo", "\r\n\r\nlater", "\r\n\r\nhello"};
    for (size_t i = 0; i < ARRAY_LENGTH(ORDER); i++) {
        at = memmem(at, (size_t)(reply.data + reply.len - at), ORDER[i], strlen(ORDER[i]));
        assert_non_null(at);
    }
    assert_ptr_equal(at + 9, reply.data + reply.len);
}

static void a_refusal_waits_for_the_answers_before_it(void **state) {
    (void)state;
    converse(STR("GET /later HTTP/1.1\r\n" HOST "\r\nGET bad HTTP/1.1\r\n\r\n"));
    assert_status(200);
    assert_holds("\r\n\r\nlaterHTTP/1.1 400 Bad Request\r\n");
}

static void more_than_16_pipelined_requests_are_all_answered(void **state) {
    (void)state;
    struct buf requests;
    buf_init(&requests, 1 << 20);
    for (int i = 0; i < 1000; i++) {
        /* 260 KiB in all: several reads' worth while the first answers are waited for. */
        buf_printf(&requests, "POST /%s HTTP/1.1\r\n" HOST "Content-Length: 204\r\n\r\n%04d%0200d",
                   i % 50 == 0 ? "later" : "echo", i, 0);
    }
    buf_str(&requests, STR("GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    converse(buf_text(&requests));
    const char *at = reply.data;
    for (int i = 0; i < 1000; i++) {
        char expected[16];
        snprintf(expected, sizeof expected, i % 50 == 0 ? "\r\n\r\nlater" : "\r\n\r\n%04d", i);
        at = memmem(at, (size_t)(reply.data + reply.len - at), expected, strlen(expected));
        assert_non_null(at);
    }
    buf_release(&requests);
}

static void no_more_than_16_requests_of_a_connection_are_unanswered(void **state) {
    (void)state;
    int fd = test_connect(&server);
    for (int i = 0; i < 20; i++) {
        test_send(fd, STR("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    }
    for (int i = 0; i < 16; i++) {
        uv_sem_wait(&server.held);
    }
    for (int i = 0; i < 3; i++) { /* turns of the loop in which a 17th would have come */
        converse(STR("GET /later HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    }
    assert_int_equal(uv_sem_trywait(&server.held), UV_EAGAIN);
    server.grace_ms = 0;
    close(fd);
}

static void large_answers_wait_for_a_reader_and_arrive_whole(void **state) {
    (void)state;
    converse(STR("GET /big HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    assert_true(reply.len > TEST_BIG_BYTES);
    assert_holds("bbbbHTTP/1.1 200 OK\r\n");
}

/* What is kept of the largest answer when the next request comes. */
static size_t kept_bytes;

static void note_what_is_kept(void *context, struct http_exchange *exchange) {
    const struct connection *connection = exchange_of(exchange)->connection;
    kept_bytes = connection->sending.capacity + connection->output.capacity;
    test_on_request(context, exchange);
}

static void a_connection_that_stays_gives_its_large_answers_memory_back(void **state) {
    (void)state;
    buf_init(&reply, TEST_REPLY_MAX);
    test_server_start(&server, (struct http_server_options){.on_request = note_what_is_kept});
    int fd = test_connect(&server);
    test_send(fd, STR("GET /big HTTP/1.1\r\n" HOST "\r\n"));
    while (reply.len < TEST_BIG_BYTES || reply.data[reply.len - 1] != 'b') {
        char *at = buf_reserve(&reply, 64 * 1024);
        ssize_t size = recv(fd, at, 64 * 1024, 0);
        assert_true(size > 0);
        reply.len += (size_t)size;
    }
    test_send(fd, STR(GET_AFTER));
    test_read_until(fd, &reply, "hello", 1);
    close(fd);
    assert_true(kept_bytes < 64 * 1024);
    stop(NULL);
}

static void a_client_that_ends_its_sending_side_gets_its_answers(void **state) {
    (void)state;
    int fd = test_connect(&server);
    test_send(fd, STR("GET /later HTTP/1.1\r\n" HOST "\r\n"));
    shutdown(fd, SHUT_WR);
    buf_clear(&reply);
    test_read_to_end(fd, &reply);
    close(fd);
    assert_status(200);
    assert_holds("\r\n\r\nlater");
}

static void a_lost_connection_is_told_and_its_exchange_is_freed_by_the_answer(void **state) {
    (void)state;
    int fd = test_connect(&server);
    test_send(fd, STR("GET /hold HTTP/1.1\r\n" HOST "\r\nGET /later HTTP/1.1\r\n" HOST "\r\n"));
    uv_sem_wait(&server.held);
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
    uv_sem_wait(&server.lost);
    converse(STR("GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    assert_status(200);
}

/* ---- times --------------------------------------------------------------------------------------------------- */

static void a_slow_header_block_is_408(void **state) {
    (void)state;
    int fd = test_connect(&server);
    struct str bytes = STR("GET /hello HTTP/1.1\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    for (uint32_t i = 0; i < bytes.len && test_send(fd, str_of(bytes.data + i, 1)); i++) {
        usleep(10000); /* the attack itself: one byte now and then */
    }
    buf_clear(&reply);
    test_read_to_end(fd, &reply);
    close(fd);
    assert_status(408);
}

static void a_slow_body_is_408(void **state) {
    (void)state;
    converse(STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nab"));
    assert_status(408);
    assert_holds("request_timeout");
}

static void an_idle_connection_is_closed_without_a_word(void **state) {
    (void)state;
    converse((struct str){0});
    assert_int_equal(reply.len, 0);
    int fd = test_connect(&server);
    test_send(fd, STR(GET_AFTER));
    buf_clear(&reply);
    test_read_to_end(fd, &reply);
    close(fd);
    assert_holds("\r\n\r\nhello");
    assert_null(memmem(reply.data + 9, reply.len - 9, "HTTP/1.1 ", 9));
}

/* Some clients send one more CR LF after a body (RFC 9112, 2.2). */
static void an_empty_line_after_a_body_is_no_beginning_of_a_request(void **state) {
    (void)state;
    int fd = test_connect(&server);
    test_send(fd, STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello\r\n"));
    buf_clear(&reply);
    test_read_to_end(fd, &reply);
    close(fd);
    assert_holds("\r\n\r\nhello");
    assert_null(memmem(reply.data + 9, reply.len - 9, "HTTP/1.1 ", 9)); /* no 408 follows: it idled */
}

static void waiting_for_the_application_is_not_idling(void **state) {
    (void)state;
    int fd = test_connect(&server);
    test_send(fd, STR("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    struct timeval wait = {.tv_usec = 600 * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
    uv_sem_wait(&server.lost);
}

static void a_reader_that_does_not_read_is_cut_off(void **state) {
    (void)state;
    int fd = test_connect(&server);
    for (int i = 0; i < 4; i++) {
        test_send(fd, STR("GET /big HTTP/1.1\r\n" HOST "\r\n"));
    }
    test_send(fd, STR("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    usleep(1200 * 1000); /* the attack itself: not reading */
    buf_clear(&reply);
    buf_release(&reply);
    buf_init(&reply, 64 << 20);
    test_read_to_end(fd, &reply);
    close(fd);
    assert_true(reply.len < TEST_BIG_BYTES);
}

/* ---- closing ------------------------------------------------------------------------------------------------- */

static void a_closing_server_answers_what_it_has_and_then_closes(void **state) {
    (void)state;
    start(state);
    int idle = test_connect(&server), busy = test_connect(&server);
    buf_clear(&reply);
    test_send(idle, STR(GET_AFTER));
    test_read_until(idle, &reply, "hello", 1);
    test_send(busy, STR("GET /hello HTTP/1.1\r\n" HOST "\r\nGET /later HTTP/1.1\r\n" HOST "\r\n"));
    test_read_until(busy, &reply, "hello", 2);
    test_server_stop(&server);
    buf_clear(&reply);
    test_read_to_end(idle, &reply);
    assert_int_equal(reply.len, 0);
    test_read_to_end(busy, &reply);
    assert_holds("\r\nConnection: close\r\n");
    assert_holds("\r\n\r\nlater");
    close(idle);
    close(busy);
    buf_release(&reply);
}

static void a_closing_server_cuts_off_what_is_not_done_in_its_grace(void **state) {
    (void)state;
    start(state);
    server.grace_ms = 100;
    int fd = test_connect(&server);
    test_send(fd, STR("GET /hold HTTP/1.1\r\n" HOST "\r\n"));
    uv_sem_wait(&server.held);
    test_server_stop(&server);
    assert_int_equal(server.lost_count, 1);
    buf_clear(&reply);
    test_read_to_end(fd, &reply);
    assert_int_equal(reply.len, 0);
    close(fd);
    buf_release(&reply);
}

static void the_statistics_count_connections_requests_and_refusals(void **state) {
    (void)state;
    start(state);
    converse(STR("GET /hello HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
    converse(STR("GET hello HTTP/1.1\r\n\r\n"));
    test_server_stop(&server);
    assert_int_equal(server.stats.connections_total, 2);
    assert_int_equal(server.stats.requests_total, 2);
    assert_int_equal(server.stats.refused_total, 1);
    buf_release(&reply);
}

static void a_port_that_is_taken_by_another_kind_of_socket_is_an_error(void **state) {
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct http_server *opened = NULL;
    struct err_info info = {0};
    struct http_server_options options = {.host = "127.0.0.1",
                                          .port = ntohs(address.sin_port),
                                          .body_max_bytes = 1024,
                                          .connections_max = 1,
                                          .on_request = test_on_request};
    assert_int_equal(http_server_open(&loop, &options, &opened, &info), ERR_IO);
    assert_null(opened);
    assert_non_null(strstr(info.text, "cannot listen on 127.0.0.1"));
    options.host = "no such host";
    assert_int_equal(http_server_open(&loop, &options, &opened, &info), ERR_CONFIG);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    close(fd);
}

#define WITH(setup, test) cmocka_unit_test_setup_teardown(test, setup, stop)

static int run_all(void) {
    const struct CMUnitTest tests[] = {
        WITH(start, a_request_is_answered_and_the_connection_stays_open),
        WITH(start, http_1_0_closes_unless_it_is_asked_to_stay),
        WITH(start, connection_close_ends_the_connection_after_the_answer),
        WITH(start, bodies_come_by_length_and_chunked_and_in_any_pieces),
        WITH(start, head_tells_the_length_and_sends_no_body),
        WITH(start, expect_100_continue_is_answered_before_the_body),
        WITH(start, one_empty_line_before_the_request_is_skipped),
        WITH(start, field_values_lose_the_space_around_them_and_keep_the_rest),
        WITH(start, an_answers_field_cannot_begin_another_line),
        WITH(start, every_answer_says_that_it_is_no_page_and_nothing_but_what_it_says),
        WITH(start, a_page_has_the_policy_that_it_brings_and_no_other),
        WITH(start, pipelined_requests_are_answered_in_their_order),
        WITH(start, a_refusal_waits_for_the_answers_before_it),
        WITH(start, more_than_16_pipelined_requests_are_all_answered),
        WITH(start, no_more_than_16_requests_of_a_connection_are_unanswered),
        WITH(start, large_answers_wait_for_a_reader_and_arrive_whole),
        cmocka_unit_test(a_connection_that_stays_gives_its_large_answers_memory_back),
        WITH(start, a_client_that_ends_its_sending_side_gets_its_answers),
        WITH(start, a_lost_connection_is_told_and_its_exchange_is_freed_by_the_answer),
        WITH(start_impatient, a_slow_header_block_is_408),
        WITH(start_impatient, a_slow_body_is_408),
        WITH(start_impatient, an_idle_connection_is_closed_without_a_word),
        WITH(start_impatient, an_empty_line_after_a_body_is_no_beginning_of_a_request),
        WITH(start_impatient, waiting_for_the_application_is_not_idling),
        WITH(start_impatient, a_reader_that_does_not_read_is_cut_off),
        cmocka_unit_test(a_closing_server_answers_what_it_has_and_then_closes),
        cmocka_unit_test(a_closing_server_cuts_off_what_is_not_done_in_its_grace),
        cmocka_unit_test(the_statistics_count_connections_requests_and_refusals),
        cmocka_unit_test(a_port_that_is_taken_by_another_kind_of_socket_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void) {
    return test_run_both(run_all);
}
