/* PostgreSQL's double: processes that die, a network that loses, a server that stops and crashes. */
#include "core/testing/simulator/postgres_scene.h"

/* ---- processes that die ------------------------------------------------------------------------------------------ */

static const char *killed_at;
static int ends_told;

static void kill_there(const char *name) {
    if (strcmp(name, killed_at) == 0 && strcmp(sim_self()->name, "victim") == 0) {
        sim_kill(sim_self());
    }
}

static void tell_end(struct sim_process *process) {
    (void)process;
    ends_told++;
}

static void victim_main(void *context) {
    struct quick *quick = context;
    quick_main(quick);
    quick->done_us = -1; /* it was to die before this */
}

/* The victim dies there, then another one writes. */
static enum err kill_at(const char *point, uint64_t seed) {
    world(seed);
    killed_at = point;
    ends_told = 0;
    struct quick victim = {.id = "victim"}, heir = {.id = "heir", .begins_us = 3 * MS};
    sim_point_hook = kill_there;
    sim_start("victim", 1, victim_main, &victim)->on_end = tell_end;
    run(quick_main, &heir);
    assert_int_equal(ends_told, 1);
    assert_int_not_equal(victim.done_us, -1);
    return heir.failure;
}

static void a_process_that_dies_before_its_commit_leaves_nothing(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        enum err failure = kill_at("postgres: before commit", seed);
        assert_int_equal(failure, ERR_NONE);
        assert_int_equal(sim_postgres_row_count("things", "things"), 1);
        assert_true(str_equal(sim_postgres_field(sim_postgres_row("things", "things", 0), 0), STR("heir")));
    }
}

static void a_commit_that_was_sent_happens_although_its_sender_dies(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        enum err failure = kill_at("postgres: commit is sent", seed);
        assert_int_equal(failure, ERR_FENCED);
        assert_int_equal(position(), 1);
        assert_int_equal(sim_postgres_row_count("things", "things"), 1);
    }
}

/* ---- the network ------------------------------------------------------------------------------------------------- */

/* Its connection breaks in a way, at a point. */
struct broken {
    uint32_t *fault;
    const char *at; /* "postgres: before ..." */
    enum err failure;
};

static const struct broken *breaking;

static void break_there(const char *name) {
    bool is_before = strstr(name, ": before ") != NULL;
    if (is_before) {
        *breaking->fault = strcmp(name, breaking->at) == 0 ? 1000000 : 0;
    }
}

static void be_cut_off(void *context) {
    struct broken *broken = context;
    struct worker worker;
    enum err failure = worker_open(&worker, "things");
    assert(failure == ERR_NONE);
    breaking = broken;
    sim_postgres_faults.late_most_us = 5 * (int64_t)SECOND_US;
    sim_point_hook = break_there;
    broken->failure = write_one(&worker, "one", 0);
    sim_point_hook = NULL;
    assert(worker.info.retriable);
    failure = pg_session_exec(worker.session, "SET jit TO off", &worker.info);
    assert(failure == ERR_POSTGRES && worker.info.retriable);
    worker_close(&worker);
}

static void when_the_answer_to_a_commit_is_lost_it_has_happened(void **state) {
    (void)state;
    world(1);
    struct broken broken = {.fault = &sim_postgres_faults.answer_lost, .at = "postgres: before commit"};
    run(be_cut_off, &broken);
    assert_int_equal(broken.failure, ERR_POSTGRES);
    assert_int_equal(position(), 1);
}

static void when_a_commit_is_lost_it_has_not_happened(void **state) {
    (void)state;
    world(1);
    struct broken broken = {.fault = &sim_postgres_faults.request_lost, .at = "postgres: before commit"};
    struct quick next = {.id = "next"};
    run(be_cut_off, &broken);
    run(quick_main, &next);
    assert_int_equal(broken.failure, ERR_POSTGRES);
    assert_int_equal(next.failure, ERR_NONE);
    assert_int_equal(position(), 1);
}

static void a_late_commit_happens_after_it_was_given_up(void **state) {
    (void)state;
    world(1);
    struct broken broken = {.fault = &sim_postgres_faults.late, .at = "postgres: before commit"};
    struct quick next = {.id = "next"};
    sim_start("cut off", 1, be_cut_off, &broken);
    sim_run(99 * MS);
    assert_int_equal(broken.failure, ERR_POSTGRES);
    assert_int_equal(position(), 0);
    run(quick_main, &next);
    assert_int_equal(next.failure, ERR_FENCED);
    assert_true(next.done_us > 150 * MS);
    assert_int_equal(sim_postgres_row_count("things", "things"), 1);
}

static void late_rows_are_rolled_back_although_their_session_was_closed_meanwhile(void **state) {
    (void)state;
    world(1);
    struct broken broken = {.fault = &sim_postgres_faults.late, .at = "postgres: before pipeline"};
    struct quick next = {.id = "next"};
    run(be_cut_off, &broken);
    run(quick_main, &next);
    assert_int_equal(broken.failure, ERR_POSTGRES);
    assert_int_equal(next.failure, ERR_NONE);
    assert_int_equal(sim_postgres_row_count("things", "things"), 1);
}

static void try_to_open(void *context) {
    struct quick *quick = context;
    struct worker worker;
    quick->failure = worker_open(&worker, "things");
    assert(quick->failure == ERR_NONE || worker.info.retriable);
    quick->done_us = sim_now_us();
    worker_close(&worker);
}

static void a_cut_link_is_noticed(void **state) {
    (void)state;
    world(1);
    struct quick quick = {0};
    struct sim_process *process = sim_start("projector", 1, try_to_open, &quick);
    sim_postgres_cut(process, true);
    sim_run(10 * (int64_t)SECOND_US);
    assert_int_equal(quick.failure, ERR_POSTGRES);
    assert_int_equal(quick.done_us, 5 * SECOND_US);
    sim_postgres_cut(process, false);
    run(try_to_open, &quick);
    assert_int_equal(quick.failure, ERR_NONE);
}

/* ---- the server's life ------------------------------------------------------------------------------------------- */

static void a_stop_loses_nothing_and_ends_sessions(void **state) {
    (void)state;
    world(1);
    struct quick quick = {0}, late = {0};
    sim_start("projector", 1, write_on, &quick);
    sim_run(SECOND_US);
    sim_postgres_down();
    assert_false(sim_postgres_is_up());
    run(try_to_open, &late);
    assert_int_equal(quick.failure, ERR_POSTGRES);
    assert_int_equal(late.failure, ERR_POSTGRES);
    assert_true(position() >= 15);
    assert_int_equal(position(), quick.done_us);
    sim_postgres_up();
    run(try_to_open, &late);
    assert_int_equal(late.failure, ERR_NONE);
    assert_int_equal(sim_postgres_lost_commits(), 0);
}

static void a_crash_loses_whole_transactions_of_the_last_moments(void **state) {
    (void)state;
    size_t most = 0, least = SIZE_MAX;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        world(seed);
        struct quick quick = {0};
        sim_start("projector", 1, write_on, &quick);
        sim_run(2 * SECOND_US + (int64_t)seed * MS);
        int64_t before = position();
        size_t lost = sim_postgres_crash();
        assert_int_equal(position(), before - (int64_t)lost);
        assert_int_equal(sim_postgres_row_count("things", "ledger"), position());
        assert_int_equal(amount_of("things", 0), position());
        assert_true(lost <= 600 / 50);
        assert_int_equal(sim_postgres_lost_commits(), lost);
        most = lost > most ? lost : most;
        least = lost < least ? lost : least;
        sim_run(3 * SECOND_US);
        assert_int_equal(quick.failure, ERR_POSTGRES);
    }
    assert_int_equal(least, 0);
    assert_true(most >= 10);
}

static void make_schema(void *context) {
    (void)context;
    struct pg_session *session;
    struct err_info info = {0};
    enum err failure = pg_session_open("", "test", &session, &info);
    failure = failure != ERR_NONE ? failure : pg_session_exec(session, "CREATE SCHEMA IF NOT EXISTS other", &info);
    assert(failure == ERR_NONE);
    pg_session_close(session);
}

static void what_came_before_a_synchronous_commit_survives_a_crash(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        world(seed);
        sim_start("projector", 1, write_two, NULL);
        sim_run(SECOND_US / 2);
        sim_start("migrate", 1, make_schema, NULL);
        sim_run(SECOND_US / 2 + 10 * MS);
        assert_int_equal(sim_postgres_crash(), 0);
        assert_int_equal(position(), 2);
    }
}

/* ---- the same again ---------------------------------------------------------------------------------------------- */

static uint64_t digest_of(uint64_t seed) {
    world(seed);
    sim_postgres_faults.answer_lost = sim_postgres_faults.late = sim_postgres_faults.slow = 20000;
    sim_postgres_faults.late_most_us = sim_postgres_faults.slow_most_us = SECOND_US;
    struct quick quick[2 * RUNS] = {0};
    for (int i = 0; i < RUNS; i++) {
        sim_start("one", i + 1, write_on, &quick[2 * i]);
        sim_start("other", i + 1, write_on, &quick[2 * i + 1]);
        sim_run((i + 1) * (int64_t)SECOND_US);
    }
    return sim_digest();
}

static void a_seed_makes_the_same_run_again(void **state) {
    (void)state;
    assert_int_equal(digest_of(3), digest_of(3));
    assert_int_not_equal(digest_of(3), digest_of(4));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_process_that_dies_before_its_commit_leaves_nothing, tear_down),
        cmocka_unit_test_teardown(a_commit_that_was_sent_happens_although_its_sender_dies, tear_down),
        cmocka_unit_test_teardown(when_the_answer_to_a_commit_is_lost_it_has_happened, tear_down),
        cmocka_unit_test_teardown(when_a_commit_is_lost_it_has_not_happened, tear_down),
        cmocka_unit_test_teardown(a_late_commit_happens_after_it_was_given_up, tear_down),
        cmocka_unit_test_teardown(late_rows_are_rolled_back_although_their_session_was_closed_meanwhile, tear_down),
        cmocka_unit_test_teardown(a_cut_link_is_noticed, tear_down),
        cmocka_unit_test_teardown(a_stop_loses_nothing_and_ends_sessions, tear_down),
        cmocka_unit_test_teardown(a_crash_loses_whole_transactions_of_the_last_moments, tear_down),
        cmocka_unit_test_teardown(what_came_before_a_synchronous_commit_survives_a_crash, tear_down),
        cmocka_unit_test_teardown(a_seed_makes_the_same_run_again, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
