#include "core/domain/payment/parts.h"

#include "core/base/text.h"

/* ---- intents ----------------------------------------------------------------------------------------------------- */

enum intent { INTENT_UNKNOWN, INTENT_CHARGE, INTENT_CAPTURE, INTENT_VOID, INTENT_REFUND };

/* Which of the things we asked the provider for this is; UNKNOWN when we never asked for it. */
static enum intent intent_read(const struct payment_state *state, struct str stream, struct str intent,
                               int64_t *ret_refund) {
    if (!str_starts_with(intent, stream) || intent.len == stream.len || intent.data[stream.len] != '.') {
        return INTENT_UNKNOWN;
    }
    struct str what = str_from(intent, stream.len + 1);
    struct str refund = STR("refund.");
    if (str_equal(what, STR("charge"))) {
        return INTENT_CHARGE;
    }
    if (str_equal(what, STR("capture.1"))) {
        /* Known by what it left: a capture is only ever asked for after an authorization. */
        bool was_asked =
            state->authorized > 0 && (state->capture_pending > 0 || state->status != PAYMENT_STATUS_AUTHORIZED);
        return was_asked ? INTENT_CAPTURE : INTENT_UNKNOWN;
    }
    if (str_equal(what, STR("void"))) {
        return state->void_requested ? INTENT_VOID : INTENT_UNKNOWN;
    }
    if (str_starts_with(what, refund) && int64_read(str_from(what, refund.len), ret_refund) &&
        payment_find_refund(state, *ret_refund) != NULL) {
        return INTENT_REFUND;
    }
    return INTENT_UNKNOWN;
}

/* ---- what was said ----------------------------------------------------------------------------------------------- */

struct str payment_refusal_code(struct arena *arena, struct str stream, const struct payment_outcome_refused *refused) {
    struct str what = str_from(refused->intent, stream.len);
    if (payment_is_of_dispute(refused->result)) { /* there are many of one charge */
        return arena_printf(arena, "outcome_refused%.*s.%.*s.%.*s.%.*s", STR_ARGS(what), STR_ARGS(refused->result),
                            STR_ARGS(refused->provider_ref), STR_ARGS(refused->reason));
    }
    return arena_printf(arena, "outcome_refused%.*s.%.*s", STR_ARGS(what), STR_ARGS(refused->reason));
}

enum rejection payment_refuse_outcome(const struct payment_state *state, const struct record_provider_outcome *outcome,
                                      struct str reason, struct decision *decision) {
    const struct payment_outcome_refused refused = {
        .intent = outcome->intent,
        .result = outcome->result,
        .amount = outcome->amount,
        .provider_ref = outcome->provider_ref,
        .reason = reason,
    };
    struct str code = payment_refusal_code(decision->arena, decision->stream, &refused);
    if (!str_equal(state->failure_code, code)) { /* else it was told by the webhook and by the answer, say */
        decision_event(decision, EVENT_PAYMENT_OUTCOME_REFUSED)->as.payment_outcome_refused = refused;
    }
    return ACCEPTED;
}

enum rejection payment_unexpected_result(const struct payment_state *state,
                                         const struct record_provider_outcome *outcome, struct decision *decision) {
    return payment_refuse_outcome(state, outcome, STR("unexpected_result"), decision);
}

bool payment_amount_fits(const struct payment_state *state, const struct record_provider_outcome *outcome,
                         int64_t most_minor, struct decision *decision) {
    struct str reason = {0};
    if (!str_equal(outcome->amount.currency, state->amount.currency)) {
        reason = STR("currency_mismatch");
    } else if (outcome->amount.amount < 1) {
        reason = STR("nothing_to_change");
    } else if (outcome->amount.amount > most_minor) {
        reason = STR("amount_too_large");
    }
    if (reason.len > 0) {
        (void)payment_refuse_outcome(state, outcome, reason, decision);
    }
    return reason.len == 0;
}

static enum rejection charge_authorized(const struct payment_state *state,
                                        const struct record_provider_outcome *outcome, struct decision *decision) {
    bool is_news = state->status == PAYMENT_STATUS_REQUESTED || state->status == PAYMENT_STATUS_ACTION_REQUIRED ||
                   state->status == PAYMENT_STATUS_FAILED;
    if (!is_news || state->authorized > 0) {
        return ACCEPTED;
    }
    if (!payment_amount_fits(state, outcome, state->amount.amount, decision)) {
        return ACCEPTED;
    }
    decision_event(decision, EVENT_PAYMENT_AUTHORIZED)->as.payment_authorized =
        (struct payment_authorized){.amount = outcome->amount, .provider_ref = outcome->provider_ref};
    if (!payment_is_being_voided(state)) {
        payment_request_capture(state, outcome->amount, decision);
    }
    return ACCEPTED;
}

/* Of the charge or of the capture: there is one capture, whoever reports it. */
static enum rejection captured(const struct payment_state *state, const struct record_provider_outcome *outcome,
                               struct decision *decision) {
    if (state->captured > 0) {
        return ACCEPTED;
    }
    int64_t most_minor = state->authorized > 0 ? state->authorized : state->amount.amount;
    if (payment_amount_fits(state, outcome, most_minor, decision)) {
        decision_event(decision, EVENT_PAYMENT_CAPTURED)->as.payment_captured =
            (struct payment_captured){.amount = outcome->amount, .provider_ref = outcome->provider_ref};
    }
    return ACCEPTED;
}

static void failed(const struct record_provider_outcome *outcome, struct decision *decision) {
    decision_event(decision, EVENT_PAYMENT_FAILED)->as.payment_failed =
        (struct payment_failed){.code = outcome->code, .message = outcome->message};
}

static enum rejection charge_outcome(const struct payment_state *state, const struct record_provider_outcome *outcome,
                                     struct decision *decision) {
    bool is_unanswered = state->status == PAYMENT_STATUS_REQUESTED || state->status == PAYMENT_STATUS_ACTION_REQUIRED;
    if (str_equal(outcome->result, STR("authorized"))) {
        return charge_authorized(state, outcome, decision);
    }
    if (str_equal(outcome->result, STR("captured"))) {
        return captured(state, outcome, decision);
    }
    if (str_equal(outcome->result, STR("declined"))) {
        if (is_unanswered) {
            failed(outcome, decision);
        }
        return ACCEPTED;
    }
    if (str_equal(outcome->result, STR("action_required"))) {
        if (state->status == PAYMENT_STATUS_REQUESTED) {
            decision_event(decision, EVENT_PAYMENT_ACTION_REQUIRED)->as.payment_action_required =
                (struct payment_action_required){
                    .provider_ref = outcome->provider_ref,
                    .action_url = outcome->has_action_url ? outcome->action_url : STR(""),
                };
        }
        return ACCEPTED;
    }
    return payment_unexpected_result(state, outcome, decision);
}

static enum rejection capture_outcome(const struct payment_state *state, const struct record_provider_outcome *outcome,
                                      struct decision *decision) {
    if (str_equal(outcome->result, STR("captured"))) {
        return captured(state, outcome, decision);
    }
    if (str_equal(outcome->result, STR("declined"))) {
        if (state->capture_pending > 0) {
            failed(outcome, decision);
            if (!state->void_requested) {
                payment_request_void(state, STR("capture_declined"), decision); /* the shopper's money is still held */
            }
        }
        return ACCEPTED;
    }
    return payment_unexpected_result(state, outcome, decision);
}

/* A refusal most often means that the money was taken, which the charge or the capture will tell. Where neither is
 * under way, because the authorization came while the payment was being voided, the capture is asked for after all:
 * what is captured can be given back, what is held could not be let go of. */
static void void_refused(const struct payment_state *state, const struct record_provider_outcome *outcome,
                         struct decision *decision) {
    decision_event(decision, EVENT_PAYMENT_VOID_REFUSED)->as.payment_void_refused =
        (struct payment_void_refused){.code = outcome->code};
    if (state->status == PAYMENT_STATUS_AUTHORIZED && state->capture_pending == 0) {
        payment_request_capture(state, (struct money){state->authorized, state->amount.currency}, decision);
    }
}

/* Answered with an event whatever became of the payment meanwhile, so that the provider is not asked for ever. */
static enum rejection void_outcome(const struct payment_state *state, const struct record_provider_outcome *outcome,
                                   struct decision *decision) {
    bool is_uncaptured = state->status == PAYMENT_STATUS_REQUESTED || state->status == PAYMENT_STATUS_ACTION_REQUIRED ||
                         state->status == PAYMENT_STATUS_AUTHORIZED || state->status == PAYMENT_STATUS_FAILED;
    if (str_equal(outcome->result, STR("voided"))) {
        if (is_uncaptured) {
            decision_event(decision, EVENT_PAYMENT_VOIDED)->as.payment_voided =
                (struct payment_voided){.provider_ref = outcome->provider_ref};
        } else if (state->status == PAYMENT_STATUS_CAPTURED && !state->void_refused) {
            return payment_unexpected_result(state, outcome,
                                             decision); /* what was taken is not let go of, it is refunded */
        }
        return ACCEPTED;
    }
    if (str_equal(outcome->result, STR("void_refused"))) {
        if (!state->void_refused && state->status != PAYMENT_STATUS_VOIDED) {
            void_refused(state, outcome, decision);
        }
        return ACCEPTED;
    }
    return payment_unexpected_result(state, outcome, decision);
}

static enum rejection refunded(const struct payment_state *state, const struct refund *refund,
                               const struct record_provider_outcome *outcome, struct decision *decision) {
    if (payment_refund_is(refund, STR("refunded"))) {
        return ACCEPTED;
    }
    /* After a failure the money may have been promised to another refund since. */
    bool is_pending = payment_refund_is(refund, STR("pending"));
    int64_t most_minor = refund->amount.amount;
    if (!is_pending && payment_unreturned(state) < most_minor) {
        most_minor = payment_unreturned(state);
    }
    if (payment_amount_fits(state, outcome, most_minor, decision)) {
        decision_event(decision, EVENT_PAYMENT_REFUNDED)->as.payment_refunded = (struct payment_refunded){
            .refund = refund->refund, .amount = outcome->amount, .provider_ref = outcome->provider_ref};
    }
    return ACCEPTED;
}

static enum rejection refund_outcome(const struct payment_state *state, int64_t number,
                                     const struct record_provider_outcome *outcome, struct decision *decision) {
    const struct refund *refund = payment_find_refund(state, number);
    if (str_equal(outcome->result, STR("refunded"))) {
        return refunded(state, refund, outcome, decision);
    }
    if (str_equal(outcome->result, STR("refund_failed"))) {
        if (payment_refund_is(refund, STR("pending"))) {
            decision_event(decision, EVENT_REFUND_FAILED)->as.refund_failed = (struct refund_failed){
                .refund = refund->refund,
                .amount = refund->amount,
                .code = outcome->code,
                .message = outcome->message,
            };
        }
        return ACCEPTED;
    }
    return payment_unexpected_result(state, outcome, decision);
}

enum rejection payment_record_outcome(const struct payment_state *state, const struct record_provider_outcome *outcome,
                                      struct decision *decision) {
    if (state->status == PAYMENT_STATUS_ABSENT) {
        return REJECT_UNKNOWN_PAYMENT;
    }
    int64_t refund = 0;
    enum intent intent = intent_read(state, decision->stream, outcome->intent, &refund);
    bool took_money = intent == INTENT_CHARGE || intent == INTENT_CAPTURE;
    if (took_money && payment_is_of_dispute(outcome->result)) {
        return payment_dispute_outcome(state, outcome, decision);
    }
    switch (intent) {
    case INTENT_UNKNOWN:
        return decision_reject(decision, REJECT_UNKNOWN_INTENT, STR("/intent"));
    case INTENT_CHARGE:
        return charge_outcome(state, outcome, decision);
    case INTENT_CAPTURE:
        return capture_outcome(state, outcome, decision);
    case INTENT_VOID:
        return void_outcome(state, outcome, decision);
    case INTENT_REFUND:
        return refund_outcome(state, refund, outcome, decision);
    }
    return REJECT_MALFORMED_COMMAND;
}
