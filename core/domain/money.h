/* money.h: arithmetic on amounts of money: 64-bit minor units, never floating point.
 *
 * Promise  a sum or product is either exact and within MONEY_MAX_MINOR, or the call answers false: nothing wraps around
 *          and nothing is silently cut off. What is not a whole number of minor units is rounded half to even (the
 *          rule of ISO 80000-1, B.2, without a drift either way), once per line, where the line is made.
 * Thread   pure; any.            May use: base, generated structs.
 */
#pragma once

#include "core/base/macros.h"
#include "gen/common.h"

/* The most an amount can be: 10^15 minor units; sums of all orders of a day still fit an int64. As in the schemas. */
#define MONEY_MAX_MINOR INT64_C(1000000000000000)

/* Amounts are 0 to MONEY_MAX_MINOR, counts at least 0. */
MUST_CHECK bool money_add(int64_t a_minor, int64_t b_minor, int64_t *ret_sum_minor);
MUST_CHECK bool money_multiply(int64_t price_minor, int64_t count, int64_t *ret_product_minor);

bool money_equal(struct money a, struct money b);

/* How many decimals an amount of this currency has when people read it (ISO 4217, list one, 2024). */
int money_decimals(struct str currency);

/* numerator / denominator, rounded half to even; the denominator is above 0. */
int64_t divide_half_even(int64_t numerator, int64_t denominator);
