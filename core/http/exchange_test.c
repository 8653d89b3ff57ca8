/* exchange_test.c: what is left of requests and answers in the memory that the next ones get: of secrets nothing. */
#include "core/http/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/arena.h"
#include "core/http/connection.h"
#include "core/http/output.h"

#define HEAD "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 18\r\n"
#define BODY "a sentence of mine"

static struct http_server server;
static struct connection connection;

static int start(void **state) {
    (void)state;
    server = (struct http_server){.pool = {.body_max_bytes = 65536, .bodies_max_bytes = 1 << 20}};
    connection = (struct connection){.server = &server};
    request_reader_init(&connection.reader, &server.pool);
    output_init(&connection);
    return 0;
}

static int stop(void **state) {
    (void)state;
    request_reader_release(&connection.reader);
    output_release(&connection);
    exchange_pool_release(&server.pool);
    return 0;
}

static bool has(const char *memory, size_t size, const char *text) {
    return size > 0 && memmem(memory, size, text, strlen(text)) != NULL;
}

/* As the connection does with what it reads. */
static struct exchange *request_of(const char *text) {
    struct exchange *exchange = NULL;
    size_t used;
    enum http_refusal refusal;
    enum reader_step step = request_reader_feed(&connection.reader, str_of_cstr(text), &used, &exchange, &refusal);
    assert_int_equal(step, READER_REQUEST);
    exchange->connection = &connection;
    *(connection.last != NULL ? &connection.last->next : &connection.first) = exchange;
    connection.last = exchange;
    connection.unanswered_count++;
    return exchange;
}

static void a_head_with_credentials_makes_a_request_secret(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool is_secret;
    } rows[] = {{HEAD "\r\n" BODY, false},
                {HEAD "Accept: authorization\r\n\r\n" BODY, false},
                {HEAD "aUTHORIZATION: Bearer x\r\n\r\n" BODY, true},
                {HEAD "Cookie: a=b\r\n\r\n" BODY, true}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct exchange *exchange = request_of(rows[i].text);
        assert_int_equal(exchange->public.holds_secrets, rows[i].is_secret);
        connection_answer(exchange, 200, "text/plain", STR("done"));
    }
}

/* Refused, cut off or answered: nobody has said yet that it is a login. */
static void no_body_is_left_in_what_the_next_request_gets(void **state) {
    (void)state;
    struct exchange *exchange = request_of(HEAD "\r\n" BODY);
    assert_true(has(exchange->body.data, exchange->body.len, BODY));
    connection_answer(exchange, 503, "text/plain", STR("done"));
    struct exchange *kept = server.pool.kept;
    assert_ptr_equal(kept, exchange);
    assert_non_null(kept->body.data);
    assert_false(has(kept->body.data, strlen(BODY), "sentence"));
    assert_true(kept->body.wipes);
}

static void no_token_is_left_of_a_head(void **state) {
    (void)state;
    struct exchange *exchange = request_of("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer secret\r\n\r\n");
    struct str token = http_request_field(&exchange->public, "authorization");
    assert_true(str_equal(token, STR("Bearer secret")));
    connection_answer(exchange, 401, "text/plain", STR("done"));
    assert_ptr_equal(server.pool.kept, exchange); /* whose memory it still is */
    assert_false(has(token.data, token.len, "secret"));
}

/* Also where they wait for their turn. */
static void answers_to_secret_requests_are_overwritten_once_they_are_sent(void **state) {
    (void)state;
    struct exchange *first = request_of(HEAD "\r\n" BODY), *second = request_of(HEAD "Cookie: a=b\r\n\r\n" BODY);
    connection_answer(second, 200, "text/plain", STR("a token"));
    assert_true(has(second->answer.data, second->answer.len, "a token"));
    assert_false(connection.output.wipes);
    connection_answer(first, 200, "text/plain", STR("done"));
    assert_true(connection.output.wipes); /* it has both now */
    assert_true(has(connection.output.data, connection.output.len, "a token"));
    assert_ptr_equal(server.pool.kept, second);
    assert_false(has(second->answer.data, second->answer.capacity, "a token"));
    assert_false(second->answer.wipes); /* the next one's may be no secret */
}

static void other_answers_are_left_as_they_are(void **state) {
    (void)state;
    connection_answer(request_of(HEAD "\r\n" BODY), 200, "text/plain", STR("done"));
    assert_false(connection.output.wipes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_head_with_credentials_makes_a_request_secret),
        TEST(no_body_is_left_in_what_the_next_request_gets),
        TEST(no_token_is_left_of_a_head),
        TEST(answers_to_secret_requests_are_overwritten_once_they_are_sent),
        TEST(other_answers_are_left_as_they_are),
    };
    return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}
