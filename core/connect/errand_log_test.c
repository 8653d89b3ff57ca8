/* The log as errands read it, by a consumer that hands over what a test puts into its queue. */
#include "core/connect/errands_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/connect/test_orders.h"
#include "core/log/record.h"

enum { SHARDS = 2, QUEUE_MAX = 16 };

/* ---- librdkafka -------------------------------------------------------------------------------------------------- */

static struct {
    rd_kafka_message_t queue[QUEUE_MAX];
    size_t first, count;
    int64_t broker_us;
    const char *topic;

    bool seek_fails;
    int seeks;
    int64_t seek_offset;

    int commits;
    int64_t committed;

    int assigned; /* so many partitions; -1: none any more */
} kafka;

static char a_topic;

rd_kafka_message_t *rd_kafka_consumer_poll(rd_kafka_t *consumer, int timeout_ms) {
    (void)consumer;
    assert_int_equal(timeout_ms, 0);
    return kafka.first < kafka.count ? &kafka.queue[kafka.first++] : NULL;
}

void rd_kafka_message_destroy(rd_kafka_message_t *message) {
    free(message->payload);
    message->payload = NULL;
}

const char *rd_kafka_topic_name(const rd_kafka_topic_t *topic) {
    assert_ptr_equal(topic, &a_topic);
    return kafka.topic;
}

int64_t rd_kafka_message_timestamp(const rd_kafka_message_t *message, rd_kafka_timestamp_type_t *ret_type) {
    (void)message;
    *ret_type = RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME;
    return kafka.broker_us / MICROS_PER_MS;
}

rd_kafka_resp_err_t rd_kafka_message_headers(const rd_kafka_message_t *message, rd_kafka_headers_t **ret_headers) {
    (void)message, (void)ret_headers;
    return RD_KAFKA_RESP_ERR__NOENT;
}

rd_kafka_error_t *rd_kafka_seek_partitions(rd_kafka_t *consumer, rd_kafka_topic_partition_list_t *list,
                                           int timeout_ms) {
    (void)consumer;
    assert_int_equal(timeout_ms, 1000);
    assert_int_equal(list->cnt, 1);
    assert_string_equal(list->elems[0].topic, "daybook.customers");
    assert_int_equal(list->elems[0].partition, 1);
    kafka.seeks++;
    kafka.seek_offset = list->elems[0].offset;
    list->elems[0].err = kafka.seek_fails ? RD_KAFKA_RESP_ERR__TIMED_OUT : RD_KAFKA_RESP_ERR_NO_ERROR;
    return NULL;
}

rd_kafka_resp_err_t rd_kafka_commit(rd_kafka_t *consumer, const rd_kafka_topic_partition_list_t *list, int async) {
    (void)consumer, (void)async;
    assert_int_equal(list->cnt, 1);
    assert_int_equal(list->elems[0].partition, 1);
    kafka.commits++;
    kafka.committed = list->elems[0].offset;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t rd_kafka_assign(rd_kafka_t *consumer, const rd_kafka_topic_partition_list_t *list) {
    (void)consumer;
    kafka.assigned = list == NULL ? -1 : list->cnt;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ---- the test's side --------------------------------------------------------------------------------------------- */

static struct config config;
static struct errand_shard shards[2 * SHARDS]; /* of customers, and of orders */
static struct errands errands;
static struct errand_shard *const shard = &shards[1];

static void rebalance_of(const char *topic, rd_kafka_resp_err_t what) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 1);
    errands_on_rebalance(NULL, what, list, &errands);
    rd_kafka_topic_partition_list_destroy(list);
}

static void rebalance(rd_kafka_resp_err_t what) {
    rebalance_of("daybook.customers", what);
}

static int set_up(void **state) {
    (void)state;
    memset(&kafka, 0, sizeof kafka);
    memset(shards, 0, sizeof shards);
    kafka.topic = "daybook.customers";
    kafka.broker_us = clock_wall_us();
    config = (struct config){.shards = SHARDS, .topic_prefix = "daybook"};
    errands = (struct errands){.config = &config, .shards = shards};
    log_topics_name(&errands.topics, config.topic_prefix);
    arena_init(&errands.arena, 1 << 20);
    rebalance(RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    errands_drop_shards(&errands);
    arena_release(&errands.arena);
    return 0;
}

static rd_kafka_message_t *comes(rd_kafka_resp_err_t err, int64_t offset) {
    assert_true(kafka.count < QUEUE_MAX);
    rd_kafka_message_t *message = &kafka.queue[kafka.count++];
    *message = (rd_kafka_message_t){.err = err, .rkt = (rd_kafka_topic_t *)&a_topic, .partition = 1, .offset = offset};
    return message;
}

static void read_event(int64_t offset, struct event event) {
    struct buf value;
    buf_init(&value, RECORD_MAX_BYTES);
    event_record_write(&value, &event);
    assert_true(buf_ok(&value));
    rd_kafka_message_t *message = comes(RD_KAFKA_RESP_ERR_NO_ERROR, offset);
    message->payload = malloc(value.len);
    assert_non_null(message->payload);
    memcpy(message->payload, value.data, value.len);
    message->len = value.len;
    buf_release(&value);
    assert_false(errands_read(&errands));
}

static void read_end(int64_t offset) {
    comes(RD_KAFKA_RESP_ERR__PARTITION_EOF, offset);
    assert_false(errands_read(&errands));
}

static void read_mail(int64_t offset) {
    char id[16];
    snprintf(id, sizeof id, "evt_%d", (int)offset);
    read_event(offset, verification_requested(str_of_cstr(id), 1));
}

static uint32_t mails(void) {
    return open_errands_count(shard->open, ERRAND_MAIL);
}

static void a_shard_is_live_once_it_was_read_to_its_end(void **state) {
    (void)state;
    read_mail(4);
    assert_false(shard->is_live);
    errands_commit(&errands, false);
    assert_int_equal(kafka.commits, 0);
    read_end(5);
    assert_true(shard->is_live);
    assert_true(errands.has_work);
    assert_int_equal(mails(), 1);
    errands_commit(&errands, false);
    errands_commit(&errands, false);
    assert_int_equal(kafka.commits, 1);
    assert_int_equal(kafka.committed, 4);
}

static void what_is_another_s_is_passed_over(void **state) {
    (void)state;
    kafka.topic = "daybook.orders";
    read_mail(4);
    kafka.topic = "daybook.customers";
    assert_int_equal(mails(), 0);
    rebalance(RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS);
    assert_int_equal(kafka.assigned, -1);
    read_mail(5);
    assert_null(shard->open);
}

static void an_event_of_a_newer_release_stops_its_shard(void **state) {
    (void)state;
    read_end(4);
    rd_kafka_message_t *message = comes(RD_KAFKA_RESP_ERR_NO_ERROR, 4);
    static const char unknown[] = {0, 0x7f, 0x7f, 0x7f, 0x7f, 0};
    message->payload = malloc(sizeof unknown);
    memcpy(message->payload, unknown, sizeof unknown);
    message->len = sizeof unknown;
    assert_false(errands_read(&errands));
    assert_true(shard->is_stopped);
    read_mail(5);
    assert_int_equal(mails(), 0);
}

/* The host on which it was asked for may have a clock that is behind. */
static void an_errand_was_asked_for_at_the_later_of_two_times(void **state) {
    (void)state;
    struct event event = verification_requested(STR("evt_1"), 1);
    event.meta.occurred_at -= INT64_C(3600) * MICROS_PER_SECOND;
    read_event(4, event);
    assert_int_equal(open_errands_first(shard->open)->asked_at_us / MICROS_PER_MS, kafka.broker_us / MICROS_PER_MS);
    event = verification_requested(STR("evt_2"), 1);
    event.meta.occurred_at += INT64_C(3600) * MICROS_PER_SECOND;
    read_event(5, event);
    assert_int_equal(open_errands_first(shard->open)->next->asked_at_us, event.meta.occurred_at);
}

static void the_log_s_clock_is_proven_by_what_comes_behind_the_end(void **state) {
    (void)state;
    read_mail(4);
    assert_true(errands.clock.is_set);
    assert_false(errands.clock.is_proven);
    read_end(5);
    read_mail(5);
    assert_true(errands.clock.is_proven);
}

/* ---- orders ------------------------------------------------------------------------------------------------------ */

static struct errand_shard *const of_orders = &shards[SHARDS + 1];
static char a_server;

/* A server takes mails, so orders are read. */
static void mails_are_sent(void) {
    errands.calls = (struct smtp_calls *)&a_server;
    rebalance_of("daybook.orders", RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS);
    kafka.topic = "daybook.orders";
}

static struct event at(struct event event, int64_t us) {
    event.meta.occurred_at = us;
    return event;
}

static void orders_are_read_only_where_mails_are_sent(void **state) {
    (void)state;
    assert_int_equal(errands_shard_count(&errands), SHARDS);
    mails_are_sent();
    assert_int_equal(errands_shard_count(&errands), 2 * SHARDS);
    read_event(4, placed(STR("evt_1")));
    read_event(5, of_order(EVENT_ORDER_CONFIRMED, STR("evt_2")));
    assert_int_equal(open_errands_count(of_orders->open, ERRAND_MAIL), 1);
    assert_int_equal(mails(), 0);
}

/* A shop begins to send mails: nobody is told now of what he ordered last year, nor is the log. */
static void confirmations_that_were_over_before_a_record_end_without_a_word(void **state) {
    (void)state;
    const int64_t day_us = INT64_C(24 * 3600) * MICROS_PER_SECOND, now_us = kafka.broker_us;
    mails_are_sent();
    kafka.broker_us = now_us - 2 * day_us;
    read_event(4, at(placed(STR("evt_1")), kafka.broker_us));
    read_event(5, at(of_order(EVENT_ORDER_CONFIRMED, STR("evt_2")), kafka.broker_us));
    struct event other = at(confirmation_requested(STR("evt_3")), now_us - day_us + MICROS_PER_SECOND);
    other.meta.stream = ANOTHER_ORDER;
    kafka.broker_us = other.meta.occurred_at - MICROS_PER_SECOND;
    read_event(6, other);
    assert_int_equal(errands.counts.mails_late, 0);
    assert_int_equal(open_errands_count(of_orders->open, ERRAND_MAIL), 2);
    kafka.broker_us = now_us - day_us + 2 * MICROS_PER_SECOND;
    read_event(7, at(of_order(EVENT_ORDER_PAYMENT_RETURNED, STR("evt_4")), kafka.broker_us));
    assert_int_equal(errands.counts.mails_late, 1);
    assert_true(str_equal(open_errands_first(of_orders->open)->stream, ANOTHER_ORDER));
}

/* ---- what cannot be read ----------------------------------------------------------------------------------------- */

static void fails(rd_kafka_resp_err_t err, bool has_place) {
    rd_kafka_message_t *message = comes(err, -1);
    message->rkt = has_place ? message->rkt : NULL;
    message->partition = has_place ? 1 : RD_KAFKA_PARTITION_UA;
    assert_false(errands_read(&errands));
}

static void a_log_that_cannot_be_read_is_told(void **state) {
    (void)state;
    fails(RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, false);
    assert_true(errands.next_warning_us[ERRANDS_CANNOT_READ] > 0);
    errands_count(&errands);
    assert_int_equal(errands.counts.shards_not_live, 1);
}

static void a_shard_whose_right_is_taken_is_not_live_until_it_is_read_to_its_end_again(void **state) {
    (void)state;
    read_mail(4);
    read_end(5);
    fails(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, true);
    assert_true(errands.next_warning_us[ERRANDS_CANNOT_READ] > 0);
    assert_false(shard->is_live);
    errands_read_again(&errands);
    assert_int_equal(kafka.seeks, 0); /* not at once */
    shard->reread_at_us = 0;
    errands_read_again(&errands);
    assert_int_equal(kafka.seeks, 1);
    assert_int_equal(kafka.seek_offset, 5);
    assert_false(shard->is_live);
    errands_read_again(&errands);
    assert_int_equal(kafka.seeks, 1);
    read_end(5);
    assert_true(shard->is_live);
    assert_int_equal(mails(), 1);
}

static void a_broker_that_is_away_makes_no_shard_deaf(void **state) {
    (void)state;
    read_end(4);
    fails(RD_KAFKA_RESP_ERR__TRANSPORT, true);
    assert_true(errands.next_warning_us[ERRANDS_CANNOT_REACH] > 0);
    assert_int_equal(errands.next_warning_us[ERRANDS_CANNOT_READ], 0);
    assert_true(shard->is_live);
}

/* ---- reading again ----------------------------------------------------------------------------------------------- */

/* One mail more than there is room for, and then room for half of them. */
static void pass_one_over(void) {
    open_errands_free(shard->open, NULL);
    shard->open = open_errands_create((struct errand_bounds){2, 2, 2});
    read_mail(1);
    read_mail(2);
    read_mail(3);
    read_end(4);
    assert_true(open_errands_are_more(shard->open));
    read_event(4, mailed(STR("evt_4"), STR("evt_1")));
    assert_int_equal(mails(), 1);
}

static void errands_that_found_no_room_are_read_again(void **state) {
    (void)state;
    pass_one_over();
    errands_read_again(&errands);
    assert_int_equal(kafka.seeks, 1);
    assert_int_equal(kafka.seek_offset, 3);
    assert_false(shard->is_live);
    read_mail(3);
    read_event(4, mailed(STR("evt_4"), STR("evt_1")));
    read_end(5);
    assert_true(shard->is_live);
    assert_int_equal(mails(), 2);
    errands_read_again(&errands);
    assert_int_equal(kafka.seeks, 1);
}

/* It may take place later, in the midst of what comes, or never. */
static void after_a_seek_whose_time_ran_out_nothing_counts_until_one_is_known_to_have_taken_place(void **state) {
    (void)state;
    pass_one_over();
    kafka.seek_fails = true;
    errands_read_again(&errands);
    assert_int_equal(kafka.seeks, 1);
    assert_false(shard->is_live);
    errands_commit(&errands, false); /* its offset would lie behind what was passed over */
    assert_int_equal(kafka.commits, 0);
    read_mail(5); /* it has not taken place */
    read_end(6);
    assert_false(shard->is_live);
    assert_int_equal(mails(), 1);
    read_mail(3); /* it takes place now */
    assert_int_equal(mails(), 1);
    kafka.seek_fails = false;
    errands_read_again(&errands);
    assert_int_equal(kafka.seeks, 1); /* not at once */
    shard->reread_at_us = 0;
    errands_read_again(&errands);
    assert_int_equal(kafka.seeks, 2);
    assert_int_equal(kafka.seek_offset, 3);
    read_mail(3);
    read_event(4, mailed(STR("evt_4"), STR("evt_1")));
    assert_false(shard->is_live);
    read_event(5, mailed(STR("evt_5"), STR("evt_2")));
    read_end(6);
    assert_true(shard->is_live);
    assert_int_equal(mails(), 1);
    errands_commit(&errands, false);
    assert_int_equal(kafka.committed, 3);
}

static void whoever_has_a_shard_next_begins_before_what_was_passed_over(void **state) {
    (void)state;
    pass_one_over();
    kafka.seek_fails = true;
    errands_read_again(&errands);
    rebalance(RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS);
    assert_int_equal(kafka.commits, 0);
    rebalance(RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS);
    assert_false(shard->is_read_again);
    read_end(6);
    assert_true(shard->is_live);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_shard_is_live_once_it_was_read_to_its_end),
        TEST(what_is_another_s_is_passed_over),
        TEST(an_event_of_a_newer_release_stops_its_shard),
        TEST(an_errand_was_asked_for_at_the_later_of_two_times),
        TEST(the_log_s_clock_is_proven_by_what_comes_behind_the_end),
        TEST(orders_are_read_only_where_mails_are_sent),
        TEST(confirmations_that_were_over_before_a_record_end_without_a_word),
        TEST(a_log_that_cannot_be_read_is_told),
        TEST(a_shard_whose_right_is_taken_is_not_live_until_it_is_read_to_its_end_again),
        TEST(a_broker_that_is_away_makes_no_shard_deaf),
        TEST(errands_that_found_no_room_are_read_again),
        TEST(after_a_seek_whose_time_ran_out_nothing_counts_until_one_is_known_to_have_taken_place),
        TEST(whoever_has_a_shard_next_begins_before_what_was_passed_over),
    };
    return cmocka_run_group_tests_name("errand log", tests, NULL, NULL);
}
