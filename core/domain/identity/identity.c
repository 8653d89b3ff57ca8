#include "core/domain/identity/identity.h"

#include "core/domain/customer/claiming.h"
#include "gen/codec.h"

/* ---- decide ------------------------------------------------------------------------------------------------------ */

/* Who has it and claims it again is told again, under the newer number. A claim of before that one is a late copy,
 * whose answer was given long ago. */
static enum rejection claim_identity(const struct identity_state *state, const struct claim_identity *ask,
                                     struct decision *decision) {
    if (!str_is_empty(state->customer) && !str_equal(state->customer, ask->customer)) {
        decision_event(decision, EVENT_IDENTITY_CLAIM_REFUSED)->as.identity_claim_refused =
            (struct identity_claim_refused){.customer = ask->customer, .claim = ask->claim, .holder = state->customer};
    } else if (str_is_empty(state->customer) || ask->claim >= state->claim) {
        decision_event(decision, EVENT_IDENTITY_CLAIMED)->as.identity_claimed =
            (struct identity_claimed){.customer = ask->customer, .claim = ask->claim};
    }
    return ACCEPTED;
}

static enum rejection release_identity(const struct identity_state *state, const struct release_identity *ask,
                                       struct decision *decision) {
    if (!str_is_empty(state->customer) && str_equal(state->customer, ask->customer) && state->claim == ask->claim) {
        decision_event(decision, EVENT_IDENTITY_RELEASED)->as.identity_released =
            (struct identity_released){.customer = ask->customer, .claim = ask->claim};
    }
    return ACCEPTED;
}

enum rejection identity_decide(const struct identity_state *state, const struct command *command,
                               struct decision *decision) {
    switch ((enum identities_command)command->type) {
    case COMMAND_CLAIM_IDENTITY:
        return claim_identity(state, &command->as.claim_identity, decision);
    case COMMAND_RELEASE_IDENTITY:
        return release_identity(state, &command->as.release_identity, decision);
    }
    return REJECT_MALFORMED_COMMAND;
}

/* ---- evolve ------------------------------------------------------------------------------------------------------ */

void identity_evolve(struct identity_state *state, const struct event *event) {
    switch ((enum identities_event)event->type) {
    case EVENT_IDENTITY_CLAIMED:
        state->customer = event->as.identity_claimed.customer;
        state->claim = event->as.identity_claimed.claim;
        break;
    case EVENT_IDENTITY_CLAIM_REFUSED:
        break;
    case EVENT_IDENTITY_RELEASED:
        state->customer = STR("");
        state->claim = 0;
        break;
    }
    state->created_at = state->created_at == 0 ? event->meta.occurred_at : state->created_at;
    state->changed_at = event->meta.occurred_at;
}

/* ---- for the handler --------------------------------------------------------------------------------------------- */

static enum rejection decide(const void *state, const void *sub_state, const struct command *command,
                             struct decision *decision) {
    (void)sub_state;
    return identity_decide(state, command, decision);
}

static void evolve(void *state, void *sub_state, const struct event *event, struct arena *arena) {
    (void)sub_state;
    (void)arena;
    identity_evolve(state, event);
}

static void react(const void *state, const struct event *event, const struct command *cause,
                  struct reactions *reactions) {
    (void)state;
    (void)cause;
    claiming_after_identity(event, reactions);
}

static void encode(struct buf *out, const void *state) {
    identity_state_encode(out, state);
}

static bool decode(struct arena *arena, struct str bytes, void *ret_state) {
    return identity_state_decode(arena, bytes, ret_state);
}

const struct aggregate identity_aggregate = {
    .prefix = {"idn_", 4},
    .family = "identities",
    .noun = "identity",
    .state_size = sizeof(struct identity_state),
    .decide = decide,
    .evolve = evolve,
    .react = react,
    .state_encode = encode,
    .state_decode = decode,
    .state_schema_id = IDENTITY_STATE_SCHEMA_ID,
};
