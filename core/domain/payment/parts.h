/* parts.h: what payment.c is made of: what we ask for, what the provider says, and what they share. Nobody else
 * includes this.
 * Thread   pure; any.            May use: base, generated structs, other parts of the domain.
 */
#pragma once

#include "core/domain/payment/payment.h"

/* ---- what they share (payment.c) --------------------------------------------------------------------------------- */

/* NULL: there is none of this number. */
struct refund *payment_find_refund(const struct payment_state *state, int64_t number);
/* pending, refunded or failed. */
bool payment_refund_is(const struct refund *refund, struct str status);

/* Asked to let go, and the provider has not said that it cannot. */
bool payment_is_being_voided(const struct payment_state *state);

/* What has not been given back, nor is on its way: captured - refunded - refunds pending. */
int64_t payment_unreturned(const struct payment_state *state);

/* ---- what we ask for (asks.c) ------------------------------------------------------------------------------------ */

enum rejection payment_ask_request(const struct payment_state *state, const struct request_payment *ask,
                                   struct decision *decision);
enum rejection payment_ask_capture(const struct payment_state *state, const struct capture_payment *ask,
                                   struct decision *decision);
enum rejection payment_ask_void(const struct payment_state *state, const struct void_payment *ask,
                                struct decision *decision);
enum rejection payment_ask_refund(const struct payment_state *state, const struct refund_payment *ask,
                                  struct decision *decision);

/* The events alone: the caller has seen that it may be. */
void payment_request_capture(const struct payment_state *state, struct money amount, struct decision *decision);
void payment_request_void(const struct payment_state *state, struct str reason, struct decision *decision);
void payment_request_refund(const struct payment_state *state, struct money amount, struct str reason, bool owed,
                            struct decision *decision);

/* ---- what the provider says (outcomes.c) ------------------------------------------------------------------------- */

enum rejection payment_record_outcome(const struct payment_state *state, const struct record_provider_outcome *outcome,
                                      struct decision *decision);

/* An outcome that contradicts what was asked for is recorded as such, so that somebody looks: it is never bent to fit,
 * and never asked for again. ACCEPTED. */
enum rejection payment_refuse_outcome(const struct payment_state *state, const struct record_provider_outcome *outcome,
                                      struct str reason, struct decision *decision);
enum rejection payment_unexpected_result(const struct payment_state *state,
                                         const struct record_provider_outcome *outcome, struct decision *decision);
/* Whether the amount can be what it is said to be; if not, that is recorded. */
MUST_CHECK bool payment_amount_fits(const struct payment_state *state, const struct record_provider_outcome *outcome,
                                    int64_t most_minor, struct decision *decision);

/* outcome_refused.<which intent>.<why>, of a dispute with its result and name: what the payment shows of it, and knows
 * it again by. */
struct str payment_refusal_code(struct arena *arena, struct str stream, const struct payment_outcome_refused *refused);

/* ---- disputes (disputes.c) --------------------------------------------------------------------------------------- */

enum rejection payment_dispute_outcome(const struct payment_state *state, const struct record_provider_outcome *outcome,
                                       struct decision *decision);

/* What disputes have taken of it that are open, or lost. */
int64_t payment_contested(const struct payment_state *state);

void payment_evolve_disputed(struct payment_state *state, const struct payment_disputed *disputed, struct arena *arena);
void payment_evolve_dispute_closed(struct payment_state *state, const struct dispute_closed *closed);
