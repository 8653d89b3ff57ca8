#include "core/domain/money.h"

#include <assert.h>
#include <string.h>

bool money_add(int64_t a_minor, int64_t b_minor, int64_t *ret_sum_minor) {
    int64_t sum;
    if (__builtin_add_overflow(a_minor, b_minor, &sum) || sum > MONEY_MAX_MINOR) {
        return false;
    }
    *ret_sum_minor = sum;
    return true;
}

bool money_multiply(int64_t price_minor, int64_t count, int64_t *ret_product_minor) {
    int64_t product;
    if (__builtin_mul_overflow(price_minor, count, &product) || product > MONEY_MAX_MINOR) {
        return false;
    }
    *ret_product_minor = product;
    return true;
}

bool money_equal(struct money a, struct money b) {
    return a.amount == b.amount && str_equal(a.currency, b.currency);
}

int64_t divide_half_even(int64_t numerator, int64_t denominator) {
    assert(denominator > 0);
    int64_t quotient = numerator / denominator;
    int64_t rest = numerator % denominator;
    int64_t distance = rest < 0 ? -rest : rest;
    /* distance * 2 <=> denominator, without the overflow */
    int64_t other_distance = denominator - distance;
    if (distance > other_distance || (distance == other_distance && quotient % 2 != 0)) {
        return quotient + (numerator < 0 ? -1 : 1);
    }
    return quotient;
}

int money_decimals(struct str currency) {
    static const char none[] = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
    static const char three[] = "BHD IQD JOD KWD LYD OMR TND";
    static const char four[] = "CLF UYW";
    if (currency.len != 3) {
        return 2;
    }
    return memmem(none, sizeof none, currency.data, 3) != NULL     ? 0
           : memmem(three, sizeof three, currency.data, 3) != NULL ? 3
           : memmem(four, sizeof four, currency.data, 3) != NULL   ? 4
                                                                   : 2;
}
