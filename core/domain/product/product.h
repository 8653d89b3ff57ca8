/* product.h: what is sold: a product and its variants, each with a SKU of its own.
 *
 *             DefineProduct              all SKUs granted       PublishProduct
 *     absent ---------------> defining -----------------> draft --------------> published
 *                                |                          |                      |
 *                                | a SKU was refused        | ArchiveProduct       | ArchiveProduct
 *                                +---------> archived <-----+----------------------+
 *
 * Promise  a variant is only added once its SKU's stream has granted the SKU to this product, so no SKU is sold by two
 *          products (claim.h tells how). A definition comes about as a whole or not at all.
 * Whose    a vendor's products bear his name: he defines none for others, and others' are not there for him.
 * Bounds   PRODUCT_MAX_VARIANTS variants, those asked for included; PRODUCT_MAX_BYTES of text (size.h).
 * Memory   events and state live in the arena handed over.
 * Thread   pure; any.            May use: base, generated structs, other parts of the domain.
 */
#pragma once

#include "core/domain/aggregate.h"
#include "gen/state.h"

enum { PRODUCT_MAX_VARIANTS = 100 };

extern const struct aggregate product_aggregate;

enum rejection product_decide(const struct product_state *state, const struct command *command,
                              struct decision *decision);
void product_evolve(struct product_state *state, const struct event *event, struct arena *arena);
