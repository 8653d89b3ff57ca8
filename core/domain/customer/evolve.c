/* evolve.c: what each event changes of a customer, and of a session. */
#include "core/base/timestamp.h"
#include "core/domain/customer/claiming.h"
#include "core/domain/customer/parts.h"

#define DAY_US (INT64_C(24) * 3600 * MICROS_PER_SECOND)

/* ---- parts ------------------------------------------------------------------------------------------------------- */

/* An event with `to` causes a mail. */
static void note_mail(struct customer_state *state, const struct event *event) {
    if (event->meta.occurred_at - state->mails_since >= DAY_US) {
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
    if (changed->has_before) {
        note_mail(state, event);
    }
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
    *address = (struct customer_address){put->id, put->has_label, put->label, put->address};
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

static void evolve_failure(struct customer_state *state, const struct event *event) {
    const struct login_failed *failed = &event->as.login_failed;
    state->failures = failed->failures;
    state->locked_until = failed->locked_until;
    if (failed->has_to) {
        note_mail(state, event);
    }
}

/* What was proved, or is as good as proved: nobody is locked out any more. */
static void unlock(struct customer_state *state) {
    state->failures = 0;
    state->locked_until = 0;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

void customer_evolve(struct customer_state *state, const struct event *event, struct arena *arena) {
    switch ((enum customers_event)event->type) {
    case EVENT_CUSTOMER_REGISTERED:
        evolve_registered(state, event);
        break;
    case EVENT_CUSTOMER_VERIFICATION_REQUESTED:
        state->verification_number = event->as.customer_verification_requested.number;
        state->verification_sent_at = event->meta.occurred_at;
        note_mail(state, event);
        break;
    case EVENT_CUSTOMER_VERIFICATION_PROVED:
        state->claiming = event->as.customer_verification_proved.identity;
        state->claiming_number = event->meta.version;
        break;
    case EVENT_CUSTOMER_VERIFIED:
        state->claim = state->claiming_number;
        end_claim(state);
        unlock(state);
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
    case EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED: {
        const struct customer_email_change_requested *requested = &event->as.customer_email_change_requested;
        state->email_number = requested->number;
        state->email_asked_at = event->meta.occurred_at;
        state->pending_identity = requested->identity;
        state->pending_email_key = requested->email_key;
        state->has_pending_email = true;
        state->pending_email = requested->to;
        note_mail(state, event);
        unlock(state);
        break;
    }
    case EVENT_CUSTOMER_EMAIL_CHANGED:
        evolve_email_changed(state, event);
        break;
    case EVENT_LOGIN_FAILED:
        evolve_failure(state, event);
        break;
    }
    state->status = (enum customer_status)status_evolved(&customer_life, event->type, (int)state->status);
    state->changed_at = event->meta.occurred_at;
}
