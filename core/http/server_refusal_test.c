/* server_refusal_test.c: requests that another hop might read differently, and requests that are too much: each is
 * answered with its status, and the connection ends.
 */
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

static int stop(void **state) {
    (void)state;
    test_server_stop(&server);
    buf_release(&reply);
    return 0;
}

/* ---- what must be refused ------------------------------------------------------------------------------------ */

#define HOST "Host: a\r\n"
#define GET_AFTER "GET /hello HTTP/1.1\r\n" HOST "\r\n"

struct refused {
    const char *what;
    struct str bytes;
    int status;
};

/* Each is followed by nothing: the answer must come at once and the connection end. */
static const struct refused REFUSED[] = {
    {"Content-Length and Transfer-Encoding",
     STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" GET_AFTER),
     400},
    {"Transfer-Encoding and Content-Length",
     STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" GET_AFTER),
     400},
    {"two different Content-Lengths",
     STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"), 400},
    {"the same Content-Length twice",
     STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"), 400},
    {"a list of Content-Lengths", STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\nhello"), 400},
    {"Content-Length with a sign", STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nhello"), 400},
    {"a negative Content-Length", STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\nhello"), 400},
    {"a hexadecimal Content-Length", STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\nhello"), 400},
    {"an empty Content-Length", STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\nhello"), 400},
    {"a Content-Length with a space in it", STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1 1\r\n\r\nhello"),
     400},
    {"a Content-Length beyond uint64",
     STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551621\r\n\r\nhello"), 400},
    {"a space before the colon", STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length : 5\r\n\r\nhello"), 400},
    {"a tab before the colon", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
     400},
    {"another transfer coding", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n"), 400},
    {"chunked and another coding", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n"), 400},
    {"chunked twice", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n"), 400},
    {"two Transfer-Encodings",
     STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n"), 400},
    {"xchunked", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), 400},
    {"quoted chunked", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"), 400},
    {"chunked behind a vertical tab", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: \vchunked\r\n\r\n"), 400},
    {"chunked in HTTP/1.0", STR("POST /echo HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400},
    {"an empty Transfer-Encoding", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n"), 400},
    {"LF alone after the request line", STR("GET /hello HTTP/1.1\n" HOST "\r\n"), 400},
    {"LF alone after a field", STR("GET /hello HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"), 400},
    {"LF alone as the last line", STR("GET /hello HTTP/1.1\r\n" HOST "\n"), 400},
    {"CR alone in a value", STR("GET /hello HTTP/1.1\r\n" HOST "X: a\rTransfer-Encoding: chunked\r\n\r\n"), 400},
    {"CR alone at the end", STR("GET /hello HTTP/1.1\r\n" HOST "X: a\r\r\n\r\n"), 400},
    {"CR alone as an empty line", STR("GET /hello HTTP/1.1\r\n" HOST "\rX: y\r\n\r\n"), 400},
    {"obs-fold with a space", STR("GET /hello HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n"), 400},
    {"obs-fold with a tab", STR("GET /hello HTTP/1.1\r\n" HOST "X: a\r\n\tb\r\n\r\n"), 400},
    {"a fold before the first field", STR("GET /hello HTTP/1.1\r\n Content-Length: 5\r\n" HOST "\r\nhello"), 400},
    {"NUL in a value", STR("GET /hello HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n"), 400},
    {"NUL in a name", STR("GET /hello HTTP/1.1\r\n" HOST "X\0: a\r\n\r\n"), 400},
    {"NUL in the target", STR("GET /hel\0lo HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"DEL in a value", STR("GET /hello HTTP/1.1\r\n" HOST "X: a\177b\r\n\r\n"), 400},
    {"an empty name", STR("GET /hello HTTP/1.1\r\n" HOST ": a\r\n\r\n"), 400},
    {"a name with a slash", STR("GET /hello HTTP/1.1\r\n" HOST "a/b: c\r\n\r\n"), 400},
    {"a name beyond ASCII", STR("GET /hello HTTP/1.1\r\n" HOST "\303\244: c\r\n\r\n"), 400},
    {"a field without a colon", STR("GET /hello HTTP/1.1\r\n" HOST "abc\r\n\r\n"), 400},
    {"a chunk extension",
     STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n"), 400},
    {"a chunk size with a space",
     STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n"), 400},
    {"a chunk size with 0x",
     STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n"), 400},
    {"a negative chunk size", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n"),
     400},
    {"an empty chunk size", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n\r\nhello\r\n"), 400},
    {"a chunk size of nine digits",
     STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n000000005\r\nhello\r\n0\r\n\r\n"), 400},
    {"a chunk size that wraps around",
     STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n"),
     400},
    {"LF alone after a chunk size",
     STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"), 400},
    {"LF alone after a chunk",
     STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n"), 400},
    {"a chunk longer than its size",
     STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n"), 400},
    {"a trailer", STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n"), 400},
    {"a chunk larger than a body may be",
     STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nffffffff\r\nhello"), 413},
    {"an announced body that is too large", STR("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 65537\r\n\r\n"), 413},
    {"the absolute form", STR("GET http://a/hello HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"the authority form", STR("CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"the asterisk form", STR("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a target without a slash", STR("GET hello HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a target with a fragment", STR("GET /hello#x HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a target beyond ASCII", STR("GET /hell\303\266 HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"two spaces in the request line", STR("GET  /hello HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a space behind the version", STR("GET /hello HTTP/1.1 \r\n" HOST "\r\n"), 400},
    {"a space before the method", STR(" GET /hello HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a tab in the request line", STR("GET\t/hello HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"two empty lines first", STR("\r\n\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"HTTP/0.9", STR("GET /hello\r\n\r\n"), 400},
    {"an unknown method", STR("GOT /hello HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a method in lower case", STR("get /hello HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"another protocol", STR("GET /hello ICY/1.1\r\n" HOST "\r\n"), 400},
    {"HTTP/1.2", STR("GET /hello HTTP/1.2\r\n" HOST "\r\n"), 505},
    {"HTTP/2.0", STR("GET /hello HTTP/2.0\r\n" HOST "\r\n"), 505},
    {"the preface of HTTP/2", STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505},
    {"a TLS hello", STR("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), 400},
    {"no Host", STR("GET /hello HTTP/1.1\r\n\r\n"), 400},
    {"two Hosts", STR("GET /hello HTTP/1.1\r\n" HOST HOST "\r\n"), 400},
    {"two Hosts in HTTP/1.0", STR("GET /hello HTTP/1.0\r\n" HOST HOST "\r\n"), 400},
    {"a Host with a path", STR("GET /hello HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400},
    {"a Host with user information", STR("GET /hello HTTP/1.1\r\nHost: u@a\r\n\r\n"), 400},
    {"a list of Hosts", STR("GET /hello HTTP/1.1\r\nHost: a, b\r\n\r\n"), 400},
    {"another expectation", STR("POST /echo HTTP/1.1\r\n" HOST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\n"), 417},
};

static void malformed_requests_are_refused_and_the_connection_closed(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(REFUSED); i++) {
        converse(REFUSED[i].bytes);
        char expected[32];
        snprintf(expected, sizeof expected, "HTTP/1.1 %d ", REFUSED[i].status);
        bool is_right = reply.len > 12 && memcmp(reply.data, expected, strlen(expected)) == 0 &&
                        test_holds(&reply, "\r\nConnection: close\r\n") &&
                        test_holds(&reply, "\r\nContent-Type: application/problem+json\r\n") &&
                        test_holds(&reply, "\"code\":") && !test_holds(&reply, "\r\n\r\nhello");
        if (!is_right) {
            fail_msg("%s: expected %d, got: %.*s", REFUSED[i].what, REFUSED[i].status, (int)reply.len, reply.data);
        }
    }
}

static void what_was_smuggled_behind_a_refusal_is_not_read(void **state) {
    (void)state;
    converse(STR("POST /echo HTTP/1.1\r\n" HOST
                 "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG" GET_AFTER));
    assert_status(400);
    assert_null(memmem(reply.data + 9, reply.len - 9, "HTTP/1.1 ", 9));
}

static void refusals_do_not_depend_on_how_bytes_are_cut(void **state) {
    (void)state;
    struct str bytes = STR("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n");
    int fd = test_connect(&server);
    for (uint32_t i = 0; i < bytes.len && test_send(fd, str_of(bytes.data + i, 1)); i++) {
    }
    buf_clear(&reply);
    test_read_to_end(fd, &reply);
    close(fd);
    assert_status(400);
}

static void a_header_block_of_more_than_16_kib_is_431(void **state) {
    (void)state;
    struct buf request;
    buf_init(&request, 1 << 20);
    buf_str(&request, STR("GET /hello HTTP/1.1\r\n" HOST));
    for (int i = 0; i < 90; i++) {
        buf_printf(&request, "X-%03d: %0200d\r\n", i, 0);
    }
    buf_str(&request, STR("\r\n"));
    converse(buf_text(&request));
    assert_status(431);
    buf_release(&request);
}

static void a_request_with_101_fields_is_431_and_with_100_it_is_served(void **state) {
    (void)state;
    for (int fields = 100; fields <= 101; fields++) {
        struct buf request;
        buf_init(&request, 1 << 20);
        buf_str(&request, STR("GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n"));
        for (int i = 2; i < fields; i++) {
            buf_printf(&request, "X-%d: y\r\n", i);
        }
        buf_str(&request, STR("\r\n"));
        converse(buf_text(&request));
        assert_status(fields == 100 ? 200 : 431);
        buf_release(&request);
    }
}

static void a_target_of_more_than_8_kib_is_414(void **state) {
    (void)state;
    struct buf request;
    buf_init(&request, 1 << 20);
    buf_printf(&request, "GET /%08192d HTTP/1.1\r\n" HOST "\r\n", 0);
    converse(buf_text(&request));
    assert_status(414);
    buf_release(&request);
}

static void a_client_that_sends_on_after_413_still_reads_the_answer(void **state) {
    (void)state;
    struct buf request;
    buf_init(&request, 4 << 20);
    buf_printf(&request, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3000000\r\n\r\n%03000000d", 0);
    converse(buf_text(&request));
    assert_status(413);
    assert_holds("body_too_large");
    buf_release(&request);
}

#define WITH(setup, test) cmocka_unit_test_setup_teardown(test, setup, stop)

static int run_all(void) {
    const struct CMUnitTest tests[] = {
        WITH(start, malformed_requests_are_refused_and_the_connection_closed),
        WITH(start, what_was_smuggled_behind_a_refusal_is_not_read),
        WITH(start, refusals_do_not_depend_on_how_bytes_are_cut),
        WITH(start, a_header_block_of_more_than_16_kib_is_431),
        WITH(start, a_request_with_101_fields_is_431_and_with_100_it_is_served),
        WITH(start, a_target_of_more_than_8_kib_is_414),
        WITH(start, a_client_that_sends_on_after_413_still_reads_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void) {
    return test_run_both(run_all);
}
