#include "core/base/timestamp.h"
#include "core/domain/customer/parts.h"

enum { MAILS_COUNTED_S = 24 * 3600 };

int64_t customer_seconds_us(int64_t seconds) {
    return seconds * MICROS_PER_SECOND;
}

enum rejection customer_is_active(const struct customer_state *state) {
    switch (state->status) {
    case CUSTOMER_STATUS_ABSENT:
    case CUSTOMER_STATUS_ERASED:
        return REJECT_UNKNOWN_CUSTOMER;
    case CUSTOMER_STATUS_UNVERIFIED:
        return REJECT_EMAIL_UNVERIFIED;
    case CUSTOMER_STATUS_ACTIVE:
        return ACCEPTED;
    case CUSTOMER_STATUS_ERASING:
        return REJECT_CUSTOMER_ERASING;
    case CUSTOMER_STATUS_SUSPENDED:
        return REJECT_CUSTOMER_SUSPENDED;
    }
    return REJECT_UNKNOWN_CUSTOMER;
}

enum rejection customer_is_there(const struct customer_state *state) {
    return state->status == CUSTOMER_STATUS_SUSPENDED ? ACCEPTED : customer_is_active(state);
}

/* ---- mails ------------------------------------------------------------------------------------------------------- */

bool customer_mails_begin_anew(const struct customer_state *state, int64_t now_us) {
    return now_us - state->mails_since >= customer_seconds_us(MAILS_COUNTED_S);
}

bool customer_may_be_mailed(const struct customer_state *state, int32_t most, int64_t now_us) {
    return customer_mails_begin_anew(state, now_us) || state->mails < most;
}

bool customer_mail_is_apart(int64_t asked_at_us, int64_t now_us) {
    return now_us - asked_at_us >= customer_seconds_us(CUSTOMER_MAIL_APART_S);
}

bool customer_token_is_good(int32_t number, int32_t newest, int64_t sent_at_us, int64_t lasts_s, int64_t now_us) {
    return number > 0 && number == newest && now_us - sent_at_us <= customer_seconds_us(lasts_s);
}

/* ---- proofs ------------------------------------------------------------------------------------------------------ */

/* The tenth failure in a row locks for a minute, each further one for twice as long as the one before. */
static int64_t lock_us(int32_t failures) {
    if (failures < CUSTOMER_LOCK_AFTER) {
        return 0;
    }
    int64_t lock_s = CUSTOMER_LOCK_FIRST_S;
    for (int32_t i = CUSTOMER_LOCK_AFTER; i < failures && lock_s < CUSTOMER_LOCK_MOST_S; i++) {
        lock_s *= 2;
    }
    return customer_seconds_us(lock_s < CUSTOMER_LOCK_MOST_S ? lock_s : CUSTOMER_LOCK_MOST_S);
}

void customer_fail_proof(const struct customer_state *state, bool within, struct str why, const struct sealed *client,
                         struct decision *decision) {
    int32_t before = within ? state->proof_failures : state->failures;
    int32_t failures = before < INT32_MAX ? before + 1 : before;
    int64_t lasts_us = lock_us(failures);
    struct login_failed failed = {
        .why = why,
        .within = within,
        .failures = failures,
        .locked_until = lasts_us > 0 ? decision->now_us + lasts_us : 0,
        .has_client = client != NULL,
        .has_to = failures == CUSTOMER_LOCK_AFTER && state->has_email,
        .to = state->email,
    };
    if (client != NULL) {
        failed.client = *client;
    }
    decision_event(decision, EVENT_LOGIN_FAILED)->as.login_failed = failed;
}

/* While it is locked nothing is counted, and nothing is written: who asks has waited for nothing. */
bool customer_proves(const struct customer_state *state, const struct proof *proof, struct decision *decision,
                     enum rejection *ret_refusal) {
    if (decision->now_us < (proof->within ? state->proof_locked_until : state->locked_until)) {
        *ret_refusal = REJECT_LOGIN_REFUSED;
        return false;
    }
    bool is_of_today = proof->password_number == state->password_number;
    bool is_over = state->once_until > 0 && decision->now_us > state->once_until;
    if (proof->proved && is_of_today && !is_over) {
        return true;
    }
    customer_fail_proof(state, proof->within,
                        !proof->proved ? STR("password")
                        : !is_of_today ? STR("changed")
                                       : STR("expired"),
                        proof->client, decision);
    *ret_refusal = ACCEPTED;
    return false;
}

bool customer_proves_code(const struct customer_state *state, bool within, const struct code *code,
                          const struct sealed *client, struct decision *decision, enum rejection *ret_refusal) {
    if (state->totp != TOTP_STATUS_ON) {
        return true;
    }
    if (!customer_code_is_recovery(code) && code->step == 0) {
        *ret_refusal = decision_reject(decision, REJECT_CODE_REQUIRED, STR("/code"));
        return false;
    }
    bool is_good = customer_code_is_good(state, code);
    if (!is_good) {
        customer_fail_proof(state, within, STR("code"), client, decision);
        *ret_refusal = ACCEPTED;
    }
    return is_good;
}

int64_t customer_used_step(const struct customer_state *state, const struct code *code) {
    return state->totp == TOTP_STATUS_ON && !customer_code_is_recovery(code) ? code->step : 0;
}

int32_t customer_used_recovery(const struct customer_state *state, const struct code *code) {
    return state->totp == TOTP_STATUS_ON && customer_code_is_recovery(code) ? code->recovery : 0;
}

bool customer_code_is_recovery(const struct code *code) {
    return code->recovery >= 1 && code->recovery <= CUSTOMER_RECOVERY_CODES;
}

bool customer_code_is_good(const struct customer_state *state, const struct code *code) {
    if (code->totp_number != state->totp_number) {
        return false;
    }
    return customer_code_is_recovery(code) ? (state->recovery_used & 1 << (code->recovery - 1)) == 0
                                           : code->step > state->totp_step;
}
