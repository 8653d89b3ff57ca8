/* test_payment.h: a payment in given/when/then, for the tests of this folder.
 *
 * Use      IN(_captured, name) is a test that begins with a payment that was captured.
 * Thread   one test at a time.          May use: cmocka, core/testing.
 */
#pragma once

#include "core/domain/payment/payment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/testing/given.h"

#define KEY "01J00000000000000000000001"
#define ORDER "ord_" KEY ".1"
#define PAYMENT "pay_" KEY ".1.1"
#define CHARGE PAYMENT ".charge"
#define CAPTURE PAYMENT ".capture.1"
#define VOID PAYMENT ".void"

static inline struct command request(void) {
    struct command command = {.type = COMMAND_REQUEST_PAYMENT};
    command.as.request_payment = (struct request_payment){STR(ORDER), {1000, STR("EUR")}, STR("test"), STR("card")};
    return command;
}

static inline struct command outcome(const char *intent, const char *result, int64_t amount_minor) {
    struct command command = {.type = COMMAND_RECORD_PROVIDER_OUTCOME};
    command.as.record_provider_outcome = (struct record_provider_outcome){
        .intent = str_of_cstr(intent),
        .result = str_of_cstr(result),
        .amount = {amount_minor, STR("EUR")},
        .provider_ref = STR("ch_1"),
        .code = STR("no_funds"),
        .message = STR("said no"),
    };
    return command;
}

static inline struct command refund(int64_t amount_minor) {
    struct command command = {.type = COMMAND_REFUND_PAYMENT};
    command.as.refund_payment = (struct refund_payment){.has_amount = true, .amount = {amount_minor, STR("EUR")}};
    return command;
}

static inline struct command refund_all(void) {
    return (struct command){.type = COMMAND_REFUND_PAYMENT};
}

static inline int begin(void **state) {
    struct given *payment = malloc(sizeof *payment);
    given_begin(payment, STR(PAYMENT));
    *state = payment;
    return 0;
}

static inline int begin_requested(void **state) {
    begin(state);
    when(*state, request());
    return 0;
}

static inline int begin_captured(void **state) {
    begin_requested(state);
    when(*state, outcome(CHARGE, "captured", 1000));
    return 0;
}

static inline int end(void **state) {
    given_check_history(*state);
    given_end(*state);
    free(*state);
    return 0;
}

static inline const struct payment_state *now(const struct given *payment) {
    return payment->state;
}

static inline void assert_sums(const struct given *payment, int64_t authorized, int64_t captured, int64_t refunded,
                               int64_t refund_pending) {
    assert_int_equal(now(payment)->authorized, authorized);
    assert_int_equal(now(payment)->captured, captured);
    assert_int_equal(now(payment)->refunded, refunded);
    assert_int_equal(now(payment)->refund_pending, refund_pending);
}

#define IN(status, name) cmocka_unit_test_setup_teardown(name, begin##status, end)
