#include "core/domain/money.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void halves_go_to_the_even_neighbour(void **state) {
    (void)state;
    static const struct {
        int64_t numerator, denominator, rounded;
    } rows[] = {
        {0, 2, 0},
        {1, 2, 0},
        {3, 2, 2},
        {5, 2, 2},
        {7, 2, 4},
        {-1, 2, 0},
        {-3, 2, -2},
        {-5, 2, -2},
        {-7, 2, -4},
        {1, 3, 0},
        {2, 3, 1},
        {-2, 3, -1},
        {25, 10, 2},
        {35, 10, 4},
        {26, 10, 3},
        {24, 10, 2},
        {10, 1, 10},
        {99, 100, 1},
        {49, 100, 0},
        {50, 100, 0},
        {150, 100, 2},
        {INT64_MAX, 1, INT64_MAX},
        {INT64_MIN, 1, INT64_MIN},
        {INT64_MAX, INT64_MAX, 1},
        {INT64_MIN, INT64_MAX, -1},
        {INT64_MAX / 2, INT64_MAX, 0},
        {INT64_MAX / 2 + 1, INT64_MAX, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(divide_half_even(rows[i].numerator, rows[i].denominator), rows[i].rounded);
    }
}

static void rounding_does_not_drift(void **state) {
    (void)state;
    int64_t sum = 0;
    for (int64_t i = 0; i < 1000; i++) {
        sum += divide_half_even(i * 10 + 5, 10); /* i and a half */
    }
    assert_int_equal(sum, 999 * 1000 / 2 + 500);
}

static void a_sum_or_product_beyond_the_bound_is_refused_and_leaves_the_result_alone(void **state) {
    (void)state;
    int64_t result = 7;
    assert_false(money_add(MONEY_MAX_MINOR, 1, &result));
    assert_false(money_add(INT64_MAX, INT64_MAX, &result));
    assert_false(money_multiply(MONEY_MAX_MINOR, 2, &result));
    assert_false(money_multiply(INT64_C(1) << 40, INT64_C(1) << 40, &result));
    assert_int_equal(result, 7);
    assert_true(money_add(MONEY_MAX_MINOR - 1, 1, &result));
    assert_int_equal(result, MONEY_MAX_MINOR);
    assert_true(money_multiply(MONEY_MAX_MINOR / 1000, 1000, &result));
    assert_int_equal(result, MONEY_MAX_MINOR);
}

static void money_is_the_same_in_amount_and_currency(void **state) {
    (void)state;
    assert_true(money_equal((struct money){1, STR("EUR")}, (struct money){1, STR("EUR")}));
    assert_false(money_equal((struct money){1, STR("EUR")}, (struct money){2, STR("EUR")}));
    assert_false(money_equal((struct money){1, STR("EUR")}, (struct money){1, STR("USD")}));
}

static void amounts_are_read_with_the_decimals_of_their_currency(void **state) {
    (void)state;
    static const struct {
        const char *currency;
        int decimals;
    } rows[] = {{"EUR", 2}, {"USD", 2}, {"JPY", 0}, {"XPF", 0}, {"BIF", 0},
                {"KWD", 3}, {"BHD", 3}, {"UYW", 4}, {"", 2}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(money_decimals(str_of_cstr(rows[i].currency)), rows[i].decimals);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_go_to_the_even_neighbour),
        cmocka_unit_test(rounding_does_not_drift),
        cmocka_unit_test(a_sum_or_product_beyond_the_bound_is_refused_and_leaves_the_result_alone),
        cmocka_unit_test(money_is_the_same_in_amount_and_currency),
        cmocka_unit_test(amounts_are_read_with_the_decimals_of_their_currency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
