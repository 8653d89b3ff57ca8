#include "core/log/txn.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/memory.h"
#include "core/base/timestamp.h"
#include "core/log/client.h"

enum {
    PRODUCERS = 2,
    TOPICS_MAX = 64,
    TRANSACTION_TIMEOUT_MS = 4000,
    METADATA_TIMEOUT_MS = 10000,
    INIT_TIMEOUT_MS = 10000, /* init waits for an older transaction of ours to end: at most its time-out and a bit */
    END_GRACE_MS = 1000,     /* what an EndTxn may take past the transaction's time before it is given up */
    RETRY_PAUSE_MS = 5,
    QUEUE_MAX_RECORDS = 100000,
    QUEUE_MAX_BYTES = 64 * 1024 * 1024,
    API_KEY_END_TXN = 26, /* Kafka protocol guide, "Api Keys" */
};

struct txn_producer {
    rd_kafka_t *client;
    rd_kafka_topic_t *topics[TOPICS_MAX]; /* held so that librdkafka keeps knowing where their partitions are */
    int topic_count;
    atomic_int end_txn_sent;             /* EndTxn requests written to a socket since begin; broker threads count */
    rd_kafka_resp_err_t failed_delivery; /* the first since begin */
    int64_t appended_us;                 /* the broker's time of the newest record since begin; 0: not told */
    int64_t deadline_boot_us;            /* of its transaction */
    struct log_partition *written; /* the partitions of the open or last transaction, and their last known offsets */
    size_t written_count, written_capacity;
};

struct log_txn {
    struct log_txn_options options; /* with texts of our own */
    char *brokers;
    char *transactional_id;
    char *warm_up_topic;
    struct txn_producer producers[PRODUCERS];
    int turn;                    /* the producer that began last */
    struct txn_producer *open;   /* between begin and seal or abort; NULL: none */
    struct txn_producer *sealed; /* between seal and settle: whoever calls finish has it; NULL: none */
    struct txn_producer *ended;  /* the one whose transaction ended last, for what it wrote; NULL: none has */
    bool in_doubt;               /* renew is due */
};

/* ---- one producer ------------------------------------------------------------------------------------------------ */

/* Thread: librdkafka's broker threads. */
static rd_kafka_resp_err_t on_request_sent(rd_kafka_t *client, int socket, const char *broker_name, int32_t broker_id,
                                           int16_t api_key, int16_t api_version, int32_t correlation_id, size_t size,
                                           void *context) {
    (void)client, (void)socket, (void)broker_name, (void)broker_id, (void)api_version, (void)correlation_id;
    (void)size;
    struct txn_producer *producer = context;
    if (api_key == API_KEY_END_TXN) {
        atomic_fetch_add(&producer->end_txn_sent, 1);
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *client, const rd_kafka_conf_t *conf, void *context, char *why,
                                  size_t why_size) {
    (void)conf, (void)why, (void)why_size;
    return rd_kafka_interceptor_add_on_request_sent(client, "daybook", on_request_sent, context);
}

/* Thread: the caller's, within produce, finish and abort. librdkafka counts failed deliveries itself and refuses the
 * commit; this only keeps the reason. What an abort drops from the queue is no failure. */
static void on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *context) {
    (void)client;
    struct txn_producer *producer = context;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && message->_private != NULL) {
        /* The opaque is the place in `written`, plus 1. Reports come in the order of the records of a partition. */
        producer->written[(uintptr_t)message->_private - 1].offset = message->offset >= 0 ? message->offset : -1;
        rd_kafka_timestamp_type_t type;
        int64_t timestamp_ms = rd_kafka_message_timestamp(message, &type);
        if (type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME && timestamp_ms * MICROS_PER_MS > producer->appended_us) {
            producer->appended_us = timestamp_ms * MICROS_PER_MS;
        }
    }
    bool dropped = message->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || message->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && !dropped &&
        producer->failed_delivery == RD_KAFKA_RESP_ERR_NO_ERROR) {
        producer->failed_delivery = message->err;
    }
}

static enum err error_taken(struct err_info *info, rd_kafka_error_t *error, const char *what) {
    bool retriable = rd_kafka_error_is_retriable(error) || client_error_is_passing(rd_kafka_error_code(error));
    enum err err = client_error_said(info, rd_kafka_error_code(error), retriable, what, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return err;
}

static enum err producer_new(const struct log_txn *txn, struct txn_producer *producer, struct err_info *info) {
    const struct client_setting settings[] = {
        CLIENT_NUMBER("transaction.timeout.ms", txn->options.transaction_timeout_ms),
        /* With the default of 100 ms a transaction that meets the markers of the one before, not yet written, waits
         * for that long. */
        CLIENT_NUMBER("retry.backoff.ms", 1),
        CLIENT_TEXT("compression.type", "lz4"),
        CLIENT_NUMBER("linger.ms", 1),
        CLIENT_NUMBER("message.max.bytes", LOG_BATCH_MAX_BYTES),
        CLIENT_NUMBER("queue.buffering.max.messages", QUEUE_MAX_RECORDS),
        CLIENT_NUMBER("queue.buffering.max.kbytes", QUEUE_MAX_BYTES / 1024),
    };
    char name[256];
    int length = snprintf(name, sizeof name, "%s-%c", txn->transactional_id, 'a' + (int)(producer - txn->producers));
    if (length < 0 || (size_t)length >= sizeof name) {
        return err_set(info, ERR_CONFIG, "the transactional id is longer than %zu bytes", sizeof name - 3);
    }
    rd_kafka_conf_t *conf = client_conf(txn->brokers, name, settings, ARRAY_LENGTH(settings));
    enum err err = client_conf_set(conf, "transactional.id", name, info);
    if (err != ERR_NONE) {
        rd_kafka_conf_destroy(conf);
        return err;
    }
    rd_kafka_conf_set_opaque(conf, producer);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_resp_err_t added = rd_kafka_conf_interceptor_add_on_new(conf, "daybook", on_new, producer);
    assert(added == RD_KAFKA_RESP_ERR_NO_ERROR);
    return client_new(RD_KAFKA_PRODUCER, conf, &producer->client, info);
}

static void producer_destroy(struct txn_producer *producer) {
    while (producer->topic_count > 0) {
        rd_kafka_topic_destroy(producer->topics[--producer->topic_count]);
    }
    if (producer->client != NULL) {
        rd_kafka_purge(producer->client,
                       RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
        rd_kafka_destroy(producer->client);
        producer->client = NULL;
    }
    free(producer->written);
    producer->written = NULL;
    producer->written_count = producer->written_capacity = 0;
}

static void producer_started(struct txn_producer *producer) {
    atomic_store(&producer->end_txn_sent, 0);
    producer->written_count = 0;
    producer->appended_us = 0;
    producer->failed_delivery = RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Looks up the topics that share the warm-up topic's prefix: the first record to a topic that librdkafka has not heard
 * of waits for up to a second. */
static enum err topics_learnt(const struct log_txn *txn, struct txn_producer *producer, struct err_info *info) {
    const rd_kafka_metadata_t *metadata;
    rd_kafka_resp_err_t error = rd_kafka_metadata(producer->client, 1, NULL, &metadata, METADATA_TIMEOUT_MS);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return client_error(info, error, "looking the topics up");
    }
    const char *last_dot = strrchr(txn->warm_up_topic, '.');
    size_t prefix_len = last_dot == NULL ? 0 : (size_t)(last_dot - txn->warm_up_topic) + 1;
    bool found = false;
    for (int i = 0; i < metadata->topic_cnt; i++) {
        const char *name = metadata->topics[i].topic;
        found = found || strcmp(name, txn->warm_up_topic) == 0;
        if (producer->topic_count < TOPICS_MAX && prefix_len > 0 &&
            strncmp(name, txn->warm_up_topic, prefix_len) == 0) {
            producer->topics[producer->topic_count++] = rd_kafka_topic_new(producer->client, name, NULL);
        }
    }
    rd_kafka_metadata_destroy(metadata);
    return found ? ERR_NONE : err_set_retriable(info, ERR_NOT_FOUND, "the topic %s does not exist", txn->warm_up_topic);
}

/* One aborted record, so that connections, coordinator, producer id and metadata are there before the first batch. */
static enum err producer_warm_up(const struct log_txn *txn, struct txn_producer *producer, struct err_info *info) {
    producer_started(producer);
    rd_kafka_error_t *error = rd_kafka_begin_transaction(producer->client);
    if (error != NULL) {
        return error_taken(info, error, "warming a transactional producer up, begin");
    }
    rd_kafka_resp_err_t sent = rd_kafka_producev(producer->client, RD_KAFKA_V_TOPIC(txn->warm_up_topic),
                                                 RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_KEY("warm-up", 7), RD_KAFKA_V_END);
    if (sent == RD_KAFKA_RESP_ERR_NO_ERROR) {
        sent = rd_kafka_flush(producer->client, txn->options.transaction_timeout_ms);
    }
    if (sent == RD_KAFKA_RESP_ERR_NO_ERROR) {
        sent = producer->failed_delivery;
    }
    error = rd_kafka_abort_transaction(producer->client, txn->options.transaction_timeout_ms + END_GRACE_MS);
    if (error != NULL) {
        return error_taken(info, error, "warming a transactional producer up, abort");
    }
    if (sent != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return client_error(info, sent, "warming a transactional producer up, the record");
    }
    if (atomic_load(&producer->end_txn_sent) > 1) {
        return err_set_retriable(info, ERR_KAFKA, "warming a transactional producer up: the abort was sent twice");
    }
    return ERR_NONE;
}

static void producers_destroy(struct log_txn *txn) {
    for (int i = 0; i < PRODUCERS; i++) {
        producer_destroy(&txn->producers[i]);
    }
}

/* From nothing to ready. Once init has answered, nothing that an older incarnation left in flight can take effect. */
static enum err producer_make(const struct log_txn *txn, struct txn_producer *producer, struct err_info *info) {
    enum err err = producer_new(txn, producer, info);
    if (err == ERR_NONE) {
        rd_kafka_error_t *error = rd_kafka_init_transactions(producer->client, INIT_TIMEOUT_MS);
        err = error == NULL ? ERR_NONE : error_taken(info, error, "initialising transactions");
    }
    if (err == ERR_NONE) {
        err = topics_learnt(txn, producer, info);
    }
    if (err == ERR_NONE) {
        err = producer_warm_up(txn, producer, info);
    }
    if (err != ERR_NONE) {
        producer_destroy(producer);
    }
    return err;
}

/* All or none. */
static enum err producers_make(struct log_txn *txn, struct err_info *info) {
    enum err err = ERR_NONE;
    for (int i = 0; i < PRODUCERS && err == ERR_NONE; i++) {
        err = producer_make(txn, &txn->producers[i], info);
    }
    if (err != ERR_NONE) {
        producers_destroy(txn);
    }
    return err;
}

/* ---- the writer -------------------------------------------------------------------------------------------------- */

enum err log_txn_open(const struct log_txn_options *options, struct log_txn **ret_txn, struct err_info *info) {
    struct log_txn *txn = calloc_or_end(1, sizeof *txn);
    txn->brokers = strdup_or_end(options->brokers);
    txn->transactional_id = strdup_or_end(options->transactional_id);
    txn->warm_up_topic = strdup_or_end(options->warm_up_topic);
    txn->options.transaction_timeout_ms =
        options->transaction_timeout_ms > 0 ? options->transaction_timeout_ms : TRANSACTION_TIMEOUT_MS;
    txn->turn = PRODUCERS - 1;
    enum err err = producers_make(txn, info);
    if (err != ERR_NONE) {
        log_txn_close(txn);
        return err;
    }
    *ret_txn = txn;
    return ERR_NONE;
}

void log_txn_close(struct log_txn *txn) {
    if (txn == NULL) {
        return;
    }
    producers_destroy(txn);
    free(txn->brokers);
    free(txn->transactional_id);
    free(txn->warm_up_topic);
    free(txn);
}

enum err log_txn_renew(struct log_txn *txn, struct err_info *info) {
    assert(txn->sealed == NULL);
    producers_destroy(txn);
    txn->open = txn->ended = NULL;
    txn->in_doubt = true;
    enum err err = producers_make(txn, info);
    if (err == ERR_NONE) {
        txn->in_doubt = false;
    }
    return err;
}

static enum err doubt(const struct txn_producer *producer, struct err_info *info, const char *what, const char *why) {
    return err_set_retriable(info, ERR_IN_DOUBT, "%s: %s (EndTxn sent %d times)", what, why,
                             atomic_load(&producer->end_txn_sent));
}

static enum err doubt_taken(const struct txn_producer *producer, struct err_info *info, const char *what,
                            rd_kafka_error_t *error) {
    enum err err = doubt(producer, info, what, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return err;
}

enum err log_txn_begin(struct log_txn *txn, struct err_info *info) {
    assert(txn->open == NULL && !txn->in_doubt);
    txn->turn = (txn->turn + 1) % PRODUCERS;
    struct txn_producer *producer = &txn->producers[txn->turn];
    assert(producer != txn->sealed);
    producer_started(producer);
    rd_kafka_error_t *error = rd_kafka_begin_transaction(producer->client);
    if (error != NULL) {
        /* Nothing was begun, yet a producer that cannot begin is of no use any more. */
        txn->in_doubt = true;
        return doubt_taken(producer, info, "beginning a transaction", error);
    }
    txn->open = producer;
    producer->deadline_boot_us = clock_boot_us() + (int64_t)txn->options.transaction_timeout_ms * MICROS_PER_MS;
    return ERR_NONE;
}

bool log_txn_is_open(const struct log_txn *txn) {
    return txn->open != NULL;
}

bool log_txn_has_time(const struct log_txn *txn) {
    return txn->open->deadline_boot_us - clock_boot_us() >=
           (int64_t)txn->options.transaction_timeout_ms * MICROS_PER_MS / 2;
}

static int time_left_ms(const struct txn_producer *producer) {
    int64_t left_us = producer->deadline_boot_us - clock_boot_us();
    return left_us > 0 ? (int)(left_us / MICROS_PER_MS) : 0;
}

/* How long commit and abort may wait. librdkafka advises -1, "the rest of the transaction's time", because after any
 * other time-out its state may not be the broker's; but 2.0.2 does not hold itself to that time: without a broker it
 * asks for ever. Here a time-out is a doubt, which ends the producer, so that nothing is left to disagree. */
static int end_timeout_ms(const struct txn_producer *producer) {
    return time_left_ms(producer) + END_GRACE_MS;
}

/* The place of a partition in `written`, made when it is new. A transaction touches few. */
static size_t written_place(struct txn_producer *producer, const char *topic, int32_t partition) {
    for (size_t i = 0; i < producer->written_count; i++) {
        const struct log_partition *place = &producer->written[i];
        if (place->partition == partition && (place->topic == topic || strcmp(place->topic, topic) == 0)) {
            return i;
        }
    }
    if (producer->written_count == producer->written_capacity) {
        producer->written_capacity = producer->written_capacity == 0 ? 64 : producer->written_capacity * 2;
        producer->written = realloc_or_end(producer->written, producer->written_capacity * sizeof *producer->written);
    }
    producer->written[producer->written_count] = (struct log_partition){topic, partition, -1};
    return producer->written_count++;
}

const struct log_partition *log_txn_written(const struct log_txn *txn, size_t *ret_count) {
    *ret_count = txn->ended->written_count;
    return txn->ended->written;
}

int64_t log_txn_appended_us(const struct log_txn *txn) {
    return txn->ended->appended_us;
}

enum err log_txn_produce(struct log_txn *txn, const char *topic, int32_t partition, struct str key, struct str value,
                         const struct log_header *headers, size_t header_count, struct err_info *info) {
    struct txn_producer *producer = txn->open;
    rd_kafka_t *client = producer->client;
    void *opaque = (void *)(uintptr_t)(written_place(producer, topic, partition) + 1);
    for (;;) {
        rd_kafka_headers_t *list = client_headers(headers, header_count);
        rd_kafka_resp_err_t error = rd_kafka_producev(
            client, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_KEY(key.data, key.len), RD_KAFKA_V_VALUE((void *)value.data, value.len),
            RD_KAFKA_V_HEADERS(list), RD_KAFKA_V_OPAQUE(opaque), RD_KAFKA_V_END);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
            return ERR_NONE;
        }
        if (list != NULL) {
            rd_kafka_headers_destroy(list);
        }
        if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
            return err_set(info, ERR_TOO_LARGE, "%s: the record is larger than %d bytes", topic, LOG_BATCH_MAX_BYTES);
        }
        if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            return client_error(info, error, topic);
        }
        if (rd_kafka_flush(client, time_left_ms(producer)) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return err_set_retriable(info, ERR_TIMEOUT, "%s: the records of a transaction were not taken in time",
                                     topic);
        }
    }
}

/* What a refused transaction means to the caller, once it is aborted. */
static enum err class_of_refusal(rd_kafka_resp_err_t code) {
    bool stale_member = code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION || code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
                        code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID || code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
    return stale_member ? ERR_FENCED : ERR_KAFKA;
}

/* Sends the offsets; a passing trouble is tried again until the transaction's time is over. */
static rd_kafka_error_t *offsets_sent(const struct txn_producer *producer,
                                      const rd_kafka_topic_partition_list_t *offsets,
                                      const rd_kafka_consumer_group_metadata_t *group) {
    for (;;) {
        int left_ms = time_left_ms(producer);
        rd_kafka_error_t *error = rd_kafka_send_offsets_to_transaction(producer->client, offsets, group, left_ms);
        if (error == NULL || !rd_kafka_error_is_retriable(error) || time_left_ms(producer) <= RETRY_PAUSE_MS) {
            return error;
        }
        rd_kafka_error_destroy(error);
        rd_kafka_poll(producer->client, RETRY_PAUSE_MS); /* a pause that still serves delivery reports */
    }
}

/* Commits. A time-out is never tried again: it is in doubt. */
static rd_kafka_error_t *committed(const struct txn_producer *producer) {
    for (;;) {
        rd_kafka_error_t *error = rd_kafka_commit_transaction(producer->client, end_timeout_ms(producer));
        if (error == NULL || !rd_kafka_error_is_retriable(error) ||
            rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__TIMED_OUT || time_left_ms(producer) <= RETRY_PAUSE_MS) {
            return error;
        }
        rd_kafka_error_destroy(error);
        rd_kafka_poll(producer->client, RETRY_PAUSE_MS);
    }
}

static enum err producer_abort(struct txn_producer *producer, struct err_info *info) {
    rd_kafka_error_t *error = rd_kafka_abort_transaction(producer->client, end_timeout_ms(producer));
    if (error != NULL) {
        return doubt_taken(producer, info, "aborting a transaction", error);
    }
    /* With a commit's EndTxn before it, or a second try of its own, one of them may still be on its way. */
    if (atomic_load(&producer->end_txn_sent) > 1) {
        return doubt(producer, info, "aborting a transaction", "it was answered, but asked for more than once");
    }
    return ERR_NONE;
}

/* The open transaction has ended so. */
static enum err open_ended(struct log_txn *txn, enum err err) {
    txn->in_doubt = txn->in_doubt || err == ERR_IN_DOUBT;
    txn->ended = txn->open;
    txn->open = NULL;
    return err;
}

/* Aborts, and makes the producer again when one of its records could not be delivered, for which *ret_delivery then has
 * the reason. */
static enum err aborted(const struct log_txn *txn, struct txn_producer *producer, const char *what,
                        rd_kafka_resp_err_t *ret_delivery, struct err_info *info) {
    enum err err = producer_abort(producer, info);
    *ret_delivery = producer->failed_delivery; /* the abort takes the last delivery reports in */
    if (err == ERR_NONE && *ret_delivery != RD_KAFKA_RESP_ERR_NO_ERROR) {
        /* librdkafka has yet to close the gap in its sequence numbers, and would refuse a later transaction for it. */
        producer_destroy(producer);
        err = producer_make(txn, producer, info);
        if (err != ERR_NONE) {
            err = err_set_retriable(info, ERR_IN_DOUBT, "%s: aborted, and the producer could not be made again", what);
        }
    }
    return err;
}

enum err log_txn_abort(struct log_txn *txn, struct err_info *info) {
    assert(txn->open != NULL);
    rd_kafka_resp_err_t delivery;
    return open_ended(txn, aborted(txn, txn->open, "giving up", &delivery, info));
}

/* The transaction cannot be committed, as `error` (consumed) says: abort it and tell the caller why. */
static enum err refused(const struct log_txn *txn, struct txn_producer *producer, struct err_info *info,
                        const char *what, rd_kafka_error_t *error) {
    enum err class = class_of_refusal(rd_kafka_error_code(error));
    rd_kafka_resp_err_t delivery;
    enum err err = aborted(txn, producer, what, &delivery, info);
    if (err == ERR_NONE) {
        bool failed = delivery != RD_KAFKA_RESP_ERR_NO_ERROR;
        const char *words = failed ? rd_kafka_err2str(delivery) : rd_kafka_error_string(error);
        bool retriable = class == ERR_FENCED || !failed || client_error_is_passing(delivery);
        err = retriable ? err_set_retriable(info, class, "%s: %s", what, words)
                        : err_set(info, class, "%s: %s", what, words);
    }
    rd_kafka_error_destroy(error);
    return err;
}

/* Waits for the acknowledgements, and tells when all are there. What is late or has failed, the commit tells. */
static bool all_taken(const struct txn_producer *producer, const struct log_txn_end *end, int timeout_ms) {
    bool are_taken = rd_kafka_flush(producer->client, timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR &&
                     producer->failed_delivery == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (are_taken && end->on_taken != NULL) {
        end->on_taken(end->context);
    }
    return are_taken;
}

void log_txn_seal(struct log_txn *txn) {
    assert(txn->open != NULL && txn->sealed == NULL);
    txn->sealed = txn->open;
    txn->open = NULL;
}

enum err log_txn_finish(const struct log_txn *txn, const struct log_txn_end *end, struct err_info *info) {
    struct txn_producer *producer = txn->sealed;
    assert(end->offsets->cnt > 0);
    for (int i = 0; i < end->offsets->cnt; i++) {
        assert(end->offsets->elems[i].offset >= 0); /* others are skipped in silence, and fence nothing */
    }
    bool are_taken = all_taken(producer, end, 0); /* perhaps long before; else the offsets need not wait for that */
    rd_kafka_error_t *error = offsets_sent(producer, end->offsets, end->group);
    if (error != NULL) {
        /* Offsets that no broker answered (librdkafka's own codes are negative) may still be on their way, and would
         * count for this producer's next transaction. Erroneous state means that they were not sent: the transaction
         * had failed before. */
        rd_kafka_resp_err_t code = rd_kafka_error_code(error);
        bool unanswered = code < RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR__STATE &&
                          producer->failed_delivery == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (rd_kafka_error_is_fatal(error) || unanswered) {
            return doubt_taken(producer, info, "sending offsets", error);
        }
        return refused(txn, producer, info, "sending offsets", error);
    }
    if (!are_taken) {
        (void)all_taken(producer, end, time_left_ms(producer));
    }
    error = committed(producer);
    if (error != NULL) {
        return rd_kafka_error_txn_requires_abort(error) ? refused(txn, producer, info, "committing", error)
                                                        : doubt_taken(producer, info, "committing", error);
    }
    if (atomic_load(&producer->end_txn_sent) != 1) {
        return doubt(producer, info, "committing", "it was answered, but not asked for exactly once");
    }
    return ERR_NONE;
}

void log_txn_settle(struct log_txn *txn, enum err finished) {
    assert(txn->sealed != NULL);
    txn->in_doubt = txn->in_doubt || finished == ERR_IN_DOUBT;
    txn->ended = txn->sealed;
    txn->sealed = NULL;
}

enum err log_txn_commit(struct log_txn *txn, const rd_kafka_topic_partition_list_t *offsets,
                        const rd_kafka_consumer_group_metadata_t *group, struct err_info *info) {
    log_txn_seal(txn);
    enum err err = log_txn_finish(txn, &(struct log_txn_end){.offsets = offsets, .group = group}, info);
    log_txn_settle(txn, err);
    return err;
}

/* ---- a barrier --------------------------------------------------------------------------------------------------- */

/* Sends the records and waits until each is acknowledged by the leader and its replicas. */
static enum err barrier_written(struct log_txn *txn, const struct log_partition *partitions, size_t count,
                                struct err_info *info) {
    enum err err = ERR_NONE;
    for (size_t i = 0; i < count && err == ERR_NONE; i++) {
        err = log_txn_produce(txn, partitions[i].topic, partitions[i].partition, STR("barrier"), (struct str){0}, NULL,
                              0, info);
    }
    if (err == ERR_NONE && rd_kafka_flush(txn->open->client, time_left_ms(txn->open)) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        err = err_set_retriable(info, ERR_TIMEOUT, "a barrier was not acknowledged in time");
    }
    return err;
}

enum err log_txn_barrier(struct log_txn *txn, struct log_partition *partitions, size_t count, struct err_info *info) {
    enum err err = log_txn_begin(txn, info);
    if (err != ERR_NONE) {
        return err;
    }
    struct err_info abort_info = {0};
    rd_kafka_resp_err_t delivery;
    err = barrier_written(txn, partitions, count, info);
    enum err abort_err = open_ended(txn, aborted(txn, txn->open, "a barrier", &delivery, &abort_info));
    if (abort_err != ERR_NONE) {
        *info = abort_info;
        return abort_err;
    }
    if (err == ERR_NONE && delivery != RD_KAFKA_RESP_ERR_NO_ERROR) {
        err = client_error(info, delivery, "a barrier");
    }
    size_t written_count;
    const struct log_partition *written = log_txn_written(txn, &written_count);
    for (size_t i = 0; i < count && err == ERR_NONE; i++) {
        assert(i < written_count); /* one place for each, in their order */
        partitions[i].offset = written[i].offset;
        if (written[i].offset < 0) {
            err = err_set_retriable(info, ERR_KAFKA, "%s[%" PRId32 "]: the broker did not say where a barrier stands",
                                    partitions[i].topic, partitions[i].partition);
        }
    }
    return err;
}
