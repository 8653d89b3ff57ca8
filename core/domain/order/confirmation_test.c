/* The mail that confirms an order: given how the order stands, may it be sent once more, and what is said of it? */
#include "core/domain/order/confirmation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/timestamp.h"
#include "core/testing/given.h"

#define KEY "01J00000000000000000000001"
#define ORDER "ord_" KEY ".1"
#define PAYMENT "pay_" KEY ".1.1"

enum { TOTAL_MINOR = 3199 };

static struct command place(bool has_email) {
    static struct cart_line lines[2];
    lines[0] = (struct cart_line){.sku = STR("TEA"), .quantity = 2};
    lines[1] = (struct cart_line){.sku = STR("POT"), .quantity = 1};
    struct command command = {.type = COMMAND_PLACE_ORDER};
    command.as.place_order = (struct place_order){
        .cart = STR("cart_" KEY),
        .attempt = 1,
        .lines = {lines, 2, 2},
        .total = {TOTAL_MINOR, STR("EUR")},
        .has_reference = true,
        .reference = STR("R-1"),
        .has_email = has_email,
        .email = {.key_id = STR("per_1"), .nonce = STR("a nonce"), .ciphertext = STR("a ciphertext")},
        .payment = {STR("test"), STR("card")},
        .pending_command = STR("cmd_checkout"),
    };
    return command;
}

static struct command paid(const char *result) {
    return (struct command){.type = COMMAND_RECORD_ORDER_PAYMENT,
                            .as.record_order_payment = {.payment = STR(PAYMENT),
                                                        .result = str_of_cstr(result),
                                                        .amount = {TOTAL_MINOR, STR("EUR")},
                                                        .code = STR("some_code")}};
}

static struct command cancel(void) {
    return (struct command){.type = COMMAND_CANCEL_ORDER, .as.cancel_order = {STR("changed my mind")}};
}

static struct command resend(void) {
    return (struct command){.type = COMMAND_RESEND_CONFIRMATION};
}

static struct command mailed(const char *result, const char *code) {
    return (struct command){.type = COMMAND_RECORD_ORDER_MAIL,
                            .as.record_order_mail = {.cause = STR("evt_1"),
                                                     .template = STR("order_confirmed"),
                                                     .result = str_of_cstr(result),
                                                     .code = str_of_cstr(code),
                                                     .attempt = 2}};
}

static int begin(void **state) {
    struct given *order = malloc(sizeof *order);
    given_begin(order, STR(ORDER));
    *state = order;
    return 0;
}

static int begin_placed(void **state) {
    begin(state);
    when(*state, place(true));
    return 0;
}

static int begin_rejected(void **state) {
    static struct stock_shortage shortage = {{"POT", 3}, 2, 1};
    begin_placed(state);
    when(*state,
         (struct command){.type = COMMAND_RECORD_RESERVATIONS, .as.record_reservations.shortages = {&shortage, 1, 1}});
    return 0;
}

static int begin_paying(void **state) {
    begin_placed(state);
    when(*state, (struct command){.type = COMMAND_RECORD_RESERVATIONS});
    return 0;
}

static int begin_declined(void **state) {
    begin_paying(state);
    when(*state, paid("failed"));
    return 0;
}

static int begin_confirmed(void **state) {
    begin_paying(state);
    when(*state, paid("captured"));
    return 0;
}

static int begin_without_address(void **state) {
    begin(state);
    when(*state, place(false));
    when(*state, (struct command){.type = COMMAND_RECORD_RESERVATIONS});
    when(*state, paid("captured"));
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

static void a_confirmed_order_says_once_more_to_whom_and_what_is_mailed(void **state) {
    struct given *order = *state;
    when(order, resend());
    THEN(order, EVENT_ORDER_CONFIRMATION_REQUESTED);
    THEN_SENDS(order, 0);
    const struct order_confirmation_requested *asked = &made(order, 0)->as.order_confirmation_requested;
    assert_str(asked->to.key_id, "per_1");
    assert_int_equal(asked->lines.count, 2);
    assert_int_equal(asked->total.amount, TOTAL_MINOR);
    assert_str(asked->reference, "R-1");
    assert_int_equal(now(order)->status, ORDER_STATUS_CONFIRMED);
}

static void a_confirmation_is_asked_for_5_times_a_day(void **state) {
    struct given *order = *state;
    int64_t began_us = 0;
    for (int i = 0; i < ORDER_CONFIRMATIONS_A_DAY; i++) {
        when(order, resend());
        THEN(order, EVENT_ORDER_CONFIRMATION_REQUESTED);
        began_us = i == 0 ? order->now_us : began_us;
    }
    when(order, resend());
    THEN_REFUSED(order, REJECT_TOO_MANY_CONFIRMATIONS, "");
    order->now_us = began_us + INT64_C(86400) * MICROS_PER_SECOND - 2 * MICROS_PER_SECOND; /* a command takes one */
    when(order, resend());
    THEN_REFUSED(order, REJECT_TOO_MANY_CONFIRMATIONS, "");
    when(order, resend());
    THEN(order, EVENT_ORDER_CONFIRMATION_REQUESTED);
    assert_int_equal(now(order)->confirmations, 1);
}

static void without_an_address_nothing_is_mailed(void **state) {
    struct given *order = *state;
    when(order, resend());
    THEN_REFUSED(order, REJECT_ORDER_WITHOUT_EMAIL, "");
}

static void what_is_not_confirmed_has_no_confirmation(void **state) {
    struct given *order = *state;
    when(order, resend());
    THEN_REFUSED(order, REJECT_ORDER_NOT_CONFIRMED, "");
    when(order, mailed("sent", "250"));
    THEN_REFUSED(order, REJECT_ORDER_NOT_CONFIRMED, "");
}

static void what_was_cancelled_has_none_any_more_but_what_was_sent_is_told(void **state) {
    struct given *order = *state;
    when(order, cancel());
    when(order, resend());
    THEN_REFUSED(order, REJECT_ORDER_CANCELLED, "");
    when(order, mailed("sent", "250"));
    THEN(order, EVENT_ORDER_MAILED);
    assert_int_equal(now(order)->status, ORDER_STATUS_CANCELLED);
}

static void what_became_of_a_mail_is_told_in_three_digits(void **state) {
    struct given *order = *state;
    when(order, mailed("failed", "550"));
    THEN(order, EVENT_ORDER_MAILED);
    const struct order_mailed *told = &made(order, 0)->as.order_mailed;
    assert_str(told->cause, "evt_1");
    assert_str(told->template, "order_confirmed");
    assert_str(told->result, "failed");
    assert_str(told->code, "550");
    assert_int_equal(told->attempt, 2);
    when(order, mailed("failed", "550 <you@example.com>: no such user"));
    THEN_REFUSED(order, REJECT_MALFORMED_COMMAND, "");
    when(order, mailed("failed", ""));
    THEN(order, EVENT_ORDER_MAILED);
    when(order, resend()); /* it was not taken: he may ask again */
    THEN(order, EVENT_ORDER_CONFIRMATION_REQUESTED);
}

static void to_who_was_erased_nothing_is_mailed_any_more(void **state) {
    struct given *order = *state;
    when(order, mailed("erased", ""));
    THEN(order, EVENT_ORDER_MAILED);
    assert_false(now(order)->has_email);
    assert_int_equal(now(order)->email.ciphertext.len, 0);
    when(order, resend());
    THEN_REFUSED(order, REJECT_ORDER_WITHOUT_EMAIL, "");
}

static void an_unknown_order_is_mailed_to_nobody(void **state) {
    struct given *order = *state;
    when(order, resend());
    THEN_REFUSED(order, REJECT_UNKNOWN_ORDER, "");
    when(order, mailed("sent", "250"));
    THEN_REFUSED(order, REJECT_UNKNOWN_ORDER, "");
}

#define IN(status, name) cmocka_unit_test_setup_teardown(name, begin##status, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN(, an_unknown_order_is_mailed_to_nobody),
        IN(_confirmed, a_confirmed_order_says_once_more_to_whom_and_what_is_mailed),
        IN(_confirmed, a_confirmation_is_asked_for_5_times_a_day),
        IN(_without_address, without_an_address_nothing_is_mailed),
        IN(_placed, what_is_not_confirmed_has_no_confirmation),
        IN(_paying, what_is_not_confirmed_has_no_confirmation),
        IN(_declined, what_is_not_confirmed_has_no_confirmation),
        IN(_confirmed, what_was_cancelled_has_none_any_more_but_what_was_sent_is_told),
        IN(_confirmed, what_became_of_a_mail_is_told_in_three_digits),
        IN(_confirmed, to_who_was_erased_nothing_is_mailed_any_more),
        IN(_rejected, what_is_not_confirmed_has_no_confirmation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
