/* Views that change while they are followed: rebuilt, switched, taken back; and which program follows what. */
#include "core/testing/simulator/views_scene.h"

#include "projections/runtime/compare.h"

static struct follower follower_of(const struct view *view) {
    return (struct follower){.view = view};
}

static void each_program_follows_the_schema_of_its_format(void) {
    struct follower old = follower_of(&view_old), new = follower_of(&view_new);
    append_all(2);
    sim_start("old", 1, follower_main, &old);
    sim_start("new", 1, follower_main, &new);
    pass(5 * SECOND_US);
    assert_string_equal(old.schema, "carts");
    assert_string_equal(new.schema, ""); /* there is nothing for it yet, and it has left the live one alone */
    assert_int_equal(marked("carts", "OLD"), CARTS_MAX);

    rebuilds(&view_new);
    append_all(2);
    pass(5 * SECOND_US);
    assert_string_equal(new.schema, "carts_rebuild");
    assert_int_equal(stands_at("carts"), log_end());
    assert_int_equal(stands_at("carts_rebuild"), log_end());
    assert_int_equal(marked("carts_rebuild", "NEW"), CARTS_MAX);

    switches(&view_new, false);
    append_all(2);
    pass(5 * SECOND_US);
    assert_string_equal(old.schema, "carts_old");
    assert_string_equal(new.schema, "carts");
    assert_int_equal(stands_at("carts"), log_end());
    assert_int_equal(stands_at("carts_old"), log_end());
    assert_int_equal(marked("carts", "NEW"), CARTS_MAX);
    assert_int_equal(marked("carts_old", "OLD"), CARTS_MAX);

    switches(&view_old, true);
    append_all(2);
    pass(5 * SECOND_US);
    assert_string_equal(old.schema, "carts");
    assert_string_equal(new.schema, "carts_rebuild");
    assert_int_equal(marked("carts", "OLD"), CARTS_MAX);
    assert_int_equal(marked("carts_rebuild", "NEW"), CARTS_MAX);
    assert_int_equal(stands_at("carts"), log_end());
    assert_int_equal(stands_at("carts_rebuild"), log_end());
}

/* At the very same position a program of before is refused all the same: by the epoch. */
static void an_older_program_never_writes_to_newer_tables(void) {
    struct follower old = follower_of(&view_old);
    append_all(1);
    sim_start("old", 1, follower_main, &old);
    pass(5 * SECOND_US);
    rebuilds(&view_new);
    assert_int_equal(stands_at("carts"), stands_at("carts_rebuild"));
    switches(&view_new, false);
    append_all(1);
    pass(5 * SECOND_US);
    assert_int_equal(marked("carts", "OLD"), 0);
    assert_string_equal(old.schema, "carts_old");
}

static void a_schema_that_nobody_follows_is_brought_up_before_it_becomes_live(void) {
    append_all(1);
    rebuilds(&view_new);
    append_all(3);
    struct follower old = follower_of(&view_old);
    struct sim_process *follows = sim_start("old", 1, follower_main, &old);
    pass(5 * SECOND_US);
    switches(&view_new, false);
    assert_int_equal(stands_at("carts"), log_end());
    sim_kill(follows);
    append_all(3);
    /* And back, by the program that made it. */
    struct order order = {.view = &view_old, .back = true};
    run(switch_main, &order);
    done(&order);
    assert_true(stands_at("carts") >= stands_at("carts_rebuild"));
    assert_int_equal(marked("carts", "OLD"), CARTS_MAX);
}

static void a_schema_of_another_format_is_waited_for_and_not_touched(void) {
    append_all(1);
    struct follower old = follower_of(&view_old), new = follower_of(&view_new);
    struct sim_process *follows = sim_start("old", 1, follower_main, &old);
    rebuilds(&view_new);
    struct sim_process *newer = sim_start("new", 1, follower_main, &new);
    pass(5 * SECOND_US);
    switches(&view_new, false);
    append_all(1);
    pass(5 * SECOND_US);
    /* The newer program's command takes back what the older one follows. */
    switches(&view_new, true);
    append_all(1);
    pass(5 * SECOND_US);
    assert_string_equal(old.schema, "carts");
    /* Nobody brings the new one up: it is told, and all stays as it was. */
    sim_kill(newer);
    append_all(1);
    pass(5 * SECOND_US);
    struct order order = {.view = &view_old};
    run(switch_main, &order);
    assert_int_equal(order.failure, ERR_TIMEOUT);
    assert_non_null(strstr(order.info.text, "its own program must follow it"));
    assert_true(follows->is_alive);
    append_all(1);
    pass(5 * SECOND_US);
    assert_int_equal(stands_at("carts"), log_end());
}

static void what_stands_in_the_way_of_a_switch_is_told_and_nothing_changes(void) {
    append_all(1);
    struct order forward = {.view = &carts_view}, back = {.view = &carts_view, .back = true};
    run(switch_main, &forward);
    assert_int_equal(forward.failure, ERR_NOT_FOUND);
    run(switch_main, &back);
    assert_int_equal(back.failure, ERR_NOT_FOUND);
    rebuilds(&carts_view);
    switches(&carts_view, false);
    rebuilds(&carts_view);
    run(switch_main, &forward);
    assert_int_equal(forward.failure, ERR_CONFLICT);
    assert_non_null(strstr(forward.info.text, "carts_old is still there"));
    run(switch_main, &back);
    assert_int_equal(back.failure, ERR_CONFLICT);
    assert_non_null(strstr(back.info.text, "carts_rebuild is still there"));
    struct order drop = {0};
    run(drop_main, &drop);
    done(&drop);
    switches(&carts_view, false);
    switches(&carts_view, true);
    assert_int_equal(stands_at("carts"), log_end());
}

/* ---- under way --------------------------------------------------------------------------------------------------- */

/* The longest that the live view stood still. */
struct patience {
    int64_t longest_us;
};

static void patience_main(void *context) {
    struct patience *patience = context;
    int64_t at = stands_at("carts"), since_us = sim_now_us();
    for (;;) {
        sim_sleep(10 * MS);
        if (stands_at("carts") != at) {
            at = stands_at("carts");
            since_us = sim_now_us();
        }
        int64_t still_us = sim_now_us() - since_us;
        patience->longest_us = still_us > patience->longest_us ? still_us : patience->longest_us;
    }
}

static void a_switch_under_load_holds_the_projector_up_for_moments(void) {
    struct projector *projector;
    struct patience patience = {0};
    append_all(50);
    sim_start("projector", 1, projector_main, &projector);
    struct sim_process *shop = sim_start("shop", 1, append_main, NULL);
    pass(5 * SECOND_US);
    struct sim_process *watches = sim_start("patience", 1, patience_main, &patience);
    for (int i = 0; i < 3; i++) {
        struct order drop = {0};
        rebuilds(&carts_view);
        switches(&carts_view, false);
        pass(SECOND_US);
        switches(&carts_view, true);
        switches(&carts_view, false);
        run(drop_main, &drop);
        done(&drop);
    }
    assert_true(patience.longest_us < SECOND_US);
    sim_kill(shop);
    pass(5 * SECOND_US);
    sim_kill(watches);
    assert_int_equal(stands_at("carts"), log_end());
    assert_rebuilt_equal(&carts_view);
}

static enum err compared_once(void);

/* What brings the other one up is slower than the live one's projector, batch by batch. */
static void operator_dawdles(const char *name) {
    if (strcmp(name, "postgres: before pipeline") == 0 && strcmp(sim_self()->name, "operator") == 0) {
        sim_sleep(200 * MS);
    }
}

/* So it never stands where the other one stands, unless it is held. */
static void a_live_view_that_never_rests_is_switched_and_compared_all_the_same(void) {
    int rate = 1;
    struct follower live = follower_of(&carts_view);
    append_all(5);
    sim_start("live", 1, follower_main, &live);
    sim_start("shop", 1, append_main, &rate);
    pass(3 * SECOND_US);
    rebuilds(&carts_view);
    sim_point_hook = operator_dawdles;
    int64_t began_us = sim_now_us();
    switches(&carts_view, false);
    assert_true(sim_now_us() - began_us < 10 * SECOND_US);
    rebuilds(&carts_view);
    began_us = sim_now_us();
    assert_int_equal(compared_once(), ERR_NONE);
    assert_true(sim_now_us() - began_us < 10 * SECOND_US);
}

/* Of the projector that follows the old schema and the command that brings it up one refuses the other. */
static void whoever_was_refused_by_a_switch_follows_the_live_schema_at_once(void) {
    struct projector *projector;
    struct follower new = follower_of(&view_new);
    append_all(5);
    sim_start("projector", 1, projector_main, &projector);
    sim_start("new", 1, follower_main, &new);
    sim_start("shop", 1, append_main, NULL);
    pass(5 * SECOND_US);
    rebuilds(&view_new);
    for (int i = 0; i < 5; i++) {
        struct patience patience = {0};
        switches(&view_new, false);
        pass(3 * SECOND_US);
        switches(&carts_view, true);
        struct sim_process *watches = sim_start("patience", i + 1, patience_main, &patience);
        pass(3 * SECOND_US);
        sim_kill(watches);
        assert_true(patience.longest_us < SECOND_US);
    }
    assert_int_equal(marked("carts", "NEW"), 0);
}

/* A projector that stands still between its rows and its COMMIT. */
static struct sim_process *stopped;

static void stop_before_commit(const char *name) {
    if (sim_self() == stopped && strcmp(name, "postgres: before commit") == 0) {
        sim_point_hook = NULL;
        sim_pause(stopped);
    }
}

static void resume(void *context) {
    sim_resume(context);
}

/* The live view's projector stands still in its transaction, and a rebuild of the new one is done. */
static void stand_still_beside_a_rebuild(struct follower *old) {
    *old = follower_of(&view_old);
    append_all(1);
    stopped = sim_start("old", 1, follower_main, old);
    pass(5 * SECOND_US);
    rebuilds(&view_new);
    sim_point_hook = stop_before_commit;
    append_all(1);
    pass(SECOND_US);
    assert_true(stopped->is_paused);
}

static void a_switch_waits_for_a_projector_that_stands_still_and_asks_again(void) {
    struct follower old;
    stand_still_beside_a_rebuild(&old);
    sim_after(4 * SECOND_US, NULL, resume, stopped);
    int64_t began_us = sim_now_us();
    switches(&view_new, false);
    assert_true(sim_now_us() - began_us > 3 * SECOND_US);
    pass(5 * SECOND_US);
    assert_int_equal(marked("carts", "OLD"), 0);
    assert_int_equal(stands_at("carts_old"), log_end());
}

static void a_switch_that_cannot_be_made_changes_nothing(void) {
    struct follower old;
    stand_still_beside_a_rebuild(&old);
    struct order order = {.view = &view_new};
    run(switch_main, &order);
    assert_int_equal(order.failure, ERR_TIMEOUT);
    sim_resume(stopped);
    pass(5 * SECOND_US);
    assert_int_equal(stands_at("carts"), log_end());
    assert_int_equal(marked("carts", "OLD"), CARTS_MAX);
}

/* The command that switches, between the locks and the names. */
static struct sim_process *switches_slowly;

static void stop_before_names(const char *name) {
    static int scripts;
    bool is_meant = sim_self() == switches_slowly && strcmp(name, "postgres: before commit") == 0;
    if (is_meant && scripts++ == 0) {
        sim_point_hook = NULL;
        sim_pause(switches_slowly);
    }
}

/* It waits for the tables under a name that another schema has when the wait is over: the live one. */
static void a_schema_that_becomes_live_is_not_dropped_by_who_wanted_the_old_one_gone(void) {
    append_all(1);
    struct follower live = follower_of(&carts_view);
    sim_start("live", 1, follower_main, &live);
    pass(5 * SECOND_US);
    rebuilds(&carts_view);
    switches(&carts_view, false);
    struct order back = {.view = &carts_view, .back = true}, drop = {0};
    sim_point_hook = stop_before_names;
    switches_slowly = sim_start("back", 1, switch_main, &back);
    pass(3 * SECOND_US);
    assert_true(switches_slowly->is_paused);
    const struct sim_process *drops = sim_start("drop", 1, drop_main, &drop);
    pass(SECOND_US / 2);
    sim_resume(switches_slowly);
    pass(30 * SECOND_US);
    assert_false(drops->is_alive);
    done(&back);
    assert_int_not_equal(drop.failure, ERR_NONE);
    assert_int_equal(sim_postgres_row_count("carts", "carts"), CARTS_MAX);
    assert_int_equal(sim_postgres_row_count("carts_rebuild", "carts"), CARTS_MAX);
}

static struct sim_process *fills;

static void stop_before_rows(const char *name) {
    if (sim_self() == fills && strcmp(name, "postgres: before pipeline") == 0) {
        sim_point_hook = NULL;
        sim_pause(fills);
    }
}

/* By mistake a second time: the first one's hours are not lost, and no half of a view gets a name. */
static void a_second_rebuild_is_refused_while_one_is_at_work(void) {
    append_all(20);
    struct order first = {.view = &carts_view}, second = {.view = &carts_view};
    sim_point_hook = stop_before_rows;
    fills = sim_start("fills", 1, rebuild_main, &first);
    pass(3 * SECOND_US);
    assert_true(fills->is_paused);
    run(rebuild_main, &second);
    sim_resume(fills);
    assert_int_equal(second.failure, ERR_CONFLICT);
    assert_non_null(strstr(second.info.text, "another command is filling carts_filling"));
    pass(60 * SECOND_US);
    assert_false(fills->is_alive);
    done(&first);
    assert_int_equal(sim_postgres_row_count("carts_rebuild", "carts"), CARTS_MAX);
    rebuilds(&carts_view);
}

static void what_is_dropped_must_be_there(void) {
    struct order drop = {0};
    run(drop_main, &drop);
    assert_int_equal(drop.failure, ERR_NOT_FOUND);
}

/* At night no event comes that the fence could refuse. */
static void a_projector_that_has_nothing_to_do_learns_of_a_switch(void) {
    struct projector *projector;
    append_all(1);
    sim_start("projector", 1, projector_main, &projector);
    pass(10 * SECOND_US);
    assert_true(tells(projector, "daybook_projection_live{view=\"carts\"} 1\n"));
    rebuilds(&view_new);
    switches(&view_new, false);
    pass(3 * SECOND_US);
    assert_true(tells(projector, "daybook_projection_live{view=\"carts\"} 0\n"));
    switches(&carts_view, true);
    pass(3 * SECOND_US);
    assert_true(tells(projector, "daybook_projection_live{view=\"carts\"} 1\n"));
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

struct comparing {
    const struct view *view;
    enum err failure;
    struct err_info info;
    struct compare_result result;
    char first[128];
};

static void on_difference(void *context, const struct difference *difference) {
    struct comparing *comparing = context;
    if (comparing->first[0] == '\0') {
        snprintf(comparing->first, sizeof comparing->first, "%d %s %.*s %.*s", difference->kind, difference->table,
                 STR_ARGS(difference->key), STR_ARGS(difference->columns));
    }
}

static void compare_main(void *context) {
    struct comparing *comparing = context;
    const struct rebuild_options options = {.config = &scene.config, .view = comparing->view};
    comparing->failure = view_compare(options, on_difference, comparing, &comparing->result, &comparing->info);
}

static struct comparing compared(const struct view *view) {
    struct comparing comparing = {.view = view};
    run(compare_main, &comparing);
    if (comparing.failure != ERR_NONE) {
        fail_msg("%s", comparing.info.text);
    }
    return comparing;
}

/* It must be equal. */
static enum err compared_once(void) {
    struct comparing comparing = compared(&carts_view);
    assert_int_equal(comparing.result.differences, 0);
    return comparing.failure;
}

static void a_live_view_is_compared_with_the_log_or_with_what_stands_beside_it(void) {
    struct projector *projector;
    append_all(2);
    sim_start("projector", 1, projector_main, &projector);
    pass(5 * SECOND_US);
    struct comparing with_log = compared(&carts_view);
    assert_string_equal(with_log.result.side, "carts_compare");
    assert_int_equal(with_log.result.differences, 0);
    assert_int_equal(with_log.result.rows, 2 * CARTS_MAX);                 /* carts and streams */
    assert_int_equal(sim_postgres_row_count("carts_compare", "carts"), 0); /* gone */

    rebuilds(&view_new);
    sim_start("shop", 1, append_main, NULL);
    pass(SECOND_US);
    struct comparing with_new = compared(&view_new);
    assert_string_equal(with_new.result.side, "carts_rebuild");
    assert_int_equal(with_new.result.differences, CARTS_MAX);
    assert_string_equal(with_new.first, "2 carts (cart_0) currency, document");
}

/* A projector follows the new one while it is compared: what it has more is waited for. */
static void both_are_compared_at_the_same_place_though_each_is_followed(void) {
    struct follower old = follower_of(&view_old), new = follower_of(&view_new);
    append_all(1);
    sim_start("old", 1, follower_main, &old);
    rebuilds(&view_new);
    sim_start("new", 1, follower_main, &new);
    sim_start("shop", 1, append_main, NULL);
    pass(SECOND_US);
    struct comparing comparing = compared(&view_new);
    assert_int_equal(comparing.result.differences, CARTS_MAX); /* each cart's mark, and nothing of its streams */
    assert_string_equal(comparing.first, "2 carts (cart_0) currency, document");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(each_program_follows_the_schema_of_its_format, 1),
        WORLD_TEST(an_older_program_never_writes_to_newer_tables, 10),
        WORLD_TEST(a_schema_that_nobody_follows_is_brought_up_before_it_becomes_live, 1),
        WORLD_TEST(a_schema_of_another_format_is_waited_for_and_not_touched, 1),
        WORLD_TEST(what_stands_in_the_way_of_a_switch_is_told_and_nothing_changes, 1),
        WORLD_TEST(a_switch_under_load_holds_the_projector_up_for_moments, 10),
        WORLD_TEST(a_live_view_that_never_rests_is_switched_and_compared_all_the_same, 10),
        WORLD_TEST(whoever_was_refused_by_a_switch_follows_the_live_schema_at_once, 10),
        WORLD_TEST(a_switch_waits_for_a_projector_that_stands_still_and_asks_again, 1),
        WORLD_TEST(a_switch_that_cannot_be_made_changes_nothing, 1),
        WORLD_TEST(a_schema_that_becomes_live_is_not_dropped_by_who_wanted_the_old_one_gone, 1),
        WORLD_TEST(a_second_rebuild_is_refused_while_one_is_at_work, 1),
        WORLD_TEST(what_is_dropped_must_be_there, 1),
        WORLD_TEST(a_projector_that_has_nothing_to_do_learns_of_a_switch, 1),
        WORLD_TEST(a_live_view_is_compared_with_the_log_or_with_what_stands_beside_it, 1),
        WORLD_TEST(both_are_compared_at_the_same_place_though_each_is_followed, 10),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
