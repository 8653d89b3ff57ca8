/* What payers contest, in given/when/then. */
#include "core/domain/payment/test_payment.h"

static struct command told(const char *result, const char *name, int64_t amount_minor) {
    struct command command = outcome(CHARGE, result, amount_minor);
    command.as.record_provider_outcome.provider_ref = str_of_cstr(name);
    command.as.record_provider_outcome.code = STR("fraudulent");
    return command;
}

/* As an order asks for it that keeps nothing of the payment. */
static struct command refund_owed(void) {
    struct command command = refund_all();
    command.as.refund_payment.has_reason = true;
    command.as.refund_payment.reason = STR("order_cancelled");
    command.as.refund_payment.owed = true;
    return command;
}

/* 400 of 1000 are contested. */
static int begin_disputed(void **state) {
    begin_captured(state);
    when(*state, told("disputed", "dp_1", 400));
    return 0;
}

static void assert_contested(const struct given *payment, int64_t open_minor, int64_t lost_minor) {
    assert_int_equal(payment_contested_now(now(payment)), open_minor);
    assert_int_equal(payment_lost(now(payment)), lost_minor);
}

static void what_is_contested_is_held_and_told_to_nobody_else(void **state) {
    struct given *payment = *state;
    struct command command = told("disputed", "dp_1", 400);
    command.as.record_provider_outcome.has_respond_by = true;
    command.as.record_provider_outcome.respond_by = 12345678;
    when(payment, command);
    THEN(payment, EVENT_PAYMENT_DISPUTED);
    THEN_SENDS(payment, 0);
    const struct payment_disputed *event = &made(payment, 0)->as.payment_disputed;
    assert_str(event->dispute, "dp_1");
    assert_str(event->reason, "fraudulent");
    assert_int_equal(event->amount.amount, 400);
    assert_true(event->has_respond_by && event->respond_by == 12345678);
    assert_int_equal(now(payment)->status, PAYMENT_STATUS_CAPTURED);
    assert_contested(payment, 400, 0);
    assert_int_equal(payment_refundable(now(payment)), 600);
}

static void a_dispute_that_is_won_gives_its_money_back_to_us(void **state) {
    struct given *payment = *state;
    when(payment, told("dispute_won", "dp_1", 400));
    THEN(payment, EVENT_DISPUTE_CLOSED);
    assert_str(made(payment, 0)->as.dispute_closed.outcome, "won");
    assert_int_equal(made(payment, 0)->as.dispute_closed.amount.amount, 400);
    assert_contested(payment, 0, 0);
    when(payment, refund(1000));
    THEN(payment, EVENT_REFUND_REQUESTED);
}

static void a_dispute_that_is_lost_is_never_refunded(void **state) {
    struct given *payment = *state;
    when(payment, told("dispute_lost", "dp_1", 400));
    THEN(payment, EVENT_DISPUTE_CLOSED);
    assert_str(made(payment, 0)->as.dispute_closed.outcome, "lost");
    assert_contested(payment, 0, 400);
    when(payment, refund(601));
    THEN_REFUSED(payment, REJECT_AMOUNT_TOO_LARGE, "/amount/amount");
    when(payment, refund_all());
    THEN(payment, EVENT_REFUND_REQUESTED);
    assert_int_equal(made(payment, 0)->as.refund_requested.amount.amount, 600);
    when(payment, refund_all());
    THEN_REFUSED(payment, REJECT_PAYMENT_NOT_REFUNDABLE, "");
}

static void each_is_told_more_than_once_and_counts_once(void **state) {
    struct given *payment = *state;
    when(payment, told("disputed", "dp_1", 400));
    THEN_NOTHING(payment);
    when(payment, told("dispute_won", "dp_1", 400));
    when(payment, told("dispute_won", "dp_1", 400));
    THEN_NOTHING(payment);
    when(payment, told("disputed", "dp_1", 400)); /* its beginning, overtaken */
    THEN_NOTHING(payment);
    assert_contested(payment, 0, 0);
}

static void an_end_that_overtakes_its_beginning_tells_of_both(void **state) {
    struct given *payment = *state;
    when(payment, told("dispute_lost", "dp_1", 400));
    THEN(payment, EVENT_PAYMENT_DISPUTED, EVENT_DISPUTE_CLOSED);
    assert_contested(payment, 0, 400);
}

static void another_end_than_the_first_is_for_a_person_to_look_at(void **state) {
    struct given *payment = *state;
    when(payment, told("dispute_won", "dp_1", 400));
    when(payment, told("dispute_lost", "dp_1", 400));
    THEN(payment, EVENT_PAYMENT_OUTCOME_REFUSED);
    assert_str(made(payment, 0)->as.payment_outcome_refused.reason, "unexpected_result");
    assert_contested(payment, 0, 0);
}

static void no_more_is_contested_than_was_taken(void **state) {
    struct given *payment = *state;
    when(payment, told("disputed", "dp_2", 1001));
    THEN(payment, EVENT_PAYMENT_OUTCOME_REFUSED);
    assert_str(made(payment, 0)->as.payment_outcome_refused.reason, "amount_too_large");
    when(payment, told("dispute_lost", "dp_2", 1001)); /* and its end is not taken for the same word */
    THEN(payment, EVENT_PAYMENT_OUTCOME_REFUSED);
    when(payment, told("disputed", "dp_3", 0));
    THEN(payment, EVENT_PAYMENT_OUTCOME_REFUSED);
    struct command dollars = told("disputed", "dp_4", 100);
    dollars.as.record_provider_outcome.amount.currency = STR("USD");
    when(payment, dollars);
    THEN(payment, EVENT_PAYMENT_OUTCOME_REFUSED);
    when(payment, told("disputed", "dp_5", 600));
    THEN(payment, EVENT_PAYMENT_DISPUTED);
    when(payment, refund_all());
    THEN_REFUSED(payment, REJECT_PAYMENT_DISPUTED, "");
}

static void a_dispute_has_a_name_and_is_of_what_took_the_money(void **state) {
    struct given *payment = *state;
    when(payment, told("disputed", "", 400));
    THEN_REFUSED(payment, REJECT_MALFORMED_COMMAND, "");
    struct command command = told("disputed", "dp_1", 400);
    command.as.record_provider_outcome.intent = STR("elsewhere");
    when(payment, command);
    THEN_REFUSED(payment, REJECT_UNKNOWN_INTENT, "/intent");
}

/* Webhooks come in any order: the next one may begin before we hear that the one before has ended. */
static void a_dispute_is_held_against_what_was_taken_and_not_against_others(void **state) {
    struct given *payment = *state;
    when(payment, told("disputed", "dp_2", 1000));
    THEN(payment, EVENT_PAYMENT_DISPUTED);
    assert_contested(payment, 1400, 0);
    when(payment, refund_owed());
    THEN(payment, EVENT_REFUND_DEFERRED);
    when(payment, told("dispute_won", "dp_1", 400));
    THEN(payment, EVENT_DISPUTE_CLOSED); /* the other one holds all of it */
    when(payment, told("dispute_won", "dp_2", 1000));
    THEN(payment, EVENT_DISPUTE_CLOSED, EVENT_REFUND_REQUESTED);
    assert_int_equal(made(payment, 1)->as.refund_requested.amount.amount, 1000);
}

static void a_dispute_that_changes_its_amount_is_for_a_person_to_look_at(void **state) {
    struct given *payment = *state;
    static const char *const results[] = {"disputed", "dispute_won", "dispute_lost"};
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++) {
        when(payment, told(results[i], "dp_1", 399));
        THEN(payment, EVENT_PAYMENT_OUTCOME_REFUSED);
        assert_str(made(payment, 0)->as.payment_outcome_refused.reason, "amount_mismatch");
    }
    assert_contested(payment, 400, 0);
    when(payment, told("dispute_lost", "dp_1", 0)); /* an end need not say it again */
    THEN(payment, EVENT_DISPUTE_CLOSED);
    assert_contested(payment, 0, 400);
}

static void a_payment_has_at_most_20_disputes(void **state) {
    struct given *payment = *state;
    for (int i = 0; i < PAYMENT_MAX_DISPUTES; i++) {
        char name[16];
        snprintf(name, sizeof name, "dp_%d", i);
        when(payment, told("disputed", arena_printf(&payment->arena, "%s", name).data, 1));
        THEN(payment, EVENT_PAYMENT_DISPUTED);
    }
    when(payment, told("disputed", "dp_more", 1));
    THEN(payment, EVENT_PAYMENT_OUTCOME_REFUSED);
    assert_str(made(payment, 0)->as.payment_outcome_refused.reason, "too_many_disputes");
}

/* The webhook of a bank may come before we hear of the capture. */
static void a_dispute_may_be_told_of_before_the_capture(void **state) {
    struct given *payment = *state;
    when(payment, told("disputed", "dp_1", 1000));
    THEN(payment, EVENT_PAYMENT_DISPUTED);
    when(payment, outcome(CHARGE, "captured", 1000));
    THEN(payment, EVENT_PAYMENT_CAPTURED);
    assert_contested(payment, 1000, 0);
    assert_int_equal(payment_refundable(now(payment)), 0);
}

/* ---- what is owed meanwhile -------------------------------------------------------------------------------------- */

static void what_is_owed_and_not_contested_goes_back_at_once(void **state) {
    struct given *payment = *state;
    when(payment, refund_owed());
    THEN(payment, EVENT_REFUND_REQUESTED, EVENT_REFUND_DEFERRED);
    assert_int_equal(made(payment, 0)->as.refund_requested.amount.amount, 600);
    assert_str(made(payment, 1)->as.refund_deferred.reason, "order_cancelled");
}

static void what_is_owed_and_contested_goes_back_once_it_is_won(void **state) {
    struct given *payment = *state;
    when(payment, refund_owed());
    when(payment, outcome(PAYMENT ".refund.1", "refunded", 600));
    when(payment, told("dispute_won", "dp_1", 400));
    THEN(payment, EVENT_DISPUTE_CLOSED, EVENT_REFUND_REQUESTED);
    assert_int_equal(made(payment, 1)->as.refund_requested.amount.amount, 400);
    assert_str(made(payment, 1)->as.refund_requested.reason, "order_cancelled");
    assert_str(made(payment, 1)->as.refund_requested.intent, PAYMENT ".refund.2");
    assert_sums(payment, 1000, 1000, 600, 400);
}

static void what_is_owed_and_lost_has_gone_back_already(void **state) {
    struct given *payment = *state;
    when(payment, refund_owed());
    when(payment, told("dispute_lost", "dp_1", 400));
    THEN(payment, EVENT_DISPUTE_CLOSED);
    assert_sums(payment, 1000, 1000, 0, 600);
}

static void all_of_it_contested_is_owed_as_a_whole(void **state) {
    struct given *payment = *state;
    when(payment, told("disputed", "dp_1", 1000));
    when(payment, refund_owed());
    THEN(payment, EVENT_REFUND_DEFERRED);
    when(payment, refund_owed()); /* asked again */
    THEN_NOTHING(payment);
    when(payment, told("dispute_won", "dp_1", 1000));
    THEN(payment, EVENT_DISPUTE_CLOSED, EVENT_REFUND_REQUESTED);
    assert_int_equal(made(payment, 1)->as.refund_requested.amount.amount, 1000);
}

/* Each dispute that is won frees what it held, and no other's. */
static void of_two_disputes_each_gives_back_its_own(void **state) {
    struct given *payment = *state;
    when(payment, told("disputed", "dp_2", 600));
    when(payment, refund_owed());
    THEN(payment, EVENT_REFUND_DEFERRED);
    when(payment, told("dispute_won", "dp_2", 600));
    THEN(payment, EVENT_DISPUTE_CLOSED, EVENT_REFUND_REQUESTED);
    assert_int_equal(made(payment, 1)->as.refund_requested.amount.amount, 600);
    when(payment, told("dispute_won", "dp_1", 400));
    THEN(payment, EVENT_DISPUTE_CLOSED, EVENT_REFUND_REQUESTED);
    assert_int_equal(made(payment, 1)->as.refund_requested.amount.amount, 400);
    assert_sums(payment, 1000, 1000, 0, 1000);
}

/* The second one is of what was refunded: while it is open nothing is free, and its end frees what the first had. */
static void no_more_goes_back_than_is_left(void **state) {
    struct given *payment = *state;
    when(payment, refund_owed());
    when(payment, outcome(PAYMENT ".refund.1", "refunded", 600));
    when(payment, told("disputed", "dp_2", 600));
    THEN(payment, EVENT_PAYMENT_DISPUTED);
    when(payment, told("dispute_won", "dp_1", 400));
    THEN(payment, EVENT_DISPUTE_CLOSED);
    when(payment, told("dispute_won", "dp_2", 600));
    THEN(payment, EVENT_DISPUTE_CLOSED, EVENT_REFUND_REQUESTED);
    assert_int_equal(made(payment, 1)->as.refund_requested.amount.amount, 400);
}

/* The provider knew of the dispute before we did, and refused. */
static void a_refund_that_was_owed_and_failed_is_asked_for_again_once_the_dispute_is_won(void **state) {
    struct given *payment = *state;
    when(payment, refund_owed());
    THEN(payment, EVENT_REFUND_REQUESTED);
    assert_true(made(payment, 0)->as.refund_requested.owed);
    when(payment, outcome(PAYMENT ".refund.1", "refund_failed", 0));
    when(payment, told("disputed", "dp_1", 1000));
    when(payment, told("dispute_won", "dp_1", 1000));
    THEN(payment, EVENT_DISPUTE_CLOSED, EVENT_REFUND_REQUESTED);
    assert_int_equal(made(payment, 1)->as.refund_requested.amount.amount, 1000);
    assert_true(made(payment, 1)->as.refund_requested.owed);
}

static void what_is_owed_while_another_refund_is_under_way_is_remembered(void **state) {
    struct given *payment = *state;
    when(payment, refund(1000));
    assert_false(made(payment, 0)->as.refund_requested.owed);
    when(payment, refund_owed());
    THEN(payment, EVENT_REFUND_DEFERRED);
}

static void nothing_is_owed_where_nothing_is_left(void **state) {
    struct given *payment = *state;
    when(payment, told("dispute_lost", "dp_1", 400));
    when(payment, refund_all());
    when(payment, outcome(PAYMENT ".refund.1", "refunded", 600));
    when(payment, refund_owed());
    THEN_REFUSED(payment, REJECT_PAYMENT_NOT_REFUNDABLE, "");
}

/* A bank lets the payer contest what was given back as well; what is owed is not given back twice for it. */
static void a_dispute_of_what_was_refunded_moves_nothing_when_it_is_won(void **state) {
    struct given *payment = *state;
    when(payment, refund_owed());
    when(payment, outcome(PAYMENT ".refund.1", "refunded", 1000));
    when(payment, told("disputed", "dp_1", 1000));
    THEN(payment, EVENT_PAYMENT_DISPUTED);
    when(payment, told("dispute_won", "dp_1", 1000));
    THEN(payment, EVENT_DISPUTE_CLOSED);
    assert_sums(payment, 1000, 1000, 1000, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN(_captured, what_is_contested_is_held_and_told_to_nobody_else),
        IN(_disputed, a_dispute_that_is_won_gives_its_money_back_to_us),
        IN(_disputed, a_dispute_that_is_lost_is_never_refunded),
        IN(_disputed, each_is_told_more_than_once_and_counts_once),
        IN(_captured, an_end_that_overtakes_its_beginning_tells_of_both),
        IN(_disputed, another_end_than_the_first_is_for_a_person_to_look_at),
        IN(_disputed, no_more_is_contested_than_was_taken),
        IN(_captured, a_dispute_has_a_name_and_is_of_what_took_the_money),
        IN(_disputed, a_dispute_is_held_against_what_was_taken_and_not_against_others),
        IN(_disputed, a_dispute_that_changes_its_amount_is_for_a_person_to_look_at),
        IN(_captured, a_payment_has_at_most_20_disputes),
        IN(_captured, a_refund_that_was_owed_and_failed_is_asked_for_again_once_the_dispute_is_won),
        IN(_captured, what_is_owed_while_another_refund_is_under_way_is_remembered),
        IN(_requested, a_dispute_may_be_told_of_before_the_capture),
        IN(_disputed, what_is_owed_and_not_contested_goes_back_at_once),
        IN(_disputed, what_is_owed_and_contested_goes_back_once_it_is_won),
        IN(_disputed, what_is_owed_and_lost_has_gone_back_already),
        IN(_captured, all_of_it_contested_is_owed_as_a_whole),
        IN(_disputed, of_two_disputes_each_gives_back_its_own),
        IN(_disputed, no_more_goes_back_than_is_left),
        IN(_disputed, nothing_is_owed_where_nothing_is_left),
        IN(_captured, a_dispute_of_what_was_refunded_moves_nothing_when_it_is_won),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
