/* stream_test.c: answers that stay open, on a real server.
 *
 * The application's further paths:
 *   /events        stays open; its first part is "first". ?N: parts of N bytes are sent as there is room
 *   /say?TEXT      sends TEXT to all that are open
 *   /flood         sends them more than may wait, whether they have room or not
 *   /end  /cut     ends or cuts them
 */
#include "core/http/stream.h"
#include "core/http/test_server.h"

#include <assert.h>

#include "core/base/text.h"

enum { STREAMS_MAX = 64, PART_MAX_BYTES = 1024 * 1024, FLOOD_PART_BYTES = 64 * 1024 };

struct listener {
    struct http_stream stream;
    int64_t part_bytes; /* sent whenever there is room; 0: nothing */
    bool is_open;
};

static struct test_server server;
static struct buf reply;
static struct listener listeners[STREAMS_MAX];
static size_t listener_count;
/* Told to the test's thread, which looks at them when it has heard of a loss or the server's end. */
static size_t sent_bytes, room_count, lost_count;
static uv_sem_t stream_lost;

static const char zeros[PART_MAX_BYTES];

static void send_part(struct listener *listener) {
    sent_bytes += (size_t)listener->part_bytes;
    http_stream_send(&listener->stream, str_of(zeros, (size_t)listener->part_bytes));
}

static void on_room(struct http_stream *stream) {
    struct listener *listener = CONTAINER_OF(stream, struct listener, stream);
    room_count++;
    assert(http_stream_has_room(stream));
    if (listener->part_bytes > 0) {
        send_part(listener);
        assert(!http_stream_has_room(stream));
    }
}

static void on_stream_lost(struct http_stream *stream) {
    struct listener *listener = CONTAINER_OF(stream, struct listener, stream);
    listener->is_open = false;
    lost_count++;
    uv_sem_post(&stream_lost);
}

static void open_listener(struct http_exchange *exchange) {
    struct listener *listener = &listeners[listener_count++];
    *listener = (struct listener){.stream = {.on_room = on_room, .on_lost = on_stream_lost}};
    (void)!int64_read(exchange->query, &listener->part_bytes);
    http_answer_field(exchange, "Cache-Control", STR("no-store"));
    listener->is_open = http_stream_begin(exchange, 200, "text/event-stream", &listener->stream);
    if (listener->is_open) {
        http_stream_send(&listener->stream, STR("first"));
    }
}

static void flood(struct listener *listener) {
    for (size_t sent = 0; sent <= STREAM_UNSENT_MAX_BYTES + FLOOD_PART_BYTES; sent += FLOOD_PART_BYTES) {
        http_stream_send(&listener->stream, str_of(zeros, FLOOD_PART_BYTES));
    }
}

static void to_all(struct http_exchange *exchange) {
    for (size_t i = 0; i < listener_count; i++) {
        struct listener *listener = &listeners[i];
        if (!listener->is_open) {
            continue;
        }
        if (str_equal(exchange->path, STR("/say"))) {
            http_stream_send(&listener->stream, exchange->query);
        } else if (str_equal(exchange->path, STR("/flood"))) {
            flood(listener);
        } else {
            listener->is_open = false;
            (str_equal(exchange->path, STR("/end")) ? http_stream_end : http_stream_cut)(&listener->stream);
        }
    }
    http_answer(exchange, 200, "text/plain", STR("hello"));
}

static void on_request(void *context, struct http_exchange *exchange) {
    static const char *const to_all_paths[] = {"/say", "/flood", "/end", "/cut"};
    if (str_equal(exchange->path, STR("/events"))) {
        open_listener(exchange);
        return;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(to_all_paths); i++) {
        if (str_equal(exchange->path, str_of_cstr(to_all_paths[i]))) {
            to_all(exchange);
            return;
        }
    }
    test_on_request(context, exchange);
}

static void start_with(struct http_server_options options) {
    buf_init(&reply, TEST_REPLY_MAX);
    listener_count = sent_bytes = room_count = lost_count = 0;
    uv_sem_init(&stream_lost, 0);
    options.on_request = on_request;
    options.context = &server;
    test_server_start(&server, options);
}

static int start(void **state) {
    (void)state;
    start_with((struct http_server_options){0});
    return 0;
}

static int start_impatient(void **state) {
    (void)state;
    start_with((struct http_server_options){
        .times = {.head_ms = 2000, .idle_ms = test_over_tls ? 400 : 100, .write_ms = 200, .linger_ms = 100}});
    return 0;
}

static int start_small(void **state) {
    (void)state;
    start_with((struct http_server_options){.connections_max = 3, .bodies_max_bytes = 50000});
    return 0;
}

static int stop(void **state) {
    (void)state;
    server.grace_ms = 0;
    test_server_stop(&server);
    uv_sem_destroy(&stream_lost);
    buf_release(&reply);
    return 0;
}

#define HOST "Host: a\r\n"
#define GET(path) STR("GET " path " HTTP/1.1\r\n" HOST "\r\n")

/* A connection whose answer has begun; what it has read is in `reply`. */
static int listen_to(struct str request) {
    int fd = test_connect(&server);
    test_send(fd, request);
    buf_clear(&reply);
    test_read_until(fd, &reply, "first", 1);
    return fd;
}

/* One request on a connection of its own. */
static void ask(const char *path) {
    struct buf text;
    int fd = test_connect(&server);
    buf_init(&text, 1 << 20);
    buf_printf(&text, "GET %s HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", path);
    test_send(fd, buf_text(&text));
    buf_clear(&text);
    test_read_to_end(fd, &text);
    assert_true(test_holds(&text, "\r\n\r\nhello"));
    buf_release(&text);
    close(fd);
}

static void assert_holds(const char *text) {
    test_assert_holds(&reply, text);
}

static void assert_ends_with(const char *text) {
    size_t len = strlen(text);
    assert_true(reply.len >= len);
    assert_memory_equal(reply.data + reply.len - len, text, len);
}

static void reset(int fd) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

/* ---- its form ------------------------------------------------------------------------------------------------ */

static void an_answer_that_stays_open_comes_in_chunks_and_ends_with_an_empty_one(void **state) {
    (void)state;
    int fd = listen_to(GET("/events"));
    assert_holds("HTTP/1.1 200 OK\r\n");
    assert_holds("\r\nContent-Type: text/event-stream\r\n");
    assert_holds("\r\nTransfer-Encoding: chunked\r\n");
    assert_holds("\r\nCache-Control: no-store\r\n");
    assert_holds("\r\nConnection: close\r\n");
    assert_false(test_holds(&reply, "Content-Length"));
    ask("/say?second%20is%20longer");
    test_read_until(fd, &reply, "longer\r\n", 1);
    assert_ends_with("\r\n\r\n5\r\nfirst\r\n14\r\nsecond%20is%20longer\r\n");
    ask("/end");
    test_read_to_end(fd, &reply);
    assert_ends_with("longer\r\n0\r\n\r\n");
    close(fd);
    assert_int_equal(lost_count, 0);
}

static void a_client_of_http_1_0_gets_it_plain_until_the_connection_ends(void **state) {
    (void)state;
    int fd = listen_to(STR("GET /events HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    ask("/say?second");
    ask("/end");
    test_read_to_end(fd, &reply);
    assert_false(test_holds(&reply, "Transfer-Encoding"));
    assert_holds("\r\nConnection: close\r\n");
    assert_ends_with("\r\n\r\nfirstsecond");
    close(fd);
}

static void head_is_answered_and_nothing_stays_open(void **state) {
    (void)state;
    int fd = test_connect(&server);
    test_send(fd, STR("HEAD /events HTTP/1.1\r\n" HOST "\r\n"));
    buf_clear(&reply);
    test_read_to_end(fd, &reply);
    close(fd);
    assert_holds("HTTP/1.1 200 OK\r\n");
    assert_holds("\r\nTransfer-Encoding: chunked\r\n");
    assert_ends_with("\r\n\r\n");
}

static void one_that_is_cut_is_seen_not_to_be_whole(void **state) {
    (void)state;
    int fd = listen_to(GET("/events"));
    ask("/cut");
    test_read_to_end(fd, &reply);
    assert_ends_with("first\r\n");
    close(fd);
    assert_int_equal(lost_count, 0);
}

/* ---- the order of answers ------------------------------------------------------------------------------------ */

static void it_waits_for_the_answers_before_it_and_what_is_asked_behind_it_is_lost(void **state) {
    (void)state;
    int fd = listen_to(STR("GET /later HTTP/1.1\r\n" HOST "\r\nGET /events HTTP/1.1\r\n" HOST
                           "\r\nGET /hold HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n"));
    uv_sem_wait(&server.lost);
    ask("/end");
    test_read_to_end(fd, &reply);
    assert_holds("\r\n\r\nlaterHTTP/1.1 200 OK\r\n");
    assert_false(test_holds(&reply, "hello"));
    assert_ends_with("\r\n\r\n5\r\nfirst\r\n0\r\n\r\n");
    close(fd);
}

static void one_that_waits_for_its_turn_behind_another_is_lost(void **state) {
    (void)state;
    int fd = listen_to(STR("GET /later HTTP/1.1\r\n" HOST "\r\nGET /events HTTP/1.1\r\n" HOST
                           "\r\nGET /events HTTP/1.1\r\n" HOST "\r\n"));
    uv_sem_wait(&stream_lost);
    ask("/end");
    test_read_to_end(fd, &reply);
    assert_ends_with("\r\n\r\n5\r\nfirst\r\n0\r\n\r\n");
    close(fd);
    assert_int_equal(lost_count, 1);
}

static void an_upload_that_began_behind_it_takes_no_room(void **state) {
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_printf(&text,
               "GET /later HTTP/1.1\r\n" HOST "\r\nGET /events HTTP/1.1\r\n" HOST "\r\n"
               "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 50000\r\n\r\n%049999d",
               0);
    int fd = listen_to(buf_text(&text));
    buf_clear(&text);
    buf_printf(&text, "POST /echo HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Length: 40000\r\n\r\n%040000d", 0);
    int other = test_connect(&server);
    test_send(other, buf_text(&text));
    buf_clear(&reply);
    test_read_to_end(other, &reply);
    assert_holds("HTTP/1.1 200 ");
    close(other);
    close(fd);
    buf_release(&text);
}

static void one_may_end_before_its_turn_comes(void **state) {
    (void)state;
    int fd = test_connect(&server);
    test_send(fd, STR("GET /hold HTTP/1.1\r\n" HOST "\r\nGET /events HTTP/1.1\r\n" HOST "\r\n"));
    uv_sem_wait(&server.held);
    ask("/end");
    reset(fd);
    uv_sem_wait(&server.lost);
    assert_int_equal(lost_count, 0);
}

/* ---- who reads, and who does not ----------------------------------------------------------------------------- */

static void it_is_told_of_room_each_time_that_all_was_taken(void **state) {
    (void)state;
    int fd = listen_to(GET("/events?1000000"));
    while (reply.len < (size_t)3 * 1000000) { /* far more than the socket takes at once */
        char *at = buf_reserve(&reply, 64 * 1024);
        ssize_t size = recv(fd, at, 64 * 1024, 0);
        assert_true(size > 0);
        reply.len += (size_t)size;
    }
    reset(fd);
    uv_sem_wait(&stream_lost);
    assert_true(room_count >= 3);
}

static void idling_ends_no_stream(void **state) {
    (void)state;
    int fd = listen_to(GET("/events"));
    usleep(600 * 1000); /* six times what an idle connection has, three times what a reader has */
    ask("/say?second");
    test_read_until(fd, &reply, "second", 1);
    close(fd);
}

static void who_stops_reading_is_cut_off_and_has_cost_little(void **state) {
    (void)state;
    int small = 4096;
    int fd = test_connect(&server);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    test_send(fd, GET("/events?8192"));
    uv_sem_wait(&stream_lost);
    assert_true(sent_bytes < (size_t)256 * 1024);
    close(fd);
}

static void what_is_sent_without_room_is_bounded(void **state) {
    (void)state;
    int fd = listen_to(GET("/events"));
    ask("/flood");
    test_read_to_end(fd, &reply); /* though he reads */
    uv_sem_wait(&stream_lost);
    close(fd);
}

static void a_client_that_went_away_is_noticed(void **state) {
    (void)state;
    int fd = listen_to(GET("/events"));
    close(fd);
    uv_sem_wait(&stream_lost);
    fd = listen_to(GET("/events"));
    shutdown(fd, SHUT_WR);
    uv_sem_wait(&stream_lost);
    test_read_to_end(fd, &reply);
    close(fd);
}

/* ---- places -------------------------------------------------------------------------------------------------- */

static void a_new_connection_takes_no_streams_place(void **state) {
    (void)state;
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = listen_to(GET("/events"));
    }
    int fd = test_connect(&server);
    test_send(fd, GET("/hello"));
    buf_clear(&reply);
    test_read_to_end(fd, &reply);
    assert_holds("HTTP/1.1 503 ");
    close(fd);
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
    }
}

static void a_closing_server_waits_for_its_streams_until_the_grace_is_over(void **state) {
    start(state);
    int fd = listen_to(GET("/events"));
    server.grace_ms = 100;
    test_server_stop(&server);
    assert_int_equal(lost_count, 1);
    test_read_to_end(fd, &reply);
    close(fd);
    uv_sem_destroy(&stream_lost);
    buf_release(&reply);
}

#define WITH(setup, test) cmocka_unit_test_setup_teardown(test, setup, stop)

static int run_all(void) {
    const struct CMUnitTest tests[] = {
        WITH(start, an_answer_that_stays_open_comes_in_chunks_and_ends_with_an_empty_one),
        WITH(start, a_client_of_http_1_0_gets_it_plain_until_the_connection_ends),
        WITH(start, head_is_answered_and_nothing_stays_open),
        WITH(start, one_that_is_cut_is_seen_not_to_be_whole),
        WITH(start, it_waits_for_the_answers_before_it_and_what_is_asked_behind_it_is_lost),
        WITH(start, one_that_waits_for_its_turn_behind_another_is_lost),
        WITH(start_small, an_upload_that_began_behind_it_takes_no_room),
        WITH(start, one_may_end_before_its_turn_comes),
        WITH(start, it_is_told_of_room_each_time_that_all_was_taken),
        WITH(start_impatient, idling_ends_no_stream),
        WITH(start_impatient, who_stops_reading_is_cut_off_and_has_cost_little),
        WITH(start, what_is_sent_without_room_is_bounded),
        WITH(start, a_client_that_went_away_is_noticed),
        WITH(start_small, a_new_connection_takes_no_streams_place),
        cmocka_unit_test(a_closing_server_waits_for_its_streams_until_the_grace_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void) {
    return test_run_both(run_all);
}
