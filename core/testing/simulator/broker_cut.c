/* broker_cut.c: back to a moment that is past: see broker.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/testing/simulator/broker_parts.h"
#include "core/testing/simulator/world.h"

enum { PARTITIONS_MAX = 512 };

/* A partition as it was. What records point to is never freed. */
struct kept_partition {
    struct broker_partition *partition;
    struct broker_record *records;
    int64_t count;
    struct open_txn *open;
};

static struct {
    struct kept_partition partitions[PARTITIONS_MAX];
    size_t count;
    struct str *lost_keys;
    size_t lost_count, lost_capacity;
} moment;

static void open_free(struct open_txn *open) {
    while (open != NULL) {
        struct open_txn *next = open->next;
        free(open);
        open = next;
    }
}

static struct open_txn *open_copied(const struct open_txn *open) {
    struct open_txn *first = NULL, **last = &first;
    for (; open != NULL; open = open->next) {
        *last = malloc(sizeof **last);
        assert(*last != NULL);
        **last = *open;
        (*last)->next = NULL;
        last = &(*last)->next;
    }
    return first;
}

static void partition_keep(struct broker_partition *partition) {
    assert(moment.count < PARTITIONS_MAX);
    struct kept_partition *kept = &moment.partitions[moment.count++];
    *kept = (struct kept_partition){.partition = partition, .count = partition->count};
    kept->records = calloc((size_t)partition->count + 1, sizeof *kept->records);
    assert(kept->records != NULL);
    if (partition->count > 0) {
        memcpy(kept->records, partition->records, (size_t)partition->count * sizeof *kept->records);
    }
    kept->open = open_copied(partition->open);
}

void broker_keep_moment(void) {
    for (size_t i = 0; i < moment.count; i++) {
        free(moment.partitions[i].records);
        open_free(moment.partitions[i].open);
    }
    moment.count = 0;
    for (size_t i = 0; i < broker_topic_count(); i++) {
        const char *topic = broker_topic_name(i);
        for (int32_t j = 0; j < broker_topic_partitions(topic); j++) {
            partition_keep(broker_partition(topic, j));
        }
    }
    groups_keep();
    txns_keep();
}

/* ---- setting back ------------------------------------------------------------------------------------------------ */

static void lose(const struct broker_record *record) {
    if (moment.lost_count == moment.lost_capacity) {
        moment.lost_capacity = moment.lost_capacity == 0 ? 256 : moment.lost_capacity * 2;
        moment.lost_keys = realloc(moment.lost_keys, moment.lost_capacity * sizeof *moment.lost_keys);
        assert(moment.lost_keys != NULL);
    }
    moment.lost_keys[moment.lost_count++] = record->key;
}

static void partition_set_back(struct kept_partition *kept) {
    struct broker_partition *partition = kept->partition;
    struct broker_record *before = partition->records;
    int64_t count_before = partition->count;
    partition->records = kept->records;
    partition->count = kept->count;
    partition->capacity = kept->count + 1;
    partition->low = partition->low < kept->count ? partition->low : kept->count;
    open_free(partition->open);
    partition->open = kept->open;
    while (partition->producers != NULL) {
        struct producer_state *state = partition->producers;
        partition->producers = state->next;
        free(state);
    }
    while (partition->open != NULL) {
        int64_t producer_id = partition->open->producer_id;
        partition_mark(partition, producer_id, 0, txn_would_commit(producer_id));
    }
    for (int64_t i = 0; i < count_before; i++) {
        bool is_lost = i >= kept->count || partition->records[i].is_aborted;
        if (is_lost && broker_is_visible(&before[i])) {
            lose(&before[i]);
        }
    }
    SIM_TRACE("broker: %s[%d] ended at %lld and ends at %lld", partition->topic, partition->number,
              (long long)count_before, (long long)partition->count);
    free(before);
}

void broker_set_back(void) {
    for (size_t i = 0; i < moment.count; i++) {
        partition_set_back(&moment.partitions[i]);
    }
    moment.count = 0; /* what was kept is the log now */
    groups_set_back();
    txns_set_back();
}

bool broker_has_lost(struct str key) {
    for (size_t i = 0; i < moment.lost_count; i++) {
        if (str_equal(moment.lost_keys[i], key)) {
            return true;
        }
    }
    return false;
}
