#include "core/domain/apikey/apikey.h"

#include "core/base/timestamp.h"
#include "core/domain/actor.h"
#include "core/domain/roles.h"
#include "gen/codec.h"

static const struct status_change changes[] = {
    {EVENT_API_KEY_CREATED, API_KEY_STATUS_ABSENT, API_KEY_STATUS_ACTIVE},
    {EVENT_API_KEY_ROTATED, API_KEY_STATUS_ACTIVE, API_KEY_STATUS_ACTIVE},
    {EVENT_API_KEY_USED, API_KEY_STATUS_ACTIVE, API_KEY_STATUS_ACTIVE},
    {EVENT_API_KEY_REVOKED, API_KEY_STATUS_ACTIVE, API_KEY_STATUS_REVOKED},
};
static const struct status_table life = {changes, ARRAY_LENGTH(changes)};

/* ---- decide ------------------------------------------------------------------------------------------------------ */

/* A key opens what its roles open, so only the house makes and ends them: staff whom the front has let in, and whoever
 * is at the machine itself. Nobody else, and not where access is open either: there anybody would make himself a key
 * that is good when it is closed again. */
static bool is_of_house(const struct command *command) {
    enum actor_kind kind = actor_of(command->meta.actor).kind;
    return kind == ACTOR_STAFF || kind == ACTOR_SYSTEM;
}

#define HOUR_US (INT64_C(3600) * MICROS_PER_SECOND)

/* A key without a hash is one that anybody has; the front makes it, so only a broken one could leave it out. */
static bool is_hash(struct str hash) {
    return hash.len == API_KEY_HASH_BYTES;
}

static enum rejection create(const struct api_key_state *state, const struct create_api_key *ask,
                             struct decision *decision) {
    if (state->status != API_KEY_STATUS_ABSENT) {
        return REJECT_ALREADY_EXISTS;
    }
    if (!is_hash(ask->hash)) {
        return REJECT_MALFORMED_COMMAND;
    }
    bool may_something = ask->roles.count >= 1 && ask->roles.count <= API_KEY_ROLES_MAX;
    if (!may_something || !roles_are_known(&ask->roles, ROLES_OF_KEYS)) {
        return decision_reject(decision, REJECT_UNKNOWN_ROLE, STR("/roles"));
    }
    decision_event(decision, EVENT_API_KEY_CREATED)->as.api_key_created = (struct api_key_created){
        .name = ask->name,
        .roles = ask->roles,
        .hash = ask->hash,
        .generation = 1,
        .has_expires_at = ask->has_expires_at,
        .expires_at = ask->expires_at,
    };
    return ACCEPTED;
}

static enum rejection rotate(const struct api_key_state *state, const struct rotate_api_key *ask,
                             struct decision *decision) {
    switch (state->status) {
    case API_KEY_STATUS_ABSENT:
        return REJECT_UNKNOWN_KEY;
    case API_KEY_STATUS_REVOKED:
        return REJECT_KEY_REVOKED;
    case API_KEY_STATUS_ACTIVE:
        break;
    }
    if (!is_hash(ask->hash) || ask->grace_s < 0 || ask->grace_s > API_KEY_GRACE_MAX_S) {
        return REJECT_MALFORMED_COMMAND;
    }
    if (ask->generation != state->generation + 1) { /* of two at once, one's secret would never be good */
        return REJECT_KEY_ROTATED;
    }
    if (str_equal(ask->hash, state->hash) || str_equal(ask->hash, state->previous_hash)) {
        return REJECT_MALFORMED_COMMAND;
    }
    decision_event(decision, EVENT_API_KEY_ROTATED)->as.api_key_rotated = (struct api_key_rotated){
        .generation = ask->generation,
        .hash = ask->hash,
        .previous_until = decision->now_us + (int64_t)ask->grace_s * MICROS_PER_SECOND,
    };
    return ACCEPTED;
}

static enum rejection revoke(const struct api_key_state *state, const struct revoke_api_key *ask,
                             struct decision *decision) {
    switch (state->status) {
    case API_KEY_STATUS_ABSENT:
        return REJECT_UNKNOWN_KEY;
    case API_KEY_STATUS_REVOKED:
        return ACCEPTED;
    case API_KEY_STATUS_ACTIVE:
        decision_event(decision, EVENT_API_KEY_REVOKED)->as.api_key_revoked =
            (struct api_key_revoked){.has_reason = ask->has_reason, .reason = ask->reason};
        return ACCEPTED;
    }
    return ACCEPTED;
}

/* Of an hour that was noted, of one before it, or of a key that was revoked meanwhile: nothing. */
static enum rejection note_use(const struct api_key_state *state, const struct note_api_key_use *ask,
                               struct decision *decision) {
    if (state->status == API_KEY_STATUS_ABSENT) {
        return REJECT_UNKNOWN_KEY;
    }
    if (ask->hour > decision->now_us / HOUR_US) { /* none would be noted until then */
        return REJECT_MALFORMED_COMMAND;
    }
    if (state->status == API_KEY_STATUS_ACTIVE && ask->hour > state->used_hour) {
        decision_event(decision, EVENT_API_KEY_USED)->as.api_key_used = (struct api_key_used){.hour = ask->hour};
    }
    return ACCEPTED;
}

enum rejection apikey_decide(const struct api_key_state *state, const struct command *command,
                             struct decision *decision) {
    if (!is_of_house(command)) {
        return REJECT_UNKNOWN_KEY;
    }
    switch ((enum keys_command)command->type) {
    case COMMAND_CREATE_API_KEY:
        return create(state, &command->as.create_api_key, decision);
    case COMMAND_ROTATE_API_KEY:
        return rotate(state, &command->as.rotate_api_key, decision);
    case COMMAND_REVOKE_API_KEY:
        return revoke(state, &command->as.revoke_api_key, decision);
    case COMMAND_NOTE_API_KEY_USE:
        return note_use(state, &command->as.note_api_key_use, decision);
    }
    return REJECT_MALFORMED_COMMAND;
}

/* ---- evolve ------------------------------------------------------------------------------------------------------ */

static void evolve_created(struct api_key_state *state, const struct event *event) {
    const struct api_key_created *created = &event->as.api_key_created;
    state->name = created->name;
    state->roles = created->roles; /* never changed, so shared with the event */
    state->hash = created->hash;
    state->generation = created->generation;
    state->has_expires_at = created->has_expires_at;
    state->expires_at = created->expires_at;
    state->created_at = event->meta.occurred_at;
}

void apikey_evolve(struct api_key_state *state, const struct event *event) {
    switch ((enum keys_event)event->type) {
    case EVENT_API_KEY_CREATED:
        evolve_created(state, event);
        break;
    case EVENT_API_KEY_ROTATED:
        state->previous_hash = state->hash;
        state->previous_until = event->as.api_key_rotated.previous_until;
        state->hash = event->as.api_key_rotated.hash;
        state->generation = event->as.api_key_rotated.generation;
        break;
    case EVENT_API_KEY_REVOKED:
        state->has_reason = event->as.api_key_revoked.has_reason;
        state->reason = event->as.api_key_revoked.reason;
        break;
    case EVENT_API_KEY_USED:
        state->used_hour = event->as.api_key_used.hour;
        break;
    }
    state->status = (enum api_key_status)status_evolved(&life, event->type, (int)state->status);
    if (event->type != EVENT_API_KEY_USED) {
        state->changed_at = event->meta.occurred_at;
    }
}

/* ---- for the handler --------------------------------------------------------------------------------------------- */

static enum rejection decide(const void *state, const void *sub_state, const struct command *command,
                             struct decision *decision) {
    (void)sub_state;
    return apikey_decide(state, command, decision);
}

static void evolve(void *state, void *sub_state, const struct event *event, struct arena *arena) {
    (void)sub_state;
    (void)arena;
    apikey_evolve(state, event);
}

static void encode(struct buf *out, const void *state) {
    api_key_state_encode(out, state);
}

static bool decode(struct arena *arena, struct str bytes, void *ret_state) {
    return api_key_state_decode(arena, bytes, ret_state);
}

const struct aggregate apikey_aggregate = {
    .prefix = {"key_", 4},
    .family = "keys",
    .noun = "API key",
    .state_size = sizeof(struct api_key_state),
    .decide = decide,
    .evolve = evolve,
    .life = &life,
    .state_encode = encode,
    .state_decode = decode,
    .state_schema_id = API_KEY_STATE_SCHEMA_ID,
};
