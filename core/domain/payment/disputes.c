#include "core/domain/payment/parts.h"

/* ---- what disputes take ------------------------------------------------------------------------------------------ */

static bool dispute_is(const struct dispute *dispute, struct str status) {
    return str_equal(dispute->status, status);
}

static struct dispute *find_dispute(const struct payment_state *state, struct str name) {
    for (uint32_t i = 0; i < state->disputes.count; i++) {
        if (str_equal(state->disputes.items[i].dispute, name)) {
            return &state->disputes.items[i];
        }
    }
    return NULL;
}

static int64_t sum_of(const struct payment_state *state, struct str status) {
    int64_t sum_minor = 0; /* each is at most what was captured, and there are few */
    for (uint32_t i = 0; i < state->disputes.count; i++) {
        sum_minor += dispute_is(&state->disputes.items[i], status) ? state->disputes.items[i].amount.amount : 0;
    }
    return sum_minor;
}

int64_t payment_contested_now(const struct payment_state *state) {
    return sum_of(state, STR("open"));
}

int64_t payment_lost(const struct payment_state *state) {
    return sum_of(state, STR("lost"));
}

int64_t payment_contested(const struct payment_state *state) {
    return payment_contested_now(state) + payment_lost(state);
}

/* ---- decide ------------------------------------------------------------------------------------------------------ */

bool payment_is_of_dispute(struct str result) {
    return str_equal(result, STR("disputed")) || str_equal(result, STR("dispute_won")) ||
           str_equal(result, STR("dispute_lost"));
}

/* It is held against what was taken, not against what other disputes leave of it: one that has ended may be told of
 * later than the next one's beginning. It may be told of before the capture, which then is on its way. False: it cannot
 * be one of this payment, which is recorded. */
static bool opened(const struct payment_state *state, const struct record_provider_outcome *outcome,
                   struct decision *decision) {
    int64_t taken_minor = state->captured > 0 ? state->captured : state->amount.amount;
    if (!payment_amount_fits(state, outcome, taken_minor, decision)) {
        return false;
    }
    if (state->disputes.count >= PAYMENT_MAX_DISPUTES) {
        (void)payment_refuse_outcome(state, outcome, STR("too_many_disputes"), decision);
        return false;
    }
    decision_event(decision, EVENT_PAYMENT_DISPUTED)->as.payment_disputed = (struct payment_disputed){
        .dispute = outcome->provider_ref,
        .amount = outcome->amount,
        .reason = outcome->code,
        .has_respond_by = outcome->has_respond_by,
        .respond_by = outcome->respond_by,
    };
    return true;
}

/* What was owed while the dispute held it can be given back now. */
static void closed(const struct payment_state *state, struct str name, struct money amount, bool is_won,
                   struct decision *decision) {
    decision_event(decision, EVENT_DISPUTE_CLOSED)->as.dispute_closed =
        (struct dispute_closed){.dispute = name, .amount = amount, .outcome = is_won ? STR("won") : STR("lost")};
    int64_t left_minor = payment_unreturned(state) - payment_contested(state);
    const struct dispute *known = find_dispute(state, name);
    left_minor += known != NULL ? known->amount.amount : 0; /* one that is told of by its end was never counted */
    if (is_won && !str_is_empty(state->refund_owed) && left_minor > 0) {
        struct money owed = {left_minor < amount.amount ? left_minor : amount.amount, state->amount.currency};
        payment_request_refund(state, owed, state->refund_owed, true, decision);
    }
}

/* An end may leave the amount out. */
static bool is_about(const struct dispute *dispute, const struct record_provider_outcome *outcome) {
    bool is_unsaid = outcome->amount.amount == 0 && !str_equal(outcome->result, STR("disputed"));
    return is_unsaid || (outcome->amount.amount == dispute->amount.amount &&
                         str_equal(outcome->amount.currency, dispute->amount.currency));
}

/* Its end may be told before its beginning, and each of them more than once. */
enum rejection payment_dispute_outcome(const struct payment_state *state, const struct record_provider_outcome *outcome,
                                       struct decision *decision) {
    if (str_is_empty(outcome->provider_ref)) {
        return REJECT_MALFORMED_COMMAND; /* the front takes none without its name */
    }
    const struct dispute *known = find_dispute(state, outcome->provider_ref);
    if (known != NULL && !is_about(known, outcome)) {
        return payment_refuse_outcome(state, outcome, STR("amount_mismatch"), decision);
    }
    if (str_equal(outcome->result, STR("disputed"))) {
        if (known == NULL) {
            (void)opened(state, outcome, decision);
        }
        return ACCEPTED;
    }
    bool is_won = str_equal(outcome->result, STR("dispute_won"));
    if (known == NULL) {
        if (opened(state, outcome, decision)) {
            closed(state, outcome->provider_ref, outcome->amount, is_won, decision);
        }
        return ACCEPTED;
    }
    if (dispute_is(known, STR("open"))) {
        closed(state, known->dispute, known->amount, is_won, decision);
        return ACCEPTED;
    }
    return dispute_is(known, is_won ? STR("won") : STR("lost")) ? ACCEPTED
                                                                : payment_unexpected_result(state, outcome, decision);
}

/* ---- evolve ------------------------------------------------------------------------------------------------------ */

void payment_evolve_disputed(struct payment_state *state, const struct payment_disputed *disputed,
                             struct arena *arena) {
    *ARRAY_PUSH(arena, &state->disputes) = (struct dispute){
        .dispute = disputed->dispute,
        .amount = disputed->amount,
        .reason = disputed->reason,
        .status = STR("open"),
        .has_respond_by = disputed->has_respond_by,
        .respond_by = disputed->respond_by,
    };
}

void payment_evolve_dispute_closed(struct payment_state *state, const struct dispute_closed *closed) {
    struct dispute *dispute = find_dispute(state, closed->dispute);
    if (dispute != NULL) {
        dispute->status = closed->outcome;
    }
}
