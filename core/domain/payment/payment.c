#include "core/domain/payment/payment.h"

#include "core/domain/checkout/checkout.h"
#include "core/domain/payment/parts.h"
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
    {EVENT_REFUND_DEFERRED, PAYMENT_STATUS_CAPTURED, PAYMENT_STATUS_CAPTURED},

    /* Late successes, and voids that go on after the failure. */
    {EVENT_PAYMENT_AUTHORIZED, PAYMENT_STATUS_FAILED, PAYMENT_STATUS_AUTHORIZED},
    {EVENT_PAYMENT_CAPTURED, PAYMENT_STATUS_FAILED, PAYMENT_STATUS_CAPTURED},
    {EVENT_PAYMENT_VOID_REQUESTED, PAYMENT_STATUS_FAILED, PAYMENT_STATUS_FAILED}, /* its capture was declined */
    {EVENT_PAYMENT_VOID_REFUSED, PAYMENT_STATUS_FAILED, PAYMENT_STATUS_FAILED},
    {EVENT_PAYMENT_VOIDED, PAYMENT_STATUS_FAILED, PAYMENT_STATUS_VOIDED},
    {EVENT_PAYMENT_CAPTURED, PAYMENT_STATUS_VOIDED, PAYMENT_STATUS_CAPTURED},

    /* A dispute is beside all that, and may be told of before the capture. */
    {EVENT_PAYMENT_DISPUTED, PAYMENT_STATUS_REQUESTED, PAYMENT_STATUS_REQUESTED},
    {EVENT_PAYMENT_DISPUTED, PAYMENT_STATUS_ACTION_REQUIRED, PAYMENT_STATUS_ACTION_REQUIRED},
    {EVENT_PAYMENT_DISPUTED, PAYMENT_STATUS_AUTHORIZED, PAYMENT_STATUS_AUTHORIZED},
    {EVENT_PAYMENT_DISPUTED, PAYMENT_STATUS_CAPTURED, PAYMENT_STATUS_CAPTURED},
    {EVENT_PAYMENT_DISPUTED, PAYMENT_STATUS_FAILED, PAYMENT_STATUS_FAILED},
    {EVENT_PAYMENT_DISPUTED, PAYMENT_STATUS_VOIDED, PAYMENT_STATUS_VOIDED},
    {EVENT_DISPUTE_CLOSED, PAYMENT_STATUS_REQUESTED, PAYMENT_STATUS_REQUESTED},
    {EVENT_DISPUTE_CLOSED, PAYMENT_STATUS_ACTION_REQUIRED, PAYMENT_STATUS_ACTION_REQUIRED},
    {EVENT_DISPUTE_CLOSED, PAYMENT_STATUS_AUTHORIZED, PAYMENT_STATUS_AUTHORIZED},
    {EVENT_DISPUTE_CLOSED, PAYMENT_STATUS_CAPTURED, PAYMENT_STATUS_CAPTURED},
    {EVENT_DISPUTE_CLOSED, PAYMENT_STATUS_FAILED, PAYMENT_STATUS_FAILED},
    {EVENT_DISPUTE_CLOSED, PAYMENT_STATUS_VOIDED, PAYMENT_STATUS_VOIDED},

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

int64_t payment_unreturned(const struct payment_state *state) {
    return state->captured - state->refunded - state->refund_pending;
}

int64_t payment_refundable(const struct payment_state *state) {
    return payment_unreturned(state) - payment_contested(state);
}

struct refund *payment_find_refund(const struct payment_state *state, int64_t number) {
    return number >= 1 && number <= state->refunds.count ? &state->refunds.items[number - 1] : NULL;
}

/* Asked to let go, and the provider has not said that it cannot. */
bool payment_is_being_voided(const struct payment_state *state) {
    return state->void_requested && !state->void_refused;
}

bool payment_refund_is(const struct refund *refund, struct str status) {
    return str_equal(refund->status, status);
}

enum rejection payment_decide(const struct payment_state *state, const struct command *command,
                              struct decision *decision) {
    switch ((enum payments_command)command->type) {
    case COMMAND_REQUEST_PAYMENT:
        return payment_ask_request(state, &command->as.request_payment, decision);
    case COMMAND_CAPTURE_PAYMENT:
        return payment_ask_capture(state, &command->as.capture_payment, decision);
    case COMMAND_VOID_PAYMENT:
        return payment_ask_void(state, &command->as.void_payment, decision);
    case COMMAND_REFUND_PAYMENT:
        return payment_ask_refund(state, &command->as.refund_payment, decision);
    case COMMAND_RECORD_PROVIDER_OUTCOME:
        return payment_record_outcome(state, &command->as.record_provider_outcome, decision);
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
    if (requested->owed) {
        state->refund_owed = requested->reason;
    }
}

static void evolve_refund_answered(struct payment_state *state, int32_t number, int64_t refunded_minor,
                                   struct str status) {
    struct refund *refund = payment_find_refund(state, number);
    if (refund == NULL) {
        return;
    }
    if (payment_refund_is(refund, STR("pending"))) {
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
        state->failure_code = payment_refusal_code(arena, event->meta.stream, &event->as.payment_outcome_refused);
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
    case EVENT_REFUND_DEFERRED:
        state->refund_owed = event->as.refund_deferred.reason;
        break;
    case EVENT_PAYMENT_DISPUTED:
        payment_evolve_disputed(state, &event->as.payment_disputed, arena);
        break;
    case EVENT_DISPUTE_CLOSED:
        payment_evolve_dispute_closed(state, &event->as.dispute_closed);
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
