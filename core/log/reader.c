#include "core/log/reader.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <librdkafka/rdkafka.h>

#include "core/base/memory.h"
#include "core/base/timestamp.h"
#include "core/log/client.h"
#include "core/log/client_security.h"
#include "core/log/fetch_nudge.h"

enum {
    TOPICS_MAX = 64,
    METADATA_TIMEOUT_MS = 5000,
    LEADERS_LOOK_MS = 5000,
    LEADERS_WAIT_MS = 500, /* so long at least, past a time-out that is over */
    QUEUE_MAX_BYTES = 64 * 1024 * 1024,
    /* One fetch must be able to hold the largest batch; more per partition only delays the others. */
    FETCH_PARTITION_BYTES = 4 * 1024 * 1024,
    FETCH_BYTES = 16 * 1024 * 1024,
    FETCH_WAIT_MS = 50,
};

struct log_reader {
    rd_kafka_t *client;
    rd_kafka_queue_t *queue;
    rd_kafka_t *uncommitted; /* of a read_committed reader, for watermarks; NULL until asked for */
    char *brokers;
    char *client_id;
    enum log_isolation isolation;
    int fetch_min_bytes;
    int fetch_wait_ms;

    rd_kafka_topic_t *topics[TOPICS_MAX]; /* looked up ahead, and held so that they stay known */
    int topic_count;

    struct fetch_nudge nudge;

    rd_kafka_message_t **lent; /* until the next poll */
    size_t lent_count;
    size_t lent_capacity;
    rd_kafka_message_t *failed; /* an error that came behind records: told by the next poll */

    rd_kafka_resp_err_t trouble; /* the newest of the client as a whole, told by a poll that brings nothing */
    char trouble_text[160];
};

/* A single connection that is lost comes back by itself; that no broker can be reached, or that we are refused, is for
 * the caller. Thread: the reader's, within poll. */
static void on_trouble(rd_kafka_t *client, int error, const char *reason, void *context) {
    (void)client;
    struct log_reader *reader = context;
    if (error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__TIMED_OUT) {
        return;
    }
    reader->trouble = (rd_kafka_resp_err_t)error;
    /* Who tells a trouble once compares texts. */
    client_line_told(reason, reader->trouble_text, sizeof reader->trouble_text);
}

/* A client of its own group in name only: nothing is subscribed to and nothing is committed. */
static enum err consumer_new(struct log_reader *reader, enum log_isolation isolation, int64_t queue_max_bytes,
                             rd_kafka_t **ret_client, struct err_info *info) {
    const struct client_setting settings[] = {
        CLIENT_TEXT("group.id", reader->client_id),
        CLIENT_TEXT("enable.auto.commit", "false"),
        CLIENT_TEXT("enable.auto.offset.store", "false"),
        CLIENT_TEXT("enable.partition.eof", "true"),
        CLIENT_TEXT("auto.offset.reset", "error"),
        CLIENT_TEXT("allow.auto.create.topics", "false"),
        /* A leader of before that goes on answering gives no reason to look for another. */
        CLIENT_NUMBER("topic.metadata.refresh.interval.ms", LEADERS_LOOK_MS),
        CLIENT_TEXT("isolation.level", isolation == LOG_READ_COMMITTED ? "read_committed" : "read_uncommitted"),
        CLIENT_NUMBER("queued.max.messages.kbytes", (queue_max_bytes + 1023) / 1024),
        /* The bound is in bytes: at a bound in records librdkafka (2.0) stops fetching and looks again a second later.
         */
        CLIENT_NUMBER("queued.min.messages", 10000000),
        /* An answer is held until its last record was taken: one that is larger than the queue would be its true bound.
         * (A batch that is larger still comes, alone: KIP-74.) */
        CLIENT_NUMBER("fetch.message.max.bytes",
                      queue_max_bytes < FETCH_PARTITION_BYTES ? queue_max_bytes : FETCH_PARTITION_BYTES),
        CLIENT_NUMBER("fetch.max.bytes", queue_max_bytes < FETCH_BYTES ? queue_max_bytes : FETCH_BYTES),
        /* An end of partition is told by an empty answer, and a new assignment waits for the answer in flight. */
        CLIENT_NUMBER("fetch.wait.max.ms", reader->fetch_wait_ms),
        CLIENT_NUMBER("fetch.min.bytes", reader->fetch_min_bytes > 0 ? reader->fetch_min_bytes : 1),
        CLIENT_NUMBER("fetch.error.backoff.ms", 100),
    };
    rd_kafka_conf_t *conf = client_conf(reader->brokers, reader->client_id, settings, ARRAY_LENGTH(settings));
    rd_kafka_conf_set_opaque(conf, reader);
    rd_kafka_conf_set_error_cb(conf, on_trouble);
    return client_new(RD_KAFKA_CONSUMER, conf, ret_client, info);
}

enum err log_reader_open(const struct log_reader_options *options, struct log_reader **ret_reader,
                         struct err_info *info) {
    struct log_reader *reader = calloc_or_end(1, sizeof *reader);
    reader->brokers = strdup_or_end(options->brokers);
    reader->client_id = strdup_or_end(options->client_id);
    reader->isolation = options->isolation;
    reader->fetch_min_bytes = options->fetch_min_bytes;
    reader->fetch_wait_ms = options->fetch_wait_ms > 0 ? options->fetch_wait_ms : FETCH_WAIT_MS;
    int64_t queue_max_bytes = options->queue_max_bytes > 0 ? options->queue_max_bytes : QUEUE_MAX_BYTES;
    fetch_nudge_init(&reader->nudge, queue_max_bytes);
    enum err err = consumer_new(reader, options->isolation, queue_max_bytes, &reader->client, info);
    if (err != ERR_NONE) {
        log_reader_close(reader);
        return err;
    }
    rd_kafka_poll_set_consumer(reader->client);
    reader->queue = rd_kafka_queue_get_consumer(reader->client);
    *ret_reader = reader;
    return ERR_NONE;
}

static void give_back_lent(struct log_reader *reader) {
    for (size_t i = 0; i < reader->lent_count; i++) {
        rd_kafka_message_destroy(reader->lent[i]);
    }
    reader->lent_count = 0;
}

static void drop_failed(struct log_reader *reader) {
    if (reader->failed != NULL) {
        rd_kafka_message_destroy(reader->failed);
        reader->failed = NULL;
    }
}

void log_reader_close(struct log_reader *reader) {
    if (reader == NULL) {
        return;
    }
    give_back_lent(reader);
    drop_failed(reader);
    for (int i = 0; i < reader->topic_count; i++) {
        rd_kafka_topic_destroy(reader->topics[i]);
    }
    fetch_nudge_release(&reader->nudge);
    if (reader->client != NULL) {
        rd_kafka_queue_destroy(reader->queue);
        rd_kafka_consumer_close(reader->client);
        rd_kafka_destroy(reader->client);
    }
    if (reader->uncommitted != NULL) {
        rd_kafka_destroy(reader->uncommitted);
    }
    free(reader->lent);
    free(reader->brokers);
    free(reader->client_id);
    free(reader);
}

/* Left to itself, librdkafka looks a topic that is new to it up once a second. Past TOPICS_MAX that is how it goes. */
static enum err learn_topic(struct log_reader *reader, const char *topic, struct err_info *info) {
    for (int i = 0; i < reader->topic_count; i++) {
        if (strcmp(rd_kafka_topic_name(reader->topics[i]), topic) == 0) {
            return ERR_NONE;
        }
    }
    if (reader->topic_count == TOPICS_MAX) {
        return ERR_NONE;
    }
    rd_kafka_topic_t *handle = rd_kafka_topic_new(reader->client, topic, NULL);
    const rd_kafka_metadata_t *metadata;
    rd_kafka_resp_err_t error = rd_kafka_metadata(reader->client, 0, handle, &metadata, METADATA_TIMEOUT_MS);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_topic_destroy(handle);
        return client_error(info, error, topic);
    }
    rd_kafka_metadata_destroy(metadata);
    reader->topics[reader->topic_count++] = handle;
    return ERR_NONE;
}

enum err log_reader_assign(struct log_reader *reader, const struct log_partition *partitions, size_t count,
                           struct err_info *info) {
    give_back_lent(reader);
    drop_failed(reader);
    for (size_t i = 0; i < count; i++) {
        enum err err = learn_topic(reader, partitions[i].topic, info);
        if (err != ERR_NONE) {
            return err;
        }
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        assert(partitions[i].offset >= 0); /* librdkafka's negative, logical offsets would be a reset */
        rd_kafka_topic_partition_list_add(list, partitions[i].topic, partitions[i].partition)->offset =
            partitions[i].offset;
    }
    rd_kafka_resp_err_t error = rd_kafka_assign(reader->client, list);
    fetch_nudge_assigned(&reader->nudge, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return client_error(info, error, "assigning partitions");
    }
    return ERR_NONE;
}

/* ---- polling ------------------------------------------------------------------------------------------------------
 */

static enum err message_error(const rd_kafka_message_t *message, struct err_info *info) {
    const char *topic = message->rkt != NULL ? rd_kafka_topic_name(message->rkt) : "the log";
    const char *words = message->payload != NULL ? rd_kafka_message_errstr(message) : rd_kafka_err2str(message->err);
    if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
        return err_set(info, ERR_CONFLICT, "%s[%" PRId32 "]: offset %" PRId64 " does not exist: %s", topic,
                       message->partition, message->offset, words);
    }
    /* A topic that is not there yet, or no more, is for the caller to judge: polling on looks again. */
    bool missing = message->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
                   message->err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
                   message->err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
    return missing || client_error_is_passing(message->err)
               ? err_set_retriable(info, ERR_KAFKA, "%s[%" PRId32 "]: %s", topic, message->partition, words)
               : err_set(info, ERR_KAFKA, "%s[%" PRId32 "]: %s", topic, message->partition, words);
}

static struct log_record record_of(rd_kafka_message_t *message) {
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_ms = rd_kafka_message_timestamp(message, &type);
    bool end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
    return (struct log_record){
        .topic = rd_kafka_topic_name(message->rkt),
        .partition = message->partition,
        .offset = message->offset,
        .timestamp_us = !end && timestamp_ms > 0 ? timestamp_ms * MICROS_PER_MS : 0,
        .key = end ? (struct str){0} : str_of(message->key, message->key_len),
        .value = end ? (struct str){0} : str_of(message->payload, message->len),
        .end = end,
        .opaque = message,
    };
}

/* Fills `lent` from the client's queue: waits for the first, takes what else is there. (Asking for a batch with a
 * time-out would wait until the batch is full.) */
static void fetch(struct log_reader *reader, int timeout_ms, size_t capacity) {
    if (reader->lent_capacity < capacity) {
        reader->lent = realloc_or_end(reader->lent, capacity * sizeof *reader->lent);
        reader->lent_capacity = capacity;
    }
    fetch_nudge_ask(&reader->nudge, reader->client); /* now, when the caller is done with what he took */
    rd_kafka_message_t *first = rd_kafka_consumer_poll(reader->client, timeout_ms);
    if (first == NULL) {
        fetch_nudge_took(&reader->nudge, NULL);
        return;
    }
    reader->lent[0] = first;
    ssize_t more = capacity > 1 ? rd_kafka_consume_batch_queue(reader->queue, 0, reader->lent + 1, capacity - 1) : 0;
    reader->lent_count = 1 + (more > 0 ? (size_t)more : 0);
    for (size_t i = 0; i < reader->lent_count; i++) {
        fetch_nudge_took(&reader->nudge, reader->lent[i]);
    }
}

/* An error behind records is kept for the next poll; what came behind the error is kept out: a not retriable one ends
 * the reader's use, a retriable one concerns a single partition, whose own records do not follow it. */
static void records_of_lent(struct log_reader *reader, struct log_record *ret_records, size_t *ret_count) {
    size_t count = 0;
    size_t kept = 0;
    for (size_t i = 0; i < reader->lent_count; i++) {
        rd_kafka_message_t *message = reader->lent[i];
        bool is_record = message->err == RD_KAFKA_RESP_ERR_NO_ERROR || message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (is_record) {
            ret_records[count++] = record_of(message);
            reader->lent[kept++] = message;
        } else if (reader->failed == NULL) {
            reader->failed = message;
        } else {
            rd_kafka_message_destroy(message);
        }
    }
    reader->lent_count = kept;
    *ret_count = count;
}

enum err log_reader_poll(struct log_reader *reader, int timeout_ms, struct log_record *ret_records, size_t capacity,
                         size_t *ret_count, struct err_info *info) {
    assert(capacity > 0);
    give_back_lent(reader);
    if (reader->failed == NULL) {
        fetch(reader, timeout_ms, capacity);
        size_t count;
        records_of_lent(reader, ret_records, &count);
        if (count > 0) {
            reader->trouble = RD_KAFKA_RESP_ERR_NO_ERROR;
            *ret_count = count;
            return ERR_NONE;
        }
    }
    if (reader->failed != NULL) {
        enum err err = message_error(reader->failed, info);
        drop_failed(reader);
        return err;
    }
    if (reader->trouble != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_resp_err_t trouble = reader->trouble;
        reader->trouble = RD_KAFKA_RESP_ERR_NO_ERROR;
        return client_error(info, trouble, reader->trouble_text);
    }
    *ret_count = 0;
    return ERR_NONE;
}

void log_reader_wake(struct log_reader *reader) {
    rd_kafka_queue_yield(reader->queue);
}

/* ---- asking --------------------------------------------------------------------------------------------------------
 */

/* One end of each partition. (rd_kafka_query_watermark_offsets asks the same, but does not keep to its time-out once a
 * broker goes away: librdkafka 2.0.2 then waits for a minute.) */
static enum err offsets_told(rd_kafka_t *client, enum log_end which, struct log_partition *partitions, size_t count,
                             int timeout_ms, struct err_info *info) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        /* The protocol's timestamps -1 and -2 are the two ends. */
        rd_kafka_topic_partition_list_add(list, partitions[i].topic, partitions[i].partition)->offset =
            which == LOG_END_FIRST ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END;
    }
    rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(client, list, timeout_ms);
    enum err err = error == RD_KAFKA_RESP_ERR_NO_ERROR ? ERR_NONE : client_error(info, error, "asking for offsets");
    for (size_t i = 0; i < count && err == ERR_NONE; i++) {
        error = list->elems[i].err;
        if (error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
            error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
            err = err_set(info, ERR_NOT_FOUND, "%s[%" PRId32 "] does not exist", partitions[i].topic,
                          partitions[i].partition);
        } else if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
            err = client_error(info, error, partitions[i].topic);
        }
    }
    for (size_t i = 0; i < count && err == ERR_NONE; i++) {
        partitions[i].offset = list->elems[i].offset;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return err;
}

static int ms_until(int64_t deadline_us) {
    int64_t left_us = deadline_us - clock_boot_us();
    return left_us > 0 ? (int)(left_us / MICROS_PER_MS) : 0;
}

/* A client that only asks for offsets goes on asking whoever led a partition when it heard of it first: librdkafka
 * 2.0.2 looks leaders up again only for what it fetches or produces. So a refusal makes it look, and ask again. */
static enum err ask_offsets(rd_kafka_t *client, enum log_end which, struct log_partition *partitions, size_t count,
                            int timeout_ms, struct err_info *info) {
    int64_t deadline_us = clock_boot_us() + timeout_ms * (int64_t)MICROS_PER_MS;
    struct err_info first = {0};
    enum err err = offsets_told(client, which, partitions, count, timeout_ms, &first);
    if (info != NULL) {
        *info = first;
    }
    if (err == ERR_NONE || !first.retriable) {
        return err;
    }
    const rd_kafka_metadata_t *metadata;
    int left_ms = ms_until(deadline_us);
    rd_kafka_resp_err_t error =
        rd_kafka_metadata(client, 1, NULL, &metadata, left_ms > LEADERS_WAIT_MS ? left_ms : LEADERS_WAIT_MS);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return err; /* the first reason is the better one to tell */
    }
    rd_kafka_metadata_destroy(metadata);
    left_ms = ms_until(deadline_us);
    return left_ms > 0 ? offsets_told(client, which, partitions, count, left_ms, info) : err;
}

/* Who is asked where partitions end. */
static enum err asked_client(struct log_reader *reader, rd_kafka_t **ret_client, struct err_info *info) {
    rd_kafka_t *client = reader->client;
    if (reader->isolation == LOG_READ_COMMITTED) {
        if (reader->uncommitted == NULL) {
            enum err err = consumer_new(reader, LOG_READ_UNCOMMITTED, QUEUE_MAX_BYTES, &reader->uncommitted, info);
            if (err != ERR_NONE) {
                return err;
            }
        }
        client = reader->uncommitted;
    }
    *ret_client = client;
    return ERR_NONE;
}

/* Nobody else takes what is told of the second client. */
static void asked_served(struct log_reader *reader) {
    if (reader->uncommitted != NULL) {
        rd_kafka_poll(reader->uncommitted, 0);
    }
}

enum err log_reader_watermarks(struct log_reader *reader, const char *topic, int32_t partition, int timeout_ms,
                               int64_t *ret_low, int64_t *ret_high, struct err_info *info) {
    rd_kafka_t *client;
    enum err err = asked_client(reader, &client, info);
    if (err != ERR_NONE) {
        return err;
    }
    struct log_partition low = {.topic = topic, .partition = partition}, high = low;
    err = ask_offsets(client, LOG_END_FIRST, &low, 1, timeout_ms, info);
    if (err == ERR_NONE) {
        err = ask_offsets(client, LOG_END_NEXT, &high, 1, timeout_ms, info);
    }
    asked_served(reader);
    if (err == ERR_NONE) {
        *ret_low = low.offset;
        *ret_high = high.offset;
    }
    return err;
}

enum err log_reader_ends(struct log_reader *reader, enum log_end which, struct log_partition *partitions, size_t count,
                         int timeout_ms, struct err_info *info) {
    rd_kafka_t *client;
    enum err err = asked_client(reader, &client, info);
    if (err == ERR_NONE) {
        err = ask_offsets(client, which, partitions, count, timeout_ms, info);
        asked_served(reader);
    }
    return err;
}

enum err log_reader_cluster_id(struct log_reader *reader, int timeout_ms, char *ret_id, size_t size,
                               struct err_info *info) {
    char *id = rd_kafka_clusterid(reader->client, timeout_ms);
    if (id == NULL) {
        return err_set_retriable(info, ERR_KAFKA, "the cluster's id is not known yet");
    }
    size_t len = strlen(id);
    if (len > 0 && len < size) {
        memcpy(ret_id, id, len + 1);
    }
    rd_kafka_mem_free(reader->client, id);
    return len > 0 && len < size ? ERR_NONE : err_set(info, ERR_KAFKA, "the cluster's id is too long");
}

enum err log_reader_check_shards(struct log_reader *reader, const char *topic, int32_t shards, int timeout_ms,
                                 struct err_info *info) {
    rd_kafka_topic_t *handle = rd_kafka_topic_new(reader->client, topic, NULL);
    const rd_kafka_metadata_t *metadata;
    rd_kafka_resp_err_t error = rd_kafka_metadata(reader->client, 0, handle, &metadata, timeout_ms);
    rd_kafka_topic_destroy(handle);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return client_error(info, error, topic);
    }
    const rd_kafka_metadata_topic_t *found = metadata->topic_cnt == 1 ? &metadata->topics[0] : NULL;
    enum err err = ERR_NONE;
    if (found != NULL && found->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        err = client_error(info, found->err, topic);
    } else if (found != NULL && found->partition_cnt != shards) {
        err = client_shards_differ(info, topic, found->partition_cnt, shards);
    }
    rd_kafka_metadata_destroy(metadata);
    return err;
}

struct str log_record_header(const struct log_record *record, const char *name) {
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;
    if (record->end || rd_kafka_message_headers(record->opaque, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return (struct str){0};
    }
    return str_of(value, size);
}
