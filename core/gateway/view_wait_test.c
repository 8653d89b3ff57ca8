/* view_wait_test.c: who waits for a view, against a database that answers when the test says so. */
#include "core/gateway/view_wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/timestamp.h"
#include "projections/runtime/behind.h"

static struct view_waits waits;
static int caught_up, behind, no_database, too_many;
/* The statement on its way, and how many were sent. */
static pg_result_cb *on_result;
static void *on_result_context;
static char asked[1024 * 1024];
static int asked_count;

static void fake_ask(struct pg_pool *pg, const struct pg_statement *statement, const struct str *parameters,
                     pg_result_cb *callback, void *context) {
    (void)pg;
    assert_ptr_equal(statement, &view_reached);
    assert_null(on_result);
    snprintf(asked, sizeof asked, "%.*s %.*s", STR_ARGS(parameters[0]), STR_ARGS(parameters[1]));
    on_result = callback;
    on_result_context = context;
    asked_count++;
}

/* The statement's answer: for each stream "cart_<i>", i below `count`, the version. */
static void answer(int count, const char *version) {
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[] = {{.name = "hash"}, {.name = "version"}};
    PQsetResultAttrs(result, 2, columns);
    for (int i = 0; i < count; i++) {
        char stream[32], hash[32];
        snprintf(stream, sizeof stream, "cart_%d", i);
        snprintf(hash, sizeof hash, "%lld", (long long)(int64_t)stream_hash(str_of_cstr(stream), TOPIC_CARTS));
        PQsetvalue(result, i, 0, hash, (int)strlen(hash));
        PQsetvalue(result, i, 1, (char *)version, (int)strlen(version));
    }
    pg_result_cb *callback = on_result;
    on_result = NULL;
    callback(on_result_context, result, NULL);
    PQclear(result);
}

static void done(void *context, enum view_state state) {
    (void)context;
    caught_up += state == VIEW_CAUGHT_UP;
    behind += state == VIEW_BEHIND;
    no_database += state == VIEW_NO_DATABASE;
    too_many += state == VIEW_TOO_MANY;
}

static struct position cart_at(int cart, int64_t version) {
    char stream[32];
    snprintf(stream, sizeof stream, "cart_%d", cart);
    struct position position = {0};
    position_add(&position, stream_hash(str_of_cstr(stream), TOPIC_CARTS), version);
    return position;
}

static void begin(struct view_wait *wait, const char *view, struct position position) {
    view_wait_begin(&waits, wait, view, &position, INT64_MAX, done, NULL);
}

static int set_up(void **state) {
    (void)state;
    caught_up = behind = no_database = too_many = asked_count = 0;
    on_result = NULL;
    view_waits_init(&waits, NULL, fake_ask);
    return 0;
}

static void a_view_that_does_not_read_the_stream_is_not_asked(void **state) {
    (void)state;
    struct view_wait wait;
    begin(&wait, "products", cart_at(0, 5));
    assert_int_equal(caught_up, 1);
    assert_int_equal(asked_count, 0);
}

static void all_who_wait_for_a_view_share_one_statement(void **state) {
    (void)state;
    static struct view_wait many[100];
    for (int i = 0; i < 100; i++) {
        begin(&many[i], "carts", cart_at(i, 5));
    }
    assert_int_equal(asked_count, 1); /* the first one's; the others wait for its answer */
    answer(1, "4");
    assert_int_equal(asked_count, 2);
    for (int i = 0; i < 10; i++) { /* commits that nobody need be asked about in between */
        view_waits_moved(&waits, STR("carts"));
    }
    answer(50, "5");
    assert_int_equal(caught_up, 50);
    assert_int_equal(asked_count, 3);
    answer(100, "6");
    assert_int_equal(caught_up, 100);
    assert_int_equal(waits.count, 0);
    view_waits_moved(&waits, STR("carts"));
    assert_int_equal(asked_count, 3);
}

static void past_the_bound_nobody_waits(void **state) {
    (void)state;
    static struct view_wait many[VIEW_WAITS_MAX + 1];
    for (int i = 0; i <= VIEW_WAITS_MAX; i++) {
        begin(&many[i], "carts", cart_at(i, 5));
    }
    assert_int_equal(too_many, 1);
    assert_int_equal(asked_count, 1);
}

static void who_has_waited_long_enough_is_told_though_a_statement_is_on_its_way(void **state) {
    (void)state;
    struct view_wait soon, later;
    struct position position = cart_at(0, 5);
    view_wait_begin(&waits, &soon, "carts", &position, 10, done, NULL);
    begin(&later, "carts", position);
    view_waits_tick(&waits, 10);
    assert_int_equal(behind, 1);
    assert_int_equal(waits.count, 1);
    answer(1, "5");
    assert_int_equal(caught_up, 1);
}

static void a_lost_notification_is_made_good(void **state) {
    (void)state;
    struct view_wait wait;
    begin(&wait, "carts", cart_at(0, 5));
    answer(1, "4");
    view_waits_tick(&waits, clock_boot_us());
    assert_int_equal(asked_count, 1);
    view_waits_tick(&waits, clock_boot_us() + (int64_t)2 * VIEW_WAIT_RECHECK_MS * MICROS_PER_MS);
    assert_int_equal(asked_count, 2);
    answer(1, "5");
    assert_int_equal(caught_up, 1);
}

static void without_a_database_all_are_told(void **state) {
    (void)state;
    struct view_wait first, second;
    begin(&first, "carts", cart_at(0, 5));
    begin(&second, "carts", cart_at(1, 5));
    struct err_info error = {0};
    pg_result_cb *callback = on_result;
    on_result = NULL;
    callback(on_result_context, NULL, &error);
    assert_int_equal(no_database, 2);
    assert_int_equal(waits.count, 0);
}

static void who_cancels_is_not_told(void **state) {
    (void)state;
    struct view_wait wait;
    begin(&wait, "carts", cart_at(0, 5));
    assert_true(view_wait_cancel(&wait));
    assert_false(view_wait_cancel(&wait));
    answer(1, "5");
    assert_int_equal(caught_up, 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(a_view_that_does_not_read_the_stream_is_not_asked),
        TEST(all_who_wait_for_a_view_share_one_statement),
        TEST(past_the_bound_nobody_waits),
        TEST(who_has_waited_long_enough_is_told_though_a_statement_is_on_its_way),
        TEST(a_lost_notification_is_made_good),
        TEST(without_a_database_all_are_told),
        TEST(who_cancels_is_not_told),
    };
    return cmocka_run_group_tests_name("view_wait", tests, NULL, NULL);
}
