/* request_limits_test.c: limits of a front on real connections, from several addresses; test_front.h says what stands
 * behind them. */
#include "core/gateway/test_front.h"

#define ORDER "GET /v1/orders/" TEST_ORDER
#define FOLLOW_ORDER "/v1/orders/" TEST_ORDER "/stream"
#define HEALTH "GET /health/live"

enum { BURST = 3, STREAMS_PER_ADDRESS = 2 };

static struct buf reply;

/* Of what the test does not wait for: nothing is earned back while it runs. */
static void start_with(const char *limits) {
    struct err_info info = {0};
    buf_init(&reply, TEST_REPLY_MAX);
    test_front_start(10, 100);
    front.streams_per_address = STREAMS_PER_ADDRESS;
    front.config.provider_webhook_secret = "secret";
    assert_int_equal(limits_open(limits, &front.gateway.limits, &info), ERR_NONE);
    assert_int_equal(address_list_read("127.0.0.100 10.0.0.0/8", &front.gateway.trusted_proxies, &info), ERR_NONE);
}

static int start(void **state) {
    (void)state;
    start_with("read=1/h:3 write=1/h:2 auth=1/h:2");
    return 0;
}

static int start_without(void **state) {
    (void)state;
    start_with("off");
    return 0;
}

static int stop(void **state) {
    (void)state;
    test_front_stop();
    limits_close(front.gateway.limits);
    buf_release(&reply);
    return 0;
}

static void assert_holds(const char *text) {
    test_assert_holds(&reply, text);
}

static bool passes(const char *source, const char *request_line, const char *fields) {
    test_converse_from(source, request_line, fields, &reply);
    return !test_holds(&reply, "HTTP/1.1 429 ");
}

/* How many of 8 pass. */
static int passing(const char *source, const char *request_line, const char *fields) {
    int passed = 0;
    for (int i = 0; i < 8; i++) {
        passed += passes(source, request_line, fields);
    }
    return passed;
}

static void past_its_limit_an_address_is_refused_and_no_other(void **state) {
    (void)state;
    assert_true(passes("127.0.0.2", "GET /docs/renderer.js", ""));
    assert_holds("\r\nRateLimit-Policy: \"read\";q=3;w=10800\r\n");
    assert_holds("\r\nRateLimit: \"read\";r=2;t=3600\r\n");
    assert_int_equal(passing("127.0.0.2", "GET /nowhere", ""), BURST - 1); /* what has no route reads */
    assert_holds("\r\nRateLimit: \"read\";r=0;t=10800\r\n");
    assert_holds("\r\nRetry-After: 3600\r\n");
    assert_holds("\"code\":\"rate_limited\"");
    assert_holds("\r\ntraceparent: ");
    assert_false(passes("127.0.0.2", "DELETE /docs", ""));
    assert_int_equal(passing("127.0.0.3", "GET /nowhere", ""), BURST);
    assert_int_equal(front.loop.metrics.limited[LIMIT_READ], 6 + 1 + 5);
}

static void classes_do_not_share(void **state) {
    (void)state;
    assert_int_equal(passing("127.0.0.2", "GET /nowhere", ""), BURST);
    test_converse_from("127.0.0.2", "POST /v1/carts", "Daybook-Cart-Token: x\r\n", &reply);
    assert_holds("HTTP/1.1 400 ");
    assert_holds("\r\nRateLimit: \"write\";r=1;t=3600\r\n"); /* what is refused later is taken as well */
    test_converse_from("127.0.0.2", "GET /v1/orders?nonsense=1", "", &reply);
    assert_holds("HTTP/1.1 400 "); /* search is not limited here */
    assert_false(test_holds(&reply, "RateLimit"));
}

static void without_limits_nothing_is_refused_or_told(void **state) {
    (void)state;
    assert_int_equal(passing("127.0.0.2", "GET /nowhere", ""), 8);
    assert_false(test_holds(&reply, "RateLimit"));
}

/* ---- who is known ------------------------------------------------------------------------------------------------ */

static void who_is_known_takes_no_more_from_many_addresses_than_from_one(void **state) {
    (void)state;
    const char *path = "GET /docs/renderer.js", *ada = test_bearer(0);
    assert_true(passes("127.0.0.2", path, ada));
    assert_holds("\r\nRateLimit: \"read\";r=2;t=3600\r\n");
    assert_true(passes("127.0.0.2", path, ada));
    assert_true(passes("127.0.0.3", path, ada));
    assert_holds("\r\nRateLimit: \"read\";r=0;t=10800\r\n"); /* of his, since of the address's 2 are left */
    assert_false(passes("127.0.0.4", path, ada));
    assert_holds("\r\nRateLimit: \"read\";r=0;t=10800\r\n");
    assert_holds("\r\nRetry-After: 3600\r\n");
    assert_holds("with your credentials");
    assert_int_equal(front.loop.metrics.limited[LIMIT_READ], 1);
    /* And so takes nothing from whoever comes from there besides. */
    assert_true(passes("127.0.0.4", path, ""));
    assert_holds("\r\nRateLimit: \"read\";r=1;t=7200\r\n");
    assert_true(passes("127.0.0.4", path, test_bearer_of("cus_01ARZ3NDEKTSV4RRFFQ69G5FB1", 0, false, 600)));
    assert_holds("\r\nRateLimit: \"read\";r=0;t=10800\r\n"); /* of the address's */
    assert_false(atomic_load(&front.gateway.has_warned_of_proxy));
}

static void without_limits_who_is_known_has_none_either(void **state) {
    (void)state;
    assert_int_equal(passing("127.0.0.2", "GET /docs/renderer.js", test_bearer(0)), 8);
    assert_false(test_holds(&reply, "RateLimit"));
}

/* ---- proxies ----------------------------------------------------------------------------------------------------- */

static void behind_a_trusted_proxy_the_client_counts(void **state) {
    (void)state;
    const char *proxy = "127.0.0.100";
    assert_int_equal(passing(proxy, "GET /nowhere", "X-Forwarded-For: 192.0.2.1\r\n"), BURST);
    assert_int_equal(passing(proxy, "GET /nowhere", "X-Forwarded-For: 192.0.2.2\r\n"), BURST);
    assert_int_equal(passing(proxy, "GET /nowhere", "X-Forwarded-For: 203.0.113.9, 192.0.2.1\r\n"), 0);
    assert_int_equal(passing(proxy, "GET /nowhere", "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 192.0.2.1\r\n"),
                     0);
    assert_int_equal(passing(proxy, "GET /nowhere", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 10.1.1.1\r\n"), 0);
    assert_int_equal(passing(proxy, "GET /nowhere", "Forwarded: for=192.0.2.1, for=10.1.1.1\r\n"), 0);
    assert_int_equal(passing(proxy, "GET /nowhere", "Forwarded: for=192.0.2.3\r\n"), BURST);
    assert_int_equal(passing("127.0.0.2", "GET /nowhere", ""), BURST);
    assert_int_equal(passing(proxy, "GET /nowhere", ""), BURST); /* what it asks by itself */
    assert_false(atomic_load(&front.gateway.has_warned_of_proxy));
}

static void from_others_the_fields_are_not_believed(void **state) {
    (void)state;
    assert_true(passes("127.0.0.2", "GET /nowhere", "X-Forwarded-For: 192.0.2.1\r\n"));
    assert_true(passes("127.0.0.2", "GET /nowhere", "X-Forwarded-For: 192.0.2.2\r\n"));
    assert_true(passes("127.0.0.2", "GET /nowhere", "Forwarded: for=192.0.2.3\r\n"));
    assert_false(atomic_load(&front.gateway.has_warned_of_proxy));
    assert_false(passes("127.0.0.2", "GET /nowhere", "X-Forwarded-For: 192.0.2.4\r\n"));
    assert_true(atomic_load(&front.gateway.has_warned_of_proxy));
}

/* ---- credentials, streams ---------------------------------------------------------------------------------------- */

static void who_presents_bad_credentials_is_not_looked_at_for_a_while(void **state) {
    (void)state;
    const char *webhook = "POST /v1/webhooks/test", *forged = "Daybook-Test-Signature: t=1,v1=00\r\n";
    for (int i = 0; i < 2; i++) {
        test_converse_from("127.0.0.2", webhook, forged, &reply);
        assert_holds("HTTP/1.1 401 ");
    }
    test_converse_from("127.0.0.2", webhook, forged, &reply);
    assert_holds("HTTP/1.1 429 ");
    assert_holds("\r\nRetry-After: 3600\r\n");
    assert_int_equal(front.loop.metrics.limited[LIMIT_AUTH], 1);
    test_converse_from("127.0.0.3", webhook, forged, &reply);
    assert_holds("HTTP/1.1 401 ");
}

static int start_with_few_guesses(void **state) {
    (void)state;
    start_with("auth=1/h:2");
    return 0;
}

static void assert_told(const char *fields, const char *code) {
    test_converse_from("127.0.0.2", "GET /docs/renderer.js", fields, &reply);
    assert_holds(code);
}

/* A page that goes on sending the token that it has is no thief: at his address people still log in. */
static void who_was_known_until_now_guesses_nothing(void **state) {
    (void)state;
    const char *ours = test_bearer_of(TEST_PERSON, 0, false, -1);
    for (int i = 0; i < 5; i++) {
        assert_told(ours, "\"code\":\"token_expired\"");
    }
    const struct session_end end = {.customer = STR(TEST_PERSON), .session = 7, .ended_at = clock_wall_us()};
    revocations_add(&front.gateway.revocations, &end);
    ours = test_bearer(0);
    for (int i = 0; i < 5; i++) {
        assert_told(ours, "\"code\":\"invalid_token\"");
    }
    assert_told("Authorization: Bearer x\r\n", "\"code\":\"invalid_token\"");
    assert_told("Authorization: Bearer x\r\n", "\"code\":\"invalid_token\"");
    assert_told("Authorization: Bearer x\r\n", "\"code\":\"rate_limited\"");
    ours = test_bearer_of(TEST_PERSON, 0, false, -1); /* nor is it held up by those who do */
    assert_told(ours, "\"code\":\"token_expired\"");
}

static int follow_from(const char *source) {
    int fd = test_connect_from(&front.server, source);
    test_ask_for(fd, "GET " FOLLOW_ORDER, "");
    buf_clear(&reply);
    test_read_until(fd, &reply, "id: 1", 1);
    return fd;
}

static void who_follows_much_leaves_streams_to_others(void **state) {
    (void)state;
    int streams[STREAMS_PER_ADDRESS];
    for (int i = 0; i < STREAMS_PER_ADDRESS; i++) {
        streams[i] = follow_from("127.0.0.2");
    }
    test_converse_from("127.0.0.2", "GET " FOLLOW_ORDER, "", &reply);
    assert_holds("HTTP/1.1 429 ");
    assert_holds("\"code\":\"too_many_streams\"");
    assert_holds("\r\nRetry-After: 10\r\n");
    close(follow_from("127.0.0.3"));
    close(streams[0]);
    do {
        test_converse("GET /readers", "", &reply);
    } while (!test_holds(&reply, "\r\n\r\n1 readers"));
    close(follow_from("127.0.0.2"));
    assert_int_equal(front.loop.event_streams.stats.crowded_total, 1);
    close(streams[1]);
}

#define WITH(setup, test) cmocka_unit_test_setup_teardown(test, setup, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(start, past_its_limit_an_address_is_refused_and_no_other),
        WITH(start, classes_do_not_share),
        WITH(start_without, without_limits_nothing_is_refused_or_told),
        WITH(start, who_is_known_takes_no_more_from_many_addresses_than_from_one),
        WITH(start_without, without_limits_who_is_known_has_none_either),
        WITH(start, behind_a_trusted_proxy_the_client_counts),
        WITH(start, from_others_the_fields_are_not_believed),
        WITH(start, who_presents_bad_credentials_is_not_looked_at_for_a_while),
        WITH(start_with_few_guesses, who_was_known_until_now_guesses_nothing),
        WITH(start_without, who_follows_much_leaves_streams_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
