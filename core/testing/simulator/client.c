#include "core/testing/simulator/client.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/testing/simulator/uv.h"

enum { TROUBLED_PAUSE_US = 1000 * 1000 };

int rd_kafka_version(void) {
    return RD_KAFKA_VERSION;
}

const char *rd_kafka_version_str(void) {
    return "the simulator's";
}

/* ---- configuration ----------------------------------------------------------------------------------------------- */

rd_kafka_conf_t *rd_kafka_conf_new(void) {
    rd_kafka_conf_t *conf = calloc(1, sizeof *conf);
    assert(conf != NULL);
    return conf;
}

void rd_kafka_conf_destroy(rd_kafka_conf_t *conf) {
    for (size_t i = 0; i < conf->count; i++) {
        free(conf->settings[i].name);
        free(conf->settings[i].value);
    }
    free(conf);
}

rd_kafka_conf_res_t rd_kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, char *why,
                                      size_t why_size) {
    (void)why, (void)why_size;
    assert(conf->count < CLIENT_SETTINGS_MAX);
    conf->settings[conf->count].name = strdup(name);
    conf->settings[conf->count++].value = strdup(value);
    return RD_KAFKA_CONF_OK;
}

void rd_kafka_conf_set_log_cb(rd_kafka_conf_t *conf, void (*log)(const rd_kafka_t *, int, const char *, const char *)) {
    (void)conf, (void)log;
}

void rd_kafka_conf_set_opaque(rd_kafka_conf_t *conf, void *opaque) {
    conf->opaque = opaque;
}

void rd_kafka_conf_set_dr_msg_cb(rd_kafka_conf_t *conf,
                                 void (*on_report)(rd_kafka_t *, const rd_kafka_message_t *, void *)) {
    conf->on_report = on_report;
}

void rd_kafka_conf_set_rebalance_cb(rd_kafka_conf_t *conf,
                                    void (*on_rebalance)(rd_kafka_t *, rd_kafka_resp_err_t,
                                                         rd_kafka_topic_partition_list_t *, void *)) {
    conf->on_rebalance = on_rebalance;
}

void rd_kafka_conf_set_error_cb(rd_kafka_conf_t *conf, void (*on_error)(rd_kafka_t *, int, const char *, void *)) {
    conf->on_error = on_error;
}

rd_kafka_resp_err_t rd_kafka_conf_interceptor_add_on_new(rd_kafka_conf_t *conf, const char *name,
                                                         rd_kafka_interceptor_f_on_new_t *on_new, void *context) {
    (void)name;
    conf->on_new = on_new;
    conf->on_new_context = context;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t rd_kafka_interceptor_add_on_request_sent(rd_kafka_t *client, const char *name,
                                                             rd_kafka_interceptor_f_on_request_sent_t *on_sent,
                                                             void *context) {
    (void)name;
    client->on_request_sent = on_sent;
    client->on_request_sent_context = context;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

const char *client_setting(const rd_kafka_t *client, const char *name) {
    const char *value = NULL;
    for (size_t i = 0; i < client->conf.count; i++) {
        value = strcmp(client->conf.settings[i].name, name) == 0 ? client->conf.settings[i].value : value;
    }
    return value;
}

int64_t client_number(const rd_kafka_t *client, const char *name, int64_t otherwise) {
    const char *value = client_setting(client, name);
    return value == NULL ? otherwise : strtoll(value, NULL, 10);
}

bool client_reads_committed(const rd_kafka_t *client) {
    const char *isolation = client_setting(client, "isolation.level");
    return isolation == NULL || strcmp(isolation, "read_committed") == 0;
}

struct broker_offset client_offset(const rd_kafka_topic_partition_t *place) {
    assert(place->metadata_size < BROKER_NOTE_MAX);
    struct broker_offset offset = {
        .topic = client_topic(place->topic)->name, .partition = place->partition, .offset = place->offset};
    memcpy(offset.note, place->metadata_size > 0 ? place->metadata : "", place->metadata_size);
    return offset;
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

const char *rd_kafka_err2str(rd_kafka_resp_err_t error) {
    static const struct {
        rd_kafka_resp_err_t error;
        const char *words;
    } known[] = {
        {RD_KAFKA_RESP_ERR_NO_ERROR, "no error"},
        {RD_KAFKA_RESP_ERR__TRANSPORT, "the connection broke"},
        {RD_KAFKA_RESP_ERR__TIMED_OUT, "timed out"},
        {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, "the record's time is over"},
        {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "no broker can be reached"},
        {RD_KAFKA_RESP_ERR__FENCED, "fenced by a newer producer"},
        {RD_KAFKA_RESP_ERR__STATE, "not possible in this state"},
        {RD_KAFKA_RESP_ERR__PURGE_QUEUE, "purged from the queue"},
        {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, "purged in flight"},
        {RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, "the offset does not exist"},
        {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, "an older generation of the group"},
        {RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, "not a member of the group"},
        {RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, "the group rebalances"},
        {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, "an older epoch of the producer"},
        {RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, "no such transaction is open"},
        {RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, "the transaction before is being ended"},
        {RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT, "a transaction holds the offset back"},
        {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "a sequence number out of order"},
        {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "unknown topic or partition"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        if (known[i].error == error) {
            return known[i].words;
        }
    }
    static char other[32];
    snprintf(other, sizeof other, "error %d", error);
    return other;
}

bool client_error_is_retried(rd_kafka_resp_err_t error) {
    static const rd_kafka_resp_err_t retried[] = {
        RD_KAFKA_RESP_ERR__TRANSPORT,
        RD_KAFKA_RESP_ERR__TIMED_OUT,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
        RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
        RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS,
        RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT,
    };
    for (size_t i = 0; i < ARRAY_LENGTH(retried); i++) {
        if (retried[i] == error) {
            return true;
        }
    }
    return false;
}

rd_kafka_error_t *client_error_new(rd_kafka_resp_err_t code, const char *format, ...) {
    rd_kafka_error_t *error = calloc(1, sizeof *error);
    assert(error != NULL);
    error->code = code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return error;
}

void rd_kafka_error_destroy(rd_kafka_error_t *error) {
    free(error);
}

const char *rd_kafka_error_string(const rd_kafka_error_t *error) {
    return error->text;
}

rd_kafka_resp_err_t rd_kafka_error_code(const rd_kafka_error_t *error) {
    return error == NULL ? RD_KAFKA_RESP_ERR_NO_ERROR : error->code;
}

int rd_kafka_error_is_retriable(const rd_kafka_error_t *error) {
    return error->is_retriable;
}

int rd_kafka_error_is_fatal(const rd_kafka_error_t *error) {
    return error->is_fatal;
}

int rd_kafka_error_txn_requires_abort(const rd_kafka_error_t *error) {
    return error->requires_abort;
}

rd_kafka_resp_err_t rd_kafka_fatal_error(rd_kafka_t *client, char *text, size_t size) {
    (void)text, (void)size;
    return client->fatal;
}

/* ---- clients ----------------------------------------------------------------------------------------------------- */

static rd_kafka_t *clients;

static void on_progress(const struct broker_partition *partition) {
    for (rd_kafka_t *client = clients; client != NULL; client = client->next) {
        for (size_t i = 0; i < client->in_count && !client->is_destroyed && client->process->is_alive; i++) {
            if (client->in[i].number == partition->number && strcmp(client->in[i].topic->name, partition->topic) == 0) {
                consumer_fetch(client, 0);
            }
        }
    }
}

/* Those of processes that are gone, and those that were destroyed, are not looked at again. */
static void clients_sweep(void) {
    for (rd_kafka_t **at = &clients; *at != NULL;) {
        rd_kafka_t *client = *at;
        if (client->is_destroyed || !client->process->is_alive) {
            *at = client->next;
        } else {
            at = &client->next;
        }
    }
}

rd_kafka_t *rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *why, size_t why_size) {
    (void)why, (void)why_size;
    rd_kafka_t *client = calloc(1, sizeof *client);
    assert(client != NULL);
    client->type = type;
    client->conf = *conf;
    free(conf);
    client->process = sim_self();
    client->queue.last = &client->queue.first;
    client->event_fd = -1;
    client->member.generation = -1;
    client->name = client_setting(client, "client.id");
    broker_on_progress = on_progress;
    clients_sweep();
    client->next = clients;
    clients = client;
    if (client->conf.on_new != NULL) {
        client->conf.on_new(client, &client->conf, client->conf.on_new_context, NULL, 0);
    }
    return client;
}

/* Its memory stays: requests of it may be on their way. */
void rd_kafka_destroy(rd_kafka_t *client) {
    client->is_destroyed = true;
    if (client->type == RD_KAFKA_CONSUMER && client->member.topic != NULL && !client->member.is_closed) {
        member_leave(client);
    }
}

char *rd_kafka_clusterid(rd_kafka_t *client, int timeout_ms) {
    (void)client, (void)timeout_ms;
    return strdup("simulated-cluster");
}

void rd_kafka_mem_free(rd_kafka_t *client, void *memory) {
    (void)client;
    free(memory);
}

/* ---- queues ------------------------------------------------------------------------------------------------------ */

void queue_push(struct message_queue *queue, struct message *message) {
    if (queue->last == NULL) {
        queue->last = &queue->first;
    }
    message->next = NULL;
    *queue->last = message;
    queue->last = &message->next;
    queue->count++;
}

struct message *queue_pop(struct message_queue *queue) {
    struct message *message = queue->first;
    if (message != NULL) {
        queue->first = message->next;
        queue->last = queue->first == NULL ? &queue->first : queue->last;
        queue->count--;
    }
    return message;
}

struct message *message_new(void) {
    struct message *message = calloc(1, sizeof *message);
    assert(message != NULL);
    return message;
}

void client_push(rd_kafka_t *client, struct message *message) {
    queue_push(&client->queue, message);
    sim_wake(client);
    if (client->event_fd >= 0 && client->queue.count == 1) {
        sim_uv_fd_ready(client->event_fd);
    }
}

int64_t client_until(int timeout_ms) {
    return timeout_ms < 0 ? INT64_MAX : sim_now_us() + (int64_t)timeout_ms * 1000;
}

bool client_await(rd_kafka_t *client, int64_t until_us) {
    while (client->queue.count == 0 && !client->is_yielded) {
        int64_t left_us = until_us - sim_now_us();
        if (left_us <= 0) {
            return false;
        }
        sim_wait(client, until_us == INT64_MAX ? -1 : left_us);
    }
    bool is_yielded = client->is_yielded && client->queue.count == 0;
    client->is_yielded = false;
    return !is_yielded;
}

void client_troubled(rd_kafka_t *client) {
    if (client->conf.on_error == NULL || broker_is_up() || sim_now_us() - client->troubled_us < TROUBLED_PAUSE_US) {
        return;
    }
    client->troubled_us = sim_now_us();
    struct message *message = message_new();
    message->is_error_callback = true;
    message->shown.err = RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
    client_push(client, message);
}

rd_kafka_queue_t *rd_kafka_queue_get_main(rd_kafka_t *client) {
    rd_kafka_queue_t *queue = calloc(1, sizeof *queue);
    assert(queue != NULL);
    queue->client = client;
    return queue;
}

rd_kafka_queue_t *rd_kafka_queue_get_consumer(rd_kafka_t *client) {
    return rd_kafka_queue_get_main(client);
}

void rd_kafka_queue_destroy(rd_kafka_queue_t *queue) {
    free(queue);
}

void rd_kafka_queue_yield(rd_kafka_queue_t *queue) {
    assert(!queue->client->is_closing);
    queue->client->is_yielded = true;
    sim_wake(queue->client);
}

void rd_kafka_queue_io_event_enable(rd_kafka_queue_t *queue, int fd, const void *payload, size_t size) {
    (void)payload, (void)size;
    queue->client->event_fd = fd;
}

/* ---- topics, headers --------------------------------------------------------------------------------------------- */

rd_kafka_topic_t *client_topic(const char *name) {
    static rd_kafka_topic_t *topics[64];
    static size_t count;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(topics[i]->name, name) == 0) {
            return topics[i];
        }
    }
    assert(count < ARRAY_LENGTH(topics));
    topics[count] = calloc(1, sizeof *topics[count]);
    assert(topics[count] != NULL);
    topics[count]->name = strdup(name);
    return topics[count++];
}

rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *client, const char *name, rd_kafka_topic_conf_t *conf) {
    (void)client, (void)conf;
    return client_topic(name);
}

void rd_kafka_topic_destroy(rd_kafka_topic_t *topic) {
    (void)topic;
}

const char *rd_kafka_topic_name(const rd_kafka_topic_t *topic) {
    return topic->name;
}

rd_kafka_headers_t *rd_kafka_headers_new(size_t count) {
    assert(count <= BROKER_HEADERS_MAX);
    rd_kafka_headers_t *headers = calloc(1, sizeof *headers);
    assert(headers != NULL);
    return headers;
}

rd_kafka_resp_err_t rd_kafka_header_add(rd_kafka_headers_t *headers, const char *name, ssize_t name_size,
                                        const void *value, ssize_t value_size) {
    (void)name_size;
    char *copy = malloc((size_t)value_size + 1);
    assert(copy != NULL && headers->count < BROKER_HEADERS_MAX);
    memcpy(copy, value_size > 0 ? value : "", (size_t)value_size);
    headers->items[headers->count++] = (struct broker_header){strdup(name), str_of(copy, (size_t)value_size)};
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void rd_kafka_headers_destroy(rd_kafka_headers_t *headers) {
    for (size_t i = 0; i < headers->count; i++) {
        free((char *)headers->items[i].name);
        free((char *)headers->items[i].value.data);
    }
    free(headers);
}

rd_kafka_resp_err_t rd_kafka_message_headers(const rd_kafka_message_t *shown, rd_kafka_headers_t **ret_headers) {
    struct message *message = (struct message *)shown;
    if (message->headers.count == 0) {
        return RD_KAFKA_RESP_ERR__NOENT;
    }
    *ret_headers = &message->headers;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t rd_kafka_header_get_last(const rd_kafka_headers_t *headers, const char *name,
                                             const void **ret_value, size_t *ret_size) {
    for (size_t i = headers->count; i > 0; i--) {
        if (strcmp(headers->items[i - 1].name, name) == 0) {
            *ret_value = headers->items[i - 1].value.data;
            *ret_size = headers->items[i - 1].value.len;
            return RD_KAFKA_RESP_ERR_NO_ERROR;
        }
    }
    return RD_KAFKA_RESP_ERR__NOENT;
}

int64_t rd_kafka_message_timestamp(const rd_kafka_message_t *shown, rd_kafka_timestamp_type_t *ret_type) {
    const struct message *message = (const struct message *)shown;
    *ret_type = message->timestamp_ms > 0 ? RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME : RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    return message->timestamp_ms;
}

rd_kafka_msg_status_t rd_kafka_message_status(const rd_kafka_message_t *shown) {
    return ((const struct message *)shown)->status;
}

const char *rd_kafka_message_errstr(const rd_kafka_message_t *shown) {
    return rd_kafka_err2str(shown->err);
}

void rd_kafka_message_destroy(rd_kafka_message_t *shown) {
    free(shown); /* a fetched one: its bytes are the broker's */
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

rd_kafka_topic_partition_list_t *rd_kafka_topic_partition_list_new(int size) {
    (void)size;
    rd_kafka_topic_partition_list_t *list = calloc(1, sizeof *list);
    assert(list != NULL);
    return list;
}

rd_kafka_topic_partition_t *rd_kafka_topic_partition_list_add(rd_kafka_topic_partition_list_t *list, const char *topic,
                                                              int32_t partition) {
    if (list->cnt == list->size) {
        list->size = list->size == 0 ? 8 : list->size * 2;
        list->elems = realloc(list->elems, (size_t)list->size * sizeof *list->elems);
        assert(list->elems != NULL);
    }
    rd_kafka_topic_partition_t *added = &list->elems[list->cnt++];
    *added =
        (rd_kafka_topic_partition_t){.topic = strdup(topic), .partition = partition, .offset = RD_KAFKA_OFFSET_INVALID};
    return added;
}

rd_kafka_topic_partition_list_t *rd_kafka_topic_partition_list_copy(const rd_kafka_topic_partition_list_t *list) {
    rd_kafka_topic_partition_list_t *copy = rd_kafka_topic_partition_list_new(list->cnt);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *place = &list->elems[i];
        assert(place->metadata == NULL && "notes are not copied yet");
        rd_kafka_topic_partition_list_add(copy, place->topic, place->partition)->offset = place->offset;
    }
    return copy;
}

void rd_kafka_topic_partition_list_destroy(rd_kafka_topic_partition_list_t *list) {
    for (int i = 0; i < list->cnt; i++) {
        free(list->elems[i].topic);
        free(list->elems[i].metadata);
    }
    free(list->elems);
    free(list);
}
