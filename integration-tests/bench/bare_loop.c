/* bare_loop.c: the limit that Kafka sets: consume, transform, produce in transactions, and nothing else.
 *
 * Fills a topic with records of 300 bytes, then reads them in a group and writes one record for each into another
 * topic, with at most IN_FLIGHT records a transaction, by the same transactional writer that the handler uses. Prints
 * records a second.
 *
 *   bare_loop BROKERS PREFIX RECORDS IN_FLIGHT
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "core/log/producer.h"
#include "core/log/topics.h"
#include "core/log/txn.h"

enum { SHARDS = 4, RECORD_BYTES = 300, POLL_MS = 100, FILL_WAIT_MS = 60000 };

static void die(const char *what, const struct err_info *info) {
    fprintf(stderr, "bare_loop: %s: %s\n", what, info != NULL ? info->text : "");
    exit(EXIT_FAILURE);
}

static void fill(const char *brokers, const char *topic, int64_t records) {
    char value[RECORD_BYTES];
    for (int i = 0; i < RECORD_BYTES; i++) {
        value[i] = (char)('a' + i * 7 % 26);
    }
    struct log_producer *producer;
    struct err_info info;
    const struct log_producer_options options = {
        .brokers = brokers, .client_id = "bare-loop", .linger_ms = 5, .delivery_timeout_ms = FILL_WAIT_MS};
    if (log_producer_open(&options, &producer, &info) != ERR_NONE) {
        die("opening a producer", &info);
    }
    for (int64_t i = 0; i < records; i++) {
        enum err err;
        do { /* the producer's queue is bounded: send on as it empties */
            err = log_producer_send(producer, topic, (int32_t)(i % SHARDS), STR("key"), str_of(value, sizeof value),
                                    NULL, 0, NULL, NULL, &info);
        } while (err != ERR_NONE && info.retriable);
        if (err != ERR_NONE) {
            die("filling the topic", &info);
        }
    }
    log_producer_close(producer, FILL_WAIT_MS);
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

/* One transaction of what has arrived; how many records it carried. */
static size_t turn(rd_kafka_t *consumer, rd_kafka_queue_t *queue, struct log_txn *txn, const struct log_topics *topics,
                   rd_kafka_message_t **messages, size_t in_flight) {
    struct err_info info;
    ssize_t count = rd_kafka_consume_batch_queue(queue, POLL_MS, messages, in_flight);
    if (count <= 0) {
        return 0;
    }
    if (log_txn_begin(txn, &info) != ERR_NONE) {
        die("begin", &info);
    }
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(SHARDS);
    size_t carried = 0;
    for (ssize_t i = 0; i < count; i++) {
        const rd_kafka_message_t *message = messages[i];
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (log_txn_produce(txn, topics->names[TOPIC_ORDERS], message->partition, STR("key"),
                                str_of(message->payload, message->len), NULL, 0, &info) != ERR_NONE) {
                die("produce", &info);
            }
            rd_kafka_topic_partition_t *place =
                rd_kafka_topic_partition_list_find(offsets, topics->names[TOPIC_COMMANDS], message->partition);
            if (place == NULL) {
                place = rd_kafka_topic_partition_list_add(offsets, topics->names[TOPIC_COMMANDS], message->partition);
            }
            place->offset = message->offset + 1;
            carried++;
        }
        rd_kafka_message_destroy(messages[i]);
    }
    rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(consumer);
    enum err err = carried > 0 ? log_txn_commit(txn, offsets, group, &info) : log_txn_abort(txn, &info);
    if (err != ERR_NONE) {
        die("commit", &info);
    }
    rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_topic_partition_list_destroy(offsets);
    return carried;
}

int main(int argc, char **argv) {
    int64_t records, in_flight;
    if (argc != 5 || !int64_read(str_of_cstr(argv[3]), &records) || !int64_read(str_of_cstr(argv[4]), &in_flight) ||
        records < 1 || in_flight < 1) {
        fputs("usage: bare_loop BROKERS PREFIX RECORDS IN_FLIGHT\n", stderr);
        return 2;
    }
    const char *brokers = argv[1];
    struct log_topics topics;
    struct err_info info;
    log_topics_name(&topics, argv[2]);
    if (log_topics_create(brokers, &topics, SHARDS, 1, &info) != ERR_NONE) {
        die("creating topics", &info);
    }
    fill(brokers, topics.names[TOPIC_COMMANDS], records);
    struct log_txn *txn;
    const struct log_txn_options options = {
        .brokers = brokers, .transactional_id = argv[2], .warm_up_topic = topics.names[TOPIC_REPLIES]};
    if (log_txn_open(&options, &txn, &info) != ERR_NONE) {
        die("opening the transactional writer", &info);
    }
    rd_kafka_t *consumer = join(brokers, argv[2], topics.names[TOPIC_COMMANDS]);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
    rd_kafka_message_t **messages = calloc((size_t)in_flight, sizeof *messages);
    if (messages == NULL) {
        die("out of memory", NULL);
    }
    int64_t done = (int64_t)turn(consumer, queue, txn, &topics, messages, (size_t)in_flight);
    while (done == 0) { /* until the group has settled */
        done = (int64_t)turn(consumer, queue, txn, &topics, messages, (size_t)in_flight);
    }
    int64_t began_us = clock_boot_us(), began_at = done;
    while (done < records) {
        done += (int64_t)turn(consumer, queue, txn, &topics, messages, (size_t)in_flight);
    }
    double seconds = (double)(clock_boot_us() - began_us) / MICROS_PER_SECOND;
    printf("%.0f\n", (double)(done - began_at) / seconds);
    free(messages);
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    log_txn_close(txn);
    return 0;
}
