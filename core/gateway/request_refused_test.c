/* request_refused_test.c: what the log tells of who was refused, by a closed front on real connections; test_front.h
 * says what stands behind it. refusal_log_test.c has the lines themselves and how many there are. */
#include "core/gateway/test_front.h"

#define SECRET_OF_CLIENT "verysecret"

static struct buf reply;
static FILE *told;
static int stderr_before;

static int start(void **state) {
    (void)state;
    buf_init(&reply, TEST_REPLY_MAX);
    test_front_start(10, 100);
    front.gateway.is_open = false;
    told = tmpfile();
    stderr_before = dup(STDERR_FILENO);
    return told == NULL || dup2(fileno(told), STDERR_FILENO) < 0;
}

static int stop(void **state) {
    (void)state;
    dup2(stderr_before, STDERR_FILENO);
    close(stderr_before);
    fclose(told);
    test_front_stop();
    buf_release(&reply);
    return 0;
}

/* Every line so far. A line is written before its answer is sent. */
static const char *lines_told(void) {
    static char text[64 * 1024];
    ssize_t len = pread(fileno(told), text, sizeof text - 1, 0);
    assert_true(len >= 0);
    text[len] = '\0';
    return text;
}

static void assert_told(const char *expected) {
    const char *lines = lines_told();
    if (strstr(lines, expected) == NULL) {
        fail_msg("expected %s in: %s", expected, lines);
    }
}

static void refused_rights_are_told_with_who_and_where(void **state) {
    (void)state;
    test_converse("POST /v1/products", "Content-Length: 0\r\n", &reply);
    assert_told("\"kind\":\"rights\",\"status\":401,\"code\":\"unauthenticated\",\"method\":\"POST\","
                "\"route\":\"/v1/products\",\"who\":\"anonymous\",\"trace\":\"");
    test_converse("GET /metrics", test_bearer_of(TEST_PERSON, TOKEN_ROLE_AUDITOR, false, 600), &reply);
    assert_told("\"kind\":\"rights\",\"status\":403,\"code\":\"forbidden\",\"method\":\"GET\",\"route\":\"/metrics\","
                "\"who\":\"" TEST_PERSON "\"");
    test_converse("GET /v1/orders/" TEST_ORDER "/stream", "", &reply);
    assert_told("\"kind\":\"rights\",\"status\":404,\"code\":\"unknown_order\",\"method\":\"GET\","
                "\"route\":\"/v1/orders/{order}/stream\"");
    assert_null(strstr(lines_told(), TEST_ORDER)); /* whose it was asked for is the client's word */
}

static void what_is_none_of_ours_is_told_and_never_shown(void **state) {
    (void)state;
    test_converse("GET /v1/stock/" SECRET_OF_CLIENT "?q=" SECRET_OF_CLIENT,
                  "Authorization: Bearer " SECRET_OF_CLIENT "\r\nUser-Agent: " SECRET_OF_CLIENT "\r\n", &reply);
    assert_told("\"kind\":\"credentials\",\"status\":401,\"code\":\"invalid_token\"");
    test_converse("GET /openapi.json", "Daybook-Cart-Token: " SECRET_OF_CLIENT "\r\n", &reply);
    assert_told("\"kind\":\"forged\",\"status\":400,\"code\":\"invalid_cart_token\"");
    test_converse("GET /" SECRET_OF_CLIENT, "Bad Field: " SECRET_OF_CLIENT "\r\n", &reply);
    assert_told("\"kind\":\"malformed\",\"status\":400,\"code\":\"malformed_request\",\"method\":\"\",\"route\":\"\"");
    assert_null(strstr(lines_told(), SECRET_OF_CLIENT));
    assert_null(strstr(lines_told(), "127.0.0.1"));
}

static void who_has_a_token_that_had_its_time_is_not_told(void **state) {
    (void)state;
    test_converse("GET /openapi.json", test_bearer_of(TEST_PERSON, 0, false, -1), &reply);
    assert_true(test_holds(&reply, "\"code\":\"token_expired\""));
    assert_null(strstr(lines_told(), "\"refused\""));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        WITH(refused_rights_are_told_with_who_and_where),
        WITH(what_is_none_of_ours_is_told_and_never_shown),
        WITH(who_has_a_token_that_had_its_time_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
