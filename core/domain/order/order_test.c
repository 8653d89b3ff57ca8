#include "core/domain/order/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/testing/given.h"

#define KEY "01J00000000000000000000001"
#define CART "cart_" KEY
#define ORDER "ord_" KEY ".1"
#define FIRST "pay_" KEY ".1.1"
#define SECOND "pay_" KEY ".1.2"

enum { TOTAL_MINOR = 3199 };

static struct command place(int64_t total_minor) {
    static struct cart_line lines[2];
    lines[0] = (struct cart_line){.sku = STR("TEA"), .quantity = 2};
    lines[1] = (struct cart_line){.sku = STR("POT"), .quantity = 1};
    struct command command = {.type = COMMAND_PLACE_ORDER};
    command.as.place_order = (struct place_order){
        .cart = STR(CART),
        .attempt = 1,
        .lines = {lines, 2, 2},
        .total = {total_minor, STR("EUR")},
        .payment = {STR("test"), STR("card")},
        .pending_command = STR("cmd_checkout"),
    };
    return command;
}

static struct command all_held(void) {
    return (struct command){.type = COMMAND_RECORD_RESERVATIONS};
}

static struct command short_of(const char *sku) {
    static struct stock_shortage shortage;
    shortage = (struct stock_shortage){str_of_cstr(sku), 2, 1};
    return (struct command){.type = COMMAND_RECORD_RESERVATIONS, .as.record_reservations.shortages = {&shortage, 1, 1}};
}

static struct command paid(const char *payment, const char *result, int64_t amount_minor) {
    return (struct command){.type = COMMAND_RECORD_ORDER_PAYMENT,
                            .as.record_order_payment = {.payment = str_of_cstr(payment),
                                                        .result = str_of_cstr(result),
                                                        .amount = {amount_minor, STR("EUR")},
                                                        .code = STR("some_code")}};
}

static struct command captured(const char *payment) {
    return paid(payment, "captured", TOTAL_MINOR);
}

static struct command declined(const char *payment) {
    return paid(payment, "failed", TOTAL_MINOR);
}

static struct command step_asked(const char *payment) {
    struct command command = paid(payment, "action_required", TOTAL_MINOR);
    command.as.record_order_payment.has_action_url = true;
    command.as.record_order_payment.action_url = STR("https://pay.example/step");
    return command;
}

static struct command retry(const char *command_id) {
    return (struct command){.type = COMMAND_RETRY_ORDER_PAYMENT,
                            .meta.command_id = str_of_cstr(command_id),
                            .as.retry_order_payment = {STR("test"), STR("bank")}};
}

static struct command cancel(void) {
    return (struct command){.type = COMMAND_CANCEL_ORDER, .as.cancel_order = {STR("changed my mind")}};
}

static struct command expire(void) {
    return (struct command){.type = COMMAND_EXPIRE_ORDER};
}

static int begin(void **state) {
    struct given *order = malloc(sizeof *order);
    given_begin(order, STR(ORDER));
    *state = order;
    return 0;
}

static int begin_placed(void **state) {
    begin(state);
    when(*state, place(TOTAL_MINOR));
    return 0;
}

static int begin_paying(void **state) {
    begin_placed(state);
    when(*state, all_held());
    return 0;
}

static int begin_declined(void **state) {
    begin_paying(state);
    when(*state, declined(FIRST));
    return 0;
}

static int begin_asked(void **state) {
    begin_paying(state);
    when(*state, step_asked(FIRST));
    return 0;
}

static int begin_confirmed(void **state) {
    begin_paying(state);
    when(*state, captured(FIRST));
    return 0;
}

static int end(void **state) {
    given_check_history(*state);
    given_end(*state);
    free(*state);
    return 0;
}

static const struct order_state *now(const struct given *order) {
    return order->state;
}

static void assert_status(const struct given *order, enum order_status status) {
    assert_int_equal(now(order)->status, status);
}

static void assert_result(const struct given *order, uint32_t index, const char *result) {
    assert_str(now(order)->payments.items[index].result, result);
}

static int64_t deadline_of(const struct given *order) {
    return order_aggregate.deadline_us(order->state);
}

static void pass_the_deadline(struct given *order) {
    order->now_us = now(order)->deadline_at;
}

/* ---- placing ----------------------------------------------------------------------------------------------------- */

static void a_placed_order_asks_for_its_stock_and_has_a_deadline(void **state) {
    struct given *order = *state;
    when(order, place(TOTAL_MINOR));
    THEN(order, EVENT_ORDER_PLACED);
    assert_int_equal(now(order)->deadline_at, order->now_us + order->policy.payment_deadline_us);
    assert_int_equal(deadline_of(order), now(order)->deadline_at);
    THEN_SENDS(order, 1);
    assert_int_equal(order->reactions.commands.items[0].as.reserve_stock.requests.count, 2);
    when(order, place(TOTAL_MINOR));
    THEN_NOTHING(order);
}

static void an_order_without_lines_is_malformed(void **state) {
    struct given *order = *state;
    struct command command = place(TOTAL_MINOR);
    command.as.place_order.lines.count = 0;
    when(order, command);
    THEN_REFUSED(order, REJECT_MALFORMED_COMMAND, "");
}

static void an_unknown_order_takes_nothing(void **state) {
    struct given *order = *state;
    const struct command commands[] = {all_held(), captured(FIRST), retry("cmd_retry"), cancel(), expire()};
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        when(order, commands[i]);
        THEN_REFUSED(order, REJECT_UNKNOWN_ORDER, "");
    }
}

static void when_all_is_held_the_first_payment_starts(void **state) {
    struct given *order = *state;
    when(order, all_held());
    THEN(order, EVENT_ORDER_STOCK_RESERVED, EVENT_ORDER_PAYMENT_STARTED);
    THEN_SENDS(order, 1);
    const struct request_payment *asked = &SENT(order, 0, COMMAND_REQUEST_PAYMENT, FIRST)->as.request_payment;
    assert_str(asked->order, ORDER);
    assert_int_equal(asked->amount.amount, TOTAL_MINOR);
    assert_str(asked->method, "card");
    assert_int_equal(deadline_of(order), 0);
    THEN_ANSWERS_NOBODY(order);
    when(order, all_held());
    THEN_NOTHING(order);
    when(order, short_of("POT"));
    THEN_NOTHING(order);
}

static void when_there_is_nothing_to_pay_it_is_confirmed(void **state) {
    struct given *order = *state;
    when(order, place(0));
    when(order, all_held());
    THEN(order, EVENT_ORDER_STOCK_RESERVED, EVENT_ORDER_CONFIRMED);
    THEN_ANSWERS(order, "cmd_checkout", ACCEPTED);
    assert_int_equal(now(order)->payments.count, 0);
}

static void a_shortage_rejects_it_frees_all_and_opens_the_cart(void **state) {
    struct given *order = *state;
    when(order, short_of("POT"));
    THEN(order, EVENT_ORDER_REJECTED);
    const struct answer *answer = THEN_ANSWERS(order, "cmd_checkout", REJECT_OUT_OF_STOCK);
    assert_int_equal(answer->skus.count, 1);
    assert_str(answer->skus.items[0], "POT");
    THEN_SENDS(order, 3);
    assert_str(SENT(order, 2, COMMAND_REOPEN_CART, CART)->as.reopen_cart.order, ORDER);
    for (uint32_t i = 0; i < 2; i++) {
        const struct command *release = &order->reactions.commands.items[i];
        assert_int_equal(release->type, COMMAND_RELEASE_RESERVATION);
        assert_str(release->as.release_reservation.owner, ORDER);
    }
    when(order, cancel());
    THEN_REFUSED(order, REJECT_ORDER_NOT_CANCELLABLE, "");
    when(order, retry("cmd_retry"));
    THEN_REFUSED(order, REJECT_ORDER_NOT_PAYABLE, "");
    assert_int_equal(deadline_of(order), 0);
}

/* ---- paying ------------------------------------------------------------------------------------------------------ */

static void a_captured_payment_confirms_it_and_sells_the_stock(void **state) {
    struct given *order = *state;
    when(order, captured(FIRST));
    THEN(order, EVENT_ORDER_CONFIRMED);
    THEN_ANSWERS(order, "cmd_checkout", ACCEPTED);
    THEN_SENDS(order, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(order->reactions.commands.items[i].type, COMMAND_CONFIRM_RESERVATION);
    }
    assert_result(order, 0, "captured");
    when(order, captured(FIRST));
    THEN_NOTHING(order);
    when(order, declined(FIRST));
    THEN_NOTHING(order);
    when(order, step_asked(FIRST));
    THEN_NOTHING(order);
    assert_int_equal(deadline_of(order), 0);
}

static void a_declined_payment_leaves_it_waiting_for_another(void **state) {
    struct given *order = *state;
    when(order, declined(FIRST));
    THEN(order, EVENT_ORDER_AWAITING_PAYMENT);
    THEN_ANSWERS(order, "cmd_checkout", REJECT_PAYMENT_DECLINED);
    assert_status(order, ORDER_STATUS_AWAITING_PAYMENT);
    assert_int_equal(deadline_of(order), now(order)->deadline_at);
    when(order, declined(FIRST));
    THEN_NOTHING(order);
    when(order, step_asked(FIRST));
    THEN_NOTHING(order);
    struct command by_stripe = retry("cmd_retry");
    by_stripe.as.retry_order_payment.provider = STR("stripe");
    when(order, by_stripe);
    THEN_REFUSED(order, REJECT_UNKNOWN_PROVIDER, "/provider");
    when(order, retry("cmd_retry"));
    THEN(order, EVENT_ORDER_PAYMENT_STARTED);
    THEN_SENDS(order, 1);
    assert_str(SENT(order, 0, COMMAND_REQUEST_PAYMENT, SECOND)->as.request_payment.method, "bank");
    THEN_ANSWERS_NOBODY(order);
    when(order, captured(SECOND));
    THEN(order, EVENT_ORDER_CONFIRMED);
    THEN_ANSWERS(order, "cmd_retry", ACCEPTED);
}

static void a_step_asked_of_the_shopper_is_an_answer_too(void **state) {
    struct given *order = *state;
    when(order, step_asked(FIRST));
    THEN(order, EVENT_ORDER_AWAITING_PAYMENT);
    THEN_ANSWERS(order, "cmd_checkout", ACCEPTED);
    assert_str(now(order)->payments.items[0].action_url, "https://pay.example/step");
    when(order, step_asked(FIRST));
    THEN_NOTHING(order);
    when(order, captured(FIRST));
    THEN(order, EVENT_ORDER_CONFIRMED);
    THEN_ANSWERS_NOBODY(order);
}

static void a_step_that_fails_is_told_to_who_looks(void **state) {
    struct given *order = *state;
    when(order, declined(FIRST));
    THEN(order, EVENT_ORDER_AWAITING_PAYMENT);
    assert_str(made(order, 0)->as.order_awaiting_payment.reason, "declined");
    assert_result(order, 0, "failed");
    assert_false(now(order)->payments.items[0].has_action_url);
    THEN_ANSWERS_NOBODY(order);
}

static void only_an_order_that_awaits_payment_starts_another(void **state) {
    struct given *order = *state;
    when(order, retry("cmd_retry"));
    THEN_REFUSED(order, REJECT_ORDER_NOT_PAYABLE, "");
    when(order, captured(FIRST));
    when(order, retry("cmd_retry"));
    THEN_REFUSED(order, REJECT_ORDER_NOT_PAYABLE, "");
    when(order, cancel());
    when(order, retry("cmd_retry"));
    THEN_REFUSED(order, REJECT_ORDER_CANCELLED, "");
}

static void another_method_gives_up_the_payment_in_flight(void **state) {
    struct given *order = *state;
    when(order, retry("cmd_retry"));
    THEN_SENDS(order, 2);
    SENT(order, 0, COMMAND_VOID_PAYMENT, FIRST);
    SENT(order, 1, COMMAND_REQUEST_PAYMENT, SECOND);
    assert_result(order, 0, "failed");
    assert_str(now(order)->payments.items[0].code, "superseded");
    when(order, paid(FIRST, "failed", TOTAL_MINOR)); /* it was voided */
    THEN_NOTHING(order);
    when(order, step_asked(FIRST));
    THEN_NOTHING(order);
}

static void an_order_has_at_most_20_payments(void **state) {
    struct given *order = *state;
    for (int number = 2; number <= ORDER_MAX_PAYMENTS; number++) {
        char payment[64];
        when(order, retry("cmd_retry"));
        THEN(order, EVENT_ORDER_PAYMENT_STARTED);
        (void)snprintf(payment, sizeof payment, "pay_" KEY ".1.%d", number);
        when(order, declined(payment));
        THEN(order, EVENT_ORDER_AWAITING_PAYMENT);
        THEN_ANSWERS(order, "cmd_retry", REJECT_PAYMENT_DECLINED);
    }
    when(order, retry("cmd_retry"));
    THEN_REFUSED(order, REJECT_TOO_MANY_PAYMENTS, "");
}

static void a_payment_that_is_not_its_own_is_refused(void **state) {
    struct given *order = *state;
    when(order, captured(SECOND));
    THEN_REFUSED(order, REJECT_UNKNOWN_PAYMENT, "");
    when(order, paid(FIRST, "magic", 1));
    THEN_REFUSED(order, REJECT_MALFORMED_COMMAND, "");
}

/* ---- money that comes late --------------------------------------------------------------------------------------- */

static void a_late_success_confirms_an_order_that_still_waits(void **state) {
    struct given *order = *state;
    when(order, captured(FIRST)); /* after it was declined */
    THEN(order, EVENT_ORDER_CONFIRMED);
    THEN_ANSWERS_NOBODY(order); /* the check-out was told of the decline */
    assert_result(order, 0, "captured");
}

static void a_late_success_beats_the_payment_in_progress_which_is_sent_back(void **state) {
    struct given *order = *state;
    when(order, retry("cmd_retry"));
    when(order, captured(FIRST));
    THEN(order, EVENT_ORDER_CONFIRMED);
    assert_str(made(order, 0)->as.order_confirmed.payment, FIRST);
    THEN_ANSWERS(order, "cmd_retry", ACCEPTED);
    THEN_SENDS(order, 3);
    SENT(order, 2, COMMAND_VOID_PAYMENT, SECOND);
    when(order, captured(SECOND));
    THEN(order, EVENT_ORDER_PAYMENT_RETURNED);
    assert_str(made(order, 0)->as.order_payment_returned.reason, "already_paid");
    THEN_SENDS(order, 1);
    assert_int_equal(made(order, 0)->as.order_payment_returned.amount.amount, TOTAL_MINOR);
    assert_false(SENT(order, 0, COMMAND_REFUND_PAYMENT, SECOND)->as.refund_payment.has_amount); /* all that is left */
    assert_status(order, ORDER_STATUS_CONFIRMED);
    when(order, captured(SECOND));
    THEN_NOTHING(order);
}

static void a_success_after_cancellation_is_sent_back(void **state) {
    struct given *order = *state;
    when(order, cancel());
    THEN(order, EVENT_ORDER_CANCELLED);
    when(order, captured(FIRST));
    THEN(order, EVENT_ORDER_PAYMENT_RETURNED);
    assert_str(made(order, 0)->as.order_payment_returned.reason, "order_cancelled");
    SENT(order, 0, COMMAND_REFUND_PAYMENT, FIRST);
    assert_result(order, 0, "returned");
    when(order, captured(FIRST));
    THEN_NOTHING(order);
    assert_status(order, ORDER_STATUS_CANCELLED);
}

static void too_little_money_is_sent_back_and_the_order_waits_again(void **state) {
    struct given *order = *state;
    when(order, paid(FIRST, "captured", TOTAL_MINOR - 1));
    THEN(order, EVENT_ORDER_PAYMENT_RETURNED, EVENT_ORDER_AWAITING_PAYMENT);
    assert_int_equal(made(order, 0)->as.order_payment_returned.amount.amount, TOTAL_MINOR - 1);
    THEN_ANSWERS(order, "cmd_checkout", REJECT_PAYMENT_DECLINED);
    when(order, paid(FIRST, "captured", TOTAL_MINOR - 1));
    THEN_NOTHING(order);
    when(order, paid(FIRST, "captured", TOTAL_MINOR)); /* the rest, which is too little as well */
    THEN(order, EVENT_ORDER_PAYMENT_RETURNED);
    assert_int_equal(made(order, 0)->as.order_payment_returned.amount.amount, 1);
    assert_result(order, 0, "returned");
}

/* ---- cancelling and the deadline --------------------------------------------------------------------------------- */

static void cancelling_before_the_stock_answers_frees_it_all_the_same(void **state) {
    struct given *order = *state;
    when(order, cancel());
    THEN(order, EVENT_ORDER_CANCELLED);
    THEN_ANSWERS(order, "cmd_checkout", REJECT_ORDER_CANCELLED);
    THEN_SENDS(order, 2);
    assert_int_equal(order->reactions.commands.items[0].type, COMMAND_RELEASE_RESERVATION);
    when(order, all_held());
    THEN_NOTHING(order);
}

static void cancelling_while_paying_voids_the_payment(void **state) {
    struct given *order = *state;
    when(order, cancel());
    THEN(order, EVENT_ORDER_CANCELLED);
    assert_str(made(order, 0)->as.order_cancelled.status_before, "paying");
    assert_str(made(order, 0)->as.order_cancelled.by, "request");
    assert_false(made(order, 0)->as.order_cancelled.has_refund);
    THEN_SENDS(order, 3);
    SENT(order, 2, COMMAND_VOID_PAYMENT, FIRST);
    THEN_ANSWERS(order, "cmd_checkout", REJECT_ORDER_CANCELLED);
    when(order, cancel());
    THEN_NOTHING(order);
}

static void cancelling_after_payment_refunds_it(void **state) {
    struct given *order = *state;
    when(order, cancel());
    THEN(order, EVENT_ORDER_CANCELLED);
    assert_true(made(order, 0)->as.order_cancelled.has_refund);
    assert_int_equal(made(order, 0)->as.order_cancelled.refund.amount, TOTAL_MINOR);
    THEN_SENDS(order, 3);
    assert_false(SENT(order, 2, COMMAND_REFUND_PAYMENT, FIRST)->as.refund_payment.has_amount); /* all that is left */
    THEN_ANSWERS_NOBODY(order);
    when(order, captured(FIRST));
    THEN_NOTHING(order);
}

static void only_the_payment_that_is_kept_is_refunded(void **state) {
    struct given *order = *state;
    when(order, retry("cmd_retry"));
    when(order, captured(FIRST));
    when(order, captured(SECOND)); /* sent back */
    when(order, cancel());
    THEN_SENDS(order, 3);
    SENT(order, 2, COMMAND_REFUND_PAYMENT, FIRST);
}

static void an_expired_order_is_cancelled(void **state) {
    struct given *order = *state;
    when(order, expire());
    THEN_NOTHING(order); /* not yet */
    pass_the_deadline(order);
    when(order, retry("cmd_retry"));
    THEN_REFUSED(order, REJECT_ORDER_NOT_PAYABLE, "");
    when(order, expire());
    THEN(order, EVENT_ORDER_CANCELLED);
    assert_str(made(order, 0)->as.order_cancelled.by, "deadline");
    assert_int_equal(deadline_of(order), 0);
    when(order, expire());
    THEN_NOTHING(order);
}

static void an_order_whose_stock_never_answers_expires_too(void **state) {
    struct given *order = *state;
    pass_the_deadline(order);
    when(order, expire());
    THEN(order, EVENT_ORDER_CANCELLED);
    THEN_ANSWERS(order, "cmd_checkout", REJECT_ORDER_CANCELLED);
}

static void a_step_not_taken_in_time_ends_the_order_and_voids_the_payment(void **state) {
    struct given *order = *state;
    pass_the_deadline(order);
    when(order, expire());
    THEN(order, EVENT_ORDER_CANCELLED);
    SENT(order, 2, COMMAND_VOID_PAYMENT, FIRST);
}

static void a_payment_in_progress_outlives_the_deadline(void **state) {
    struct given *order = *state;
    pass_the_deadline(order);
    when(order, expire());
    THEN_NOTHING(order);
    when(order, captured(FIRST));
    THEN(order, EVENT_ORDER_CONFIRMED);
}

static void a_payment_that_fails_past_the_deadline_ends_the_order(void **state) {
    struct given *order = *state;
    pass_the_deadline(order);
    when(order, declined(FIRST));
    THEN(order, EVENT_ORDER_AWAITING_PAYMENT, EVENT_ORDER_CANCELLED);
    assert_str(made(order, 1)->as.order_cancelled.status_before, "awaiting_payment");
    THEN_ANSWERS(order, "cmd_checkout", REJECT_PAYMENT_DECLINED);
}

static void the_timer_fires_the_command_that_looks_again(void **state) {
    (void)state;
    struct order_state any = {0};
    struct command command = {0};
    order_aggregate.on_deadline(&any, &command);
    assert_int_equal(command.type, COMMAND_EXPIRE_ORDER);
}

#define IN(status, name) cmocka_unit_test_setup_teardown(name, begin##status, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN(, a_placed_order_asks_for_its_stock_and_has_a_deadline),
        IN(, an_order_without_lines_is_malformed),
        IN(, an_unknown_order_takes_nothing),
        IN(, when_there_is_nothing_to_pay_it_is_confirmed),
        IN(_placed, when_all_is_held_the_first_payment_starts),
        IN(_placed, a_shortage_rejects_it_frees_all_and_opens_the_cart),
        IN(_paying, a_captured_payment_confirms_it_and_sells_the_stock),
        IN(_paying, a_declined_payment_leaves_it_waiting_for_another),
        IN(_paying, a_step_asked_of_the_shopper_is_an_answer_too),
        IN(_asked, a_step_that_fails_is_told_to_who_looks),
        IN(_paying, only_an_order_that_awaits_payment_starts_another),
        IN(_asked, another_method_gives_up_the_payment_in_flight),
        IN(_declined, an_order_has_at_most_20_payments),
        IN(_paying, a_payment_that_is_not_its_own_is_refused),
        IN(_declined, a_late_success_confirms_an_order_that_still_waits),
        IN(_declined, a_late_success_beats_the_payment_in_progress_which_is_sent_back),
        IN(_paying, a_success_after_cancellation_is_sent_back),
        IN(_paying, too_little_money_is_sent_back_and_the_order_waits_again),
        IN(_placed, cancelling_before_the_stock_answers_frees_it_all_the_same),
        IN(_paying, cancelling_while_paying_voids_the_payment),
        IN(_confirmed, cancelling_after_payment_refunds_it),
        IN(_declined, only_the_payment_that_is_kept_is_refunded),
        IN(_declined, an_expired_order_is_cancelled),
        IN(_placed, an_order_whose_stock_never_answers_expires_too),
        IN(_asked, a_step_not_taken_in_time_ends_the_order_and_voids_the_payment),
        IN(_paying, a_payment_in_progress_outlives_the_deadline),
        IN(_paying, a_payment_that_fails_past_the_deadline_ends_the_order),
        cmocka_unit_test(the_timer_fires_the_command_that_looks_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
