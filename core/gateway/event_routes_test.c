/* event_routes_test.c: the event streams of a front on real connections; test_front.h says what stands behind them. */
#include "core/gateway/event_routes.h"
#include "core/gateway/test_front.h"

enum { STREAMS_MAX = 3 };

#define FOLLOW_ORDER "/v1/orders/" TEST_ORDER "/stream"
#define EVENT(version) "id: " #version "\ndata: {\"of\":\"" TEST_ORDER "\",\"v\":" #version "}\n\n"

static struct buf reply;

/* What it reads comes into an empty `reply`. */
static int listen_to(const char *path, const char *fields) {
    char line[1024];
    int fd = test_connect(&front.server);
    snprintf(line, sizeof line, "GET %s", path);
    test_ask_for(fd, line, fields);
    buf_clear(&reply);
    return fd;
}

static void assert_holds(const char *text) {
    test_assert_holds(&reply, text);
}

static int start(void **state) {
    (void)state;
    buf_init(&reply, TEST_REPLY_MAX);
    test_front_start(STREAMS_MAX, 100);
    return 0;
}

static int stop(void **state) {
    (void)state;
    test_front_stop();
    buf_release(&reply);
    return 0;
}

static void an_order_is_followed(void **state) {
    (void)state;
    int fd = listen_to(FOLLOW_ORDER, "");
    test_read_until(fd, &reply, EVENT(1), 1);
    assert_holds("HTTP/1.1 200 OK\r\n");
    assert_holds("\r\nContent-Type: text/event-stream\r\n");
    assert_holds("\r\nCache-Control: no-store\r\n");
    assert_holds("\r\nX-Accel-Buffering: no\r\n");
    assert_holds("retry: ");
    test_tell("/change?2");
    test_read_until(fd, &reply, EVENT(2), 1);
    test_tell("/change?5");
    test_read_until(fd, &reply, EVENT(5), 1);
    close(fd);
}

static void stock_is_followed_though_its_view_does_not_say_what_changed(void **state) {
    (void)state;
    int fd = listen_to("/v1/stock/tea/stream", "");
    test_read_until(fd, &reply, "id: 1\ndata: {\"of\":\"tea\",\"locations\":[],\"v\":1}\n\n", 1);
    test_tell("/change?2");
    test_read_until(fd, &reply, "id: 2\ndata: {\"of\":\"tea\",\"locations\":[],\"v\":2}\n\n", 1);
    close(fd);
}

static void who_comes_again_is_told_what_is_new(void **state) {
    (void)state;
    int fd = listen_to(FOLLOW_ORDER, "Last-Event-ID: 1\r\n");
    test_read_until(fd, &reply, "retry: ", 1);
    test_tell("/change?3");
    test_read_until(fd, &reply, EVENT(3), 1);
    assert_false(test_holds(&reply, "id: 1"));
    close(fd);
    fd = listen_to(FOLLOW_ORDER, "Last-Event-ID: 2\r\n");
    test_read_until(fd, &reply, EVENT(3), 1);
    close(fd);
}

/* Each with the status and the code that the path without /stream would have. */
static void what_cannot_be_followed_is_a_problem(void **state) {
    (void)state;
    static const struct {
        const char *request_line, *fields, *status, *code;
    } rows[] = {
        {"GET /v1/orders/" TEST_OTHER_ORDER "/stream", "", "404", "unknown_order"},
        {"GET /v1/orders/12/stream", "", "404", "malformed_id"},
        {"GET /v1/orders/cart_01ARZ3NDEKTSV4RRFFQ69G5FAV/stream", "", "422", "wrong_id_kind"},
        {"GET " FOLLOW_ORDER "?since=1", "", "400", "unknown_parameter"},
        {"GET " FOLLOW_ORDER, "Last-Event-ID: 1a\r\n", "400", "invalid_last_event_id"},
        {"GET " FOLLOW_ORDER, "Daybook-Position: made-up\r\n", "400", "invalid_position"},
        {"GET " FOLLOW_ORDER "?position=made-up", "", "400", "invalid_position"},
        {"POST " FOLLOW_ORDER, "", "405", "method_not_allowed"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char status[32], code[64];
        snprintf(status, sizeof status, "HTTP/1.1 %s ", rows[i].status);
        snprintf(code, sizeof code, "\"code\":\"%s\"", rows[i].code);
        test_converse(rows[i].request_line, rows[i].fields, &reply);
        assert_holds(status);
        assert_holds(code);
    }
}

static void without_a_database_it_is_refused_and_an_open_one_goes_on_later(void **state) {
    (void)state;
    int fd = listen_to(FOLLOW_ORDER, "");
    test_read_until(fd, &reply, EVENT(1), 1);
    test_tell("/wrong?1");
    test_tell("/change?2"); /* which cannot be read now: the sweep makes it good */
    test_read_until(fd, &reply, EVENT(2), 1);
    close(fd);
    test_tell("/wrong?1000");
    test_converse("GET " FOLLOW_ORDER, "", &reply);
    assert_holds("HTTP/1.1 503 ");
    assert_holds("\r\nRetry-After: 1\r\n");
    assert_holds("\"code\":\"database_unavailable\"");
}

/* The position names a version that the view has not seen yet. */
static void it_begins_when_the_view_has_seen_what_the_client_wrote(void **state) {
    (void)state;
    struct arena arena;
    struct buf position, text;
    arena_init(&arena, 64 * 1024);
    buf_init(&position, 64);
    buf_init(&text, 4096);
    position_write(&position, stream_hash(STR(TEST_ORDER), TOPIC_ORDERS), 2);
    struct str header = position_header_write(&arena, &(struct secret){{7}}, buf_text(&position));
    buf_printf(&text, "Daybook-Position: %.*s\r\n%c", STR_ARGS(header), 0);
    int by_header = listen_to(FOLLOW_ORDER, text.data);
    buf_clear(&text);
    buf_printf(&text, FOLLOW_ORDER "?position=%.*s%c", STR_ARGS(header), 0);
    int by_parameter = listen_to(text.data, "");
    test_tell("/change?2");
    test_read_until(by_header, &reply, EVENT(2), 1);
    test_read_until(by_parameter, &reply, EVENT(2), 2);
    assert_false(test_holds(&reply, "id: 1"));
    close(by_header);
    close(by_parameter);
    buf_release(&position);
    buf_release(&text);
    arena_release(&arena);
}

static void past_the_bound_it_is_refused_until_one_leaves(void **state) {
    (void)state;
    int fds[STREAMS_MAX];
    for (int i = 0; i < STREAMS_MAX; i++) {
        fds[i] = listen_to(FOLLOW_ORDER, "");
        test_read_until(fds[i], &reply, EVENT(1), 1);
    }
    test_converse("GET " FOLLOW_ORDER, "", &reply);
    assert_holds("HTTP/1.1 503 ");
    assert_holds("\r\nRetry-After: 1\r\n");
    assert_holds("\"code\":\"overloaded\"");
    close(fds[0]);
    for (int tries = 0; tries < 1000 && test_holds(&reply, "\"overloaded\""); tries++) {
        test_converse("GET /v1/orders/" TEST_OTHER_ORDER "/stream", "", &reply);
    }
    assert_holds("\"code\":\"unknown_order\""); /* there is a place again */
    for (int i = 1; i < STREAMS_MAX; i++) {
        close(fds[i]);
    }
}

/* Where access is closed, and nobody is known. */
static void what_is_not_on_sale_has_no_stock_to_follow(void **state) {
    (void)state;
    front.gateway.is_open = false;
    front.owner = "vendor:Leaf";
    test_converse("GET /v1/stock/tea/stream", "", &reply);
    assert_holds("HTTP/1.1 404 Not Found\r\n");
    assert_holds("\"code\":\"unknown_sku\"");
    front.owner = "";
    int fd = listen_to("/v1/stock/tea/stream", "");
    test_read_until(fd, &reply, "id: 1\ndata: {\"of\":\"tea\",\"v\":1}\n\n", 1);
    front.owner = "vendor:Leaf"; /* it is not on sale any more */
    test_tell("/change?2");
    test_read_to_end(fd, &reply);
    assert_holds(": this is not whose it was, come again\n");
    assert_false(test_holds(&reply, "id: 2"));
    close(fd);
}

static void a_client_that_leaves_before_its_stream_is_open_is_forgotten(void **state) {
    (void)state;
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    test_tell("/hold?1");
    for (int i = 0; i < STREAMS_MAX; i++) {
        int fd = listen_to(FOLLOW_ORDER, "");
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        do {
            test_converse("GET /readers", "", &reply);
        } while (!test_holds(&reply, "1 readers"));
        close(fd);
        do {
            test_converse("GET /readers", "", &reply);
        } while (!test_holds(&reply, "0 readers"));
    }
    test_tell("/hold?0");
    int fd = listen_to(FOLLOW_ORDER, "");
    test_read_until(fd, &reply, EVENT(1), 1);
    close(fd);
}

static void head_opens_nothing(void **state) {
    (void)state;
    for (int i = 0; i < 2 * STREAMS_MAX; i++) {
        test_converse("HEAD " FOLLOW_ORDER, "", &reply);
        assert_holds("HTTP/1.1 200 OK\r\n");
        assert_holds("\r\nContent-Type: text/event-stream\r\n");
        assert_false(test_holds(&reply, "retry"));
    }
}

static void a_front_that_stops_ends_its_streams_with_a_word(void **state) {
    (void)state;
    int fd = listen_to(FOLLOW_ORDER, "");
    test_read_until(fd, &reply, EVENT(1), 1);
    test_front_stop();
    test_read_to_end(fd, &reply);
    assert_holds("\n: this front stops, come again\n\n\r\n0\r\n\r\n");
    close(fd);
    buf_release(&reply);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(an_order_is_followed),
        TEST(stock_is_followed_though_its_view_does_not_say_what_changed),
        TEST(who_comes_again_is_told_what_is_new),
        TEST(what_cannot_be_followed_is_a_problem),
        TEST(without_a_database_it_is_refused_and_an_open_one_goes_on_later),
        TEST(it_begins_when_the_view_has_seen_what_the_client_wrote),
        TEST(past_the_bound_it_is_refused_until_one_leaves),
        TEST(what_is_not_on_sale_has_no_stock_to_follow),
        TEST(a_client_that_leaves_before_its_stream_is_open_is_forgotten),
        TEST(head_opens_nothing),
        cmocka_unit_test_setup(a_front_that_stops_ends_its_streams_with_a_word, start),
    };
    return cmocka_run_group_tests_name("event_routes", tests, NULL, NULL);
}
