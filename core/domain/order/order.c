#include "core/domain/order/order.h"

#include "core/domain/actor.h"
#include "core/domain/checkout/checkout.h"
#include "core/domain/ids.h"
#include "core/domain/money.h"
#include "core/domain/order/confirmation.h"
#include "core/domain/payment/payment.h"
#include "gen/codec.h"

static const struct status_change changes[] = {
    {EVENT_ORDER_PLACED, ORDER_STATUS_ABSENT, ORDER_STATUS_PLACED},

    {EVENT_ORDER_STOCK_RESERVED, ORDER_STATUS_PLACED, ORDER_STATUS_PLACED},
    {EVENT_ORDER_PAYMENT_STARTED, ORDER_STATUS_PLACED, ORDER_STATUS_PAYING},
    {EVENT_ORDER_CONFIRMED, ORDER_STATUS_PLACED, ORDER_STATUS_CONFIRMED}, /* nothing to pay */
    {EVENT_ORDER_REJECTED, ORDER_STATUS_PLACED, ORDER_STATUS_REJECTED},
    {EVENT_ORDER_CANCELLED, ORDER_STATUS_PLACED, ORDER_STATUS_CANCELLED},

    {EVENT_ORDER_CONFIRMED, ORDER_STATUS_PAYING, ORDER_STATUS_CONFIRMED},
    {EVENT_ORDER_AWAITING_PAYMENT, ORDER_STATUS_PAYING, ORDER_STATUS_AWAITING_PAYMENT},
    {EVENT_ORDER_CANCELLED, ORDER_STATUS_PAYING, ORDER_STATUS_CANCELLED},

    {EVENT_ORDER_PAYMENT_STARTED, ORDER_STATUS_AWAITING_PAYMENT, ORDER_STATUS_PAYING},
    {EVENT_ORDER_CONFIRMED, ORDER_STATUS_AWAITING_PAYMENT, ORDER_STATUS_CONFIRMED}, /* a late success */
    {EVENT_ORDER_AWAITING_PAYMENT, ORDER_STATUS_AWAITING_PAYMENT, ORDER_STATUS_AWAITING_PAYMENT},
    {EVENT_ORDER_CANCELLED, ORDER_STATUS_AWAITING_PAYMENT, ORDER_STATUS_CANCELLED},

    {EVENT_ORDER_CANCELLED, ORDER_STATUS_CONFIRMED, ORDER_STATUS_CANCELLED},

    /* Money that the order does not need changes no status. */
    {EVENT_ORDER_PAYMENT_RETURNED, ORDER_STATUS_PAYING, ORDER_STATUS_PAYING},
    {EVENT_ORDER_PAYMENT_RETURNED, ORDER_STATUS_AWAITING_PAYMENT, ORDER_STATUS_AWAITING_PAYMENT},
    {EVENT_ORDER_PAYMENT_RETURNED, ORDER_STATUS_CONFIRMED, ORDER_STATUS_CONFIRMED},
    {EVENT_ORDER_PAYMENT_RETURNED, ORDER_STATUS_CANCELLED, ORDER_STATUS_CANCELLED},

    /* Nor does a mail. */
    {EVENT_ORDER_CONFIRMATION_REQUESTED, ORDER_STATUS_CONFIRMED, ORDER_STATUS_CONFIRMED},
    {EVENT_ORDER_MAILED, ORDER_STATUS_CONFIRMED, ORDER_STATUS_CONFIRMED},
    {EVENT_ORDER_MAILED, ORDER_STATUS_CANCELLED, ORDER_STATUS_CANCELLED},
};
static const struct status_table life = {changes, ARRAY_LENGTH(changes)};

static struct order_payment *find_payment(const struct order_state *state, struct str payment) {
    for (uint32_t i = 0; i < state->payments.count; i++) {
        if (str_equal(state->payments.items[i].payment, payment)) {
            return &state->payments.items[i];
        }
    }
    return NULL;
}

static bool has_result(const struct order_payment *payment, struct str result) {
    return str_equal(payment->result, result);
}

/* The provider may still come back with a success. */
static bool is_open(const struct order_payment *payment) {
    return has_result(payment, ORDER_PAYMENT_STARTED) || has_result(payment, ORDER_PAYMENT_ACTION_REQUIRED);
}

/* ---- decide: placing --------------------------------------------------------------------------------------------- */

static enum rejection place_order(const struct order_state *state, const struct place_order *ask,
                                  struct decision *decision) {
    if (state->status != ORDER_STATUS_ABSENT) {
        return ACCEPTED; /* its id names cart and attempt: it is the same order */
    }
    if (ask->lines.count == 0) {
        return REJECT_MALFORMED_COMMAND;
    }
    decision_event(decision, EVENT_ORDER_PLACED)->as.order_placed = (struct order_placed){
        .cart = ask->cart,
        .attempt = ask->attempt,
        .has_reference = ask->has_reference,
        .reference = ask->reference,
        .lines = ask->lines,
        .total = ask->total,
        .has_email = ask->has_email,
        .email = ask->email,
        .payment = ask->payment,
        .deadline_at = decision->now_us + decision->policy->payment_deadline_us,
        .has_customer = ask->has_customer,
        .customer = ask->customer,
        .pending_command = ask->pending_command,
    };
    return ACCEPTED;
}

static void start_payment(const struct order_state *state, const struct payment_choice *choice,
                          struct str pending_command, struct decision *decision) {
    int32_t number = (int32_t)state->payments.count + 1;
    decision_event(decision, EVENT_ORDER_PAYMENT_STARTED)->as.order_payment_started = (struct order_payment_started){
        .payment = payment_id(decision->arena, decision->stream, number),
        .number = number,
        .amount = state->total,
        .choice = *choice,
        .pending_command = pending_command,
    };
}

static enum rejection record_reservations(const struct order_state *state, const struct record_reservations *ask,
                                          struct decision *decision) {
    if (state->status == ORDER_STATUS_ABSENT) {
        return REJECT_UNKNOWN_ORDER;
    }
    if (state->status != ORDER_STATUS_PLACED) {
        return ACCEPTED; /* told twice, or the order ended meanwhile and has released all it asked for */
    }
    if (ask->shortages.count > 0) {
        decision_event(decision, EVENT_ORDER_REJECTED)->as.order_rejected =
            (struct order_rejected){.reason = STR("out_of_stock"), .shortages = ask->shortages};
        return ACCEPTED;
    }
    decision_event(decision, EVENT_ORDER_STOCK_RESERVED);
    if (state->total.amount == 0) {
        decision_event(decision, EVENT_ORDER_CONFIRMED);
    } else {
        start_payment(state, &state->choice, state->pending_command, decision);
    }
    return ACCEPTED;
}

/* ---- decide: ending ---------------------------------------------------------------------------------------------- */

static bool is_past_deadline(const struct order_state *state, const struct decision *decision) {
    return decision->now_us >= state->deadline_at;
}

static void cancel(const struct order_state *state, enum order_status status_before, struct str by, struct str reason,
                   struct decision *decision) {
    struct order_cancelled *cancelled = &decision_event(decision, EVENT_ORDER_CANCELLED)->as.order_cancelled;
    cancelled->by = by;
    cancelled->reason = reason;
    cancelled->status_before = str_of_cstr(order_status_name(status_before));
    for (uint32_t i = 0; i < state->payments.count; i++) {
        if (has_result(&state->payments.items[i], ORDER_PAYMENT_CAPTURED)) {
            cancelled->has_refund = true;
            cancelled->refund = state->payments.items[i].amount;
        }
    }
}

static enum rejection cancel_order(const struct order_state *state, const struct cancel_order *ask,
                                   struct decision *decision) {
    switch (state->status) {
    case ORDER_STATUS_ABSENT:
        return REJECT_UNKNOWN_ORDER;
    case ORDER_STATUS_PLACED:
    case ORDER_STATUS_PAYING:
    case ORDER_STATUS_AWAITING_PAYMENT:
    case ORDER_STATUS_CONFIRMED:
        cancel(state, state->status, STR("request"), ask->reason, decision);
        return ACCEPTED;
    case ORDER_STATUS_REJECTED:
        return REJECT_ORDER_NOT_CANCELLABLE;
    case ORDER_STATUS_CANCELLED:
        return ACCEPTED;
    }
    return REJECT_UNKNOWN_ORDER;
}

static void cancel_unpaid(const struct order_state *state, enum order_status status_before, struct decision *decision) {
    cancel(state, status_before, STR("deadline"), STR("not paid in time"), decision);
}

/* A fired timer looks at the state again: much may have happened since it was set. */
static enum rejection expire_order(const struct order_state *state, struct decision *decision) {
    switch (state->status) {
    case ORDER_STATUS_ABSENT:
        return REJECT_UNKNOWN_ORDER;
    case ORDER_STATUS_PLACED:
    case ORDER_STATUS_AWAITING_PAYMENT:
        if (is_past_deadline(state, decision)) {
            cancel_unpaid(state, state->status, decision);
        }
        return ACCEPTED;
    case ORDER_STATUS_PAYING:
    case ORDER_STATUS_CONFIRMED:
    case ORDER_STATUS_REJECTED:
    case ORDER_STATUS_CANCELLED:
        return ACCEPTED;
    }
    return REJECT_UNKNOWN_ORDER;
}

/* ---- decide: paying ---------------------------------------------------------------------------------------------- */

static enum rejection retry_order_payment(const struct order_state *state, const struct command *command,
                                          struct decision *decision) {
    const struct retry_order_payment *ask = &command->as.retry_order_payment;
    switch (state->status) {
    case ORDER_STATUS_ABSENT:
        return REJECT_UNKNOWN_ORDER;
    case ORDER_STATUS_CANCELLED:
        return REJECT_ORDER_CANCELLED;
    case ORDER_STATUS_PLACED:
    case ORDER_STATUS_PAYING:
    case ORDER_STATUS_CONFIRMED:
    case ORDER_STATUS_REJECTED:
        return REJECT_ORDER_NOT_PAYABLE;
    case ORDER_STATUS_AWAITING_PAYMENT:
        break;
    }
    if (is_past_deadline(state, decision)) {
        return REJECT_ORDER_NOT_PAYABLE;
    }
    if (state->payments.count >= ORDER_MAX_PAYMENTS) {
        return REJECT_TOO_MANY_PAYMENTS;
    }
    if (!payment_provider_exists(ask->provider)) {
        return decision_reject(decision, REJECT_UNKNOWN_PROVIDER, STR("/provider"));
    }
    struct payment_choice choice = {ask->provider, ask->method};
    start_payment(state, &choice, command->meta.command_id, decision);
    return ACCEPTED;
}

/* Whether the order waits for this payment: always the newest, since starting one gives up those before. */
static bool waits_for(const struct order_state *state, const struct order_payment *payment) {
    bool waits = state->status == ORDER_STATUS_PAYING || state->status == ORDER_STATUS_AWAITING_PAYMENT;
    return waits && payment == &state->payments.items[state->payments.count - 1] && is_open(payment);
}

static void await_payment(const struct order_payment *payment, struct str reason, struct str code, bool has_action_url,
                          struct str action_url, struct decision *decision) {
    decision_event(decision, EVENT_ORDER_AWAITING_PAYMENT)->as.order_awaiting_payment = (struct order_awaiting_payment){
        .payment = payment->payment,
        .reason = reason,
        .code = code,
        .has_action_url = has_action_url,
        .action_url = action_url,
    };
}

/* The shopper may try another method, unless the deadline passed while this payment was in progress. */
static void payment_failed(const struct order_state *state, const struct order_payment *payment, struct str code,
                           struct decision *decision) {
    await_payment(payment, STR("declined"), code, false, STR(""), decision);
    if (is_past_deadline(state, decision)) {
        cancel_unpaid(state, ORDER_STATUS_AWAITING_PAYMENT, decision);
    }
}

static void return_payment(const struct order_payment *payment, int64_t amount_minor, struct str reason,
                           struct decision *decision) {
    decision_event(decision, EVENT_ORDER_PAYMENT_RETURNED)->as.order_payment_returned = (struct order_payment_returned){
        .payment = payment->payment,
        .amount = {amount_minor, payment->amount.currency},
        .reason = reason,
    };
}

/* `captured_minor` is what the payment captured in all. */
static void payment_captured(const struct order_state *state, const struct order_payment *payment,
                             int64_t captured_minor, struct decision *decision) {
    if (has_result(payment, ORDER_PAYMENT_CAPTURED)) {
        return; /* told twice */
    }
    int64_t returned_minor = has_result(payment, ORDER_PAYMENT_RETURNED) ? payment->amount.amount : 0;
    if (captured_minor <= returned_minor) {
        return; /* told twice */
    }
    int64_t fresh_minor = captured_minor - returned_minor;
    switch (state->status) {
    case ORDER_STATUS_PAYING:
    case ORDER_STATUS_AWAITING_PAYMENT:
        if (fresh_minor >= state->total.amount) {
            decision_event(decision, EVENT_ORDER_CONFIRMED)->as.order_confirmed.payment = payment->payment;
            return;
        }
        return_payment(payment, fresh_minor, STR("underpaid"), decision);
        if (waits_for(state, payment)) {
            payment_failed(state, payment, STR("underpaid"), decision);
        }
        return;
    case ORDER_STATUS_CONFIRMED:
        return_payment(payment, fresh_minor, STR("already_paid"), decision);
        return;
    case ORDER_STATUS_REJECTED:
    case ORDER_STATUS_CANCELLED:
        return_payment(payment, fresh_minor, STR("order_cancelled"), decision);
        return;
    case ORDER_STATUS_ABSENT:
    case ORDER_STATUS_PLACED:
        return; /* has no payments */
    }
}

static enum rejection record_order_payment(const struct order_state *state, const struct record_order_payment *ask,
                                           struct decision *decision) {
    if (state->status == ORDER_STATUS_ABSENT) {
        return REJECT_UNKNOWN_ORDER;
    }
    const struct order_payment *payment = find_payment(state, ask->payment);
    if (payment == NULL) {
        return REJECT_UNKNOWN_PAYMENT;
    }
    if (str_equal(ask->result, ORDER_PAYMENT_CAPTURED)) {
        payment_captured(state, payment, ask->amount.amount, decision);
    } else if (str_equal(ask->result, ORDER_PAYMENT_FAILED)) {
        if (waits_for(state, payment)) {
            payment_failed(state, payment, ask->code, decision);
        }
    } else if (str_equal(ask->result, ORDER_PAYMENT_ACTION_REQUIRED)) {
        if (waits_for(state, payment) && has_result(payment, ORDER_PAYMENT_STARTED)) {
            await_payment(payment, ORDER_PAYMENT_ACTION_REQUIRED, ask->code, ask->has_action_url, ask->action_url,
                          decision);
        }
    } else {
        return REJECT_MALFORMED_COMMAND;
    }
    return ACCEPTED;
}

/* Of what clients send. What follows from events and what the provider says comes whoever began it. */
static bool is_anothers(const struct order_state *state, const struct command *command) {
    bool is_a_clients = command->type == COMMAND_RETRY_ORDER_PAYMENT || command->type == COMMAND_CANCEL_ORDER ||
                        command->type == COMMAND_RESEND_CONFIRMATION;
    return is_a_clients && state->status != ORDER_STATUS_ABSENT &&
           !actor_may_touch_purchase(command->meta.actor, state->has_customer, state->customer);
}

enum rejection order_decide(const struct order_state *state, const struct command *command, struct decision *decision) {
    if (is_anothers(state, command)) {
        return decision_hide(decision, REJECT_UNKNOWN_ORDER);
    }
    switch ((enum orders_command)command->type) {
    case COMMAND_PLACE_ORDER:
        return place_order(state, &command->as.place_order, decision);
    case COMMAND_RECORD_RESERVATIONS:
        return record_reservations(state, &command->as.record_reservations, decision);
    case COMMAND_RECORD_ORDER_PAYMENT:
        return record_order_payment(state, &command->as.record_order_payment, decision);
    case COMMAND_RETRY_ORDER_PAYMENT:
        return retry_order_payment(state, command, decision);
    case COMMAND_CANCEL_ORDER:
        return cancel_order(state, &command->as.cancel_order, decision);
    case COMMAND_EXPIRE_ORDER:
        return expire_order(state, decision);
    case COMMAND_RESEND_CONFIRMATION:
        return order_resend_confirmation(state, decision);
    case COMMAND_RECORD_ORDER_MAIL:
        return order_record_mail(state, &command->as.record_order_mail, decision);
    }
    return REJECT_MALFORMED_COMMAND;
}

/* ---- evolve ------------------------------------------------------------------------------------------------------ */

static void evolve_placed(struct order_state *state, const struct event *event) {
    const struct order_placed *placed = &event->as.order_placed;
    state->cart = placed->cart;
    state->attempt = placed->attempt;
    state->has_reference = placed->has_reference;
    state->reference = placed->reference;
    state->lines = placed->lines; /* never changed, so shared with the event */
    state->total = placed->total;
    state->has_email = placed->has_email;
    state->email = placed->email;
    state->has_customer = placed->has_customer;
    state->customer = placed->customer;
    state->choice = placed->payment;
    state->deadline_at = placed->deadline_at;
    state->pending_command = placed->pending_command;
    state->created_at = event->meta.occurred_at;
}

/* Gives up what is in flight; checkout.c asks the provider to let go of it. */
static void supersede_open_payments(struct order_state *state) {
    for (uint32_t i = 0; i < state->payments.count; i++) {
        if (is_open(&state->payments.items[i])) {
            state->payments.items[i].result = ORDER_PAYMENT_FAILED;
            state->payments.items[i].code = ORDER_PAYMENT_SUPERSEDED;
        }
    }
}

static void evolve_payment_started(struct order_state *state, const struct order_payment_started *started,
                                   struct arena *arena) {
    supersede_open_payments(state);
    *ARRAY_PUSH(arena, &state->payments) = (struct order_payment){
        .payment = started->payment,
        .amount = started->amount,
        .choice = started->choice,
        .result = ORDER_PAYMENT_STARTED,
    };
    state->pending_command = started->pending_command;
}

static void evolve_awaiting(struct order_state *state, const struct order_awaiting_payment *awaiting) {
    struct order_payment *payment = find_payment(state, awaiting->payment);
    if (payment == NULL) {
        return;
    }
    if (str_equal(awaiting->reason, ORDER_PAYMENT_ACTION_REQUIRED)) {
        payment->result = ORDER_PAYMENT_ACTION_REQUIRED;
    } else if (!has_result(payment, ORDER_PAYMENT_RETURNED)) {
        payment->result = ORDER_PAYMENT_FAILED;
    }
    payment->code = awaiting->code;
    payment->has_action_url = awaiting->has_action_url;
    payment->action_url = awaiting->action_url;
}

static void evolve_confirmed(struct order_state *state, const struct order_confirmed *confirmed) {
    struct order_payment *payment = find_payment(state, confirmed->payment);
    if (payment != NULL) {
        payment->result = ORDER_PAYMENT_CAPTURED;
        payment->code = STR("");
        payment->has_action_url = false;
        payment->action_url = STR("");
    }
    supersede_open_payments(state);
}

/* The amount of a returned payment is what was returned so far. */
static void evolve_returned(struct order_state *state, const struct order_payment_returned *returned) {
    struct order_payment *payment = find_payment(state, returned->payment);
    if (payment == NULL) {
        return;
    }
    int64_t before_minor = has_result(payment, ORDER_PAYMENT_RETURNED) ? payment->amount.amount : 0;
    payment->amount.amount = before_minor + returned->amount.amount;
    payment->result = ORDER_PAYMENT_RETURNED;
    payment->code = returned->reason;
    payment->has_action_url = false;
    payment->action_url = STR("");
}

/* Whoever waits for the order is answered when it comes to one of these. */
static bool is_at_rest(enum order_status status) {
    switch (status) {
    case ORDER_STATUS_ABSENT:
    case ORDER_STATUS_PLACED:
    case ORDER_STATUS_PAYING:
        return false;
    case ORDER_STATUS_AWAITING_PAYMENT:
    case ORDER_STATUS_CONFIRMED:
    case ORDER_STATUS_REJECTED:
    case ORDER_STATUS_CANCELLED:
        return true;
    }
    return false;
}

void order_evolve(struct order_state *state, const struct event *event, struct arena *arena) {
    if (is_at_rest(state->status)) {
        /* The event that brought it to rest answered; it still stood then, for react to see. */
        state->pending_command = STR("");
    }
    switch ((enum orders_event)event->type) {
    case EVENT_ORDER_PLACED:
        evolve_placed(state, event);
        break;
    case EVENT_ORDER_STOCK_RESERVED:
        state->stock_held = true;
        break;
    case EVENT_ORDER_PAYMENT_STARTED:
        evolve_payment_started(state, &event->as.order_payment_started, arena);
        break;
    case EVENT_ORDER_AWAITING_PAYMENT:
        evolve_awaiting(state, &event->as.order_awaiting_payment);
        break;
    case EVENT_ORDER_CONFIRMED:
        evolve_confirmed(state, &event->as.order_confirmed);
        break;
    case EVENT_ORDER_REJECTED:
        state->shortages = event->as.order_rejected.shortages;
        break;
    case EVENT_ORDER_CANCELLED:
        state->cancel_reason = event->as.order_cancelled.reason;
        state->stock_held = false;
        supersede_open_payments(state);
        break;
    case EVENT_ORDER_PAYMENT_RETURNED:
        evolve_returned(state, &event->as.order_payment_returned);
        break;
    case EVENT_ORDER_CONFIRMATION_REQUESTED:
        order_evolve_confirmation_requested(state, event);
        break;
    case EVENT_ORDER_MAILED:
        order_evolve_mailed(state, &event->as.order_mailed);
        break;
    }
    state->status = (enum order_status)status_evolved(&life, event->type, (int)state->status);
    state->changed_at = event->meta.occurred_at;
}

/* ---- for the handler --------------------------------------------------------------------------------------------- */

static enum rejection decide(const void *state, const void *sub_state, const struct command *command,
                             struct decision *decision) {
    (void)sub_state;
    return order_decide(state, command, decision);
}

static void evolve(void *state, void *sub_state, const struct event *event, struct arena *arena) {
    (void)sub_state;
    order_evolve(state, event, arena);
}

static void react(const void *state, const struct event *event, const struct command *cause,
                  struct reactions *reactions) {
    (void)cause;
    checkout_after_order(state, event, reactions);
}

/* None while a payment is in progress: it may not be cut off. Its failure sets the timer again. */
static int64_t deadline_us(const void *of) {
    const struct order_state *state = of;
    bool waits = state->status == ORDER_STATUS_PLACED || state->status == ORDER_STATUS_AWAITING_PAYMENT;
    return waits ? state->deadline_at : 0;
}

static void on_deadline(const void *state, struct command *ret_command) {
    (void)state;
    ret_command->type = COMMAND_EXPIRE_ORDER;
}

static void encode(struct buf *out, const void *state) {
    order_state_encode(out, state);
}

static bool decode(struct arena *arena, struct str bytes, void *ret_state) {
    return order_state_decode(arena, bytes, ret_state);
}

const struct aggregate order_aggregate = {
    .prefix = {"ord_", 4},
    .family = "orders",
    .noun = "order",
    .state_size = sizeof(struct order_state),
    .decide = decide,
    .evolve = evolve,
    .react = react,
    .life = &life,
    .deadline_us = deadline_us,
    .on_deadline = on_deadline,
    .state_encode = encode,
    .state_decode = decode,
    .state_schema_id = ORDER_STATE_SCHEMA_ID,
};
