/* Given what the view knows of who buys, where does his confirmation go? */
#include "core/gateway/buyer_address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/text.h"
#include "core/gateway/test_pool.h"
#include "gen/codec.h"
#include "projections/customers/query.h"

#define ANN "cus_01ARZ3NDEKTSV4RRFFQ69G5FB0"

/* What the database has of Ann. */
static struct {
    struct customer_state state;
    bool is_away, is_unknown;
    const char *schema; /* of her state; NULL: today's */
} database;

static struct arena arena;
static struct check_out_cart ask;
static int told;

void pg_pool_query(struct pg_pool *pool, const struct pg_statement *statement, const struct str *parameters,
                   pg_result_cb *on_result, void *context) {
    (void)pool;
    assert_ptr_equal(statement, &customer_by_id);
    assert_true(str_equal(parameters[0], STR(ANN)));
    if (database.is_away) {
        struct err_info error;
        (void)err_set_retriable(&error, ERR_POSTGRES, "it is away");
        on_result(context, NULL, &error);
        return;
    }
    PGresult *result = test_rows(CUSTOMER_COLUMNS);
    struct buf state, hex;
    char schema[16];
    buf_init(&state, 1 << 16);
    buf_init(&hex, 1 << 17);
    customer_state_encode(&state, &database.state);
    hex_write(&hex, buf_text(&state));
    buf_byte(&hex, '\0');
    (void)snprintf(schema, sizeof schema, "%u", (unsigned)CUSTOMER_STATE_SCHEMA_ID);
    if (!database.is_unknown) {
        test_add_values(result,
                        (const char *const[]){ANN, "9", database.schema != NULL ? database.schema : schema, hex.data},
                        CUSTOMER_COLUMNS);
    }
    buf_release(&state);
    buf_release(&hex);
    on_result(context, result, NULL);
    PQclear(result);
}

static void on_done(void *context) {
    assert_ptr_equal(context, &told);
    told++;
}

static int set_up(void **state) {
    (void)state;
    memset(&database, 0, sizeof database);
    database.state = (struct customer_state){
        .status = CUSTOMER_STATUS_ACTIVE,
        .has_email = true,
        .email = {.key_id = STR("per_1"), .nonce = STR("a nonce"), .ciphertext = STR("a ciphertext")}};
    arena_init(&arena, 1 << 20);
    ask = (struct check_out_cart){0};
    told = 0;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

static void attach(void) {
    struct buyer_address address = {.arena = &arena, .ask = &ask, .on_done = on_done, .context = &told};
    buyer_address_attach(&address, NULL, STR(ANN));
    assert_int_equal(told, 1);
}

static void it_goes_to_his_own_address_as_it_is_sealed(void **state) {
    (void)state;
    attach();
    assert_true(ask.has_email);
    assert_true(str_equal(ask.email.key_id, STR("per_1")));
    assert_true(str_equal(ask.email.nonce, STR("a nonce")));
    assert_true(str_equal(ask.email.ciphertext, STR("a ciphertext")));
    assert_int_equal(ask.email.plaintext.len, 0);
}

static void who_has_none_or_is_not_known_buys_without(void **state) {
    (void)state;
    database.state.has_email = false;
    attach();
    assert_false(ask.has_email);
    tear_down(state);
    set_up(state);
    database.state.status = CUSTOMER_STATUS_ERASING;
    attach();
    assert_false(ask.has_email);
    tear_down(state);
    set_up(state);
    database.is_unknown = true;
    attach();
    assert_false(ask.has_email);
}

static void what_cannot_be_read_keeps_nobody_from_buying(void **state) {
    (void)state;
    database.is_away = true;
    attach();
    assert_false(ask.has_email);
    tear_down(state);
    set_up(state);
    database.schema = "4000000000";
    attach();
    assert_false(ask.has_email);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_goes_to_his_own_address_as_it_is_sealed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_has_none_or_is_not_known_buys_without, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_keeps_nobody_from_buying, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
