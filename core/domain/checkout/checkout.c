#include "core/domain/checkout/checkout.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/shard.h"
#include "core/domain/ids.h"
#include "core/domain/order/order.h"
#include "core/domain/payment/payment.h"

/* ---- 1. A cart is checked out: an order is placed ---------------------------------------------------------------- */

void checkout_after_cart(const struct event *event, struct reactions *reactions) {
    switch ((enum carts_event)event->type) {
    case EVENT_CART_CHECKED_OUT: {
        const struct cart_checked_out *checked_out = &event->as.cart_checked_out;
        react_command(reactions, checked_out->order, COMMAND_PLACE_ORDER)->as.place_order = (struct place_order){
            .cart = event->meta.stream,
            .attempt = checked_out->attempt,
            .has_reference = checked_out->has_reference,
            .reference = checked_out->reference,
            .lines = checked_out->lines,
            .total = checked_out->total,
            .has_email = checked_out->has_email,
            .email = checked_out->email,
            .payment = checked_out->payment,
            .has_customer = checked_out->has_customer,
            .customer = checked_out->customer,
            .pending_command = event->meta.command_id, /* whoever checked out waits for the order to come to rest */
        };
        break;
    }
    case EVENT_CART_OPENED:
    case EVENT_CART_UPDATED:
    case EVENT_CART_REOPENED:
        break;
    }
}

/* ---- 2. The order is placed: its SKUs are visited one after the other -------------------------------------------- */

/* A line on its way into the list of visits. */
struct visit {
    uint32_t distance; /* of the SKU's shard from the order's, going round */
    struct str sku;
    int64_t quantity;
};

static int compare_visits(const void *left, const void *right) {
    const struct visit *a = left;
    const struct visit *b = right;
    int by_distance = (a->distance > b->distance) - (a->distance < b->distance);
    return by_distance != 0 ? by_distance : str_compare(a->sku, b->sku);
}

/* Each SKU of the order once, the lines of one SKU summed. SKUs of one shard are neighbours, those of the order's own
 * come first: a visit on the same shard is decided in the same transaction, another shard costs a way through the log.
 */
static struct stock_request_array plan_visits(const struct cart_line_array *lines, struct str order,
                                              struct reactions *reactions) {
    uint32_t shard_count = reactions->policy->shard_count;
    uint32_t own = (uint32_t)shard_of_stream(order, shard_count);
    struct visit *visits = arena_alloc(reactions->arena, lines->count * sizeof *visits);
    for (uint32_t i = 0; i < lines->count; i++) {
        struct str sku = lines->items[i].sku;
        uint32_t shard = (uint32_t)shard_of_key(sku, shard_count);
        visits[i] = (struct visit){(shard + shard_count - own) % shard_count, sku, lines->items[i].quantity};
    }
    qsort(visits, lines->count, sizeof *visits, compare_visits);

    struct stock_request_array requests = {0};
    for (uint32_t i = 0; i < lines->count; i++) {
        bool same = i > 0 && str_equal(visits[i].sku, visits[i - 1].sku);
        struct stock_request *request =
            same ? &requests.items[requests.count - 1] : ARRAY_PUSH(reactions->arena, &requests);
        request->sku = visits[i].sku;
        request->quantity += visits[i].quantity;
    }
    return requests;
}

static void visit(struct str order, const struct stock_request_array *requests, int32_t position,
                  const struct stock_shortage_array *shortages, struct reactions *reactions) {
    assert((uint32_t)position < requests->count && requests->items != NULL);
    struct str stream = sku_stream(reactions->arena, requests->items[position].sku);
    react_command(reactions, stream, COMMAND_RESERVE_STOCK)->as.reserve_stock = (struct reserve_stock){
        .owner = order,
        .requests = *requests,
        .position = position,
        .shortages = *shortages,
    };
}

static void begin_visits(const struct event *event, struct reactions *reactions) {
    struct stock_request_array requests = plan_visits(&event->as.order_placed.lines, event->meta.stream, reactions);
    struct stock_shortage_array none = {0};
    visit(event->meta.stream, &requests, 0, &none, reactions);
}

/* ---- 3. A SKU has answered: on to the next one, and after the last back to the order ----------------------------- */

void checkout_after_reserve(const struct event *event, const struct command *cause, struct reactions *reactions) {
    assert(cause->type == COMMAND_RESERVE_STOCK);
    const struct reserve_stock *reserve = &cause->as.reserve_stock;
    struct stock_shortage_array shortages = reserve->shortages;
    if (event->type == EVENT_STOCK_RESERVATION_REFUSED) {
        const struct stock_reservation_refused *refused = &event->as.stock_reservation_refused;
        ARRAY_COPY(reactions->arena, &reserve->shortages, &shortages);
        *ARRAY_PUSH(reactions->arena, &shortages) = (struct stock_shortage){
            .sku = sku_of_stream(event->meta.stream),
            .requested = refused->quantity,
            .available = refused->available,
        };
    }
    int32_t next = reserve->position + 1;
    if ((uint32_t)next < reserve->requests.count) {
        visit(reserve->owner, &reserve->requests, next, &shortages, reactions);
    } else {
        react_command(reactions, reserve->owner, COMMAND_RECORD_RESERVATIONS)->as.record_reservations.shortages =
            shortages;
    }
}

/* ---- 4. All is held: a payment is started, under a key that stands in the log before the provider is called ------ */

static void request_payment(const struct event *event, struct reactions *reactions) {
    const struct order_payment_started *started = &event->as.order_payment_started;
    react_command(reactions, started->payment, COMMAND_REQUEST_PAYMENT)->as.request_payment = (struct request_payment){
        .order = event->meta.stream,
        .amount = started->amount,
        .provider = started->choice.provider,
        .method = started->choice.method,
    };
}

/* Payments the order gave up while the provider had not answered. Asking again for one that was let go is harmless. */
static void void_superseded(const struct order_state *state, struct reactions *reactions) {
    for (uint32_t i = 0; i < state->payments.count; i++) {
        const struct order_payment *payment = &state->payments.items[i];
        if (str_equal(payment->result, ORDER_PAYMENT_FAILED) && str_equal(payment->code, ORDER_PAYMENT_SUPERSEDED)) {
            react_command(reactions, payment->payment, COMMAND_VOID_PAYMENT)->as.void_payment =
                (struct void_payment){.has_reason = true, .reason = ORDER_PAYMENT_SUPERSEDED};
        }
    }
}

/* ---- 5. The payment has a result: the order hears it ------------------------------------------------------------- */

static struct record_order_payment *tell_order(const struct payment_state *state, const struct event *event,
                                               struct str result, struct reactions *reactions) {
    struct command *command = react_command(reactions, state->order, COMMAND_RECORD_ORDER_PAYMENT);
    command->as.record_order_payment = (struct record_order_payment){
        .payment = event->meta.stream,
        .result = result,
        .amount = state->amount,
    };
    return &command->as.record_order_payment;
}

static bool has_no_result(enum payment_status status) {
    return status == PAYMENT_STATUS_REQUESTED || status == PAYMENT_STATUS_ACTION_REQUIRED ||
           status == PAYMENT_STATUS_AUTHORIZED;
}

void checkout_after_payment(const struct payment_state *state, const struct event *event, struct reactions *reactions) {
    switch ((enum payments_event)event->type) {
    case EVENT_PAYMENT_CAPTURED:
        tell_order(state, event, ORDER_PAYMENT_CAPTURED, reactions)->amount.amount = state->captured;
        break;
    case EVENT_PAYMENT_FAILED:
        tell_order(state, event, ORDER_PAYMENT_FAILED, reactions)->code = event->as.payment_failed.code;
        break;
    case EVENT_PAYMENT_VOIDED:
        tell_order(state, event, ORDER_PAYMENT_FAILED, reactions)->code = STR("voided");
        break;
    case EVENT_PAYMENT_ACTION_REQUIRED: {
        struct record_order_payment *told = tell_order(state, event, ORDER_PAYMENT_ACTION_REQUIRED, reactions);
        told->has_action_url = true;
        told->action_url = event->as.payment_action_required.action_url;
        break;
    }
    case EVENT_PAYMENT_OUTCOME_REFUSED:
        /* A person has to act, as with a step that is asked of the shopper: the order waits until its deadline. */
        if (has_no_result(state->status) && !payment_is_of_dispute(event->as.payment_outcome_refused.result)) {
            tell_order(state, event, ORDER_PAYMENT_ACTION_REQUIRED, reactions)->code = state->failure_code;
        }
        break;
    case EVENT_PAYMENT_REQUESTED:         /* the connector calls the provider */
    case EVENT_PAYMENT_CAPTURE_REQUESTED: /* likewise */
    case EVENT_PAYMENT_VOID_REQUESTED:
    case EVENT_REFUND_REQUESTED:
    case EVENT_PAYMENT_AUTHORIZED: /* the capture is on its way */
    case EVENT_PAYMENT_VOID_REFUSED:
    case EVENT_PAYMENT_REFUNDED:
    case EVENT_REFUND_FAILED:
    case EVENT_REFUND_DEFERRED:
    case EVENT_PAYMENT_DISPUTED: /* the goods are sold: whoever sells them answers the bank */
    case EVENT_DISPUTE_CLOSED:
        break;
    }
}

/* ---- 6. The order has come to rest: stock is sold or free again, and whoever waits is answered ------------------- */

static void confirm_stock(const struct order_state *state, struct str order, struct reactions *reactions) {
    struct stock_request_array requests = plan_visits(&state->lines, order, reactions);
    for (uint32_t i = 0; i < requests.count; i++) {
        struct str stream = sku_stream(reactions->arena, requests.items[i].sku);
        react_command(reactions, stream, COMMAND_CONFIRM_RESERVATION)->as.confirm_reservation.owner = order;
    }
}

/* Everything that was asked for, held or not: a release that arrives first leaves a tombstone. */
static void release_stock(const struct order_state *state, struct str order, struct str reason,
                          struct reactions *reactions) {
    struct stock_request_array requests = plan_visits(&state->lines, order, reactions);
    for (uint32_t i = 0; i < requests.count; i++) {
        struct str stream = sku_stream(reactions->arena, requests.items[i].sku);
        react_command(reactions, stream, COMMAND_RELEASE_RESERVATION)->as.release_reservation =
            (struct release_reservation){.owner = order, .reason = reason};
    }
}

static struct answer *answer(const struct order_state *state, enum rejection rejection, struct reactions *reactions) {
    if (str_is_empty(state->pending_command)) {
        return NULL;
    }
    return react_answer(reactions, state->pending_command, rejection);
}

static void after_rejection(const struct order_state *state, const struct event *event, struct reactions *reactions) {
    const struct order_rejected *rejected = &event->as.order_rejected;
    release_stock(state, event->meta.stream, STR("order_rejected"), reactions);
    react_command(reactions, state->cart, COMMAND_REOPEN_CART)->as.reopen_cart =
        (struct reopen_cart){.order = event->meta.stream, .reason = rejected->reason};
    struct answer *told = answer(state, REJECT_OUT_OF_STOCK, reactions);
    for (uint32_t i = 0; told != NULL && i < rejected->shortages.count; i++) {
        *ARRAY_PUSH(reactions->arena, &told->skus) = rejected->shortages.items[i].sku;
    }
}

/* ---- 7. Money the order does not keep is sent back --------------------------------------------------------------- */

/* Names no amount: the order keeps nothing of this payment, and what is left of it only the payment knows. Part may
 * have been refunded on request, and to ask for more than is left would be refused, with nobody to hear it. What a
 * dispute holds is owed until that is won. */
static void refund(struct str payment, struct str reason, struct reactions *reactions) {
    react_command(reactions, payment, COMMAND_REFUND_PAYMENT)->as.refund_payment =
        (struct refund_payment){.has_reason = true, .reason = reason, .owed = true};
}

static void after_cancellation(const struct order_state *state, const struct event *event,
                               struct reactions *reactions) {
    release_stock(state, event->meta.stream, STR("order_cancelled"), reactions);
    void_superseded(state, reactions);
    for (uint32_t i = 0; i < state->payments.count; i++) {
        if (str_equal(state->payments.items[i].result, ORDER_PAYMENT_CAPTURED)) {
            refund(state->payments.items[i].payment, STR("order_cancelled"), reactions);
        }
    }
    answer(state, REJECT_ORDER_CANCELLED, reactions);
}

void checkout_after_order(const struct order_state *state, const struct event *event, struct reactions *reactions) {
    switch ((enum orders_event)event->type) {
    case EVENT_ORDER_PLACED:
        begin_visits(event, reactions);
        break;
    case EVENT_ORDER_STOCK_RESERVED:
        break; /* the order itself goes on, to the payment or to its end */
    case EVENT_ORDER_PAYMENT_STARTED:
        void_superseded(state, reactions);
        request_payment(event, reactions);
        break;
    case EVENT_ORDER_AWAITING_PAYMENT: {
        bool declined = !str_equal(event->as.order_awaiting_payment.reason, ORDER_PAYMENT_ACTION_REQUIRED);
        answer(state, declined ? REJECT_PAYMENT_DECLINED : ACCEPTED, reactions);
        break;
    }
    case EVENT_ORDER_CONFIRMED:
        confirm_stock(state, event->meta.stream, reactions);
        void_superseded(state, reactions);
        answer(state, ACCEPTED, reactions);
        break;
    case EVENT_ORDER_REJECTED:
        after_rejection(state, event, reactions);
        break;
    case EVENT_ORDER_CANCELLED:
        after_cancellation(state, event, reactions);
        break;
    case EVENT_ORDER_PAYMENT_RETURNED: {
        const struct order_payment_returned *returned = &event->as.order_payment_returned;
        refund(returned->payment, returned->reason, reactions);
        break;
    }
    case EVENT_ORDER_CONFIRMATION_REQUESTED:
    case EVENT_ORDER_MAILED:
        break; /* the connector reads the one and has written the other */
    }
}
