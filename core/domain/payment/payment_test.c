/* A payment in given/when/then. Long because each outcome is tried in each status that it can meet. */
#include "core/domain/payment/test_payment.h"

static struct command capture(int64_t amount_minor) {
    struct command command = {.type = COMMAND_CAPTURE_PAYMENT};
    command.as.capture_payment = (struct capture_payment){.has_amount = true, .amount = {amount_minor, STR("EUR")}};
    return command;
}

static struct command let_go(void) {
    return (struct command){.type = COMMAND_VOID_PAYMENT};
}

/* Authorized, and its capture asked for. */
static int begin_capturing(void **state) {
    begin_requested(state);
    when(*state, outcome(CHARGE, "authorized", 1000));
    return 0;
}

/* Authorized only, as a later policy may leave it. */
static int begin_authorized(void **state) {
    begin_requested(state);
    given(*state,
          (struct event){.type = EVENT_PAYMENT_AUTHORIZED, .as.payment_authorized = {{1000, STR("EUR")}, STR("ch_1")}});
    return 0;
}

static int begin_failed(void **state) {
    begin_requested(state);
    when(*state, outcome(CHARGE, "declined", 0));
    return 0;
}

static int begin_voiding(void **state) {
    begin_requested(state);
    when(*state, let_go());
    return 0;
}

static const struct record_order_payment *told_order(const struct given *payment) {
    THEN_SENDS(payment, 1);
    return &SENT(payment, 0, COMMAND_RECORD_ORDER_PAYMENT, ORDER)->as.record_order_payment;
}

/* ---- charging ---------------------------------------------------------------------------------------------------- */

static void a_request_writes_the_key_before_the_provider_is_called(void **state) {
    struct given *payment = *state;
    when(payment, request());
    THEN(payment, EVENT_PAYMENT_REQUESTED);
    assert_str(made(payment, 0)->as.payment_requested.intent, CHARGE);
    when(payment, request());
    THEN_NOTHING(payment);
}

static void an_unknown_payment_takes_nothing(void **state) {
    struct given *payment = *state;
    const struct command commands[] = {outcome(CHARGE, "captured", 1), refund_all(), capture(1), let_go()};
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        when(payment, commands[i]);
        THEN_REFUSED(payment, REJECT_UNKNOWN_PAYMENT, "");
    }
}

static void a_charge_that_is_captured_in_one_call_is_told_to_the_order(void **state) {
    struct given *payment = *state;
    when(payment, outcome(CHARGE, "captured", 1000));
    THEN(payment, EVENT_PAYMENT_CAPTURED);
    assert_str(told_order(payment)->result, "captured");
    assert_int_equal(told_order(payment)->amount.amount, 1000);
    assert_sums(payment, 1000, 1000, 0, 0);
    when(payment, outcome(CHARGE, "captured", 1000));
    THEN_NOTHING(payment);
    when(payment, outcome(CHARGE, "authorized", 1000));
    THEN_NOTHING(payment);
    when(payment, outcome(CHARGE, "declined", 1000));
    THEN_NOTHING(payment);
    when(payment, outcome(CHARGE, "action_required", 1000));
    THEN_NOTHING(payment);
}

static void an_authorized_charge_is_captured_at_once_under_a_key_of_its_own(void **state) {
    struct given *payment = *state;
    when(payment, outcome(CHARGE, "authorized", 1000));
    THEN(payment, EVENT_PAYMENT_AUTHORIZED, EVENT_PAYMENT_CAPTURE_REQUESTED);
    assert_str(made(payment, 1)->as.payment_capture_requested.intent, CAPTURE);
    THEN_SENDS(payment, 0);
    when(payment, outcome(CHARGE, "authorized", 1000));
    THEN_NOTHING(payment);
    when(payment, outcome(CAPTURE, "captured", 1000));
    THEN(payment, EVENT_PAYMENT_CAPTURED);
    assert_sums(payment, 1000, 1000, 0, 0);
    when(payment, outcome(CAPTURE, "captured", 1000));
    THEN_NOTHING(payment);
    when(payment, outcome(CHARGE, "captured", 1000)); /* the charge's own webhook */
    THEN_NOTHING(payment);
}

static void a_declined_charge_has_failed_for_good(void **state) {
    struct given *payment = *state;
    when(payment, outcome(CHARGE, "declined", 0));
    THEN(payment, EVENT_PAYMENT_FAILED);
    assert_str(told_order(payment)->result, "failed");
    assert_str(told_order(payment)->code, "no_funds");
    when(payment, outcome(CHARGE, "declined", 0));
    THEN_NOTHING(payment);
}

static void a_declined_capture_has_failed_too(void **state) {
    struct given *payment = *state;
    when(payment, outcome(CAPTURE, "declined", 1000));
    THEN(payment, EVENT_PAYMENT_FAILED, EVENT_PAYMENT_VOID_REQUESTED);
    assert_str(told_order(payment)->result, "failed");
    when(payment, outcome(CAPTURE, "declined", 1000));
    THEN_NOTHING(payment);
    when(payment, outcome(CHARGE, "authorized", 1000));
    THEN_NOTHING(payment);
}

static void what_a_declined_capture_had_held_is_let_go_of(void **state) {
    struct given *payment = *state;
    when(payment, outcome(CAPTURE, "declined", 1000));
    assert_str(made(payment, 1)->as.payment_void_requested.intent, VOID);
    assert_str(made(payment, 1)->as.payment_void_requested.reason, "capture_declined");
    when(payment, let_go());
    THEN_NOTHING(payment);
    when(payment, outcome(VOID, "voided", 0));
    THEN(payment, EVENT_PAYMENT_VOIDED);
    assert_str(now(payment)->failure_code, "no_funds");
    when(payment, outcome(CAPTURE, "captured", 1000)); /* it went through after all */
    THEN(payment, EVENT_PAYMENT_CAPTURED);
    assert_str(told_order(payment)->result, "captured");
}

static void a_hold_left_by_a_declined_capture_can_be_voided(void **state) {
    struct given *payment = *state;
    given(payment, (struct event){.type = EVENT_PAYMENT_FAILED, .as.payment_failed = {STR("no_funds"), STR("no")}});
    when(payment, let_go());
    THEN(payment, EVENT_PAYMENT_VOID_REQUESTED);
    when(payment, outcome(VOID, "void_refused", 0));
    THEN(payment, EVENT_PAYMENT_VOID_REFUSED);
    when(payment, let_go());
    THEN_REFUSED(payment, REJECT_PAYMENT_NOT_VOIDABLE, "");
}

static void a_step_asked_of_the_shopper_is_told_to_the_order(void **state) {
    struct given *payment = *state;
    struct command command = outcome(CHARGE, "action_required", 1000);
    command.as.record_provider_outcome.has_action_url = true;
    command.as.record_provider_outcome.action_url = STR("https://pay.example/step");
    when(payment, command);
    THEN(payment, EVENT_PAYMENT_ACTION_REQUIRED);
    assert_str(told_order(payment)->result, "action_required");
    assert_str(told_order(payment)->action_url, "https://pay.example/step");
    when(payment, command);
    THEN_NOTHING(payment);
    when(payment, outcome(CHARGE, "authorized", 1000));
    THEN(payment, EVENT_PAYMENT_AUTHORIZED, EVENT_PAYMENT_CAPTURE_REQUESTED);
}

static void a_success_after_the_failure_counts(void **state) {
    struct given *payment = *state;
    when(payment, outcome(CHARGE, "captured", 1000));
    THEN(payment, EVENT_PAYMENT_CAPTURED);
    assert_str(told_order(payment)->result, "captured");
    assert_str(now(payment)->failure_code, "");
}

/* It is recorded with its reason, and moves neither money nor status. An order that has no result yet hears that it
 * waits for a person. */
static void assert_outcome_refused(const struct given *payment, const char *intent, const char *reason) {
    THEN(payment, EVENT_PAYMENT_OUTCOME_REFUSED);
    if (now(payment)->status == PAYMENT_STATUS_CAPTURED) {
        THEN_SENDS(payment, 0);
    } else {
        assert_str(told_order(payment)->result, "action_required");
    }
    assert_str(made(payment, 0)->as.payment_outcome_refused.intent, intent);
    assert_str(made(payment, 0)->as.payment_outcome_refused.reason, reason);
    char code[96];
    (void)snprintf(code, sizeof code, "outcome_refused%s.%s", intent + strlen(PAYMENT), reason);
    assert_str(now(payment)->failure_code, code);
}

static void more_than_was_asked_for_is_not_bent_to_fit(void **state) {
    struct given *payment = *state;
    enum payment_status before = now(payment)->status;
    when(payment, outcome(CHARGE, "captured", 1001));
    assert_outcome_refused(payment, CHARGE, "amount_too_large");
    assert_int_equal(made(payment, 0)->as.payment_outcome_refused.amount.amount, 1001);
    when(payment, outcome(CHARGE, "authorized", 1001));
    THEN_NOTHING(payment); /* that is known */
    when(payment, outcome(CHARGE, "captured", -1));
    assert_outcome_refused(payment, CHARGE, "nothing_to_change");
    struct command dollars = outcome(CHARGE, "captured", 1000);
    dollars.as.record_provider_outcome.amount.currency = STR("USD");
    when(payment, dollars);
    assert_outcome_refused(payment, CHARGE, "currency_mismatch");
    when(payment, outcome(CHARGE, "refunded", 1000));
    assert_outcome_refused(payment, CHARGE, "unexpected_result");
    assert_int_equal(now(payment)->status, before);
    assert_sums(payment, 0, 0, 0, 0);
    /* Corrected, it counts. */
    when(payment, outcome(CHARGE, "captured", 1000));
    THEN(payment, EVENT_PAYMENT_CAPTURED);
    assert_str(now(payment)->failure_code, "");
    assert_sums(payment, 1000, 1000, 0, 0);
}

static void never_more_is_captured_than_was_authorized(void **state) {
    struct given *payment = *state;
    when(payment, outcome(CHARGE, "authorized", 600));
    THEN(payment, EVENT_PAYMENT_AUTHORIZED, EVENT_PAYMENT_CAPTURE_REQUESTED);
    when(payment, outcome(CAPTURE, "captured", 601));
    assert_outcome_refused(payment, CAPTURE, "amount_too_large");
    when(payment, outcome(CAPTURE, "captured", 600));
    THEN(payment, EVENT_PAYMENT_CAPTURED);
    assert_int_equal(told_order(payment)->amount.amount, 600);
    assert_sums(payment, 600, 600, 0, 0);
}

static void what_was_never_asked_for_is_refused(void **state) {
    struct given *payment = *state;
    const char *const intents[] = {"",
                                   PAYMENT,
                                   PAYMENT ".",
                                   PAYMENT ".chargé",
                                   CAPTURE,
                                   PAYMENT ".capture.2",
                                   VOID,
                                   PAYMENT ".refund.1",
                                   PAYMENT ".refund.0",
                                   PAYMENT ".refund.x",
                                   "pay_" KEY ".1.2.charge"};
    for (size_t i = 0; i < ARRAY_LENGTH(intents); i++) {
        when(payment, outcome(intents[i], "captured", 1000));
        THEN_REFUSED(payment, REJECT_UNKNOWN_INTENT, "/intent");
    }
}

/* ---- capturing on request ---------------------------------------------------------------------------------------- */

static void what_is_authorized_can_be_captured_in_part(void **state) {
    struct given *payment = *state;
    when(payment, capture(1001));
    THEN_REFUSED(payment, REJECT_AMOUNT_TOO_LARGE, "/amount/amount");
    when(payment, capture(0));
    THEN_REFUSED(payment, REJECT_NOTHING_TO_CHANGE, "/amount/amount");
    when(payment, capture(400));
    THEN(payment, EVENT_PAYMENT_CAPTURE_REQUESTED);
    when(payment, outcome(CAPTURE, "captured", 400));
    THEN(payment, EVENT_PAYMENT_CAPTURED);
    assert_sums(payment, 1000, 400, 0, 0);
    when(payment, capture(1));
    THEN_REFUSED(payment, REJECT_PAYMENT_NOT_CAPTURABLE, "");
}

static void there_is_one_capture(void **state) {
    struct given *payment = *state;
    when(payment, capture(1000));
    THEN_REFUSED(payment, REJECT_PAYMENT_NOT_CAPTURABLE, "");
}

static void what_is_not_authorized_cannot_be_captured(void **state) {
    struct given *payment = *state;
    when(payment, capture(1000));
    THEN_REFUSED(payment, REJECT_PAYMENT_NOT_CAPTURABLE, "");
}

/* ---- voiding ----------------------------------------------------------------------------------------------------- */

static void an_uncaptured_payment_is_voided_once(void **state) {
    struct given *payment = *state;
    when(payment, let_go());
    THEN(payment, EVENT_PAYMENT_VOID_REQUESTED);
    assert_str(made(payment, 0)->as.payment_void_requested.intent, VOID);
    when(payment, let_go());
    THEN_NOTHING(payment);
    when(payment, outcome(VOID, "voided", 0));
    THEN(payment, EVENT_PAYMENT_VOIDED);
    assert_str(told_order(payment)->result, "failed");
    assert_str(told_order(payment)->code, "voided");
    when(payment, outcome(VOID, "voided", 0));
    THEN_NOTHING(payment);
    when(payment, let_go());
    THEN_NOTHING(payment);
    when(payment, outcome(CHARGE, "authorized", 1000));
    THEN_NOTHING(payment);
    when(payment, outcome(CHARGE, "declined", 1000));
    THEN_NOTHING(payment);
}

static void money_taken_before_the_void_arrived_is_told_to_the_order(void **state) {
    struct given *payment = *state;
    when(payment, outcome(VOID, "void_refused", 0));
    THEN(payment, EVENT_PAYMENT_VOID_REFUSED);
    when(payment, outcome(VOID, "void_refused", 0));
    THEN_NOTHING(payment);
    when(payment, outcome(CHARGE, "captured", 1000));
    THEN(payment, EVENT_PAYMENT_CAPTURED);
    assert_str(told_order(payment)->result, "captured");
    when(payment, let_go());
    THEN_REFUSED(payment, REJECT_PAYMENT_NOT_VOIDABLE, "");
}

static void the_same_when_the_charge_is_heard_of_first(void **state) {
    struct given *payment = *state;
    when(payment, outcome(CHARGE, "captured", 1000));
    THEN(payment, EVENT_PAYMENT_CAPTURED);
    when(payment, outcome(VOID, "voided", 0));
    assert_outcome_refused(payment, VOID, "unexpected_result");
    when(payment, outcome(VOID, "void_refused", 0));
    THEN(payment, EVENT_PAYMENT_VOID_REFUSED);
    when(payment, outcome(VOID, "void_refused", 0));
    THEN_NOTHING(payment);
}

static void a_payment_that_is_being_voided_is_not_captured(void **state) {
    struct given *payment = *state;
    when(payment, outcome(CHARGE, "authorized", 1000));
    THEN(payment, EVENT_PAYMENT_AUTHORIZED);
    when(payment, capture(1000));
    THEN_REFUSED(payment, REJECT_PAYMENT_NOT_CAPTURABLE, "");
    when(payment, outcome(VOID, "voided", 0));
    THEN(payment, EVENT_PAYMENT_VOIDED);
    assert_sums(payment, 1000, 0, 0, 0);
}

static void a_hold_that_the_provider_does_not_let_go_of_is_captured_so_that_it_can_be_returned(void **state) {
    struct given *payment = *state;
    when(payment, outcome(CHARGE, "authorized", 1000));
    THEN(payment, EVENT_PAYMENT_AUTHORIZED);
    when(payment, outcome(VOID, "void_refused", 0));
    THEN(payment, EVENT_PAYMENT_VOID_REFUSED, EVENT_PAYMENT_CAPTURE_REQUESTED);
    assert_int_equal(made(payment, 1)->as.payment_capture_requested.amount.amount, 1000);
    when(payment, let_go());
    THEN_REFUSED(payment, REJECT_PAYMENT_NOT_VOIDABLE, "");
    when(payment, outcome(CAPTURE, "captured", 1000));
    THEN(payment, EVENT_PAYMENT_CAPTURED);
    assert_str(told_order(payment)->result, "captured");
}

static void the_same_when_the_void_was_refused_before_the_authorization(void **state) {
    struct given *payment = *state;
    when(payment, outcome(VOID, "void_refused", 0));
    THEN(payment, EVENT_PAYMENT_VOID_REFUSED);
    when(payment, outcome(CHARGE, "authorized", 1000));
    THEN(payment, EVENT_PAYMENT_AUTHORIZED, EVENT_PAYMENT_CAPTURE_REQUESTED);
    when(payment, outcome(CAPTURE, "captured", 1000));
    THEN(payment, EVENT_PAYMENT_CAPTURED);
    assert_str(told_order(payment)->result, "captured");
}

static void a_void_is_answered_though_the_charge_has_failed_meanwhile(void **state) {
    struct given *payment = *state;
    when(payment, outcome(CHARGE, "declined", 0));
    THEN(payment, EVENT_PAYMENT_FAILED);
    when(payment, outcome(VOID, "voided", 0));
    THEN(payment, EVENT_PAYMENT_VOIDED);
    when(payment, outcome(CHARGE, "captured", 1000));
    THEN(payment, EVENT_PAYMENT_CAPTURED);
}

static void a_success_after_the_void_is_recorded_so_that_it_can_be_refunded(void **state) {
    struct given *payment = *state;
    when(payment, outcome(VOID, "voided", 0));
    when(payment, outcome(CHARGE, "captured", 1000));
    THEN(payment, EVENT_PAYMENT_CAPTURED);
    assert_str(told_order(payment)->result, "captured");
    when(payment, refund_all());
    THEN(payment, EVENT_REFUND_REQUESTED);
}

static void what_is_captured_or_failed_is_not_voided(void **state) {
    struct given *payment = *state;
    when(payment, let_go());
    THEN_REFUSED(payment, REJECT_PAYMENT_NOT_VOIDABLE, "");
}

/* ---- refunding --------------------------------------------------------------------------------------------------- */

static void nothing_is_refunded_before_it_is_captured(void **state) {
    struct given *payment = *state;
    when(payment, refund_all());
    THEN_REFUSED(payment, REJECT_PAYMENT_NOT_REFUNDABLE, "");
}

static void refundable_is_captured_less_refunded_less_pending(void **state) {
    struct given *payment = *state;
    when(payment, refund(300));
    THEN(payment, EVENT_REFUND_REQUESTED);
    assert_str(made(payment, 0)->as.refund_requested.intent, PAYMENT ".refund.1");
    assert_sums(payment, 1000, 1000, 0, 300);
    when(payment, refund(701));
    THEN_REFUSED(payment, REJECT_AMOUNT_TOO_LARGE, "/amount/amount");
    when(payment, outcome(PAYMENT ".refund.1", "refunded", 300));
    THEN(payment, EVENT_PAYMENT_REFUNDED);
    assert_sums(payment, 1000, 1000, 300, 0);
    when(payment, outcome(PAYMENT ".refund.1", "refunded", 300));
    THEN_NOTHING(payment);
    when(payment, refund(701));
    THEN_REFUSED(payment, REJECT_AMOUNT_TOO_LARGE, "/amount/amount");
    when(payment, refund_all());
    THEN(payment, EVENT_REFUND_REQUESTED);
    assert_int_equal(made(payment, 0)->as.refund_requested.amount.amount, 700);
    assert_str(made(payment, 0)->as.refund_requested.intent, PAYMENT ".refund.2");
    when(payment, refund_all());
    THEN_REFUSED(payment, REJECT_PAYMENT_NOT_REFUNDABLE, "");
}

static void a_failed_refund_can_be_asked_for_again(void **state) {
    struct given *payment = *state;
    when(payment, refund_all());
    when(payment, outcome(PAYMENT ".refund.1", "refund_failed", 1000));
    THEN(payment, EVENT_REFUND_FAILED);
    assert_sums(payment, 1000, 1000, 0, 0);
    when(payment, outcome(PAYMENT ".refund.1", "refund_failed", 1000));
    THEN_NOTHING(payment);
    when(payment, refund_all());
    THEN(payment, EVENT_REFUND_REQUESTED);
    /* The first one went through after all: there is no more to give than what was captured. */
    when(payment, outcome(PAYMENT ".refund.1", "refunded", 1000));
    assert_outcome_refused(payment, PAYMENT ".refund.1", "amount_too_large");
    when(payment, outcome(PAYMENT ".refund.2", "refund_failed", 1000));
    when(payment, outcome(PAYMENT ".refund.1", "refunded", 1000));
    THEN(payment, EVENT_PAYMENT_REFUNDED);
    assert_sums(payment, 1000, 1000, 1000, 0);
}

static void a_refund_needs_a_sum_in_the_payments_currency(void **state) {
    struct given *payment = *state;
    when(payment, refund(0));
    THEN_REFUSED(payment, REJECT_NOTHING_TO_CHANGE, "/amount/amount");
    when(payment, refund(INT64_MIN));
    THEN_REFUSED(payment, REJECT_NOTHING_TO_CHANGE, "/amount/amount");
    struct command dollars = refund(10);
    dollars.as.refund_payment.amount.currency = STR("USD");
    when(payment, dollars);
    THEN_REFUSED(payment, REJECT_CURRENCY_MISMATCH, "/amount/currency");
}

static void a_payment_has_at_most_100_refunds(void **state) {
    struct given *payment = *state;
    for (int i = 0; i < PAYMENT_MAX_REFUNDS - 1; i++) {
        when(payment, refund(1));
        THEN(payment, EVENT_REFUND_REQUESTED);
    }
    when(payment, refund(1));
    THEN_REFUSED(payment, REJECT_TOO_MANY_REFUNDS, "");
    when(payment, refund_all());
    THEN(payment, EVENT_REFUND_REQUESTED);
    when(payment, outcome(PAYMENT ".refund.1", "refund_failed", 0));
    when(payment, refund_all());
    THEN_REFUSED(payment, REJECT_TOO_MANY_REFUNDS, "");
}

/* ---- whatever is said -------------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static struct command anything(uint64_t *seed) {
    static const char *const intents[] = {CHARGE, CHARGE, CAPTURE, VOID, PAYMENT ".refund.1", PAYMENT ".refund.2"};
    static const char *const results[] = {"authorized", "captured",     "declined",    "action_required",
                                          "voided",     "void_refused", "refunded",    "refund_failed",
                                          "disputed",   "dispute_won",  "dispute_lost"};
    int64_t amount_minor = (int64_t)(next_random(seed) % 4) * 400 + 1;
    switch (next_random(seed) % 8) {
    case 0:
        return refund(amount_minor);
    case 1:
        return let_go();
    case 2:
        return capture(amount_minor);
    default: {
        struct command command = outcome(intents[next_random(seed) % 6], results[next_random(seed) % 11], amount_minor);
        command.as.record_provider_outcome.provider_ref = next_random(seed) % 2 == 0 ? STR("ch_1") : STR("ch_2");
        return command;
    }
    }
}

static void the_sums_hold_whatever_is_said_and_asked(void **state) {
    (void)state;
    const char *only = getenv("SEED");
    uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 1;
    uint64_t last = only != NULL ? first : 200;
    for (uint64_t seed = first; seed <= last; seed++) {
        printf("seed %llu%s", (unsigned long long)seed, seed == last ? "\n" : "\r");
        (void)fflush(stdout);
        uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15);
        struct given payment;
        given_begin(&payment, STR(PAYMENT));
        when(&payment, request());
        int captures = 0;
        for (int i = 0; i < 60; i++) {
            struct command command = anything(&random);
            when(&payment, command);
            for (uint32_t k = 0; k < payment.decision.events.count; k++) {
                captures += made(&payment, k)->type == EVENT_PAYMENT_CAPTURED;
            }
            const struct payment_state *sums = now(&payment);
            assert_true(sums->refunded >= 0 && sums->refund_pending >= 0);
            assert_true(sums->refunded + sums->refund_pending <= sums->captured);
            assert_true(sums->captured <= sums->authorized);
            assert_true(sums->authorized <= sums->amount.amount);
            for (uint32_t k = 0; k < sums->disputes.count; k++) {
                assert_true(sums->disputes.items[k].amount.amount <= sums->amount.amount);
            }
            assert_true(payment_contested_now(sums) >= 0 && payment_lost(sums) >= 0);
            if (command.type == COMMAND_RECORD_PROVIDER_OUTCOME) {
                when(&payment, command); /* an outcome told twice is one */
                assert_int_equal(payment.decision.events.count, 0);
            }
        }
        assert_true(captures <= 1);
        given_check_history(&payment);
        given_end(&payment);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN(, a_request_writes_the_key_before_the_provider_is_called),
        IN(, an_unknown_payment_takes_nothing),
        IN(_requested, a_charge_that_is_captured_in_one_call_is_told_to_the_order),
        IN(_requested, an_authorized_charge_is_captured_at_once_under_a_key_of_its_own),
        IN(_requested, a_declined_charge_has_failed_for_good),
        IN(_capturing, a_declined_capture_has_failed_too),
        IN(_capturing, what_a_declined_capture_had_held_is_let_go_of),
        IN(_capturing, a_hold_left_by_a_declined_capture_can_be_voided),
        IN(_requested, a_step_asked_of_the_shopper_is_told_to_the_order),
        IN(_failed, a_success_after_the_failure_counts),
        IN(_requested, more_than_was_asked_for_is_not_bent_to_fit),
        IN(_requested, never_more_is_captured_than_was_authorized),
        IN(_requested, what_was_never_asked_for_is_refused),
        IN(_authorized, what_is_authorized_can_be_captured_in_part),
        IN(_capturing, there_is_one_capture),
        IN(_captured, there_is_one_capture),
        IN(_requested, what_is_not_authorized_cannot_be_captured),
        IN(_failed, what_is_not_authorized_cannot_be_captured),
        IN(_requested, an_uncaptured_payment_is_voided_once),
        IN(_voiding, money_taken_before_the_void_arrived_is_told_to_the_order),
        IN(_voiding, the_same_when_the_charge_is_heard_of_first),
        IN(_voiding, a_payment_that_is_being_voided_is_not_captured),
        IN(_voiding, a_hold_that_the_provider_does_not_let_go_of_is_captured_so_that_it_can_be_returned),
        IN(_voiding, the_same_when_the_void_was_refused_before_the_authorization),
        IN(_voiding, a_void_is_answered_though_the_charge_has_failed_meanwhile),
        IN(_voiding, a_success_after_the_void_is_recorded_so_that_it_can_be_refunded),
        IN(_captured, what_is_captured_or_failed_is_not_voided),
        IN(_failed, what_is_captured_or_failed_is_not_voided),
        IN(_requested, nothing_is_refunded_before_it_is_captured),
        IN(_capturing, nothing_is_refunded_before_it_is_captured),
        IN(_captured, refundable_is_captured_less_refunded_less_pending),
        IN(_captured, a_failed_refund_can_be_asked_for_again),
        IN(_captured, a_refund_needs_a_sum_in_the_payments_currency),
        IN(_captured, a_payment_has_at_most_100_refunds),
        cmocka_unit_test(the_sums_hold_whatever_is_said_and_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
