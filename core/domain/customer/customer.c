#include "core/domain/customer/customer.h"

#include "core/domain/actor.h"
#include "core/domain/customer/claiming.h"
#include "core/domain/customer/parts.h"
#include "gen/codec.h"

static const struct status_change changes[] = {
    {EVENT_CUSTOMER_REGISTERED, CUSTOMER_STATUS_ABSENT, CUSTOMER_STATUS_UNVERIFIED},

    {EVENT_CUSTOMER_VERIFICATION_REQUESTED, CUSTOMER_STATUS_UNVERIFIED, CUSTOMER_STATUS_UNVERIFIED},
    {EVENT_CUSTOMER_VERIFICATION_PROVED, CUSTOMER_STATUS_UNVERIFIED, CUSTOMER_STATUS_UNVERIFIED},
    {EVENT_CUSTOMER_CLAIM_REFUSED, CUSTOMER_STATUS_UNVERIFIED, CUSTOMER_STATUS_UNVERIFIED},
    {EVENT_LOGIN_FAILED, CUSTOMER_STATUS_UNVERIFIED, CUSTOMER_STATUS_UNVERIFIED},
    {EVENT_CUSTOMER_VERIFIED, CUSTOMER_STATUS_UNVERIFIED, CUSTOMER_STATUS_ACTIVE},

    {EVENT_CUSTOMER_VERIFICATION_PROVED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_CLAIM_REFUSED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_PROFILE_CHANGED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_ADDRESS_PUT, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_ADDRESS_REMOVED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_CONSENT_CHANGED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_EMAIL_CHANGED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_LOGIN_FAILED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
};
const struct status_table customer_life = {changes, ARRAY_LENGTH(changes)};

/* ---- decide ------------------------------------------------------------------------------------------------------ */

/* A customer sees no other one. The route names the stream, so only a broken front could ask. */
static bool is_anothers(const struct command *command, const struct decision *decision) {
    struct actor actor = actor_of(command->meta.actor);
    return (actor.kind == ACTOR_CUSTOMER || actor.kind == ACTOR_VENDOR) && !str_equal(actor.id, decision->stream);
}

enum rejection customer_decide(const struct customer_state *state, const struct command *command,
                               struct decision *decision) {
    if (is_anothers(command, decision)) {
        return REJECT_UNKNOWN_CUSTOMER;
    }
    switch ((enum customers_command)command->type) {
    case COMMAND_REGISTER_CUSTOMER:
        return customer_register(state, &command->as.register_customer, decision);
    case COMMAND_VERIFY_CUSTOMER:
        return customer_verify(state, &command->as.verify_customer, decision);
    case COMMAND_RECORD_IDENTITY_CLAIM:
        return claiming_record(state, &command->as.record_identity_claim, decision);
    case COMMAND_CHANGE_PROFILE:
        return customer_change_profile(state, &command->as.change_profile, decision);
    case COMMAND_PUT_ADDRESS:
        return customer_put_address(state, &command->as.put_address, decision);
    case COMMAND_REMOVE_ADDRESS:
        return customer_remove_address(state, &command->as.remove_address, decision);
    case COMMAND_SET_CONSENT:
        return customer_set_consent(state, &command->as.set_consent, decision);
    case COMMAND_CHANGE_EMAIL:
        return customer_change_email(state, &command->as.change_email, decision);
    case COMMAND_CONFIRM_EMAIL:
        return customer_confirm_email(state, &command->as.confirm_email, decision);
    }
    return REJECT_MALFORMED_COMMAND;
}

/* ---- react ------------------------------------------------------------------------------------------------------- */

/* Who waits for a claim is answered in claiming.c; who asked for a mail, for the new address, is not kept waiting. */
static void answer(const struct event *event, struct reactions *reactions) {
    switch ((enum customers_event)event->type) {
    case EVENT_LOGIN_FAILED:
        react_answer(reactions, event->meta.command_id, REJECT_LOGIN_REFUSED);
        break;
    case EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED:
        react_answer(reactions, event->meta.command_id, ACCEPTED);
        break;
    case EVENT_CUSTOMER_REGISTERED:
    case EVENT_CUSTOMER_VERIFICATION_REQUESTED:
    case EVENT_CUSTOMER_VERIFICATION_PROVED:
    case EVENT_CUSTOMER_VERIFIED:
    case EVENT_CUSTOMER_CLAIM_REFUSED:
    case EVENT_CUSTOMER_PROFILE_CHANGED:
    case EVENT_CUSTOMER_ADDRESS_PUT:
    case EVENT_CUSTOMER_ADDRESS_REMOVED:
    case EVENT_CUSTOMER_CONSENT_CHANGED:
    case EVENT_CUSTOMER_EMAIL_CHANGED:
        break;
    }
}

/* ---- for the handler --------------------------------------------------------------------------------------------- */
static enum rejection decide(const void *state, const void *sub_state, const struct command *command,
                             struct decision *decision) {
    (void)sub_state;
    return customer_decide(state, command, decision);
}

static void evolve(void *state, void *sub_state, const struct event *event, struct arena *arena) {
    (void)sub_state;
    customer_evolve(state, event, arena);
}

static void react(const void *state, const struct event *event, const struct command *cause,
                  struct reactions *reactions) {
    claiming_after_customer(state, event, cause, reactions);
    answer(event, reactions);
}

static void encode(struct buf *out, const void *state) {
    customer_state_encode(out, state);
}

static bool decode(struct arena *arena, struct str bytes, void *ret_state) {
    return customer_state_decode(arena, bytes, ret_state);
}

const struct aggregate customer_aggregate = {
    .prefix = {"cus_", 4},
    .family = "customers",
    .noun = "customer",
    .state_size = sizeof(struct customer_state),
    .decide = decide,
    .evolve = evolve,
    .react = react,
    .life = &customer_life,
    .state_encode = encode,
    .state_decode = decode,
    .state_schema_id = CUSTOMER_STATE_SCHEMA_ID,
};
