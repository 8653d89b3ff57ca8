/* claiming.h: how a customer comes to have an address: the talk between customer and identity streams, in one place.
 *
 *   customer                                       identity
 *   mailbox proved         ---------------------->  claim
 *   verified, or e-mail changed; or claim refused  <-------------  claimed or refused
 *   e-mail changed (the one before), erased, or
 *   a grant that nobody wants any more  --------->  release
 *
 * Numbers  each claim has a number, the version of the event that asks, and a release names the claim that it gives
 *          back. So copies and late comers do no harm: an answer that no claim waits for is given back if it was a
 *          grant, and a release of an older claim leaves a newer one alone.
 * Answers  who waits for a verification or a change of address is told here, when the claim is.
 * Thread   pure; any.            May use: base, generated structs, other parts of the domain.
 */
#pragma once

#include "core/domain/aggregate.h"
#include "gen/state.h"

/* What CustomerClaimRefused.purpose says. */
#define CLAIM_VERIFY STR("verify")
#define CLAIM_CHANGE STR("change")
#define CLAIM_NONE STR("none")

/* The decision of RecordIdentityClaim. */
enum rejection claiming_record(const struct customer_state *state, const struct record_identity_claim *told,
                               struct decision *decision);

void claiming_after_customer(const struct customer_state *state, const struct event *event, const struct command *cause,
                             struct reactions *reactions);

/* IdentityClaimed and IdentityClaimRefused. */
void claiming_after_identity(const struct event *event, struct reactions *reactions);
