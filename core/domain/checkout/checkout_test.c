/* The saga as a whole: carts, orders, SKUs and payments together in a shop in memory. Long because each way a purchase
 * can go has a test of its own. */
#include "core/domain/checkout/checkout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/shard.h"
#include "core/domain/ids.h"
#include "core/testing/shop.h"

#define KEY "01J00000000000000000000001"
#define CART STR("cart_" KEY)
#define ORDER STR("ord_" KEY ".1")
#define PAYMENT STR("pay_" KEY ".1.1")
#define MINUTE_US INT64_C(60000000)

static struct price_fact facts[] = {
    {{"TEA", 3}, {"prod_1", 6}, {"Green tea", 9}, {350, {"EUR", 3}}},
    {{"POT", 3}, {"prod_1", 6}, {"Tea pot", 7}, {2499, {"EUR", 3}}},
    {{"CUP", 3}, {"prod_1", 6}, {"Cup", 3}, {899, {"EUR", 3}}},
};
static const struct price_fact_array all_facts = {facts, 3, 3};

static void stock(struct shop *shop, const char *sku, const char *location, int64_t quantity) {
    struct str stream = sku_stream(&shop->arena, str_of_cstr(sku));
    struct command claim = {.type = COMMAND_CLAIM_SKU, .as.claim_sku = {STR("prod_1")}};
    (void)shop_ask(shop, stream, claim);
    struct command receive = {.type = COMMAND_RECEIVE_STOCK,
                              .as.receive_stock = {.location = str_of_cstr(location), .quantity = quantity}};
    assert_int_equal(shop_ask(shop, stream, receive), ACCEPTED);
}

static struct command open_cart(struct line_request *lines, uint32_t count) {
    struct command command = {.type = COMMAND_OPEN_CART};
    command.as.open_cart =
        (struct open_cart){.currency = STR("EUR"), .lines = {lines, count, count}, .price_facts = all_facts};
    return command;
}

static struct command check_out(const char *command_id, const char *method) {
    struct command command = {.type = COMMAND_CHECK_OUT_CART, .meta.command_id = str_of_cstr(command_id)};
    command.as.check_out_cart =
        (struct check_out_cart){.payment = {STR("test"), str_of_cstr(method)}, .price_facts = all_facts};
    return command;
}

static struct command retry(const char *command_id, const char *method) {
    return (struct command){.type = COMMAND_RETRY_ORDER_PAYMENT,
                            .meta.command_id = str_of_cstr(command_id),
                            .as.retry_order_payment = {STR("test"), str_of_cstr(method)}};
}

static struct command cancel(void) {
    return (struct command){.type = COMMAND_CANCEL_ORDER, .as.cancel_order = {STR("changed my mind")}};
}

static void buy(struct shop *shop, const char *command_id, const char *method) {
    struct line_request lines[] = {{STR("TEA"), 2}, {STR("POT"), 1}, {STR("CUP"), 4}};
    assert_int_equal(shop_ask(shop, CART, open_cart(lines, 3)), ACCEPTED);
    assert_int_equal(shop_ask(shop, CART, check_out(command_id, method)), ACCEPTED);
    shop_settle(shop);
    shop_check(shop);
}

#define TOTAL_MINOR (2 * 350 + 2499 + 4 * 899)

static const struct order_state *order(struct shop *shop, struct str stream) {
    return shop_stream(shop, stream)->state;
}

static const struct payment_state *payment(struct shop *shop, struct str stream) {
    return shop_stream(shop, stream)->state;
}

static int64_t reserved(struct shop *shop, const char *sku) {
    const struct sku_state *state = shop_stream(shop, sku_stream(&shop->arena, str_of_cstr(sku)))->state;
    int64_t units = 0;
    for (uint32_t i = 0; i < state->levels.count; i++) {
        units += state->levels.items[i].reserved;
    }
    return units;
}

static void assert_answered(struct shop *shop, const char *command_id, enum rejection expected) {
    enum rejection answer = REJECTION_COUNT;
    assert_true(shop_answer(shop, command_id, &answer));
    assert_int_equal(answer, expected);
}

static int begin(void **state) {
    struct shop *shop = malloc(sizeof *shop);
    shop_open(shop, 1);
    stock(shop, "TEA", "berlin", 10);
    stock(shop, "POT", "berlin", 10);
    stock(shop, "CUP", "berlin", 3);
    stock(shop, "CUP", "paris", 3);
    shop_settle(shop);
    *state = shop;
    return 0;
}

static int end(void **state) {
    shop_close(*state);
    free(*state);
    return 0;
}

static void a_paid_order_is_confirmed_and_its_stock_is_sold(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "approve");
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_CONFIRMED);
    assert_int_equal(order(shop, ORDER)->total.amount, TOTAL_MINOR);
    assert_int_equal(payment(shop, PAYMENT)->captured, TOTAL_MINOR);
    assert_int_equal(reserved(shop, "TEA"), 2);
    assert_int_equal(reserved(shop, "CUP"), 4);
    assert_answered(shop, "cmd_buy", ACCEPTED);
}

static void an_authorized_payment_is_captured_by_itself(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "authorize");
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_CONFIRMED);
    assert_int_equal(payment(shop, PAYMENT)->authorized, TOTAL_MINOR);
    assert_int_equal(payment(shop, PAYMENT)->captured, TOTAL_MINOR);
    assert_answered(shop, "cmd_buy", ACCEPTED);
}

static void out_of_stock_opens_the_cart_and_frees_what_was_held(void **state) {
    struct shop *shop = *state;
    struct line_request lines[] = {{STR("TEA"), 2}, {STR("POT"), 11}, {STR("CUP"), 6}};
    assert_int_equal(shop_ask(shop, CART, open_cart(lines, 3)), ACCEPTED);
    assert_int_equal(shop_ask(shop, CART, check_out("cmd_buy", "approve")), ACCEPTED);
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_REJECTED);
    assert_int_equal(order(shop, ORDER)->shortages.count, 1);
    assert_str(order(shop, ORDER)->shortages.items[0].sku, "POT");
    assert_int_equal(order(shop, ORDER)->shortages.items[0].requested, 11);
    assert_int_equal(order(shop, ORDER)->shortages.items[0].available, 10);
    assert_int_equal(reserved(shop, "TEA") + reserved(shop, "POT") + reserved(shop, "CUP"), 0);
    assert_answered(shop, "cmd_buy", REJECT_OUT_OF_STOCK);
    assert_int_equal(shop->charges.count, 0);

    struct command fewer = {.type = COMMAND_SET_CART_LINE};
    fewer.as.set_cart_line = (struct set_cart_line){.sku = STR("POT"), .quantity = 10, .price_facts = all_facts};
    assert_int_equal(shop_ask(shop, CART, fewer), ACCEPTED);
    assert_int_equal(shop_ask(shop, CART, check_out("cmd_again", "approve")), ACCEPTED);
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(order(shop, STR("ord_" KEY ".2"))->status, ORDER_STATUS_CONFIRMED);
    assert_answered(shop, "cmd_again", ACCEPTED);
}

static void after_a_decline_another_method_pays(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "decline");
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_AWAITING_PAYMENT);
    assert_answered(shop, "cmd_buy", REJECT_PAYMENT_DECLINED);
    assert_int_equal(reserved(shop, "TEA"), 2);
    assert_int_equal(shop_ask(shop, ORDER, retry("cmd_retry", "approve")), ACCEPTED);
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_CONFIRMED);
    assert_answered(shop, "cmd_retry", ACCEPTED);
    assert_answered(shop, "cmd_buy", REJECT_PAYMENT_DECLINED);
}

static void a_step_asked_of_the_shopper_lets_the_order_wait_and_then_confirms_it(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "action");
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_AWAITING_PAYMENT);
    assert_answered(shop, "cmd_buy", ACCEPTED);
    shop_provider_decides(shop, PAYMENT, true);
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_CONFIRMED);
}

static void another_method_gives_up_the_payment_that_waits_for_a_step(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "action");
    assert_int_equal(shop_ask(shop, ORDER, retry("cmd_retry", "approve")), ACCEPTED);
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_CONFIRMED);
    assert_int_equal(payment(shop, PAYMENT)->status, PAYMENT_STATUS_VOIDED);
}

static void of_two_payments_that_succeed_one_is_sent_back(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "action");
    /* The shopper takes the step in one window and pays another way in the other. */
    shop_provider_decides(shop, PAYMENT, true);
    assert_int_equal(shop_ask(shop, ORDER, retry("cmd_retry", "approve")), ACCEPTED);
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_CONFIRMED);
    const struct payment_state *first = payment(shop, PAYMENT);
    const struct payment_state *second = payment(shop, STR("pay_" KEY ".1.2"));
    assert_int_equal(first->captured + second->captured, 2 * TOTAL_MINOR);
    assert_int_equal(first->refunded + second->refunded, TOTAL_MINOR);
}

static void cancelling_an_unpaid_order_frees_its_stock(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "decline");
    assert_int_equal(shop_ask(shop, ORDER, cancel()), ACCEPTED);
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_CANCELLED);
    assert_int_equal(reserved(shop, "TEA") + reserved(shop, "POT") + reserved(shop, "CUP"), 0);
    assert_answered(shop, "cmd_buy", REJECT_PAYMENT_DECLINED);
}

static void cancelling_a_paid_order_refunds_it(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "approve");
    assert_int_equal(shop_ask(shop, ORDER, cancel()), ACCEPTED);
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_CANCELLED);
    assert_int_equal(payment(shop, PAYMENT)->refunded, TOTAL_MINOR);
    assert_int_equal(reserved(shop, "TEA") + reserved(shop, "POT") + reserved(shop, "CUP"), 0);
}

static struct command give_back(int64_t amount_minor) {
    struct command command = {.type = COMMAND_REFUND_PAYMENT};
    command.as.refund_payment = (struct refund_payment){.has_amount = true, .amount = {amount_minor, STR("EUR")}};
    return command;
}

static void cancelling_after_a_partial_refund_gives_the_rest_back(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "approve");
    assert_int_equal(shop_ask(shop, PAYMENT, give_back(1000)), ACCEPTED);
    shop_settle(shop);
    assert_int_equal(shop_ask(shop, ORDER, cancel()), ACCEPTED);
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(payment(shop, PAYMENT)->refunded, TOTAL_MINOR);
}

static void cancelling_while_a_partial_refund_is_under_way_gives_the_rest_back(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "approve");
    assert_int_equal(shop_ask(shop, PAYMENT, give_back(1000)), ACCEPTED);
    assert_int_equal(shop_ask(shop, ORDER, cancel()), ACCEPTED);
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(payment(shop, PAYMENT)->refunded, TOTAL_MINOR);
}

static struct command contested(const char *result, int64_t amount_minor) {
    struct command command = {.type = COMMAND_RECORD_PROVIDER_OUTCOME};
    command.as.record_provider_outcome = (struct record_provider_outcome){.intent = STR("pay_" KEY ".1.1.charge"),
                                                                          .result = str_of_cstr(result),
                                                                          .amount = {amount_minor, STR("EUR")},
                                                                          .provider_ref = STR("dp_1"),
                                                                          .code = STR("fraudulent")};
    return command;
}

static void what_is_contested_of_a_cancelled_order_is_given_back_once_it_is_won(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "approve");
    assert_int_equal(shop_ask(shop, PAYMENT, contested("disputed", 1000)), ACCEPTED);
    assert_int_equal(shop_ask(shop, ORDER, cancel()), ACCEPTED);
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(payment(shop, PAYMENT)->refunded, TOTAL_MINOR - 1000);
    assert_int_equal(shop_ask(shop, PAYMENT, contested("dispute_won", 1000)), ACCEPTED);
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(payment(shop, PAYMENT)->refunded, TOTAL_MINOR);
}

static void a_late_success_of_which_part_was_refunded_already_is_returned_in_full(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "hang");
    assert_int_equal(shop_ask(shop, ORDER, cancel()), ACCEPTED);
    shop_provider_decides(shop, PAYMENT, true);
    while (payment(shop, PAYMENT)->captured == 0) {
        assert_true(shop_step(shop));
    }
    assert_int_equal(shop_ask(shop, PAYMENT, give_back(1000)), ACCEPTED); /* before the order hears of it */
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(payment(shop, PAYMENT)->refunded, TOTAL_MINOR);
    assert_str(order(shop, ORDER)->payments.items[0].result, "returned");
}

static void a_hold_whose_void_was_refused_before_it_existed_is_given_back(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "pledge");
    assert_int_equal(shop_ask(shop, ORDER, cancel()), ACCEPTED);
    shop_settle(shop);
    assert_true(payment(shop, PAYMENT)->void_refused);
    shop_provider_decides(shop, PAYMENT, true);
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(payment(shop, PAYMENT)->refunded, TOTAL_MINOR);
    assert_str(order(shop, ORDER)->payments.items[0].result, "returned");
}

static void a_hold_that_cannot_be_captured_is_let_go_of(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "uncapturable");
    shop_check(shop);
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_AWAITING_PAYMENT);
    assert_answered(shop, "cmd_buy", REJECT_PAYMENT_DECLINED);
    assert_int_equal(payment(shop, PAYMENT)->status, PAYMENT_STATUS_VOIDED);
}

static void cancelling_while_the_payment_is_in_progress_answers_who_waits(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "hang");
    enum rejection answer;
    assert_false(shop_answer(shop, "cmd_buy", &answer));
    assert_int_equal(shop_ask(shop, ORDER, cancel()), ACCEPTED);
    shop_settle(shop);
    shop_check(shop);
    assert_answered(shop, "cmd_buy", REJECT_ORDER_CANCELLED);
    assert_int_equal(payment(shop, PAYMENT)->status, PAYMENT_STATUS_VOIDED);
}

static void a_success_after_cancellation_is_refunded_visibly(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "hang");
    assert_int_equal(shop_ask(shop, ORDER, cancel()), ACCEPTED);
    shop_provider_decides(shop, PAYMENT, true); /* before it hears of the void */
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_CANCELLED);
    assert_str(order(shop, ORDER)->payments.items[0].result, "returned");
    assert_int_equal(payment(shop, PAYMENT)->captured, TOTAL_MINOR);
    assert_int_equal(payment(shop, PAYMENT)->refunded, TOTAL_MINOR);
}

static void an_unpaid_order_ends_at_its_deadline(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "decline");
    shop_wait(shop, 29 * MINUTE_US);
    shop_settle(shop);
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_AWAITING_PAYMENT);
    shop_wait(shop, 2 * MINUTE_US);
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_CANCELLED);
    assert_int_equal(reserved(shop, "TEA") + reserved(shop, "POT") + reserved(shop, "CUP"), 0);
}

static void the_deadline_does_not_cut_off_a_payment_in_progress(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "hang");
    shop_wait(shop, 60 * MINUTE_US);
    shop_settle(shop);
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_PAYING);
    shop_provider_decides(shop, PAYMENT, true);
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_CONFIRMED);
    assert_answered(shop, "cmd_buy", ACCEPTED);
}

static void a_payment_that_fails_past_the_deadline_ends_the_order_at_once(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "hang");
    shop_wait(shop, 60 * MINUTE_US);
    shop_provider_decides(shop, PAYMENT, false);
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_CANCELLED);
    assert_answered(shop, "cmd_buy", REJECT_PAYMENT_DECLINED);
}

/* What the provider holds is not what it was asked for. */
static void contradict(struct shop *shop) {
    struct command command = {.type = COMMAND_RECORD_PROVIDER_OUTCOME};
    command.as.record_provider_outcome = (struct record_provider_outcome){.intent = STR("pay_" KEY ".1.1.charge"),
                                                                          .result = STR("captured"),
                                                                          .amount = {TOTAL_MINOR + 1, STR("EUR")},
                                                                          .provider_ref = STR("ref")};
    assert_int_equal(shop_ask(shop, PAYMENT, command), ACCEPTED);
    shop_settle(shop);
    shop_check(shop);
}

static void a_payment_that_is_contradicted_waits_for_a_person_and_says_so(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "hang");
    contradict(shop);
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_AWAITING_PAYMENT);
    assert_str(order(shop, ORDER)->payments.items[0].result, "action_required");
    assert_str(order(shop, ORDER)->payments.items[0].code, "outcome_refused.charge.amount_too_large");
    assert_answered(shop, "cmd_buy", ACCEPTED);
    assert_int_equal(reserved(shop, "TEA"), 2);
    shop_provider_decides(shop, PAYMENT, true); /* put right over there, and told by a webhook */
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_CONFIRMED);
}

static void a_payment_that_stays_contradicted_frees_the_stock_at_the_deadline(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "hang");
    contradict(shop);
    shop_wait(shop, 31 * MINUTE_US);
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_CANCELLED);
    assert_int_equal(reserved(shop, "TEA") + reserved(shop, "POT") + reserved(shop, "CUP"), 0);
    assert_int_equal(payment(shop, PAYMENT)->status, PAYMENT_STATUS_VOIDED);
}

static void a_contradiction_past_the_deadline_ends_the_order(void **state) {
    struct shop *shop = *state;
    buy(shop, "cmd_buy", "hang");
    shop_wait(shop, 60 * MINUTE_US);
    shop_settle(shop);
    contradict(shop);
    shop_wait(shop, MINUTE_US);
    shop_settle(shop);
    shop_check(shop);
    assert_int_equal(order(shop, ORDER)->status, ORDER_STATUS_CANCELLED);
    assert_int_equal(reserved(shop, "TEA"), 0);
}

static void skus_of_one_shard_are_visited_next_to_each_other_the_orders_own_first(void **state) {
    (void)state;
    static char names[40][16];
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct cart_line_array lines = {0};
    for (int i = 0; i < 40; i++) {
        (void)snprintf(names[i], sizeof names[i], "S%d", i);
        *ARRAY_PUSH(&arena, &lines) = (struct cart_line){.sku = str_of_cstr(names[i]), .quantity = 1};
        *ARRAY_PUSH(&arena, &lines) = (struct cart_line){.sku = str_of_cstr(names[i]), .quantity = i};
    }
    const struct policy policy = {.shard_count = 4};
    struct reactions reactions = {.arena = &arena, .policy = &policy};
    struct event placed = {.type = EVENT_ORDER_PLACED, .meta.stream = ORDER, .as.order_placed.lines = lines};
    struct order_state placed_state = {.status = ORDER_STATUS_PLACED};
    checkout_after_order(&placed_state, &placed, &reactions);
    assert_int_equal(reactions.commands.count, 1);
    const struct reserve_stock *reserve = &reactions.commands.items[0].as.reserve_stock;
    assert_int_equal(reserve->requests.count, 40); /* the lines of one SKU are one request */
    int changes = 0;
    int32_t shard = shard_of_stream(ORDER, 4);
    int64_t units = 0;
    for (uint32_t i = 0; i < 40; i++) {
        int32_t next = shard_of_key(reserve->requests.items[i].sku, 4);
        changes += next != shard;
        shard = next;
        units += reserve->requests.items[i].quantity;
    }
    assert_int_equal(changes, 3);
    assert_int_equal(units, 40 + 39 * 40 / 2);
    arena_release(&arena);
}

/* ---- every order of delivery ------------------------------------------------------------------------------------- */

enum { CARTS = 8, ROUNDS = 60 };

struct shopper {
    struct str cart;
    char open_commands[ROUNDS][24]; /* commands that are to be answered */
    int open_count;
};

static const char *const methods[] = {"approve", "decline", "authorize", "action", "hang", "pledge", "uncapturable"};

static struct str newest_order(struct shop *shop, const struct shopper *shopper) {
    return ((const struct cart_state *)shop_stream(shop, shopper->cart)->state)->order;
}

/* Remembers that the command is to be answered. */
static const char *new_command(struct shop *shop, struct shopper *shopper) {
    char *id = shopper->open_commands[shopper->open_count];
    (void)snprintf(id, sizeof shopper->open_commands[0], "ask_%u", ++shop->command_count);
    return id;
}

/* What an operator may do behind the order's back. */
static void meddle_with_a_payment(struct shop *shop) {
    if (shop->charges.count > 0) {
        struct str which = shop->charges.items[shop_random(shop, shop->charges.count)].payment;
        struct command let_go = {.type = COMMAND_VOID_PAYMENT};
        bool refunds = shop_random(shop, 4) > 0;
        (void)shop_ask(shop, which, refunds ? give_back(1 + (int64_t)shop_random(shop, 900)) : let_go);
    }
}

static void act(struct shop *shop, struct shopper *shopper) {
    const char *method = methods[shop_random(shop, ARRAY_LENGTH(methods))];
    struct str order_stream = newest_order(shop, shopper);
    switch (shop_random(shop, 8)) {
    case 0:
    case 1: {
        struct command set = {.type = COMMAND_SET_CART_LINE};
        set.as.set_cart_line = (struct set_cart_line){.sku = facts[shop_random(shop, 3)].sku,
                                                      .quantity = (int64_t)shop_random(shop, 4),
                                                      .price_facts = all_facts};
        (void)shop_ask(shop, shopper->cart, set);
        break;
    }
    case 2:
    case 3:
        if (shop_ask(shop, shopper->cart, check_out(new_command(shop, shopper), method)) == ACCEPTED) {
            shopper->open_count++;
        }
        break;
    case 4:
        if (!str_is_empty(order_stream) &&
            shop_ask(shop, order_stream, retry(new_command(shop, shopper), method)) == ACCEPTED) {
            shopper->open_count++;
        }
        break;
    case 5:
        if (!str_is_empty(order_stream) && shop_random(shop, 2) == 0) {
            (void)shop_ask(shop, order_stream, cancel());
        }
        break;
    case 6:
        shop_wait(shop, (int64_t)shop_random(shop, 10) * MINUTE_US);
        break;
    case 7:
        meddle_with_a_payment(shop);
        break;
    }
}

static void decide_a_charge(struct shop *shop) {
    if (shop->charges.count > 0) {
        struct str which = shop->charges.items[shop_random(shop, shop->charges.count)].payment;
        shop_provider_decides(shop, which, shop_random(shop, 2) == 0);
    }
}

/* What is still open is decided, time passes, and then everything has an end and an answer. */
static void check_the_end(struct shop *shop, struct shopper *shoppers) {
    shop_settle(shop);
    shop_check(shop);
    for (uint32_t i = 0; i < shop->charges.count; i++) {
        shop_provider_decides(shop, shop->charges.items[i].payment, shop_random(shop, 2) == 0);
    }
    shop_settle(shop);
    shop_wait(shop, 120 * MINUTE_US);
    shop_settle(shop);
    shop_check(shop);
    for (int i = 0; i < CARTS; i++) {
        for (int k = 0; k < shoppers[i].open_count; k++) {
            enum rejection answer;
            assert_true(shop_answer(shop, shoppers[i].open_commands[k], &answer));
        }
        struct str stream = newest_order(shop, &shoppers[i]);
        if (!str_is_empty(stream)) {
            enum order_status status = order(shop, stream)->status;
            assert_true(status == ORDER_STATUS_CONFIRMED || status == ORDER_STATUS_REJECTED ||
                        status == ORDER_STATUS_CANCELLED);
        }
    }
}

/* Over all runs: which events there were, to know that the runs reach them. */
static uint32_t seen[256];

static void count_events(const struct shop *shop) {
    for (uint32_t i = 0; i < shop->streams.count; i++) {
        const struct given *given = shop->streams.entries[i].value;
        for (uint32_t k = 0; k < given->history.count; k++) {
            seen[given->history.items[k].event.type]++;
        }
    }
}

static void the_runs_reached_every_event_of_a_purchase(void **state) {
    (void)state;
    static const uint16_t events[] = {
        EVENT_CART_OPENED,
        EVENT_CART_UPDATED,
        EVENT_CART_CHECKED_OUT,
        EVENT_CART_REOPENED,
        EVENT_ORDER_PLACED,
        EVENT_ORDER_STOCK_RESERVED,
        EVENT_ORDER_PAYMENT_STARTED,
        EVENT_ORDER_AWAITING_PAYMENT,
        EVENT_ORDER_CONFIRMED,
        EVENT_ORDER_REJECTED,
        EVENT_ORDER_CANCELLED,
        EVENT_ORDER_PAYMENT_RETURNED,
        EVENT_PAYMENT_REQUESTED,
        EVENT_PAYMENT_ACTION_REQUIRED,
        EVENT_PAYMENT_AUTHORIZED,
        EVENT_PAYMENT_CAPTURE_REQUESTED,
        EVENT_PAYMENT_CAPTURED,
        EVENT_PAYMENT_FAILED,
        EVENT_PAYMENT_VOID_REQUESTED,
        EVENT_PAYMENT_VOIDED,
        EVENT_PAYMENT_VOID_REFUSED,
        EVENT_REFUND_REQUESTED,
        EVENT_PAYMENT_REFUNDED,
        EVENT_STOCK_RESERVED,
        EVENT_STOCK_RESERVATION_REFUSED,
        EVENT_RESERVATION_CONFIRMED,
        EVENT_RESERVATION_RELEASED,
    };
    for (size_t i = 0; i < ARRAY_LENGTH(events); i++) {
        assert_int_not_equal(seen[events[i]], 0);
    }
}

static void run_shop(uint64_t seed, bool shuffled, int duplicate_percent) {
    struct shop shop;
    shop_open(&shop, seed);
    shop.shuffled = shuffled;
    shop.duplicate_percent = duplicate_percent;
    stock(&shop, "TEA", "berlin", 9);
    stock(&shop, "POT", "berlin", 5);
    stock(&shop, "CUP", "berlin", 4);
    stock(&shop, "CUP", "paris", 4);
    struct shopper shoppers[CARTS] = {0};
    for (int i = 0; i < CARTS; i++) {
        struct line_request lines[] = {{STR("TEA"), 1}, {STR("CUP"), 2}};
        shoppers[i].cart = arena_printf(&shop.arena, "cart_01J0000000000000000000000%d", i);
        assert_int_equal(shop_ask(&shop, shoppers[i].cart, open_cart(lines, 2)), ACCEPTED);
    }
    for (int round = 0; round < ROUNDS; round++) {
        act(&shop, &shoppers[shop_random(&shop, CARTS)]);
        if (shop_random(&shop, 3) == 0) {
            decide_a_charge(&shop);
        }
        for (uint64_t steps = shop_random(&shop, 12); steps > 0 && shop_step(&shop); steps--) {
        }
    }
    check_the_end(&shop, shoppers);
    count_events(&shop);
    shop_close(&shop);
}

/* Seeds come from SEED (a run to repeat) or count up from 1; each is printed by whoever fails, as the last line. */
static void run_seeds(bool shuffled, int duplicate_percent) {
    const char *only = getenv("SEED");
    uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 1;
    uint64_t last = only != NULL ? first : 150;
    for (uint64_t seed = first; seed <= last; seed++) {
        printf("seed %llu%s", (unsigned long long)seed, seed == last ? "\n" : "\r");
        (void)fflush(stdout);
        run_shop(seed, shuffled, duplicate_percent);
    }
}

static void whatever_shoppers_do_the_shop_adds_up(void **state) {
    (void)state;
    run_seeds(false, 0);
}

static void follow_ups_delivered_twice_change_nothing(void **state) {
    (void)state;
    run_seeds(false, 50);
}

static void follow_ups_in_any_order_lead_to_an_end_that_adds_up(void **state) {
    (void)state;
    run_seeds(true, 0);
}

static void follow_ups_in_any_order_and_twice_too(void **state) {
    (void)state;
    run_seeds(true, 30);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_paid_order_is_confirmed_and_its_stock_is_sold),
        TEST(an_authorized_payment_is_captured_by_itself),
        TEST(out_of_stock_opens_the_cart_and_frees_what_was_held),
        TEST(after_a_decline_another_method_pays),
        TEST(a_step_asked_of_the_shopper_lets_the_order_wait_and_then_confirms_it),
        TEST(another_method_gives_up_the_payment_that_waits_for_a_step),
        TEST(of_two_payments_that_succeed_one_is_sent_back),
        TEST(cancelling_an_unpaid_order_frees_its_stock),
        TEST(cancelling_a_paid_order_refunds_it),
        TEST(cancelling_after_a_partial_refund_gives_the_rest_back),
        TEST(what_is_contested_of_a_cancelled_order_is_given_back_once_it_is_won),
        TEST(cancelling_while_a_partial_refund_is_under_way_gives_the_rest_back),
        TEST(a_late_success_of_which_part_was_refunded_already_is_returned_in_full),
        TEST(a_hold_whose_void_was_refused_before_it_existed_is_given_back),
        TEST(a_hold_that_cannot_be_captured_is_let_go_of),
        TEST(cancelling_while_the_payment_is_in_progress_answers_who_waits),
        TEST(a_success_after_cancellation_is_refunded_visibly),
        TEST(an_unpaid_order_ends_at_its_deadline),
        TEST(the_deadline_does_not_cut_off_a_payment_in_progress),
        TEST(a_payment_that_fails_past_the_deadline_ends_the_order_at_once),
        TEST(a_payment_that_is_contradicted_waits_for_a_person_and_says_so),
        TEST(a_payment_that_stays_contradicted_frees_the_stock_at_the_deadline),
        TEST(a_contradiction_past_the_deadline_ends_the_order),
        cmocka_unit_test(skus_of_one_shard_are_visited_next_to_each_other_the_orders_own_first),
        cmocka_unit_test(whatever_shoppers_do_the_shop_adds_up),
        cmocka_unit_test(follow_ups_delivered_twice_change_nothing),
        cmocka_unit_test(follow_ups_in_any_order_lead_to_an_end_that_adds_up),
        cmocka_unit_test(follow_ups_in_any_order_and_twice_too),
        cmocka_unit_test(the_runs_reached_every_event_of_a_purchase),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
