/* sessions.c: logging in, the next tokens of a session, and logging out. */
#include "core/domain/customer/parts.h"

/* ---- which are open ---------------------------------------------------------------------------------------------- */

/* Ended with all others, whatever its own state says. */
static bool was_ended(const struct customer_state *state, int32_t session) {
    return session < state->sessions_from && session != state->session_kept;
}

static bool is_open(const struct customer_state *state, const struct session_state *session, int32_t number) {
    return state->status == CUSTOMER_STATUS_ACTIVE && session->status == SESSION_STATUS_OPEN &&
           !was_ended(state, number);
}

static struct session_ended *end_session(int32_t number, struct str reason, struct decision *decision) {
    struct event *event = decision_event(decision, EVENT_SESSION_ENDED);
    event->as.session_ended = (struct session_ended){.session = number, .reason = reason};
    return &event->as.session_ended;
}

/* ---- logging in -------------------------------------------------------------------------------------------------- */

static struct code code_of(const struct open_session *ask) {
    return (struct code){.totp_number = ask->totp_number, .step = ask->totp_step, .recovery = ask->recovery};
}

static void open_session(const struct customer_state *state, const struct open_session *ask,
                         struct decision *decision) {
    const struct code code = code_of(ask);
    int64_t step = customer_used_step(state, &code);
    int32_t recovery = customer_used_recovery(state, &code);
    if (ask->has_rehashed) {
        decision_event(decision, EVENT_CUSTOMER_PASSWORD_REHASHED)->as.customer_password_rehashed =
            (struct customer_password_rehashed){.password = ask->rehashed};
    }
    decision_event(decision, EVENT_SESSION_OPENED)->as.session_opened = (struct session_opened){
        .session = state->sessions_opened + 1,
        .expires_at = decision->now_us + customer_seconds_us(CUSTOMER_SESSION_IDLE_S),
        .method = recovery > 0 ? STR("recovery")
                  : step > 0   ? STR("totp")
                               : STR("password"),
        .totp_step = step,
        .recovery = recovery,
        .has_client = ask->has_client,
        .client = ask->client,
    };
}

/* A customer of whom there is none, one who has not proved his mailbox, and one who is suspended are refused as one is
 * whose password was wrong: nobody learns who is one (OWASP, Authentication Cheat Sheet: one answer, also for an
 * account that is disabled). Whoever is suspended was told so by mail; that he tried is written down.
 * Who had a session where he logs in has another one now, and the first is over (OWASP ASVS 5.0, 7.2.4). */
enum rejection customer_open_session(const struct customer_state *state, const struct session_state *session,
                                     const struct open_session *ask, struct decision *decision) {
    bool is_there = customer_is_there(state) == ACCEPTED;
    if (!is_there && state->status != CUSTOMER_STATUS_UNVERIFIED) {
        return REJECT_LOGIN_REFUSED;
    }
    const struct proof proof = {.proved = ask->proved,
                                .password_number = ask->password_number,
                                .client = ask->has_client ? &ask->client : NULL};
    enum rejection refusal;
    if (!customer_proves(state, &proof, decision, &refusal)) {
        return refusal;
    }
    if (state->status == CUSTOMER_STATUS_UNVERIFIED) {
        return REJECT_LOGIN_REFUSED;
    }
    if (state->status == CUSTOMER_STATUS_SUSPENDED) {
        customer_fail_proof(state, false, CUSTOMER_WHY_SUSPENDED, proof.client, decision);
        return ACCEPTED;
    }
    const struct code code = code_of(ask);
    if (!customer_proves_code(state, false, &code, proof.client, decision, &refusal)) {
        return refusal;
    }
    if (ask->replaces > 0 && session != NULL && is_open(state, session, ask->replaces)) {
        (void)end_session(ask->replaces, STR("replaced"), decision);
    }
    open_session(state, ask, decision);
    return ACCEPTED;
}

bool customer_session_has_factor(const struct customer_state *state, int32_t session) {
    return state->totp == TOTP_STATUS_ON && state->totp_sessions_from > 0 && session >= state->totp_sessions_from;
}

/* ---- its next tokens --------------------------------------------------------------------------------------------- */

/* The older of two tokens comes back when it was copied: which of the two is the thief's cannot be told; both lose. */
enum rejection customer_refresh_session(const struct customer_state *state, const struct session_state *session,
                                        const struct refresh_session *ask, struct decision *decision) {
    bool lasts = is_open(state, session, ask->session) && decision->now_us < session->expires_at;
    if (!lasts || ask->generation < 1 || ask->generation > session->generation) {
        return REJECT_SESSION_ENDED;
    }
    if (ask->generation < session->generation) {
        struct session_ended *ended = end_session(ask->session, SESSION_REUSED, decision);
        ended->has_to = state->has_email;
        ended->to = state->email;
        return ACCEPTED;
    }
    int64_t idle_us = decision->now_us + customer_seconds_us(CUSTOMER_SESSION_IDLE_S);
    int64_t most_us = session->opened_at + customer_seconds_us(CUSTOMER_SESSION_MAX_S);
    decision_event(decision, EVENT_SESSION_REFRESHED)->as.session_refreshed = (struct session_refreshed){
        .session = ask->session,
        .generation = session->generation + 1,
        .expires_at = idle_us < most_us ? idle_us : most_us,
    };
    return ACCEPTED;
}

/* ---- logging out ------------------------------------------------------------------------------------------------- */

enum rejection customer_end_session(const struct customer_state *state, const struct session_state *session,
                                    const struct end_session *ask, struct decision *decision) {
    enum rejection refusal = customer_is_active(state);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    if (session->status == SESSION_STATUS_ABSENT) {
        return REJECT_SESSION_ENDED;
    }
    if (is_open(state, session, ask->session)) {
        (void)end_session(ask->session, ask->reason, decision);
    }
    return ACCEPTED;
}

/* One that was ended with all others before is not brought back by being kept now. */
int32_t customer_end_sessions(const struct customer_state *state, int32_t kept, struct str reason,
                              struct decision *decision) {
    int32_t before = state->sessions_opened + 1;
    bool can_be_kept = kept > 0 && kept < before && !was_ended(state, kept);
    int32_t session_kept = can_be_kept ? kept : 0;
    if (state->sessions_from != before || state->session_kept != session_kept) { /* else none was opened since */
        decision_event(decision, EVENT_SESSIONS_ENDED)->as.sessions_ended =
            (struct sessions_ended){.before = before, .kept = session_kept, .reason = reason};
    }
    return session_kept;
}

/* The house ends them all: it has none there that could be kept. Of who is suspended there are none. */
enum rejection customer_end_all_sessions(const struct customer_state *state, const struct command *command,
                                         struct decision *decision) {
    bool is_by_house = !customer_asks_for_himself(command, decision);
    enum rejection refusal = is_by_house ? customer_is_there(state) : customer_is_active(state);
    if (refusal == ACCEPTED) {
        (void)customer_end_sessions(state, is_by_house ? 0 : command->as.end_sessions.kept,
                                    is_by_house ? STR("by_house") : STR("request"), decision);
    }
    return refusal;
}
