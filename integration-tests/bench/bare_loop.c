/* bare_loop.c: the limit that Kafka sets: consume, transform, produce in transactions, and nothing else.
 *
 * Reads records of 300 bytes in a group and writes one for each into another topic, by the same transactional writer
 * that the handler uses, with its two producers in turn; but one transaction ends before the next is begun.
 *
 *   bare_loop BROKERS PREFIX SHARDS backlog RECORDS IN_FLIGHT
 *       a filled topic, with at most IN_FLIGHT records a transaction: prints records a second
 *   bare_loop BROKERS PREFIX SHARDS alone RECORDS
 *       one record after the other, each sent when the one before is committed: prints the median in milliseconds from
 *       sending it to the answered commit
 */
#include <librdkafka/rdkafka.h>
#include <string.h>

#include "core/base/timestamp.h"
#include "core/log/topics.h"
#include "core/log/txn.h"
#include "integration-tests/bench/bench.h"

enum { RECORD_BYTES = 300, POLL_MS = 100, FILL_WAIT_MS = 60000, FILL_LINGER_MS = 5, SHARDS_MAX = 64 };

static struct log_producer *open_producer(const char *brokers, int linger_ms) {
    struct log_producer *producer;
    struct err_info info;
    const struct log_producer_options options = {
        .brokers = brokers, .client_id = "bare-loop", .linger_ms = linger_ms, .delivery_timeout_ms = FILL_WAIT_MS};
    if (log_producer_open(&options, &producer, &info) != ERR_NONE) {
        die("opening a producer", &info);
    }
    return producer;
}

static void send_record(struct log_producer *producer, const char *topic, int32_t partition) {
    char value[RECORD_BYTES];
    for (int i = 0; i < RECORD_BYTES; i++) {
        value[i] = (char)('a' + i * 7 % 26);
    }
    send_one(producer, topic, partition, STR("key"), str_of(value, sizeof value));
}

static rd_kafka_t *join(const char *brokers, const char *group, const char *topic) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *settings[][2] = {{"bootstrap.servers", brokers},
                                 {"group.id", group},
                                 {"enable.auto.commit", "false"},
                                 {"auto.offset.reset", "earliest"},
                                 {"isolation.level", "read_committed"}};
    for (size_t i = 0; i < ARRAY_LENGTH(settings); i++) {
        rd_kafka_conf_set(conf, settings[i][0], settings[i][1], NULL, 0);
    }
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return consumer;
}

struct loop {
    const char *brokers;
    struct log_topics topics;
    int32_t shards;
    struct log_txn *txn;
    rd_kafka_t *consumer;
    rd_kafka_queue_t *queue;
    rd_kafka_message_t **messages; /* in_flight places */
    size_t in_flight;
};

/* One transaction of what has arrived; how many records it carried. */
static int64_t turn(struct loop *loop) {
    const char *from = loop->topics.names[TOPIC_COMMANDS], *to = loop->topics.names[TOPIC_ORDERS];
    struct err_info info;
    /* The first is waited for; asking for all with a time-out would wait until they are so many. */
    loop->messages[0] = rd_kafka_consumer_poll(loop->consumer, POLL_MS);
    if (loop->messages[0] == NULL) {
        return 0;
    }
    ssize_t more = loop->in_flight == 1
                       ? 0
                       : rd_kafka_consume_batch_queue(loop->queue, 0, loop->messages + 1, loop->in_flight - 1);
    ssize_t count = 1 + (more > 0 ? more : 0);
    if (log_txn_begin(loop->txn, &info) != ERR_NONE) {
        die("begin", &info);
    }
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(loop->shards);
    int64_t carried = 0;
    for (ssize_t i = 0; i < count; i++) {
        const rd_kafka_message_t *message = loop->messages[i];
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (log_txn_produce(loop->txn, to, message->partition, STR("key"), str_of(message->payload, message->len),
                                NULL, 0, &info) != ERR_NONE) {
                die("produce", &info);
            }
            rd_kafka_topic_partition_t *place = rd_kafka_topic_partition_list_find(offsets, from, message->partition);
            if (place == NULL) {
                place = rd_kafka_topic_partition_list_add(offsets, from, message->partition);
            }
            place->offset = message->offset + 1;
            carried++;
        }
        rd_kafka_message_destroy(loop->messages[i]);
    }
    rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(loop->consumer);
    enum err err = carried > 0 ? log_txn_commit(loop->txn, offsets, group, &info) : log_txn_abort(loop->txn, &info);
    if (err != ERR_NONE) {
        die("commit", &info);
    }
    rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_topic_partition_list_destroy(offsets);
    return carried;
}

static int64_t turn_with_some(struct loop *loop) {
    int64_t carried;
    do {
        carried = turn(loop);
    } while (carried == 0);
    return carried;
}

static void open_loop(struct loop *loop, const char *name) {
    struct err_info info;
    const struct log_txn_options options = {
        .brokers = loop->brokers, .transactional_id = name, .warm_up_topic = loop->topics.names[TOPIC_REPLIES]};
    if (log_txn_open(&options, &loop->txn, &info) != ERR_NONE) {
        die("opening the transactional writer", &info);
    }
    loop->consumer = join(loop->brokers, name, loop->topics.names[TOPIC_COMMANDS]);
    loop->queue = rd_kafka_queue_get_consumer(loop->consumer);
    loop->messages = calloc(loop->in_flight, sizeof(rd_kafka_message_t *));
    if (loop->messages == NULL) {
        die("out of memory", NULL);
    }
}

static void close_loop(struct loop *loop) {
    free(loop->messages);
    rd_kafka_queue_destroy(loop->queue);
    rd_kafka_consumer_close(loop->consumer);
    rd_kafka_destroy(loop->consumer);
    log_txn_close(loop->txn);
}

static void run_backlog(struct loop *loop, const char *name, int64_t records) {
    struct log_producer *producer = open_producer(loop->brokers, FILL_LINGER_MS);
    for (int64_t i = 0; i < records; i++) {
        send_record(producer, loop->topics.names[TOPIC_COMMANDS], (int32_t)(i % loop->shards));
    }
    log_producer_close(producer, FILL_WAIT_MS);
    open_loop(loop, name);
    int64_t done = turn_with_some(loop); /* the group has settled */
    int64_t began_us = clock_boot_us(), began_at = done;
    while (done < records) {
        done += turn(loop);
    }
    double seconds = (double)(clock_boot_us() - began_us) / MICROS_PER_SECOND;
    printf("%.0f\n", (double)(done - began_at) / seconds);
}

static int compare_times(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void run_alone(struct loop *loop, const char *name, int64_t records) {
    struct log_producer *producer = open_producer(loop->brokers, 0);
    int64_t *times = calloc((size_t)records, sizeof *times);
    if (times == NULL) {
        die("out of memory", NULL);
    }
    open_loop(loop, name);
    send_record(producer, loop->topics.names[TOPIC_COMMANDS], 0);
    turn_with_some(loop); /* the group has settled, all topics are known */
    for (int64_t i = 0; i < records; i++) {
        int64_t began_us = clock_boot_us();
        send_record(producer, loop->topics.names[TOPIC_COMMANDS], 0);
        turn_with_some(loop);
        times[i] = clock_boot_us() - began_us;
    }
    qsort(times, (size_t)records, sizeof *times, compare_times);
    printf("%.3f\n", (double)times[records / 2] / MICROS_PER_MS);
    free(times);
    log_producer_close(producer, FILL_WAIT_MS);
}

int main(int argc, char **argv) {
    int64_t shards, records, in_flight = 1;
    bool is_backlog = argc == 7 && strcmp(argv[4], "backlog") == 0;
    bool is_alone = argc == 6 && strcmp(argv[4], "alone") == 0;
    if (!(is_backlog || is_alone) || !number_read(argv[3], SHARDS_MAX, &shards) ||
        !number_read(argv[5], INT32_MAX, &records) || (is_backlog && !number_read(argv[6], INT32_MAX, &in_flight))) {
        fputs("usage: bare_loop BROKERS PREFIX SHARDS backlog RECORDS IN_FLIGHT\n"
              "       bare_loop BROKERS PREFIX SHARDS alone RECORDS\n",
              stderr);
        return 2;
    }
    struct loop loop = {.brokers = argv[1], .shards = (int32_t)shards, .in_flight = (size_t)in_flight};
    struct err_info info;
    log_topics_name(&loop.topics, argv[2]);
    if (log_topics_create(loop.brokers, &loop.topics, loop.shards, 1, &info) != ERR_NONE) {
        die("creating topics", &info);
    }
    if (is_backlog) {
        run_backlog(&loop, argv[2], records);
    } else {
        run_alone(&loop, argv[2], records);
    }
    close_loop(&loop);
    return 0;
}
