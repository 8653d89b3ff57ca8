#include "core/log/producer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/memory.h"
#include "core/base/thread_name.h"
#include "core/base/timestamp.h"
#include "core/log/client.h"
#include "core/log/pace.h"

enum {
    TOPICS_MAX = 64,
    METADATA_TIMEOUT_MS = 1000,
    QUEUE_MAX_RECORDS = 100000,
    QUEUE_MAX_BYTES = 64 * 1024 * 1024,
    POLL_MS = 1000,       /* deliveries wake the poll; this only bounds a missed wake-up */
    PURGE_WAIT_MS = 1000, /* for the reports of what was dropped on closing; they come from our own queues */
};

/* Who is told of one record. NULL in the message when nobody is. */
struct delivery {
    log_delivered_cb *on_delivered;
    void *context;
};

/* A record that waits for others: all of it is in this one piece of memory. */
struct gathered {
    struct gathered *next;
    const char *topic;
    int32_t partition;
    struct str key, value;
    rd_kafka_headers_t *headers; /* NULL: none */
    struct delivery *delivery;
    rd_kafka_resp_err_t error; /* of one that was refused */
    char bytes[];
};

/* Records that wait for others, in their order: the senders put them in, the poller produces them. */
struct gathering {
    pthread_mutex_t lock;
    struct pace pace;
    struct gathered *first, **end;
    int count;
    int64_t due_us; /* where there are any */
};

struct log_producer {
    struct log_producer_options options; /* with texts of our own */
    pthread_rwlock_t client_lock;        /* written by the poller, when it puts another client in the place of this */
    rd_kafka_t *client;
    rd_kafka_queue_t *main_queue;
    pthread_t poller;
    atomic_bool closing;
    int close_timeout_ms; /* written before closing is set */

    /* Topics sent to so far. Left to itself, librdkafka looks a new topic up once a second, and its first record waits
     * for that; so the poller asks at once. The handles keep the topics known. */
    pthread_mutex_t topics_lock;
    rd_kafka_topic_t *topics[TOPICS_MAX];
    int topic_count;   /* under the lock */
    int topics_learnt; /* the poller's: these were looked up */

    struct gathering gathering;
};

/* A record whose time ran out while a request was on its way may stand in the log: that is not the same as one
 * that was never sent. */
static enum err delivery_result(const rd_kafka_message_t *message, struct err_info *info) {
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return ERR_NONE;
    }
    const char *words = rd_kafka_err2str(message->err);
    if (rd_kafka_message_status(message) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED) {
        return err_set_retriable(info, ERR_IN_DOUBT, "a record may or may not have been appended: %s", words);
    }
    if (message->err == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT || message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE) {
        return err_set_retriable(info, ERR_TIMEOUT, "a record was not appended: %s", words);
    }
    if (message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        return err_set(info, ERR_TOO_LARGE, "a record was not appended: %s", words);
    }
    return client_error(info, message->err, "a record was not appended");
}

/* Thread: the poller. */
static void on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
    (void)client;
    (void)opaque;
    struct delivery *delivery = message->_private;
    if (delivery == NULL) {
        return;
    }
    struct err_info info = {0};
    enum err result = delivery_result(message, &info);
    delivery->on_delivered(delivery->context, result, &info);
    free(delivery);
}

static void learn_topics(struct log_producer *producer) {
    pthread_mutex_lock(&producer->topics_lock);
    int count = producer->topic_count;
    pthread_mutex_unlock(&producer->topics_lock);
    while (producer->topics_learnt < count) {
        const rd_kafka_metadata_t *metadata;
        if (rd_kafka_metadata(producer->client, 0, producer->topics[producer->topics_learnt], &metadata,
                              METADATA_TIMEOUT_MS) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return; /* no broker yet: again after the next poll */
        }
        rd_kafka_metadata_destroy(metadata);
        producer->topics_learnt++;
    }
}

/* Tells of what is left, as dropped. */
static void client_drop_rest(rd_kafka_t *client) {
    rd_kafka_purge(client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(client, PURGE_WAIT_MS);
}

static enum err client_open(const struct log_producer_options *options, rd_kafka_t **ret_client,
                            struct err_info *info) {
    int queue_records = options->queue_max_records > 0 ? options->queue_max_records : QUEUE_MAX_RECORDS;
    int64_t queue_bytes = options->queue_max_bytes > 0 ? options->queue_max_bytes : QUEUE_MAX_BYTES;
    const struct client_setting settings[] = {
        CLIENT_TEXT("enable.idempotence", "true"), /* implies acks=all and order over retries */
        CLIENT_TEXT("compression.type", "lz4"),
        CLIENT_NUMBER("message.max.bytes", LOG_BATCH_MAX_BYTES),
        CLIENT_NUMBER("linger.ms", options->linger_ms),
        CLIENT_NUMBER("delivery.timeout.ms", options->delivery_timeout_ms),
        CLIENT_NUMBER("queue.buffering.max.messages", queue_records),
        CLIENT_NUMBER("queue.buffering.max.kbytes", (queue_bytes + 1023) / 1024),
    };
    rd_kafka_conf_t *conf = client_conf(options->brokers, options->client_id, settings, ARRAY_LENGTH(settings));
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    return client_new(RD_KAFKA_PRODUCER, conf, ret_client, info);
}

/* A client that met a fatal error (a broker that lost the end of its log no longer knows our sequence numbers) takes
 * nothing any more: another one takes its place. Thread: the poller. */
static void client_renew(struct log_producer *producer) {
    struct err_info info;
    rd_kafka_t *old = producer->client, *client;
    if (client_open(&producer->options, &client, &info) != ERR_NONE) {
        return; /* again after the next poll */
    }
    pthread_rwlock_wrlock(&producer->client_lock);
    for (int i = 0; i < producer->topic_count; i++) {
        rd_kafka_topic_t *topic = rd_kafka_topic_new(client, rd_kafka_topic_name(producer->topics[i]), NULL);
        rd_kafka_topic_destroy(producer->topics[i]);
        producer->topics[i] = topic;
    }
    producer->topics_learnt = 0;
    rd_kafka_queue_destroy(producer->main_queue);
    producer->main_queue = rd_kafka_queue_get_main(client);
    producer->client = client;
    pthread_rwlock_unlock(&producer->client_lock);
    client_drop_rest(old);
    rd_kafka_destroy(old);
}

static enum err send_failed(rd_kafka_resp_err_t error, const char *topic, struct err_info *info) {
    if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        return err_set_retriable(info, ERR_TOO_LARGE, "%s: too much waits to be sent", topic);
    }
    if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        return err_set(info, ERR_TOO_LARGE, "%s: the record is larger than %d bytes", topic, LOG_BATCH_MAX_BYTES);
    }
    if (error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION) {
        /* Another producer would not know it either, and this one will when it is made. */
        return err_set_retriable(info, ERR_KAFKA, "%s: %s", topic, rd_kafka_err2str(error));
    }
    return client_error(info, error, topic);
}

/* Takes the headers, and the delivery, over when it succeeds. */
static rd_kafka_resp_err_t produce(struct log_producer *producer, const char *topic, int32_t partition, struct str key,
                                   struct str value, rd_kafka_headers_t *headers, struct delivery *delivery) {
    return rd_kafka_producev(producer->client, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key.data, key.len),
                             RD_KAFKA_V_VALUE((void *)value.data, value.len), RD_KAFKA_V_HEADERS(headers),
                             RD_KAFKA_V_OPAQUE(delivery), RD_KAFKA_V_END);
}

/* ---- records that wait for others -------------------------------------------------------------------------------- */

/* None at all stays none: a record without a value is another than one with an empty one. */
static char *put_bytes(char *at, struct str bytes, struct str *ret_copy) {
    *ret_copy = (struct str){0};
    if (bytes.data != NULL) {
        memcpy(at, bytes.data, bytes.len);
        *ret_copy = str_of(at, bytes.len);
    }
    return at + bytes.len;
}

static struct gathered *gathered_make(const char *topic, int32_t partition, struct str key, struct str value) {
    size_t topic_bytes = strlen(topic) + 1;
    struct gathered *record = malloc_or_end(sizeof *record + topic_bytes + key.len + value.len);
    *record = (struct gathered){.topic = record->bytes, .partition = partition};
    memcpy(record->bytes, topic, topic_bytes);
    char *at = put_bytes(record->bytes + topic_bytes, key, &record->key);
    (void)put_bytes(at, value, &record->value);
    return record;
}

/* Whether this record is to wait: many come, or others wait already, which it must not overtake. */
static bool must_wait(struct gathering *gathering, int64_t now_us) {
    return pace_is_busy(&gathering->pace, now_us) || gathering->first != NULL;
}

/* Puts it in when it is to wait; the poller learns when the first of them is due. */
static bool gather(struct log_producer *producer, const char *topic, int32_t partition, struct str key,
                   struct str value, rd_kafka_headers_t *headers, struct delivery *delivery, bool *ret_is_full) {
    struct gathering *gathering = &producer->gathering;
    *ret_is_full = false;
    if (producer->options.gather_ms == 0) {
        return false;
    }
    pthread_mutex_lock(&gathering->lock);
    int64_t now_us = clock_boot_us();
    bool waits = must_wait(gathering, now_us), is_first = waits && gathering->first == NULL;
    *ret_is_full = waits && gathering->count == GATHERED_MAX;
    if (waits && !*ret_is_full) {
        struct gathered *record = gathered_make(topic, partition, key, value);
        record->headers = headers;
        record->delivery = delivery;
        *gathering->end = record;
        gathering->end = &record->next;
        gathering->count++;
        if (is_first) {
            gathering->due_us = now_us + producer->options.gather_ms * MICROS_PER_MS;
        }
    }
    pthread_mutex_unlock(&gathering->lock);
    if (is_first) {
        rd_kafka_queue_yield(producer->main_queue);
    }
    return waits;
}

static void gathered_free(struct gathered *record) {
    if (record->headers != NULL) {
        rd_kafka_headers_destroy(record->headers);
    }
    free(record->delivery);
    free(record);
}

/* Produces them all, and returns those that were refused. */
static struct gathered *gathered_produce(struct log_producer *producer, struct gathered *first) {
    struct gathered *refused = NULL, **end = &refused;
    for (struct gathered *record = first, *next; record != NULL; record = next) {
        next = record->next;
        record->error = produce(producer, record->topic, record->partition, record->key, record->value, record->headers,
                                record->delivery);
        if (record->error == RD_KAFKA_RESP_ERR_NO_ERROR) {
            free(record); /* the delivery report has the rest */
        } else {
            record->next = NULL;
            *end = record;
            end = &record->next;
        }
    }
    return refused;
}

static void refused_tell(struct gathered *refused) {
    for (struct gathered *record = refused, *next; record != NULL; record = next) {
        next = record->next;
        if (record->delivery != NULL) {
            struct err_info info = {0};
            enum err result = send_failed(record->error, record->topic, &info);
            record->delivery->on_delivered(record->delivery->context, result, &info);
        }
        gathered_free(record);
    }
}

/* Produces what waits when it is due, or is to be `all`; returns for how many milliseconds the poller may sleep. Under
 * the lock, for a sender that finds nobody waiting must not overtake these. Thread: the poller. */
static int gathered_send(struct log_producer *producer, bool all) {
    struct gathering *gathering = &producer->gathering;
    struct gathered *refused = NULL;
    int64_t left_us = POLL_MS * MICROS_PER_MS;
    pthread_mutex_lock(&gathering->lock);
    if (gathering->first != NULL) {
        int64_t due_in_us = gathering->due_us - clock_boot_us();
        if (all || due_in_us <= 0) {
            refused = gathered_produce(producer, gathering->first);
            gathering->first = NULL;
            gathering->end = &gathering->first;
            gathering->count = 0;
        } else {
            left_us = due_in_us;
        }
    }
    pthread_mutex_unlock(&gathering->lock);
    refused_tell(refused);
    return (int)((left_us + MICROS_PER_MS - 1) / MICROS_PER_MS);
}

/* ---- the producer ------------------------------------------------------------------------------------------------ */

static void *poller_run(void *argument) {
    struct log_producer *producer = argument;
    thread_name("deliveries");
    while (!atomic_load(&producer->closing)) {
        rd_kafka_poll(producer->client, gathered_send(producer, false));
        if (rd_kafka_fatal_error(producer->client, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            client_renew(producer);
        }
        learn_topics(producer);
    }
    (void)gathered_send(producer, true);
    rd_kafka_flush(producer->client, producer->close_timeout_ms);
    client_drop_rest(producer->client);
    return NULL;
}

static void producer_free(struct log_producer *producer) {
    for (int i = 0; i < producer->topic_count; i++) {
        rd_kafka_topic_destroy(producer->topics[i]);
    }
    pthread_mutex_destroy(&producer->topics_lock);
    pthread_mutex_destroy(&producer->gathering.lock);
    pthread_rwlock_destroy(&producer->client_lock);
    rd_kafka_queue_destroy(producer->main_queue);
    rd_kafka_destroy(producer->client);
    free((char *)producer->options.brokers);
    free((char *)producer->options.client_id);
    free(producer);
}

enum err log_producer_open(const struct log_producer_options *options, struct log_producer **ret_producer,
                           struct err_info *info) {
    rd_kafka_t *client;
    enum err err = client_open(options, &client, info);
    if (err != ERR_NONE) {
        return err;
    }
    struct log_producer *producer = calloc_or_end(1, sizeof *producer);
    producer->options = *options;
    producer->options.brokers = strdup_or_end(options->brokers);
    producer->options.client_id = strdup_or_end(options->client_id);
    producer->client = client;
    producer->main_queue = rd_kafka_queue_get_main(client);
    pthread_mutex_init(&producer->topics_lock, NULL);
    pthread_mutex_init(&producer->gathering.lock, NULL);
    producer->gathering.end = &producer->gathering.first;
    pthread_rwlock_init(&producer->client_lock, NULL);
    if (pthread_create(&producer->poller, NULL, poller_run, producer) != 0) {
        producer_free(producer);
        return err_set_retriable(info, ERR_IO, "no thread could be started for a Kafka producer");
    }
    *ret_producer = producer;
    return ERR_NONE;
}

void log_producer_close(struct log_producer *producer, int timeout_ms) {
    if (producer == NULL) {
        return;
    }
    producer->close_timeout_ms = timeout_ms;
    atomic_store(&producer->closing, true);
    pthread_rwlock_rdlock(&producer->client_lock);
    rd_kafka_queue_yield(producer->main_queue);
    pthread_rwlock_unlock(&producer->client_lock);
    pthread_join(producer->poller, NULL);
    producer_free(producer);
}

/* Has the poller look `topic` up when it is new. Past TOPICS_MAX topics a new one is just slow at first. */
static void note_topic(struct log_producer *producer, const char *topic) {
    bool known = false;
    pthread_mutex_lock(&producer->topics_lock);
    for (int i = 0; i < producer->topic_count && !known; i++) {
        known = strcmp(rd_kafka_topic_name(producer->topics[i]), topic) == 0;
    }
    bool added = !known && producer->topic_count < TOPICS_MAX;
    if (added) {
        producer->topics[producer->topic_count++] = rd_kafka_topic_new(producer->client, topic, NULL);
    }
    pthread_mutex_unlock(&producer->topics_lock);
    if (added) {
        rd_kafka_queue_yield(producer->main_queue);
    }
}

enum err log_producer_send(struct log_producer *producer, const char *topic, int32_t partition, struct str key,
                           struct str value, const struct log_header *headers, size_t header_count,
                           log_delivered_cb *on_delivered, void *context, struct err_info *info) {
    struct delivery *delivery = NULL;
    if (on_delivered != NULL) {
        delivery = malloc_or_end(sizeof *delivery);
        *delivery = (struct delivery){on_delivered, context};
    }
    pthread_rwlock_rdlock(&producer->client_lock);
    note_topic(producer, topic);
    rd_kafka_headers_t *list = client_headers(headers, header_count);
    bool is_full;
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!gather(producer, topic, partition, key, value, list, delivery, &is_full)) {
        error = produce(producer, topic, partition, key, value, list, delivery);
    } else if (is_full) {
        error = RD_KAFKA_RESP_ERR__QUEUE_FULL;
    }
    pthread_rwlock_unlock(&producer->client_lock);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (list != NULL) {
            rd_kafka_headers_destroy(list);
        }
        free(delivery);
        return send_failed(error, topic, info);
    }
    return ERR_NONE; // NOLINT(clang-analyzer-unix.Malloc): the delivery report frees it
}
