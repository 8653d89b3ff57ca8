#include "core/gateway/recent_outcomes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>

static struct recent_outcomes outcomes;
static struct arena arena;

static int set_up(void **state) {
    (void)state;
    recent_outcomes_init(&outcomes);
    arena_init(&arena, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    recent_outcomes_release(&outcomes);
    arena_release(&arena);
    return 0;
}

static void note(const char *id, enum outcome_status status, const char *rejection, struct str value) {
    const struct outcome outcome = {
        .command_id = str_of_cstr(id), .status = status, .rejection = str_of_cstr(rejection)};
    recent_outcomes_note(&outcomes, &outcome, value);
}

static struct str found(const char *id) {
    return recent_outcomes_find(&outcomes, &arena, str_of_cstr(id));
}

static void what_came_to_rest_is_remembered(void **state) {
    (void)state;
    note("cmd_A", OUTCOME_STATUS_ACCEPTED, "", STR("first"));
    note("cmd_B", OUTCOME_STATUS_REJECTED, "out_of_stock", STR("second"));
    assert_true(str_equal(found("cmd_A"), STR("first")));
    assert_true(str_equal(found("cmd_B"), STR("second")));
    assert_true(str_is_empty(found("cmd_C")));
}

static void what_is_not_the_last_word_is_not(void **state) {
    (void)state;
    note("cmd_A", OUTCOME_STATUS_PENDING, "", STR("pending"));
    note("cmd_A", OUTCOME_STATUS_UNKNOWN, "", STR("unknown"));
    assert_true(str_is_empty(found("cmd_A")));
    note("cmd_A", OUTCOME_STATUS_ACCEPTED, "", STR("accepted"));
    /* Said to others who came under the same id. */
    note("cmd_A", OUTCOME_STATUS_REJECTED, "idempotency_key_reused", STR("reused"));
    note("cmd_A", OUTCOME_STATUS_REJECTED, "command_expired", STR("expired"));
    assert_true(str_equal(found("cmd_A"), STR("accepted")));
}

static void a_large_one_is_left_to_the_log(void **state) {
    (void)state;
    static char large[RECENT_OUTCOME_BYTES + 1];
    note("cmd_A", OUTCOME_STATUS_ACCEPTED, "", str_of(large, sizeof large));
    assert_true(str_is_empty(found("cmd_A")));
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

enum { LOOPS = 3, COMMANDS_EACH = 20000, NAMES = 64 };

static pthread_barrier_t begun;

/* Each command's record says its name, so that one that is found under another is told. */
static void *note_and_find(void *argument) {
    struct arena own;
    char id[16], value[256];
    uintptr_t wrong = 0, found_count = 0;
    int seed = (int)(uintptr_t)argument;
    arena_init(&own, 1 << 20);
    pthread_barrier_wait(&begun);
    for (int i = 0; i < COMMANDS_EACH; i++) {
        snprintf(id, sizeof id, "cmd_%02d", (i * (seed + 3)) % NAMES);
        int len = snprintf(value, sizeof value, "%s", id);
        len += snprintf(value + len, sizeof value - (size_t)len, "%*s", i % 100, "");
        note(id, OUTCOME_STATUS_ACCEPTED, "", str_of(value, (size_t)len));
        snprintf(id, sizeof id, "cmd_%02d", i % NAMES);
        arena_reset(&own);
        struct str record = recent_outcomes_find(&outcomes, &own, str_of_cstr(id));
        found_count += record.len > 0;
        wrong += record.len > 0 && !str_equal(str_first(record, 6), str_of_cstr(id));
    }
    arena_release(&own);
    return (void *)(wrong > 0 || found_count == 0 ? (uintptr_t)1 : (uintptr_t)0);
}

static void loops_note_and_find_at_once(void **state) {
    (void)state;
    pthread_t threads[LOOPS];
    pthread_barrier_init(&begun, NULL, LOOPS);
    for (uintptr_t i = 0; i < LOOPS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, note_and_find, (void *)i), 0);
    }
    for (int i = 0; i < LOOPS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    pthread_barrier_destroy(&begun);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_came_to_rest_is_remembered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_the_last_word_is_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_large_one_is_left_to_the_log, set_up, tear_down),
        cmocka_unit_test_setup_teardown(loops_note_and_find_at_once, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("recent_outcomes", tests, NULL, NULL);
}
