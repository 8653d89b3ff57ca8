#include "core/testing/simulator/broker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/testing/simulator/broker_parts.h"
#include "core/testing/simulator/world.h"

enum { TOPICS_MAX = 32 };

static struct topic {
    const char *name;
    int32_t count;
    struct broker_partition *partitions;
} topics[TOPICS_MAX];
static size_t topic_count;

static bool is_up = true;
int64_t broker_wall_offset_us;
int64_t broker_marker_least_us = 200, broker_marker_most_us = 3000;
void (*broker_on_progress)(const struct broker_partition *partition);

static void progress(const struct broker_partition *partition) {
    if (broker_on_progress != NULL) {
        broker_on_progress(partition);
    }
}

/* ---- topics ------------------------------------------------------------------------------------------------------ */

static struct topic *topic_find(const char *name) {
    for (size_t i = 0; i < topic_count; i++) {
        if (strcmp(topics[i].name, name) == 0) {
            return &topics[i];
        }
    }
    return NULL;
}

void broker_topic_create(const char *name, int32_t partitions) {
    assert(topic_count < TOPICS_MAX && topic_find(name) == NULL);
    struct topic *topic = &topics[topic_count++];
    *topic = (struct topic){.name = strdup(name), .count = partitions};
    topic->partitions = calloc((size_t)partitions, sizeof *topic->partitions);
    assert(topic->name != NULL && topic->partitions != NULL);
    for (int32_t i = 0; i < partitions; i++) {
        topic->partitions[i].topic = topic->name;
        topic->partitions[i].number = i;
    }
}

int32_t broker_topic_partitions(const char *name) {
    const struct topic *topic = topic_find(name);
    return topic == NULL ? 0 : topic->count;
}

size_t broker_topic_count(void) {
    return topic_count;
}

const char *broker_topic_name(size_t index) {
    return topics[index].name;
}

struct broker_partition *broker_partition(const char *name, int32_t number) {
    struct topic *topic = topic_find(name);
    return topic != NULL && number >= 0 && number < topic->count ? &topic->partitions[number] : NULL;
}

int64_t broker_stable_offset(const struct broker_partition *partition) {
    int64_t stable = partition->count;
    for (const struct open_txn *open = partition->open; open != NULL; open = open->next) {
        stable = open->first_offset < stable ? open->first_offset : stable;
    }
    return stable;
}

/* FNV-1a, so that the same client asks the same broker each time. */
bool asks_old_broker(uint32_t salt, const char *client) {
    uint32_t hash = 2166136261u ^ salt;
    for (const char *at = client; *at != '\0'; at++) {
        hash = (hash ^ (uint8_t)*at) * 16777619u;
    }
    return (hash >> 16 & 1) != 0;
}

int64_t broker_end_told(const struct broker_partition *partition, bool is_committed, const char *client) {
    int64_t end = is_committed ? broker_stable_offset(partition) : partition->count;
    bool is_old = sim_now_us() < partition->old_until_us && partition->old_end < end;
    return is_old && asks_old_broker(partition->old_salt, client) ? partition->old_end : end;
}

static void old_leader_hears(void *context) {
    progress(context);
}

void broker_new_leader(struct broker_partition *partition, int64_t until_us) {
    partition->old_end = partition->count;
    partition->old_until_us = until_us;
    partition->old_salt = (uint32_t)sim_random(UINT32_MAX);
    sim_after(until_us - sim_now_us(), NULL, old_leader_hears, partition);
}

bool broker_is_visible(const struct broker_record *record) {
    return record->kind == BROKER_DATA && !record->is_aborted;
}

void broker_delete_before(struct broker_partition *partition, int64_t offset) {
    int64_t stable = broker_stable_offset(partition);
    offset = offset < stable ? offset : stable;
    partition->low = offset > partition->low ? offset : partition->low;
}

int64_t broker_now_ms(void) {
    return SIM_WORLD_BEGINS_US / 1000 + (sim_now_us() + broker_wall_offset_us) / 1000;
}

/* ---- appending --------------------------------------------------------------------------------------------------- */

static struct str copied(struct str text) {
    if (text.len == 0) {
        return (struct str){0};
    }
    char *copy = malloc(text.len);
    assert(copy != NULL);
    memcpy(copy, text.data, text.len);
    return str_of(copy, text.len);
}

static struct broker_record *append(struct broker_partition *partition) {
    if (partition->count == partition->capacity) {
        partition->capacity = partition->capacity == 0 ? 64 : partition->capacity * 2;
        partition->records = realloc(partition->records, (size_t)partition->capacity * sizeof *partition->records);
        assert(partition->records != NULL);
    }
    struct broker_record *record = &partition->records[partition->count++];
    *record = (struct broker_record){.timestamp_ms = broker_now_ms(), .producer_id = -1};
    return record;
}

static void append_copy(struct broker_partition *partition, const struct broker_record *record, int64_t producer_id,
                        bool is_transactional) {
    struct broker_record *appended = append(partition);
    appended->key = copied(record->key);
    appended->value = copied(record->value);
    appended->has_value = record->has_value;
    appended->producer_id = producer_id;
    appended->is_transactional = is_transactional;
    appended->header_count = record->header_count;
    appended->headers = calloc(record->header_count + 1, sizeof *appended->headers);
    assert(appended->headers != NULL);
    for (size_t i = 0; i < record->header_count; i++) {
        appended->headers[i].name = strdup(record->headers[i].name);
        appended->headers[i].value = copied(record->headers[i].value);
    }
}

static struct open_txn **open_of(struct broker_partition *partition, int64_t producer_id) {
    struct open_txn **at = &partition->open;
    while (*at != NULL && (*at)->producer_id != producer_id) {
        at = &(*at)->next;
    }
    return at;
}

void partition_mark(struct broker_partition *partition, int64_t producer_id, int16_t epoch, bool commit) {
    struct open_txn **open = open_of(partition, producer_id);
    if (*open != NULL) {
        for (int64_t i = (*open)->first_offset; i < partition->count && !commit; i++) {
            struct broker_record *record = &partition->records[i];
            record->is_aborted = record->is_aborted || (record->producer_id == producer_id &&
                                                        record->kind == BROKER_DATA && record->is_transactional);
        }
        struct open_txn *ended = *open;
        *open = ended->next;
        free(ended);
    }
    struct broker_record *marker = append(partition);
    marker->producer_id = producer_id;
    marker->kind = commit ? BROKER_COMMIT_MARKER : BROKER_ABORT_MARKER;
    for (struct producer_state *state = partition->producers; state != NULL; state = state->next) {
        if (state->producer_id == producer_id && state->epoch < epoch) {
            state->epoch = epoch;
            state->next_sequence = 0;
        }
    }
    progress(partition);
}

/* ---- producing --------------------------------------------------------------------------------------------------- */

static struct producer_state *state_of(struct broker_partition *partition, const struct broker_producer *producer,
                                       int32_t sequence) {
    struct producer_state *state = partition->producers;
    while (state != NULL && state->producer_id != producer->id) {
        state = state->next;
    }
    if (state == NULL) {
        state = calloc(1, sizeof *state);
        assert(state != NULL);
        *state = (struct producer_state){.producer_id = producer->id,
                                         .epoch = producer->epoch,
                                         .next_sequence = sequence,
                                         .last_sequence = -1,
                                         .next = partition->producers};
        partition->producers = state;
    }
    return state;
}

rd_kafka_resp_err_t broker_produce(const struct broker_producer *producer, const char *topic, int32_t number,
                                   int32_t sequence, const struct broker_record *records, size_t count,
                                   int64_t *ret_offset) {
    struct broker_partition *partition = broker_partition(topic, number);
    if (partition == NULL) {
        return RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    }
    bool is_transactional = producer->transactional_id != NULL;
    struct producer_state *state = state_of(partition, producer, sequence);
    if (producer->epoch < state->epoch) {
        return RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
    }
    if (producer->epoch > state->epoch) {
        state->epoch = producer->epoch;
        state->next_sequence = 0;
        state->last_sequence = -1;
    }
    if (sequence == state->last_sequence && sequence < state->next_sequence) {
        *ret_offset = state->last_offset; /* it stands already */
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (sequence != state->next_sequence) {
        return sequence < state->next_sequence ? RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER
                                               : RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    }
    rd_kafka_resp_err_t refusal =
        is_transactional ? txn_verify_partition(producer, partition) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (refusal != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return refusal;
    }
    struct open_txn **open = open_of(partition, producer->id);
    if (is_transactional && *open == NULL) {
        *open = calloc(1, sizeof **open);
        assert(*open != NULL);
        **open = (struct open_txn){.producer_id = producer->id, .first_offset = partition->count};
    }
    *ret_offset = partition->count;
    state->last_sequence = sequence;
    state->last_offset = partition->count;
    state->next_sequence = sequence + (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        append_copy(partition, &records[i], producer->id, is_transactional);
    }
    progress(partition);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* ---- its life ---------------------------------------------------------------------------------------------------- */

bool broker_is_up(void) {
    return is_up;
}

void broker_set_up(bool up) {
    SIM_TRACE("the broker is %s", up ? "up" : "DOWN");
    is_up = up;
}
