/* test_front.h: for tests: a front's event streams on real connections, over a database in which every document has
 * the same version, and which is answered in the loop's next turn.
 *
 * Paths    besides those of routes.def, answered "done":
 *          /change?N  all documents have version N, and the views tell of it: of TEST_ORDER by name, of stock without
 *                     saying what changed
 *          /wrong?N   the next N statements fail
 *          /hold?N    1: no statement is answered until it is 0
 *          /readers   answered "N readers": those of event streams, opening ones too
 *          /begin     nothing but that the front has begun, as it does with whatever comes first
 *          /end       the event streams stop; before the server does
 * Document of an order or SKU X: {"of":"X","locations":[],"v":N}, of an order without the second member; there is none
 *          of TEST_OTHER_ORDER.
 * Thread   as test_server.h.
 */
#pragma once

#include "core/http/test_server.h"

#include <assert.h>

#include "core/base/timestamp.h"
#include "core/gateway/loop.h"
#include "core/gateway/request.h"

#define TEST_ORDER "ord_01ARZ3NDEKTSV4RRFFQ69G5FAV.1"
#define TEST_OTHER_ORDER "ord_01ARZ3NDEKTSV4RRFFQ69G5FAV.2"

enum { TEST_STATEMENTS_MAX = 128, TEST_PARAMETER_MAX = 16 * 1024 };

/* A statement on its way. */
struct test_statement {
    const struct pg_statement *statement;
    char parameter[TEST_PARAMETER_MAX];
    pg_result_cb *on_result;
    void *context;
};

/* One a program: what the front calls of the database has no context of its own. */
static struct test_front {
    struct test_server server;
    struct config config;
    struct gateway gateway;
    struct gateway_loop loop;
    struct test_statement statements[TEST_STATEMENTS_MAX];
    size_t statement_count;
    size_t streams_max, streams_per_address;
    int64_t version, failures_left;
    const char *owner;     /* of all documents */
    int64_t changed_at_us; /* boot time of the last /change */
    bool is_begun, holds;
    bool (*answer_other)(const struct test_statement *asked); /* what else is asked, if it is that; NULL: nothing is */
} front;

/* ---- the database ------------------------------------------------------------------------------------------------ */

static void test_start_work(void *context);

static void test_ask(struct pg_pool *pg, const struct pg_statement *statement, const struct str *parameters,
                     pg_result_cb *on_result, void *context) {
    (void)pg;
    assert(front.statement_count < TEST_STATEMENTS_MAX);
    struct test_statement *at = &front.statements[front.statement_count++];
    struct str last = parameters[statement->parameter_count - 1];
    at->statement = statement;
    at->on_result = on_result;
    at->context = context;
    assert(last.len < sizeof at->parameter);
    snprintf(at->parameter, sizeof at->parameter, "%.*s", STR_ARGS(last));
    test_start_work(NULL);
}

static void test_add_row(PGresult *result, const char *first, int64_t second) {
    char number[32];
    int row = PQntuples(result);
    snprintf(number, sizeof number, "%lld", (long long)second);
    PQsetvalue(result, row, 0, (char *)first, (int)strlen(first));
    PQsetvalue(result, row, 1, number, (int)strlen(number));
    PQsetvalue(result, row, 2, (char *)front.owner, (int)strlen(front.owner));
}

static void test_answer(struct test_statement *asked) {
    if (front.failures_left > 0) {
        struct err_info error;
        front.failures_left--;
        err_set_retriable(&error, ERR_POSTGRES, "it is away");
        asked->on_result(asked->context, NULL, &error);
        return;
    }
    if (front.answer_other != NULL && front.answer_other(asked)) {
        return;
    }
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[] = {{.name = "first"}, {.name = "second"}, {.name = "owner"}};
    PQsetResultAttrs(result, 3, columns);
    char document[128], *rest;
    if (asked->statement == &view_reached) {
        char *hash = strtok_r(asked->parameter, "{,}", &rest);
        for (; hash != NULL; hash = strtok_r(NULL, "{,}", &rest)) {
            test_add_row(result, hash, front.version);
        }
    } else if (strcmp(asked->parameter, TEST_OTHER_ORDER) != 0) {
        bool is_order = strncmp(asked->parameter, "ord_", 4) == 0;
        snprintf(document, sizeof document, "{\"of\":\"%.64s\",%s\"v\":%lld}", asked->parameter,
                 is_order ? "" : "\"locations\":[],", (long long)front.version);
        test_add_row(result, document, front.version);
    }
    asked->on_result(asked->context, result, NULL);
    PQclear(result);
}

static void test_answer_all(void) {
    static struct test_statement taken[TEST_STATEMENTS_MAX];
    size_t count = front.holds ? 0 : front.statement_count;
    memcpy(taken, front.statements, count * sizeof *taken);
    front.statement_count -= count;
    for (size_t i = 0; i < count; i++) {
        test_answer(&taken[i]);
    }
}

/* ---- the front --------------------------------------------------------------------------------------------------- */

static void test_work(uv_idle_t *idle) {
    test_answer_all();
    bool has_more = event_streams_work(&front.loop.event_streams, clock_boot_us());
    if (!has_more && (front.statement_count == 0 || front.holds)) {
        uv_idle_stop(idle);
    }
}

static void test_start_work(void *context) {
    (void)context;
    uv_idle_start(&front.loop.event_work, test_work);
}

static void test_on_tick(uv_timer_t *timer) {
    (void)timer;
    event_streams_tick(&front.loop.event_streams, clock_boot_us());
    view_waits_tick(&front.loop.view_waits, clock_boot_us());
}

/* A ring of one key, base64url of 32 bytes; `daybook` is whom its tokens are for. */
#define TEST_RING "a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"

static void test_open_credentials(void) {
    struct err_info info = {0};
    bool is_open =
        master_load("", TEST_RING, &front.gateway.masters, &info) == ERR_NONE &&
        hashing_open(1, HASHINGS_MAX, &front.gateway.hashing, &info) == ERR_NONE &&
        hashing_outlet_open(&front.loop.hashing_outlet, front.gateway.hashing, &front.server.loop, &info) == ERR_NONE &&
        authentication_open(&front.loop.authentication, &front.gateway.secret, front.gateway.masters,
                            front.config.public_url, "daybook", &front.gateway.revocations, &front.gateway.cors,
                            &info) == ERR_NONE;
    assert(is_open);
}

static void test_close_credentials(void) {
    authentication_close(&front.loop.authentication);
    hashing_outlet_close(&front.loop.hashing_outlet);
}

static void test_front_begin(void) {
    struct gateway_loop *loop = &front.loop;
    front.is_begun = true;
    front.config.view_wait_ms = 20000;
    front.gateway.config = &front.config;
    front.config.public_url = "https://shop.example";
    loop->gateway = &front.gateway;
    test_open_credentials();
    metrics_init(&loop->metrics);
    uv_idle_init(&front.server.loop, &loop->event_work);
    uv_timer_init(&front.server.loop, &loop->tick);
    uv_timer_start(&loop->tick, test_on_tick, OUTCOME_TICK_MS, OUTCOME_TICK_MS);
    view_waits_init(&loop->view_waits, NULL, test_ask);
    const struct event_streams_options options = {.ask = test_ask,
                                                  .streams_max = front.streams_max,
                                                  .streams_per_address = front.streams_per_address,
                                                  .wake = test_start_work};
    event_streams_init(&loop->event_streams, &options, clock_boot_us());
}

static void test_change(void) {
    struct buf notice;
    buf_init(&notice, VIEW_NOTICE_MAX_BYTES);
    buf_str(&notice, STR("orders"));
    bool fits = view_notice_add(&notice, (int64_t)stream_hash(STR(TEST_ORDER), TOPIC_ORDERS));
    assert(fits);
    event_streams_moved(&front.loop.event_streams, view_notice_read(buf_text(&notice)));
    event_streams_moved(&front.loop.event_streams, view_notice_read(STR("stock")));
    view_waits_moved(&front.loop.view_waits, STR("orders"));
    buf_release(&notice);
    front.changed_at_us = clock_boot_us();
}

static void test_front_end(void) {
    event_streams_stop(&front.loop.event_streams);
    front.holds = false;
    test_answer_all();
    event_streams_release(&front.loop.event_streams);
    metrics_release(&front.loop.metrics);
    test_close_credentials();
    uv_close((uv_handle_t *)&front.loop.event_work, NULL);
    uv_close((uv_handle_t *)&front.loop.tick, NULL);
}

static void test_front_request(void *context, struct http_exchange *exchange) {
    (void)context;
    if (!front.is_begun) {
        test_front_begin();
    }
    if (str_equal(exchange->path, STR("/change"))) {
        (void)!int64_read(exchange->query, &front.version);
        test_change();
    } else if (str_equal(exchange->path, STR("/wrong"))) {
        (void)!int64_read(exchange->query, &front.failures_left);
    } else if (str_equal(exchange->path, STR("/hold"))) {
        front.holds = str_equal(exchange->query, STR("1"));
        test_start_work(NULL);
    } else if (str_equal(exchange->path, STR("/end"))) {
        test_front_end();
    } else if (str_equal(exchange->path, STR("/begin"))) {
        assert(front.is_begun);
    } else if (str_equal(exchange->path, STR("/readers"))) {
        char text[32];
        snprintf(text, sizeof text, "%zu readers", front.loop.event_streams.reader_count);
        http_answer(exchange, 200, "text/plain", str_of_cstr(text));
        return;
    } else {
        request_received(&front.loop, exchange);
        return;
    }
    http_answer(exchange, 200, "text/plain", STR("done"));
}

static void test_front_lost(void *context, struct http_exchange *exchange) {
    (void)context;
    request_lost(&front.loop, exchange);
}

static void test_front_refused(void *context, int status, const char *code) {
    (void)context;
    request_refused_unread(&front.loop, status, code);
}

/* The documents have version 1. */
static inline void test_front_start(size_t streams_max, size_t connections_max) {
    front = (struct test_front){
        .gateway = {.secret = {{7}}, .is_open = true}, .streams_max = streams_max, .version = 1, .owner = "guest"};
    revocations_init(&front.gateway.revocations);
    revocations_set_known(&front.gateway.revocations);
    front.gateway.api_keys = api_keys_open();
    test_server_start(&front.server, (struct http_server_options){.on_request = test_front_request,
                                                                  .on_lost = test_front_lost,
                                                                  .on_refused = test_front_refused,
                                                                  .connections_max = connections_max});
}

/* ---- the clients ------------------------------------------------------------------------------------------------- */

/* A request line, and fields that each end in CR LF. */
static inline void test_ask_for(int fd, const char *request_line, const char *fields) {
    struct buf text;
    buf_init(&text, 16 * 1024);
    buf_printf(&text, "%s HTTP/1.1\r\nHost: a\r\n%s\r\n", request_line, fields);
    test_send(fd, buf_text(&text));
    buf_release(&text);
}

/* One request on a connection of its own, from this address, and all that is answered. */
static inline void test_converse_from(const char *source, const char *request_line, const char *fields,
                                      struct buf *reply) {
    int fd = test_connect_from(&front.server, source);
    buf_clear(reply);
    test_ask_for(fd, request_line, fields);
    shutdown(fd, SHUT_WR); /* so no stream stays open */
    test_read_to_end(fd, reply);
    close(fd);
}

static inline void test_converse(const char *request_line, const char *fields, struct buf *reply) {
    test_converse_from("127.0.0.1", request_line, fields, reply);
}

/* One of the front's own paths. */
static inline void test_tell(const char *path_and_query) {
    struct buf reply;
    char line[96];
    buf_init(&reply, TEST_REPLY_MAX);
    snprintf(line, sizeof line, "GET %s", path_and_query);
    test_converse(line, "", &reply);
    assert_true(test_holds(&reply, "\r\n\r\ndone"));
    buf_release(&reply);
}

#define TEST_PERSON "cus_01ARZ3NDEKTSV4RRFFQ69G5FB0"

/* The field with the token of a session of this person, of these roles, that dies in so many seconds; a new one
 * overwrites it. `is_once`: with a password that must be changed first. */
static inline const char *test_bearer_of(const char *customer, uint32_t roles, bool is_once, int64_t life_s) {
    static char field[1200];
    struct arena arena;
    arena_init(&arena, 65536);
    test_tell("/begin"); /* so that it has what tokens are signed with */
    int64_t now_s = clock_wall_us() / MICROS_PER_SECOND;
    const struct access_claims claims = {.customer = str_of_cstr(customer),
                                         .session = 7,
                                         .roles = roles,
                                         .is_once = is_once,
                                         .issued_at_s = now_s + life_s - 600,
                                         .expires_at_s = now_s + life_s};
    struct str token = access_token_write(front.loop.authentication.signing, &arena, &claims);
    (void)snprintf(field, sizeof field, "Authorization: Bearer %.*s\r\n", STR_ARGS(token));
    arena_release(&arena);
    return field;
}

static inline const char *test_bearer(uint32_t roles) {
    return test_bearer_of(TEST_PERSON, roles, false, 600);
}

/* Stops both; the front's streams first when that is not done yet. */
static inline void test_front_stop(void) {
    if (front.is_begun) {
        test_tell("/end");
    }
    test_server_stop(&front.server);
    if (front.is_begun) {
        hashing_close(front.gateway.hashing);
        master_free(front.gateway.masters);
    }
    revocations_release(&front.gateway.revocations);
    api_keys_close(front.gateway.api_keys);
}
