/* request_access_test.c: who is let in by a front that is closed, on real connections; test_front.h says what stands
 * behind it. access_test.c has the whole table. */
#include "core/gateway/identity.h"
#include "core/gateway/test_front.h"

#define CART "cart_01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define FOLLOW(order) "GET /v1/orders/" order "/stream"

static struct buf reply;

static int start(void **state) {
    (void)state;
    struct err_info info = {0};
    buf_init(&reply, TEST_REPLY_MAX);
    test_front_start(10, 100);
    front.gateway.is_open = false;
    assert_int_equal(address_list_read("127.0.0.1/32", &front.gateway.metrics_from, &info), ERR_NONE);
    assert_int_equal(address_list_read("127.0.0.100/32", &front.gateway.trusted_proxies, &info), ERR_NONE);
    return 0;
}

static int stop(void **state) {
    (void)state;
    test_front_stop();
    buf_release(&reply);
    return 0;
}

static void assert_holds(const char *text) {
    test_assert_holds(&reply, text);
}

/* The field that holds the cart's token. */
static const char *token_field(void) {
    static char field[128];
    struct arena arena;
    arena_init(&arena, 4096);
    struct str token = identity_cart_token(&arena, &front.gateway.secret, STR(CART));
    (void)snprintf(field, sizeof field, "Daybook-Cart-Token: %.*s\r\n", STR_ARGS(token));
    arena_release(&arena);
    return field;
}

static bool is_followed(const char *request_line, const char *fields) {
    int fd = test_connect_from(&front.server, "127.0.0.1");
    buf_clear(&reply);
    test_ask_for(fd, request_line, fields);
    test_read_until(fd, &reply, "HTTP/1.1 ", 1);
    bool is_open = test_holds(&reply, "HTTP/1.1 200 ");
    if (!is_open) {
        shutdown(fd, SHUT_WR);
        test_read_to_end(fd, &reply);
    }
    close(fd);
    return is_open;
}

/* Its problem without what differs from request to request. */
static void copy_problem(char *out, size_t size) {
    buf_byte(&reply, '\0');
    const char *body = strstr(reply.data, "\r\n\r\n");
    assert_non_null(body);
    (void)snprintf(out, size, "%s", body);
    char *trace = strstr(out, "\"trace_id\"");
    assert_non_null(trace);
    *trace = '\0';
}

static void a_purchase_is_its_tokens_holders(void **state) {
    (void)state;
    assert_true(is_followed(FOLLOW(TEST_ORDER), token_field()));
    assert_holds("\"of\":\"" TEST_ORDER "\"");
}

/* Whether it is there or not, and what a holder is told of what is not there. */
static void to_others_it_is_not_there(void **state) {
    (void)state;
    char hidden[1024], absent[1024], absent_for_holder[1024];
    assert_false(is_followed(FOLLOW(TEST_ORDER), ""));
    assert_holds("HTTP/1.1 404 ");
    assert_holds("\"code\":\"unknown_order\"");
    assert_holds("\r\nCache-Control: no-store\r\n");
    copy_problem(hidden, sizeof hidden);
    assert_false(is_followed(FOLLOW(TEST_OTHER_ORDER), ""));
    copy_problem(absent, sizeof absent);
    assert_string_equal(hidden, absent);
    assert_false(is_followed(FOLLOW(TEST_OTHER_ORDER), token_field()));
    copy_problem(absent_for_holder, sizeof absent_for_holder);
    assert_string_equal(hidden, absent_for_holder);
}

/* By the owner that the document comes with: the token was of a cart that is a customer's now. */
static void what_has_become_a_customers_is_not_there_for_the_token(void **state) {
    (void)state;
    char hidden[1024], absent[1024];
    front.owner = "cus_01ARZ3NDEKTSV4RRFFQ69G5FB0";
    assert_false(is_followed(FOLLOW(TEST_ORDER), token_field()));
    copy_problem(hidden, sizeof hidden);
    assert_false(is_followed(FOLLOW(TEST_OTHER_ORDER), token_field()));
    copy_problem(absent, sizeof absent);
    assert_string_equal(hidden, absent);
    front.owner = "guest";
    assert_true(is_followed(FOLLOW(TEST_ORDER), token_field()));
}

static void the_public_sees_no_stock_by_location(void **state) {
    (void)state;
    front.owner = ""; /* it is on sale */
    int fd = test_connect_from(&front.server, "127.0.0.1");
    buf_clear(&reply);
    test_ask_for(fd, "GET /v1/stock/tea/stream", "");
    test_read_until(fd, &reply, "data: {\"of\":\"tea\",\"v\":1}\n\n", 1);
    test_tell("/change?2");
    test_read_until(fd, &reply, "data: {\"of\":\"tea\",\"v\":2}\n\n", 1);
    assert_false(test_holds(&reply, "locations"));
    close(fd);
}

static void what_is_not_for_everybody_asks_who_one_is(void **state) {
    (void)state;
    test_converse("POST /v1/products", "Content-Length: 0\r\n", &reply);
    assert_holds("HTTP/1.1 401 ");
    assert_holds("\r\nWWW-Authenticate: Bearer\r\n");
    assert_holds("\"code\":\"unauthenticated\"");
    test_converse("POST /v1/products", "Content-Length: 0\r\nDaybook-Cart-Token: x\r\n", &reply);
    assert_holds("\"code\":\"invalid_cart_token\"");
}

static bool has_metrics(const char *source, const char *fields) {
    test_converse_from(source, "GET /metrics", fields, &reply);
    bool has = test_holds(&reply, "HTTP/1.1 200 ");
    assert_true(has || test_holds(&reply, "HTTP/1.1 401 "));
    return has;
}

static void metrics_are_for_those_who_ask_from_the_right_place(void **state) {
    (void)state;
    assert_true(has_metrics("127.0.0.1", ""));
    assert_false(has_metrics("127.0.0.2", ""));
    /* A proxy beside the front that nobody named would bring in everybody. */
    assert_false(has_metrics("127.0.0.1", "X-Forwarded-For: 192.0.2.1\r\n"));
    assert_false(has_metrics("127.0.0.1", "Forwarded: for=127.0.0.1\r\n"));
    assert_false(has_metrics("127.0.0.1", "X-Forwarded-For:\r\nX-Forwarded-For: 192.0.2.1\r\n"));
    assert_false(has_metrics("127.0.0.1", "Forwarded:\r\n"));
    /* One that is named speaks for others. */
    assert_false(has_metrics("127.0.0.100", ""));
    assert_false(has_metrics("127.0.0.100", "X-Forwarded-For: 192.0.2.1\r\n"));
    assert_true(has_metrics("127.0.0.100", "X-Forwarded-For: 127.0.0.1\r\n"));
}

enum { COUNTED = 50000 };

static _Atomic bool has_counted;

static void *count_many(void *metrics) {
    for (int i = 0; i < COUNTED; i++) {
        metrics_second_try(metrics);
        metrics_request(metrics, 0, 299, 1000);
    }
    atomic_store(&has_counted, true);
    return NULL;
}

/* Another loop counts meanwhile: of what a page tells nothing was counted twice, or is forgotten by the next. */
static void a_page_is_told_while_others_count(void **state) {
    (void)state;
    static const char name[] = "\ndaybook_gateway_second_tries_total ";
    pthread_t thread;
    int64_t told = 0;
    assert_true(has_metrics("127.0.0.1", "")); /* the front has begun */
    front.gateway.loops = &front.loop;
    front.gateway.loop_count = 1;
    atomic_store(&has_counted, false);
    assert_int_equal(pthread_create(&thread, NULL, count_many, &front.loop.metrics), 0);
    for (bool is_over = false; !is_over;) {
        int64_t before = told;
        is_over = atomic_load(&has_counted);
        assert_true(has_metrics("127.0.0.1", ""));
        const char *at = memmem(reply.data, reply.len, name, sizeof name - 1);
        assert_non_null(at);
        struct str rest = str_from(buf_text(&reply), (uint32_t)(at - reply.data) + (uint32_t)sizeof name - 1);
        assert_true(int64_read(str_first(rest, str_find(rest, '\n')), &told));
        assert_in_range(told, before, COUNTED);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(told, COUNTED);
    assert_holds(",status=\"299\"} 50000\n");
}

/* One that is itself at such an address: what it says of its client must be understood. */
static void a_proxy_brings_in_nobody_by_its_own_address(void **state) {
    (void)state;
    struct err_info info = {0};
    assert_int_equal(address_list_read("127.0.0.100/32 127.0.0.1/32", &front.gateway.metrics_from, &info), ERR_NONE);
    static const char *const fields[] = {"Forwarded: x\r\n", "Forwarded: for=\"x\r\n", "Forwarded: for=unknown\r\n",
                                         "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.9\r\n",
                                         "X-Forwarded-For: 127.0.0.100\r\n"};
    for (size_t i = 0; i < ARRAY_LENGTH(fields); i++) {
        assert_false(has_metrics("127.0.0.100", fields[i]));
    }
    assert_true(has_metrics("127.0.0.100", ""));
}

static void a_bad_credential_is_refused_wherever_it_is_brought(void **state) {
    (void)state;
    static const char follow[] = FOLLOW(TEST_ORDER);
    static const char *const lines[] = {"GET /v1/stock/A-1", follow,           "GET /openapi.json",
                                        "GET /metrics",      "POST /v1/carts", "POST /v1/sessions"};
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        test_converse(lines[i], "Authorization: Bearer x\r\nContent-Length: 0\r\n", &reply);
        assert_holds("HTTP/1.1 401 ");
        assert_holds("\"code\":\"invalid_token\"");
        assert_holds("\r\nWWW-Authenticate: Bearer error=\"invalid_token\"\r\n");
    }
    test_converse("GET /health/live", "Authorization: Bearer x\r\n", &reply);
    assert_holds("HTTP/1.1 200 ");
}

static void who_is_known_is_let_in_as_what_he_is(void **state) {
    (void)state;
    test_converse_from("127.0.0.2", "GET /metrics", test_bearer(TOKEN_ROLE_ADMIN), &reply);
    assert_holds("HTTP/1.1 200 ");
    test_converse_from("127.0.0.2", "GET /metrics", test_bearer(TOKEN_ROLE_AUDITOR), &reply);
    assert_holds("\"code\":\"forbidden\"");
}

/* To whom his role would open it is told what he lacks, and to nobody else. */
static void where_roles_need_a_factor_who_has_none_is_told_what_he_lacks(void **state) {
    (void)state;
    test_tell("/begin"); /* so that there is a loop */
    front.loop.authentication.roles_need_factor = true;
    test_converse_from("127.0.0.2", "GET /metrics", test_bearer(TOKEN_ROLE_ADMIN), &reply);
    assert_holds("HTTP/1.1 403 ");
    assert_holds("\"code\":\"second_factor_required\"");
    test_converse_from("127.0.0.2", "GET /metrics", test_bearer(TOKEN_ROLE_AUDITOR), &reply);
    assert_holds("\"code\":\"forbidden\"");
    test_converse_from("127.0.0.2", "GET /metrics", test_bearer(0), &reply);
    assert_holds("\"code\":\"forbidden\"");
    front.loop.authentication.roles_need_factor = false;
}

static void a_password_for_one_use_lets_in_nowhere_else(void **state) {
    (void)state;
    test_converse_from("127.0.0.2", "GET /metrics", test_bearer_of(TEST_PERSON, TOKEN_ROLE_ADMIN, true, 600), &reply);
    assert_holds("HTTP/1.1 403 ");
    assert_holds("\"code\":\"password_change_required\"");
}

/* A browser would go on sending it. One of a session that was ended elsewhere is as bad as one of nobody. */
static void a_cookie_that_is_none_is_taken_back(void **state) {
    (void)state;
    test_converse("GET /openapi.json", "Cookie: __Host-daybook=x\r\n", &reply);
    assert_holds("HTTP/1.1 401 ");
    assert_holds("\r\nSet-Cookie: __Host-daybook=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict\r\n");
    assert_false(test_holds(&reply, "daybook-refresh")); /* by which he goes on */
    char field[1400];
    const struct session_end end = {.customer = STR(TEST_PERSON), .session = 7, .ended_at = clock_wall_us()};
    revocations_add(&front.gateway.revocations, &end);
    const char *token = strstr(test_bearer(0), "Bearer ") + strlen("Bearer ");
    (void)snprintf(field, sizeof field, "Cookie: " ACCESS_COOKIE "=%s", token);
    test_converse("GET /openapi.json", field, &reply);
    assert_holds("HTTP/1.1 401 ");
    assert_holds("\r\nSet-Cookie: __Host-daybook=; Path=/; Max-Age=0; ");
    test_converse("GET /openapi.json", "Authorization: Bearer x\r\n", &reply);
    assert_false(test_holds(&reply, "Set-Cookie"));
}

/* A front that has just started does not know yet which sessions have ended: it says so, to whoever brings a token that
 * is ours, and to nobody else. */
static void until_it_knows_which_sessions_have_ended_it_believes_no_token(void **state) {
    (void)state;
    atomic_store(&front.gateway.revocations.are_known, false);
    test_converse("GET /openapi.json", test_bearer(TOKEN_ROLE_ADMIN), &reply);
    assert_holds("HTTP/1.1 503 ");
    assert_holds("\"code\":\"database_unavailable\"");
    assert_holds("\r\nRetry-After: ");
    test_converse("GET /openapi.json", test_bearer_of(TEST_PERSON, 0, false, -1), &reply);
    assert_holds("\"code\":\"token_expired\"");
    test_converse("GET /openapi.json", "Authorization: Bearer x\r\n", &reply);
    assert_holds("\"code\":\"invalid_token\"");
    test_converse("GET /openapi.json", "", &reply);
    assert_holds("HTTP/1.1 200 ");
    revocations_set_known(&front.gateway.revocations);
    test_converse("GET /openapi.json", test_bearer(TOKEN_ROLE_ADMIN), &reply);
    assert_holds("HTTP/1.1 200 ");
}

/* For oneself it takes the password, which is not looked at here. */
static void an_admin_erases_others_alone_and_without_a_password(void **state) {
    (void)state;
    test_converse("DELETE /v1/customers/" TEST_PERSON, test_bearer(TOKEN_ROLE_ADMIN), &reply);
    assert_holds("HTTP/1.1 403 ");
    assert_holds("\"code\":\"forbidden\"");
    assert_holds("at DELETE /v1/me");
    char fields[2048];
    (void)snprintf(fields, sizeof fields,
                   "%sContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"password\":\"x\"}",
                   test_bearer(TOKEN_ROLE_ADMIN));
    test_converse("DELETE /v1/customers/cus_01ARZ3NDEKTSV4RRFFQ69G5FAV", fields, &reply);
    assert_holds("HTTP/1.1 400 ");
    assert_holds("\"code\":\"unknown_field\"");
    assert_holds("\"pointer\":\"/password\"");
}

/* Where access is open nobody makes himself a key, or reads who there is. */
static void what_is_of_people_is_open_to_nobody(void **state) {
    (void)state;
    front.gateway.is_open = true;
    static const char *const lines[] = {"GET /v1/customers", "GET /v1/customers/cus_01ARZ3NDEKTSV4RRFFQ69G5FB0",
                                        "POST /v1/api-keys", "GET /v1/api-keys", "DELETE /v1/sessions/current"};
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        test_converse(lines[i], "Content-Length: 0\r\n", &reply);
        assert_holds("HTTP/1.1 401 ");
        assert_holds("\"code\":\"unauthenticated\"");
    }
    test_converse("POST /v1/sessions", "Content-Length: 0\r\n", &reply);
    assert_holds("HTTP/1.1 400 "); /* to be looked at, and then it has no body */
}

/* What a browser sends by itself holds nobody up who comes to prove who he is, in whatever class of limits that is. */
static void an_old_cookie_is_not_looked_at_at_the_doors(void **state) {
    (void)state;
    static const char *const lines[] = {"POST /v1/customers",
                                        "POST /v1/customers/password-resets",
                                        "POST /v1/sessions",
                                        "POST /v1/sessions/refresh",
                                        "POST /v1/customers/" TEST_PERSON "/verification",
                                        "PUT /v1/customers/" TEST_PERSON "/password"};
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        test_converse(lines[i], "Cookie: " ACCESS_COOKIE "=x\r\nContent-Length: 0\r\n", &reply);
        assert_holds("HTTP/1.1 400 ");
    }
    test_converse("POST /v1/carts", "Cookie: " ACCESS_COOKIE "=x\r\nContent-Length: 0\r\n", &reply);
    assert_holds("HTTP/1.1 401 ");
}

static void what_is_public_stays_so(void **state) {
    (void)state;
    front.owner = ""; /* it is on sale */
    assert_true(is_followed("GET /v1/stock/A-1/stream", ""));
    test_converse("GET /nowhere", "", &reply);
    assert_holds("\"code\":\"unknown_path\"");
    test_converse("DELETE /v1/orders", "", &reply);
    assert_holds("\"code\":\"method_not_allowed\"");
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        WITH(a_purchase_is_its_tokens_holders),
        WITH(to_others_it_is_not_there),
        WITH(what_has_become_a_customers_is_not_there_for_the_token),
        WITH(the_public_sees_no_stock_by_location),
        WITH(what_is_not_for_everybody_asks_who_one_is),
        WITH(metrics_are_for_those_who_ask_from_the_right_place),
        WITH(a_page_is_told_while_others_count),
        WITH(a_proxy_brings_in_nobody_by_its_own_address),
        WITH(a_bad_credential_is_refused_wherever_it_is_brought),
        WITH(who_is_known_is_let_in_as_what_he_is),
        WITH(where_roles_need_a_factor_who_has_none_is_told_what_he_lacks),
        WITH(a_password_for_one_use_lets_in_nowhere_else),
        WITH(a_cookie_that_is_none_is_taken_back),
        WITH(until_it_knows_which_sessions_have_ended_it_believes_no_token),
        WITH(an_admin_erases_others_alone_and_without_a_password),
        WITH(what_is_of_people_is_open_to_nobody),
        WITH(an_old_cookie_is_not_looked_at_at_the_doors),
        WITH(what_is_public_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
