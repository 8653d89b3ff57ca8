#include "core/domain/customer/claiming.h"

#include "core/domain/customer/parts.h"

/* ---- the customer's decision ------------------------------------------------------------------------------------- */

/* What the address would be to the customer as he is now. */
static struct str purpose_of(const struct customer_state *state, struct str identity) {
    switch (state->status) {
    case CUSTOMER_STATUS_UNVERIFIED:
        return str_equal(identity, state->identity) ? CLAIM_VERIFY : CLAIM_NONE;
    case CUSTOMER_STATUS_ACTIVE:
        return str_equal(identity, state->pending_identity) ? CLAIM_CHANGE : CLAIM_NONE;
    case CUSTOMER_STATUS_ABSENT:
    case CUSTOMER_STATUS_SUSPENDED: /* what he had asked for is forgotten */
    case CUSTOMER_STATUS_ERASING:
    case CUSTOMER_STATUS_ERASED:
        return CLAIM_NONE;
    }
    return CLAIM_NONE;
}

static void refuse_claim(const struct record_identity_claim *told, struct str purpose, struct decision *decision) {
    decision_event(decision, EVENT_CUSTOMER_CLAIM_REFUSED)->as.customer_claim_refused =
        (struct customer_claim_refused){.identity = told->identity, .claim = told->claim, .purpose = purpose};
}

static void change_email(const struct customer_state *state, struct decision *decision) {
    decision_event(decision, EVENT_CUSTOMER_EMAIL_CHANGED)->as.customer_email_changed = (struct customer_email_changed){
        .before_identity = state->identity,
        .before_claim = state->claim,
        .identity = state->pending_identity,
        .email = state->pending_email,
        .has_before = state->has_email,
        .before = state->email,
    };
}

enum rejection claiming_record(const struct customer_state *state, const struct record_identity_claim *told,
                               struct decision *decision) {
    if (state->status == CUSTOMER_STATUS_ABSENT) {
        return REJECT_UNKNOWN_CUSTOMER;
    }
    bool is_waited_for = str_equal(told->identity, state->claiming) && told->claim == state->claiming_number;
    if (!is_waited_for) {
        bool is_held = customer_is_there(state) == ACCEPTED && str_equal(told->identity, state->identity) &&
                       told->claim == state->claim;
        if (!is_held) { /* a newer claim has taken its place, or it was answered before: a grant is given back */
            refuse_claim(told, CLAIM_NONE, decision);
        }
        return ACCEPTED;
    }
    struct str purpose = purpose_of(state, told->identity);
    if (told->granted && str_equal(purpose, CLAIM_VERIFY)) {
        decision_event(decision, EVENT_CUSTOMER_VERIFIED)->as.customer_verified =
            (struct customer_verified){.identity = told->identity};
    } else if (told->granted && str_equal(purpose, CLAIM_CHANGE)) {
        change_email(state, decision);
    } else {
        refuse_claim(told, purpose, decision);
    }
    return ACCEPTED;
}

/* ---- what follows ------------------------------------------------------------------------------------------------ */

static void release(struct str identity, int64_t claim, const struct event *event, struct reactions *reactions) {
    react_command(reactions, identity, COMMAND_RELEASE_IDENTITY)->as.release_identity =
        (struct release_identity){.customer = event->meta.stream, .claim = claim};
}

/* The claim of one who was registered as verified: what asks is the stream's second event. */
enum { CLAIM_OF_REGISTRATION = 2 };

/* What began it all is the command that proved the mailbox, and waits. Whoever registers has his answer already. */
static void answer(const struct event *event, int64_t claim, enum rejection rejection, struct reactions *reactions) {
    if (claim != CLAIM_OF_REGISTRATION) {
        react_answer(reactions, event->meta.correlation_id, rejection);
    }
}

static void after_refusal(const struct event *event, const struct command *cause, struct reactions *reactions) {
    const struct customer_claim_refused *refused = &event->as.customer_claim_refused;
    if (cause->as.record_identity_claim.granted) {
        release(refused->identity, refused->claim, event, reactions);
    }
    bool is_taken = !cause->as.record_identity_claim.granted;
    answer(event, refused->claim, is_taken ? REJECT_EMAIL_TAKEN : REJECT_TOKEN_USED, reactions);
}

void claiming_after_customer(const struct customer_state *state, const struct event *event, const struct command *cause,
                             struct reactions *reactions) {
    switch ((enum customers_event)event->type) {
    case EVENT_CUSTOMER_VERIFICATION_PROVED:
        react_command(reactions, event->as.customer_verification_proved.identity, COMMAND_CLAIM_IDENTITY)
            ->as.claim_identity = (struct claim_identity){.customer = event->meta.stream, .claim = event->meta.version};
        break;
    case EVENT_CUSTOMER_VERIFIED:
        answer(event, state->claim, ACCEPTED, reactions);
        break;
    case EVENT_CUSTOMER_EMAIL_CHANGED: {
        const struct customer_email_changed *changed = &event->as.customer_email_changed;
        release(changed->before_identity, changed->before_claim, event, reactions);
        answer(event, state->claim, ACCEPTED, reactions);
        break;
    }
    case EVENT_CUSTOMER_CLAIM_REFUSED:
        after_refusal(event, cause, reactions);
        break;
    case EVENT_CUSTOMER_ERASURE_REQUESTED:
        if (!str_is_empty(event->as.customer_erasure_requested.identity)) {
            release(state->identity, state->claim, event, reactions);
        }
        break;
    case EVENT_CUSTOMER_REGISTERED:
    case EVENT_CUSTOMER_VERIFICATION_REQUESTED:
    case EVENT_CUSTOMER_PROFILE_CHANGED:
    case EVENT_CUSTOMER_ADDRESS_PUT:
    case EVENT_CUSTOMER_ADDRESS_REMOVED:
    case EVENT_CUSTOMER_CONSENT_CHANGED:
    case EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED:
    case EVENT_LOGIN_FAILED:
    case EVENT_CUSTOMER_PASSWORD_CHANGED:
    case EVENT_CUSTOMER_PASSWORD_REHASHED:
    case EVENT_CUSTOMER_PASSWORD_RESET_REQUESTED:
    case EVENT_CUSTOMER_ROLES_CHANGED:
    case EVENT_CUSTOMER_TOTP_BEGUN:
    case EVENT_CUSTOMER_TOTP_ENABLED:
    case EVENT_CUSTOMER_TOTP_ENDED:
    case EVENT_CUSTOMER_UNLOCKED:
    case EVENT_CUSTOMER_SUSPENDED:
    case EVENT_CUSTOMER_REINSTATED:
    case EVENT_SESSION_OPENED:
    case EVENT_SESSION_REFRESHED:
    case EVENT_SESSION_ENDED:
    case EVENT_SESSIONS_ENDED:
    case EVENT_CUSTOMER_MAILED:
    case EVENT_CUSTOMER_ERASED:
        break;
    }
}

static void tell_customer(const struct event *event, struct str customer, int64_t claim, bool granted,
                          struct reactions *reactions) {
    react_command(reactions, customer, COMMAND_RECORD_IDENTITY_CLAIM)->as.record_identity_claim =
        (struct record_identity_claim){.identity = event->meta.stream, .claim = claim, .granted = granted};
}

void claiming_after_identity(const struct event *event, struct reactions *reactions) {
    switch ((enum identities_event)event->type) {
    case EVENT_IDENTITY_CLAIMED:
        tell_customer(event, event->as.identity_claimed.customer, event->as.identity_claimed.claim, true, reactions);
        break;
    case EVENT_IDENTITY_CLAIM_REFUSED:
        tell_customer(event, event->as.identity_claim_refused.customer, event->as.identity_claim_refused.claim, false,
                      reactions);
        break;
    case EVENT_IDENTITY_RELEASED:
        break;
    }
}
