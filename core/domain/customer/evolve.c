/* evolve.c: what each event changes of a customer, and of a session. */
#include "core/domain/customer/claiming.h"
#include "core/domain/customer/parts.h"

/* ---- parts ------------------------------------------------------------------------------------------------------- */

/* Of mails that somebody asked for. What the house tells somebody for his safety does not count, or whoever robs him
 * would first have him mailed until he is told nothing. */
static void note_mail(struct customer_state *state, const struct event *event) {
    if (customer_mails_begin_anew(state, event->meta.occurred_at)) {
        state->mails_since = event->meta.occurred_at;
        state->mails = 0;
    }
    state->mails++;
}

static void evolve_registered(struct customer_state *state, const struct event *event) {
    const struct customer_registered *registered = &event->as.customer_registered;
    state->identity = registered->identity;
    state->key_id = registered->key_id;
    state->email_key = registered->email_key;
    state->has_email = true;
    state->email = registered->email;
    state->has_name = registered->has_name;
    state->name = registered->name;
    state->has_password = true;
    state->password = registered->password;
    state->password_number = registered->password_number;
    state->roles = registered->roles; /* never changed, so shared with the event */
    state->once_until = registered->once_until;
    state->sessions_from = 1;
    state->created_at = event->meta.occurred_at;
}

static void forget_pending(struct customer_state *state) {
    state->pending_identity = STR("");
    state->pending_email_key = STR("");
    state->has_pending_email = false;
    state->pending_email = (struct sealed){0};
    state->email_asked_at = 0;
}

/* The claim has its answer. */
static void end_claim(struct customer_state *state) {
    state->claiming = STR("");
    state->claiming_number = 0;
}

static void evolve_email_changed(struct customer_state *state, const struct event *event) {
    const struct customer_email_changed *changed = &event->as.customer_email_changed;
    state->identity = changed->identity;
    state->claim = state->claiming_number;
    state->email_key = state->pending_email_key;
    state->email = changed->email;
    state->reset_asked_at = 0; /* the token went to the mailbox of before */
    forget_pending(state);
    end_claim(state);
}

static void evolve_claim_refused(struct customer_state *state, const struct customer_claim_refused *refused) {
    bool is_waited_for = str_equal(refused->identity, state->claiming) && refused->claim == state->claiming_number;
    if (!is_waited_for) {
        return;
    }
    end_claim(state);
    if (str_equal(refused->purpose, CLAIM_CHANGE)) {
        forget_pending(state);
    }
}

static void evolve_address_put(struct customer_state *state, const struct customer_address_put *put,
                               struct arena *arena) {
    struct customer_address *address = NULL;
    for (uint32_t i = 0; i < state->addresses.count && address == NULL; i++) {
        address = str_equal(state->addresses.items[i].id, put->id) ? &state->addresses.items[i] : NULL;
    }
    if (address == NULL) {
        address = ARRAY_PUSH(arena, &state->addresses);
        state->address_number++;
    }
    *address = (struct customer_address){put->id, put->address};
}

static void evolve_address_removed(struct customer_state *state, struct str id) {
    for (uint32_t i = 0; i < state->addresses.count; i++) {
        if (str_equal(state->addresses.items[i].id, id)) {
            ARRAY_REMOVE(&state->addresses, i);
            return;
        }
    }
}

static void evolve_consent(struct customer_state *state, const struct event *event, struct arena *arena) {
    const struct customer_consent_changed *changed = &event->as.customer_consent_changed;
    struct consent *consent = NULL;
    for (uint32_t i = 0; i < state->consents.count && consent == NULL; i++) {
        consent = str_equal(state->consents.items[i].purpose, changed->purpose) ? &state->consents.items[i] : NULL;
    }
    if (consent == NULL) {
        consent = ARRAY_PUSH(arena, &state->consents);
    }
    *consent = (struct consent){changed->purpose, changed->granted, event->meta.occurred_at};
}

static void evolve_failure(struct customer_state *state, const struct login_failed *failed) {
    if (failed->within) {
        state->proof_failures = failed->failures;
        state->proof_locked_until = failed->locked_until;
    } else {
        state->failures = failed->failures;
        state->locked_until = failed->locked_until;
    }
}

/* Each is good once. */
static void use_code(struct customer_state *state, int64_t step, int32_t recovery) {
    if (step > 0) {
        state->totp_step = step;
    }
    if (recovery >= 1 && recovery <= CUSTOMER_RECOVERY_CODES) {
        state->recovery_used |= 1 << (recovery - 1);
    }
}

/* The password was proved within a session, and the code where one was asked for. Events of before codes were asked for
 * have none, and with an authenticator the password alone is half of a proof. */
static void prove_within(struct customer_state *state, int64_t step, int32_t recovery) {
    use_code(state, step, recovery);
    if (state->totp != TOTP_STATUS_ON || step > 0 || recovery > 0) {
        state->proof_failures = 0;
        state->proof_locked_until = 0;
    }
}

/* All was proved, or is as good as proved: nobody is locked out any more. */
static void unlock(struct customer_state *state) {
    state->failures = state->proof_failures = 0;
    state->locked_until = state->proof_locked_until = 0;
}

static void evolve_verification_requested(struct customer_state *state, const struct event *event) {
    state->verification_number = event->as.customer_verification_requested.number;
    state->verification_sent_at = event->meta.occurred_at;
    note_mail(state, event);
}

static void evolve_email_change_requested(struct customer_state *state, const struct event *event) {
    const struct customer_email_change_requested *requested = &event->as.customer_email_change_requested;
    state->email_number = requested->number;
    state->email_asked_at = event->meta.occurred_at;
    state->pending_identity = requested->identity;
    state->pending_email_key = requested->email_key;
    state->has_pending_email = true;
    state->pending_email = requested->to;
    note_mail(state, event);
    prove_within(state, requested->totp_step, requested->recovery);
}

static void evolve_reset_requested(struct customer_state *state, const struct event *event) {
    state->reset_number = event->as.customer_password_reset_requested.number;
    state->reset_asked_at = event->meta.occurred_at;
    note_mail(state, event);
}

/* Another secret has codes of its own. */
static void evolve_totp(struct customer_state *state, const struct event *event) {
    if (event->type == EVENT_CUSTOMER_TOTP_BEGUN) {
        state->totp_number = event->as.customer_totp_begun.number;
        state->totp = TOTP_STATUS_PENDING;
        state->totp_step = 0;
        state->recovery_used = 0;
        prove_within(state, 0, 0);
    } else if (event->type == EVENT_CUSTOMER_TOTP_ENABLED) {
        state->totp = TOTP_STATUS_ON;
        state->totp_step = event->as.customer_totp_enabled.step;
        state->totp_sessions_from = state->sessions_opened + 1;
        forget_pending(
            state); /* a change of address that was asked for before takes a code as well: it is asked anew */
    } else {
        state->totp = TOTP_STATUS_OFF;
        unlock(state);
    }
}

/* A token that set a password sets no other one. Nor does a change of address go on that was asked for before: it may
 * be that of whoever knew the password of before. */
static void evolve_password_changed(struct customer_state *state, const struct customer_password_changed *changed) {
    state->password = changed->password;
    state->password_number = changed->number;
    state->once_until = changed->once_until;
    state->reset_asked_at = 0;
    forget_pending(state);
    if (str_equal(changed->how, CUSTOMER_BY_CHANGE)) {
        prove_within(state, changed->totp_step, changed->recovery);
    } else {
        unlock(state);
    }
}

/* What was on its way by mail goes no further: it may be that of whoever he is suspended for. */
static void evolve_suspension(struct customer_state *state, const struct event *event) {
    bool is_suspended = event->type == EVENT_CUSTOMER_SUSPENDED;
    state->suspended_at = is_suspended ? event->meta.occurred_at : 0;
    state->suspended_for = is_suspended ? event->as.customer_suspended.reason : STR("");
    state->reset_asked_at = 0;
    forget_pending(state);
    if (!is_suspended) {
        unlock(state);
    }
}

static void evolve_session_opened(struct customer_state *state, const struct session_opened *opened) {
    state->sessions_opened = opened->session;
    use_code(state, opened->totp_step, opened->recovery);
    unlock(state);
}

/* What the answer's tokens are made of: whoever reacts, and whoever answers, sees no session. */
static void touch(struct customer_state *state, int32_t session, int32_t generation, const struct event *event,
                  int64_t expires_at) {
    state->touched_session = session;
    state->touched_generation = generation;
    state->touched_at = event->meta.occurred_at;
    state->touched_expires_at = expires_at;
}

/* Nothing that is sealed stays; that it was sealed is no reason to keep it, once its key goes. */
static void evolve_erasure(struct customer_state *state, const struct event *event) {
    state->has_email = state->has_name = state->has_password = false;
    state->email = state->name = state->password = (struct sealed){0};
    forget_pending(state);
    state->addresses = (struct customer_address_array){0};
    state->pending_command = event->as.customer_erasure_requested.asked ? event->meta.command_id : STR("");
}

/* NULL: a history from elsewhere, since we write no event of a session without its number. */
static void evolve_session(struct session_state *session, const struct event *event, int32_t generation,
                           int64_t expires_at) {
    if (session == NULL) {
        return;
    }
    session->status = (enum session_status)status_evolved(&session_life, event->type, (int)session->status);
    if (generation > 0) {
        session->generation = generation;
        session->opened_at = event->type == EVENT_SESSION_OPENED ? event->meta.occurred_at : session->opened_at;
        session->refreshed_at = event->meta.occurred_at;
        session->expires_at = expires_at;
    }
}

static void evolve_sessions(struct customer_state *state, struct session_state *session, const struct event *event) {
    if (event->type == EVENT_SESSION_OPENED) {
        const struct session_opened *opened = &event->as.session_opened;
        evolve_session_opened(state, opened);
        evolve_session(session, event, 1, opened->expires_at);
        touch(state, opened->session, 1, event, opened->expires_at);
    } else if (event->type == EVENT_SESSION_REFRESHED) {
        const struct session_refreshed *refreshed = &event->as.session_refreshed;
        evolve_session(session, event, refreshed->generation, refreshed->expires_at);
        touch(state, refreshed->session, refreshed->generation, event, refreshed->expires_at);
    } else if (event->type == EVENT_SESSION_ENDED) {
        evolve_session(session, event, 0, 0);
    } else {
        state->sessions_from = event->as.sessions_ended.before;
        state->session_kept = event->as.sessions_ended.kept;
    }
}

static void evolve_verified(struct customer_state *state) {
    state->claim = state->claiming_number;
    end_claim(state);
    unlock(state);
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

void customer_evolve(struct customer_state *state, struct session_state *session, const struct event *event,
                     struct arena *arena) {
    switch ((enum customers_event)event->type) {
    case EVENT_CUSTOMER_REGISTERED:
        evolve_registered(state, event);
        break;
    case EVENT_CUSTOMER_VERIFICATION_REQUESTED:
        evolve_verification_requested(state, event);
        break;
    case EVENT_CUSTOMER_VERIFICATION_PROVED:
        state->claiming = event->as.customer_verification_proved.identity;
        state->claiming_number = event->meta.version;
        break;
    case EVENT_CUSTOMER_VERIFIED:
        evolve_verified(state);
        break;
    case EVENT_CUSTOMER_CLAIM_REFUSED:
        evolve_claim_refused(state, &event->as.customer_claim_refused);
        break;
    case EVENT_CUSTOMER_PROFILE_CHANGED:
        state->has_name = event->as.customer_profile_changed.has_name;
        state->name = event->as.customer_profile_changed.name;
        break;
    case EVENT_CUSTOMER_ADDRESS_PUT:
        evolve_address_put(state, &event->as.customer_address_put, arena);
        break;
    case EVENT_CUSTOMER_ADDRESS_REMOVED:
        evolve_address_removed(state, event->as.customer_address_removed.id);
        break;
    case EVENT_CUSTOMER_CONSENT_CHANGED:
        evolve_consent(state, event, arena);
        break;
    case EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED:
        evolve_email_change_requested(state, event);
        break;
    case EVENT_CUSTOMER_EMAIL_CHANGED:
        evolve_email_changed(state, event);
        break;
    case EVENT_LOGIN_FAILED:
        evolve_failure(state, &event->as.login_failed);
        break;
    case EVENT_CUSTOMER_PASSWORD_CHANGED:
        evolve_password_changed(state, &event->as.customer_password_changed);
        break;
    case EVENT_CUSTOMER_PASSWORD_REHASHED:
        state->password = event->as.customer_password_rehashed.password;
        break;
    case EVENT_CUSTOMER_PASSWORD_RESET_REQUESTED:
        evolve_reset_requested(state, event);
        break;
    case EVENT_CUSTOMER_ROLES_CHANGED:
        state->roles = event->as.customer_roles_changed.after;
        break;
    case EVENT_CUSTOMER_TOTP_BEGUN:
    case EVENT_CUSTOMER_TOTP_ENABLED:
    case EVENT_CUSTOMER_TOTP_ENDED:
        evolve_totp(state, event);
        break;
    case EVENT_CUSTOMER_UNLOCKED:
        unlock(state);
        break;
    case EVENT_CUSTOMER_SUSPENDED:
    case EVENT_CUSTOMER_REINSTATED:
        evolve_suspension(state, event);
        break;
    case EVENT_SESSION_OPENED:
    case EVENT_SESSION_REFRESHED:
    case EVENT_SESSION_ENDED:
    case EVENT_SESSIONS_ENDED:
        evolve_sessions(state, session, event);
        break;
    case EVENT_CUSTOMER_ERASURE_REQUESTED:
        evolve_erasure(state, event);
        break;
    case EVENT_CUSTOMER_MAILED:
    case EVENT_CUSTOMER_ERASED:
        break;
    }
    state->status = (enum customer_status)status_evolved(&customer_life, event->type, (int)state->status);
    state->changed_at = event->meta.occurred_at;
}
