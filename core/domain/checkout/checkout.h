/* checkout.h: the saga of a purchase: which event leads to which command, from the cart to the refund.
 *
 * Purpose  each aggregate decides for itself; what connects them is written here and nowhere else, in the order in
 * which a purchase goes. checkout.c is meant to be read from top to bottom as that story.
 *
 *   cart           order                  SKUs                        payment
 *   checked out -> placed --------------> reserve, one after the other
 *                  stock reserved <------ the last one reports
 *                  payment started ------------------------------> requested, then called at the provider
 *                  confirmed / awaiting payment <----------------- captured / failed / action required
 *                  confirmed -----------> reservations confirmed
 *   reopened <---- rejected ------------> reservations released
 *                  cancelled -----------> reservations released     voided or refunded
 *
 * Promise  commands may arrive late, twice, or before one that was sent earlier: every receiver tolerates it. What an
 *          order took is released by the same order and by nobody else.
 * Thread   pure; any.            May use: base, generated structs, other parts of the domain.
 */
#pragma once

#include "core/domain/aggregate.h"
#include "gen/state.h"

void checkout_after_cart(const struct event *event, struct reactions *reactions);

/* `cause` is the ReserveStock that was decided: it carries the rest of the order. */
void checkout_after_reserve(const struct event *event, const struct command *cause, struct reactions *reactions);

void checkout_after_order(const struct order_state *state, const struct event *event, struct reactions *reactions);

void checkout_after_payment(const struct payment_state *state, const struct event *event, struct reactions *reactions);
