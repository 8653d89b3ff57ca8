/* What a view sets aside: tried again, skipped, and rebuilt; and what its watchdog tells. */
#include "core/testing/simulator/views_scene.h"

#include "projections/runtime/parking.h"

enum { BROKEN = 7, OTHER = 8 };

/* ---- what operators do ------------------------------------------------------------------------------------------- */

struct going_on {
    const struct view *view;
    const char *stream; /* NULL: all */
    struct skip_decision decision;
    enum err failure;
    struct err_info info;
    struct parking_result result;
    char stuck[256];
};

static void retry_main(void *context) {
    struct going_on *going_on = context;
    const struct parking_options options = {.config = &scene.config, .view = going_on->view};
    struct arena arena;
    arena_init(&arena, 1024 * 1024);
    struct str stream = going_on->stream == NULL ? STR("") : str_of_cstr(going_on->stream);
    going_on->failure = parking_retry(&options, stream, &arena, &going_on->result, &going_on->info);
    snprintf(going_on->stuck, sizeof going_on->stuck, "%.*s", STR_ARGS(going_on->result.stuck));
    arena_release(&arena);
}

static struct going_on retried(const struct view *view, const char *stream) {
    struct going_on going_on = {.view = view, .stream = stream};
    run(retry_main, &going_on);
    if (going_on.failure != ERR_NONE) {
        fail_msg("%s", going_on.info.text);
    }
    return going_on;
}

static void skip_main(void *context) {
    struct going_on *going_on = context;
    const struct parking_options options = {.config = &scene.config, .view = going_on->view};
    going_on->failure = parking_skip(&options, &going_on->decision, &going_on->info);
}

static struct going_on skipped(const struct view *view, const char *stream, int64_t version) {
    struct going_on going_on = {.view = view,
                                .decision = {str_of_cstr(stream), version, STR("it was a test"), STR("a tester")}};
    run(skip_main, &going_on);
    return going_on;
}

static int64_t parked(const char *schema) {
    return (int64_t)sim_postgres_row_count(schema, "parked");
}

/* The carts with two events each, followed by a program of the old format. */
static struct follower old;

static void begin(void) {
    old = (struct follower){.view = &view_old};
    append_all(2);
    sim_start("old", 1, follower_main, &old);
    pass(5 * SECOND_US);
}

static void break_cart(int cart) {
    static char name[NAME_MAX_BYTES];
    name_cart(cart, name);
    broken_cart = name;
}

/* ---- retry ------------------------------------------------------------------------------------------------------- */

static void a_stream_whose_cause_is_mended_is_projected_again_with_what_queued_behind(void) {
    begin();
    break_cart(BROKEN);
    append(BROKEN);
    append(BROKEN);
    append(OTHER);
    append(BROKEN);
    pass(3 * SECOND_US);
    assert_int_equal(parked("carts"), 3);
    assert_int_equal(total_of("carts", BROKEN), 2);
    assert_int_equal(total_of("carts", OTHER), 3);

    struct going_on still_broken = retried(&view_old, "cart_7");
    assert_int_equal(still_broken.result.projected, 0);
    assert_int_equal(still_broken.result.parked, 3);
    assert_non_null(strstr(still_broken.stuck, "cart_7 at version 3"));

    broken_cart = NULL;
    struct going_on mended = retried(&view_old, "cart_7");
    assert_int_equal(mended.result.projected, 3);
    assert_int_equal(mended.result.streams, 1);
    assert_int_equal(mended.result.parked, 0);
    assert_int_equal(total_of("carts", BROKEN), 5);
    append(BROKEN);
    pass(3 * SECOND_US);
    assert_int_equal(parked("carts"), 0);
    assert_int_equal(total_of("carts", BROKEN), 6);
    assert_rebuilt_equal(&view_old);
}

/* The projector goes on to park events of the stream until it learns that it goes on, and loses none. */
static void a_retry_and_a_projector_at_work_do_not_get_in_each_others_way(void) {
    begin();
    break_cart(BROKEN);
    append(BROKEN);
    struct sim_process *shop = sim_start("shop", 1, append_main, NULL);
    pass(3 * SECOND_US);
    assert_true(parked("carts") > 10);
    for (int i = 0; i < 5; i++) {
        (void)retried(&view_old, "cart_7");
        pass(SECOND_US);
    }
    broken_cart = NULL;
    (void)retried(&view_old, NULL);
    pass(3 * SECOND_US);
    sim_kill(shop);
    pass(3 * SECOND_US);
    assert_int_equal(parked("carts"), 0);
    assert_int_equal(stands_at("carts"), log_end());
    assert_rebuilt_equal(&view_old);
}

/* More than a transaction takes: in between the stream stays parked for whoever brings more of it. */
static void a_long_queue_is_taken_piece_by_piece_while_it_grows(void) {
    begin();
    break_cart(BROKEN);
    for (int i = 0; i < 2 * PARKING_EVENTS_MAX + 500; i++) {
        append(BROKEN);
    }
    pass(10 * SECOND_US);
    broken_cart = NULL;
    struct sim_process *shop = sim_start("shop", 1, append_main, NULL);
    struct going_on mended = retried(&view_old, NULL);
    assert_true(mended.result.projected > 2 * PARKING_EVENTS_MAX);
    assert_int_equal(mended.result.streams, 1); /* once: at its last piece */
    pass(SECOND_US);
    sim_kill(shop);
    pass(3 * SECOND_US);
    assert_int_equal(parked("carts"), 0);
    assert_int_equal(total_of("carts", BROKEN), scene.versions[BROKEN]);
}

/* One event of a thousand: what stands before it is projected, what stands behind it waits. */
static void a_retry_stops_at_the_event_that_is_refused_again(void) {
    begin();
    break_cart(BROKEN);
    append(BROKEN);
    broken_cart = NULL;
    pass(3 * SECOND_US);
    for (int i = 0; i < 50; i++) {
        append(BROKEN);
    }
    break_cart(BROKEN);
    pass(3 * SECOND_US);
    broken_cart = NULL;
    (void)retried(&view_old, NULL);
    assert_int_equal(parked("carts"), 0);
    append(BROKEN);
    break_cart(OTHER);
    append(OTHER);
    append(OTHER);
    append(OTHER);
    pass(3 * SECOND_US);
    append(BROKEN);
    struct going_on all = retried(&view_old, NULL);
    assert_int_equal(all.result.parked, 3);
    assert_non_null(strstr(all.stuck, "cart_8 at version 3"));
    pass(3 * SECOND_US);
    assert_int_equal(total_of("carts", BROKEN), scene.versions[BROKEN]);
}

static void nothing_parked_is_nothing_to_retry_or_skip(void) {
    begin();
    struct going_on going_on = {.view = &view_old, .stream = "cart_7"};
    run(retry_main, &going_on);
    assert_int_equal(going_on.failure, ERR_NOT_FOUND);
    assert_int_equal(retried(&view_old, NULL).result.projected, 0);
    assert_int_equal(skipped(&view_old, "cart_7", 3).failure, ERR_NOT_FOUND);
    assert_int_equal(skipped(&view_old, "daybook.carts/0/3", 0).failure, ERR_NOT_FOUND);
    /* Not by a program of another format. */
    going_on.view = &view_new;
    run(retry_main, &going_on);
    assert_int_equal(going_on.failure, ERR_CONFLICT);
    break_cart(BROKEN);
    append(BROKEN);
    pass(3 * SECOND_US);
    going_on = skipped(&view_new, "cart_7", 3);
    assert_int_equal(going_on.failure, ERR_CONFLICT);
    assert_non_null(strstr(going_on.info.text, "ask the version that made it"));
    assert_int_equal(sim_postgres_row_count("carts", "skipped"), 0);
}

/* ---- records that cannot be read --------------------------------------------------------------------------------- */

/* A record whose schema this version does not know, in the place of the cart's next event. */
static int64_t append_unreadable(int cart) {
    scene.versions[cart]++;
    append_bytes(STR("\0\0\xff\xff\xff?"));
    return log_end() - 1;
}

static void a_stream_goes_on_without_an_event_that_nobody_can_read(void) {
    begin();
    int64_t offset = append_unreadable(BROKEN);
    append(BROKEN);
    append(BROKEN);
    pass(3 * SECOND_US);
    assert_int_equal(parked("carts"), 3);
    assert_int_equal(skipped(&view_old, "cart_7", 4).failure, ERR_CONFLICT);
    assert_int_equal(skipped(&view_old, "cart_7", 3).failure, ERR_NONE);
    struct going_on on = retried(&view_old, "cart_7");
    assert_int_equal(on.result.projected, 2);
    assert_int_equal(total_of("carts", BROKEN), 5);
    assert_int_equal(parked("carts"), 1); /* the record itself */
    char place[64];
    snprintf(place, sizeof place, "daybook.carts/0/%d", (int)offset);
    assert_int_equal(skipped(&view_old, place, 0).failure, ERR_NONE);
    append(BROKEN);
    pass(3 * SECOND_US);
    assert_int_equal(parked("carts"), 0);
    assert_int_equal(total_of("carts", BROKEN), 6);
    assert_rebuilt_equal(&view_old);
    assert_int_equal(sim_postgres_row_count("carts_rebuild", "skipped"), 2);
}

/* ---- skip -------------------------------------------------------------------------------------------------------- */

static void a_skipped_event_is_skipped_in_a_rebuild_and_tried_again_when_it_is_forgotten(void) {
    begin();
    break_cart(BROKEN);
    append(BROKEN);
    pass(3 * SECOND_US);
    broken_cart = NULL;
    append(BROKEN);
    pass(3 * SECOND_US);
    assert_int_equal(parked("carts"), 2);
    assert_int_equal(skipped(&view_old, "cart_7", 3).failure, ERR_NONE);
    assert_int_equal(skipped(&view_old, "cart_7", 3).failure, ERR_NONE); /* once more is nothing more */
    struct going_on on = retried(&view_old, "cart_7");
    assert_int_equal(on.result.projected, 2);
    assert_int_equal(parked("carts"), 0);
    assert_int_equal(total_of("carts", BROKEN), 4);
    append(BROKEN);
    pass(3 * SECOND_US);
    assert_int_equal(total_of("carts", BROKEN), 5);

    assert_rebuilt_equal(&view_old);
    struct order order = {.view = &view_old, .forgets_skips = true};
    run(rebuild_main, &order);
    done(&order);
    assert_int_equal(sim_postgres_row_count("carts_rebuild", "skipped"), 0);
    assert_int_equal(order.rebuilt.parked, 0);
    assert_false(schemas_are_equal("carts", "carts_rebuild"));
}

/* Somebody skips while another one's retry is between reading the log and the lock. */
static struct sim_process *retries;

static void stop_before_lock(const char *name) {
    static int scripts;
    bool is_meant = sim_self() == retries && strcmp(name, "postgres: before script") == 0;
    if (is_meant && ++scripts == 3) { /* the search path, the session's settings, the lock */
        sim_point_hook = NULL;
        sim_pause(retries);
    }
}

static void a_retry_heeds_what_was_skipped_while_it_read(void) {
    begin();
    break_cart(BROKEN);
    append(BROKEN);
    pass(3 * SECOND_US);
    broken_cart = NULL;
    struct going_on going_on = {.view = &view_old};
    sim_point_hook = stop_before_lock;
    retries = sim_start("retry", 1, retry_main, &going_on);
    pass(5 * SECOND_US);
    assert_true(retries->is_paused);
    assert_int_equal(skipped(&view_old, "cart_7", 3).failure, ERR_NONE);
    sim_resume(retries);
    pass(5 * SECOND_US);
    assert_false(retries->is_alive);
    assert_int_equal(going_on.failure, ERR_NONE);
    assert_int_equal(parked("carts"), 0);
    assert_int_equal(total_of("carts", BROKEN), 2);
    assert_rebuilt_equal(&view_old);
}

/* Two in a row, of which the first one cannot even be read. */
static void an_event_that_is_refused_behind_one_that_nobody_can_read_is_skipped_as_well(void) {
    begin();
    (void)append_unreadable(BROKEN);
    break_cart(BROKEN);
    append(BROKEN);
    pass(3 * SECOND_US);
    assert_int_equal(skipped(&view_old, "cart_7", 3).failure, ERR_NONE);
    assert_non_null(strstr(retried(&view_old, "cart_7").stuck, "cart_7 at version 4"));
    assert_int_equal(skipped(&view_old, "cart_7", 4).failure, ERR_NONE);
    append(BROKEN);
    broken_cart = NULL;
    (void)retried(&view_old, "cart_7");
    pass(3 * SECOND_US);
    assert_int_equal(total_of("carts", BROKEN), 5);
}

/* At night no event comes that the fence could refuse. */
static void a_projector_that_has_nothing_to_do_learns_that_nothing_is_parked_any_more(void) {
    struct projector *projector = NULL;
    sim_start("projector", 1, projector_main, &projector);
    append_bytes(STR("\0\0\xff\xff\xff?"));
    pass(10 * SECOND_US);
    assert_true(tells(projector, "daybook_projection_parked{view=\"carts\"} 1\n"));
    assert_int_equal(skipped(&carts_view, "daybook.carts/0/0", 0).failure, ERR_NONE);
    pass(3 * SECOND_US);
    assert_true(tells(projector, "daybook_projection_parked{view=\"carts\"} 0\n"));
}

/* ---- the watchdog ------------------------------------------------------------------------------------------------ */

struct lock_holder {
    int64_t us;
};

static void hold_main(void *context) {
    const struct lock_holder *holder = context;
    struct pg_session *session;
    struct err_info info;
    enum err failure = pg_session_open("", "test", &session, &info);
    failure = failure == ERR_NONE
                  ? pg_session_exec(session, "BEGIN; LOCK TABLE carts.position IN EXCLUSIVE MODE", &info)
                  : failure;
    assert(failure == ERR_NONE);
    sim_sleep(holder->us);
    pg_session_rollback(session);
    pg_session_close(session);
}

static void a_view_that_waits_for_postgresql_is_told_and_no_other_is_slower(void) {
    struct projector *projector = NULL;
    struct lock_holder holder = {.us = 60 * (int64_t)SECOND_US};
    append_all(1);
    sim_start("projector", 1, projector_main, &projector);
    pass(10 * SECOND_US);
    assert_true(projector_is_ready(projector));
    assert_true(tells(projector, "daybook_projection_live{view=\"carts\"} 1\n"));
    sim_start("holder", 1, hold_main, &holder);
    pass(SECOND_US);
    append_all(1);
    pass(20 * SECOND_US);
    assert_true(tells(projector, "daybook_projection_stalled{view=\"carts\"} 0\n"));
    pass(20 * SECOND_US);
    assert_true(tells(projector, "daybook_projection_stalled{view=\"carts\"} 1\n"));
    assert_true(tells(projector, "daybook_projection_stalled{view=\"orders\"} 0\n"));
    assert_false(projector_is_ready(projector));
    pass(40 * SECOND_US);
    assert_true(tells(projector, "daybook_projection_stalled{view=\"carts\"} 0\n"));
    assert_true(projector_is_ready(projector));
    assert_int_equal(stands_at("carts"), log_end());
}

static void a_projector_that_stands_by_is_not_stalled_while_the_other_one_works(void) {
    struct projector *first = NULL, *second = NULL;
    append_all(1);
    sim_start("first", 1, projector_main, &first);
    sim_start("second", 1, projector_main, &second);
    sim_start("shop", 1, append_main, NULL);
    pass(15 * SECOND_US);
    for (int i = 0; i < 100; i++) {
        pass(SECOND_US);
        assert_false(tells(first, "daybook_projection_stalled{view=\"carts\"} 1\n"));
        assert_false(tells(second, "daybook_projection_stalled{view=\"carts\"} 1\n"));
    }
}

static void a_log_that_does_not_answer_for_a_while_makes_no_view_look_stalled(void) {
    struct projector *projector = NULL;
    append_all(1);
    sim_start("projector", 1, projector_main, &projector);
    pass(10 * SECOND_US);
    broker_set_up(false);
    pass(90 * SECOND_US);
    assert_true(tells(projector, "daybook_projection_lag_events{view=\"carts\"} -1\n"));
    append_all(1);
    /* Once it is back the view is behind for some seconds. */
    struct lock_holder holder = {.us = 8 * (int64_t)SECOND_US};
    sim_start("holder", 1, hold_main, &holder);
    broker_set_up(true);
    for (int i = 0; i < 200; i++) {
        pass(SECOND_US / 10);
        assert_true(tells(projector, "daybook_projection_stalled{view=\"carts\"} 0\n"));
    }
    assert_int_equal(stands_at("carts"), log_end());
}

/* A transaction in one shard that nobody ends, while the other one is busy. */
static void a_shard_that_stands_still_is_told_although_others_move(void) {
    struct projector *projector = NULL;
    append_all(1);
    sim_start("projector", 1, projector_main, &projector);
    sim_start("shop", 1, append_main, NULL);
    pass(10 * SECOND_US);
    struct broker_producer hangs;
    int64_t offset;
    const char *topic = scene.topics.names[TOPIC_CARTS];
    const struct broker_record record = {.value = STR("?"), .has_value = true};
    assert_int_equal(broker_init_producer("hangs", 900 * 1000, &hangs), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(broker_add_partition(&hangs, topic, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(broker_produce(&hangs, topic, 1, 0, &record, 1, &offset), RD_KAFKA_RESP_ERR_NO_ERROR);
    pass(20 * SECOND_US);
    assert_true(tells(projector, "daybook_projection_shards_stalled{view=\"carts\"} 0\n"));
    pass(20 * SECOND_US);
    assert_true(tells(projector, "daybook_projection_shards_stalled{view=\"carts\"} 1\n"));
    assert_true(tells(projector, "daybook_projection_stalled{view=\"carts\"} 0\n"));
    assert_true(projector_is_ready(projector));
    assert_int_equal(broker_end_txn(&hangs, false), RD_KAFKA_RESP_ERR_NO_ERROR);
    pass(5 * SECOND_US);
    assert_true(tells(projector, "daybook_projection_shards_stalled{view=\"carts\"} 0\n"));
}

/* A log that was restored from before, say: nothing in it is new, and what is appended would be taken for seen. */
static void a_view_that_is_ahead_of_the_log_is_not_well(void) {
    struct projector *projector = NULL;
    append_all(1);
    sim_start("projector", 1, projector_main, &projector);
    broker_keep_moment();
    append_all(1);
    pass(10 * SECOND_US);
    assert_int_equal(stands_at("carts"), log_end());
    assert_true(projector_is_ready(projector));
    broker_set_back();
    pass(60 * SECOND_US);
    assert_true(stands_at("carts") > log_end());
    assert_true(tells(projector, "daybook_projection_stalled{view=\"carts\"} 1\n"));
    assert_false(projector_is_ready(projector));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_stream_whose_cause_is_mended_is_projected_again_with_what_queued_behind, 1),
        WORLD_TEST(a_retry_and_a_projector_at_work_do_not_get_in_each_others_way, 10),
        WORLD_TEST(a_long_queue_is_taken_piece_by_piece_while_it_grows, 3),
        WORLD_TEST(a_retry_stops_at_the_event_that_is_refused_again, 1),
        WORLD_TEST(nothing_parked_is_nothing_to_retry_or_skip, 1),
        WORLD_TEST(a_stream_goes_on_without_an_event_that_nobody_can_read, 1),
        WORLD_TEST(a_skipped_event_is_skipped_in_a_rebuild_and_tried_again_when_it_is_forgotten, 1),
        WORLD_TEST(a_retry_heeds_what_was_skipped_while_it_read, 1),
        WORLD_TEST(an_event_that_is_refused_behind_one_that_nobody_can_read_is_skipped_as_well, 1),
        WORLD_TEST(a_projector_that_has_nothing_to_do_learns_that_nothing_is_parked_any_more, 1),
        SHARDS_TEST(a_shard_that_stands_still_is_told_although_others_move, 2),
        WORLD_TEST(a_view_that_is_ahead_of_the_log_is_not_well, 1),
        WORLD_TEST(a_view_that_waits_for_postgresql_is_told_and_no_other_is_slower, 1),
        WORLD_TEST(a_projector_that_stands_by_is_not_stalled_while_the_other_one_works, 3),
        WORLD_TEST(a_log_that_does_not_answer_for_a_while_makes_no_view_look_stalled, 1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
