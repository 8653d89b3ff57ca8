/* credentials.c: other passwords, and authenticators. */
#include "core/domain/actor.h"
#include "core/domain/customer/parts.h"

/* ---- passwords --------------------------------------------------------------------------------------------------- */

/* Anybody may ask, so there is one answer: what there is to be mailed is nobody's to know. Who has not proved his
 * mailbox yet is sent what proves it. */
enum rejection customer_request_reset(const struct customer_state *state, struct decision *decision) {
    bool is_unverified = state->status == CUSTOMER_STATUS_UNVERIFIED;
    int64_t asked_at = is_unverified ? state->verification_sent_at : state->reset_asked_at;
    bool may_be_mailed = customer_may_be_mailed(state, CUSTOMER_MAILS_ASKED_A_DAY, decision->now_us) &&
                         customer_mail_is_apart(asked_at, decision->now_us);
    if (may_be_mailed && is_unverified) {
        customer_request_verification(state, decision);
    } else if (may_be_mailed && state->status == CUSTOMER_STATUS_ACTIVE) {
        decision_event(decision, EVENT_CUSTOMER_PASSWORD_RESET_REQUESTED)->as.customer_password_reset_requested =
            (struct customer_password_reset_requested){.number = state->reset_number + 1, .to = state->email};
    }
    return ACCEPTED;
}

/* Sessions first: the event that answers is the last. It is returned. */
static struct customer_password_changed *set_password(const struct customer_state *state, const struct sealed *password,
                                                      struct str how, int32_t kept_session, int64_t once_until,
                                                      struct decision *decision) {
    struct str reason = str_equal(how, CUSTOMER_BY_CHANGE) ? STR("password_changed") : STR("password_reset");
    int32_t kept = customer_end_sessions(state, kept_session, reason, decision);
    struct event *event = decision_event(decision, EVENT_CUSTOMER_PASSWORD_CHANGED);
    event->as.customer_password_changed = (struct customer_password_changed){
        .password = *password,
        .number = state->password_number + 1,
        .how = how,
        .kept_session = kept,
        .has_to = state->has_email,
        .to = state->email,
        .once_until = once_until,
    };
    return &event->as.customer_password_changed;
}

enum rejection customer_reset_password(const struct customer_state *state, const struct reset_password *ask,
                                       struct decision *decision) {
    bool is_good = state->status == CUSTOMER_STATUS_ACTIVE &&
                   customer_token_is_good(ask->number, state->reset_number, state->reset_asked_at, CUSTOMER_RESET_S,
                                          decision->now_us);
    if (!is_good) {
        return decision_reject(decision, REJECT_TOKEN_USED, STR("/token"));
    }
    (void)set_password(state, &ask->password, CUSTOMER_BY_RESET, 0, 0, decision);
    return ACCEPTED;
}

enum rejection customer_change_password(const struct customer_state *state, const struct change_password *ask,
                                        struct decision *decision) {
    const struct proof proof = {.within = true, .proved = ask->proved, .password_number = ask->password_number};
    const struct code code = {.totp_number = ask->totp_number, .step = ask->totp_step, .recovery = ask->recovery};
    enum rejection refusal = customer_is_active(state);
    if (refusal == ACCEPTED && customer_proves(state, &proof, decision, &refusal) &&
        customer_proves_code(state, true, &code, NULL, decision, &refusal)) {
        struct customer_password_changed *changed =
            set_password(state, &ask->password, CUSTOMER_BY_CHANGE, ask->session, 0, decision);
        changed->totp_step = customer_used_step(state, &code);
        changed->recovery = customer_used_recovery(state, &code);
    }
    return refusal;
}

/* The house gives one, to whoever cannot be sent a mail. No route does: only who may write the log himself. A password
 * that is not good for one change alone is nobody's to give. */
enum rejection customer_issue_password(const struct customer_state *state, const struct command *command,
                                       struct decision *decision) {
    const struct issue_password *ask = &command->as.issue_password;
    enum rejection refusal = customer_is_active(state);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    if (actor_of(command->meta.actor).kind != ACTOR_SYSTEM || ask->once_until <= decision->now_us) {
        return REJECT_MALFORMED_COMMAND;
    }
    (void)set_password(state, &ask->password, CUSTOMER_BY_ISSUE, 0, ask->once_until, decision);
    return ACCEPTED;
}

/* ---- authenticators ---------------------------------------------------------------------------------------------- */

enum rejection customer_begin_totp(const struct customer_state *state, const struct begin_totp *ask,
                                   struct decision *decision) {
    const struct proof proof = {.within = true, .proved = ask->proved, .password_number = ask->password_number};
    enum rejection refusal = customer_is_active(state);
    if (refusal != ACCEPTED || !customer_proves(state, &proof, decision, &refusal)) {
        return refusal;
    }
    if (state->totp == TOTP_STATUS_ON) {
        return REJECT_TOTP_STATE;
    }
    decision_event(decision, EVENT_CUSTOMER_TOTP_BEGUN)->as.customer_totp_begun =
        (struct customer_totp_begun){.number = state->totp_number + 1};
    return ACCEPTED;
}

/* A wrong code counts for nothing here: its secret is the asker's own. */
enum rejection customer_confirm_totp(const struct customer_state *state, const struct confirm_totp *ask,
                                     struct decision *decision) {
    enum rejection refusal = customer_is_active(state);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    if (state->totp != TOTP_STATUS_PENDING) {
        return REJECT_TOTP_STATE;
    }
    if (ask->step < 1 || ask->totp_number != state->totp_number) {
        return decision_reject(decision, REJECT_CODE_REQUIRED, STR("/code"));
    }
    decision_event(decision, EVENT_CUSTOMER_TOTP_ENABLED)->as.customer_totp_enabled =
        (struct customer_totp_enabled){.step = ask->step, .has_to = state->has_email, .to = state->email};
    return ACCEPTED;
}

static void end_totp(const struct customer_state *state, struct decision *decision) {
    decision_event(decision, EVENT_CUSTOMER_TOTP_ENDED)->as.customer_totp_ended =
        (struct customer_totp_ended){.has_to = state->has_email, .to = state->email};
}

/* One that was only begun protects nothing yet, and ends without a code. */
enum rejection customer_end_totp(const struct customer_state *state, const struct end_totp *ask,
                                 struct decision *decision) {
    const struct proof proof = {.within = true, .proved = ask->proved, .password_number = ask->password_number};
    const struct code code = {.totp_number = ask->totp_number, .step = ask->step, .recovery = ask->recovery};
    enum rejection refusal = customer_is_active(state);
    if (refusal != ACCEPTED || !customer_proves(state, &proof, decision, &refusal)) {
        return refusal;
    }
    if (state->totp == TOTP_STATUS_OFF) {
        return REJECT_TOTP_STATE;
    }
    if (state->totp == TOTP_STATUS_ON && !customer_code_is_good(state, &code)) {
        customer_fail_proof(state, true, STR("code"), NULL, decision);
        return ACCEPTED;
    }
    end_totp(state, decision);
    return ACCEPTED;
}

/* Of somebody who has neither his authenticator nor a recovery code; that he is himself is for the house to see. */
/* Who has it himself ends it at his own door, where password and code are asked for. */
enum rejection customer_remove_totp(const struct customer_state *state, const struct command *command,
                                    struct decision *decision) {
    enum rejection refusal = customer_is_by_himself(command, decision) ? REJECT_OWN_ACCOUNT : customer_is_active(state);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    if (state->totp == TOTP_STATUS_OFF) {
        return REJECT_TOTP_STATE;
    }
    end_totp(state, decision);
    return ACCEPTED;
}
