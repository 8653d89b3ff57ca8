/* payment.h: one try at getting paid: what was asked of the provider, under which keys, and what it said.
 *
 *             RequestPayment              authorized                    captured
 *     absent ---------------> requested ------------> authorized ------------------> captured (refunds from here)
 *                               | ^ |                     | |                         ^
 *                action required| | | declined            | | voided                  | late success
 *                               v | +--> failed <---------+ +---> voided              |
 *                        action_required                  declined  |                 |
 *                                          failed, voided ----------+-----------------+
 *                                          failed ------------------> voided (what a declined capture had held)
 *
 * Promise  refunded + refunds pending <= captured <= authorized, after every event. Before the provider is called an
 *          event holds the intent, the idempotency key of that call: <payment>.charge, .capture.1, .void, .refund.<n>;
 *          it never changes, so a call made again is the same call. There is one capture at most.
 *          The provider's outcomes may come in any order and more than once; an outcome known already adds no event.
 *          One that contradicts what was asked for (amount, currency, result) moves nothing: it is recorded as
 *          PaymentOutcomeRefused, which ends the asking, and waits for a person and a corrected webhook.
 *          Money that really moved is recorded even after a failure or a void, so that the order can send it back.
 * Meaning  a charge authorizes and, where the method can, captures in one call. Of a provider that only authorizes,
 *          the capture is requested at once, unless the payment is being voided; if the void is then refused, at once
 *          after that, so that the order can give the money back. A declined capture lets go of what it was to take.
 * Disputes the payer may contest at his bank what was captured, once or more: what is contested is not refunded. A
 *          dispute is won, and the money is ours again, or lost (a chargeback). What an order asks back meanwhile is
 *          owed, and refunded once the dispute is won. The provider tells of them by webhooks alone, in any order, and
 *          maybe before it has told of the capture.
 * Bounds   PAYMENT_MAX_REFUNDS refunds on request, the last one of all that is left; of what is owed one more, and one
 *          a dispute. PAYMENT_MAX_DISPUTES disputes.
 * Memory   events and state live in the arena handed over.
 * Thread   pure; any.            May use: base, generated structs, other parts of the domain.
 */
#pragma once

#include "core/domain/aggregate.h"
#include "gen/state.h"

enum { PAYMENT_MAX_REFUNDS = 100, PAYMENT_MAX_DISPUTES = 20 };

extern const struct aggregate payment_aggregate;

enum rejection payment_decide(const struct payment_state *state, const struct command *command,
                              struct decision *decision);
void payment_evolve(struct payment_state *state, const struct event *event, struct arena *arena);

/* Whether there is a provider of this name. What names another one is refused before anything is held for it. */
bool payment_provider_exists(struct str provider);

/* What can still be given back: captured - refunded - refunds pending - contested (open or lost); it may be below 0. */
int64_t payment_refundable(const struct payment_state *state);

/* What disputes hold that are open, and what those have taken that were lost. */
int64_t payment_contested_now(const struct payment_state *state);
int64_t payment_lost(const struct payment_state *state);

/* Whether a provider's result is of a dispute (disputed, dispute_won, dispute_lost), and so of none of our intents. */
bool payment_is_of_dispute(struct str result);
