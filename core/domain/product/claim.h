/* claim.h: how a product comes to own its SKUs: the talk between product and SKU streams, in one place.
 *
 *   product                                   SKU
 *   defined, variant proposed ------------->  claim
 *   variant added or refused  <-------------  claimed or refused
 *   variant removed           ------------->  release
 *   (proposed again, if it has the variant)  <-------------  released
 *
 * Why the last: answers and commands can overtake each other, say a release a later claim of the same product. The
 * product is told of each release, and whenever an answer contradicts what it has, it asks again; so in the end both
 * sides agree.
 * Thread   pure; any.            May use: base, generated structs, other parts of the domain.
 */
#pragma once

#include "core/domain/aggregate.h"
#include "gen/state.h"

void claim_after_product(const struct product_state *state, const struct event *event, const struct command *cause,
                         struct reactions *reactions);

/* SkuClaimed, SkuClaimRefused and SkuReleased. */
void claim_after_sku(const struct event *event, struct reactions *reactions);
