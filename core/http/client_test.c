#include "core/http/client.h"

#include "core/http/test_server.h"

static uv_loop_t loop;
static struct http_client *client;

/* What the last answers were. */
struct seen {
    int count;
    int status;
    enum http_client_failure failure;
    char body[256];
    char location[256];
};

static void on_answer(void *context, const struct http_client_answer *answer) {
    struct seen *seen = context;
    seen->count++;
    seen->status = answer->status;
    seen->failure = answer->failure;
    snprintf(seen->body, sizeof seen->body, "%.*s", STR_ARGS(answer->body));
    snprintf(seen->location, sizeof seen->location, "%.*s", STR_ARGS(http_client_field(answer, "location")));
}

static void open_client_with(struct http_client_options options) {
    struct err_info info = {0};
    uv_loop_init(&loop);
    options.host = "127.0.0.1";
    options.body_max_bytes = 16 * 1024 * 1024;
    options.tls = test_over_tls ? test_client_tls : NULL;
    assert_int_equal(http_client_open(&loop, &options, &client, &info), ERR_NONE);
}

static void open_client(int port, int timeout_ms, size_t connections_max) {
    open_client_with(
        (struct http_client_options){.port = port, .connections_max = connections_max, .timeout_ms = timeout_ms});
}

static void close_client(void) {
    http_client_close(client, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void send_to(const char *method, const char *path, struct str body, struct seen *seen) {
    struct http_client_request request = {.method = method,
                                          .path = str_of_cstr(path),
                                          .content_type = body.len > 0 ? "text/plain" : NULL,
                                          .body = body,
                                          .on_answer = on_answer,
                                          .context = seen};
    assert_true(http_client_send(client, &request));
}

static void wait_for(const struct seen *seen, int count) {
    while (seen->count < count) {
        uv_run(&loop, UV_RUN_ONCE);
    }
}

static void requests_reuse_one_connection(void **state) {
    (void)state;
    struct test_server server;
    test_server_start(&server, (struct http_server_options){0});
    open_client(server.port, 5000, 4);
    struct seen seen = {0};
    for (int i = 1; i <= 5; i++) {
        send_to("POST", "/echo", STR("some body"), &seen);
        wait_for(&seen, i);
        assert_int_equal(seen.status, 200);
        assert_string_equal(seen.body, "some body");
    }
    send_to("HEAD", "/hello", (struct str){0}, &seen);
    wait_for(&seen, 6);
    assert_string_equal(seen.body, "");
    send_to("POST", "/inject", (struct str){0}, &seen);
    wait_for(&seen, 7);
    assert_int_equal(seen.status, 201);
    assert_non_null(strstr(seen.location, "/x"));
    send_to("GET", "/nowhere", (struct str){0}, &seen);
    wait_for(&seen, 8);
    assert_int_equal(seen.status, 404);
    close_client();
    test_server_stop(&server);
    assert_int_equal(server.stats.connections_total, 1);
    assert_int_equal(server.stats.requests_total, 8);
}

static void a_rotating_client_uses_all_its_connections_in_turn(void **state) {
    (void)state;
    struct test_server server;
    test_server_start(&server, (struct http_server_options){0});
    open_client_with(
        (struct http_client_options){.port = server.port, .connections_max = 4, .rotates = true, .timeout_ms = 5000});
    struct seen seen = {0};
    for (int i = 1; i <= 8; i++) {
        send_to("GET", "/hello", (struct str){0}, &seen);
        wait_for(&seen, i);
        assert_int_equal(seen.status, 200);
    }
    close_client();
    test_server_stop(&server);
    assert_int_equal(server.stats.connections_total, 4);
}

static void no_more_than_connections_max_are_under_way(void **state) {
    (void)state;
    struct test_server server;
    test_server_start(&server, (struct http_server_options){0});
    open_client(server.port, 5000, 3);
    struct seen seen = {0};
    for (int i = 0; i < 3; i++) {
        send_to("GET", "/later", (struct str){0}, &seen);
    }
    struct http_client_request request = {
        .method = "GET", .path = STR("/hello"), .on_answer = on_answer, .context = &seen};
    assert_false(http_client_send(client, &request));
    wait_for(&seen, 3);
    assert_true(http_client_send(client, &request));
    wait_for(&seen, 4);
    assert_string_equal(seen.body, "hello");
    close_client();
    test_server_stop(&server);
    assert_int_equal(server.stats.connections_total, 3);
}

static void a_large_answer_comes_whole(void **state) {
    (void)state;
    struct test_server server;
    test_server_start(&server, (struct http_server_options){0});
    open_client(server.port, 20000, 1);
    struct seen seen = {0};
    send_to("GET", "/big", (struct str){0}, &seen);
    wait_for(&seen, 1);
    assert_int_equal(seen.failure, HTTP_CLIENT_OK);
    assert_int_equal(strlen(seen.body), sizeof seen.body - 1);
    close_client();
    test_server_stop(&server);
}

static void an_answer_that_does_not_come_is_a_timeout(void **state) {
    (void)state;
    struct test_server server;
    test_server_start(&server, (struct http_server_options){0});
    open_client(server.port, 100, 1);
    struct seen seen = {0};
    send_to("GET", "/hold", (struct str){0}, &seen);
    wait_for(&seen, 1);
    assert_int_equal(seen.failure, HTTP_CLIENT_TIMEOUT);
    send_to("GET", "/hello", (struct str){0}, &seen);
    wait_for(&seen, 2);
    assert_int_equal(seen.status, 200);
    close_client();
    server.grace_ms = 0;
    test_server_stop(&server);
}

static void a_server_that_is_not_there_is_not_connected(void **state) {
    (void)state;
    struct test_server server;
    test_server_start(&server, (struct http_server_options){0});
    int port = server.port;
    test_server_stop(&server);
    open_client(port, 5000, 1);
    struct seen seen = {0};
    for (int i = 1; i <= 3; i++) {
        send_to("GET", "/hello", (struct str){0}, &seen);
        wait_for(&seen, i);
        assert_int_equal(seen.failure, HTTP_CLIENT_NOT_CONNECTED);
        assert_int_equal(seen.status, 0);
    }
    close_client();
}

static void a_large_request_goes_out_whole(void **state) {
    (void)state;
    enum { LARGE_BYTES = 8 * 1024 * 1024 };
    struct test_server server;
    test_server_start(&server, (struct http_server_options){.body_max_bytes = LARGE_BYTES});
    open_client(server.port, 20000, 1);
    char *large = calloc(1, LARGE_BYTES);
    memset(large, 'l', LARGE_BYTES);
    struct seen seen = {0};
    send_to("POST", "/echo", str_of(large, LARGE_BYTES), &seen);
    wait_for(&seen, 1);
    assert_int_equal(seen.status, 200);
    assert_int_equal(seen.body[sizeof seen.body - 2], 'l');
    free(large);
    close_client();
    test_server_stop(&server);
}

static void a_server_with_a_foreign_certificate_is_not_trusted(void **state) {
    (void)state;
    if (!test_over_tls) {
        skip();
    }
    struct test_authority other;
    test_authority_begin(&other);
    struct tls_context *kept = test_client_tls;
    test_client_tls = test_client_context(&other);
    struct test_server server;
    test_server_start(&server, (struct http_server_options){0});
    open_client(server.port, 5000, 1);
    struct seen seen = {0};
    for (int i = 1; i <= 2; i++) {
        send_to("GET", "/hello", (struct str){0}, &seen);
        wait_for(&seen, i);
        assert_int_equal(seen.failure, HTTP_CLIENT_NOT_TRUSTED);
    }
    close_client();
    test_server_stop(&server);
    assert_int_equal(server.stats.requests_total, 0);
    tls_context_close(test_client_tls);
    test_client_tls = kept;
    test_authority_end(&other);
}

/* A server of one connection that says `reply` to whatever comes, and ends the connection. */
struct one_reply {
    int listener;
    struct str reply;
    struct tls_context *tls; /* NULL: plain */
    bool announces_end;
};

static void reply_once(void *context) {
    struct one_reply *one = context;
    int fd = accept(one->listener, NULL, NULL);
    char bytes[4096];
    (void)!recv(fd, bytes, sizeof bytes, 0);
    test_send(fd, one->reply);
    close(fd);
}

/* The same over TLS, with or without announcing the end. */
static void reply_once_encrypted(void *context) {
    struct one_reply *one = context;
    int fd = accept(one->listener, NULL, NULL);
    struct tls *tls = tls_begin(one->tls, NULL);
    struct buf plain, wire;
    buf_init(&plain, 1 << 20);
    buf_init(&wire, 1 << 20);
    char bytes[4096];
    while (plain.len == 0) {
        ssize_t size = recv(fd, bytes, sizeof bytes, 0);
        if (size <= 0 || tls_received(tls, str_of(bytes, (size_t)size), &plain, &wire) != TLS_GOES_ON) {
            break;
        }
        test_send(fd, buf_text(&wire));
        buf_clear(&wire);
    }
    if (tls_is_open(tls)) {
        (void)!tls_send(tls, one->reply, &wire);
        if (one->announces_end) {
            tls_end(tls, &wire);
        }
        test_send(fd, buf_text(&wire));
    }
    close(fd);
    tls_free(tls);
    buf_release(&plain);
    buf_release(&wire);
}

static void assert_reply_of(struct one_reply one, enum http_client_failure failure, int status, const char *body) {
    struct str reply = one.reply;
    one.listener = socket(AF_INET, SOCK_STREAM, 0);
    one.tls = test_over_tls ? test_server_context(&test_authority, "server") : NULL;
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    assert_int_equal(bind(one.listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(one.listener, 1), 0);
    getsockname(one.listener, (struct sockaddr *)&address, &size);
    uv_thread_t thread;
    uv_thread_create(&thread, test_over_tls ? reply_once_encrypted : reply_once, &one);
    open_client(ntohs(address.sin_port), 5000, 1);
    struct seen seen = {0};
    send_to("GET", "/", (struct str){0}, &seen);
    wait_for(&seen, 1);
    uv_thread_join(&thread);
    close_client();
    close(one.listener);
    tls_context_close(one.tls);
    if (seen.failure != failure || seen.status != status || strcmp(seen.body, body) != 0) {
        fail_msg("after %.*s: %s, %d, %s", STR_ARGS(reply), http_client_failure_text(seen.failure), seen.status,
                 seen.body);
    }
}

static void assert_reply_gives(struct str reply, enum http_client_failure failure, int status, const char *body) {
    assert_reply_of((struct one_reply){.reply = reply, .announces_end = true}, failure, status, body);
}

/* Anybody on the way may have cut it. */
static void a_body_without_a_length_is_whole_by_an_announced_end_alone(void **state) {
    (void)state;
    struct one_reply one = {.reply = STR("HTTP/1.1 200 OK\r\n\r\npay 1"), .announces_end = false};
    if (test_over_tls) {
        assert_reply_of(one, HTTP_CLIENT_LOST, 0, "");
    } else {
        assert_reply_of(one, HTTP_CLIENT_OK, 200, "pay 1");
    }
}

static void answers_are_whole_or_failures(void **state) {
    (void)state;
    assert_reply_gives(STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), HTTP_CLIENT_OK, 200, "ok");
    assert_reply_gives(STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), HTTP_CLIENT_OK,
                       200, "ok");
    assert_reply_gives(STR("HTTP/1.1 200 OK\r\n\r\nuntil the end"), HTTP_CLIENT_OK, 200, "until the end");
    assert_reply_gives(STR("HTTP/1.1 204 No Content\r\n\r\n"), HTTP_CLIENT_OK, 204, "");
    assert_reply_gives(STR("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok"), HTTP_CLIENT_LOST, 0, "");
    assert_reply_gives(STR("HTTP/1.1 200 OK\r\nConte"), HTTP_CLIENT_LOST, 0, "");
    assert_reply_gives(STR(""), HTTP_CLIENT_LOST, 0, "");
    assert_reply_gives(STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more"), HTTP_CLIENT_MALFORMED, 0, "");
    assert_reply_gives(STR("SSH-2.0-OpenSSH\r\n"), HTTP_CLIENT_MALFORMED, 0, "");
}

static int run_all(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_reuse_one_connection),
        cmocka_unit_test(a_rotating_client_uses_all_its_connections_in_turn),
        cmocka_unit_test(no_more_than_connections_max_are_under_way),
        cmocka_unit_test(a_large_answer_comes_whole),
        cmocka_unit_test(an_answer_that_does_not_come_is_a_timeout),
        cmocka_unit_test(a_server_that_is_not_there_is_not_connected),
        cmocka_unit_test(answers_are_whole_or_failures),
        cmocka_unit_test(a_body_without_a_length_is_whole_by_an_announced_end_alone),
        cmocka_unit_test(a_large_request_goes_out_whole),
        cmocka_unit_test(a_server_with_a_foreign_certificate_is_not_trusted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void) {
    return test_run_both(run_all);
}
