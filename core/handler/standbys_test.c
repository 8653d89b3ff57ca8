#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/base/timestamp.h"
#include "core/handler/fake_log.h"
#include "core/handler/standbys.h"

#define S ((int64_t)MICROS_PER_SECOND)

/* A log whose engine is one process, and the standbys of another one, with a data_dir of its own. */
struct two_processes {
    struct fake_log *log;
    char dir[64];
    struct replay_log port;
    struct standbys *standbys;
    int64_t now_us;
    struct store *claimed; /* to be closed at the end */
};

static struct standbys *standbys_of(struct two_processes *two, uint32_t shards, uint32_t most) {
    const struct standbys_options options = {
        .data_dir = two->dir,
        .boot_id = "boot",
        .topics = &two->log->topics,
        .aggregates = &fake_aggregates,
        .shard_count = shards,
        .most = most,
        .window_us = two->log->engine.options.window_us,
    };
    return standbys_new(&options, 0);
}

static int processes_begin(void **state) {
    struct two_processes *two = calloc(1, sizeof *two);
    assert_non_null(two);
    two->log = fake_log_new();
    memcpy(two->dir, "/tmp/daybook-standby-test-XXXXXX", sizeof "/tmp/daybook-standby-test-XXXXXX");
    assert_non_null(mkdtemp(two->dir));
    two->port = fake_port(two->log);
    two->standbys = standbys_of(two, FAKE_SHARDS, FAKE_SHARDS);
    two->now_us = (STANDBY_REST_S + 1) * S;
    *state = two;
    return 0;
}

static int processes_end(void **state) {
    struct two_processes *two = *state;
    store_close(two->claimed, false);
    standbys_let_go(two->standbys, false);
    standbys_free(two->standbys);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", two->dir);
    assert_int_equal(system(command), 0);
    fake_log_free(two->log);
    free(two);
    return 0;
}

static enum err step(struct two_processes *two) {
    struct err_info info = {0};
    return standbys_step(two->standbys, &two->port, "cluster", two->now_us, 0, &info);
}

static struct standbys_report report_of(struct two_processes *two) {
    struct standbys_report report;
    standbys_report(two->standbys, &report);
    return report;
}

/* Until there is nothing more to be read, and all is written. */
static void caught_up(struct two_processes *two) {
    uint64_t replayed;
    do {
        replayed = report_of(two).replayed;
        for (int i = 0; i < 4; i++) {
            assert_int_equal(step(two), ERR_NONE);
        }
    } while (report_of(two).replayed != replayed);
    two->now_us += 2 * S;
    assert_int_equal(step(two), ERR_NONE);
}

/* The other process ends; this one takes the shard over with its standby, if it has one. */
static struct takeover moved_here(struct two_processes *two) {
    fake_disown(two->log, 0);
    struct store *store = standbys_claim(two->standbys, 0);
    assert_non_null(store);
    struct takeover takeover = {0};
    struct err_info info = {0};
    assert_int_equal(fake_take_over_with(two->log, 0, store, &takeover, &info), ERR_NONE);
    return takeover;
}

static int64_t version_of(struct fake_log *log, struct store *store, struct str cart) {
    char key[STORE_KEY_MAX];
    bool found;
    struct str bytes;
    struct err_info info;
    struct stored_stream stream;
    assert_int_equal(store_get(store, STORE_STREAMS, store_stream_key(cart, key), &found, &bytes, &info), ERR_NONE);
    return found && stored_stream_decode(&log->arena, arena_str_copy(&log->arena, bytes), &stream) ? stream.version : 0;
}

/* ---- the good way ------------------------------------------------------------------------------------------------ */

static void a_standby_follows_the_log_and_leaves_a_takeover_nothing_to_read(void **state) {
    struct two_processes *two = *state;
    struct str cart = fake_used_shard(two->log);
    caught_up(two);
    assert_int_equal(report_of(two).open, 2);
    fake_cart_gets(two->log, cart, 4, 8);
    caught_up(two);
    struct takeover takeover = moved_here(two);
    assert_int_equal(takeover.replay.replayed, 0);
    assert_null(takeover.replay.discarded);
    assert_int_equal(version_of(two->log, two->log->stores[0], cart), 4);
    assert_int_equal(report_of(two).handed_over, 1);
    fake_cart_gets(two->log, cart, 5, 9); /* and it can go on from there */
    fake_cart_gets(two->log, cart, 4, 1); /* a retry is known */
    assert_int_equal(version_of(two->log, two->log->stores[0], cart), 5);
}

static void what_was_read_and_not_written_is_read_again_by_the_takeover(void **state) {
    struct two_processes *two = *state;
    struct str cart = fake_used_shard(two->log);
    caught_up(two);
    fake_cart_gets(two->log, cart, 4, 8);
    assert_int_equal(step(two), ERR_NONE); /* reads, and does not write yet */
    assert_int_equal(report_of(two).replayed, 8);
    struct takeover takeover = moved_here(two);
    assert_int_equal(takeover.replay.replayed, 2);
    assert_int_equal(version_of(two->log, two->log->stores[0], cart), 4);
}

static void after_a_claim_nothing_is_read_and_nothing_written(void **state) {
    struct two_processes *two = *state;
    struct str cart = fake_used_shard(two->log);
    caught_up(two);
    two->claimed = standbys_claim(two->standbys, 0);
    assert_non_null(two->claimed);
    const struct store_progress before = *store_progress(two->claimed);
    uint64_t replayed = report_of(two).replayed;
    fake_cart_gets(two->log, cart, 4, 8);
    two->now_us += 3600 * S;
    caught_up(two);
    assert_int_equal(report_of(two).replayed, replayed);
    assert_int_equal(two->log->partitions[TOPIC_CARTS][0].reads_at, -1);
    assert_int_equal(version_of(two->log, two->claimed, cart), 3);
    assert_memory_equal(store_progress(two->claimed), &before, sizeof before);
    int32_t shard;
    int64_t lag;
    assert_true(standbys_lag(two->standbys, 0, &shard, &lag));
    assert_int_equal(shard, 1);
}

static void a_shard_that_was_given_up_rests_and_is_then_kept_again(void **state) {
    struct two_processes *two = *state;
    struct str cart = fake_used_shard(two->log);
    caught_up(two);
    struct store *store = standbys_claim(two->standbys, 0);
    assert_null(standbys_claim(two->standbys, 0)); /* another worker, who has not heard yet that it was moved */
    store_close(store, false);
    standbys_unclaim(two->standbys, 0, two->now_us);
    two->now_us += (STANDBY_REST_S + 1) * S;
    assert_int_equal(step(two), ERR_NONE);
    assert_int_equal(report_of(two).open, 1); /* one claim is left */
    standbys_unclaim(two->standbys, 0, two->now_us);
    two->now_us += S;
    assert_int_equal(step(two), ERR_NONE);
    assert_int_equal(report_of(two).open, 1);
    two->now_us += STANDBY_REST_S * S;
    fake_cart_gets(two->log, cart, 4, 8);
    caught_up(two);
    assert_int_equal(report_of(two).open, 2);
    assert_int_equal(moved_here(two).replay.replayed, 0);
}

static void a_lag_is_what_the_log_has_more(void **state) {
    struct two_processes *two = *state;
    struct str cart = fake_used_shard(two->log);
    caught_up(two);
    two->now_us += 20 * S;
    assert_int_equal(step(two), ERR_NONE);
    int32_t shard;
    int64_t lag;
    assert_true(standbys_lag(two->standbys, 0, &shard, &lag));
    assert_int_equal(lag, 0);
    fake_cart_gets(two->log, cart, 4, 8);
    struct fake_log *log = two->log;
    log->partitions[TOPIC_CARTS][0].reads_at = log->partitions[TOPIC_OUTCOMES][0].reads_at = -1; /* nothing comes */
    two->now_us += 20 * S;
    assert_int_equal(step(two), ERR_NONE);
    assert_true(standbys_lag(two->standbys, 0, &shard, &lag));
    assert_int_equal(lag, 4); /* an event, an outcome, and a marker behind each */
}

/* ---- logs that are not what they were ---------------------------------------------------------------------------- */

static void a_standby_ahead_of_a_cut_log_is_discarded_where_it_is_kept(void **state) {
    struct two_processes *two = *state;
    struct str cart = fake_used_shard(two->log);
    caught_up(two);
    /* The last event and its marker are gone, as after a power cut without flushing. Kafka says so to whoever reads. */
    two->log->partitions[TOPIC_CARTS][0].end -= 2;
    two->log->poll_fails = ERR_CONFLICT;
    assert_int_equal(step(two), ERR_CONFLICT);
    standbys_let_go(two->standbys, false);
    caught_up(two);
    assert_int_equal(report_of(two).discarded, 1);
    struct takeover takeover = moved_here(two);
    assert_null(takeover.replay.discarded);
    assert_int_equal(version_of(two->log, two->log->stores[0], cart), 2);
}

static void a_standby_ahead_of_a_cut_log_is_discarded_by_the_takeover(void **state) {
    struct two_processes *two = *state;
    struct str cart = fake_used_shard(two->log);
    caught_up(two);
    two->log->partitions[TOPIC_CARTS][0].end -= 2;
    struct takeover takeover = moved_here(two);
    assert_non_null(takeover.replay.discarded);
    assert_int_equal(version_of(two->log, two->log->stores[0], cart), 2);
}

static void a_standby_of_another_history_is_discarded(void **state) {
    struct two_processes *two = *state;
    fake_used_shard(two->log);
    caught_up(two);
    standbys_let_go(two->standbys, false);
    struct fake_partition *outcomes = &two->log->partitions[TOPIC_OUTCOMES][0];
    outcomes->records[outcomes->end - 2].value = outcomes->records[0].value;
    caught_up(two);
    assert_int_equal(report_of(two).discarded, 1);
    assert_int_equal(report_of(two).open, 2);
    assert_int_equal(moved_here(two).replay.replayed, 0);
}

/* The log lost its end and was written to again before anybody looked: what the store has of it is nobody's. */
static void a_standby_with_what_the_log_has_lost_is_filled_anew(void **state) {
    struct two_processes *two = *state;
    struct fake_log *log = two->log;
    struct str cart = fake_used_shard(two->log);
    caught_up(two);
    struct fake_partition *carts = &log->partitions[TOPIC_CARTS][0], *outcomes = &log->partitions[TOPIC_OUTCOMES][0];
    int64_t carts_at = carts->reads_at, outcomes_at = outcomes->reads_at;
    fake_disown(log, 0);
    fake_forget_store(log, 0);
    carts->end -= 2;
    outcomes->end -= 2;
    fake_own(log, 0); /* a third process, without a store; its reader is another one */
    carts->reads_at = carts_at;
    outcomes->reads_at = outcomes_at;
    fake_cart_gets(log, cart, 4, 8);
    fake_cart_gets(log, cart, 5, 9);
    assert_int_equal(version_of(log, log->stores[0], cart), 4);
    assert_int_equal(report_of(two).replayed, 6);
    caught_up(two);
    assert_int_equal(report_of(two).discarded, 1);
    assert_int_equal(report_of(two).failed, 0);
    struct takeover takeover = moved_here(two);
    assert_int_equal(takeover.replay.replayed, 0);
    assert_int_equal(version_of(log, log->stores[0], cart), 4);
}

static void an_event_not_known_here_leaves_the_store_as_it_is(void **state) {
    struct two_processes *two = *state;
    struct str cart = fake_used_shard(two->log);
    caught_up(two);
    fake_append(two->log, TOPIC_CARTS, 0, STR("key"), STR("\0\0\0\xff\xffof a newer release"));
    assert_int_equal(step(two), ERR_NONE);
    assert_int_equal(report_of(two).failed, 1);
    assert_int_equal(report_of(two).discarded, 0);
    assert_int_equal(report_of(two).open, 1);
    two->now_us += (STANDBY_BACKOFF_MIN_S - 1) * S;
    assert_int_equal(step(two), ERR_NONE);
    assert_int_equal(report_of(two).open, 1);
    two->now_us += 2 * S;
    caught_up(two);
    assert_int_equal(report_of(two).failed, 2); /* it was tried again, from where it stands */
    assert_int_equal(report_of(two).replayed, 6);
    assert_null(standbys_claim(two->standbys, 0));
    const struct store_options options = {.data_dir = two->dir, .shard = 0, .cluster_id = "cluster", .boot_id = "boot"};
    const char *why;
    struct err_info info;
    assert_int_equal(store_open(&options, &two->claimed, &why, &info), ERR_NONE);
    assert_int_equal(version_of(two->log, two->claimed, cart), 3);
}

/* ---- the disk ---------------------------------------------------------------------------------------------------- */

static void a_store_that_cannot_grow_gives_its_room_back_and_is_tried_later(void **state) {
    struct two_processes *two = *state;
    struct fake_log *log = two->log;
    struct str cart = fake_used_shard(two->log);
    caught_up(two);
    char path[128];
    snprintf(path, sizeof path, "%s/shard-0/data.mdb", two->dir);
    struct stat file;
    assert_int_equal(stat(path, &file), 0);
    off_t size = file.st_size;
    for (uint32_t i = 0; i < 200; i++) {
        fake_cart_gets(log, arena_printf(&log->arena, "%.*s.%u", STR_ARGS(cart), i), 1000 + i, 0);
    }
    /* Past its size no file of the process can be written: what the kernel says then is EFBIG, and no signal. */
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit, unlimited;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    limit = (struct rlimit){.rlim_cur = (rlim_t)size, .rlim_max = unlimited.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(step(two), ERR_NONE);
    }
    two->now_us += 2 * S;
    assert_int_equal(step(two), ERR_NONE);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    assert_int_equal(report_of(two).failed, 1);
    assert_int_equal(report_of(two).discarded, 1);
    assert_int_equal(report_of(two).open, 1); /* the other one, which had nothing to write, is as it was */
    bool is_there = stat(path, &file) == 0;
    assert_true(!is_there || file.st_size < size);
    two->now_us += (STANDBY_BACKOFF_MIN_S + 1) * S;
    caught_up(two);
    assert_int_equal(report_of(two).open, 2);
    assert_int_equal(moved_here(two).replay.replayed, 0);
}

/* ---- which ------------------------------------------------------------------------------------------------------- */

static enum err empty_watermarks(void *context, const char *topic, int32_t partition, int64_t *ret_low,
                                 int64_t *ret_high, struct err_info *info) {
    (void)context, (void)topic, (void)partition, (void)info;
    *ret_low = *ret_high = 0;
    return ERR_NONE;
}

static enum err empty_assign(void *context, const struct log_partition *partitions, size_t count,
                             struct err_info *info) {
    (void)context, (void)partitions, (void)count, (void)info;
    return ERR_NONE;
}

static enum err empty_poll(void *context, int timeout_ms, struct log_record *ret_records, size_t capacity,
                           size_t *ret_count, struct err_info *info) {
    (void)context, (void)timeout_ms, (void)ret_records, (void)capacity, (void)info;
    *ret_count = 0;
    return ERR_NONE;
}

static enum err empty_ends(void *context, enum log_end which, struct log_partition *partitions, size_t count,
                           struct err_info *info) {
    (void)context, (void)which, (void)info;
    for (size_t i = 0; i < count; i++) {
        partitions[i].offset = 0;
    }
    return ERR_NONE;
}

/* As text: "0 1 4 ". */
static void open_shards(struct standbys *standbys, char ret_text[64]) {
    int32_t shard;
    int64_t lag;
    ret_text[0] = '\0';
    for (int32_t from = 0; standbys_lag(standbys, from, &shard, &lag); from = shard + 1) {
        size_t len = strlen(ret_text);
        snprintf(ret_text + len, 64 - len, "%d ", shard);
    }
}

static void with_room_for_few_the_neighbours_of_what_is_owned_are_kept(void **state) {
    struct two_processes *two = *state;
    struct standbys *standbys = standbys_of(two, 8, 3);
    const struct replay_log empty = {empty_watermarks, empty_assign, empty_poll, empty_ends, NULL};
    assert_null(standbys_claim(standbys, 2));
    assert_null(standbys_claim(standbys, 3));
    struct err_info info;
    char text[64];
    assert_int_equal(standbys_step(standbys, &empty, "cluster", 6 * S, 0, &info), ERR_NONE);
    open_shards(standbys, text);
    assert_string_equal(text, "0 1 4 ");
    assert_null(standbys_claim(standbys, 7));
    struct store *store = standbys_claim(standbys, 4);
    assert_non_null(store);
    standbys_unclaim(standbys, 2, 7 * S); /* it rests, and may come back */
    assert_int_equal(standbys_step(standbys, &empty, "cluster", 8 * S, 0, &info), ERR_NONE);
    open_shards(standbys, text);
    assert_string_equal(text, "1 5 6 ");
    store_close(store, false);
    standbys_let_go(standbys, false);
    standbys_free(standbys);
}

static void where_everything_is_owned_here_nothing_is_wanted(void **state) {
    struct two_processes *two = *state;
    assert_true(standbys_are_wanted(two->standbys, two->now_us));
    assert_false(standbys_are_wanted(two->standbys, 0)); /* not before it is known what is given out here */
    assert_null(standbys_claim(two->standbys, 0));
    assert_true(standbys_are_wanted(two->standbys, two->now_us));
    assert_null(standbys_claim(two->standbys, 1));
    assert_false(standbys_are_wanted(two->standbys, two->now_us));
    assert_null(standbys_claim(NULL, 1));
    standbys_unclaim(NULL, 1, 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, processes_begin, processes_end)
    const struct CMUnitTest tests[] = {
        TEST(a_standby_follows_the_log_and_leaves_a_takeover_nothing_to_read),
        TEST(what_was_read_and_not_written_is_read_again_by_the_takeover),
        TEST(after_a_claim_nothing_is_read_and_nothing_written),
        TEST(a_shard_that_was_given_up_rests_and_is_then_kept_again),
        TEST(a_lag_is_what_the_log_has_more),
        TEST(a_standby_ahead_of_a_cut_log_is_discarded_where_it_is_kept),
        TEST(a_standby_ahead_of_a_cut_log_is_discarded_by_the_takeover),
        TEST(a_standby_of_another_history_is_discarded),
        TEST(a_standby_with_what_the_log_has_lost_is_filled_anew),
        TEST(an_event_not_known_here_leaves_the_store_as_it_is),
        TEST(a_store_that_cannot_grow_gives_its_room_back_and_is_tried_later),
        TEST(with_room_for_few_the_neighbours_of_what_is_owned_are_kept),
        TEST(where_everything_is_owned_here_nothing_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
