/* customers_admin_test.c: a customer as those see him who help him, on real connections; test_front.h says what stands
 * behind the front, here besides: one customer, whose key the vault has or not. */
#include "core/gateway/customers_admin.h"

#include <sodium.h>

#include "core/gateway/identity.h"
#include "core/gateway/test_front.h"
#include "gen/codec.h"
#include "projections/customers/query.h"

#define CUSTOMER "cus_01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define PERSON_KEY "per_01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define ADDRESS "{\"recipient\":\"Ada\",\"street\":[\"At the mill 1\"],\"city\":\"Kassel\",\"country\":\"DE\"}"
#define READ "GET /v1/customers/" CUSTOMER

enum { STATE_MAX = 64 * 1024 };

static const uint8_t key_bytes[VAULT_KEY_BYTES] = {42};
static struct buf reply;
static char state_hex[STATE_MAX], schema_id[16];
static bool vault_has_key, vault_is_away;

/* ---- what stands behind the front -------------------------------------------------------------------------------- */

static struct sealed sealed(struct arena *arena, const char *text) {
    const struct vault_key key = {.id = STR(PERSON_KEY), .bytes = {42}};
    struct sealed value = {.plaintext = str_of_cstr(text)};
    vault_seal(&key, arena, &value);
    value.plaintext = (struct str){0};
    return value;
}

static void write_state(void) {
    struct arena arena;
    struct buf avro, hex;
    arena_init(&arena, 1 << 20);
    buf_init(&avro, STATE_MAX);
    buf_init(&hex, STATE_MAX);
    struct customer_address address = {.id = STR("home"), .address = sealed(&arena, ADDRESS)};
    const struct customer_state state = {
        .status = CUSTOMER_STATUS_ACTIVE,
        .key_id = STR(PERSON_KEY),
        .has_email = true,
        .email = sealed(&arena, "ada@example.org"),
        .has_name = true,
        .name = sealed(&arena, "Ada"),
        .has_password = true,
        .password = sealed(&arena, "$argon2id$VERIFIER"),
        .addresses = {&address, 1, 1},
        .created_at = INT64_C(1767225600000000),
        .changed_at = INT64_C(1767225600000000),
    };
    customer_state_encode(&avro, &state);
    hex_write(&hex, buf_text(&avro));
    assert_true(buf_ok(&hex) && hex.len < sizeof state_hex);
    (void)snprintf(state_hex, sizeof state_hex, "%.*s", STR_ARGS(buf_text(&hex)));
    (void)snprintf(schema_id, sizeof schema_id, "%u", (unsigned)CUSTOMER_STATE_SCHEMA_ID);
    buf_release(&avro);
    buf_release(&hex);
    arena_release(&arena);
}

static PGresult *rows_of(const char *const *texts, int count, bool is_there) {
    char name[] = "column";
    PGresAttDesc columns[CUSTOMER_COLUMNS] = {0};
    for (int i = 0; i < count; i++) {
        columns[i].name = name;
    }
    PGresult *rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PQsetResultAttrs(rows, count, columns);
    for (int i = 0; is_there && i < count; i++) {
        PQsetvalue(rows, 0, i, (char *)texts[i], (int)strlen(texts[i]));
    }
    return rows;
}

/* Whoever it is that an address is looked for: this customer has the first of the test. */
static bool is_his_address(const char *identity) {
    struct arena arena;
    arena_init(&arena, 4096);
    struct str his = identity_of_email(&arena, &front.gateway.secret, STR("ada@example.org"));
    bool is_his = str_equal(his, str_of_cstr(identity));
    arena_release(&arena);
    return is_his;
}

static bool answer_customer(const struct test_statement *asked) {
    bool is_by_id = asked->statement == &customer_by_id;
    if (!is_by_id && asked->statement != &customer_by_identity) {
        return false;
    }
    bool is_there = is_by_id ? strcmp(asked->parameter, CUSTOMER) == 0 : is_his_address(asked->parameter);
    PGresult *rows = rows_of((const char *const[]){CUSTOMER, "7", schema_id, state_hex}, CUSTOMER_COLUMNS, is_there);
    asked->on_result(asked->context, rows, NULL);
    PQclear(rows);
    return true;
}

static void ask_vault(struct pg_pool *pg, const struct pg_statement *statement, const struct str *parameters,
                      pg_result_cb *on_result, void *context) {
    (void)pg;
    (void)statement;
    (void)parameters;
    if (vault_is_away) {
        struct err_info error;
        err_set_retriable(&error, ERR_POSTGRES, "it is away");
        on_result(context, NULL, &error);
        return;
    }
    char hex[2 * VAULT_KEY_BYTES + 1];
    sodium_bin2hex(hex, sizeof hex, key_bytes, sizeof key_bytes);
    PGresult *rows = rows_of((const char *const[]){PERSON_KEY, hex, ""}, 3, vault_has_key);
    on_result(context, rows, NULL);
    PQclear(rows);
}

static const struct vault_ports ports = {.query = ask_vault, .now_boot_us = clock_boot_us};
static struct master_ring *ring;

static int start(void **state) {
    (void)state;
    struct err_info info = {0};
    buf_init(&reply, TEST_REPLY_MAX);
    write_state();
    vault_has_key = true;
    vault_is_away = false;
    assert_int_equal(master_load("", TEST_RING, &ring, &info), ERR_NONE);
    test_front_start(10, 100);
    front.answer_other = answer_customer;
    front.loop.vault = vault_open_by(&ports, NULL, ring);
    return 0;
}

static int stop(void **state) {
    (void)state;
    test_front_stop();
    vault_close(front.loop.vault);
    master_free(ring);
    buf_release(&reply);
    return 0;
}

static void assert_holds(const char *text) {
    test_assert_holds(&reply, text);
}

/* As somebody who helps customers. */
static void read_customer(const char *request_line) {
    test_converse(request_line, test_bearer(TOKEN_ROLE_SUPPORT), &reply);
}

/* ---- by id ------------------------------------------------------------------------------------------------------- */

static void what_is_personal_is_opened_and_the_verifier_is_not(void **state) {
    (void)state;
    read_customer(READ);
    assert_holds("HTTP/1.1 200 ");
    assert_holds("\"id\":\"" CUSTOMER "\"");
    assert_holds("\"email\":\"ada@example.org\"");
    assert_holds("\"name\":\"Ada\"");
    assert_holds("\"address\":" ADDRESS);
    assert_holds("ETag: \"7\"");
    assert_holds("Cache-Control: no-store");
    assert_false(test_holds(&reply, "VERIFIER"));
    char fields[2048];
    (void)snprintf(fields, sizeof fields, "If-None-Match: \"7\"\r\n%s", test_bearer(TOKEN_ROLE_SUPPORT));
    test_converse(READ, fields, &reply);
    assert_holds("HTTP/1.1 304 ");
}

static void of_who_was_erased_the_rest_is_told(void **state) {
    (void)state;
    vault_has_key = false;
    read_customer(READ);
    assert_holds("HTTP/1.1 200 ");
    assert_holds("\"id\":\"" CUSTOMER "\"");
    assert_false(test_holds(&reply, "email") || test_holds(&reply, "Ada"));
}

static void without_the_vault_or_the_database_nothing_is_told(void **state) {
    (void)state;
    vault_is_away = true;
    read_customer(READ);
    assert_holds("HTTP/1.1 503 ");
    assert_holds("database_unavailable");
    assert_false(test_holds(&reply, CUSTOMER));
    vault_is_away = false;
    test_tell("/wrong?1");
    read_customer(READ);
    assert_holds("HTTP/1.1 503 ");
    read_customer(READ);
    assert_holds("HTTP/1.1 200 ");
}

static void who_is_none_is_unknown(void **state) {
    (void)state;
    read_customer("GET /v1/customers/cus_01ARZ3NDEKTSV4RRFFQ69G5FAW");
    assert_holds("HTTP/1.1 404 ");
    assert_holds("unknown_customer");
    read_customer("GET /v1/customers/key_01ARZ3NDEKTSV4RRFFQ69G5FAV");
    assert_holds("HTTP/1.1 422 ");
    assert_holds("wrong_id_kind");
    read_customer("GET /v1/customers/ada@example.org");
    assert_holds("HTTP/1.1 404 ");
    assert_holds("malformed_id");
}

/* The front of this test is open, and people are not for everybody there either. */
static void who_does_not_say_who_he_is_reads_nobody(void **state) {
    (void)state;
    test_converse(READ, "", &reply);
    assert_holds("HTTP/1.1 401 ");
    assert_holds("\"code\":\"unauthenticated\"");
    /* He is a customer himself, and to customers others are not there. */
    test_converse(READ, test_bearer(TOKEN_ROLE_ANALYST), &reply);
    assert_holds("\"code\":\"unknown_customer\"");
    test_converse("GET /v1/customers", test_bearer(TOKEN_ROLE_ANALYST), &reply);
    assert_holds("HTTP/1.1 403 ");
}

/* ---- by address -------------------------------------------------------------------------------------------------- */

static void look_up(const char *body) {
    char fields[2048];
    (void)snprintf(fields, sizeof fields, "Content-Type: application/json\r\nContent-Length: %zu\r\n%s", strlen(body),
                   test_bearer(TOKEN_ROLE_SUPPORT));
    int fd = test_connect_from(&front.server, "127.0.0.1");
    buf_clear(&reply);
    test_ask_for(fd, "POST /v1/customers/lookup", fields);
    test_send(fd, str_of_cstr(body));
    shutdown(fd, SHUT_WR);
    test_read_to_end(fd, &reply);
    close(fd);
}

static void he_is_found_by_his_address_however_it_is_written(void **state) {
    (void)state;
    look_up("{\"email\":\"ADA@example.org\"}");
    assert_holds("HTTP/1.1 200 ");
    assert_holds("{\"items\":[{\"id\":\"" CUSTOMER "\"");
    assert_holds("\"email\":\"ada@example.org\"");
    assert_holds("],\"next_cursor\":null}");
    assert_false(test_holds(&reply, "VERIFIER"));
    look_up("{\"email\":\"eve@example.org\"}");
    assert_holds("HTTP/1.1 200 ");
    assert_holds("{\"items\":[],\"next_cursor\":null}");
}

static void what_asks_for_no_address_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *body, *code, *pointer;
    } cases[] = {
        {"{}", "missing_field", "\"pointer\":\"/email\""},
        {"{\"email\":7}", "wrong_type", "\"pointer\":\"/email\""},
        {"{\"email\":\"ada\"}", "invalid_format", "\"pointer\":\"/email\""},
        {"{\"email\":\"ada@example.org\",\"name\":\"Ada\"}", "unknown_field", "\"pointer\":\"/name\""},
        {"[]", "wrong_type", "\"code\""},
        {"{", "malformed_json", "\"code\""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        look_up(cases[i].body);
        assert_holds("HTTP/1.1 400 ");
        assert_holds(cases[i].code);
        assert_holds(cases[i].pointer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
        TEST(what_is_personal_is_opened_and_the_verifier_is_not),
        TEST(of_who_was_erased_the_rest_is_told),
        TEST(without_the_vault_or_the_database_nothing_is_told),
        TEST(who_is_none_is_unknown),
        TEST(who_does_not_say_who_he_is_reads_nobody),
        TEST(he_is_found_by_his_address_however_it_is_written),
        TEST(what_asks_for_no_address_is_refused),
#undef TEST
    };
    return cmocka_run_group_tests_name("customers_admin", tests, NULL, NULL);
}
