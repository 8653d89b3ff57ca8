#include "core/log/fetch_nudge.h"

#include <stddef.h>

enum { ANSWER_MS = 100 };

void fetch_nudge_init(struct fetch_nudge *nudge, int64_t queue_max_bytes) {
    *nudge = (struct fetch_nudge){.after_bytes = queue_max_bytes / 2};
}

void fetch_nudge_release(struct fetch_nudge *nudge) {
    fetch_nudge_assigned(nudge, NULL);
}

void fetch_nudge_assigned(struct fetch_nudge *nudge, const rd_kafka_topic_partition_list_t *list) {
    if (nudge->assigned != NULL) {
        rd_kafka_topic_partition_list_destroy(nudge->assigned);
    }
    nudge->assigned = list == NULL ? NULL : rd_kafka_topic_partition_list_copy(list);
    nudge->taken_bytes = 0;
}

void fetch_nudge_took(struct fetch_nudge *nudge, const rd_kafka_message_t *message) {
    if (message == NULL) {
        nudge->taken_bytes = 0;
    } else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        nudge->taken_bytes += (int64_t)(message->len + message->key_len);
    }
}

void fetch_nudge_ask(struct fetch_nudge *nudge, rd_kafka_t *consumer) {
    if (nudge->assigned == NULL || nudge->taken_bytes < nudge->after_bytes) {
        return;
    }
    nudge->taken_bytes = 0;
    for (int i = 0; i < nudge->assigned->cnt; i++) {
        nudge->assigned->elems[i].offset = RD_KAFKA_OFFSET_END;
    }
    (void)rd_kafka_offsets_for_times(consumer, nudge->assigned, ANSWER_MS);
}
