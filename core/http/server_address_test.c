/* server_address_test.c: how many connections one address may have, and whom that leaves alone. */
#include "core/http/test_server.h"

#define HOST "Host: a\r\n"
#define GET(path) STR("GET " path " HTTP/1.1\r\n" HOST "\r\n")

enum { PER_ADDRESS = 3 };

static struct test_server server;
static struct buf reply;

static bool is_proxy(void *context, const uint8_t address[ADDRESS_BYTES]) {
    (void)context;
    return address[ADDRESS_BYTES - 1] == 100; /* 127.0.0.100 */
}

static void start_with(size_t connections_max) {
    buf_init(&reply, TEST_REPLY_MAX);
    test_server_start(&server, (struct http_server_options){.connections_max = connections_max,
                                                            .connections_per_address = PER_ADDRESS,
                                                            .is_exempt = is_proxy});
}

static int start(void **state) {
    (void)state;
    start_with(8);
    return 0;
}

static int stop(void **state) {
    (void)state;
    test_server_stop(&server);
    buf_release(&reply);
    return 0;
}

/* A connection that has been answered, and idles. */
static int idle_from(const char *source) {
    int fd = test_connect_from(&server, source);
    buf_clear(&reply);
    test_send(fd, GET("/hello"));
    test_read_until(fd, &reply, "hello", 1);
    return fd;
}

/* Whether it is still served. */
static bool is_served(int fd) {
    buf_clear(&reply);
    if (!test_send(fd, GET("/hello"))) {
        return false;
    }
    char *at = buf_reserve(&reply, 4096);
    ssize_t size = recv(fd, at, 4096, 0);
    return size > 0;
}

static void who_opens_many_takes_the_places_of_his_own_ones(void **state) {
    (void)state;
    int others[2] = {idle_from("127.0.0.1"), idle_from("127.0.0.2")}, hog[50];
    for (size_t i = 0; i < ARRAY_LENGTH(hog); i++) {
        hog[i] = idle_from("127.0.0.9");
    }
    assert_true(is_served(others[0]));
    assert_true(is_served(others[1]));
    for (size_t i = 0; i < ARRAY_LENGTH(hog); i++) { /* of his own the newest are left */
        assert_int_equal(is_served(hog[i]), i >= ARRAY_LENGTH(hog) - PER_ADDRESS);
        close(hog[i]);
    }
    close(others[0]);
    close(others[1]);
}

/* The server's thread waits in there until it is let go: what comes meanwhile is accepted in one turn. */
static uv_sem_t let_go;

static void wait_in_the_turn(void *context, struct http_exchange *exchange) {
    if (str_equal(exchange->path, STR("/wait"))) {
        uv_sem_post(&server.held);
        uv_sem_wait(&let_go);
        http_answer(exchange, 204, NULL, (struct str){0});
        return;
    }
    test_on_request(context, exchange);
}

static void also_within_one_turn(void **state) {
    uv_sem_init(&let_go, 0);
    buf_init(&reply, TEST_REPLY_MAX);
    test_server_start(&server, (struct http_server_options){.connections_max = 8,
                                                            .connections_per_address = PER_ADDRESS,
                                                            .on_request = wait_in_the_turn,
                                                            .context = &server});
    int other = test_connect_from(&server, "127.0.0.2"), hog[50];
    test_send(other, GET("/wait"));
    uv_sem_wait(&server.held);
    for (size_t i = 0; i < ARRAY_LENGTH(hog); i++) {
        hog[i] = test_connect_from(&server, "127.0.0.9");
    }
    uv_sem_post(&let_go);
    test_read_until(other, &reply, "HTTP/1.1 204", 1);
    for (size_t i = 0; i < ARRAY_LENGTH(hog); i++) {
        assert_int_equal(is_served(hog[i]), i >= ARRAY_LENGTH(hog) - PER_ADDRESS);
        close(hog[i]);
    }
    assert_true(is_served(other));
    close(other);
    uv_sem_destroy(&let_go);
    stop(state);
}

static void what_has_begun_goes_after_what_idles(void **state) {
    (void)state;
    int begun = test_connect_from(&server, "127.0.0.9");
    test_send(begun, STR("GET /hello HTTP/1.1\r\nHost:"));
    int idle[2] = {idle_from("127.0.0.9"), idle_from("127.0.0.9")};
    int newest = idle_from("127.0.0.9");
    assert_false(is_served(idle[0]));
    assert_true(is_served(idle[1]));
    buf_clear(&reply);
    test_send(begun, STR(" a\r\n\r\n"));
    test_read_until(begun, &reply, "hello", 1);
    close(begun);
    close(idle[0]);
    close(idle[1]);
    close(newest);
}

static void when_all_of_an_address_are_owed_an_answer_it_is_told_429(void **state) {
    (void)state;
    int hog[PER_ADDRESS];
    for (int i = 0; i < PER_ADDRESS; i++) {
        hog[i] = test_connect_from(&server, "127.0.0.9");
        test_send(hog[i], GET("/hold"));
        uv_sem_wait(&server.held);
    }
    int refused = test_connect_from(&server, "127.0.0.9");
    buf_clear(&reply);
    test_read_to_end(refused, &reply);
    test_assert_holds(&reply, "HTTP/1.1 429 Too Many Requests\r\n");
    test_assert_holds(&reply, "\"code\":\"too_many_connections\"");
    test_assert_holds(&reply, "\r\nRetry-After: 1\r\n");
    test_assert_holds(&reply, "\r\nConnection: close\r\n");
    int other = idle_from("127.0.0.2");
    assert_true(is_served(other));
    struct linger reset = {.l_onoff = 1, .l_linger = 0}; /* one that only ended its sending side is owed still */
    setsockopt(hog[0], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(hog[0]); /* its place is free then */
    uv_sem_wait(&server.lost);
    int next = idle_from("127.0.0.9");
    server.grace_ms = 0;
    close(hog[1]);
    close(hog[2]);
    close(refused);
    close(other);
    close(next);
}

static void a_proxy_may_have_as_many_as_there_are(void **state) {
    (void)state;
    int proxy[7];
    for (size_t i = 0; i < ARRAY_LENGTH(proxy); i++) {
        proxy[i] = idle_from("127.0.0.100");
    }
    for (size_t i = 0; i < ARRAY_LENGTH(proxy); i++) {
        assert_true(is_served(proxy[i]));
        close(proxy[i]);
    }
}

static void who_leaves_leaves_his_place(void **state) {
    (void)state;
    for (int i = 0; i < 40; i++) {
        int fd = test_connect_from(&server, "127.0.0.9");
        test_send(fd, STR("GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"));
        buf_clear(&reply);
        test_read_to_end(fd, &reply);
        test_assert_holds(&reply, "HTTP/1.1 200 OK\r\n");
        close(fd);
    }
    test_server_stop(&server);
    assert_int_equal(server.stats.crowded_total, 0);
    buf_release(&reply);
}

static void answer_with_peer(void *context, struct http_exchange *exchange) {
    (void)context;
    char text[ADDRESS_TEXT_MAX];
    address_write(exchange->peer, text);
    http_answer(exchange, 200, "text/plain", str_of_cstr(text));
}

static void a_request_has_its_peer(void **state) {
    (void)state;
    buf_init(&reply, TEST_REPLY_MAX);
    test_server_start(&server, (struct http_server_options){.on_request = answer_with_peer});
    int fd = test_connect_from(&server, "127.0.0.77");
    for (int i = 1; i <= 2; i++) { /* of a pool's used exchange, too */
        test_send(fd, GET("/"));
        test_read_until(fd, &reply, "\r\n\r\n127.0.0.77", i);
    }
    close(fd);
    stop(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_opens_many_takes_the_places_of_his_own_ones, start, stop),
        cmocka_unit_test(also_within_one_turn),
        cmocka_unit_test_setup_teardown(what_has_begun_goes_after_what_idles, start, stop),
        cmocka_unit_test_setup_teardown(when_all_of_an_address_are_owed_an_answer_it_is_told_429, start, stop),
        cmocka_unit_test_setup_teardown(a_proxy_may_have_as_many_as_there_are, start, stop),
        cmocka_unit_test_setup(who_leaves_leaves_his_place, start),
        cmocka_unit_test(a_request_has_its_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
