/* test_people.h: for tests: one loop of a front with one customer in its view and one key in its vault, and requests
 * that come without a connection: what is answered is seen in the loop's metrics, what is sent where it would be named.
 *
 * The customer's password is "password", and its verifier as cheap as possible.
 * Thread   the test's.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>

#include "core/base/timestamp.h"
#include "core/gateway/identity.h"
#include "core/gateway/loop.h"
#include "core/gateway/prepared.h"
#include "core/gateway/router.h"
#include "core/http/exchange.h"
#include "core/http/server_state.h"
#include "core/vault/token.h"
#include "gen/codec.h"
#include "gen/messages.h"

#define TEST_CUSTOMER "cus_01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define TEST_STRANGER "cus_01ARZ3NDEKTSV4RRFFQ69G5FAW"
#define TEST_EMAIL "ada@example.org"
#define TEST_VERIFIER "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw"
#define TEST_RING "a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"

static struct test_people {
    struct config config;
    struct gateway gateway;
    struct gateway_loop loop;
    struct http_server server; /* whose pool the requests are of */
    struct arena arena;        /* the test's own */
    struct http_field fields[16];
    struct customer_state state; /* as the view has him */
    struct vault_key key;        /* of the customer */
    const char *key_master;      /* by which it is wrapped; "": it stands in the clear */
    uint32_t state_schema;       /* of the state in the view */
    bool is_away, is_vault_away; /* the databases */
    int statements, key_questions;
    char asked[64]; /* of the view, last */
    /* The request under way: */
    struct request *request;
    struct intake intake;
    struct preparation preparation;
    size_t living_count; /* of requests, with it */
    bool is_prepared;    /* and what with: */
    char stream[64], within[64];
} people;

/* ---- the view and the vault -------------------------------------------------------------------------------------- */

static void test_put(PGresult *result, int column, const char *text) {
    PQsetvalue(result, 0, column, (char *)text, (int)strlen(text));
}

static void test_put_customer(PGresult *result) {
    struct buf state, hex;
    char number[16];
    buf_init(&state, 1 << 16);
    buf_init(&hex, 1 << 17);
    customer_state_encode(&state, &people.state);
    hex_write(&hex, buf_text(&state));
    buf_byte(&hex, '\0');
    (void)snprintf(number, sizeof number, "%u", people.state_schema);
    test_put(result, CUSTOMER_COLUMN_ID, TEST_CUSTOMER);
    test_put(result, CUSTOMER_COLUMN_VERSION, "3");
    test_put(result, CUSTOMER_COLUMN_SCHEMA, number);
    test_put(result, CUSTOMER_COLUMN_STATE, hex.data);
    buf_release(&state);
    buf_release(&hex);
}

static void test_ask_view(struct pg_pool *pg, const struct pg_statement *statement, const struct str *parameters,
                          pg_result_cb *on_result, void *context) {
    (void)pg;
    people.statements++;
    (void)snprintf(people.asked, sizeof people.asked, "%.*s", STR_ARGS(parameters[0]));
    if (people.is_away) {
        struct err_info error;
        (void)err_set_retriable(&error, ERR_POSTGRES, "it is away");
        on_result(context, NULL, &error);
        return;
    }
    struct str identity = identity_of_email(&people.arena, &people.gateway.secret, STR(TEST_EMAIL));
    bool is_found = statement == &customer_by_id ? str_equal(parameters[0], STR(TEST_CUSTOMER))
                                                 : str_equal(parameters[0], identity);
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[CUSTOMER_COLUMNS] = {
        {.name = "id"}, {.name = "version"}, {.name = "schema"}, {.name = "state"}};
    assert_true(PQsetResultAttrs(result, CUSTOMER_COLUMNS, columns));
    if (is_found) {
        test_put_customer(result);
    }
    on_result(context, result, NULL);
    PQclear(result);
}

static void test_ask_vault(struct pg_pool *pg, const struct pg_statement *statement, const struct str *parameters,
                           pg_result_cb *on_result, void *context) {
    (void)pg;
    (void)statement;
    people.key_questions++;
    if (people.is_vault_away) {
        struct err_info error;
        (void)err_set_retriable(&error, ERR_POSTGRES, "it is away");
        on_result(context, NULL, &error);
        return;
    }
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[] = {{.name = "id"}, {.name = "bytes"}, {.name = "master"}};
    assert_true(PQsetResultAttrs(result, 3, columns));
    char asked[256], id[64], hex[2 * VAULT_KEY_BYTES + 1];
    (void)snprintf(asked, sizeof asked, "%.*s", STR_ARGS(parameters[0]));
    (void)snprintf(id, sizeof id, "%.*s", STR_ARGS(people.key.id));
    if (strstr(asked, id) != NULL) {
        sodium_bin2hex(hex, sizeof hex, people.key.bytes, VAULT_KEY_BYTES);
        test_put(result, 0, id);
        test_put(result, 1, hex);
        test_put(result, 2, people.key_master);
    }
    on_result(context, result, NULL);
    PQclear(result);
}

/* ---- the front --------------------------------------------------------------------------------------------------- */

static struct sealed test_sealed(const char *text) {
    struct sealed sealed = {.plaintext = str_of_cstr(text)};
    vault_seal(&people.key, &people.arena, &sealed);
    return sealed;
}

static void test_make_customer(void) {
    const struct secret *secret = &people.gateway.secret;
    people.key =
        (struct vault_key){.id = vault_key_id_of_customer(&people.arena, secret, STR(TEST_CUSTOMER)), .bytes = {9}};
    people.state = (struct customer_state){
        .status = CUSTOMER_STATUS_ACTIVE,
        .identity = identity_of_email(&people.arena, secret, STR(TEST_EMAIL)),
        .key_id = people.key.id,
        .has_email = true,
        .email = test_sealed(TEST_EMAIL),
        .has_password = true,
        .password = test_sealed(TEST_VERIFIER),
        .password_number = 4,
        .verification_number = 2,
        .reset_number = 5,
        .email_number = 6,
    };
}

static inline int test_people_start(void **state) {
    (void)state;
    struct err_info info = {0};
    static const struct vault_ports ports = {.query = test_ask_vault, .now_boot_us = clock_boot_us};
    people = (struct test_people){.gateway = {.secret = {{7}}},
                                  .server.pool = {.bodies_max_bytes = 1 << 20},
                                  .key_master = "",
                                  .state_schema = CUSTOMER_STATE_SCHEMA_ID};
    people.config.view_wait_ms = 1000;
    people.config.access_token_s = 600;
    people.config.command_wait_ms = 5000;
    people.gateway.config = &people.config;
    people.loop.gateway = &people.gateway;
    arena_init(&people.arena, 16 << 20);
    test_make_customer();
    assert_int_equal(uv_loop_init(&people.loop.uv), 0);
    metrics_init(&people.loop.metrics);
    revocations_init(&people.gateway.revocations);
    revocations_set_known(&people.gateway.revocations);
    assert_int_equal(master_load("", TEST_RING, &people.gateway.masters, &info), ERR_NONE);
    assert_int_equal(hashing_open(1, HASHINGS_MAX, &people.gateway.hashing, &info), ERR_NONE);
    assert_int_equal(hashing_outlet_open(&people.loop.hashing_outlet, people.gateway.hashing, &people.loop.uv, &info),
                     ERR_NONE);
    assert_int_equal(authentication_open(&people.loop.authentication, &people.gateway.secret, people.gateway.masters,
                                         "https://shop.example", "daybook", &people.gateway.revocations,
                                         &people.gateway.cors, &info),
                     ERR_NONE);
    people.loop.vault = vault_open_by(&ports, NULL, people.gateway.masters);
    view_waits_init(&people.loop.view_waits, NULL, test_ask_view);
    /* Of a password that nobody tries. */
    (void)snprintf(people.gateway.nobodys_verifier, PASSWORD_VERIFIER_MAX, "%.*sA", (int)sizeof TEST_VERIFIER - 2,
                   TEST_VERIFIER);
    return 0;
}

static inline int test_people_stop(void **state) {
    (void)state;
    hashing_outlet_close(&people.loop.hashing_outlet);
    (void)uv_run(&people.loop.uv, UV_RUN_DEFAULT);
    authentication_close(&people.loop.authentication);
    vault_close(people.loop.vault);
    hashing_close(people.gateway.hashing);
    master_free(people.gateway.masters);
    revocations_release(&people.gateway.revocations);
    limits_close(people.gateway.limits);
    metrics_release(&people.loop.metrics);
    exchange_pool_release(&people.server.pool);
    arena_release(&people.arena);
    assert_int_equal(uv_loop_close(&people.loop.uv), 0);
    return 0;
}

/* There are none unless a test says so. */
static inline void test_limits(const char *text) {
    struct err_info info = {0};
    assert_int_equal(limits_open(text, &people.gateway.limits, &info), ERR_NONE);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static void test_on_prepared(struct preparation *preparation, struct str stream, struct str within) {
    people.is_prepared = true;
    (void)snprintf(people.stream, sizeof people.stream, "%.*s", STR_ARGS(stream));
    (void)snprintf(people.within, sizeof people.within, "%.*s", STR_ARGS(within));
    assert_ptr_equal(preparation, &people.preparation);
}

/* A request without a connection; fields, path and body as they would be. */
static inline void test_request(enum http_method method, const char *path) {
    struct exchange *exchange = exchange_create(&people.server.pool);
    struct http_exchange *public = &exchange->public;
    public->method = method;
    public->path = str_of_cstr(path);
    public->fields = people.fields;
    public->field_count = 0;
    public->received_at_boot_us = clock_boot_us();
    people.request = arena_alloc(&public->arena, sizeof *people.request);
    *people.request = (struct request){.exchange = public, .loop = &people.loop};
    people.request->principal.identity = STR("anonymous");
    people.is_prepared = false;
    people.statements = people.key_questions = 0;
    assert_int_equal(router_find(&public->arena, method, public->path, &people.request->match), ROUTE_FOUND);
}

static inline void test_header(const char *name, struct str value) {
    struct http_exchange *exchange = people.request->exchange;
    people.fields[exchange->field_count++] = (struct http_field){str_of_cstr(name), value};
}

/* The command that the request's body makes begins to be prepared. */
static inline void test_begin(const char *body, bool has_cookie) {
    struct http_exchange *exchange = people.request->exchange;
    exchange->application = people.request;
    exchange->holds_secrets = true;
    test_header("Content-Type", STR("application/json"));
    exchange->body = arena_str_copy(&exchange->arena, str_of_cstr(body));
    const struct intake_source source = {.exchange = exchange,
                                         .match = &people.request->match,
                                         .secret = &people.gateway.secret,
                                         .scope = preparation_scope(people.request),
                                         .actor = people.request->principal.identity,
                                         .now_us = clock_wall_us()};
    struct problem problem;
    if (!intake_command(&source, &people.intake, &problem)) {
        fail_msg("%s: %.*s", problem.code, STR_ARGS(problem.pointer));
    }
    people.preparation = (struct preparation){.row = prepared_command_of(people.request->match.route),
                                              .request = people.request,
                                              .intake = &people.intake,
                                              .has_cookie = has_cookie,
                                              .on_prepared = test_on_prepared};
    people.living_count = people.server.pool.living_count;
    preparation_begin(&people.preparation);
}

/* Until it is prepared, or the request was answered. */
static inline void test_run(void) {
    while (!people.is_prepared && people.server.pool.living_count == people.living_count) {
        (void)uv_run(&people.loop.uv, UV_RUN_ONCE);
    }
}

static inline void test_prepare(const char *body, bool has_cookie) {
    test_begin(body, has_cookie);
    test_run();
}

static inline uint64_t test_answered(int status) {
    uint64_t count = 0;
    for (size_t row = 0; row < METRICS_ROUTES_MAX; row++) {
        count += people.loop.metrics.requests[row][status];
    }
    return count;
}

/* Ends a request that was prepared, and would wait for its outcome now. */
static inline void test_end(void) {
    people.request->is_lost = true;
    request_drop(people.request);
}
