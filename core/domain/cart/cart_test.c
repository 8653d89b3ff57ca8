#include "core/domain/cart/cart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/testing/given.h"

#define CART "cart_01J00000000000000000000001"

static struct price_fact facts[] = {
    {{"TEA", 3}, {"prod_1", 6}, {"Green tea", 9}, {350, {"EUR", 3}}},
    {{"POT", 3}, {"prod_2", 6}, {"Tea pot", 7}, {2499, {"EUR", 3}}},
    {{"YEN", 3}, {"prod_3", 6}, {"Matcha", 6}, {900, {"JPY", 3}}},
    {{"GOLD", 4}, {"prod_4", 6}, {"Leaf gold", 9}, {INT64_C(900000000000000), {"EUR", 3}}},
};
static const struct price_fact_array all_facts = {facts, 4, 4};

static struct command open_cart(const char *currency, struct line_request *lines, uint32_t count) {
    struct command command = {.type = COMMAND_OPEN_CART};
    command.as.open_cart =
        (struct open_cart){.currency = str_of_cstr(currency), .lines = {lines, count, count}, .price_facts = all_facts};
    return command;
}

static struct command set_line(const char *sku, int64_t quantity) {
    struct command command = {.type = COMMAND_SET_CART_LINE};
    command.as.set_cart_line =
        (struct set_cart_line){.sku = str_of_cstr(sku), .quantity = quantity, .price_facts = all_facts};
    return command;
}

static struct command check_out(void) {
    struct command command = {.type = COMMAND_CHECK_OUT_CART, .meta.command_id = STR("cmd_checkout")};
    command.as.check_out_cart =
        (struct check_out_cart){.payment = {STR("test"), STR("approve")}, .price_facts = all_facts};
    return command;
}

static struct command reopen(const char *order) {
    struct command command = {.type = COMMAND_REOPEN_CART};
    command.as.reopen_cart = (struct reopen_cart){.order = str_of_cstr(order), .reason = STR("out_of_stock")};
    return command;
}

static int begin(void **state) {
    struct given *cart = malloc(sizeof *cart);
    given_begin(cart, STR(CART));
    *state = cart;
    return 0;
}

static int end(void **state) {
    given_check_history(*state);
    given_end(*state);
    free(*state);
    return 0;
}

static const struct cart_state *now(const struct given *cart) {
    return cart->state;
}

static void a_cart_opens_with_lines_at_the_catalogues_prices(void **state) {
    struct given *cart = *state;
    struct line_request lines[] = {{STR("TEA"), 2}, {STR("POT"), 1}};
    when(cart, open_cart("EUR", lines, 2));
    THEN(cart, EVENT_CART_OPENED);
    assert_int_equal(now(cart)->total.amount, 2 * 350 + 2499);
    assert_int_equal(now(cart)->lines.count, 2);
    assert_int_equal(now(cart)->lines.items[0].total.amount, 700);
    assert_str(now(cart)->lines.items[1].title, "Tea pot");
    THEN_SENDS(cart, 0);
}

static void a_cart_opens_empty_too(void **state) {
    struct given *cart = *state;
    when(cart, open_cart("EUR", NULL, 0));
    THEN(cart, EVENT_CART_OPENED);
    assert_int_equal(now(cart)->total.amount, 0);
    assert_str(now(cart)->total.currency, "EUR");
}

static void a_cart_opens_once(void **state) {
    struct given *cart = *state;
    when(cart, open_cart("EUR", NULL, 0));
    when(cart, open_cart("EUR", NULL, 0));
    THEN_REFUSED(cart, REJECT_ALREADY_EXISTS, "");
}

static void lines_of_one_sku_are_summed_first(void **state) {
    struct given *cart = *state;
    struct line_request lines[] = {{STR("TEA"), 2}, {STR("POT"), 1}, {STR("TEA"), 3}};
    when(cart, open_cart("EUR", lines, 3));
    THEN(cart, EVENT_CART_OPENED);
    assert_int_equal(now(cart)->lines.count, 2);
    assert_int_equal(now(cart)->lines.items[0].quantity, 5);
}

static void the_sum_of_a_skus_lines_is_bounded(void **state) {
    struct given *cart = *state;
    struct line_request lines[] = {{STR("TEA"), CART_MAX_QUANTITY}, {STR("TEA"), 1}};
    when(cart, open_cart("EUR", lines, 2));
    THEN_REFUSED(cart, REJECT_QUANTITY_TOO_LARGE, "/lines/1/quantity");
    lines[1].quantity = INT64_MAX;
    when(cart, open_cart("EUR", lines, 2));
    THEN_REFUSED(cart, REJECT_QUANTITY_TOO_LARGE, "/lines/1/quantity");
    lines[0].quantity = -1;
    when(cart, open_cart("EUR", lines, 1));
    THEN_REFUSED(cart, REJECT_QUANTITY_TOO_LARGE, "/lines/0/quantity");
}

static void what_is_not_on_sale_is_named(void **state) {
    struct given *cart = *state;
    struct line_request lines[] = {{STR("TEA"), 1}, {STR("NONE"), 1}, {STR("NADA"), 1}};
    when(cart, open_cart("EUR", lines, 3));
    THEN_REFUSED(cart, REJECT_SKU_NOT_ON_SALE, "/lines/1/sku");
    assert_int_equal(cart->decision.skus.count, 2);
    assert_str(cart->decision.skus.items[0], "NONE");
    assert_str(cart->decision.skus.items[1], "NADA");
}

static void a_price_in_another_currency_is_refused(void **state) {
    struct given *cart = *state;
    struct line_request line = {STR("YEN"), 1};
    when(cart, open_cart("EUR", &line, 1));
    THEN_REFUSED(cart, REJECT_CURRENCY_MISMATCH, "/currency");
    when(cart, open_cart("EUR", NULL, 0));
    when(cart, set_line("YEN", 1));
    THEN_REFUSED(cart, REJECT_CURRENCY_MISMATCH, "");
    assert_str(cart->decision.skus.items[0], "YEN");
}

static void a_total_that_money_cannot_count_is_refused(void **state) {
    struct given *cart = *state;
    struct line_request line = {STR("GOLD"), CART_MAX_QUANTITY};
    when(cart, open_cart("EUR", &line, 1));
    THEN_REFUSED(cart, REJECT_QUANTITY_TOO_LARGE, "/lines/0/quantity");
    struct line_request lines[] = {{STR("GOLD"), 1}, {STR("TEA"), 1}};
    when(cart, open_cart("EUR", lines, 2));
    THEN(cart, EVENT_CART_OPENED);
    when(cart, set_line("POT", CART_MAX_QUANTITY));
    THEN(cart, EVENT_CART_UPDATED);
    when(cart, set_line("GOLD", 2));
    THEN_REFUSED(cart, REJECT_QUANTITY_TOO_LARGE, "/quantity");
}

static void setting_a_line_adds_changes_and_removes_it(void **state) {
    struct given *cart = *state;
    when(cart, open_cart("EUR", NULL, 0));
    when(cart, set_line("TEA", 2));
    THEN(cart, EVENT_CART_UPDATED);
    when(cart, set_line("POT", 1));
    when(cart, set_line("TEA", 3));
    THEN(cart, EVENT_CART_UPDATED);
    assert_int_equal(made(cart, 0)->as.cart_updated.before_quantity, 2);
    assert_int_equal(made(cart, 0)->as.cart_updated.quantity, 3);
    assert_int_equal(now(cart)->total.amount, 3 * 350 + 2499);
    when(cart, set_line("TEA", 0));
    THEN(cart, EVENT_CART_UPDATED);
    assert_false(made(cart, 0)->as.cart_updated.has_line);
    assert_int_equal(made(cart, 0)->as.cart_updated.before_quantity, 3);
    assert_int_equal(now(cart)->lines.count, 1);
    assert_int_equal(now(cart)->total.amount, 2499);
}

static void setting_what_is_set_already_adds_no_event(void **state) {
    struct given *cart = *state;
    when(cart, open_cart("EUR", NULL, 0));
    when(cart, set_line("TEA", 0));
    THEN_NOTHING(cart);
    when(cart, set_line("TEA", 2));
    when(cart, set_line("TEA", 2));
    THEN_NOTHING(cart);
    facts[0].price.amount = 360;
    when(cart, set_line("TEA", 2));
    facts[0].price.amount = 350;
    THEN(cart, EVENT_CART_UPDATED);
    assert_int_equal(now(cart)->total.amount, 720);
}

static void a_line_of_something_not_on_sale_any_more_can_still_be_removed(void **state) {
    struct given *cart = *state;
    when(cart, open_cart("EUR", NULL, 0));
    when(cart, set_line("TEA", 2));
    struct command remove = set_line("TEA", 0);
    remove.as.set_cart_line.price_facts = (struct price_fact_array){0};
    when(cart, remove);
    THEN(cart, EVENT_CART_UPDATED);
    when(cart, set_line("NONE", 1));
    THEN_REFUSED(cart, REJECT_SKU_NOT_ON_SALE, "");
}

static void a_cart_takes_at_most_500_lines(void **state) {
    struct given *cart = *state;
    static struct price_fact many[CART_MAX_LINES + 1];
    static struct line_request lines[CART_MAX_LINES + 1];
    static char names[CART_MAX_LINES + 1][16];
    for (int i = 0; i <= CART_MAX_LINES; i++) {
        (void)snprintf(names[i], sizeof names[i], "S%d", i);
        many[i] = (struct price_fact){str_of_cstr(names[i]), STR("prod_1"), STR("Thing"), {1, STR("EUR")}};
        lines[CART_MAX_LINES - i] = (struct line_request){many[i].sku, 1};
    }
    struct command open = open_cart("EUR", lines, CART_MAX_LINES + 1);
    open.as.open_cart.price_facts = (struct price_fact_array){many, CART_MAX_LINES + 1, CART_MAX_LINES + 1};
    when(cart, open);
    THEN_REFUSED(cart, REJECT_TOO_MANY_LINES, "/lines");
    open.as.open_cart.lines.count = CART_MAX_LINES;
    when(cart, open);
    THEN(cart, EVENT_CART_OPENED);
    when(cart, set_line("TEA", 1));
    THEN_REFUSED(cart, REJECT_TOO_MANY_LINES, "");
    struct command known = set_line("S1", 7);
    known.as.set_cart_line.price_facts = open.as.open_cart.price_facts;
    when(cart, known);
    THEN(cart, EVENT_CART_UPDATED);
    assert_int_equal(now(cart)->total.amount, CART_MAX_LINES + 6);
}

static void an_unknown_cart_takes_nothing(void **state) {
    struct given *cart = *state;
    when(cart, set_line("TEA", 1));
    THEN_REFUSED(cart, REJECT_UNKNOWN_CART, "");
    when(cart, check_out());
    THEN_REFUSED(cart, REJECT_UNKNOWN_CART, "");
    when(cart, reopen("ord_01J00000000000000000000001.1"));
    THEN_REFUSED(cart, REJECT_UNKNOWN_CART, "");
}

static void an_empty_cart_is_not_checked_out(void **state) {
    struct given *cart = *state;
    when(cart, open_cart("EUR", NULL, 0));
    when(cart, check_out());
    THEN_REFUSED(cart, REJECT_CART_EMPTY, "");
}

static void a_payment_provider_that_does_not_exist_is_refused_before_anything_is_held(void **state) {
    struct given *cart = *state;
    when(cart, open_cart("EUR", NULL, 0));
    when(cart, set_line("TEA", 2));
    struct command command = check_out();
    command.as.check_out_cart.payment.provider = STR("stripe");
    when(cart, command);
    THEN_REFUSED(cart, REJECT_UNKNOWN_PROVIDER, "/payment/provider");
    when(cart, check_out());
    THEN(cart, EVENT_CART_CHECKED_OUT);
}

static void checking_out_places_the_order_of_this_attempt(void **state) {
    struct given *cart = *state;
    when(cart, open_cart("EUR", NULL, 0));
    when(cart, set_line("TEA", 2));
    struct command command = check_out();
    command.as.check_out_cart.has_expected_total = true;
    command.as.check_out_cart.expected_total = (struct money){700, STR("EUR")};
    when(cart, command);
    THEN(cart, EVENT_CART_CHECKED_OUT);
    THEN_ANSWERS_NOBODY(cart);
    THEN_SENDS(cart, 1);
    const struct place_order *place =
        &SENT(cart, 0, COMMAND_PLACE_ORDER, "ord_01J00000000000000000000001.1")->as.place_order;
    assert_str(place->cart, CART);
    assert_str(place->pending_command, "cmd_checkout");
    assert_int_equal(place->attempt, 1);
    assert_int_equal(place->total.amount, 700);
    assert_int_equal(place->lines.count, 1);
    assert_str(place->payment.method, "approve");
}

static void a_double_click_is_one_order(void **state) {
    struct given *cart = *state;
    when(cart, open_cart("EUR", NULL, 0));
    when(cart, set_line("TEA", 2));
    when(cart, check_out());
    when(cart, check_out());
    THEN_REFUSED(cart, REJECT_CART_NOT_OPEN, "");
    when(cart, set_line("POT", 1));
    THEN_REFUSED(cart, REJECT_CART_NOT_OPEN, "");
}

static void the_prices_of_check_out_are_those_of_that_moment(void **state) {
    struct given *cart = *state;
    when(cart, open_cart("EUR", NULL, 0));
    when(cart, set_line("TEA", 2));
    facts[0].price.amount = 400;
    struct command command = check_out();
    command.as.check_out_cart.has_expected_total = true;
    command.as.check_out_cart.expected_total = (struct money){700, STR("EUR")};
    when(cart, command);
    THEN_REFUSED(cart, REJECT_PRICE_CHANGED, "/expected_total");
    command.as.check_out_cart.expected_total = (struct money){800, STR("USD")};
    when(cart, command);
    THEN_REFUSED(cart, REJECT_PRICE_CHANGED, "/expected_total");
    when(cart, check_out());
    facts[0].price.amount = 350;
    THEN(cart, EVENT_CART_CHECKED_OUT);
    assert_int_equal(made(cart, 0)->as.cart_checked_out.total.amount, 800);
    assert_int_equal(now(cart)->total.amount, 800);
}

static void a_missing_price_means_that_the_cart_changed(void **state) {
    struct given *cart = *state;
    when(cart, open_cart("EUR", NULL, 0));
    when(cart, set_line("TEA", 2));
    when(cart, set_line("POT", 1));
    struct command command = check_out();
    command.as.check_out_cart.price_facts.count = 1;
    when(cart, command);
    THEN_REFUSED(cart, REJECT_CART_CHANGED, "");
    assert_int_equal(cart->decision.skus.count, 1);
    assert_str(cart->decision.skus.items[0], "POT");
}

static void a_rejected_order_opens_the_cart_for_the_next_attempt(void **state) {
    struct given *cart = *state;
    when(cart, open_cart("EUR", NULL, 0));
    when(cart, set_line("TEA", 2));
    when(cart, check_out());
    when(cart, reopen("ord_01J00000000000000000000001.1"));
    THEN(cart, EVENT_CART_REOPENED);
    when(cart, set_line("TEA", 1));
    when(cart, check_out());
    THEN(cart, EVENT_CART_CHECKED_OUT);
    assert_str(made(cart, 0)->as.cart_checked_out.order, "ord_01J00000000000000000000001.2");
    assert_int_equal(made(cart, 0)->as.cart_checked_out.attempt, 2);
}

static void only_the_newest_order_opens_the_cart(void **state) {
    struct given *cart = *state;
    when(cart, open_cart("EUR", NULL, 0));
    when(cart, set_line("TEA", 2));
    when(cart, check_out());
    when(cart, reopen("ord_01J00000000000000000000001.1"));
    when(cart, reopen("ord_01J00000000000000000000001.1"));
    THEN_NOTHING(cart);
    when(cart, check_out());
    when(cart, reopen("ord_01J00000000000000000000001.1"));
    THEN_NOTHING(cart);
    assert_int_equal(now(cart)->status, CART_STATUS_CHECKED_OUT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_cart_opens_with_lines_at_the_catalogues_prices),
        TEST(a_cart_opens_empty_too),
        TEST(a_cart_opens_once),
        TEST(lines_of_one_sku_are_summed_first),
        TEST(the_sum_of_a_skus_lines_is_bounded),
        TEST(what_is_not_on_sale_is_named),
        TEST(a_price_in_another_currency_is_refused),
        TEST(a_total_that_money_cannot_count_is_refused),
        TEST(setting_a_line_adds_changes_and_removes_it),
        TEST(setting_what_is_set_already_adds_no_event),
        TEST(a_line_of_something_not_on_sale_any_more_can_still_be_removed),
        TEST(a_cart_takes_at_most_500_lines),
        TEST(an_unknown_cart_takes_nothing),
        TEST(an_empty_cart_is_not_checked_out),
        TEST(a_payment_provider_that_does_not_exist_is_refused_before_anything_is_held),
        TEST(checking_out_places_the_order_of_this_attempt),
        TEST(a_double_click_is_one_order),
        TEST(the_prices_of_check_out_are_those_of_that_moment),
        TEST(a_missing_price_means_that_the_cart_changed),
        TEST(a_rejected_order_opens_the_cart_for_the_next_attempt),
        TEST(only_the_newest_order_opens_the_cart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
