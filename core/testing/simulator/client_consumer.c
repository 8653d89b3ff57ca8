#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/testing/simulator/client.h"

enum {
    FETCH_RECORDS_MAX = 500, /* a partition and fetch */
    QUEUED_MAX = 5000,       /* then the application comes first */
    FETCH_BROKEN_US = 50 * 1000,
    FETCH_WAIT_US = 50 * 1000, /* as fetch.wait.max.ms of our readers */
    IN_PARTITIONS_MAX = 64,
};

/* ---- what is read ------------------------------------------------------------------------------------------------ */

/* What was fetched for an older assignment is dropped. */
static void queue_forget(rd_kafka_t *client) {
    struct message_queue kept = {.last = &kept.first};
    struct message *message;
    while ((message = queue_pop(&client->queue)) != NULL) {
        if (message->is_error_callback) {
            queue_push(&kept, message);
        } else {
            free(message);
        }
    }
    client->queue = (struct message_queue){.last = &client->queue.first};
    while ((message = queue_pop(&kept)) != NULL) {
        queue_push(&client->queue, message);
    }
}

rd_kafka_resp_err_t rd_kafka_assign(rd_kafka_t *client, const rd_kafka_topic_partition_list_t *list) {
    client->assignment++;
    queue_forget(client);
    client->in_count = 0;
    for (int i = 0; list != NULL && i < list->cnt; i++) {
        assert(client->in_count < IN_PARTITIONS_MAX);
        const rd_kafka_topic_partition_t *place = &list->elems[i];
        client->in[client->in_count++] = (struct in_partition){.topic = client_topic(place->topic),
                                                               .number = place->partition,
                                                               .next_offset = place->offset >= 0 ? place->offset : -1,
                                                               .told_end = -1};
    }
    consumer_fetch(client, 0);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_error_t *rd_kafka_seek_partitions(rd_kafka_t *client, rd_kafka_topic_partition_list_t *list, int timeout_ms) {
    (void)timeout_ms;
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *place = &list->elems[i];
        place->err = RD_KAFKA_RESP_ERR__STATE;
        for (size_t j = 0; j < client->in_count; j++) {
            struct in_partition *in = &client->in[j];
            if (in->number == place->partition && strcmp(in->topic->name, place->topic) == 0) {
                in->next_offset = place->offset;
                in->told_end = -1;
                place->err = RD_KAFKA_RESP_ERR_NO_ERROR;
            }
        }
    }
    client->assignment++; /* what is queued or on its way belongs to the places before */
    queue_forget(client);
    consumer_fetch(client, 0);
    return NULL;
}

/* ---- fetching ---------------------------------------------------------------------------------------------------- */

struct fetch_request {
    struct wire_request request;
    rd_kafka_t *client;
    uint64_t assignment;
    struct in_partition in[IN_PARTITIONS_MAX];
    size_t in_count;
    bool is_committed;
    const char *group;
    bool begins_at_start;
    struct message_queue found;
};

static struct message *found_push(struct fetch_request *fetch, const struct in_partition *in, rd_kafka_resp_err_t error,
                                  int64_t offset) {
    struct message *message = message_new();
    message->shown.err = error;
    message->shown.rkt = in->topic;
    message->shown.partition = in->number;
    message->shown.offset = offset;
    queue_push(&fetch->found, message);
    return message;
}

static void record_found(struct fetch_request *fetch, const struct in_partition *in, const struct broker_record *record,
                         int64_t offset) {
    struct message *message = found_push(fetch, in, RD_KAFKA_RESP_ERR_NO_ERROR, offset);
    message->shown.key = (void *)record->key.data;
    message->shown.key_len = record->key.len;
    message->shown.payload = record->has_value ? (void *)(record->value.len > 0 ? record->value.data : "") : NULL;
    message->shown.len = record->value.len;
    message->timestamp_ms = record->timestamp_ms;
    message->headers.count = record->header_count;
    memcpy(message->headers.items, record->headers, record->header_count * sizeof *record->headers);
}

/* Where a group's member begins: at its offset, else at the start, if it was told so. */
static bool place_find(struct fetch_request *fetch, struct in_partition *in, const struct broker_partition *partition) {
    struct broker_offset known = {.offset = -1};
    if (broker_group_offset(fetch->group, in->topic->name, in->number, fetch->is_committed, fetch->client->name,
                            &known) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return false; /* not stable yet */
    }
    if (known.offset < 0 && !fetch->begins_at_start) {
        found_push(fetch, in, RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, -1);
        in->is_broken = true;
        return false;
    }
    in->next_offset = known.offset >= 0 ? known.offset : partition->low;
    return true;
}

static void partition_fetch(struct fetch_request *fetch, struct in_partition *in) {
    const struct broker_partition *partition = broker_partition(in->topic->name, in->number);
    assert(partition != NULL);
    if (in->is_broken || (in->next_offset < 0 && !place_find(fetch, in, partition))) {
        return;
    }
    int64_t end = broker_end_told(partition, fetch->is_committed, fetch->client->name);
    if (in->next_offset < partition->low || in->next_offset > broker_end_told(partition, false, fetch->client->name)) {
        found_push(fetch, in, RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, in->next_offset);
        in->is_broken = true;
        return;
    }
    int most = FETCH_RECORDS_MAX;
    while (in->next_offset < end && most > 0) {
        const struct broker_record *record = &partition->records[in->next_offset];
        bool is_shown = fetch->is_committed ? broker_is_visible(record) : record->kind == BROKER_DATA;
        if (is_shown) {
            record_found(fetch, in, record, in->next_offset);
            most--;
        }
        in->next_offset++;
    }
    if (in->next_offset >= end && in->told_end != in->next_offset) {
        in->told_end = in->next_offset;
        found_push(fetch, in, RD_KAFKA_RESP_ERR__PARTITION_EOF, in->next_offset);
    }
}

static rd_kafka_resp_err_t fetch_handle(struct wire_request *request) {
    struct fetch_request *fetch = (struct fetch_request *)request;
    /* From another partition each time, so that none waits for the others. */
    size_t first = fetch->in_count == 0 ? 0 : (size_t)sim_random(fetch->in_count);
    for (size_t i = 0; i < fetch->in_count; i++) {
        partition_fetch(fetch, &fetch->in[(first + i) % fetch->in_count]);
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void fetch_answered(struct wire_request *request, rd_kafka_resp_err_t error) {
    struct fetch_request *fetch = (struct fetch_request *)request;
    rd_kafka_t *client = fetch->client;
    client->is_fetching = false;
    if (client->is_destroyed) {
        return;
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        client_troubled(client);
        consumer_fetch(client, FETCH_BROKEN_US);
        return;
    }
    if (fetch->assignment != client->assignment) {
        consumer_fetch(client, 0);
        return;
    }
    memcpy(client->in, fetch->in, fetch->in_count * sizeof *fetch->in);
    bool found_any = fetch->found.count > 0;
    bool is_waiting = false;
    for (size_t i = 0; i < client->in_count; i++) {
        is_waiting = is_waiting || (client->in[i].next_offset < 0 && !client->in[i].is_broken);
    }
    struct message *message;
    while ((message = queue_pop(&fetch->found)) != NULL) {
        client_push(client, message);
    }
    if (found_any) {
        consumer_fetch(client, 0);
    } else {
        /* Else the next progress of a partition begins the next fetch (broker_on_progress); what was missed between
         * the broker's look and now is looked at once more. */
        consumer_fetch(client, is_waiting ? FETCH_BROKEN_US : FETCH_WAIT_US);
    }
}

static void fetch_release(struct wire_request *request) {
    struct fetch_request *fetch = (struct fetch_request *)request;
    struct message *message;
    while ((message = queue_pop(&fetch->found)) != NULL) {
        free(message);
    }
    free(fetch);
}

static const struct wire_type fetch_type = {"Fetch", fetch_handle, fetch_answered, fetch_release};

/* Whether a fetch would bring anything, or must ask for a place. What a consumer could not know it learns so at no
 * cost: an idle reader makes no requests, and the broker's progress begins the next one. */
static bool has_news(const rd_kafka_t *client) {
    for (size_t i = 0; i < client->in_count; i++) {
        const struct in_partition *in = &client->in[i];
        const struct broker_partition *partition = broker_partition(in->topic->name, in->number);
        int64_t end = broker_end_told(partition, client_reads_committed(client), client->name);
        if (!in->is_broken && (in->next_offset < 0 || in->next_offset != end || in->told_end != end)) {
            return true;
        }
    }
    return false;
}

static void fetch_send(rd_kafka_t *client) {
    struct fetch_request *fetch = calloc(1, sizeof *fetch);
    assert(fetch != NULL);
    const char *reset = client_setting(client, "auto.offset.reset");
    fetch->request.type = &fetch_type;
    fetch->client = client;
    fetch->assignment = client->assignment;
    fetch->in_count = client->in_count;
    fetch->is_committed = client_reads_committed(client);
    fetch->group = client_setting(client, "group.id");
    fetch->begins_at_start = reset != NULL && strcmp(reset, "earliest") == 0;
    memcpy(fetch->in, client->in, client->in_count * sizeof *client->in);
    client->is_fetching = true;
    wire_send(&client->wire, &fetch->request);
}

struct fetch_due {
    rd_kafka_t *client;
    uint64_t number;
};

static void fetch_due(void *context) {
    struct fetch_due *due = context;
    rd_kafka_t *client = due->client;
    if (!client->is_destroyed && !client->is_fetching && due->number == client->fetches && client->in_count > 0) {
        if (client->queue.count > QUEUED_MAX) {
            consumer_fetch(client, FETCH_WAIT_US);
        } else if (has_news(client)) {
            fetch_send(client);
        }
    }
    free(due);
}

void consumer_fetch(rd_kafka_t *client, int64_t delay_us) {
    if (client->is_fetching || client->is_destroyed) {
        return; /* the answer begins the next one */
    }
    struct fetch_due *due = malloc(sizeof *due);
    assert(due != NULL);
    *due = (struct fetch_due){client, ++client->fetches};
    bool gathers = client_number(client, "fetch.min.bytes", 1) > 1 && delay_us == 0;
    sim_after(gathers ? sim_between(0, FETCH_WAIT_US) : delay_us, client->process, fetch_due, due);
}

/* ---- the application's side -------------------------------------------------------------------------------------- */

/* The next message that is one; serves what is none. NULL: there is none. */
static rd_kafka_message_t *next_message(rd_kafka_t *client) {
    consumer_rebalance_serve(client);
    struct message *message;
    while ((message = queue_pop(&client->queue)) != NULL) {
        if (message->is_error_callback) {
            client->conf.on_error(client, message->shown.err, rd_kafka_err2str(message->shown.err),
                                  client->conf.opaque);
            free(message);
            continue;
        }
        return &message->shown;
    }
    return NULL;
}

rd_kafka_message_t *rd_kafka_consumer_poll(rd_kafka_t *client, int timeout_ms) {
    int64_t until_us = client_until(timeout_ms);
    for (;;) {
        rd_kafka_message_t *message = next_message(client);
        if (message != NULL) {
            return message;
        }
        if (client->is_yielded || sim_now_us() >= until_us) {
            client->is_yielded = false;
            return NULL;
        }
        sim_wait(client, until_us == INT64_MAX ? -1 : until_us - sim_now_us());
    }
}

ssize_t rd_kafka_consume_batch_queue(rd_kafka_queue_t *queue, int timeout_ms, rd_kafka_message_t **ret_messages,
                                     size_t capacity) {
    assert(timeout_ms == 0);
    size_t count = 0;
    while (count < capacity && (ret_messages[count] = next_message(queue->client)) != NULL) {
        count++;
    }
    return (ssize_t)count;
}

rd_kafka_resp_err_t rd_kafka_poll_set_consumer(rd_kafka_t *client) {
    (void)client;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}
