#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/testing/simulator/client.h"

enum { BATCH_RECORDS_MAX = 10000, DELIVERY_TIMEOUT_MS = 300000 };

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
        copy[i] = (struct broker_header){strdup(headers->items[i].name),
                                         str_of(bytes_copied(value.data, value.len), value.len)};
    }
    return copy;
}

/* A request may arrive long after the message that it was made of is gone: it has bytes of its own. */
static struct broker_record record_of(const struct message *message) {
    return (struct broker_record){
        .key = str_of(bytes_copied(message->shown.key, message->shown.key_len), message->shown.key_len),
        .value = str_of(bytes_copied(message->shown.payload, message->shown.len), message->shown.len),
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
        message_report(produce->client, message, RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_MSG_STATUS_PERSISTED);
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
        message_report(produce->client, message, error, status);
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
            message_report(client, queue_pop(&partition->waiting), RD_KAFKA_RESP_ERR__MSG_TIMED_OUT,
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
