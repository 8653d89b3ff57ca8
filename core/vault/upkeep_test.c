/* The vault's statements, said to a PostgreSQL of the test's own. */
#include "core/vault/upkeep.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/base/timestamp.h"
#include "core/pg/migrate.h"
#include "core/pg/test_server.h"
#include "core/vault/vault.h"

#define RING_A "a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define RING_B "b AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"
#define OTHER_A "a AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"
#define ID(n) STR("per_0000000000000000000000000" #n)

/* As the first release made them. */
static const char tables_of_before[] =
    "CREATE SCHEMA vault;"
    "CREATE TABLE vault.keys (key_id text PRIMARY KEY, key bytea NOT NULL CHECK (length(key) = 32),"
    " created_at timestamptz NOT NULL DEFAULT now());"
    "CREATE TABLE vault.installation (only_row bool PRIMARY KEY DEFAULT true CHECK (only_row),"
    " secret_fingerprint text NOT NULL);";

static void must(enum err err, const struct err_info *info) {
    if (err != ERR_NONE) {
        fail_msg("%s", info->text);
    }
}

static void exec(struct pg_session *session, const char *sql) {
    struct err_info info = {0};
    must(pg_session_exec(session, sql, &info), &info);
}

static void migrate(struct pg_session *session) {
    struct err_info info = {0};
    must(pg_migrate_again(session, vault_sql, &info), &info);
}

static struct master_ring *ring_of(const char *text) {
    struct master_ring *ring = NULL;
    struct err_info info = {0};
    must(master_load("/nonexistent", text, &ring, &info), &info);
    return ring;
}

static struct master_ring *ring_a, *ring_b, *ring_b_a, *other_a;

/* Each test begins with the tables of today, and nothing in them. */
static int set_up(void **state) {
    struct pg_session *session = test_session_open();
    exec(session, "DROP SCHEMA IF EXISTS vault CASCADE");
    migrate(session);
    ring_a = ring_of(RING_A);
    ring_b = ring_of(RING_B);
    ring_b_a = ring_of(RING_B "," RING_A);
    other_a = ring_of(OTHER_A);
    *state = session;
    return 0;
}

static int tear_down(void **state) {
    pg_session_close(*state);
    master_free(ring_a);
    master_free(ring_b);
    master_free(ring_b_a);
    master_free(other_a);
    return 0;
}

static struct vault_figures look(struct pg_session *session) {
    struct vault_figures figures;
    struct err_info info = {0};
    must(vault_look(session, &figures, &info), &info);
    return figures;
}

static int64_t rewrap(struct pg_session *session, const struct master_ring *ring) {
    int64_t done;
    struct err_info info = {0};
    must(vault_rewrap(session, ring, &done, &info), &info);
    return done;
}

/* Keys in the clear, whose first byte is 7; their ids end in 1 to `count`. */
static void add_clear(struct pg_session *session, int count) {
    struct err_info info = {0};
    must(pg_session_execf(session, &info,
                          "INSERT INTO vault.keys (key_id, key) SELECT 'per_' || lpad(i::text, 26, '0'), "
                          "decode('07' || repeat(lpad(to_hex(i), 4, '0'), 15) || '00', 'hex') "
                          "FROM generate_series(1, %d) AS i",
                          count),
         &info);
}

/* How many of them are wrapped under a key of the ring, each with what it was. */
static int64_t opened(struct pg_session *session, const struct master_ring *ring) {
    CLEANUP(pg_result_clear) PGresult *result = NULL;
    struct err_info info = {0};
    must(pg_session_query(session,
                          "SELECT key_id, wrapped, master, substr(key_id, 5)::int8 FROM vault.keys "
                          "WHERE wrapped IS NOT NULL AND key IS NULL",
                          NULL, 0, true, &result, &info),
         &info);
    int64_t count = 0;
    for (int row = 0; row < PQntuples(result); row++) {
        uint8_t key[32];
        int64_t number = pg_get_int8(result, row, 3);
        if (master_unwrap(ring, pg_get_bytes(result, row, 2), pg_get_bytes(result, row, 0),
                          pg_get_bytes(result, row, 1), key)) {
            assert_int_equal(key[0], 7);
            assert_int_equal(key[1] << 8 | key[2], number);
            count++;
        }
    }
    return count;
}

/* Of a customer: whoever's it is by now. */
static void destroy_own(struct pg_session *session, struct str id) {
    struct err_info info = {0};
    const struct vault_doomed doomed = {.key_id = id, .cause = STR("evt_1")};
    must(vault_destroy(session, &doomed, 1, NULL, &info), &info);
}

/* ---- the tables -------------------------------------------------------------------------------------------------- */

static void tables_of_before_keep_their_keys(void **state) {
    struct pg_session *session = *state;
    exec(session, "DROP SCHEMA vault CASCADE");
    exec(session, tables_of_before);
    add_clear(session, 3);
    migrate(session);
    migrate(session);
    assert_int_equal(test_number(session, "SELECT count(*) FROM vault.keys WHERE get_byte(key, 0) = 7"), 3);
    /* A front of before, which still runs, makes one more. */
    exec(session, "INSERT INTO vault.keys (key_id, key) VALUES ('per_00000000000000000000000004', "
                  "decode('07' || repeat('0004', 15) || '00', 'hex'))");
    assert_int_equal(look(session).in_the_clear, 4);
    assert_int_equal(rewrap(session, ring_a), 4);
    assert_int_equal(opened(session, ring_a), 4);
}

/* As it was before it was kept what a key was destroyed for. */
static void keys_that_were_destroyed_before_are_not_there_after_it_either(void **state) {
    struct pg_session *session = *state;
    exec(session, "ALTER TABLE vault.keys DROP COLUMN erased_for");
    exec(session, "INSERT INTO vault.keys (key_id, erased_at) VALUES ('per_00000000000000000000000001', now())");
    migrate(session);
    migrate(session);
    assert_int_equal(look(session).destroyed, 1);
    assert_int_equal(test_number(session, "SELECT count(*) FROM vault.keys WHERE erased_for IS NULL"), 1);
}

static void a_row_of_no_form_is_refused(void **state) {
    struct pg_session *session = *state;
    add_clear(session, 1);
    assert_int_equal(rewrap(session, ring_a), 1);
    static const char *const wrong[] = {
        "INSERT INTO vault.keys (key_id) VALUES ('per_2')",
        "UPDATE vault.keys SET master = NULL",
        "UPDATE vault.keys SET wrapped = NULL",
        "UPDATE vault.keys SET key = decode(repeat('00', 32), 'hex')",
        "UPDATE vault.keys SET erased_at = now()",
        "UPDATE vault.keys SET wrapped = decode(repeat('00', 71), 'hex')",
        "UPDATE vault.keys SET master = 'b'", /* nobody has said that it may wrap */
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err_info info = {0};
        assert_int_equal(pg_session_exec(session, wrong[i], &info), ERR_MALFORMED);
    }
}

/* ---- the ring ---------------------------------------------------------------------------------------------------- */

static void the_first_ring_is_the_installation_s(void **state) {
    struct pg_session *session = *state;
    struct err_info info = {0};
    must(vault_check_ring(session, ring_a, &info), &info);
    must(vault_check_ring(session, ring_a, &info), &info);
    assert_int_equal(test_number(session, "SELECT count(*) FROM vault.masters"), 1);
    assert_int_equal(vault_check_ring(session, ring_b, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "lacks a:"));
    assert_int_equal(vault_check_ring(session, other_a, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "master key a of this ring is not the one"));
    assert_int_equal(test_number(session, "SELECT count(*) FROM vault.masters WHERE id = 'a'"), 1);
    /* A new one that is first in a ring with the old one. */
    must(vault_check_ring(session, ring_b_a, &info), &info);
    assert_int_equal(vault_check_ring(session, ring_a, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "lacks b:"));
}

static void a_master_key_is_dropped_when_nothing_is_under_it(void **state) {
    struct pg_session *session = *state;
    struct err_info info = {0};
    add_clear(session, 2);
    assert_int_equal(rewrap(session, ring_a), 2);
    assert_int_equal(vault_drop_master(session, STR("a"), &info), ERR_CONFLICT);
    assert_int_equal(rewrap(session, ring_b_a), 2);
    assert_int_equal(vault_check_ring(session, ring_b, &info), ERR_CONFIG);
    must(vault_drop_master(session, STR("a"), &info), &info);
    must(vault_drop_master(session, STR("a"), &info), &info);
    must(vault_check_ring(session, ring_b, &info), &info);
    assert_int_equal(opened(session, ring_b), 2);
}

struct checking {
    pthread_t thread;
    enum err err;
    struct err_info info;
    int64_t done;
};

static void await_a_wait(struct pg_session *session) {
    for (int i = 0; i < 2000; i++) {
        if (test_number(session, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") > 0) {
            return;
        }
        usleep(5000);
    }
    fail_msg("nobody waits");
}

static void *check_ring_b(void *context) {
    struct checking *checking = context;
    struct pg_session *session = test_session_open();
    checking->err = vault_check_ring(session, ring_b, &checking->info);
    pg_session_close(session);
    return NULL;
}

static void of_two_first_rings_one_passes(void **state) {
    struct pg_session *session = *state, *watching = test_session_open();
    struct err_info info = {0};
    /* The first one is about to end. */
    exec(session, "BEGIN; SELECT pg_advisory_xact_lock(hashtext('daybook vault.masters'));"
                  "INSERT INTO vault.masters (id, fingerprint) VALUES ('a', 'x')");
    struct checking checking = {.err = ERR_NONE};
    assert_int_equal(pthread_create(&checking.thread, NULL, check_ring_b, &checking), 0);
    await_a_wait(watching);
    must(pg_session_exec(session, "COMMIT", &info), &info);
    assert_int_equal(pthread_join(checking.thread, NULL), 0);
    assert_int_equal(checking.err, ERR_CONFIG);
    assert_non_null(strstr(checking.info.text, "lacks a:"));
    pg_session_close(watching);
}

static void the_secret_is_the_first_one_s(void **state) {
    struct pg_session *session = *state;
    struct err_info info = {0};
    const struct secret mine = {{1}}, other = {{2}};
    must(vault_check_secret(session, &mine, &info), &info);
    must(vault_check_secret(session, &mine, &info), &info);
    assert_int_equal(vault_check_secret(session, &other, &info), ERR_CONFIG);
}

/* ---- wrapping anew ----------------------------------------------------------------------------------------------- */

static void all_keys_are_wrapped_anew_and_stay_what_they_were(void **state) {
    struct pg_session *session = *state;
    add_clear(session, 2 * VAULT_REWRAP_ROWS + 1);
    assert_int_equal(rewrap(session, ring_a), 2 * VAULT_REWRAP_ROWS + 1);
    assert_int_equal(look(session).in_the_clear, 0);
    assert_true(look(session).has_remains);
    assert_int_equal(opened(session, ring_a), 2 * VAULT_REWRAP_ROWS + 1);
    assert_int_equal(rewrap(session, ring_a), 0);
    assert_int_equal(rewrap(session, ring_b_a), 2 * VAULT_REWRAP_ROWS + 1);
    assert_int_equal(opened(session, ring_b), 2 * VAULT_REWRAP_ROWS + 1);
    struct vault_figures figures = look(session);
    assert_int_equal(figures.master_count, 2);
    assert_string_equal(figures.masters[0].id, "a");
    assert_int_equal(figures.masters[0].keys, 0);
    assert_string_equal(figures.masters[1].id, "b");
    assert_int_equal(figures.masters[1].keys, 2 * VAULT_REWRAP_ROWS + 1);
}

static void one_that_was_cut_short_goes_on(void **state) {
    struct pg_session *session = *state;
    add_clear(session, VAULT_REWRAP_ROWS + 500);
    exec(session, "CREATE FUNCTION vault.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'cut'; END $$;"
                  "CREATE TRIGGER cut BEFORE UPDATE ON vault.keys FOR EACH ROW "
                  "WHEN (old.key_id = 'per_00000000000000000000001200') EXECUTE FUNCTION vault.refuse()");
    int64_t done;
    struct err_info info = {0};
    assert_int_not_equal(vault_rewrap(session, ring_a, &done, &info), ERR_NONE);
    assert_int_equal(done, VAULT_REWRAP_ROWS);
    assert_int_equal(opened(session, ring_a), VAULT_REWRAP_ROWS);
    assert_int_equal(look(session).in_the_clear, 500);
    exec(session, "DROP TRIGGER cut ON vault.keys");
    assert_int_equal(rewrap(session, ring_a), 500);
    assert_int_equal(opened(session, ring_a), VAULT_REWRAP_ROWS + 500);
}

static void a_key_that_cannot_be_opened_holds_up_no_other(void **state) {
    struct pg_session *session = *state;
    add_clear(session, 3);
    assert_int_equal(rewrap(session, ring_a), 3);
    exec(session, "UPDATE vault.keys SET wrapped = set_byte(wrapped, 30, get_byte(wrapped, 30) # 1) "
                  "WHERE key_id = 'per_00000000000000000000000001'");
    int64_t done;
    struct err_info info = {0};
    assert_int_equal(vault_rewrap(session, ring_b_a, &done, &info), ERR_MALFORMED);
    assert_int_equal(done, 2);
    assert_non_null(strstr(info.text, "1 keys cannot be opened"));
    assert_non_null(strstr(info.text, "per_00000000000000000000000001"));
    assert_int_equal(opened(session, ring_b), 2);
    assert_int_equal(vault_rewrap(session, ring_b, &done, &info), ERR_CONFIG); /* it lacks a */
    assert_int_equal(done, 0);
}

static void *rewrap_b(void *context) {
    struct checking *checking = context;
    struct pg_session *session = test_session_open();
    checking->err = vault_rewrap(session, ring_b_a, &checking->done, &checking->info);
    pg_session_close(session);
    return NULL;
}

static void what_is_destroyed_meanwhile_stays_destroyed(void **state) {
    struct pg_session *session = *state, *watching = test_session_open();
    add_clear(session, 3);
    assert_int_equal(rewrap(session, ring_a), 3);
    exec(session, "BEGIN");
    destroy_own(session, ID(2));
    struct checking checking = {.err = ERR_NONE};
    assert_int_equal(pthread_create(&checking.thread, NULL, rewrap_b, &checking), 0);
    await_a_wait(watching);
    exec(session, "COMMIT");
    assert_int_equal(pthread_join(checking.thread, NULL), 0);
    must(checking.err, &checking.info);
    assert_int_equal(checking.done, 2);
    assert_int_equal(look(session).destroyed, 1);
    assert_int_equal(opened(session, ring_b), 2);
    pg_session_close(watching);
}

/* ---- destroying -------------------------------------------------------------------------------------------------- */

static void what_is_destroyed_is_gone_and_is_not_made_again(void **state) {
    struct pg_session *session = *state;
    struct err_info info = {0};
    add_clear(session, 2);
    exec(session, "INSERT INTO vault.remains (changes, removed) VALUES (5, 5)");
    const struct vault_doomed doomed[] = {
        {.key_id = ID(1), .cause = STR("evt_1")},
        {.key_id = ID(9), .cause = STR("evt_1")},
        {.key_id = ID(1), .cause = STR("evt_1")},
    };
    int64_t left = -1;
    must(vault_destroy(session, doomed, 3, &left, &info), &info);
    assert_int_equal(left, 0);
    assert_int_equal(test_number(session, "SELECT count(*) FROM vault.keys WHERE erased_at IS NOT NULL AND key IS NULL "
                                          "AND wrapped IS NULL AND master IS NULL AND erased_for = 'evt_1'"),
                     2);
    assert_int_equal(look(session).in_the_clear, 1);
    assert_int_equal(test_number(session, "SELECT changes FROM vault.remains"), 6);
    /* Once more: nothing is changed, also not when it was. */
    exec(session, "UPDATE vault.keys SET erased_at = '2001-01-01' WHERE erased_at IS NOT NULL");
    must(vault_destroy(session, doomed, 3, NULL, &info), &info);
    assert_int_equal(test_number(session, "SELECT count(*) FROM vault.keys WHERE erased_at = '2001-01-01'"), 2);
    assert_int_equal(test_number(session, "SELECT changes FROM vault.remains"), 6);
    must(vault_destroy(session, doomed, 0, NULL, &info), &info);
}

/* When the database's clock shows noon of the tests. */
#define NOON_US (INT64_C(1000000000) * MICROS_PER_SECOND)

/* The key of an address, made so long after noon. */
static void add_at(struct pg_session *session, int seconds) {
    struct err_info info = {0};
    exec(session, "DELETE FROM vault.keys");
    add_clear(session, 1);
    must(pg_session_execf(session, &info, "UPDATE vault.keys SET created_at = to_timestamp(1000000000 + %d)", seconds),
         &info);
}

/* At noon somebody asked for it; `ret_left` 0: it is gone. */
static int64_t destroy_asked_at_noon(struct pg_session *session, struct str cause, bool may_be_anew) {
    const struct vault_doomed doomed = {
        .key_id = ID(1), .cause = cause, .asked_at_us = NOON_US, .may_be_anew = may_be_anew};
    int64_t left = -1;
    struct err_info info = {0};
    must(vault_destroy(session, &doomed, 1, &left, &info), &info);
    assert_int_equal(look(session).destroyed, left == 0);
    assert_int_equal(look(session).in_the_clear, left);
    return left;
}

/* As VAULT_MAKE_ANEW does it. */
static void make_anew(struct pg_session *session, int seconds) {
    struct err_info info = {0};
    must(pg_session_execf(session, &info,
                          "UPDATE vault.keys SET erased_at = NULL, created_at = to_timestamp(1000000000 + %d), "
                          "key = decode(repeat('08', 32), 'hex')",
                          seconds),
         &info);
}

static void an_address_s_key_that_was_made_after_it_was_asked_for_is_left(void **state) {
    struct pg_session *session = *state;
    add_at(session, -1);
    assert_int_equal(destroy_asked_at_noon(session, STR("evt_1"), true), 0);
    /* Two clocks are never one. */
    add_at(session, VAULT_CLOCKS_DIFFER_S);
    assert_int_equal(destroy_asked_at_noon(session, STR("evt_1"), true), 0);
    add_at(session, VAULT_CLOCKS_DIFFER_S + 1);
    assert_int_equal(destroy_asked_at_noon(session, STR("evt_1"), true), 1);
    /* A customer's own is his, whatever clocks say. */
    assert_int_equal(destroy_asked_at_noon(session, STR("evt_1"), false), 0);
}

static void what_was_destroyed_once_is_not_destroyed_again_under_somebody_else(void **state) {
    struct pg_session *session = *state;
    add_at(session, -1);
    assert_int_equal(destroy_asked_at_noon(session, STR("evt_1"), true), 0);
    make_anew(session, 1);
    assert_int_equal(destroy_asked_at_noon(session, STR("evt_1"), true), 1);
    assert_int_equal(destroy_asked_at_noon(session, STR("evt_2"), true), 0); /* who has it now is erased, too */
    /* That a tombstone stood there is as good as having destroyed it. */
    assert_int_equal(destroy_asked_at_noon(session, STR("evt_3"), true), 0);
    make_anew(session, 1);
    assert_int_equal(destroy_asked_at_noon(session, STR("evt_3"), true), 1);
}

static void of_two_who_ask_for_one_key_at_once_the_later_counts(void **state) {
    struct pg_session *session = *state;
    struct err_info info = {0};
    add_at(session, VAULT_CLOCKS_DIFFER_S + 1);
    const struct vault_doomed doomed[] = {
        {.key_id = ID(1), .cause = STR("evt_1"), .asked_at_us = NOON_US, .may_be_anew = true},
        {.key_id = ID(1), .cause = STR("evt_2"), .asked_at_us = NOON_US + MICROS_PER_SECOND, .may_be_anew = true},
        {.key_id = ID(1), .cause = STR("evt_3"), .asked_at_us = NOON_US - MICROS_PER_SECOND, .may_be_anew = true},
    };
    int64_t left = -1;
    must(vault_destroy(session, doomed, 3, &left, &info), &info);
    assert_int_equal(left, 0);
    assert_int_equal(look(session).destroyed, 1);
}

static void the_table_is_written_anew_when_something_is_left_in_it(void **state) {
    struct pg_session *session = *state;
    struct err_info info = {0};
    bool was_due = true;
    must(vault_vacuum(session, &was_due, &info), &info);
    assert_false(was_due);
    add_clear(session, 2);
    assert_int_equal(rewrap(session, ring_a), 2);
    int64_t file = test_number(session, "SELECT pg_relation_filenode('vault.keys')::int8");
    must(vault_vacuum(session, &was_due, &info), &info);
    assert_true(was_due);
    assert_int_not_equal(test_number(session, "SELECT pg_relation_filenode('vault.keys')::int8"), file);
    assert_false(look(session).has_remains);
    assert_int_equal(opened(session, ring_a), 2);
    must(vault_vacuum(session, &was_due, &info), &info);
    assert_false(was_due);
    destroy_own(session, ID(1));
    assert_true(look(session).has_remains);
    must(vault_vacuum(session, NULL, &info), &info);
    assert_int_equal(look(session).destroyed, 1);
    assert_int_equal(test_number(session, "SELECT (current_setting('lock_timeout') = '0')::int::int8"), 1);
}

/* ---- the loop's statements --------------------------------------------------------------------------------------- */

struct front {
    uv_loop_t loop;
    struct pg_pool *pool;
    struct vault *vault;
    size_t answers;
    enum vault_found found;
    enum vault_end end;
    uint8_t bytes[3][VAULT_KEY_BYTES];
    bool is_there[3];
};

static void front_open(struct front *front, const struct master_ring *ring) {
    *front = (struct front){0};
    struct err_info info = {0};
    assert_int_equal(uv_loop_init(&front->loop), 0);
    const struct pg_pool_options options = {.conninfo = test_conninfo};
    must(pg_pool_open(&front->loop, &options, &front->pool, &info), &info);
    while (!pg_pool_is_up(front->pool)) {
        uv_run(&front->loop, UV_RUN_ONCE);
    }
    front->vault = vault_open(front->pool, ring);
}

static void front_close(struct front *front) {
    pg_pool_close(front->pool, NULL, NULL);
    uv_run(&front->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&front->loop), 0);
    vault_close(front->vault);
}

static void on_key(void *context, enum vault_found found, const struct vault_key *key) {
    struct front *front = context;
    front->answers++;
    front->found = found;
    if (key != NULL) {
        memcpy(front->bytes[0], key->bytes, VAULT_KEY_BYTES);
    }
}

static void on_keys(void *context, enum vault_found found, const struct vault_key *keys, size_t count) {
    struct front *front = context;
    front->answers++;
    front->found = found;
    for (size_t i = 0; i < count; i++) {
        memcpy(front->bytes[i], keys[i].bytes, VAULT_KEY_BYTES);
        front->is_there[i] = !str_is_empty(keys[i].id);
    }
}

static void await_answer(struct front *front) {
    while (front->answers == 0) {
        uv_run(&front->loop, UV_RUN_ONCE);
    }
    assert_int_equal(front->answers, 1);
    front->answers = 0;
}

static enum vault_found find(struct front *front, struct str id, enum vault_wish wish) {
    vault_forget(front->vault, id);
    vault_key_of(front->vault, id, wish, on_key, front);
    await_answer(front);
    return front->found;
}

static void on_end(void *context, enum vault_end end) {
    struct front *front = context;
    front->answers++;
    front->end = end;
}

static enum vault_end end_of(struct front *front, struct str id) {
    vault_end_of(front->vault, id, on_end, front);
    await_answer(front);
    return front->end;
}

static void a_front_makes_finds_and_misses_keys(void **state) {
    struct pg_session *session = *state;
    struct err_info info = {0};
    struct front front;
    front_open(&front, ring_a);
    assert_int_equal(find(&front, ID(1), VAULT_MAKE), VAULT_NO_DATABASE); /* no master key may wrap yet */
    assert_int_equal(test_number(session, "SELECT count(*) FROM vault.keys"), 0);
    must(vault_check_ring(session, ring_a, &info), &info);
    assert_int_equal(find(&front, ID(1), VAULT_FIND), VAULT_NONE);
    assert_int_equal(find(&front, ID(1), VAULT_MAKE), VAULT_THERE);
    uint8_t first[VAULT_KEY_BYTES];
    memcpy(first, front.bytes[0], sizeof first);
    assert_int_equal(find(&front, ID(1), VAULT_MAKE_ANEW), VAULT_THERE);
    assert_memory_equal(first, front.bytes[0], sizeof first);

    destroy_own(session, ID(1));
    assert_int_equal(find(&front, ID(1), VAULT_FIND), VAULT_NONE);
    assert_int_equal(find(&front, ID(1), VAULT_MAKE), VAULT_NONE);
    assert_int_equal(end_of(&front, ID(1)), VAULT_DESTROYED);
    assert_int_equal(end_of(&front, ID(2)), VAULT_NEVER_DESTROYED);
    assert_int_equal(find(&front, ID(1), VAULT_MAKE_ANEW), VAULT_THERE);
    assert_int_equal(end_of(&front, ID(1)), VAULT_DESTROYED);
    assert_memory_not_equal(first, front.bytes[0], sizeof first);
    assert_int_equal(look(session).destroyed, 0);
    front_close(&front);
}

static void a_front_opens_keys_in_the_clear_and_under_any_key_of_its_ring(void **state) {
    struct pg_session *session = *state;
    add_clear(session, 2);
    assert_int_equal(rewrap(session, ring_a), 2);
    assert_int_equal(rewrap(session, ring_b_a), 2);
    exec(session, "INSERT INTO vault.keys (key_id, key) VALUES ('per_00000000000000000000000003', "
                  "decode('07' || repeat('0003', 15) || '00', 'hex'))");
    struct front front;
    front_open(&front, ring_b_a);
    const struct str ids[] = {ID(3), ID(8), ID(1)};
    vault_keys_of(front.vault, ids, 3, on_keys, &front);
    await_answer(&front);
    assert_int_equal(front.found, VAULT_THERE);
    assert_true(front.is_there[0] && !front.is_there[1] && front.is_there[2]);
    assert_int_equal(front.bytes[0][2], 3);
    assert_int_equal(front.bytes[2][2], 1);
    front_close(&front);
    front_open(&front, ring_a);
    assert_int_equal(find(&front, ID(1), VAULT_FIND), VAULT_NO_MASTER);
    assert_int_equal(find(&front, ID(3), VAULT_FIND), VAULT_THERE);
    front_close(&front);
}

int main(void) {
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(tables_of_before_keep_their_keys),
        TEST(keys_that_were_destroyed_before_are_not_there_after_it_either),
        TEST(a_row_of_no_form_is_refused),
        TEST(the_first_ring_is_the_installation_s),
        TEST(a_master_key_is_dropped_when_nothing_is_under_it),
        TEST(of_two_first_rings_one_passes),
        TEST(the_secret_is_the_first_one_s),
        TEST(all_keys_are_wrapped_anew_and_stay_what_they_were),
        TEST(one_that_was_cut_short_goes_on),
        TEST(a_key_that_cannot_be_opened_holds_up_no_other),
        TEST(what_is_destroyed_meanwhile_stays_destroyed),
        TEST(what_is_destroyed_is_gone_and_is_not_made_again),
        TEST(an_address_s_key_that_was_made_after_it_was_asked_for_is_left),
        TEST(what_was_destroyed_once_is_not_destroyed_again_under_somebody_else),
        TEST(of_two_who_ask_for_one_key_at_once_the_later_counts),
        TEST(the_table_is_written_anew_when_something_is_left_in_it),
        TEST(a_front_makes_finds_and_misses_keys),
        TEST(a_front_opens_keys_in_the_clear_and_under_any_key_of_its_ring),
    };
    return cmocka_run_group_tests_name("upkeep", tests, test_server_setup, test_server_teardown);
}
