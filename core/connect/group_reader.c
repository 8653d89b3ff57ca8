#include "core/connect/group_reader.h"

#include <stdio.h>

#include "core/log/client.h"

enum { SESSION_TIMEOUT_MS = 10000 };

enum err group_reader_open(const struct group_reader_options *options, rd_kafka_t **ret_consumer,
                           struct err_info *info) {
    char group[300];
    snprintf(group, sizeof group, "%s-%s", options->topic_prefix, options->suffix);
    const struct client_setting settings[] = {
        CLIENT_TEXT("isolation.level", "read_committed"),
        CLIENT_TEXT("enable.auto.commit", "false"),
        CLIENT_TEXT("enable.partition.eof", "true"),
        CLIENT_TEXT("auto.offset.reset", "earliest"),
        /* Also how long librdkafka waits for the answer to a join, should that get lost. Both poll at each tick. */
        CLIENT_NUMBER("max.poll.interval.ms", 60000),
        CLIENT_NUMBER("session.timeout.ms", SESSION_TIMEOUT_MS),
        CLIENT_TEXT("partition.assignment.strategy", "range"),
        CLIENT_NUMBER("queued.max.messages.kbytes", 16384),
        CLIENT_NUMBER("fetch.wait.max.ms", 50),
    };
    rd_kafka_conf_t *conf = client_conf(options->brokers, options->client_name, settings, ARRAY_LENGTH(settings));
    enum err err = client_conf_set(conf, "group.id", group, info);
    if (err != ERR_NONE) {
        rd_kafka_conf_destroy(conf);
        return err;
    }
    rd_kafka_conf_set_opaque(conf, options->context);
    rd_kafka_conf_set_rebalance_cb(conf, options->on_rebalance);
    err = client_new(RD_KAFKA_CONSUMER, conf, ret_consumer, info);
    if (err == ERR_NONE) {
        rd_kafka_poll_set_consumer(*ret_consumer);
    }
    return err;
}
