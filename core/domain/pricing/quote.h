/* quote.h: what goods cost: the one place where prices and quantities become lines and a total.
 *
 * Purpose  the gateway attaches the catalogue's prices to a command as facts; decide runs this function over its own
 *          lines and writes the outcome into the event. So a price is taken once, at a moment the log shows.
 * Promise  line total = unit price x quantity, exactly; total = sum of the lines. There is nothing to round yet: what
 *          will need rounding (taxes, shares of a discount) is rounded half to even per line, here.
 * Bounds   every total is at most MONEY_MAX_MINOR.
 * Memory   lines and totals go to the arena; texts point to those of the facts.
 * Thread   pure; any.            May use: base, generated structs.
 */
#pragma once

#include "core/base/arena.h"
#include "gen/common.h"

enum quote_outcome {
    QUOTE_MADE,
    QUOTE_FACT_MISSING,   /* SKUs without a fact are not on sale */
    QUOTE_OTHER_CURRENCY, /* a price is in another currency than the one asked for */
    QUOTE_TOO_LARGE,      /* a line or the total is more than money can count */
};

struct quote {
    enum quote_outcome outcome;
    struct cart_line_array lines; /* in the order of the requests; only when made */
    struct money total;
    struct str_array skus;    /* those that are the reason, when it was not made */
    uint32_t offending_index; /* the first of them among the requests */
};

/* Each SKU is asked for once. */
struct quote quote_make(struct arena *arena, struct str currency, const struct line_request_array *requests,
                        const struct price_fact_array *facts);
