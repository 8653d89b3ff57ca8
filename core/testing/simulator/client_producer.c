#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/testing/simulator/client.h"

enum { BATCH_RECORDS_MAX = 10000, DELIVERY_TIMEOUT_MS = 300000 };

/* ---- records as they are handed over ----------------------------------------------------------------------------- */

static struct out_partition *out_partition_of(rd_kafka_t *client, const char *topic, int32_t number) {
    struct out_partition **at = &client->out;
    while (*at != NULL && ((*at)->number != number || strcmp((*at)->topic->name, topic) != 0)) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        *at = calloc(1, sizeof **at);
        assert(*at != NULL);
        (*at)->topic = client_topic(topic);
        (*at)->number = number;
    }
    return *at;
}

static void *copied(const void *bytes, size_t size) {
    if (bytes == NULL) {
        return NULL;
    }
    void *copy = malloc(size + 1);
    assert(copy != NULL);
    memcpy(copy, bytes, size);
    return copy;
}

/* What rd_kafka_producev was called with. */
struct produce_call {
    const char *topic;
    int32_t partition;
    const void *key, *value;
    size_t key_size, value_size;
    rd_kafka_headers_t *headers;
    void *opaque;
};

static void call_read(struct produce_call *call, va_list arguments) {
    for (;;) {
        switch ((int)va_arg(arguments, rd_kafka_vtype_t)) {
        case RD_KAFKA_VTYPE_END:
            return;
        case RD_KAFKA_VTYPE_TOPIC:
            call->topic = va_arg(arguments, const char *);
            break;
        case RD_KAFKA_VTYPE_PARTITION:
            call->partition = va_arg(arguments, int32_t);
            break;
        case RD_KAFKA_VTYPE_MSGFLAGS:
            (void)va_arg(arguments, int); /* everything is copied */
            break;
        case RD_KAFKA_VTYPE_KEY:
            call->key = va_arg(arguments, const void *);
            call->key_size = va_arg(arguments, size_t);
            break;
        case RD_KAFKA_VTYPE_VALUE:
            call->value = va_arg(arguments, const void *);
            call->value_size = va_arg(arguments, size_t);
            break;
        case RD_KAFKA_VTYPE_HEADERS:
            call->headers = va_arg(arguments, rd_kafka_headers_t *);
            break;
        case RD_KAFKA_VTYPE_OPAQUE:
            call->opaque = va_arg(arguments, void *);
            break;
        default:
            abort(); /* Daybook has begun to say more than this double understands */
        }
    }
}

static struct message *message_of(const struct produce_call *call) {
    struct message *message = message_new();
    message->shown.rkt = client_topic(call->topic);
    message->shown.partition = call->partition;
    message->shown.key = copied(call->key, call->key_size);
    message->shown.key_len = call->key_size;
    message->shown.payload = copied(call->value, call->value_size);
    message->shown.len = call->value_size;
    message->shown.offset = RD_KAFKA_OFFSET_INVALID;
    message->shown._private = call->opaque;
    message->status = RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
    message->queued_at_us = sim_now_us();
    if (call->headers != NULL) {
        message->headers = *call->headers; /* what it points to is the message's from here on */
        free(call->headers);
    }
    return message;
}

static void linger_over(void *context) {
    producer_kick(context);
}

rd_kafka_resp_err_t rd_kafka_producev(rd_kafka_t *client, ...) {
    struct produce_call call = {0};
    va_list arguments;
    va_start(arguments, client);
    call_read(&call, arguments);
    va_end(arguments);
    assert(call.topic != NULL);
    if (client->fatal != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return RD_KAFKA_RESP_ERR__FATAL;
    }
    bool is_transactional = client_setting(client, "transactional.id") != NULL;
    if (is_transactional && client->step != STEP_BEGUN) {
        return RD_KAFKA_RESP_ERR__STATE;
    }
    if (call.value_size > (size_t)client_number(client, "message.max.bytes", 1000000)) {
        return RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    }
    if (broker_partition(call.topic, call.partition) == NULL) {
        return RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
    }
    if (client->out_count >= (size_t)client_number(client, "queue.buffering.max.messages", 100000)) {
        return RD_KAFKA_RESP_ERR__QUEUE_FULL;
    }
    struct out_partition *partition = out_partition_of(client, call.topic, call.partition);
    queue_push(&partition->waiting, message_of(&call));
    client->out_count++;
    if (is_transactional && !partition->is_added && !partition->is_asked) {
        txn_add_partition(client, partition);
    }
    sim_after(client_number(client, "linger.ms", 5) * 1000, client->process, linger_over, client);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ---- delivery reports -------------------------------------------------------------------------------------------- */

static void message_free(struct message *message) {
    for (size_t i = 0; i < message->headers.count; i++) {
        free((char *)message->headers.items[i].name);
        free((char *)message->headers.items[i].value.data);
    }
    free(message->shown.key);
    free(message->shown.payload);
    free(message);
}

static void report(rd_kafka_t *client, struct message *message, rd_kafka_resp_err_t error,
                   rd_kafka_msg_status_t status) {
    message->shown.err = error;
    message->status = status;
    message->is_report = true;
    client_push(client, message);
}

void producer_reports_serve(rd_kafka_t *client) {
    struct message *message;
    while ((message = queue_pop(&client->queue)) != NULL) {
        if (message->is_report) {
            client->out_count--;
            if (client->conf.on_report != NULL) {
                client->conf.on_report(client, &message->shown, client->conf.opaque);
            }
            message_free(message);
        } else {
            free(message);
        }
    }
}

int rd_kafka_poll(rd_kafka_t *client, int timeout_ms) {
    int served = 0;
    if (client_await(client, client_until(timeout_ms))) {
        served = (int)client->queue.count;
        if (client->type == RD_KAFKA_PRODUCER) {
            producer_reports_serve(client);
        }
    }
    return served;
}

rd_kafka_resp_err_t rd_kafka_flush(rd_kafka_t *client, int timeout_ms) {
    int64_t until_us = client_until(timeout_ms);
    producer_kick(client);
    producer_reports_serve(client);
    while (client->out_count > 0) {
        client->is_yielded = false;
        if (!client_await(client, until_us) && sim_now_us() >= until_us) {
            return RD_KAFKA_RESP_ERR__TIMED_OUT;
        }
        producer_reports_serve(client);
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void producer_purge(rd_kafka_t *client) {
    for (struct out_partition *partition = client->out; partition != NULL; partition = partition->next) {
        struct message *message;
        while ((message = queue_pop(&partition->waiting)) != NULL) {
            report(client, message, RD_KAFKA_RESP_ERR__PURGE_QUEUE, RD_KAFKA_MSG_STATUS_NOT_PERSISTED);
        }
    }
}

rd_kafka_resp_err_t rd_kafka_purge(rd_kafka_t *client, int flags) {
    producer_purge(client);
    if ((flags & RD_KAFKA_PURGE_F_INFLIGHT) == 0) {
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    for (struct out_partition *partition = client->out; partition != NULL; partition = partition->next) {
        struct message *message = partition->in_flight;
        partition->in_flight = NULL;
        partition->in_flight_count = 0;
        while (message != NULL) {
            struct message *next = message->next;
            report(client, message, RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED);
            message = next;
        }
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ---- a batch on its way ------------------------------------------------------------------------------------------ */

struct produce_request {
    struct wire_request request;
    rd_kafka_t *client;
    struct out_partition *partition;
    struct broker_producer producer;
    struct message *batch; /* what it was made of: that it is still in flight is to be looked at */
    uint64_t txn_number;
    int32_t sequence;
    struct broker_record *records;
    size_t count;
    int64_t offset;
    int64_t timestamp_ms;
};

static struct broker_header *headers_copied(const rd_kafka_headers_t *headers) {
    struct broker_header *copy = calloc(headers->count + 1, sizeof *copy);
    assert(copy != NULL);
    for (size_t i = 0; i < headers->count; i++) {
        struct str value = headers->items[i].value;
        copy[i] =
            (struct broker_header){strdup(headers->items[i].name), str_of(copied(value.data, value.len), value.len)};
    }
    return copy;
}

/* A request may arrive long after the message that it was made of is gone: it has bytes of its own. */
static struct broker_record record_of(const struct message *message) {
    return (struct broker_record){
        .key = str_of(copied(message->shown.key, message->shown.key_len), message->shown.key_len),
        .value = str_of(copied(message->shown.payload, message->shown.len), message->shown.len),
        .has_value = message->shown.payload != NULL,
        .headers = headers_copied(&message->headers),
        .header_count = message->headers.count,
    };
}

static void record_free(struct broker_record *record) {
    for (size_t i = 0; i < record->header_count; i++) {
        free((char *)record->headers[i].name);
        free((char *)record->headers[i].value.data);
    }
    free(record->headers);
    free((char *)record->key.data);
    free((char *)record->value.data);
}

static rd_kafka_resp_err_t produce_handle(struct wire_request *request) {
    struct produce_request *produce = (struct produce_request *)request;
    rd_kafka_resp_err_t error =
        broker_produce(&produce->producer, produce->partition->topic->name, produce->partition->number,
                       produce->sequence, produce->records, produce->count, &produce->offset);
    produce->timestamp_ms = broker_now_ms();
    return error;
}

static void produce_release(struct wire_request *request) {
    struct produce_request *produce = (struct produce_request *)request;
    for (size_t i = 0; i < produce->count; i++) {
        record_free(&produce->records[i]);
    }
    free(produce->records);
    free(produce);
}

static void batch_delivered(struct produce_request *produce, bool is_located) {
    struct out_partition *partition = produce->partition;
    struct message *message = partition->in_flight;
    int64_t offset = produce->offset;
    partition->in_flight = NULL;
    partition->in_flight_count = 0;
    partition->next_sequence = produce->sequence + (int32_t)produce->count;
    while (message != NULL) {
        struct message *next = message->next;
        message->shown.offset = is_located ? offset++ : RD_KAFKA_OFFSET_INVALID;
        message->timestamp_ms = is_located ? produce->timestamp_ms : 0;
        report(produce->client, message, RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_MSG_STATUS_PERSISTED);
        message = next;
    }
}

static void batch_failed(struct produce_request *produce, rd_kafka_resp_err_t error, rd_kafka_msg_status_t status) {
    struct out_partition *partition = produce->partition;
    struct message *message = partition->in_flight;
    partition->in_flight = NULL;
    partition->in_flight_count = 0;
    while (message != NULL) {
        struct message *next = message->next;
        report(produce->client, message, error, status);
        message = next;
    }
}

static void retry_later(void *context) {
    producer_kick(context);
}

static bool is_overdue(const rd_kafka_t *client, const struct message *message) {
    int64_t timeout_us = client_number(client, "delivery.timeout.ms", DELIVERY_TIMEOUT_MS) * 1000;
    return sim_now_us() - message->queued_at_us > timeout_us;
}

/* Refused for good. A transactional producer's transaction cannot be committed any more; another one's sequence is
 * broken, and it is of no use. */
static void batch_refused(struct produce_request *produce, rd_kafka_resp_err_t error) {
    rd_kafka_t *client = produce->client;
    batch_failed(produce, error, RD_KAFKA_MSG_STATUS_NOT_PERSISTED);
    client->must_renew_id = true;
    if (produce->producer.transactional_id != NULL) {
        txn_abortable(client, error, "Produce");
    } else if (error == RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER ||
               error == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH) {
        SIM_TRACE("%s: fatal: Produce: %s", client->name, rd_kafka_err2str(error));
        client->fatal = error;
        sim_wake(client);
    }
}

static void produce_answered(struct wire_request *request, rd_kafka_resp_err_t error) {
    struct produce_request *produce = (struct produce_request *)request;
    rd_kafka_t *client = produce->client;
    struct out_partition *partition = produce->partition;
    if (client->is_destroyed || partition->in_flight != produce->batch || partition->in_flight == NULL ||
        produce->txn_number != client->txn_number) {
        return; /* purged meanwhile */
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        batch_delivered(produce, true);
    } else if (error == RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER) {
        batch_delivered(produce, false);
    } else if (client_error_is_retried(error)) {
        client_troubled(client);
        if (is_overdue(client, partition->in_flight)) {
            /* It may stand in the log: whatever follows needs another producer id, or the gap would be refused. */
            batch_failed(produce, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED);
            client->must_renew_id = true;
            txn_abortable(client, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, "Produce");
        } else {
            partition->in_flight_count = 0; /* not under way: the next kick sends it again */
            sim_after(sim_between(1000, RETRY_PAUSE_US), client->process, retry_later, client);
            return;
        }
    } else {
        batch_refused(produce, error);
    }
    producer_kick(client);
}

static const struct wire_type produce_type = {"Produce", produce_handle, produce_answered, produce_release};

static void batch_send(rd_kafka_t *client, struct out_partition *partition) {
    size_t count = 0;
    for (const struct message *message = partition->in_flight; message != NULL; message = message->next) {
        count++;
    }
    struct produce_request *produce = calloc(1, sizeof *produce);
    struct broker_record *records = calloc(count + 1, sizeof *records);
    assert(produce != NULL && records != NULL);
    size_t at = 0;
    for (const struct message *message = partition->in_flight; message != NULL; message = message->next) {
        records[at++] = record_of(message);
    }
    *produce = (struct produce_request){.request = {.type = &produce_type},
                                        .client = client,
                                        .partition = partition,
                                        .producer = client->producer,
                                        .batch = partition->in_flight,
                                        .txn_number = client->txn_number,
                                        .sequence = partition->next_sequence,
                                        .records = records,
                                        .count = count};
    partition->in_flight_count = count;
    wire_send(&client->wire, &produce->request);
}

static void batch_take(struct out_partition *partition) {
    struct message **last = &partition->in_flight;
    for (size_t i = 0; i < BATCH_RECORDS_MAX && partition->waiting.count > 0; i++) {
        *last = queue_pop(&partition->waiting);
        last = &(*last)->next;
    }
    *last = NULL;
}

/* ---- the producer's id ------------------------------------------------------------------------------------------- */

struct id_request {
    struct wire_request request;
    rd_kafka_t *client;
    struct broker_producer producer;
};

static rd_kafka_resp_err_t id_handle(struct wire_request *request) {
    return broker_init_producer(NULL, 0, &((struct id_request *)request)->producer);
}

static void id_answered(struct wire_request *request, rd_kafka_resp_err_t error) {
    struct id_request *asked = (struct id_request *)request;
    rd_kafka_t *client = asked->client;
    client->asks_for_id = false;
    if (client->is_destroyed) {
        return;
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        client_troubled(client);
        sim_after(RETRY_PAUSE_US, client->process, retry_later, client);
        return;
    }
    client->producer = asked->producer;
    client->has_id = true;
    for (struct out_partition *partition = client->out; partition != NULL; partition = partition->next) {
        partition->next_sequence = 0;
    }
    producer_kick(client);
}

static void id_release(struct wire_request *request) {
    free(request);
}

static const struct wire_type id_type = {"InitProducerId", id_handle, id_answered, id_release};

static void id_ask(rd_kafka_t *client) {
    if (client->asks_for_id) {
        return;
    }
    client->asks_for_id = true;
    struct id_request *asked = calloc(1, sizeof *asked);
    assert(asked != NULL);
    asked->request.type = &id_type;
    asked->client = client;
    wire_send(&client->wire, &asked->request);
}

static bool has_in_flight(const rd_kafka_t *client) {
    for (const struct out_partition *partition = client->out; partition != NULL; partition = partition->next) {
        if (partition->in_flight != NULL) {
            return true;
        }
    }
    return false;
}

/* A record that waits for a connection, or for an id, may wait no longer than its time. */
static void overdue_report(rd_kafka_t *client) {
    for (struct out_partition *partition = client->out; partition != NULL; partition = partition->next) {
        while (partition->waiting.first != NULL && is_overdue(client, partition->waiting.first)) {
            report(client, queue_pop(&partition->waiting), RD_KAFKA_RESP_ERR__MSG_TIMED_OUT,
                   RD_KAFKA_MSG_STATUS_NOT_PERSISTED);
        }
    }
}

/* Whether records may go out. An id that is to be renewed goes on for what is in flight: it drains. */
static bool has_usable_id(rd_kafka_t *client) {
    if (client->must_renew_id && !has_in_flight(client)) {
        client->must_renew_id = client->has_id = false;
    }
    if (!client->has_id && client->out_count > 0) {
        id_ask(client);
    }
    return client->has_id;
}

void producer_kick(rd_kafka_t *client) {
    if (client->is_destroyed || client->fatal != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return;
    }
    bool is_transactional = client_setting(client, "transactional.id") != NULL;
    if (!is_transactional) {
        overdue_report(client);
        if (!has_usable_id(client)) {
            return;
        }
    }
    for (struct out_partition *partition = client->out; partition != NULL; partition = partition->next) {
        if (partition->in_flight_count > 0 || (is_transactional && !partition->is_added)) {
            continue;
        }
        if (partition->in_flight == NULL && (is_transactional || !client->must_renew_id)) {
            batch_take(partition);
        }
        if (partition->in_flight != NULL) {
            batch_send(client, partition);
        }
    }
}
