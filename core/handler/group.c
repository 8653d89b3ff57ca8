#include "core/handler/group.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/base/timestamp.h"
#include "core/log/client.h"
#include "core/log/fetch_nudge.h"

enum {
    SESSION_TIMEOUT_MS = 6000,
    /* By an answer to one of these a member learns that shards are to be moved. Those of an owner that has left stand
     * still until then. */
    HEARTBEAT_MS = 500,
    /* The worker polls even while it takes over and while it waits for a broker; this is for one that hangs. */
    MAX_POLL_INTERVAL_MS = 120000,
    QUEUED_MAX_KBYTES = 16 * 1024,
};

struct group {
    rd_kafka_t *consumer;
    rd_kafka_queue_t *queue; /* the consumer's */
    struct group_options options;
    struct fetch_nudge nudge;
    uint64_t generation;
    int32_t *shards;
    int64_t *ends; /* of each of `shards`: see group_end */
    size_t shard_count;
    rd_kafka_consumer_group_metadata_t *metadata; /* of the generation that `shards` belongs to; NULL between two */
};

void handlers_group_name(const char *topic_prefix, char ret_name[GROUP_NAME_MAX]) {
    (void)snprintf(ret_name, GROUP_NAME_MAX, "%s-handlers", topic_prefix);
}

static int by_number(const void *a, const void *b) {
    int32_t left = *(const int32_t *)a, right = *(const int32_t *)b;
    return (left > right) - (left < right);
}

static void shards_set(struct group *group, const rd_kafka_topic_partition_list_t *partitions) {
    free(group->shards);
    free(group->ends);
    group->shard_count = partitions == NULL ? 0 : (size_t)partitions->cnt;
    group->shards = calloc_or_end(group->shard_count + 1, sizeof *group->shards);
    group->ends = calloc_or_end(group->shard_count + 1, sizeof *group->ends);
    for (size_t i = 0; i < group->shard_count; i++) {
        group->shards[i] = partitions->elems[i].partition;
        group->ends[i] = -1;
    }
    qsort(group->shards, group->shard_count, sizeof *group->shards, by_number);
    group->generation++;
}

static void metadata_set(struct group *group, rd_kafka_consumer_group_metadata_t *metadata) {
    if (group->metadata != NULL) {
        rd_kafka_consumer_group_metadata_destroy(group->metadata);
    }
    group->metadata = metadata;
}

/* Who we are to the group, as of now; NULL when it has already forgotten us: librdkafka then has neither member nor
 * generation to tell, and offsets that name neither are taken from anybody. */
static rd_kafka_consumer_group_metadata_t *member_metadata(rd_kafka_t *consumer) {
    char *member = rd_kafka_memberid(consumer);
    bool is_member = member != NULL && member[0] != '\0';
    rd_kafka_mem_free(consumer, member);
    return is_member ? rd_kafka_consumer_group_metadata(consumer) : NULL;
}

/* librdkafka is told at once that nothing is to be fetched: takeover comes first, and may take long. */
static void on_rebalance(rd_kafka_t *consumer, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t *partitions,
                         void *opaque) {
    struct group *group = opaque;
    if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        metadata_set(group, member_metadata(consumer));
        rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);
        (void)rd_kafka_assign(consumer, none); /* a failure shows as an error of the next poll */
        rd_kafka_topic_partition_list_destroy(none);
        shards_set(group, partitions);
        return;
    }
    bool is_lost = what != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS || rd_kafka_assignment_lost(consumer);
    group->options.on_revoked(group->options.context, is_lost);
    fetch_nudge_assigned(&group->nudge, NULL);
    shards_set(group, NULL);
    metadata_set(group, NULL);
    (void)rd_kafka_assign(consumer, NULL);
}

enum err group_open(const struct group_options *options, struct group **ret_group, struct err_info *info) {
    const struct client_setting settings[] = {
        CLIENT_TEXT("group.id", options->group_id),
        CLIENT_TEXT("partition.assignment.strategy", "range"),
        CLIENT_TEXT("isolation.level", "read_committed"),
        CLIENT_TEXT("enable.auto.commit", "false"),
        CLIENT_TEXT("enable.auto.offset.store", "false"),
        CLIENT_TEXT("auto.offset.reset", "error"),
        CLIENT_TEXT("enable.partition.eof", "true"), /* for group_end */
        CLIENT_NUMBER("session.timeout.ms", SESSION_TIMEOUT_MS),
        CLIENT_NUMBER("heartbeat.interval.ms", HEARTBEAT_MS),
        CLIENT_NUMBER("max.poll.interval.ms", MAX_POLL_INTERVAL_MS),
        CLIENT_NUMBER("queued.max.messages.kbytes", QUEUED_MAX_KBYTES),
        CLIENT_NUMBER("fetch.error.backoff.ms", 20),
        CLIENT_NUMBER("topic.metadata.refresh.interval.ms", 10000),
        /* A coordinator of before that goes on answering gives no reason to look for another. */
        CLIENT_NUMBER("coordinator.query.interval.ms", 10000),
    };
    struct group *group = calloc_or_end(1, sizeof *group);
    group->options = *options;
    fetch_nudge_init(&group->nudge, QUEUED_MAX_KBYTES * (int64_t)1024);
    rd_kafka_conf_t *conf = client_conf(options->brokers, options->client_id, settings, ARRAY_LENGTH(settings));
    rd_kafka_conf_set_opaque(conf, group);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    enum err err = client_new(RD_KAFKA_CONSUMER, conf, &group->consumer, info);
    if (err != ERR_NONE) {
        free(group);
        return err;
    }
    rd_kafka_poll_set_consumer(group->consumer);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, options->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t subscribed = rd_kafka_subscribe(group->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (subscribed != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_destroy(group->consumer);
        free(group);
        return client_error(info, subscribed, "subscribing to the commands");
    }
    group->queue = rd_kafka_queue_get_consumer(group->consumer);
    *ret_group = group;
    return ERR_NONE;
}

void group_leave(struct group *group) {
    if (group == NULL) {
        return;
    }
    rd_kafka_queue_destroy(group->queue);           /* librdkafka wants it gone before */
    (void)rd_kafka_consumer_close(group->consumer); /* calls on_rebalance once more; nothing is left to do on failure */
    rd_kafka_destroy(group->consumer);
    metadata_set(group, NULL);
    fetch_nudge_release(&group->nudge);
    free(group->shards);
    free(group->ends);
    free(group);
}

static int64_t *end_of(const struct group *group, int32_t shard) {
    for (size_t i = 0; i < group->shard_count; i++) {
        if (group->shards[i] == shard) {
            return &group->ends[i];
        }
    }
    return NULL;
}

/* An end that was told is kept, and is neither a command nor a trouble. */
static bool end_taken(struct group *group, rd_kafka_message_t *message) {
    if (message == NULL || message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        return false;
    }
    int64_t *end = end_of(group, message->partition);
    if (end != NULL) {
        *end = message->offset;
    }
    rd_kafka_message_destroy(message);
    return true;
}

enum err group_poll(struct group *group, int timeout_ms, rd_kafka_message_t **ret_message, struct err_info *info) {
    int64_t until_us = clock_boot_us() + (int64_t)timeout_ms * MICROS_PER_MS;
    fetch_nudge_ask(&group->nudge, group->consumer);
    rd_kafka_message_t *message = rd_kafka_consumer_poll(group->consumer, timeout_ms);
    while (end_taken(group, message)) {
        int64_t left_us = until_us - clock_boot_us();
        message = rd_kafka_consumer_poll(group->consumer, left_us > 0 ? (int)(left_us / MICROS_PER_MS) : 0);
    }
    if (message == NULL || message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        fetch_nudge_took(&group->nudge, message);
        *ret_message = message;
        return ERR_NONE;
    }
    enum err err = client_error(info, message->err, "reading commands");
    rd_kafka_message_destroy(message);
    return err;
}

void group_wake(struct group *group) {
    rd_kafka_queue_yield(group->queue);
}

uint64_t group_generation(const struct group *group) {
    return group->generation;
}

const int32_t *group_shards(const struct group *group, size_t *ret_count) {
    *ret_count = group->shard_count;
    return group->shards;
}

static void ends_forget(struct group *group) {
    for (size_t i = 0; i < group->shard_count; i++) {
        group->ends[i] = -1;
    }
}

int64_t group_end(const struct group *group, int32_t shard) {
    const int64_t *end = end_of(group, shard);
    return end == NULL ? -1 : *end;
}

enum err group_read_from(struct group *group, const struct group_position *positions, size_t count,
                         struct err_info *info) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_topic_partition_list_add(list, group->options.topic, positions[i].shard)->offset = positions[i].offset;
    }
    rd_kafka_resp_err_t error = rd_kafka_assign(group->consumer, list);
    fetch_nudge_assigned(&group->nudge, count == 0 ? NULL : list);
    rd_kafka_topic_partition_list_destroy(list);
    ends_forget(group); /* librdkafka drops what it had queued of the assignment before, ends included */
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? ERR_NONE : client_error(info, error, "beginning to read commands");
}

static void offset_told(const rd_kafka_topic_partition_t *place, struct group_offset *ret_offset) {
    size_t len = place->metadata_size < GROUP_NOTE_MAX ? place->metadata_size : GROUP_NOTE_MAX - 1;
    if (len > 0) {
        memcpy(ret_offset->note, place->metadata, len);
    }
    ret_offset->note[len] = '\0';
    ret_offset->offset = place->offset >= 0 ? place->offset : -1;
}

enum err group_committed(struct group *group, struct group_offset *offsets, size_t count, int timeout_ms,
                         struct err_info *info) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_topic_partition_list_add(list, offsets[i].topic, offsets[i].partition);
    }
    rd_kafka_resp_err_t error = rd_kafka_committed(group->consumer, list, timeout_ms);
    for (size_t i = 0; i < count && error == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        error = list->elems[i].err;
        offset_told(&list->elems[i], &offsets[i]);
    }
    rd_kafka_topic_partition_list_destroy(list);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? ERR_NONE
                                               : client_error(info, error, "reading the group's committed offsets");
}

const rd_kafka_consumer_group_metadata_t *group_metadata(const struct group *group) {
    return group->metadata;
}

enum err group_cluster_id(const struct group *group, int timeout_ms, char ret_id[GROUP_CLUSTER_MAX],
                          struct err_info *info) {
    char *id = rd_kafka_clusterid(group->consumer, timeout_ms);
    if (id == NULL) {
        return err_set_retriable(info, ERR_KAFKA, "the cluster's id is not known yet");
    }
    int len = snprintf(ret_id, GROUP_CLUSTER_MAX, "%s", id);
    rd_kafka_mem_free(group->consumer, id);
    return len > 0 && len < GROUP_CLUSTER_MAX ? ERR_NONE : err_set(info, ERR_KAFKA, "the cluster's id is too long");
}
