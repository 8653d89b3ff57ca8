/* health_test.c: what a front has to have read before it is ready. */
#include "core/gateway/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/gateway/gateway.h"
#include "core/gateway/loop.h"

static struct gateway gateway;
static bool database_is_away;

/* There are no keys. */
static void answer_at_once(struct pg_pool *pg, const struct pg_statement *statement, const struct str *parameters,
                           pg_result_cb *on_result, void *context) {
    (void)pg, (void)statement, (void)parameters;
    struct err_info error = {0};
    PGresult *rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    err_set_retriable(&error, ERR_POSTGRES, "it is away");
    on_result(context, rows, database_is_away ? &error : NULL);
    PQclear(rows);
}

static const struct api_keys_ports ports = {.ask = answer_at_once};

static int start(void **state) {
    (void)state;
    gateway = (struct gateway){0};
    database_is_away = false;
    revocations_init(&gateway.revocations);
    gateway.api_keys = api_keys_open();
    api_keys_begin(gateway.api_keys, &ports, 1);
    return 0;
}

static int stop(void **state) {
    (void)state;
    api_keys_close(gateway.api_keys);
    revocations_release(&gateway.revocations);
    return 0;
}

static void until_it_knows_which_sessions_have_ended_it_judges_nobody(void **state) {
    (void)state;
    api_keys_tick(gateway.api_keys, 1);
    assert_false(health_judges_credentials(&gateway));
    revocations_set_known(&gateway.revocations);
    assert_true(health_judges_credentials(&gateway));
}

static void until_it_knows_which_keys_there_are_it_judges_nobody(void **state) {
    (void)state;
    revocations_set_known(&gateway.revocations);
    assert_false(health_judges_credentials(&gateway));
    database_is_away = true;
    api_keys_tick(gateway.api_keys, 1);
    assert_false(health_judges_credentials(&gateway));
    database_is_away = false;
    api_keys_tick(gateway.api_keys, 60 * (int64_t)1000000);
    assert_true(health_judges_credentials(&gateway));
    /* What was read holds when it cannot be read again. */
    database_is_away = true;
    api_keys_tick(gateway.api_keys, 120 * (int64_t)1000000);
    assert_true(health_judges_credentials(&gateway));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(until_it_knows_which_sessions_have_ended_it_judges_nobody),
        WITH(until_it_knows_which_keys_there_are_it_judges_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
