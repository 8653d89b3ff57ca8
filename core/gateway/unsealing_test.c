#include "core/gateway/unsealing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>

#include "core/base/text.h"
#include "core/base/timestamp.h"

/* Two persons' keys, of which the second can be away. */
static struct arena arena;
static struct vault *vault;
static struct vault_key keys[2];
static size_t key_count;
static bool is_away, is_discreet;
static int questions;

static void ask(struct pg_pool *pg, const struct pg_statement *statement, const struct str *parameters,
                pg_result_cb *on_result, void *context) {
    (void)pg;
    (void)statement;
    questions++;
    if (is_away) {
        const struct err_info error = {.code = ERR_POSTGRES, .retriable = true};
        on_result(context, NULL, &error);
        return;
    }
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[] = {{.name = "id"}, {.name = "bytes"}, {.name = "master"}};
    assert_true(PQsetResultAttrs(result, 3, columns));
    for (size_t i = 0; i < key_count; i++) {
        char hex[2 * VAULT_KEY_BYTES + 1], id[64];
        (void)snprintf(id, sizeof id, "%.*s", STR_ARGS(keys[i].id));
        if (memmem(parameters[0].data, parameters[0].len, id, strlen(id)) == NULL) {
            continue;
        }
        sodium_bin2hex(hex, sizeof hex, keys[i].bytes, VAULT_KEY_BYTES);
        int row = PQntuples(result);
        PQsetvalue(result, row, 0, id, (int)strlen(id));
        PQsetvalue(result, row, 1, hex, (int)strlen(hex));
        PQsetvalue(result, row, 2, (char *)"", 0);
    }
    on_result(context, result, NULL);
    PQclear(result);
}

static int set_up(void **state) {
    (void)state;
    static const struct vault_ports ports = {.query = ask, .now_boot_us = clock_boot_us};
    arena_init(&arena, 1 << 20);
    assert_true(sodium_init() >= 0);
    vault = vault_open_by(&ports, NULL, NULL);
    keys[0] = (struct vault_key){.id = STR("per_01ARZ3NDEKTSV4RRFFQ69G5FAV"), .bytes = {1}};
    keys[1] = (struct vault_key){.id = STR("per_01ARZ3NDEKTSV4RRFFQ69G5FAW"), .bytes = {2}};
    key_count = 2;
    is_away = is_discreet = false;
    questions = 0;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    vault_close(vault);
    arena_release(&arena);
    return 0;
}

static struct sealed sealed(size_t key, const char *text) {
    struct sealed value = {.plaintext = str_of_cstr(text)};
    vault_seal(&keys[key], &arena, &value);
    value.plaintext = (struct str){0};
    return value;
}

static enum vault_found told;
static int told_count;

static void on_done(struct unsealing *unsealing, enum vault_found found) {
    (void)unsealing;
    told = found;
    told_count++;
}

static void open_all(struct sealed *values, size_t count) {
    struct unsealing unsealing = {.arena = &arena, .on_done = on_done, .is_discreet = is_discreet};
    told_count = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(unsealing_add(&unsealing, &values[i]));
    }
    unsealing_begin(&unsealing, vault);
    assert_int_equal(told_count, 1);
}

static void what_is_of_several_persons_is_opened_by_one_question(void **state) {
    (void)state;
    struct sealed values[] = {sealed(0, "ada"), sealed(1, "eve"), sealed(0, "lovelace")};
    open_all(values, 3);
    assert_int_equal(told, VAULT_THERE);
    assert_true(str_equal(values[0].plaintext, STR("ada")));
    assert_true(str_equal(values[1].plaintext, STR("eve")));
    assert_true(str_equal(values[2].plaintext, STR("lovelace")));
    assert_int_equal(questions, 1);
}

static void of_the_erased_nothing_is_opened_and_the_others_are(void **state) {
    (void)state;
    struct sealed values[] = {sealed(0, "ada"), sealed(1, "eve")};
    values[1].plaintext = STR("left over");
    key_count = 1;
    open_all(values, 2);
    assert_int_equal(told, VAULT_THERE);
    assert_true(str_equal(values[0].plaintext, STR("ada")));
    assert_int_equal(values[1].plaintext.len, 0);
}

static void what_was_changed_is_not_opened(void **state) {
    (void)state;
    struct sealed values[] = {sealed(0, "ada")};
    values[0].key_id = keys[1].id;
    open_all(values, 1);
    assert_int_equal(values[0].plaintext.len, 0);
}

static void without_the_database_that_is_told(void **state) {
    (void)state;
    struct sealed values[] = {sealed(0, "ada")};
    is_away = true;
    open_all(values, 1);
    assert_int_equal(told, VAULT_NO_DATABASE);
    assert_int_equal(values[0].plaintext.len, 0);
}

/* Else whose key was used of late would be told while the store is away. */
static void a_remembered_key_opens_what_is_opened_discreetly_only_while_its_store_is_there(void **state) {
    (void)state;
    struct sealed values[] = {sealed(0, "ada")};
    open_all(values, 1);
    is_away = true;
    open_all(values, 1);
    assert_int_equal(told, VAULT_THERE);
    assert_int_equal(questions, 1);
    is_discreet = true;
    open_all(values, 1);
    assert_int_equal(told, VAULT_NO_DATABASE);
    assert_int_equal(values[0].plaintext.len, 0);
    is_away = false;
    open_all(values, 1);
    assert_true(str_equal(values[0].plaintext, STR("ada")));
    assert_int_equal(questions, 3);
}

static void nothing_to_open_is_done_at_once(void **state) {
    (void)state;
    open_all(NULL, 0);
    assert_int_equal(told, VAULT_THERE);
    assert_int_equal(questions, 0);
}

static void there_is_a_bound(void **state) {
    (void)state;
    static struct sealed values[UNSEALING_MAX + 1];
    struct unsealing unsealing = {.arena = &arena};
    for (size_t i = 0; i < UNSEALING_MAX; i++) {
        assert_true(unsealing_add(&unsealing, &values[i]));
    }
    assert_false(unsealing_add(&unsealing, &values[UNSEALING_MAX]));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(what_is_of_several_persons_is_opened_by_one_question),
        WITH(of_the_erased_nothing_is_opened_and_the_others_are),
        WITH(what_was_changed_is_not_opened),
        WITH(without_the_database_that_is_told),
        WITH(a_remembered_key_opens_what_is_opened_discreetly_only_while_its_store_is_there),
        WITH(nothing_to_open_is_done_at_once),
        WITH(there_is_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
