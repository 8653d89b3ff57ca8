#include "core/domain/pricing/quote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/domain/money.h"

static struct price_fact facts[] = {
    {{"TEA", 3}, {"prod_1", 6}, {"Green tea", 9}, {350, {"EUR", 3}}},
    {{"POT", 3}, {"prod_2", 6}, {"Tea pot", 7}, {2499, {"EUR", 3}}},
    {{"YEN", 3}, {"prod_3", 6}, {"Matcha", 6}, {900, {"JPY", 3}}},
    {{"GOLD", 4}, {"prod_4", 6}, {"Leaf gold", 9}, {MONEY_MAX_MINOR, {"EUR", 3}}},
};
static const struct price_fact_array all_facts = {facts, 4, 4};

static int begin(void **state) {
    static struct arena arena;
    arena_init(&arena, 1 << 20);
    *state = &arena;
    return 0;
}

static int end(void **state) {
    arena_release(*state);
    return 0;
}

static struct quote quote_of(void **state, struct line_request *lines, uint32_t count) {
    struct line_request_array requests = {lines, count, count};
    return quote_make(*state, STR("EUR"), &requests, &all_facts);
}

static void a_quote_multiplies_and_sums(void **state) {
    struct line_request lines[] = {{STR("POT"), 3}, {STR("TEA"), 1000000}};
    struct quote quote = quote_of(state, lines, 2);
    assert_int_equal(quote.outcome, QUOTE_MADE);
    assert_int_equal(quote.lines.count, 2);
    assert_int_equal(quote.lines.items[0].total.amount, 3 * 2499);
    assert_int_equal(quote.lines.items[1].unit_price.amount, 350);
    assert_int_equal(quote.total.amount, 3 * 2499 + 350000000);
    assert_true(str_equal(quote.lines.items[0].product, STR("prod_2")));
    assert_true(str_equal(quote.total.currency, STR("EUR")));
}

static void a_quote_of_nothing_is_zero(void **state) {
    struct quote quote = quote_of(state, NULL, 0);
    assert_int_equal(quote.outcome, QUOTE_MADE);
    assert_int_equal(quote.total.amount, 0);
}

static void skus_without_a_fact_are_named_all_of_them(void **state) {
    struct line_request lines[] = {{STR("TEA"), 1}, {STR("A"), 1}, {STR("POT"), 1}, {STR("B"), 1}};
    struct quote quote = quote_of(state, lines, 4);
    assert_int_equal(quote.outcome, QUOTE_FACT_MISSING);
    assert_int_equal(quote.offending_index, 1);
    assert_int_equal(quote.skus.count, 2);
    assert_true(str_equal(quote.skus.items[1], STR("B")));
}

static void the_first_kind_of_trouble_is_told(void **state) {
    struct line_request lines[] = {{STR("YEN"), 1}, {STR("A"), 1}};
    struct quote quote = quote_of(state, lines, 2);
    assert_int_equal(quote.outcome, QUOTE_OTHER_CURRENCY);
    assert_int_equal(quote.skus.count, 1);
}

static void what_money_cannot_count_is_too_large(void **state) {
    struct line_request product[] = {{STR("GOLD"), 2}};
    assert_int_equal(quote_of(state, product, 1).outcome, QUOTE_TOO_LARGE);
    struct line_request sum[] = {{STR("GOLD"), 1}, {STR("TEA"), 1}};
    struct quote quote = quote_of(state, sum, 2);
    assert_int_equal(quote.outcome, QUOTE_TOO_LARGE);
    assert_int_equal(quote.offending_index, 1);
    struct line_request overflow[] = {{STR("GOLD"), INT64_MAX}};
    assert_int_equal(quote_of(state, overflow, 1).outcome, QUOTE_TOO_LARGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_quote_multiplies_and_sums),
        TEST(a_quote_of_nothing_is_zero),
        TEST(skus_without_a_fact_are_named_all_of_them),
        TEST(the_first_kind_of_trouble_is_told),
        TEST(what_money_cannot_count_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
