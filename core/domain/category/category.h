/* category.h: the tree of categories, one stream for all of them.
 *
 * Purpose  which category stands in which is one decision: two changes that each would be right alone may make a circle
 *          together. So there is one stream, CATEGORY_TREE_STREAM, whose state has the tree alone; what is said of a
 *          category (its title ...) is a sub-state, whose key is its slug. (ADR 0046.)
 * Promise  each category stands at the top or in one that there is; none stands in itself, however far above; none is
 *          deeper than CATEGORY_DEPTH_MAX. One in which others stand is not removed. A command is taken whole or not
 *          at all. A refusal names the field at fault.
 * Version  of a category: that of the tree at which it last changed. So it is never the same again for a category
 *          that was removed and defined anew, and an expected version is of the category, not of the tree.
 * Products name categories by slug, whether there is one or not, and are not asked here.
 * Bounds   CATEGORY_MAX at a time. The state has at most 75 bytes of each (a slug of 64): 750 KB in all. Of one that
 *          was removed its sub-state stays, of at most 500 bytes.
 * Cost     of a command: a walk through all places, and through those above each for one that moves.
 * Memory   events and state live in the arena handed over.
 * Thread   pure; any.            May use: base, generated structs, other parts of the domain.
 */
#pragma once

#include "core/domain/aggregate.h"
#include "gen/state.h"

#define CATEGORY_TREE_STREAM "cat_tree"

enum {
    CATEGORY_MAX = 10000,
    CATEGORY_DEPTH_MAX = 8, /* one at the top has 1 */
};

extern const struct aggregate category_aggregate;

enum rejection category_decide(const struct category_tree_state *tree, const struct category_state *category,
                               const struct command *command, struct decision *decision);
/* What an event makes of its category, which needs nothing of before but the remains of one that is removed. */
void category_evolve_part(struct category_state *category, const struct event *event);
/* `category` may be NULL: then the tree alone is kept. */
void category_evolve(struct category_tree_state *tree, struct category_state *category, const struct event *event,
                     struct arena *arena);
