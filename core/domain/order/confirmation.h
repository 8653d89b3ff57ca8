/* confirmation.h: the mail that confirms an order.
 *
 *      OrderConfirmed               its first, when OrderPlaced has an address; whoever sends it has read both
 *      OrderConfirmationRequested   once more: somebody asked for it. Says all that the mail says, so that whoever
 *                                   sends it need not go back to where the order was placed
 *      OrderMailed                  what became of either
 *
 * Promise  no event is added to an order for its mail before there is something to tell of it.
 * Bounds   ORDER_CONFIRMATIONS_A_DAY that are asked for, whoever asks; the day begins with the first of them.
 * Privacy  an address whose key is known to be destroyed leaves the state: nothing more is asked for to it.
 * Thread   pure; any.            May use: base, generated structs.
 */
#pragma once

#include "core/domain/aggregate.h"
#include "gen/state.h"

enum { ORDER_CONFIRMATIONS_A_DAY = 5 };

/* What OrderMailed.result says of one whose recipient's key is destroyed. */
#define ORDER_MAIL_ERASED STR("erased")

enum rejection order_resend_confirmation(const struct order_state *state, struct decision *decision);
enum rejection order_record_mail(const struct order_state *state, const struct record_order_mail *told,
                                 struct decision *decision);

void order_evolve_confirmation_requested(struct order_state *state, const struct event *event);
void order_evolve_mailed(struct order_state *state, const struct order_mailed *mailed);
