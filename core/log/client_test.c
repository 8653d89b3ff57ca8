/* Producer and reader together, against librdkafka's mock cluster. */
#include "core/log/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>

#include "core/base/timestamp.h"
#include "core/log/producer.h"
#include "core/log/reader.h"

enum { BROKERS = 2, ALL_BROKERS = -1, WAIT_MS = 10000, DELIVERY_TIMEOUT_MS = 1000 };

struct world {
    rd_kafka_t *handle;
    rd_kafka_mock_cluster_t *cluster;
    struct log_producer *producer;
    struct log_reader *reader;
};

static struct log_producer_options producer_options(const struct world *world) {
    return (struct log_producer_options){
        .brokers = rd_kafka_mock_cluster_bootstraps(world->cluster),
        .client_id = "test",
        .linger_ms = 0,
        .delivery_timeout_ms = DELIVERY_TIMEOUT_MS,
        .queue_max_records = 100,
    };
}

static int setup(void **state) {
    static struct world world;
    world = (struct world){0};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    world.handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    world.cluster = rd_kafka_mock_cluster_new(world.handle, BROKERS);
    rd_kafka_mock_topic_create(world.cluster, "test.events", 2, 1);
    for (int32_t partition = 0; partition < 2; partition++) {
        rd_kafka_mock_partition_set_leader(world.cluster, "test.events", partition, 1);
    }
    struct log_producer_options sending = producer_options(&world);
    struct log_reader_options reading = {
        .brokers = sending.brokers,
        .client_id = "test",
        .isolation = LOG_READ_COMMITTED,
    };
    struct err_info info;
    *state = &world;
    bool ready = log_producer_open(&sending, &world.producer, &info) == ERR_NONE &&
                 log_reader_open(&reading, &world.reader, &info) == ERR_NONE;
    return ready ? 0 : -1;
}

static int teardown(void **state) {
    struct world *world = *state;
    log_producer_close(world->producer, 0);
    log_reader_close(world->reader);
    rd_kafka_mock_cluster_destroy(world->cluster);
    rd_kafka_destroy(world->handle);
    return 0;
}

/* What the producer said of the records, and how to wait for it. */
struct deliveries {
    pthread_mutex_t lock;
    pthread_cond_t told;
    int count;
    enum err last;
    bool last_retriable;
    pthread_t thread;
};

#define DELIVERIES                                                                                                     \
    { .lock = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER }

static void on_delivered(void *context, enum err result, const struct err_info *info) {
    struct deliveries *deliveries = context;
    pthread_mutex_lock(&deliveries->lock);
    deliveries->count++;
    deliveries->last = result;
    deliveries->last_retriable = info->retriable;
    deliveries->thread = pthread_self();
    pthread_cond_broadcast(&deliveries->told);
    pthread_mutex_unlock(&deliveries->lock);
}

static void wait_for(struct deliveries *deliveries, int count) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&deliveries->lock);
    while (deliveries->count < count) {
        if (pthread_cond_timedwait(&deliveries->told, &deliveries->lock, &until) != 0) {
            fail_msg("%d of %d deliveries were told", deliveries->count, count);
        }
    }
    pthread_mutex_unlock(&deliveries->lock);
}

static enum err send_text(struct world *world, int32_t partition, const char *text, struct deliveries *deliveries) {
    struct err_info info;
    const struct log_header header = {"ce_id", str_of_cstr(text)};
    return log_producer_send(world->producer, "test.events", partition, STR("key"), str_of_cstr(text), &header, 1,
                             deliveries == NULL ? NULL : on_delivered, deliveries, &info);
}

/* Sends what the reader is to find. */
static void filled(struct world *world, int32_t partition, int count) {
    struct deliveries deliveries = DELIVERIES;
    for (int i = 0; i < count; i++) {
        char text[24];
        snprintf(text, sizeof text, "value-%d", i);
        assert_int_equal(send_text(world, partition, text, &deliveries), ERR_NONE);
    }
    wait_for(&deliveries, count);
    assert_int_equal(deliveries.last, ERR_NONE);
}

/* ---- sending -------------------------------------------------------------------------------------------------------
 */

static void each_record_is_told_of_once_from_the_producers_own_thread(void **state) {
    struct world *world = *state;
    struct deliveries deliveries = DELIVERIES;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(send_text(world, 0, "value", &deliveries), ERR_NONE);
    }
    wait_for(&deliveries, 50);
    assert_int_equal(deliveries.last, ERR_NONE);
    assert_false(pthread_equal(deliveries.thread, pthread_self()));
    log_producer_close(world->producer, WAIT_MS);
    world->producer = NULL;
    assert_int_equal(deliveries.count, 50);
}

static void closing_delivers_what_waits(void **state) {
    struct world *world = *state;
    struct deliveries deliveries = DELIVERIES;
    assert_int_equal(send_text(world, 0, "value", &deliveries), ERR_NONE);
    assert_int_equal(send_text(world, 0, "nobody asks for this one", NULL), ERR_NONE);
    log_producer_close(world->producer, WAIT_MS);
    world->producer = NULL;
    assert_int_equal(deliveries.count, 1);
    assert_int_equal(deliveries.last, ERR_NONE);
}

static void a_full_queue_sheds_load_and_closing_tells_of_every_record(void **state) {
    struct world *world = *state;
    struct deliveries deliveries = DELIVERIES;
    rd_kafka_mock_broker_set_down(world->cluster, ALL_BROKERS);
    int taken = 0;
    while (send_text(world, 0, "value", &deliveries) == ERR_NONE) {
        taken++;
        assert_in_range(taken, 0, 100);
    }
    struct err_info info;
    assert_int_equal(
        log_producer_send(world->producer, "test.events", 0, STR("key"), STR("value"), NULL, 0, NULL, NULL, &info),
        ERR_TOO_LARGE);
    assert_true(info.retriable);
    log_producer_close(world->producer, 0);
    world->producer = NULL;
    assert_int_equal(deliveries.count, taken);
    assert_int_not_equal(deliveries.last, ERR_NONE);
}

static void a_record_that_was_never_sent_times_out(void **state) {
    struct world *world = *state;
    struct deliveries deliveries = DELIVERIES;
    rd_kafka_mock_broker_set_down(world->cluster, ALL_BROKERS);
    assert_int_equal(send_text(world, 0, "value", &deliveries), ERR_NONE);
    wait_for(&deliveries, 1);
    assert_int_equal(deliveries.last, ERR_TIMEOUT);
    assert_true(deliveries.last_retriable);
}

static void a_record_that_was_sent_and_not_answered_is_in_doubt(void **state) {
    struct world *world = *state;
    filled(world, 0, 1); /* connected, so that the next request leaves */
    struct deliveries deliveries = DELIVERIES;
    rd_kafka_mock_broker_push_request_error_rtts(world->cluster, 1, 0 /* Produce */, 1, RD_KAFKA_RESP_ERR_NO_ERROR,
                                                 5 * DELIVERY_TIMEOUT_MS);
    assert_int_equal(send_text(world, 0, "value", &deliveries), ERR_NONE);
    wait_for(&deliveries, 1);
    assert_int_equal(deliveries.last, ERR_IN_DOUBT);
}

static void a_record_larger_than_a_batch_is_refused_for_good(void **state) {
    struct world *world = *state;
    static char large[LOG_BATCH_MAX_BYTES + 1];
    struct err_info info;
    assert_int_equal(log_producer_send(world->producer, "test.events", 0, STR("key"), str_of(large, sizeof large), NULL,
                                       0, NULL, NULL, &info),
                     ERR_TOO_LARGE);
    assert_false(info.retriable);
}

static void a_fatal_error_ends_a_client_and_not_the_producer(void **state) {
    struct world *world = *state;
    filled(world, 0, 3);
    struct deliveries deliveries = DELIVERIES;
    rd_kafka_mock_push_request_errors(world->cluster, 0 /* Produce */, 1,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(send_text(world, 0, "lost", &deliveries), ERR_NONE);
    wait_for(&deliveries, 1);
    assert_int_not_equal(deliveries.last, ERR_NONE);
    /* The client that failed refuses everything; soon another takes it. */
    int64_t deadline_us = clock_boot_us() + WAIT_MS * (int64_t)MICROS_PER_MS;
    enum err err = ERR_KAFKA;
    while (err != ERR_NONE && clock_boot_us() < deadline_us) {
        err = send_text(world, 0, "taken", &deliveries);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_int_equal(err, ERR_NONE);
    wait_for(&deliveries, 2);
    assert_int_equal(deliveries.last, ERR_NONE);
}

/* ---- reading -------------------------------------------------------------------------------------------------------
 */

static void assign(struct world *world, int32_t partition, int64_t offset) {
    const struct log_partition at = {"test.events", partition, offset};
    struct err_info info;
    assert_int_equal(log_reader_assign(world->reader, &at, 1, &info), ERR_NONE);
}

/* Polls until the end of a partition is told, counting records and checking their order. The end's offset. */
static int64_t read_to_end(struct world *world, int64_t from, int *ret_count) {
    int64_t next = from;
    *ret_count = 0;
    int64_t deadline_us = clock_boot_us() + WAIT_MS * (int64_t)MICROS_PER_MS;
    while (clock_boot_us() < deadline_us) {
        struct log_record records[7];
        size_t count;
        struct err_info info;
        assert_int_equal(log_reader_poll(world->reader, 100, records, ARRAY_LENGTH(records), &count, &info), ERR_NONE);
        for (size_t i = 0; i < count; i++) {
            if (records[i].end) {
                return records[i].offset;
            }
            assert_int_equal(records[i].offset, next);
            char text[24];
            snprintf(text, sizeof text, "value-%d", (int)next);
            assert_true(str_equal(records[i].value, str_of_cstr(text)));
            assert_true(str_equal(records[i].key, STR("key")));
            assert_true(str_equal(log_record_header(&records[i], "ce_id"), str_of_cstr(text)));
            assert_int_equal(log_record_header(&records[i], "ce_time").len, 0);
            next++;
            ++*ret_count;
        }
    }
    fail_msg("no end after offset %d", (int)next);
    return -1;
}

static void records_come_in_order_and_the_end_is_told(void **state) {
    struct world *world = *state;
    filled(world, 1, 40);
    assign(world, 1, 0);
    int count;
    assert_int_equal(read_to_end(world, 0, &count), 40);
    assert_int_equal(count, 40);
}

static void reading_begins_where_it_is_told_to(void **state) {
    struct world *world = *state;
    filled(world, 0, 40);
    int count;
    assign(world, 0, 33);
    assert_int_equal(read_to_end(world, 33, &count), 40);
    assert_int_equal(count, 7);
    assign(world, 0, 40);
    assert_int_equal(read_to_end(world, 40, &count), 40);
    assert_int_equal(count, 0);
    assign(world, 0, 5);
    assert_int_equal(read_to_end(world, 5, &count), 40);
    assert_int_equal(count, 35);
}

static void an_offset_that_does_not_exist_is_an_error_and_no_reset(void **state) {
    struct world *world = *state;
    filled(world, 0, 3);
    assign(world, 0, 1000);
    struct log_record record;
    struct err_info info;
    int64_t deadline_us = clock_boot_us() + WAIT_MS * (int64_t)MICROS_PER_MS;
    enum err err = ERR_NONE;
    while (err == ERR_NONE && clock_boot_us() < deadline_us) {
        size_t count;
        err = log_reader_poll(world->reader, 100, &record, 1, &count, &info);
        assert_true(err != ERR_NONE || count == 0);
    }
    assert_int_equal(err, ERR_CONFLICT);
    assert_false(info.retriable);
}

static void watermarks_are_the_first_and_the_next_offset(void **state) {
    struct world *world = *state;
    filled(world, 1, 3);
    int64_t low, high;
    struct err_info info;
    assert_int_equal(log_reader_watermarks(world->reader, "test.events", 1, WAIT_MS, &low, &high, &info), ERR_NONE);
    assert_int_equal(low, 0);
    assert_int_equal(high, 3);
}

static void a_leader_that_another_replaced_is_not_asked_for_ever(void **state) {
    struct world *world = *state;
    filled(world, 1, 3);
    for (int32_t leader = BROKERS; leader > 0; leader--) {
        assert_int_equal(rd_kafka_mock_partition_set_leader(world->cluster, "test.events", 1, leader),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
        int64_t low, high;
        struct err_info info;
        assert_int_equal(log_reader_watermarks(world->reader, "test.events", 1, WAIT_MS, &low, &high, &info), ERR_NONE);
        assert_int_equal(high, 3);
    }
}

static void *wake_later(void *reader) {
    const struct timespec while_it_waits = {.tv_nsec = 50 * 1000 * 1000};
    nanosleep(&while_it_waits, NULL);
    log_reader_wake(reader);
    return NULL;
}

static void a_waiting_poll_can_be_woken(void **state) {
    struct world *world = *state;
    filled(world, 0, 1);
    assign(world, 0, 1);
    int ignored;
    read_to_end(world, 1, &ignored);
    pthread_t waker;
    assert_int_equal(pthread_create(&waker, NULL, wake_later, world->reader), 0);
    struct log_record record;
    size_t count;
    struct err_info info;
    int64_t start_us = clock_boot_us();
    assert_int_equal(log_reader_poll(world->reader, WAIT_MS, &record, 1, &count, &info), ERR_NONE);
    assert_int_equal(count, 0);
    assert_in_range(clock_boot_us() - start_us, 0, WAIT_MS * (int64_t)MICROS_PER_MS / 2);
    pthread_join(waker, NULL);
}

static void brokers_that_are_down_are_told_of_and_reading_goes_on_when_they_are_back(void **state) {
    struct world *world = *state;
    filled(world, 0, 4);
    assign(world, 0, 0);
    int count;
    read_to_end(world, 0, &count);
    rd_kafka_mock_broker_set_down(world->cluster, ALL_BROKERS);
    struct log_record record;
    struct err_info info = {0};
    enum err err = ERR_NONE;
    int64_t deadline_us = clock_boot_us() + WAIT_MS * (int64_t)MICROS_PER_MS;
    while (err == ERR_NONE && clock_boot_us() < deadline_us) {
        size_t got;
        err = log_reader_poll(world->reader, 100, &record, 1, &got, &info);
    }
    assert_int_equal(err, ERR_KAFKA);
    assert_true(info.retriable);
    int64_t low, high;
    assert_int_not_equal(log_reader_watermarks(world->reader, "test.events", 0, 100, &low, &high, NULL), ERR_NONE);
    rd_kafka_mock_broker_set_up(world->cluster, ALL_BROKERS);
    assign(world, 0, 0);
    size_t got = 0;
    while (got == 0 && clock_boot_us() < deadline_us) {
        if (log_reader_poll(world->reader, 100, &record, 1, &got, &info) != ERR_NONE) {
            assert_true(info.retriable);
            got = 0;
        }
    }
    assert_int_equal(got, 1);
    assert_int_equal(record.offset, 0);
}

/* ---- records that wait for others -------------------------------------------------------------------------------- */

enum { FAST = 40, GATHER_MS = 300, NEVER_MS = 600000 };

static void gather_for(struct world *world, int gather_ms) {
    log_producer_close(world->producer, 0);
    struct log_producer_options options = producer_options(world);
    options.gather_ms = gather_ms;
    struct err_info info;
    assert_int_equal(log_producer_open(&options, &world->producer, &info), ERR_NONE);
}

static void where_many_come_they_wait_for_others_and_keep_their_order(void **state) {
    struct world *world = *state;
    gather_for(world, GATHER_MS);
    int64_t began_us = clock_boot_us();
    filled(world, 0, FAST);
    assert_true(clock_boot_us() - began_us >= GATHER_MS * MICROS_PER_MS);
    assign(world, 0, 0);
    int count;
    assert_int_equal(read_to_end(world, 0, &count), FAST);
    assert_int_equal(count, FAST);
}

static void who_comes_alone_waits_for_nobody(void **state) {
    struct world *world = *state;
    gather_for(world, NEVER_MS);
    filled(world, 0, 3);
}

static void closing_sends_what_was_gathered(void **state) {
    struct world *world = *state;
    gather_for(world, NEVER_MS);
    struct deliveries deliveries = DELIVERIES;
    for (int i = 0; i < FAST; i++) {
        assert_int_equal(send_text(world, 0, "value", &deliveries), ERR_NONE);
    }
    log_producer_close(world->producer, WAIT_MS);
    world->producer = NULL;
    assert_int_equal(deliveries.count, FAST);
    assert_int_equal(deliveries.last, ERR_NONE);
}

/* librdkafka's own queue has room for 100. */
static void past_the_bound_load_is_shed_and_each_gathered_one_is_told_of(void **state) {
    struct world *world = *state;
    gather_for(world, NEVER_MS);
    rd_kafka_mock_broker_set_down(world->cluster, ALL_BROKERS);
    struct deliveries deliveries = DELIVERIES;
    int taken = 0;
    while (send_text(world, 0, "value", &deliveries) == ERR_NONE) {
        taken++;
        assert_in_range(taken, 0, GATHERED_MAX + 100);
    }
    assert_in_range(taken, GATHERED_MAX, GATHERED_MAX + 100);
    log_producer_close(world->producer, 0);
    world->producer = NULL;
    assert_int_equal(deliveries.count, taken);
    assert_int_not_equal(deliveries.last, ERR_NONE);
}

int main(void) {
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_record_is_told_of_once_from_the_producers_own_thread),
        TEST(closing_delivers_what_waits),
        TEST(a_full_queue_sheds_load_and_closing_tells_of_every_record),
        TEST(where_many_come_they_wait_for_others_and_keep_their_order),
        TEST(who_comes_alone_waits_for_nobody),
        TEST(closing_sends_what_was_gathered),
        TEST(past_the_bound_load_is_shed_and_each_gathered_one_is_told_of),
        TEST(a_record_that_was_never_sent_times_out),
        TEST(a_record_that_was_sent_and_not_answered_is_in_doubt),
        TEST(a_record_larger_than_a_batch_is_refused_for_good),
        TEST(a_fatal_error_ends_a_client_and_not_the_producer),
        TEST(records_come_in_order_and_the_end_is_told),
        TEST(reading_begins_where_it_is_told_to),
        TEST(an_offset_that_does_not_exist_is_an_error_and_no_reset),
        TEST(watermarks_are_the_first_and_the_next_offset),
        TEST(a_leader_that_another_replaced_is_not_asked_for_ever),
        TEST(a_waiting_poll_can_be_woken),
        TEST(brokers_that_are_down_are_told_of_and_reading_goes_on_when_they_are_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
