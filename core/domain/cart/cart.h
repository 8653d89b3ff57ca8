/* cart.h: what a shopper means to buy, until it becomes an order.
 *
 *            OpenCart                 CheckOutCart
 *   absent ------------> open -------------------------> checked_out
 *                        ^  | SetCartLine                     |
 *                        |  +-------> open                    |
 *                        +---------- ReopenCart --------------+   (its newest order was rejected)
 *
 * Promise  a cart has at most CART_MAX_LINES lines of 1 to CART_MAX_QUANTITY units, each SKU once, all in one currency.
 *          Checking out closes it, so a double click is one order; the n-th check-out makes the order ord_X.n, and only
 *          that order can open the cart again.
 * Whose    a customer's, who opened it or checked it out by its token; else a guest's. Others are told that it is not
 *          there.
 * Memory   events and state live in the arena handed over.
 * Thread   pure; any.            May use: base, generated structs, other parts of the domain.
 */
#pragma once

#include "core/domain/aggregate.h"
#include "gen/state.h"

enum {
    CART_MAX_LINES = 500,
    CART_MAX_QUANTITY = 1000000,
};

extern const struct aggregate cart_aggregate;

enum rejection cart_decide(const struct cart_state *state, const struct command *command, struct decision *decision);
void cart_evolve(struct cart_state *state, const struct event *event, struct arena *arena);
