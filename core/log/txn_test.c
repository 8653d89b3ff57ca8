/* The error paths of the transactional writer, against librdkafka's mock cluster, which answers the requests of our
 * choice with the errors of our choice. */
#include "core/log/txn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>
#include <librdkafka/rdkafka_mock.h>

#include "core/base/timestamp.h"

/* Kafka protocol guide, "Api Keys". */
enum {
    PRODUCE = 0,
    INIT_PRODUCER_ID = 22,
    ADD_PARTITIONS_TO_TXN = 24,
    ADD_OFFSETS_TO_TXN = 25,
    END_TXN = 26,
    TXN_OFFSET_COMMIT = 28,
};

enum { TRANSACTION_TIMEOUT_MS = 2000, BROKER = 1 };

struct world {
    rd_kafka_t *handle;
    rd_kafka_mock_cluster_t *cluster;
    struct log_txn_options options;
    struct log_txn *txn;
};

static int world_without_writer(void **state) {
    static struct world world;
    world = (struct world){0};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    world.handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    world.cluster = rd_kafka_mock_cluster_new(world.handle, 1);
    rd_kafka_mock_topic_create(world.cluster, "test.events", 4, 1);
    rd_kafka_mock_topic_create(world.cluster, "test.replies", 4, 1);
    world.options = (struct log_txn_options){
        .brokers = rd_kafka_mock_cluster_bootstraps(world.cluster),
        .transactional_id = "worker-1",
        .warm_up_topic = "test.replies",
        .transaction_timeout_ms = TRANSACTION_TIMEOUT_MS,
    };
    *state = &world;
    return 0;
}

static int world_with_writer(void **state) {
    world_without_writer(state);
    struct world *world = *state;
    struct err_info info;
    return log_txn_open(&world->options, &world->txn, &info) == ERR_NONE ? 0 : -1;
}

static int world_ends(void **state) {
    struct world *world = *state;
    log_txn_close(world->txn);
    rd_kafka_mock_cluster_destroy(world->cluster);
    rd_kafka_destroy(world->handle);
    return 0;
}

static void fails_next(struct world *world, int16_t api_key, rd_kafka_resp_err_t error) {
    rd_kafka_mock_push_request_errors(world->cluster, api_key, 1, error);
}

static enum err produce_one(struct world *world) {
    struct err_info info;
    const struct log_header header = {"ce_id", STR("evt_1")};
    return log_txn_produce(world->txn, "test.events", 1, STR("key"), STR("value"), &header, 1, &info);
}

static enum err commit(struct world *world, struct err_info *info) {
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(offsets, "test.commands", 0)->offset = 7;
    rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata_new("test-handlers");
    enum err err = log_txn_commit(world->txn, offsets, group, info);
    rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_topic_partition_list_destroy(offsets);
    return err;
}

/* A transaction with one record and one offset. */
static enum err whole(struct world *world, struct err_info *info) {
    assert_int_equal(log_txn_begin(world->txn, info), ERR_NONE);
    assert_int_equal(produce_one(world), ERR_NONE);
    return commit(world, info);
}

/* Each of the two producers commits once more: whatever happened before, the writer is in order. */
static void assert_lives_on(struct world *world) {
    for (int i = 0; i < 2; i++) {
        struct err_info info = {0};
        if (whole(world, &info) != ERR_NONE) {
            fail_msg("it does not live on: %s", info.text);
        }
    }
}

/* The transaction is in doubt, and after renew the writer is in order. */
static void assert_in_doubt_until_renewed(struct world *world, enum err err, const struct err_info *info) {
    assert_int_equal(err, ERR_IN_DOUBT);
    assert_true(info->retriable);
    struct err_info renew_info = {0};
    assert_int_equal(log_txn_renew(world->txn, &renew_info), ERR_NONE);
    assert_lives_on(world);
}

/* ---- the good way --------------------------------------------------------------------------------------------------
 */

static void both_producers_commit_in_turn(void **state) {
    for (int i = 0; i < 3; i++) {
        assert_lives_on(*state);
    }
}

static void an_aborted_transaction_leaves_the_writer_alive(void **state) {
    struct world *world = *state;
    struct err_info info;
    assert_int_equal(log_txn_begin(world->txn, &info), ERR_NONE);
    assert_int_equal(produce_one(world), ERR_NONE);
    assert_int_equal(log_txn_abort(world->txn, &info), ERR_NONE);
    assert_lives_on(world);
}

static void a_transaction_with_offsets_alone_is_committed(void **state) {
    struct world *world = *state;
    struct err_info info;
    assert_int_equal(log_txn_begin(world->txn, &info), ERR_NONE);
    assert_int_equal(commit(world, &info), ERR_NONE);
}

static void a_record_too_large_to_ever_be_sent_is_said_to_be_so(void **state) {
    struct world *world = *state;
    struct err_info info;
    static char large[2 * 1024 * 1024];
    assert_int_equal(log_txn_begin(world->txn, &info), ERR_NONE);
    assert_int_equal(
        log_txn_produce(world->txn, "test.events", 0, STR("key"), str_of(large, sizeof large), NULL, 0, &info),
        ERR_TOO_LARGE);
    assert_false(info.retriable);
    assert_int_equal(log_txn_abort(world->txn, &info), ERR_NONE);
    assert_lives_on(world);
}

/* ---- barriers -------------------------------------------------------------------------------------------------------
 */

static void a_barrier_tells_what_stands_before_it(void **state) {
    struct world *world = *state;
    struct err_info info;
    assert_lives_on(world); /* two records in test.events[1] */
    struct log_partition places[] = {{"test.events", 1, -1}, {"test.events", 3, -1}, {"test.replies", 2, -1}};
    assert_int_equal(log_txn_barrier(world->txn, places, ARRAY_LENGTH(places), &info), ERR_NONE);
    assert_int_equal(places[0].offset, 2);
    assert_int_equal(places[1].offset, 0);
    assert_int_equal(places[2].offset, 0);
    assert_false(log_txn_is_open(world->txn));
    assert_lives_on(world);
}

static void a_barrier_that_was_refused_tells_nothing(void **state) {
    struct world *world = *state;
    struct err_info info;
    fails_next(world, PRODUCE, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    struct log_partition place = {"test.events", 1, -1};
    assert_int_equal(log_txn_barrier(world->txn, &place, 1, &info), ERR_KAFKA);
    assert_false(info.retriable);
    assert_lives_on(world);
}

static void a_barrier_whose_abort_was_sent_twice_is_in_doubt(void **state) {
    struct world *world = *state;
    struct err_info info;
    fails_next(world, END_TXN, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    struct log_partition place = {"test.events", 1, -1};
    assert_in_doubt_until_renewed(world, log_txn_barrier(world->txn, &place, 1, &info), &info);
}

/* ---- EndTxn is counted ---------------------------------------------------------------------------------------------
 */

static void a_commit_that_was_sent_twice_is_in_doubt_though_it_was_answered(void **state) {
    struct world *world = *state;
    struct err_info info;
    fails_next(world, END_TXN, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    enum err err = whole(world, &info);
    assert_non_null(strstr(info.text, "EndTxn sent 2 times"));
    assert_in_doubt_until_renewed(world, err, &info);
}

static void a_commit_whose_connection_broke_is_in_doubt(void **state) {
    struct world *world = *state;
    struct err_info info;
    fails_next(world, END_TXN, RD_KAFKA_RESP_ERR__TRANSPORT);
    assert_in_doubt_until_renewed(world, whole(world, &info), &info);
}

static void a_commit_that_is_not_answered_in_time_is_in_doubt(void **state) {
    struct world *world = *state;
    struct err_info info;
    rd_kafka_mock_broker_push_request_error_rtts(world->cluster, BROKER, END_TXN, 1, RD_KAFKA_RESP_ERR_NO_ERROR,
                                                 3 * TRANSACTION_TIMEOUT_MS);
    int64_t start_us = clock_boot_us();
    enum err err = whole(world, &info);
    assert_in_range(clock_boot_us() - start_us, 0, 2 * TRANSACTION_TIMEOUT_MS * (int64_t)MICROS_PER_MS);
    assert_in_doubt_until_renewed(world, err, &info);
}

static void a_commit_without_a_broker_gives_up_in_time(void **state) {
    struct world *world = *state;
    struct err_info info;
    assert_int_equal(log_txn_begin(world->txn, &info), ERR_NONE);
    assert_int_equal(produce_one(world), ERR_NONE);
    rd_kafka_mock_broker_set_down(world->cluster, BROKER);
    int64_t start_us = clock_boot_us();
    enum err err = commit(world, &info);
    assert_in_range(clock_boot_us() - start_us, 0, 2 * TRANSACTION_TIMEOUT_MS * (int64_t)MICROS_PER_MS);
    rd_kafka_mock_broker_set_up(world->cluster, BROKER);
    assert_in_doubt_until_renewed(world, err, &info);
}

static void an_abort_without_a_broker_gives_up_in_time(void **state) {
    struct world *world = *state;
    struct err_info info;
    assert_int_equal(whole(world, &info), ERR_NONE);
    assert_int_equal(log_txn_begin(world->txn, &info), ERR_NONE);
    assert_int_equal(produce_one(world), ERR_NONE);
    fails_next(world, TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
    rd_kafka_mock_broker_push_request_error_rtts(world->cluster, BROKER, END_TXN, 1, RD_KAFKA_RESP_ERR_NO_ERROR,
                                                 10 * TRANSACTION_TIMEOUT_MS);
    int64_t start_us = clock_boot_us();
    enum err err = commit(world, &info);
    assert_in_range(clock_boot_us() - start_us, 0, 2 * TRANSACTION_TIMEOUT_MS * (int64_t)MICROS_PER_MS);
    assert_int_equal(err, ERR_IN_DOUBT);
}

static void a_commit_by_a_fenced_producer_is_in_doubt(void **state) {
    struct world *world = *state;
    struct err_info info;
    fails_next(world, END_TXN, RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
    assert_in_doubt_until_renewed(world, whole(world, &info), &info);
}

static void a_refused_commit_is_in_doubt_because_its_abort_is_a_second_end_txn(void **state) {
    struct world *world = *state;
    struct err_info info;
    fails_next(world, END_TXN, RD_KAFKA_RESP_ERR_UNKNOWN);
    assert_in_doubt_until_renewed(world, whole(world, &info), &info);
}

static void an_abort_that_was_sent_twice_is_in_doubt(void **state) {
    struct world *world = *state;
    struct err_info info;
    assert_int_equal(log_txn_begin(world->txn, &info), ERR_NONE);
    assert_int_equal(produce_one(world), ERR_NONE);
    /* The offsets are registered so that there is something to abort, whether or not the record has left. */
    fails_next(world, TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
    fails_next(world, END_TXN, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    assert_in_doubt_until_renewed(world, commit(world, &info), &info);
}

/* ---- offsets --------------------------------------------------------------------------------------------------------
 */

static void a_stale_generation_is_fenced_and_the_writer_lives_on(void **state) {
    struct world *world = *state;
    const rd_kafka_resp_err_t stale[] = {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
                                         RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID};
    for (size_t i = 0; i < ARRAY_LENGTH(stale); i++) {
        struct err_info info;
        fails_next(world, TXN_OFFSET_COMMIT, stale[i]);
        assert_int_equal(whole(world, &info), ERR_FENCED);
        assert_true(info.retriable);
        assert_lives_on(world);
    }
}

static void a_coordinator_that_moved_is_found_again(void **state) {
    struct world *world = *state;
    struct err_info info;
    fails_next(world, TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
    assert_int_equal(whole(world, &info), ERR_NONE);
}

static void offsets_of_a_fenced_producer_are_in_doubt(void **state) {
    struct world *world = *state;
    struct err_info info;
    fails_next(world, TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    assert_in_doubt_until_renewed(world, whole(world, &info), &info);
}

static void offsets_that_are_not_permitted_abort(void **state) {
    struct world *world = *state;
    struct err_info info;
    fails_next(world, ADD_OFFSETS_TO_TXN, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    assert_int_equal(whole(world, &info), ERR_KAFKA);
    assert_lives_on(world);
}

/* ---- records --------------------------------------------------------------------------------------------------------
 */

static void a_record_that_the_broker_refuses_aborts_the_transaction_and_says_why(void **state) {
    struct world *world = *state;
    struct err_info info;
    fails_next(world, PRODUCE, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    assert_int_equal(whole(world, &info), ERR_KAFKA);
    assert_false(info.retriable);
    assert_non_null(strstr(info.text, "Broker failed to validate record"));
    assert_lives_on(world);
}

static void a_record_that_fails_in_passing_is_sent_again(void **state) {
    struct world *world = *state;
    struct err_info info;
    fails_next(world, PRODUCE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION);
    assert_int_equal(whole(world, &info), ERR_NONE);
}

static void a_partition_that_meets_unwritten_markers_is_added_again(void **state) {
    struct world *world = *state;
    struct err_info info;
    fails_next(world, ADD_PARTITIONS_TO_TXN, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS);
    assert_int_equal(whole(world, &info), ERR_NONE);
}

static void a_partition_that_is_not_permitted_aborts(void **state) {
    struct world *world = *state;
    struct err_info info;
    fails_next(world, ADD_PARTITIONS_TO_TXN, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(whole(world, &info), ERR_KAFKA);
    assert_lives_on(world);
}

static void a_partition_added_by_a_fenced_producer_is_in_doubt(void **state) {
    struct world *world = *state;
    struct err_info info;
    fails_next(world, ADD_PARTITIONS_TO_TXN, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(log_txn_begin(world->txn, &info), ERR_NONE);
    /* Until it knows that it is fenced. Offsets sent before that would still be on their way when the producer is
     * closed, and librdkafka 2.0.2 loses their memory then. */
    while (produce_one(world) == ERR_NONE) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    assert_in_doubt_until_renewed(world, commit(world, &info), &info);
}

/* ---- opening -------------------------------------------------------------------------------------------------------
 */

static void opening_waits_for_a_coordinator_that_is_loading(void **state) {
    struct world *world = *state;
    struct err_info info;
    fails_next(world, INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    assert_int_equal(log_txn_open(&world->options, &world->txn, &info), ERR_NONE);
    assert_lives_on(world);
}

static void opening_says_when_trying_again_is_of_no_use(void **state) {
    struct world *world = *state;
    struct err_info info;
    fails_next(world, INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    assert_int_equal(log_txn_open(&world->options, &world->txn, &info), ERR_KAFKA);
    assert_false(info.retriable);
    assert_null(world->txn);
}

static void opening_before_the_topics_exist_says_so(void **state) {
    struct world *world = *state;
    struct err_info info;
    world->options.warm_up_topic = "other.replies";
    assert_int_equal(log_txn_open(&world->options, &world->txn, &info), ERR_NOT_FOUND);
    assert_true(info.retriable);
    assert_non_null(strstr(info.text, "other.replies"));
}

static void a_renewal_that_fails_in_passing_may_be_tried_again(void **state) {
    struct world *world = *state;
    struct err_info info;
    fails_next(world, END_TXN, RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
    assert_int_equal(whole(world, &info), ERR_IN_DOUBT);
    fails_next(world, INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT);
    assert_int_equal(log_txn_renew(world->txn, &info), ERR_KAFKA);
    assert_int_equal(log_txn_renew(world->txn, &info), ERR_NONE);
    assert_lives_on(world);
}

int main(void) {
#define WITH_WRITER(test) cmocka_unit_test_setup_teardown(test, world_with_writer, world_ends)
#define WITHOUT_WRITER(test) cmocka_unit_test_setup_teardown(test, world_without_writer, world_ends)
    const struct CMUnitTest tests[] = {
        WITH_WRITER(both_producers_commit_in_turn),
        WITH_WRITER(an_aborted_transaction_leaves_the_writer_alive),
        WITH_WRITER(a_transaction_with_offsets_alone_is_committed),
        WITH_WRITER(a_record_too_large_to_ever_be_sent_is_said_to_be_so),
        WITH_WRITER(a_barrier_tells_what_stands_before_it),
        WITH_WRITER(a_barrier_that_was_refused_tells_nothing),
        WITH_WRITER(a_barrier_whose_abort_was_sent_twice_is_in_doubt),
        WITH_WRITER(a_commit_that_was_sent_twice_is_in_doubt_though_it_was_answered),
        WITH_WRITER(a_commit_whose_connection_broke_is_in_doubt),
        WITH_WRITER(a_commit_that_is_not_answered_in_time_is_in_doubt),
        WITH_WRITER(a_commit_without_a_broker_gives_up_in_time),
        WITH_WRITER(an_abort_without_a_broker_gives_up_in_time),
        WITH_WRITER(a_commit_by_a_fenced_producer_is_in_doubt),
        WITH_WRITER(a_refused_commit_is_in_doubt_because_its_abort_is_a_second_end_txn),
        WITH_WRITER(an_abort_that_was_sent_twice_is_in_doubt),
        WITH_WRITER(a_stale_generation_is_fenced_and_the_writer_lives_on),
        WITH_WRITER(a_coordinator_that_moved_is_found_again),
        WITH_WRITER(offsets_of_a_fenced_producer_are_in_doubt),
        WITH_WRITER(offsets_that_are_not_permitted_abort),
        WITH_WRITER(a_record_that_the_broker_refuses_aborts_the_transaction_and_says_why),
        WITH_WRITER(a_record_that_fails_in_passing_is_sent_again),
        WITH_WRITER(a_partition_that_meets_unwritten_markers_is_added_again),
        WITH_WRITER(a_partition_that_is_not_permitted_aborts),
        WITH_WRITER(a_partition_added_by_a_fenced_producer_is_in_doubt),
        WITHOUT_WRITER(opening_waits_for_a_coordinator_that_is_loading),
        WITHOUT_WRITER(opening_says_when_trying_again_is_of_no_use),
        WITHOUT_WRITER(opening_before_the_topics_exist_says_so),
        WITH_WRITER(a_renewal_that_fails_in_passing_may_be_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
