/* oracle_keys.c: that an API key's secrets come one after the other, that its uses are noted once an hour, and that it
 * does nothing once it is revoked. */
#include "core/testing/simulator/oracle_parts.h"

#include "core/base/timestamp.h"

struct key_fold {
    enum api_key_status status;
    int32_t generation;
    struct str hash, previous_hash;
    int64_t used_hour;
};

static void tell(struct oracle *oracle, const char *check, const struct seen_event *seen, const char *what) {
    oracle_tell(oracle, check, "%.*s %s at " PLACE_FORMAT, STR_ARGS(seen->event.meta.stream), what,
                PLACE_ARGS(seen->at));
}

static void apply_rotation(struct oracle *oracle, struct key_fold *fold, const struct seen_event *seen) {
    const struct api_key_rotated *rotated = &seen->event.as.api_key_rotated;
    if (rotated->generation != fold->generation + 1) {
        tell(oracle, "key.secret", seen, "has a generation twice, or none");
    } else if (str_equal(rotated->hash, fold->hash) || str_equal(rotated->hash, fold->previous_hash)) {
        tell(oracle, "key.secret", seen, "has a secret again");
    }
    fold->generation = rotated->generation;
    fold->previous_hash = fold->hash;
    fold->hash = rotated->hash;
}

static void apply_use(struct oracle *oracle, struct key_fold *fold, const struct seen_event *seen) {
    int64_t hour = seen->event.as.api_key_used.hour;
    int64_t this_hour = seen->event.meta.occurred_at / (INT64_C(3600) * MICROS_PER_SECOND);
    if (hour <= fold->used_hour || hour > this_hour) {
        tell(oracle, "key.use", seen, "is used twice in an hour, or in one to come");
    }
    fold->used_hour = hour;
}

static void apply(struct oracle *oracle, struct key_fold *fold, const struct seen_event *seen) {
    enum keys_event type = (enum keys_event)seen->event.type;
    if ((fold->status == API_KEY_STATUS_ACTIVE) != (type != EVENT_API_KEY_CREATED)) {
        tell(oracle, "key.life", seen, "does something before it is made, or after it was revoked");
    }
    switch (type) {
    case EVENT_API_KEY_CREATED:
        fold->status = API_KEY_STATUS_ACTIVE;
        fold->generation = seen->event.as.api_key_created.generation;
        fold->hash = seen->event.as.api_key_created.hash;
        break;
    case EVENT_API_KEY_ROTATED:
        apply_rotation(oracle, fold, seen);
        break;
    case EVENT_API_KEY_REVOKED:
        fold->status = API_KEY_STATUS_REVOKED;
        break;
    case EVENT_API_KEY_USED:
        apply_use(oracle, fold, seen);
        break;
    }
}

void oracle_judge_keys(struct oracle *oracle) {
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        const struct seen_stream *stream = oracle->streams.entries[i].value;
        struct key_fold fold = {0};
        for (uint32_t j = 0; str_starts_with(stream->id, STR("key_")) && j < stream->events.count; j++) {
            apply(oracle, &fold, stream->events.items[j]);
        }
    }
}
