#include "core/gateway/recent_outcomes.h"

#include <stdlib.h>

#include "core/base/memory.h"
#include "core/domain/rejection.h"

/* The command's id, then the record. */
struct recent_outcome {
    uint32_t id_len, value_len;
    char bytes[];
};

void recent_outcomes_init(struct recent_outcomes *outcomes) {
    outcomes->places = calloc_or_end(RECENT_OUTCOMES, sizeof *outcomes->places);
    pthread_mutex_init(&outcomes->lock, NULL);
}

void recent_outcomes_release(struct recent_outcomes *outcomes) {
    for (size_t i = 0; i < RECENT_OUTCOMES; i++) {
        free(outcomes->places[i]);
    }
    free(outcomes->places);
    pthread_mutex_destroy(&outcomes->lock);
}

/* A command's id is a keyed hash or chance, so its characters spread well. */
static struct recent_outcome **place_of(const struct recent_outcomes *outcomes, struct str command_id) {
    uint32_t hash = 2166136261U;
    for (uint32_t i = 0; i < command_id.len; i++) {
        hash = (hash ^ (uint8_t)command_id.data[i]) * 16777619U;
    }
    return &outcomes->places[(hash ^ (hash >> 15)) % RECENT_OUTCOMES];
}

static bool is_refusal_of(const struct outcome *outcome, enum rejection rejection) {
    return str_equal(outcome->rejection, str_of_cstr(rejection_info(rejection)->code));
}

/* Whether it is the last word on its command. */
static bool is_final(const struct outcome *outcome) {
    if (outcome->status == OUTCOME_STATUS_REJECTED) {
        return !is_refusal_of(outcome, REJECT_KEY_REUSED) && !is_refusal_of(outcome, REJECT_COMMAND_EXPIRED);
    }
    return outcome->status == OUTCOME_STATUS_ACCEPTED;
}

void recent_outcomes_note(struct recent_outcomes *outcomes, const struct outcome *outcome, struct str value) {
    if (!is_final(outcome) || value.len > RECENT_OUTCOME_BYTES) {
        return;
    }
    struct recent_outcome *noted = malloc_or_end(sizeof *noted + outcome->command_id.len + value.len);
    noted->id_len = outcome->command_id.len;
    noted->value_len = value.len;
    memcpy(noted->bytes, outcome->command_id.data, noted->id_len);
    memcpy(noted->bytes + noted->id_len, value.data, noted->value_len);
    pthread_mutex_lock(&outcomes->lock);
    struct recent_outcome **place = place_of(outcomes, outcome->command_id);
    struct recent_outcome *older = *place;
    *place = noted;
    pthread_mutex_unlock(&outcomes->lock);
    free(older);
}

struct str recent_outcomes_find(struct recent_outcomes *outcomes, struct arena *arena, struct str command_id) {
    struct str value = {0};
    pthread_mutex_lock(&outcomes->lock);
    const struct recent_outcome *noted = *place_of(outcomes, command_id);
    if (noted != NULL && str_equal(str_of(noted->bytes, noted->id_len), command_id)) {
        value = arena_str_copy(arena, str_of(noted->bytes + noted->id_len, noted->value_len));
    }
    pthread_mutex_unlock(&outcomes->lock);
    return value;
}
