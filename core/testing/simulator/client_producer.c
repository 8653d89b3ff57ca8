#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/testing/simulator/client.h"

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

void *bytes_copied(const void *bytes, size_t size) {
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
    message->shown.key = bytes_copied(call->key, call->key_size);
    message->shown.key_len = call->key_size;
    message->shown.payload = bytes_copied(call->value, call->value_size);
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

void message_report(rd_kafka_t *client, struct message *message, rd_kafka_resp_err_t error,
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
            message_report(client, message, RD_KAFKA_RESP_ERR__PURGE_QUEUE, RD_KAFKA_MSG_STATUS_NOT_PERSISTED);
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
            message_report(client, message, RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED);
            message = next;
        }
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}
