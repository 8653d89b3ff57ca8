#include "core/domain/payment/payment.h"

#include "core/base/text.h"
#include "core/domain/checkout/checkout.h"
#include "gen/codec.h"

static const struct status_change changes[] = {
    {EVENT_PAYMENT_REQUESTED, PAYMENT_STATUS_ABSENT, PAYMENT_STATUS_REQUESTED},

    {EVENT_PAYMENT_ACTION_REQUIRED, PAYMENT_STATUS_REQUESTED, PAYMENT_STATUS_ACTION_REQUIRED},
    {EVENT_PAYMENT_AUTHORIZED, PAYMENT_STATUS_REQUESTED, PAYMENT_STATUS_AUTHORIZED},
    {EVENT_PAYMENT_CAPTURED, PAYMENT_STATUS_REQUESTED, PAYMENT_STATUS_CAPTURED},
    {EVENT_PAYMENT_FAILED, PAYMENT_STATUS_REQUESTED, PAYMENT_STATUS_FAILED},
    {EVENT_PAYMENT_VOID_REQUESTED, PAYMENT_STATUS_REQUESTED, PAYMENT_STATUS_REQUESTED},
    {EVENT_PAYMENT_VOID_REFUSED, PAYMENT_STATUS_REQUESTED, PAYMENT_STATUS_REQUESTED},
    {EVENT_PAYMENT_VOIDED, PAYMENT_STATUS_REQUESTED, PAYMENT_STATUS_VOIDED},

    {EVENT_PAYMENT_AUTHORIZED, PAYMENT_STATUS_ACTION_REQUIRED, PAYMENT_STATUS_AUTHORIZED},
    {EVENT_PAYMENT_CAPTURED, PAYMENT_STATUS_ACTION_REQUIRED, PAYMENT_STATUS_CAPTURED},
    {EVENT_PAYMENT_FAILED, PAYMENT_STATUS_ACTION_REQUIRED, PAYMENT_STATUS_FAILED},
    {EVENT_PAYMENT_VOID_REQUESTED, PAYMENT_STATUS_ACTION_REQUIRED, PAYMENT_STATUS_ACTION_REQUIRED},
    {EVENT_PAYMENT_VOID_REFUSED, PAYMENT_STATUS_ACTION_REQUIRED, PAYMENT_STATUS_ACTION_REQUIRED},
    {EVENT_PAYMENT_VOIDED, PAYMENT_STATUS_ACTION_REQUIRED, PAYMENT_STATUS_VOIDED},

    {EVENT_PAYMENT_CAPTURE_REQUESTED, PAYMENT_STATUS_AUTHORIZED, PAYMENT_STATUS_AUTHORIZED},
    {EVENT_PAYMENT_CAPTURED, PAYMENT_STATUS_AUTHORIZED, PAYMENT_STATUS_CAPTURED},
    {EVENT_PAYMENT_FAILED, PAYMENT_STATUS_AUTHORIZED, PAYMENT_STATUS_FAILED}, /* the capture was declined */
    {EVENT_PAYMENT_VOID_REQUESTED, PAYMENT_STATUS_AUTHORIZED, PAYMENT_STATUS_AUTHORIZED},
    {EVENT_PAYMENT_VOID_REFUSED, PAYMENT_STATUS_AUTHORIZED, PAYMENT_STATUS_AUTHORIZED},
    {EVENT_PAYMENT_VOIDED, PAYMENT_STATUS_AUTHORIZED, PAYMENT_STATUS_VOIDED},

    {EVENT_PAYMENT_VOID_REFUSED, PAYMENT_STATUS_CAPTURED, PAYMENT_STATUS_CAPTURED},
    {EVENT_REFUND_REQUESTED, PAYMENT_STATUS_CAPTURED, PAYMENT_STATUS_CAPTURED},
    {EVENT_PAYMENT_REFUNDED, PAYMENT_STATUS_CAPTURED, PAYMENT_STATUS_CAPTURED},
    {EVENT_REFUND_FAILED, PAYMENT_STATUS_CAPTURED, PAYMENT_STATUS_CAPTURED},

    /* Late successes, and voids that go on after the failure. */
    {EVENT_PAYMENT_AUTHORIZED, PAYMENT_STATUS_FAILED, PAYMENT_STATUS_AUTHORIZED},
    {EVENT_PAYMENT_CAPTURED, PAYMENT_STATUS_FAILED, PAYMENT_STATUS_CAPTURED},
    {EVENT_PAYMENT_VOID_REQUESTED, PAYMENT_STATUS_FAILED, PAYMENT_STATUS_FAILED}, /* its capture was declined */
    {EVENT_PAYMENT_VOID_REFUSED, PAYMENT_STATUS_FAILED, PAYMENT_STATUS_FAILED},
    {EVENT_PAYMENT_VOIDED, PAYMENT_STATUS_FAILED, PAYMENT_STATUS_VOIDED},
    {EVENT_PAYMENT_CAPTURED, PAYMENT_STATUS_VOIDED, PAYMENT_STATUS_CAPTURED},

    /* What contradicts moves nothing. */
    {EVENT_PAYMENT_OUTCOME_REFUSED, PAYMENT_STATUS_REQUESTED, PAYMENT_STATUS_REQUESTED},
    {EVENT_PAYMENT_OUTCOME_REFUSED, PAYMENT_STATUS_ACTION_REQUIRED, PAYMENT_STATUS_ACTION_REQUIRED},
    {EVENT_PAYMENT_OUTCOME_REFUSED, PAYMENT_STATUS_AUTHORIZED, PAYMENT_STATUS_AUTHORIZED},
    {EVENT_PAYMENT_OUTCOME_REFUSED, PAYMENT_STATUS_CAPTURED, PAYMENT_STATUS_CAPTURED},
    {EVENT_PAYMENT_OUTCOME_REFUSED, PAYMENT_STATUS_FAILED, PAYMENT_STATUS_FAILED},
    {EVENT_PAYMENT_OUTCOME_REFUSED, PAYMENT_STATUS_VOIDED, PAYMENT_STATUS_VOIDED},
};
static const struct status_table life = {changes, ARRAY_LENGTH(changes)};

bool payment_provider_exists(struct str provider) {
    return str_equal(provider, STR("test")); /* as in core/connect/connector.c, provider_named */
}

int64_t payment_refundable(const struct payment_state *state) {
    return state->captured - state->refunded - state->refund_pending;
}

static struct refund *find_refund(const struct payment_state *state, int64_t number) {
    return number >= 1 && number <= state->refunds.count ? &state->refunds.items[number - 1] : NULL;
}

/* Asked to let go, and the provider has not said that it cannot. */
static bool is_being_voided(const struct payment_state *state) {
    return state->void_requested && !state->void_refused;
}

static bool refund_is(const struct refund *refund, struct str status) {
    return str_equal(refund->status, status);
}

/* ---- intents ----------------------------------------------------------------------------------------------------- */

static struct str intent_of(struct decision *decision, const char *what) {
    return arena_printf(decision->arena, "%.*s.%s", STR_ARGS(decision->stream), what);
}

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
        find_refund(state, *ret_refund) != NULL) {
        return INTENT_REFUND;
    }
    return INTENT_UNKNOWN;
}

/* ---- decide: what we ask for ------------------------------------------------------------------------------------- */

static enum rejection request_payment(const struct payment_state *state, const struct request_payment *ask,
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

static void request_capture(const struct payment_state *state, struct money amount, struct decision *decision) {
    decision_event(decision, EVENT_PAYMENT_CAPTURE_REQUESTED)->as.payment_capture_requested =
        (struct payment_capture_requested){
            .amount = amount, .provider = state->provider, .intent = intent_of(decision, "capture.1")};
}

static enum rejection capture_payment(const struct payment_state *state, const struct capture_payment *ask,
                                      struct decision *decision) {
    if (state->status == PAYMENT_STATUS_ABSENT) {
        return REJECT_UNKNOWN_PAYMENT;
    }
    if (state->status != PAYMENT_STATUS_AUTHORIZED || state->capture_pending > 0 || is_being_voided(state)) {
        return REJECT_PAYMENT_NOT_CAPTURABLE;
    }
    struct money amount;
    enum rejection refusal = check_amount(state, ask->has_amount, ask->amount, state->authorized, decision, &amount);
    if (refusal == ACCEPTED) {
        request_capture(state, amount, decision);
    }
    return refusal;
}

static void request_void(const struct payment_state *state, struct str reason, struct decision *decision) {
    decision_event(decision, EVENT_PAYMENT_VOID_REQUESTED)->as.payment_void_requested = (struct payment_void_requested){
        .reason = reason, .provider = state->provider, .intent = intent_of(decision, "void")};
}

static enum rejection void_payment(const struct payment_state *state, const struct void_payment *ask,
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
        request_void(state, ask->has_reason ? ask->reason : STR("request"), decision);
    }
    return ACCEPTED;
}

static enum rejection refund_payment(const struct payment_state *state, const struct refund_payment *ask,
                                     struct decision *decision) {
    if (state->status == PAYMENT_STATUS_ABSENT) {
        return REJECT_UNKNOWN_PAYMENT;
    }
    int64_t refundable_minor = payment_refundable(state);
    if (refundable_minor <= 0) {
        return REJECT_PAYMENT_NOT_REFUNDABLE;
    }
    struct money amount = {0};
    enum rejection refusal = check_amount(state, ask->has_amount, ask->amount, refundable_minor, decision, &amount);
    if (refusal != ACCEPTED) {
        return refusal;
    }
    /* The last one must give all back, so that an order can be cancelled after any number of partial refunds. */
    uint32_t refunds_max = amount.amount < refundable_minor ? PAYMENT_MAX_REFUNDS - 1 : PAYMENT_MAX_REFUNDS;
    if (state->refunds.count >= refunds_max) {
        return REJECT_TOO_MANY_REFUNDS;
    }
    int32_t number = (int32_t)state->refunds.count + 1;
    decision_event(decision, EVENT_REFUND_REQUESTED)->as.refund_requested = (struct refund_requested){
        .refund = number,
        .amount = amount,
        .reason = ask->has_reason ? ask->reason : STR("request"),
        .provider = state->provider,
        .intent = arena_printf(decision->arena, "%.*s.refund.%d", STR_ARGS(decision->stream), number),
    };
    return ACCEPTED;
}

/* ---- decide: what the provider said ------------------------------------------------------------------------------ */

/* outcome_refused.<which intent>.<why>: what the payment shows of it, and knows it again by. */
static struct str refusal_code(struct arena *arena, struct str stream, struct str intent, struct str reason) {
    return arena_printf(arena, "outcome_refused%.*s.%.*s", STR_ARGS(str_from(intent, stream.len)), STR_ARGS(reason));
}

/* An outcome that contradicts what was asked for is recorded as such, so that somebody looks: it is never bent to fit,
 * and never asked for again. */
static enum rejection refuse_outcome(const struct payment_state *state, const struct record_provider_outcome *outcome,
                                     struct str reason, struct decision *decision) {
    struct str code = refusal_code(decision->arena, decision->stream, outcome->intent, reason);
    if (str_equal(state->failure_code, code)) {
        return ACCEPTED; /* told by the webhook and by the answer, say */
    }
    decision_event(decision, EVENT_PAYMENT_OUTCOME_REFUSED)->as.payment_outcome_refused =
        (struct payment_outcome_refused){
            .intent = outcome->intent,
            .result = outcome->result,
            .amount = outcome->amount,
            .provider_ref = outcome->provider_ref,
            .reason = reason,
        };
    return ACCEPTED;
}

static enum rejection unexpected_result(const struct payment_state *state,
                                        const struct record_provider_outcome *outcome, struct decision *decision) {
    return refuse_outcome(state, outcome, STR("unexpected_result"), decision);
}

/* Whether the amount can be what was asked for; if not, it is recorded as refused. */
static bool amount_fits(const struct payment_state *state, const struct record_provider_outcome *outcome,
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
        (void)refuse_outcome(state, outcome, reason, decision);
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
    if (!amount_fits(state, outcome, state->amount.amount, decision)) {
        return ACCEPTED;
    }
    decision_event(decision, EVENT_PAYMENT_AUTHORIZED)->as.payment_authorized =
        (struct payment_authorized){.amount = outcome->amount, .provider_ref = outcome->provider_ref};
    if (!is_being_voided(state)) {
        request_capture(state, outcome->amount, decision);
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
    if (amount_fits(state, outcome, most_minor, decision)) {
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
    return unexpected_result(state, outcome, decision);
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
                request_void(state, STR("capture_declined"), decision); /* the shopper's money is still held */
            }
        }
        return ACCEPTED;
    }
    return unexpected_result(state, outcome, decision);
}

/* A refusal most often means that the money was taken, which the charge or the capture will tell. Where neither is
 * under way, because the authorization came while the payment was being voided, the capture is asked for after all:
 * what is captured can be given back, what is held could not be let go of. */
static void void_refused(const struct payment_state *state, const struct record_provider_outcome *outcome,
                         struct decision *decision) {
    decision_event(decision, EVENT_PAYMENT_VOID_REFUSED)->as.payment_void_refused =
        (struct payment_void_refused){.code = outcome->code};
    if (state->status == PAYMENT_STATUS_AUTHORIZED && state->capture_pending == 0) {
        request_capture(state, (struct money){state->authorized, state->amount.currency}, decision);
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
            return unexpected_result(state, outcome, decision); /* what was taken is not let go of, it is refunded */
        }
        return ACCEPTED;
    }
    if (str_equal(outcome->result, STR("void_refused"))) {
        if (!state->void_refused && state->status != PAYMENT_STATUS_VOIDED) {
            void_refused(state, outcome, decision);
        }
        return ACCEPTED;
    }
    return unexpected_result(state, outcome, decision);
}

static enum rejection refunded(const struct payment_state *state, const struct refund *refund,
                               const struct record_provider_outcome *outcome, struct decision *decision) {
    if (refund_is(refund, STR("refunded"))) {
        return ACCEPTED;
    }
    /* After a failure the money may have been promised to another refund since. */
    bool is_pending = refund_is(refund, STR("pending"));
    int64_t most_minor = refund->amount.amount;
    if (!is_pending && payment_refundable(state) < most_minor) {
        most_minor = payment_refundable(state);
    }
    if (amount_fits(state, outcome, most_minor, decision)) {
        decision_event(decision, EVENT_PAYMENT_REFUNDED)->as.payment_refunded = (struct payment_refunded){
            .refund = refund->refund, .amount = outcome->amount, .provider_ref = outcome->provider_ref};
    }
    return ACCEPTED;
}

static enum rejection refund_outcome(const struct payment_state *state, int64_t number,
                                     const struct record_provider_outcome *outcome, struct decision *decision) {
    const struct refund *refund = find_refund(state, number);
    if (str_equal(outcome->result, STR("refunded"))) {
        return refunded(state, refund, outcome, decision);
    }
    if (str_equal(outcome->result, STR("refund_failed"))) {
        if (refund_is(refund, STR("pending"))) {
            decision_event(decision, EVENT_REFUND_FAILED)->as.refund_failed = (struct refund_failed){
                .refund = refund->refund,
                .amount = refund->amount,
                .code = outcome->code,
                .message = outcome->message,
            };
        }
        return ACCEPTED;
    }
    return unexpected_result(state, outcome, decision);
}

static enum rejection record_provider_outcome(const struct payment_state *state,
                                              const struct record_provider_outcome *outcome,
                                              struct decision *decision) {
    if (state->status == PAYMENT_STATUS_ABSENT) {
        return REJECT_UNKNOWN_PAYMENT;
    }
    int64_t refund = 0;
    switch (intent_read(state, decision->stream, outcome->intent, &refund)) {
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

enum rejection payment_decide(const struct payment_state *state, const struct command *command,
                              struct decision *decision) {
    switch ((enum payments_command)command->type) {
    case COMMAND_REQUEST_PAYMENT:
        return request_payment(state, &command->as.request_payment, decision);
    case COMMAND_CAPTURE_PAYMENT:
        return capture_payment(state, &command->as.capture_payment, decision);
    case COMMAND_VOID_PAYMENT:
        return void_payment(state, &command->as.void_payment, decision);
    case COMMAND_REFUND_PAYMENT:
        return refund_payment(state, &command->as.refund_payment, decision);
    case COMMAND_RECORD_PROVIDER_OUTCOME:
        return record_provider_outcome(state, &command->as.record_provider_outcome, decision);
    }
    return REJECT_MALFORMED_COMMAND;
}

/* ---- evolve ------------------------------------------------------------------------------------------------------ */

static void evolve_requested(struct payment_state *state, const struct event *event) {
    const struct payment_requested *requested = &event->as.payment_requested;
    state->order = requested->order;
    state->amount = requested->amount;
    state->provider = requested->provider;
    state->method = requested->method;
    state->intent = requested->intent;
    state->created_at = event->meta.occurred_at;
}

static void evolve_captured(struct payment_state *state, const struct payment_captured *captured) {
    state->captured += captured->amount.amount;
    if (state->authorized < state->captured) {
        state->authorized = state->captured; /* authorized and captured in one call */
    }
    state->capture_pending = 0;
    state->provider_ref = captured->provider_ref;
    state->failure_code = STR("");
}

static void evolve_refund_requested(struct payment_state *state, const struct refund_requested *requested,
                                    struct arena *arena) {
    *ARRAY_PUSH(arena, &state->refunds) = (struct refund){
        .refund = requested->refund,
        .amount = requested->amount,
        .reason = requested->reason,
        .intent = requested->intent,
        .status = STR("pending"),
    };
    state->refund_pending += requested->amount.amount;
}

static void evolve_refund_answered(struct payment_state *state, int32_t number, int64_t refunded_minor,
                                   struct str status) {
    struct refund *refund = find_refund(state, number);
    if (refund == NULL) {
        return;
    }
    if (refund_is(refund, STR("pending"))) {
        state->refund_pending -= refund->amount.amount;
    }
    state->refunded += refunded_minor;
    refund->status = status;
}

void payment_evolve(struct payment_state *state, const struct event *event, struct arena *arena) {
    switch ((enum payments_event)event->type) {
    case EVENT_PAYMENT_REQUESTED:
        evolve_requested(state, event);
        break;
    case EVENT_PAYMENT_ACTION_REQUIRED:
        state->provider_ref = event->as.payment_action_required.provider_ref;
        state->has_action_url = true;
        state->action_url = event->as.payment_action_required.action_url;
        break;
    case EVENT_PAYMENT_AUTHORIZED:
        state->authorized = event->as.payment_authorized.amount.amount;
        state->provider_ref = event->as.payment_authorized.provider_ref;
        state->failure_code = STR("");
        break;
    case EVENT_PAYMENT_CAPTURE_REQUESTED:
        state->capture_pending = event->as.payment_capture_requested.amount.amount;
        break;
    case EVENT_PAYMENT_CAPTURED:
        evolve_captured(state, &event->as.payment_captured);
        break;
    case EVENT_PAYMENT_FAILED:
        state->capture_pending = 0;
        state->failure_code = event->as.payment_failed.code;
        break;
    case EVENT_PAYMENT_VOID_REQUESTED:
        state->void_requested = true;
        break;
    case EVENT_PAYMENT_VOID_REFUSED:
        state->void_refused = true;
        break;
    case EVENT_PAYMENT_VOIDED:
        state->capture_pending = 0;
        break;
    case EVENT_PAYMENT_OUTCOME_REFUSED:
        state->failure_code = refusal_code(arena, event->meta.stream, event->as.payment_outcome_refused.intent,
                                           event->as.payment_outcome_refused.reason);
        break;
    case EVENT_REFUND_REQUESTED:
        evolve_refund_requested(state, &event->as.refund_requested, arena);
        break;
    case EVENT_PAYMENT_REFUNDED: {
        const struct payment_refunded *refunded = &event->as.payment_refunded;
        evolve_refund_answered(state, refunded->refund, refunded->amount.amount, STR("refunded"));
        break;
    }
    case EVENT_REFUND_FAILED:
        evolve_refund_answered(state, event->as.refund_failed.refund, 0, STR("failed"));
        break;
    }
    state->status = (enum payment_status)status_evolved(&life, event->type, (int)state->status);
    state->changed_at = event->meta.occurred_at;
}

/* ---- for the handler --------------------------------------------------------------------------------------------- */

static enum rejection decide(const void *state, const void *sub_state, const struct command *command,
                             struct decision *decision) {
    (void)sub_state;
    return payment_decide(state, command, decision);
}

static void evolve(void *state, void *sub_state, const struct event *event, struct arena *arena) {
    (void)sub_state;
    payment_evolve(state, event, arena);
}

static void react(const void *state, const struct event *event, const struct command *cause,
                  struct reactions *reactions) {
    (void)cause;
    checkout_after_payment(state, event, reactions);
}

static void encode(struct buf *out, const void *state) {
    payment_state_encode(out, state);
}

static bool decode(struct arena *arena, struct str bytes, void *ret_state) {
    return payment_state_decode(arena, bytes, ret_state);
}

const struct aggregate payment_aggregate = {
    .prefix = {"pay_", 4},
    .family = "payments",
    .noun = "payment",
    .state_size = sizeof(struct payment_state),
    .decide = decide,
    .evolve = evolve,
    .react = react,
    .life = &life,
    .state_encode = encode,
    .state_decode = decode,
    .state_schema_id = PAYMENT_STATE_SCHEMA_ID,
};
