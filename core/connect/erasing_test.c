/* Keys are destroyed beside a loop, by a database that says what a test tells it. */
#include "core/connect/erasing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "core/vault/upkeep.h"

/* ---- the database ------------------------------------------------------------------------------------------------ */

static struct {
    enum err open_err, work_err;
    bool was_due;
    int opened, closed, destroyed, vacuumed;
    size_t keys;
    int64_t keys_left;
    bool is_on_another_thread;
    pthread_t loop_thread;
} world;

static char a_session;

enum err pg_session_open(const char *conninfo, const char *application_name, struct pg_session **ret_session,
                         struct err_info *info) {
    (void)application_name;
    assert_string_equal(conninfo, "the vault's");
    if (world.open_err != ERR_NONE) {
        return err_set(info, world.open_err, "nobody answers");
    }
    world.opened++;
    *ret_session = (struct pg_session *)&a_session;
    return ERR_NONE;
}

void pg_session_close(struct pg_session *session) {
    world.closed += session != NULL;
}

enum err vault_destroy(struct pg_session *session, const struct vault_doomed *doomed, size_t count, int64_t *ret_left,
                       struct err_info *info) {
    assert_ptr_equal(session, &a_session);
    world.is_on_another_thread = !pthread_equal(pthread_self(), world.loop_thread);
    world.destroyed++;
    world.keys += count;
    for (size_t i = 0; i < count; i++) {
        assert_true(str_starts_with(doomed[i].key_id, STR("per_")));
        assert_true(str_equal(doomed[i].cause, STR("evt_1")));
        assert_int_equal(doomed[i].asked_at_us, 7);
        assert_int_equal(doomed[i].may_be_anew, i > 0);
    }
    if (world.work_err != ERR_NONE) {
        return err_set(info, world.work_err, "the connection was lost");
    }
    *ret_left = world.keys_left;
    return ERR_NONE;
}

enum err vault_vacuum(struct pg_session *session, bool *ret_was_due, struct err_info *info) {
    assert_ptr_equal(session, &a_session);
    world.vacuumed++;
    if (world.work_err != ERR_NONE) {
        return err_set(info, world.work_err, "somebody reads it");
    }
    *ret_was_due = world.was_due;
    return ERR_NONE;
}

/* ---- the test's side --------------------------------------------------------------------------------------------- */

static uv_loop_t loop;
static struct erasing *erasing;
static int told;
static enum err said;
static struct erased said_erased;
static char said_text[256];

static void on_done(void *context, enum err err, const struct erased *erased, const struct err_info *info) {
    assert_ptr_equal(context, &told);
    assert_true(pthread_equal(pthread_self(), world.loop_thread));
    assert_false(erasing_is_busy(erasing));
    told++;
    said = err;
    said_erased = *erased;
    memcpy(said_text, info->text, sizeof said_text);
}

static int set_up(void **state) {
    (void)state;
    memset(&world, 0, sizeof world);
    world.loop_thread = pthread_self();
    told = 0;
    uv_loop_init(&loop);
    erasing = erasing_open(&loop, "the vault's");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    erasing_close(erasing);
    assert_int_equal(world.opened, world.closed);
    assert_int_equal(uv_loop_close(&loop), 0);
    return 0;
}

static const struct vault_doomed keys[] = {
    {.key_id = STR("per_1"), .cause = STR("evt_1"), .asked_at_us = 7},
    {.key_id = STR("per_2"), .cause = STR("evt_1"), .asked_at_us = 7, .may_be_anew = true},
};

static void destroy(void) {
    erasing_destroy(erasing, keys, ARRAY_LENGTH(keys), on_done, &told);
    assert_true(erasing_is_busy(erasing));
    uv_run(&loop, UV_RUN_DEFAULT);
}

static void keys_are_destroyed_on_another_thread_and_the_connection_is_kept(void **state) {
    (void)state;
    destroy();
    world.keys_left = 1;
    destroy();
    assert_int_equal(told, 2);
    assert_int_equal(said, ERR_NONE);
    assert_int_equal(said_erased.keys_left, 1);
    assert_int_equal(world.keys, 4);
    assert_true(world.is_on_another_thread);
    assert_int_equal(world.opened, 1);
}

static void a_database_that_does_not_answer_is_told_and_asked_again_later(void **state) {
    (void)state;
    world.open_err = ERR_POSTGRES;
    destroy();
    assert_int_equal(said, ERR_POSTGRES);
    assert_string_equal(said_text, "nobody answers");
    assert_int_equal(world.destroyed, 0);
    world.open_err = ERR_NONE;
    destroy();
    assert_int_equal(said, ERR_NONE);
    assert_int_equal(world.destroyed, 1);
}

static void a_connection_that_failed_is_made_anew(void **state) {
    (void)state;
    world.work_err = ERR_POSTGRES;
    destroy();
    assert_int_equal(said, ERR_POSTGRES);
    world.work_err = ERR_NONE;
    destroy();
    assert_int_equal(said, ERR_NONE);
    assert_int_equal(world.opened, 2);
}

static void who_has_no_key_is_no_vacuum(void **state) {
    (void)state;
    erasing_destroy(erasing, NULL, 0, on_done, &told);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(world.destroyed, 1);
    assert_int_equal(world.vacuumed, 0);
}

static void the_table_is_written_anew_when_it_is_due(void **state) {
    (void)state;
    world.was_due = true;
    erasing_vacuum(erasing, on_done, &told);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(said, ERR_NONE);
    assert_true(said_erased.was_due);
    destroy();
    assert_false(said_erased.was_due);
    world.was_due = false;
    erasing_vacuum(erasing, on_done, &told);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_false(said_erased.was_due);
    assert_int_equal(world.vacuumed, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_are_destroyed_on_another_thread_and_the_connection_is_kept, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_database_that_does_not_answer_is_told_and_asked_again_later, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_connection_that_failed_is_made_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_has_no_key_is_no_vacuum, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_table_is_written_anew_when_it_is_due, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
