#include "core/domain/payment/parts.h"

static struct str intent_of(struct decision *decision, const char *what) {
    return arena_printf(decision->arena, "%.*s.%s", STR_ARGS(decision->stream), what);
}

enum rejection payment_ask_request(const struct payment_state *state, const struct request_payment *ask,
                                   struct decision *decision) {
    if (state->status != PAYMENT_STATUS_ABSENT) {
        return ACCEPTED; /* its id names order and number: it is the same payment */
    }
    decision_event(decision, EVENT_PAYMENT_REQUESTED)->as.payment_requested = (struct payment_requested){
        .order = ask->order,
        .amount = ask->amount,
        .provider = ask->provider,
        .method = ask->method,
        .intent = intent_of(decision, "charge"),
    };
    return ACCEPTED;
}

/* The amount asked for, all of `most_minor` when none is named. */
static enum rejection check_amount(const struct payment_state *state, bool has_amount, struct money amount,
                                   int64_t most_minor, struct decision *decision, struct money *ret_amount) {
    if (has_amount && !str_equal(amount.currency, state->amount.currency)) {
        return decision_reject(decision, REJECT_CURRENCY_MISMATCH, STR("/amount/currency"));
    }
    int64_t amount_minor = has_amount ? amount.amount : most_minor;
    if (amount_minor < 1) {
        return decision_reject(decision, REJECT_NOTHING_TO_CHANGE, STR("/amount/amount"));
    }
    if (amount_minor > most_minor) {
        return decision_reject(decision, REJECT_AMOUNT_TOO_LARGE, STR("/amount/amount"));
    }
    *ret_amount = (struct money){amount_minor, state->amount.currency};
    return ACCEPTED;
}

void payment_request_capture(const struct payment_state *state, struct money amount, struct decision *decision) {
    decision_event(decision, EVENT_PAYMENT_CAPTURE_REQUESTED)->as.payment_capture_requested =
        (struct payment_capture_requested){
            .amount = amount, .provider = state->provider, .intent = intent_of(decision, "capture.1")};
}

enum rejection payment_ask_capture(const struct payment_state *state, const struct capture_payment *ask,
                                   struct decision *decision) {
    if (state->status == PAYMENT_STATUS_ABSENT) {
        return REJECT_UNKNOWN_PAYMENT;
    }
    if (state->status != PAYMENT_STATUS_AUTHORIZED || state->capture_pending > 0 || payment_is_being_voided(state)) {
        return REJECT_PAYMENT_NOT_CAPTURABLE;
    }
    struct money amount;
    enum rejection refusal = check_amount(state, ask->has_amount, ask->amount, state->authorized, decision, &amount);
    if (refusal == ACCEPTED) {
        payment_request_capture(state, amount, decision);
    }
    return refusal;
}

void payment_request_void(const struct payment_state *state, struct str reason, struct decision *decision) {
    decision_event(decision, EVENT_PAYMENT_VOID_REQUESTED)->as.payment_void_requested = (struct payment_void_requested){
        .reason = reason, .provider = state->provider, .intent = intent_of(decision, "void")};
}

enum rejection payment_ask_void(const struct payment_state *state, const struct void_payment *ask,
                                struct decision *decision) {
    switch (state->status) {
    case PAYMENT_STATUS_ABSENT:
        return REJECT_UNKNOWN_PAYMENT;
    case PAYMENT_STATUS_CAPTURED:
        return REJECT_PAYMENT_NOT_VOIDABLE;
    case PAYMENT_STATUS_FAILED:
        if (state->authorized == 0) {
            return REJECT_PAYMENT_NOT_VOIDABLE; /* holds nothing */
        }
        break;
    case PAYMENT_STATUS_VOIDED:
        return ACCEPTED;
    case PAYMENT_STATUS_REQUESTED:
    case PAYMENT_STATUS_ACTION_REQUIRED:
    case PAYMENT_STATUS_AUTHORIZED:
        break;
    }
    if (state->void_refused) {
        return REJECT_PAYMENT_NOT_VOIDABLE;
    }
    if (!state->void_requested) {
        payment_request_void(state, ask->has_reason ? ask->reason : STR("request"), decision);
    }
    return ACCEPTED;
}

void payment_request_refund(const struct payment_state *state, struct money amount, struct str reason, bool owed,
                            struct decision *decision) {
    int32_t number = (int32_t)state->refunds.count + 1;
    decision_event(decision, EVENT_REFUND_REQUESTED)->as.refund_requested = (struct refund_requested){
        .refund = number,
        .amount = amount,
        .reason = reason,
        .provider = state->provider,
        .intent = arena_printf(decision->arena, "%.*s.refund.%d", STR_ARGS(decision->stream), number),
        .owed = owed,
    };
}

/* The order has no use for the payment: all goes back, what a dispute holds as soon as that is won. */
static enum rejection refund_owed(const struct payment_state *state, struct str reason, struct decision *decision) {
    int64_t refundable_minor = payment_refundable(state);
    /* What is under way may fail, because the provider knows of a dispute that we do not know of yet. */
    bool is_held = payment_contested_now(state) > 0 || state->refund_pending > 0;
    if (refundable_minor <= 0 && !is_held) {
        return REJECT_PAYMENT_NOT_REFUNDABLE;
    }
    if (refundable_minor > 0) {
        struct money amount = {refundable_minor, state->amount.currency};
        payment_request_refund(state, amount, reason, true, decision);
    }
    if (is_held && str_is_empty(state->refund_owed)) {
        decision_event(decision, EVENT_REFUND_DEFERRED)->as.refund_deferred = (struct refund_deferred){reason};
    }
    return ACCEPTED;
}

enum rejection payment_ask_refund(const struct payment_state *state, const struct refund_payment *ask,
                                  struct decision *decision) {
    if (state->status == PAYMENT_STATUS_ABSENT) {
        return REJECT_UNKNOWN_PAYMENT;
    }
    struct str reason = ask->has_reason ? ask->reason : STR("request");
    if (ask->owed) {
        return refund_owed(state, reason, decision);
    }
    int64_t refundable_minor = payment_refundable(state);
    if (refundable_minor <= 0) {
        return payment_contested_now(state) > 0 ? REJECT_PAYMENT_DISPUTED : REJECT_PAYMENT_NOT_REFUNDABLE;
    }
    struct money amount = {0};
    enum rejection refusal = check_amount(state, ask->has_amount, ask->amount, refundable_minor, decision, &amount);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    /* The last one must give all back. */
    uint32_t refunds_max = amount.amount < refundable_minor ? PAYMENT_MAX_REFUNDS - 1 : PAYMENT_MAX_REFUNDS;
    if (state->refunds.count >= refunds_max) {
        return REJECT_TOO_MANY_REFUNDS;
    }
    payment_request_refund(state, amount, reason, false, decision);
    return ACCEPTED;
}
