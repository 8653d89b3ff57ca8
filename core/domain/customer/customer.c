#include "core/domain/customer/customer.h"

#include "core/base/timestamp.h"
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
    {EVENT_CUSTOMER_UNLOCKED, CUSTOMER_STATUS_UNVERIFIED, CUSTOMER_STATUS_UNVERIFIED},
    {EVENT_CUSTOMER_MAILED, CUSTOMER_STATUS_UNVERIFIED, CUSTOMER_STATUS_UNVERIFIED},
    {EVENT_CUSTOMER_VERIFIED, CUSTOMER_STATUS_UNVERIFIED, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_ERASURE_REQUESTED, CUSTOMER_STATUS_UNVERIFIED, CUSTOMER_STATUS_ERASING},

    {EVENT_CUSTOMER_VERIFICATION_PROVED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_CLAIM_REFUSED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_PROFILE_CHANGED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_ADDRESS_PUT, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_ADDRESS_REMOVED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_CONSENT_CHANGED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_EMAIL_CHANGED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_LOGIN_FAILED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_PASSWORD_CHANGED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_PASSWORD_REHASHED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_PASSWORD_RESET_REQUESTED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_ROLES_CHANGED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_TOTP_BEGUN, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_TOTP_ENABLED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_TOTP_ENDED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_UNLOCKED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_SESSION_OPENED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_SESSION_REFRESHED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_SESSION_ENDED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_SESSIONS_ENDED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_MAILED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_SUSPENDED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_SUSPENDED},
    {EVENT_CUSTOMER_ERASURE_REQUESTED, CUSTOMER_STATUS_ACTIVE, CUSTOMER_STATUS_ERASING},

    {EVENT_CUSTOMER_CLAIM_REFUSED, CUSTOMER_STATUS_SUSPENDED, CUSTOMER_STATUS_SUSPENDED},
    {EVENT_LOGIN_FAILED, CUSTOMER_STATUS_SUSPENDED, CUSTOMER_STATUS_SUSPENDED},
    {EVENT_CUSTOMER_ROLES_CHANGED, CUSTOMER_STATUS_SUSPENDED, CUSTOMER_STATUS_SUSPENDED},
    {EVENT_CUSTOMER_MAILED, CUSTOMER_STATUS_SUSPENDED, CUSTOMER_STATUS_SUSPENDED},
    {EVENT_CUSTOMER_REINSTATED, CUSTOMER_STATUS_SUSPENDED, CUSTOMER_STATUS_ACTIVE},
    {EVENT_CUSTOMER_ERASURE_REQUESTED, CUSTOMER_STATUS_SUSPENDED, CUSTOMER_STATUS_ERASING},

    /* A claim that was on its way is still answered, and given back. */
    {EVENT_CUSTOMER_CLAIM_REFUSED, CUSTOMER_STATUS_ERASING, CUSTOMER_STATUS_ERASING},
    {EVENT_CUSTOMER_MAILED, CUSTOMER_STATUS_ERASING, CUSTOMER_STATUS_ERASING},
    {EVENT_CUSTOMER_ERASED, CUSTOMER_STATUS_ERASING, CUSTOMER_STATUS_ERASED},
    {EVENT_CUSTOMER_CLAIM_REFUSED, CUSTOMER_STATUS_ERASED, CUSTOMER_STATUS_ERASED},
};
const struct status_table customer_life = {changes, ARRAY_LENGTH(changes)};

static const struct status_change session_changes[] = {
    {EVENT_SESSION_OPENED, SESSION_STATUS_ABSENT, SESSION_STATUS_OPEN},
    {EVENT_SESSION_REFRESHED, SESSION_STATUS_OPEN, SESSION_STATUS_OPEN},
    {EVENT_SESSION_ENDED, SESSION_STATUS_OPEN, SESSION_STATUS_ENDED},
};
const struct status_table session_life = {session_changes, ARRAY_LENGTH(session_changes)};

/* ---- decide ------------------------------------------------------------------------------------------------------ */

/* A follow-up has the actor of its cause, whoever that was. */
static bool is_follow_up(uint16_t command_type) {
    return command_type == COMMAND_RECORD_IDENTITY_CLAIM;
}

static bool is_of_house(uint16_t command_type) {
    return command_type == COMMAND_SET_ROLES || command_type == COMMAND_UNLOCK_CUSTOMER ||
           command_type == COMMAND_SUSPEND_CUSTOMER || command_type == COMMAND_REINSTATE_CUSTOMER ||
           command_type == COMMAND_REMOVE_TOTP;
}

/* A customer sees no other one, and what the house does is not for him. The route names the stream, so only a broken
 * front could ask; save that a link in a mail is clicked by whoever reads it (ConfirmEmail). */
static bool may_ask(const struct command *command, const struct decision *decision) {
    struct actor actor = actor_of(command->meta.actor);
    bool is_himself = str_equal(actor.id, decision->stream);
    if (is_follow_up(command->type)) {
        return true;
    }
    if (command->type == COMMAND_CONFIRM_EMAIL && !is_himself) {
        return false;
    }
    switch (actor.kind) {
    case ACTOR_OTHER:
    case ACTOR_PROVIDER:
        return false;
    case ACTOR_ANONYMOUS:
    case ACTOR_GUEST:
        return !is_of_house(command->type);
    case ACTOR_CUSTOMER:
    case ACTOR_VENDOR:
        return is_himself && !is_of_house(command->type);
    case ACTOR_STAFF:
    case ACTOR_SERVICE:
    case ACTOR_SYSTEM:
        return true;
    }
    return false;
}

/* A command about a session that names none can only come from a broken sender. */
static bool lacks_its_session(const struct session_state *session, uint16_t command_type) {
    return session == NULL && (command_type == COMMAND_REFRESH_SESSION || command_type == COMMAND_END_SESSION);
}

enum rejection customer_decide(const struct customer_state *state, const struct session_state *session,
                               const struct command *command, struct decision *decision) {
    if (!may_ask(command, decision)) {
        return REJECT_UNKNOWN_CUSTOMER;
    }
    if (lacks_its_session(session, command->type)) {
        return REJECT_MALFORMED_COMMAND;
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
    case COMMAND_REQUEST_PASSWORD_RESET:
        return customer_request_reset(state, decision);
    case COMMAND_RESET_PASSWORD:
        return customer_reset_password(state, &command->as.reset_password, decision);
    case COMMAND_CHANGE_PASSWORD:
        return customer_change_password(state, &command->as.change_password, decision);
    case COMMAND_OPEN_SESSION:
        return customer_open_session(state, session, &command->as.open_session, decision);
    case COMMAND_REFRESH_SESSION:
        return customer_refresh_session(state, session, &command->as.refresh_session, decision);
    case COMMAND_END_SESSION:
        return customer_end_session(state, session, &command->as.end_session, decision);
    case COMMAND_END_SESSIONS:
        return customer_end_all_sessions(state, command, decision);
    case COMMAND_BEGIN_TOTP:
        return customer_begin_totp(state, &command->as.begin_totp, decision);
    case COMMAND_CONFIRM_TOTP:
        return customer_confirm_totp(state, &command->as.confirm_totp, decision);
    case COMMAND_END_TOTP:
        return customer_end_totp(state, &command->as.end_totp, decision);
    case COMMAND_ISSUE_PASSWORD:
        return customer_issue_password(state, command, decision);
    case COMMAND_SET_ROLES:
        return customer_set_roles(state, command, decision);
    case COMMAND_UNLOCK_CUSTOMER:
        return customer_unlock(state, command, decision);
    case COMMAND_SUSPEND_CUSTOMER:
        return customer_suspend(state, command, decision);
    case COMMAND_REINSTATE_CUSTOMER:
        return customer_reinstate(state, command, decision);
    case COMMAND_REMOVE_TOTP:
        return customer_remove_totp(state, command, decision);
    case COMMAND_ERASE_CUSTOMER:
        return customer_erase(state, command, decision);
    case COMMAND_EXPIRE_REGISTRATION:
        return customer_expire_registration(state, decision);
    case COMMAND_RECORD_ERASURE:
        return customer_record_erasure(state, decision);
    case COMMAND_RECORD_MAIL:
        return customer_record_mail(state, &command->as.record_mail, decision);
    }
    return REJECT_MALFORMED_COMMAND;
}

/* ---- react ------------------------------------------------------------------------------------------------------- */

/* Who waits for a claim is answered in claiming.c; who asked for a mail, for the new address, is not kept waiting. */
static void answer(const struct customer_state *state, const struct event *event, struct reactions *reactions) {
    switch ((enum customers_event)event->type) {
    case EVENT_LOGIN_FAILED:
        react_answer(reactions, event->meta.command_id, REJECT_LOGIN_REFUSED);
        break;
    case EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED:
    case EVENT_CUSTOMER_TOTP_BEGUN:
    case EVENT_CUSTOMER_TOTP_ENDED:
        react_answer(reactions, event->meta.command_id, ACCEPTED);
        break;
    case EVENT_CUSTOMER_PASSWORD_CHANGED: /* whoever resets it is answered at once */
        if (str_equal(event->as.customer_password_changed.how, CUSTOMER_BY_CHANGE)) {
            react_answer(reactions, event->meta.command_id, ACCEPTED);
        }
        break;
    case EVENT_SESSION_OPENED:
    case EVENT_SESSION_REFRESHED:
        react_answer(reactions, event->meta.command_id, ACCEPTED)->is_brief = true;
        break;
    case EVENT_SESSION_ENDED:
        if (str_equal(event->as.session_ended.reason, SESSION_REUSED)) {
            react_answer(reactions, event->meta.command_id, REJECT_SESSION_ENDED);
        }
        break;
    case EVENT_CUSTOMER_ERASED:
        if (!str_is_empty(state->pending_command)) {
            react_answer(reactions, state->pending_command, ACCEPTED);
        }
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
    case EVENT_CUSTOMER_PASSWORD_REHASHED:
    case EVENT_CUSTOMER_PASSWORD_RESET_REQUESTED:
    case EVENT_CUSTOMER_ROLES_CHANGED:
    case EVENT_CUSTOMER_TOTP_ENABLED:
    case EVENT_CUSTOMER_UNLOCKED:
    case EVENT_CUSTOMER_SUSPENDED:
    case EVENT_CUSTOMER_REINSTATED:
    case EVENT_SESSIONS_ENDED:
    case EVENT_CUSTOMER_MAILED:
    case EVENT_CUSTOMER_ERASURE_REQUESTED:
        break;
    }
}

/* ---- for the handler --------------------------------------------------------------------------------------------- */

/* A session's number as text; empty for none. */
static struct str session_key(int32_t session, struct arena *arena) {
    return session > 0 ? arena_printf(arena, "%d", session) : STR("");
}

static struct str command_session(const struct command *command, struct arena *arena) {
    switch ((int)command->type) {
    case COMMAND_OPEN_SESSION: /* that which it replaces */
        return session_key(command->as.open_session.replaces, arena);
    case COMMAND_REFRESH_SESSION:
        return session_key(command->as.refresh_session.session, arena);
    case COMMAND_END_SESSION:
        return session_key(command->as.end_session.session, arena);
    default:
        return STR("");
    }
}

static struct str event_session(const struct event *event, struct arena *arena) {
    switch ((int)event->type) {
    case EVENT_SESSION_OPENED:
        return session_key(event->as.session_opened.session, arena);
    case EVENT_SESSION_REFRESHED:
        return session_key(event->as.session_refreshed.session, arena);
    case EVENT_SESSION_ENDED:
        return session_key(event->as.session_ended.session, arena);
    default:
        return STR("");
    }
}

static enum rejection decide(const void *state, const void *sub_state, const struct command *command,
                             struct decision *decision) {
    return customer_decide(state, sub_state, command, decision);
}

static void evolve(void *state, void *sub_state, const struct event *event, struct arena *arena) {
    customer_evolve(state, sub_state, event, arena);
}

static void react(const void *state, const struct event *event, const struct command *cause,
                  struct reactions *reactions) {
    claiming_after_customer(state, event, cause, reactions);
    answer(state, event, reactions);
}

/* A registration that nobody proves leaves neither a key nor a claim behind. */
static int64_t deadline_us(const void *of) {
    const struct customer_state *state = of;
    return state->status == CUSTOMER_STATUS_UNVERIFIED
               ? state->created_at + (int64_t)CUSTOMER_REGISTRATION_S * MICROS_PER_SECOND
               : 0;
}

static void on_deadline(const void *state, struct command *ret_command) {
    (void)state;
    ret_command->type = COMMAND_EXPIRE_REGISTRATION;
}

static void encode(struct buf *out, const void *state) {
    customer_state_encode(out, state);
}

/* Tokens need none of it, there is an answer of these each few minutes, and each is kept for two days. */
static void encode_brief(struct buf *out, const void *of) {
    struct customer_state state = *(const struct customer_state *)of;
    state.addresses = (struct customer_address_array){0};
    state.consents = (struct consent_array){0};
    customer_state_encode(out, &state);
}

static bool decode(struct arena *arena, struct str bytes, void *ret_state) {
    return customer_state_decode(arena, bytes, ret_state);
}

static void encode_session(struct buf *out, const void *sub_state) {
    session_state_encode(out, sub_state);
}

static bool decode_session(struct arena *arena, struct str bytes, void *ret_sub_state) {
    return session_state_decode(arena, bytes, ret_sub_state);
}

const struct aggregate customer_aggregate = {
    .prefix = {"cus_", 4},
    .family = "customers",
    .noun = "customer",
    .state_size = sizeof(struct customer_state),
    .sub_state_size = sizeof(struct session_state),
    .decide = decide,
    .evolve = evolve,
    .react = react,
    .life = &customer_life,
    .command_sub_key = command_session,
    .event_sub_key = event_session,
    .deadline_us = deadline_us,
    .on_deadline = on_deadline,
    .state_encode = encode,
    .state_encode_brief = encode_brief,
    .state_decode = decode,
    .state_schema_id = CUSTOMER_STATE_SCHEMA_ID,
    .sub_state_encode = encode_session,
    .sub_state_decode = decode_session,
};
