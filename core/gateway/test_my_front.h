/* test_my_front.h: for tests: a front (test_front.h) with one customer in its view, whose key the vault has or not, and
 * requests in his name.
 *
 * The customer keeps one address, and is logged in with session 7. What else is asked of the database a test answers by
 * `answer_more`.
 * Thread   as test_front.h.
 */
#pragma once

#include "core/gateway/test_front.h"

#include <sodium.h>

#include "core/gateway/identity.h"
#include "core/vault/token.h"
#include "gen/codec.h"
#include "projections/customers/query.h"

#define MY_CUSTOMER "cus_01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define MY_OTHER "cus_01ARZ3NDEKTSV4RRFFQ69G5FAW"
#define MY_KEY "per_01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define MY_ADDRESS "{\"recipient\":\"Ada\",\"street\":[\"At the mill 1\"],\"city\":\"Kassel\",\"country\":\"DE\"}"

enum { MY_STATE_MAX = 64 * 1024, MY_SESSION = 7, MY_COLUMNS_MAX = 16 };

static struct test_my_front {
    char state_hex[MY_STATE_MAX], schema_id[16], field[2048];
    bool vault_has_key, vault_is_away, is_unknown /* the customer, to the view */;
    struct master_ring *ring;
    struct arena arena;
    bool (*answer_more)(const struct test_statement *asked);
} mine;

static inline struct sealed my_sealed(const char *text) {
    const struct vault_key key = {.id = STR(MY_KEY), .bytes = {42}};
    struct sealed value = {.plaintext = str_of_cstr(text)};
    vault_seal(&key, &mine.arena, &value);
    value.plaintext = (struct str){0};
    return value;
}

static inline void my_state_write(void) {
    struct buf avro, hex;
    buf_init(&avro, MY_STATE_MAX);
    buf_init(&hex, MY_STATE_MAX);
    struct customer_address address = {.id = STR("1"), .address = my_sealed(MY_ADDRESS)};
    const struct customer_state state = {
        .status = CUSTOMER_STATUS_ACTIVE,
        .key_id = STR(MY_KEY),
        .has_email = true,
        .email = my_sealed("ada@example.org"),
        .has_name = true,
        .name = my_sealed("Ada"),
        .has_password = true,
        .password = my_sealed("$argon2id$VERIFIER"),
        .addresses = {&address, 1, 1},
        .created_at = INT64_C(1767225600000000),
        .changed_at = INT64_C(1767225600000000),
    };
    customer_state_encode(&avro, &state);
    hex_write(&hex, buf_text(&avro));
    assert_true(buf_ok(&hex) && hex.len < sizeof mine.state_hex);
    (void)snprintf(mine.state_hex, sizeof mine.state_hex, "%.*s", STR_ARGS(buf_text(&hex)));
    (void)snprintf(mine.schema_id, sizeof mine.schema_id, "%u", (unsigned)CUSTOMER_STATE_SCHEMA_ID);
    buf_release(&avro);
    buf_release(&hex);
}

/* Rows of so many columns. */
static inline PGresult *my_rows(int columns) {
    static char name[] = "column";
    PGresAttDesc described[MY_COLUMNS_MAX] = {0};
    assert(columns <= MY_COLUMNS_MAX);
    for (int i = 0; i < columns; i++) {
        described[i].name = name;
    }
    PGresult *rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PQsetResultAttrs(rows, columns, described);
    return rows;
}

/* One more; a NULL text is NULL. */
static inline void my_row_add(PGresult *rows, const char *const *texts) {
    int row = PQntuples(rows);
    for (int i = 0; i < PQnfields(rows); i++) {
        PQsetvalue(rows, row, i, (char *)texts[i], texts[i] == NULL ? -1 : (int)strlen(texts[i]));
    }
}

static inline void my_rows_answer(const struct test_statement *asked, PGresult *rows) {
    asked->on_result(asked->context, rows, NULL);
    PQclear(rows);
}

static bool my_answer(const struct test_statement *asked) {
    if (asked->statement != &customer_by_id) {
        return mine.answer_more != NULL && mine.answer_more(asked);
    }
    PGresult *rows = my_rows(CUSTOMER_COLUMNS);
    if (!mine.is_unknown && strcmp(asked->parameter, MY_CUSTOMER) == 0) {
        my_row_add(rows, (const char *const[]){MY_CUSTOMER, "9", mine.schema_id, mine.state_hex});
    }
    my_rows_answer(asked, rows);
    return true;
}

static void my_ask_vault(struct pg_pool *pg, const struct pg_statement *statement, const struct str *parameters,
                         pg_result_cb *on_result, void *context) {
    static const uint8_t bytes[VAULT_KEY_BYTES] = {42};
    (void)pg;
    (void)statement;
    (void)parameters;
    if (mine.vault_is_away) {
        struct err_info error;
        err_set_retriable(&error, ERR_POSTGRES, "it is away");
        on_result(context, NULL, &error);
        return;
    }
    char hex[2 * VAULT_KEY_BYTES + 1];
    sodium_bin2hex(hex, sizeof hex, bytes, sizeof bytes);
    PGresult *rows = my_rows(3);
    if (mine.vault_has_key) {
        my_row_add(rows, (const char *const[]){MY_KEY, hex, ""});
    }
    on_result(context, rows, NULL);
    PQclear(rows);
}

static const struct vault_ports my_ports = {.query = my_ask_vault, .now_boot_us = clock_boot_us};

/* The field that says who asks, for a person in this session. */
static inline const char *my_token(const char *customer, uint32_t roles) {
    int64_t now_s = clock_wall_us() / MICROS_PER_SECOND;
    const struct access_claims claims = {.customer = str_of_cstr(customer),
                                         .session = MY_SESSION,
                                         .roles = roles,
                                         .issued_at_s = now_s,
                                         .expires_at_s = now_s + 600};
    struct str token = access_token_write(front.loop.authentication.signing, &mine.arena, &claims);
    (void)snprintf(mine.field, sizeof mine.field, "Authorization: Bearer %.*s\r\n", STR_ARGS(token));
    return mine.field;
}

/* Who brings nothing is nobody, or, where it is open, anybody. */
static inline void my_front_start(bool is_open, bool (*answer_more)(const struct test_statement *asked)) {
    struct err_info info = {0};
    mine = (struct test_my_front){.vault_has_key = true, .answer_more = answer_more};
    arena_init(&mine.arena, 8 << 20);
    my_state_write();
    assert_int_equal(master_load("", TEST_RING, &mine.ring, &info), ERR_NONE);
    test_front_start(10, 100);
    front.gateway.is_open = is_open;
    front.answer_other = my_answer;
    front.loop.vault = vault_open_by(&my_ports, NULL, mine.ring);
    test_tell("/change?1"); /* with the first request it has what signs tokens */
}

static inline void my_front_stop(void) {
    test_front_stop();
    vault_close(front.loop.vault);
    master_free(mine.ring);
    arena_release(&mine.arena);
}
