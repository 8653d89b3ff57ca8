/* order.h: one attempt at a purchase, from the placed cart to goods that are paid for: the saga's process manager.
 *
 *             PlaceOrder           all held                    captured
 *     absent ------------> placed ----------> paying -----------------------> confirmed
 *                            |                | ^  declined, or a step is      ^   |
 *                            | short          | |  asked of the shopper        |   |
 *                            v                v | another method    captured   |   |
 *                         rejected      awaiting_payment ----------------------+   |
 *                                             | deadline                           |
 *                                             v                                    |
 *                                         cancelled <------------------------------+
 *                              (on request from any of placed, paying, awaiting_payment and confirmed)
 *
 * Promise  the order and its holds exist before a provider is called. One payment is in flight at a time, and one that
 *          was captured is kept at most; whatever else comes in is sent back, in an event that shows it. A payment in
 *          progress is never cut off by the deadline; the deadline counts again as soon as that payment has failed.
 * Bounds   ORDER_MAX_PAYMENTS payments.
 * Memory   events and state live in the arena handed over.
 * Thread   pure; any.            May use: base, generated structs, other parts of the domain.
 */
#pragma once

#include "core/domain/aggregate.h"
#include "gen/state.h"

enum { ORDER_MAX_PAYMENTS = 20 };

/* What OrderPayment.result says. */
#define ORDER_PAYMENT_STARTED STR("started")
#define ORDER_PAYMENT_ACTION_REQUIRED STR("action_required")
#define ORDER_PAYMENT_CAPTURED STR("captured")
#define ORDER_PAYMENT_FAILED STR("failed")
#define ORDER_PAYMENT_RETURNED STR("returned")

/* The code of a failed payment that we gave up ourselves: another one was started, or the order ended. */
#define ORDER_PAYMENT_SUPERSEDED STR("superseded")

extern const struct aggregate order_aggregate;

enum rejection order_decide(const struct order_state *state, const struct command *command, struct decision *decision);
void order_evolve(struct order_state *state, const struct event *event, struct arena *arena);
