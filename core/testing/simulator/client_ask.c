#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/testing/simulator/client.h"

/* ---- a question that a call waits for ---------------------------------------------------------------------------- */

struct question {
    struct wire_request request;
    struct wire_type type;
    rd_kafka_resp_err_t (*ask)(void *context);
    void *context; /* a copy: the call may have given up when the question arrives */
    rd_kafka_resp_err_t error;
    bool is_answered, is_given_up;
};

static rd_kafka_resp_err_t question_handle(struct wire_request *request) {
    struct question *question = (struct question *)request;
    return question->ask(question->context);
}

static void question_answered(struct wire_request *request, rd_kafka_resp_err_t error) {
    struct question *question = (struct question *)request;
    question->error = error;
    question->is_answered = true;
    sim_wake(question);
}

static void question_release(struct wire_request *request) {
    struct question *question = (struct question *)request;
    if (question->is_given_up) {
        free(question->context);
        free(question);
    }
}

/* Asks once. */
static rd_kafka_resp_err_t asked(rd_kafka_t *client, const char *api, rd_kafka_resp_err_t (*ask)(void *), void *context,
                                 size_t size, int64_t until_us) {
    struct question *question = calloc(1, sizeof *question);
    assert(question != NULL);
    question->type = (struct wire_type){api, question_handle, question_answered, question_release};
    question->request.type = &question->type;
    question->ask = ask;
    question->context = malloc(size);
    assert(question->context != NULL);
    memcpy(question->context, context, size);
    wire_send(&client->wire, &question->request);
    while (!question->is_answered && sim_now_us() < until_us) {
        sim_wait(question, until_us == INT64_MAX ? -1 : until_us - sim_now_us());
    }
    bool is_answered = question->is_answered;
    rd_kafka_resp_err_t error = is_answered ? question->error : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (is_answered) {
        memcpy(context, question->context, size);
    }
    question->is_given_up = true; /* whoever lets go last frees it */
    if (question->request.references == 0) {
        question_release(&question->request);
    }
    return error;
}

rd_kafka_resp_err_t client_ask(rd_kafka_t *client, const char *api, rd_kafka_resp_err_t (*ask)(void *context),
                               void *context, size_t size, int64_t until_us) {
    for (;;) {
        rd_kafka_resp_err_t error = asked(client, api, ask, context, size, until_us);
        if (error == RD_KAFKA_RESP_ERR__TRANSPORT) {
            client_troubled(client);
        }
        if (!client_error_is_retried(error) || sim_now_us() + RETRY_PAUSE_US >= until_us) {
            return error == RD_KAFKA_RESP_ERR__TRANSPORT ? RD_KAFKA_RESP_ERR__TIMED_OUT : error;
        }
        sim_sleep(sim_between(1000, RETRY_PAUSE_US));
    }
}

/* ---- metadata ---------------------------------------------------------------------------------------------------- */

static rd_kafka_resp_err_t nothing(void *context) {
    (void)context;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void metadata_topic(rd_kafka_metadata_topic_t *topic, const char *name) {
    topic->topic = strdup(name);
    topic->partition_cnt = broker_topic_partitions(name);
    topic->err = topic->partition_cnt == 0 ? RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART : RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t rd_kafka_metadata(rd_kafka_t *client, int all_topics, rd_kafka_topic_t *only,
                                      const struct rd_kafka_metadata **ret_metadata, int timeout_ms) {
    char unused = 0;
    rd_kafka_resp_err_t error = client_ask(client, "Metadata", nothing, &unused, 1, client_until(timeout_ms));
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return error;
    }
    struct rd_kafka_metadata *metadata = calloc(1, sizeof *metadata);
    size_t count = all_topics ? broker_topic_count() : 1;
    assert(metadata != NULL && (all_topics || only != NULL));
    metadata->topics = calloc(count + 1, sizeof *metadata->topics);
    assert(metadata->topics != NULL);
    metadata->topic_cnt = (int)count;
    for (size_t i = 0; i < count; i++) {
        metadata_topic(&metadata->topics[i], all_topics ? broker_topic_name(i) : only->name);
    }
    *ret_metadata = metadata;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void rd_kafka_metadata_destroy(const struct rd_kafka_metadata *metadata) {
    for (int i = 0; i < metadata->topic_cnt; i++) {
        free(metadata->topics[i].topic);
    }
    free(metadata->topics);
    free((void *)metadata);
}

/* ---- offsets at the ends of partitions --------------------------------------------------------------------------- */

struct end_question {
    const char *topic;
    int32_t partition;
    int64_t which;
    bool is_committed;
    const char *client;
    int64_t offset;
};

static rd_kafka_resp_err_t end_ask(void *context) {
    struct end_question *question = context;
    const struct broker_partition *partition = broker_partition(question->topic, question->partition);
    if (partition == NULL) {
        return RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    }
    int64_t end = broker_end_told(partition, question->is_committed, question->client);
    question->offset = question->which == RD_KAFKA_OFFSET_BEGINNING ? partition->low : end;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t rd_kafka_offsets_for_times(rd_kafka_t *client, rd_kafka_topic_partition_list_t *list,
                                               int timeout_ms) {
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *place = &list->elems[i];
        struct end_question question = {.topic = client_topic(place->topic)->name,
                                        .partition = place->partition,
                                        .which = place->offset,
                                        .is_committed = client_reads_committed(client),
                                        .client = client->name};
        rd_kafka_resp_err_t error =
            client_ask(client, "ListOffsets", end_ask, &question, sizeof question, client_until(timeout_ms));
        if (error == RD_KAFKA_RESP_ERR__TIMED_OUT) {
            return error;
        }
        place->err = error;
        place->offset = question.offset;
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ---- a group's offsets ------------------------------------------------------------------------------------------- */

enum { OFFSETS_ASKED_MAX = 64 };

/* All in one request, as a coordinator answers it. */
struct offset_question {
    const char *group;
    const char *client;
    bool is_stable;
    size_t count;
    struct broker_offset places[OFFSETS_ASKED_MAX];
};

static rd_kafka_resp_err_t offsets_ask(void *context) {
    struct offset_question *question = context;
    for (size_t i = 0; i < question->count; i++) {
        struct broker_offset *place = &question->places[i];
        rd_kafka_resp_err_t error = broker_group_offset(question->group, place->topic, place->partition,
                                                        question->is_stable, question->client, place);
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return error;
        }
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t rd_kafka_committed(rd_kafka_t *client, rd_kafka_topic_partition_list_t *list, int timeout_ms) {
    assert(list->cnt <= OFFSETS_ASKED_MAX);
    struct offset_question question = {.group = client_setting(client, "group.id"),
                                       .client = client->name,
                                       .is_stable = client_reads_committed(client),
                                       .count = (size_t)list->cnt};
    for (int i = 0; i < list->cnt; i++) {
        question.places[i] = (struct broker_offset){.topic = client_topic(list->elems[i].topic)->name,
                                                    .partition = list->elems[i].partition};
    }
    rd_kafka_resp_err_t error =
        client_ask(client, "OffsetFetch", offsets_ask, &question, sizeof question, client_until(timeout_ms));
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return error == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT ? RD_KAFKA_RESP_ERR__TIMED_OUT : error;
    }
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *place = &list->elems[i];
        const struct broker_offset *found = &question.places[i];
        place->offset = found->offset >= 0 ? found->offset : RD_KAFKA_OFFSET_INVALID;
        place->metadata_size = strlen(found->note);
        place->metadata = place->metadata_size > 0 ? strdup(found->note) : NULL;
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}
