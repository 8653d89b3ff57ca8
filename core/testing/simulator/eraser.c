/* eraser.c: destroys the keys of who is being erased, as the connector will, and says so.
 *
 * Whoever is to be erased stands in the log, and until the log says that he was, it is said again: a cut of the log may
 * have taken what was said. To say it twice is no harm. */
#include "core/log/record.h"
#include "core/log/topics.h"
#include "core/testing/simulator/broker.h"
#include "core/testing/simulator/shopper_parts.h"

enum { ERASER_PAUSE_US = 500 * 1000 };

#define SCRATCH_MAX_BYTES ((size_t)256 << 20)

static struct map being_said; /* streams; NULL: not now */

static void on_said(struct errand *errand) {
    *map_at(&being_said, errand->command.meta.stream) = NULL;
}

static void say(struct str stream) {
    void **at = map_at(&being_said, arena_str_copy(&clients.arena, stream));
    if (*at == NULL) {
        struct errand errand =
            errand_of(ERASER_NUMBER, COMMAND_RECORD_ERASURE, arena_str_copy(&clients.arena, stream), on_said, NULL);
        errand.actor = "system";
        *at = &being_said;
        (void)errand_begin(&errand);
    }
}

static void look_at(struct arena *scratch, struct map *open, const struct broker_record *record) {
    struct event event;
    struct err_info info;
    bool is_there = record->kind == BROKER_DATA && !record->is_aborted &&
                    event_record_read(scratch, record->value, &event, &info) == ERR_NONE;
    if (is_there && (event.type == EVENT_CUSTOMER_ERASURE_REQUESTED || event.type == EVENT_CUSTOMER_ERASED)) {
        *map_at(open, event.meta.stream) = event.type == EVENT_CUSTOMER_ERASED ? NULL : open;
    }
}

static void look(void *context) {
    const struct config *config = context;
    struct log_topics topics;
    struct arena scratch;
    struct map open;
    arena_init(&scratch, SCRATCH_MAX_BYTES);
    map_init(&open, &scratch);
    log_topics_name(&topics, config->topic_prefix);
    for (int32_t shard = 0; shard < config->shards; shard++) {
        const struct broker_partition *partition = broker_partition(topics.names[TOPIC_CUSTOMERS], shard);
        int64_t end = partition == NULL ? 0 : broker_stable_offset(partition);
        for (int64_t offset = 0; offset < end; offset++) {
            look_at(&scratch, &open, &partition->records[offset]);
        }
    }
    for (uint32_t i = 0; i < open.count; i++) {
        if (open.entries[i].value != NULL) {
            say(open.entries[i].key);
        }
    }
    arena_release(&scratch);
    sim_after(ERASER_PAUSE_US, NULL, look, context);
}

void eraser_start(const struct config *config) {
    map_init(&being_said, &clients.arena);
    sim_after(ERASER_PAUSE_US, NULL, look, (void *)(uintptr_t)config);
}
