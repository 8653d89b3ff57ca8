#include "core/log/topics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <librdkafka/rdkafka.h>

#include "core/base/timestamp.h"
#include "core/log/client.h"

enum {
    ADMIN_TIMEOUT_MS = 15000,
    METADATA_PAUSE_MS = 50,
    MISSING_WAIT_MS = 2000, /* a broker of several may learn of a new topic later than the others */
    SETTINGS_MAX = 8,
};

static const int64_t retentions_ms[] = {
#define TOPIC_ROW(id, suffix, retention) [TOPIC_##id] = (retention),
    LOG_TOPIC_TABLE(TOPIC_ROW)
#undef TOPIC_ROW
};

/* One setting of a topic, as it is created and checked. */
struct topic_setting {
    const char *name;
    char value[24];
};

static void setting_text(struct topic_setting *settings, size_t *count, const char *name, const char *value) {
    assert(*count < SETTINGS_MAX);
    settings[*count].name = name;
    snprintf(settings[*count].value, sizeof settings[*count].value, "%s", value);
    (*count)++;
}

static void setting_number(struct topic_setting *settings, size_t *count, const char *name, int64_t value) {
    assert(*count < SETTINGS_MAX);
    settings[*count].name = name;
    snprintf(settings[*count].value, sizeof settings[*count].value, "%" PRId64, value);
    (*count)++;
}

/* What a topic must be set to. The log is never compacted: every record of a stream is part of its chain. */
static size_t settings_of(enum log_topic topic, int replication_factor,
                          struct topic_setting ret_settings[SETTINGS_MAX]) {
    int64_t retention_ms = retentions_ms[topic];
    size_t count = 0;
    setting_text(ret_settings, &count, "cleanup.policy", "delete");
    setting_text(ret_settings, &count, "message.timestamp.type", "LogAppendTime");
    setting_text(ret_settings, &count, "retention.bytes", "-1");
    setting_number(ret_settings, &count, "retention.ms", retention_ms);
    setting_number(ret_settings, &count, "max.message.bytes", LOG_BATCH_MAX_BYTES);
    /* acks=all then waits for two copies at least; one of three brokers may be away. */
    setting_number(ret_settings, &count, "min.insync.replicas", replication_factor > 2 ? 2 : 1);
    if (retention_ms > 0) {
        /* Whole segments are deleted: with a quarter of the retention each, at most a quarter too much is kept. */
        setting_number(ret_settings, &count, "segment.ms", retention_ms / 4);
    }
    return count;
}

/* ---- asking the brokers --------------------------------------------------------------------------------------------
 */

static enum err admin_new(const char *brokers, rd_kafka_t **ret_client, struct err_info *info) {
    rd_kafka_conf_t *conf = client_conf(brokers, "daybook-topics", NULL, 0);
    return client_new(RD_KAFKA_PRODUCER, conf, ret_client, info);
}

/* The answer to an admin request, or an error. The caller destroys *ret_event. */
static enum err admin_answer(rd_kafka_queue_t *queue, const char *what, rd_kafka_event_t **ret_event,
                             struct err_info *info) {
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ADMIN_TIMEOUT_MS + 1000);
    if (event == NULL) {
        return err_set_retriable(info, ERR_TIMEOUT, "%s: no answer", what);
    }
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_resp_err_t error = rd_kafka_event_error(event);
        enum err err =
            client_error_said(info, error, client_error_is_passing(error), what, rd_kafka_event_error_string(event));
        rd_kafka_event_destroy(event);
        return err;
    }
    *ret_event = event;
    return ERR_NONE;
}

static rd_kafka_AdminOptions_t *admin_options(rd_kafka_t *client, rd_kafka_admin_op_t operation) {
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client, operation);
    rd_kafka_AdminOptions_set_request_timeout(options, ADMIN_TIMEOUT_MS, NULL, 0);
    return options;
}

static const rd_kafka_metadata_topic_t *find_topic(const rd_kafka_metadata_t *metadata, const char *name) {
    for (int i = 0; i < metadata->topic_cnt; i++) {
        if (strcmp(metadata->topics[i].topic, name) == 0) {
            return &metadata->topics[i];
        }
    }
    return NULL;
}

/* ---- creating -------------------------------------------------------------------------------------------------------
 */

static enum err new_topic(const char *name, enum log_topic topic, int32_t shards, int replication_factor,
                          rd_kafka_NewTopic_t **ret_topic, struct err_info *info) {
    char why[160];
    rd_kafka_NewTopic_t *new_topic = rd_kafka_NewTopic_new(name, shards, replication_factor, why, sizeof why);
    if (new_topic == NULL) {
        return err_set(info, ERR_CONFIG, "topic %s: %s", name, why);
    }
    struct topic_setting settings[SETTINGS_MAX];
    size_t count = settings_of(topic, replication_factor, settings);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_NewTopic_set_config(new_topic, settings[i].name, settings[i].value);
    }
    *ret_topic = new_topic;
    return ERR_NONE;
}

static enum err created(const rd_kafka_event_t *event, struct err_info *info) {
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result((rd_kafka_event_t *)event);
    size_t count;
    const rd_kafka_topic_result_t **topics = rd_kafka_CreateTopics_result_topics(result, &count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t error = rd_kafka_topic_result_error(topics[i]);
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
            const char *words = rd_kafka_topic_result_error_string(topics[i]);
            const char *name = rd_kafka_topic_result_name(topics[i]);
            return client_error_is_passing(error) ? err_set_retriable(info, ERR_KAFKA, "topic %s: %s", name, words)
                                                  : err_set(info, ERR_KAFKA, "topic %s: %s", name, words);
        }
    }
    return ERR_NONE;
}

static bool are_there(const rd_kafka_metadata_t *metadata, const struct log_topics *topics) {
    for (int i = 0; i < TOPIC_COUNT; i++) {
        if (find_topic(metadata, topics->names[i]) == NULL) {
            return false;
        }
    }
    return true;
}

/* Whether each topic is there, and each of its partitions has a leader. */
static bool are_led(const rd_kafka_metadata_t *metadata, const struct log_topics *topics) {
    for (int i = 0; i < TOPIC_COUNT; i++) {
        const rd_kafka_metadata_topic_t *topic = find_topic(metadata, topics->names[i]);
        if (topic == NULL || topic->partition_cnt == 0) {
            return false;
        }
        for (int k = 0; k < topic->partition_cnt; k++) {
            if (topic->partitions[k].leader < 0) {
                return false;
            }
        }
    }
    return true;
}

/* The topics as a broker knows them, once `suffice` likes them or the time is over, liked or not. The caller destroys
 * *ret_metadata. */
static enum err metadata_await(rd_kafka_t *client, const struct log_topics *topics, int wait_ms,
                               bool (*suffice)(const rd_kafka_metadata_t *, const struct log_topics *),
                               const rd_kafka_metadata_t **ret_metadata, bool *ret_suffices, struct err_info *info) {
    int64_t deadline_us = clock_boot_us() + wait_ms * (int64_t)MICROS_PER_MS;
    for (;;) {
        rd_kafka_resp_err_t error = rd_kafka_metadata(client, 1, NULL, ret_metadata, ADMIN_TIMEOUT_MS);
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return client_error(info, error, "asking for the topics");
        }
        *ret_suffices = suffice(*ret_metadata, topics);
        if (*ret_suffices || clock_boot_us() >= deadline_us) {
            return ERR_NONE;
        }
        rd_kafka_metadata_destroy(*ret_metadata);
        rd_kafka_poll(client, METADATA_PAUSE_MS);
    }
}

/* What the controller has made the brokers learn a little later. */
static enum err wait_until_known(rd_kafka_t *client, const struct log_topics *topics, struct err_info *info) {
    const rd_kafka_metadata_t *metadata;
    bool known;
    enum err err = metadata_await(client, topics, ADMIN_TIMEOUT_MS, are_led, &metadata, &known, info);
    if (err == ERR_NONE) {
        rd_kafka_metadata_destroy(metadata);
        err = known ? ERR_NONE : err_set_retriable(info, ERR_TIMEOUT, "the brokers do not know the new topics yet");
    }
    return err;
}

enum err log_topics_create(const char *brokers, const struct log_topics *topics, int32_t shards, int replication_factor,
                           struct err_info *info) {
    rd_kafka_NewTopic_t *new_topics[TOPIC_COUNT];
    size_t count = 0;
    enum err err = ERR_NONE;
    for (int i = 0; i < TOPIC_COUNT && err == ERR_NONE; i++) {
        err = new_topic(topics->names[i], (enum log_topic)i, shards, replication_factor, &new_topics[count], info);
        count += err == ERR_NONE;
    }
    rd_kafka_t *client = NULL;
    if (err == ERR_NONE) {
        err = admin_new(brokers, &client, info);
    }
    if (err == ERR_NONE) {
        rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
        rd_kafka_AdminOptions_t *options = admin_options(client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
        rd_kafka_AdminOptions_set_operation_timeout(options, ADMIN_TIMEOUT_MS, NULL, 0);
        rd_kafka_CreateTopics(client, new_topics, count, options, queue);
        rd_kafka_AdminOptions_destroy(options);
        rd_kafka_event_t *event;
        err = admin_answer(queue, "creating topics", &event, info);
        if (err == ERR_NONE) {
            err = created(event, info);
            rd_kafka_event_destroy(event);
        }
        if (err == ERR_NONE) {
            err = wait_until_known(client, topics, info);
        }
        rd_kafka_queue_destroy(queue);
        rd_kafka_destroy(client);
    }
    rd_kafka_NewTopic_destroy_array(new_topics, count);
    return err;
}

/* ---- checking -------------------------------------------------------------------------------------------------------
 */

static enum err shards_compared(const rd_kafka_metadata_t *metadata, const struct log_topics *topics, int32_t shards,
                                struct err_info *info) {
    for (int i = 0; i < TOPIC_COUNT; i++) {
        const rd_kafka_metadata_topic_t *found = find_topic(metadata, topics->names[i]);
        if (found == NULL) {
            return err_set_retriable(info, ERR_NOT_FOUND, "topic %s does not exist; `daybook topics create` makes it",
                                     topics->names[i]);
        }
        /* Without a leader for any partition the broker may tell none: that is for later. */
        if (found->err == RD_KAFKA_RESP_ERR_NO_ERROR && found->partition_cnt != shards) {
            return client_shards_differ(info, topics->names[i], found->partition_cnt, shards);
        }
    }
    return ERR_NONE;
}

enum err log_topics_check_shards(const char *brokers, const struct log_topics *topics, int32_t shards, int timeout_ms,
                                 struct err_info *info) {
    rd_kafka_t *client;
    enum err err = admin_new(brokers, &client, info);
    if (err != ERR_NONE) {
        return err;
    }
    const rd_kafka_metadata_t *metadata;
    rd_kafka_resp_err_t error = rd_kafka_metadata(client, 1, NULL, &metadata, timeout_ms);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        err = client_error(info, error, "asking for the topics");
    } else {
        err = shards_compared(metadata, topics, shards, info);
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_destroy(client);
    return err;
}

/* How many copies a partition has that has too few, or else too many; what it must be when there is none. */
static int copies_of(const rd_kafka_metadata_topic_t *topic, int replication_factor) {
    int fewest = replication_factor, most = replication_factor;
    for (int i = 0; i < topic->partition_cnt; i++) {
        int count = topic->partitions[i].replica_cnt;
        fewest = count < fewest ? count : fewest;
        most = count > most ? count : most;
    }
    return fewest < replication_factor ? fewest : most;
}

void log_topics_compare(const struct rd_kafka_metadata *metadata, const struct log_topics *topics, int32_t shards,
                        int replication_factor, struct buf *ret_report) {
    for (int i = 0; i < TOPIC_COUNT; i++) {
        const rd_kafka_metadata_topic_t *found = find_topic(metadata, topics->names[i]);
        if (found == NULL) {
            buf_printf(ret_report, "%s: does not exist\n", topics->names[i]);
            continue;
        }
        if (found->partition_cnt != shards) {
            buf_printf(ret_report, "%s: has %d partitions, not %" PRId32 "\n", topics->names[i], found->partition_cnt,
                       shards);
        }
        int copies = copies_of(found, replication_factor);
        if (copies != replication_factor) {
            buf_printf(ret_report, "%s: has %d %s of a partition, not %d\n", topics->names[i], copies,
                       copies == 1 ? "copy" : "copies", replication_factor);
        }
    }
}

static enum err partitions_checked(rd_kafka_t *client, const struct log_topics *topics, int32_t shards,
                                   int replication_factor, struct buf *report, struct err_info *info) {
    const rd_kafka_metadata_t *metadata;
    bool unused;
    enum err err = metadata_await(client, topics, MISSING_WAIT_MS, are_there, &metadata, &unused, info);
    if (err == ERR_NONE) {
        log_topics_compare(metadata, topics, shards, replication_factor, report);
        rd_kafka_metadata_destroy(metadata);
    }
    return err;
}

static void settings_checked(const rd_kafka_ConfigResource_t *resource, enum log_topic topic, int replication_factor,
                             struct buf *report) {
    size_t entry_count;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &entry_count);
    struct topic_setting settings[SETTINGS_MAX];
    size_t count = settings_of(topic, replication_factor, settings);
    for (size_t i = 0; i < count; i++) {
        const char *value = NULL;
        for (size_t j = 0; j < entry_count && value == NULL; j++) {
            bool same = strcmp(rd_kafka_ConfigEntry_name(entries[j]), settings[i].name) == 0;
            value = same ? rd_kafka_ConfigEntry_value(entries[j]) : NULL;
        }
        if (value == NULL || strcmp(value, settings[i].value) != 0) {
            buf_printf(report, "%s: %s is %s, not %s\n", rd_kafka_ConfigResource_name(resource), settings[i].name,
                       value == NULL ? "not told" : value, settings[i].value);
        }
    }
}

static void answers_checked(rd_kafka_event_t *event, const struct log_topics *topics, int replication_factor,
                            struct buf *report) {
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
    size_t count;
    const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t error = rd_kafka_ConfigResource_error(resources[i]);
        if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
            continue; /* said already */
        }
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
            buf_printf(report, "%s: its settings could not be read: %s\n", rd_kafka_ConfigResource_name(resources[i]),
                       rd_kafka_err2str(error));
            continue;
        }
        for (int topic = 0; topic < TOPIC_COUNT; topic++) {
            if (strcmp(rd_kafka_ConfigResource_name(resources[i]), topics->names[topic]) == 0) {
                settings_checked(resources[i], (enum log_topic)topic, replication_factor, report);
            }
        }
    }
}

static enum err configs_checked(rd_kafka_t *client, const struct log_topics *topics, int replication_factor,
                                struct buf *report, struct err_info *info) {
    rd_kafka_ConfigResource_t *resources[TOPIC_COUNT];
    for (int i = 0; i < TOPIC_COUNT; i++) {
        resources[i] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topics->names[i]);
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_AdminOptions_t *options = admin_options(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_DescribeConfigs(client, resources, TOPIC_COUNT, options, queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_event_t *event;
    enum err err = admin_answer(queue, "asking for the topics' settings", &event, info);
    if (err == ERR_NONE) {
        answers_checked(event, topics, replication_factor, report);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_ConfigResource_destroy_array(resources, TOPIC_COUNT);
    return err;
}

enum err log_topics_check(const char *brokers, const struct log_topics *topics, int32_t shards, int replication_factor,
                          struct buf *ret_report, struct err_info *info) {
    rd_kafka_t *client;
    enum err err = admin_new(brokers, &client, info);
    if (err != ERR_NONE) {
        return err;
    }
    size_t before = ret_report->len;
    err = partitions_checked(client, topics, shards, replication_factor, ret_report, info);
    if (err == ERR_NONE) {
        err = configs_checked(client, topics, replication_factor, ret_report, info);
    }
    rd_kafka_destroy(client);
    if (err == ERR_NONE && ret_report->len > before) {
        return err_set(info, ERR_CONFLICT, "the topics are not as they must be");
    }
    return err;
}
