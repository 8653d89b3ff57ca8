/* api_keys_test.c: which keys let in, from when to when, and what is told of their use; against a database that answers
 * when the test says so. */
#include "core/gateway/api_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/vault/token.h"
#include "projections/keys/query.h"

#define SECOND ((int64_t)MICROS_PER_SECOND)
#define HOUR (3600 * SECOND)
#define NOW (INT64_C(1767225660) * SECOND) /* the beginning of an hour, as uses are counted */
#define KEY_A "key_01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define KEY_B "key_01ARZ3NDEKTSV4RRFFQ69G5FAW"

enum { COLUMNS = 7, TOLD_MAX = 256 };

static const struct secret secret = {{5}};
static struct arena arena;
static struct api_keys *keys;
static int64_t boot_us;

/* ---- the database ------------------------------------------------------------------------------------------------ */

static pg_result_cb *on_result;
static void *on_result_context;
static int asked_count;
static PGresult *rows; /* of the next answer */

static void fake_ask(struct pg_pool *pg, const struct pg_statement *statement, const struct str *parameters,
                     pg_result_cb *callback, void *context) {
    (void)pg;
    int64_t time_us;
    assert_ptr_equal(statement, &api_keys_live);
    assert_true(timestamp_read(parameters[0], &time_us));
    assert_null(on_result);
    on_result = callback;
    on_result_context = context;
    asked_count++;
}

static void begin_rows(void) {
    static char names[COLUMNS][8];
    PGresAttDesc columns[COLUMNS] = {0};
    for (int i = 0; i < COLUMNS; i++) {
        snprintf(names[i], sizeof names[i], "c%d", i);
        columns[i].name = names[i];
    }
    PQclear(rows);
    rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_int_equal(PQsetResultAttrs(rows, COLUMNS, columns), 1);
}

static void add_row(const char *const texts[COLUMNS]) {
    int row = PQntuples(rows);
    for (int i = 0; i < COLUMNS; i++) {
        char copy[256] = "";
        int len = texts[i] == NULL ? -1 : snprintf(copy, sizeof copy, "%s", texts[i]);
        assert_int_equal(PQsetvalue(rows, row, i, len < 0 ? NULL : copy, len), 1);
    }
}

static const char *hash_of(struct str text) {
    uint8_t hash[API_KEY_HASH_BYTES];
    api_key_hash(text, hash);
    struct buf out;
    buf_init(&out, 128);
    hex_write(&out, str_of((const char *)hash, sizeof hash));
    struct str copy = arena_printf(&arena, "%.*s", STR_ARGS(buf_text(&out)));
    buf_release(&out);
    return copy.data;
}

static struct str secret_of(const char *key, int generation) {
    return api_key_write(&arena, &secret, str_of_cstr(key), generation);
}

static void add_key(const char *key, int number, const char *roles) {
    add_row((const char *const[]){key, hash_of(secret_of(key, number)), NULL, NULL, NULL, roles, NULL});
}

static void add_rotated(const char *key, int number, int64_t previous_until) {
    add_row((const char *const[]){key, hash_of(secret_of(key, number)), hash_of(secret_of(key, number - 1)),
                                  arena_printf(&arena, "%lld", (long long)previous_until).data, NULL, "service", NULL});
}

static void answer(void) {
    pg_result_cb *callback = on_result;
    assert_non_null(callback);
    on_result = NULL;
    callback(on_result_context, rows, NULL);
}

static void answer_with_failure(void) {
    struct err_info error = {0};
    pg_result_cb *callback = on_result;
    err_set_retriable(&error, ERR_POSTGRES, "it is away");
    assert_non_null(callback);
    on_result = NULL;
    callback(on_result_context, NULL, &error);
}

/* ---- uses -------------------------------------------------------------------------------------------------------- */

static struct {
    char key[API_KEY_STREAM_LEN + 1];
    int64_t hour;
} told[TOLD_MAX];
static size_t told_count;
static bool log_is_away;

static bool fake_note_use(void *context, struct str key, int64_t hour) {
    assert_ptr_equal(context, &told_count);
    if (log_is_away) {
        return false;
    }
    assert_true(told_count < TOLD_MAX);
    snprintf(told[told_count].key, sizeof told[0].key, "%.*s", STR_ARGS(key));
    told[told_count++].hour = hour;
    return true;
}

/* ---- set up ------------------------------------------------------------------------------------------------------ */

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 32 << 20);
    keys = api_keys_open();
    boot_us = 50 * SECOND;
    asked_count = 0;
    told_count = 0;
    log_is_away = false;
    on_result = NULL;
    const struct api_keys_ports ports = {.ask = fake_ask, .note_use = fake_note_use, .context = &told_count};
    api_keys_begin(keys, &ports, boot_us);
    begin_rows();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    api_keys_close(keys);
    PQclear(rows);
    rows = NULL;
    arena_release(&arena);
    return 0;
}

static void tick_after(int64_t wait_us) {
    boot_us += wait_us;
    api_keys_tick(keys, boot_us);
}

/* The rows that were added are what the front knows. */
static void read_rows(void) {
    tick_after(API_KEYS_REREAD_MS * (int64_t)MICROS_PER_MS);
    answer();
}

static bool finds(struct str text, int64_t now_us) {
    struct principal principal = {0};
    return api_keys_find(keys, &arena, text, now_us, &principal);
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

static void a_key_lets_in_as_what_it_may(void **state) {
    (void)state;
    add_row(
        (const char *const[]){KEY_A, hash_of(secret_of(KEY_A, 1)), NULL, NULL, NULL, "vendor auditor", "Garden & Co"});
    add_key(KEY_B, 1, "service");
    read_rows();
    struct principal principal = {.cart_token = STR("kept"), .is_operator = true};
    assert_true(api_keys_find(keys, &arena, secret_of(KEY_A, 1), NOW, &principal));
    assert_true(str_equal(principal.id, STR(KEY_A)));
    assert_true(str_equal(principal.identity, STR(KEY_A)));
    assert_true(str_equal(principal.vendor, STR("Garden & Co")));
    assert_int_equal(principal.capacities, 1U << CAPACITY_VENDOR | 1U << CAPACITY_AUDITOR);
    assert_true(str_equal(principal.cart_token, STR("kept"))); /* of others nothing is touched */
    assert_true(principal.is_operator);
    assert_true(api_keys_find(keys, &arena, secret_of(KEY_B, 1), NOW, &principal));
    assert_true(str_equal(principal.id, STR(KEY_B)));
    assert_true(str_is_empty(principal.vendor));
    assert_int_equal(principal.capacities, 1U << CAPACITY_SERVICE);
    assert_int_equal(api_keys_counts(keys).keys, 2);
}

static void what_is_no_key_of_ours_lets_nobody_in(void **state) {
    (void)state;
    add_key(KEY_A, 1, "service");
    read_rows();
    struct principal principal = {.id = STR("nobody"), .capacities = 0};
    struct str good = secret_of(KEY_A, 1);
    for (uint32_t i = 0; i < good.len; i++) {
        char *changed = arena_alloc(&arena, good.len);
        memcpy(changed, good.data, good.len);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        assert_false(api_keys_find(keys, &arena, str_of(changed, good.len), NOW, &principal));
        assert_false(api_keys_find(keys, &arena, str_first(good, i), NOW, &principal));
    }
    assert_false(api_keys_find(keys, &arena, secret_of(KEY_B, 1), NOW, &principal)); /* there is none of that id */
    assert_false(api_keys_find(keys, &arena, secret_of(KEY_A, 2), NOW, &principal)); /* another secret of it */
    assert_true(str_equal(principal.id, STR("nobody")));
    assert_int_equal(principal.capacities, 0);
    assert_true(api_keys_find(keys, &arena, good, NOW, &principal));
}

static void a_role_of_a_newer_release_lets_in_nowhere(void **state) {
    (void)state;
    add_key(KEY_A, 1, "janitor");
    read_rows();
    struct principal principal = {0};
    assert_true(api_keys_find(keys, &arena, secret_of(KEY_A, 1), NOW, &principal));
    assert_int_equal(principal.capacities, 0);
}

static void a_key_is_good_until_it_expires(void **state) {
    (void)state;
    const char *until = arena_printf(&arena, "%lld", (long long)(NOW + SECOND)).data;
    add_row((const char *const[]){KEY_A, hash_of(secret_of(KEY_A, 1)), NULL, NULL, until, "service", NULL});
    read_rows();
    assert_true(finds(secret_of(KEY_A, 1), NOW));
    assert_true(finds(secret_of(KEY_A, 1), NOW + SECOND - 1));
    assert_false(finds(secret_of(KEY_A, 1), NOW + SECOND));
}

static void after_a_rotation_the_secret_before_is_good_for_its_grace(void **state) {
    (void)state;
    add_rotated(KEY_A, 2, NOW + SECOND);
    read_rows();
    assert_true(finds(secret_of(KEY_A, 2), NOW));
    assert_true(finds(secret_of(KEY_A, 1), NOW + SECOND - 1));
    assert_false(finds(secret_of(KEY_A, 1), NOW + SECOND));
    assert_true(finds(secret_of(KEY_A, 2), NOW + SECOND));
    begin_rows();
    add_rotated(KEY_A, 3, NOW + SECOND); /* and the one before that no more */
    read_rows();
    assert_true(finds(secret_of(KEY_A, 2), NOW));
    assert_false(finds(secret_of(KEY_A, 1), NOW));
}

/* Each of ten thousand, whatever the order in which they come. */
static void all_live_keys_are_known_and_those_beyond_are_not(void **state) {
    (void)state;
    char key[48];
    for (int i = 0; i <= API_KEYS_LIVE_MAX; i++) {
        snprintf(key, sizeof key, "key_01ARZ3NDEKTSV4RRFFQ%07d", (i * 7919) % 9999991);
        arena_reset(&arena);
        add_key(key, 1, "service");
    }
    read_rows();
    assert_int_equal(api_keys_counts(keys).keys, API_KEYS_LIVE_MAX);
    for (int i = 0; i <= API_KEYS_LIVE_MAX; i++) {
        snprintf(key, sizeof key, "key_01ARZ3NDEKTSV4RRFFQ%07d", (i * 7919) % 9999991);
        arena_reset(&arena);
        assert_int_equal(finds(secret_of(key, 1), NOW), i < API_KEYS_LIVE_MAX);
    }
}

static void a_row_that_no_projector_writes_hides_no_other(void **state) {
    (void)state;
    add_row((const char *const[]){KEY_A, "11", NULL, NULL, NULL, "admin", NULL});
    add_row((const char *const[]){"cus_01ARZ3NDEKTSV4RRFFQ69G5FAV", hash_of(secret_of(KEY_A, 1)), NULL, NULL, NULL,
                                  "admin", NULL});
    add_key(KEY_B, 1, "service");
    read_rows();
    assert_int_equal(api_keys_counts(keys).keys, 1);
    assert_false(finds(secret_of(KEY_A, 1), NOW));
    assert_true(finds(secret_of(KEY_B, 1), NOW));
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void they_are_read_at_the_start_and_again_every_half_minute(void **state) {
    (void)state;
    assert_false(api_keys_are_known(keys));
    tick_after(0);
    assert_int_equal(asked_count, 1);
    assert_false(api_keys_are_known(keys));
    tick_after(60 * SECOND); /* it is on its way */
    assert_int_equal(asked_count, 1);
    answer();
    assert_true(api_keys_are_known(keys)); /* that there is none */
    assert_int_equal(api_keys_counts(keys).read_at_boot_us, 50 * SECOND);
    tick_after(0);
    answer();
    tick_after(API_KEYS_REREAD_MS * (int64_t)MICROS_PER_MS - 1);
    assert_int_equal(asked_count, 2);
    tick_after(1);
    assert_int_equal(asked_count, 3);
    answer();
}

static void a_revoked_key_is_none_once_the_view_has_told(void **state) {
    (void)state;
    add_key(KEY_A, 1, "service");
    read_rows();
    assert_true(finds(secret_of(KEY_A, 1), NOW));
    begin_rows();
    boot_us += SECOND;
    api_keys_moved(keys, boot_us); /* at once, without a tick */
    assert_int_equal(asked_count, 2);
    answer();
    assert_false(finds(secret_of(KEY_A, 1), NOW));
}

static void notices_that_come_together_are_one_reading_and_none_is_missed(void **state) {
    (void)state;
    read_rows();
    int before = asked_count;
    boot_us += SECOND;
    api_keys_moved(keys, boot_us);
    api_keys_moved(keys, boot_us);
    assert_int_equal(asked_count, before + 1);
    api_keys_moved(keys, boot_us); /* while it is on its way: what it answers may be of before */
    answer();
    tick_after(API_KEYS_APART_MS * (int64_t)MICROS_PER_MS - 1);
    assert_int_equal(asked_count, before + 1);
    tick_after(1);
    assert_int_equal(asked_count, before + 2);
    answer();
    tick_after(SECOND);
    assert_int_equal(asked_count, before + 2);
}

static void without_the_database_what_is_known_holds(void **state) {
    (void)state;
    add_key(KEY_A, 1, "service");
    read_rows();
    int before = asked_count;
    int64_t read_at = api_keys_counts(keys).read_at_boot_us;
    boot_us += SECOND;
    api_keys_moved(keys, boot_us);
    answer_with_failure();
    assert_true(finds(secret_of(KEY_A, 1), NOW));
    assert_int_equal(api_keys_counts(keys).read_at_boot_us, read_at);
    assert_int_equal(api_keys_counts(keys).failures_total, 1);
    api_keys_moved(keys, boot_us);
    tick_after(API_KEYS_AGAIN_MS * (int64_t)MICROS_PER_MS - 1);
    assert_int_equal(asked_count, before + 1);
    tick_after(1);
    assert_int_equal(asked_count, before + 2);
    answer();
}

/* ---- uses -------------------------------------------------------------------------------------------------------- */

static void a_use_is_told_once_an_hour_and_key(void **state) {
    (void)state;
    add_key(KEY_A, 1, "service");
    add_key(KEY_B, 1, "service");
    read_rows();
    tick_after(1);
    assert_int_equal(told_count, 0);
    assert_true(finds(secret_of(KEY_A, 1), NOW));
    assert_true(finds(secret_of(KEY_A, 1), NOW + SECOND));
    assert_false(finds(secret_of(KEY_B, 2), NOW)); /* that is none */
    tick_after(1);
    assert_int_equal(told_count, 1);
    assert_string_equal(told[0].key, KEY_A);
    assert_int_equal(told[0].hour, NOW / HOUR);
    assert_true(finds(secret_of(KEY_A, 1), NOW + HOUR - 1));
    assert_true(finds(secret_of(KEY_B, 1), NOW + HOUR - 1));
    tick_after(1);
    assert_int_equal(told_count, 2);
    assert_string_equal(told[1].key, KEY_B);
    assert_true(finds(secret_of(KEY_A, 1), NOW + HOUR));
    tick_after(1);
    assert_int_equal(told_count, 3);
    assert_int_equal(told[2].hour, NOW / HOUR + 1);
}

static void what_was_told_is_not_told_again_after_a_reading(void **state) {
    (void)state;
    add_key(KEY_A, 1, "service");
    read_rows();
    assert_true(finds(secret_of(KEY_A, 1), NOW));
    tick_after(1);
    assert_int_equal(told_count, 1);
    begin_rows();
    add_key(KEY_B, 1, "service"); /* another place in the table */
    add_key(KEY_A, 1, "service");
    read_rows();
    assert_true(finds(secret_of(KEY_A, 1), NOW));
    tick_after(1);
    assert_int_equal(told_count, 1);
}

static void what_could_not_be_told_is_told_later(void **state) {
    (void)state;
    add_key(KEY_A, 1, "service");
    add_key(KEY_B, 1, "service");
    read_rows();
    log_is_away = true;
    assert_true(finds(secret_of(KEY_A, 1), NOW));
    assert_true(finds(secret_of(KEY_B, 1), NOW));
    tick_after(1);
    log_is_away = false;
    tick_after(1);
    assert_int_equal(told_count, 0); /* it is not asked at every tick */
    tick_after(API_KEYS_AGAIN_MS * (int64_t)MICROS_PER_MS);
    assert_int_equal(told_count, 2);
}

static void many_uses_are_told_over_some_ticks(void **state) {
    (void)state;
    char key[API_KEY_STREAM_LEN + 1];
    for (int i = 0; i < API_KEYS_USES_MAX + 1; i++) {
        snprintf(key, sizeof key, "key_01ARZ3NDEKTSV4RRFFQ%07d", i);
        add_key(key, 1, "service");
    }
    read_rows();
    for (int i = 0; i < API_KEYS_USES_MAX + 1; i++) {
        snprintf(key, sizeof key, "key_01ARZ3NDEKTSV4RRFFQ%07d", i);
        assert_true(finds(secret_of(key, 1), NOW));
    }
    tick_after(1);
    assert_int_equal(told_count, API_KEYS_USES_MAX);
    tick_after(1);
    assert_int_equal(told_count, API_KEYS_USES_MAX + 1);
    tick_after(1);
    assert_int_equal(told_count, API_KEYS_USES_MAX + 1);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

static _Atomic bool is_over;

static void *find_all_the_time(void *context) {
    struct str *text = context;
    struct arena own;
    size_t found = 0;
    arena_init(&own, 1 << 20);
    do { /* once at least, also where the thread comes late */
        struct principal principal = {0};
        arena_reset(&own);
        bool is_found = api_keys_find(keys, &own, *text, NOW, &principal);
        found += is_found && str_equal(principal.id, STR(KEY_A)) && str_equal(principal.vendor, STR("Garden & Co"));
    } while (!atomic_load(&is_over));
    arena_release(&own);
    return (void *)(uintptr_t)found;
}

static void loops_find_while_another_reads(void **state) {
    (void)state;
    pthread_t threads[2];
    struct str text = secret_of(KEY_A, 1);
    add_row((const char *const[]){KEY_A, hash_of(text), NULL, NULL, NULL, "vendor", "Garden & Co"});
    add_key(KEY_B, 1, "service");
    read_rows();
    atomic_store(&is_over, false);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, find_all_the_time, &text), 0);
    }
    for (int i = 0; i < 300; i++) {
        read_rows();
        tick_after(1);
    }
    atomic_store(&is_over, true);
    for (size_t i = 0; i < 2; i++) {
        void *found;
        assert_int_equal(pthread_join(threads[i], &found), 0);
        assert_true((uintptr_t)found > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_key_lets_in_as_what_it_may),
        TEST(what_is_no_key_of_ours_lets_nobody_in),
        TEST(a_role_of_a_newer_release_lets_in_nowhere),
        TEST(a_key_is_good_until_it_expires),
        TEST(after_a_rotation_the_secret_before_is_good_for_its_grace),
        TEST(all_live_keys_are_known_and_those_beyond_are_not),
        TEST(a_row_that_no_projector_writes_hides_no_other),
        TEST(they_are_read_at_the_start_and_again_every_half_minute),
        TEST(a_revoked_key_is_none_once_the_view_has_told),
        TEST(notices_that_come_together_are_one_reading_and_none_is_missed),
        TEST(without_the_database_what_is_known_holds),
        TEST(a_use_is_told_once_an_hour_and_key),
        TEST(what_was_told_is_not_told_again_after_a_reading),
        TEST(what_could_not_be_told_is_told_later),
        TEST(many_uses_are_told_over_some_ticks),
        TEST(loops_find_while_another_reads),
#undef TEST
    };
    return cmocka_run_group_tests_name("api_keys", tests, NULL, NULL);
}
