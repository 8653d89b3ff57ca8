/* The oracle: what is wrong with units, orders and money is found in a run in which just that is wrong. */
#include "core/testing/simulator/oracle_scene.h"

/* ---- stock ------------------------------------------------------------------------------------------------------- */

static void more_units_held_than_there_are_is_found(void **state) {
    (void)state;
    play();
    scene_reserve(STR("ord_01ARZ3NDEKTSV4RRFFQ69G5FAW.1"), 9, -1);
    expect("stock.negative");
}

static void one_unit_too_many(struct event *event) {
    event->as.stock_received.on_hand += event->type == EVENT_STOCK_RECEIVED;
}

static void totals_that_do_not_add_up_are_found(void **state) {
    (void)state;
    play_tampered(one_unit_too_many);
    expect_only("stock.sum");
}

static void a_hold_that_resolves_twice_is_found(void **state) {
    (void)state;
    play();
    struct event event = {.type = EVENT_RESERVATION_CONFIRMED};
    event.as.reservation_confirmed = (struct reservation_confirmed){SCENE_ORDER, 2};
    scene_event(SCENE_SKU_STREAM, STR(""), event);
    expect_only("stock.hold");
}

static void eleven_units(struct event *event) {
    if (event->type == EVENT_STOCK_RECEIVED) {
        event->as.stock_received.quantity++;
        event->as.stock_received.on_hand++;
    }
    event->as.stock_reserved.available += event->type == EVENT_STOCK_RESERVED;
}

static void units_that_no_client_sent_are_found(void **state) {
    (void)state;
    play_tampered(eleven_units);
    expect_only("stock.journal");
}

static void a_receipt_that_was_accepted_and_is_not_there_is_found(void **state) {
    (void)state;
    play();
    struct journal_entry *entry = scene_request(scene_receive(5), scene_id("cmd"), "another hash");
    struct outcome outcome = scene_accepted(entry, SCENE_SKU_STREAM, 1);
    scene_decide(entry, &outcome);
    expect_only("stock.journal");
}

static void twenty_units_in_the_order(struct event *event) {
    if (event->type == EVENT_ORDER_PLACED) {
        event->as.order_placed.lines.items[0].quantity = 20;
    }
}

static void more_units_sold_than_received_are_found(void **state) {
    (void)state;
    play_tampered(twenty_units_in_the_order);
    expect("stock.oversold");
}

static void a_confirmed_order_that_lost_its_units_is_found(void **state) {
    (void)state;
    play();
    scene_release(SCENE_ORDER, 2, SCENE_UNITS);
    struct oracle_options options = scene_options();
    struct oracle *oracle = oracle_judge(&options);
    assert_int_equal(oracle_violations_of(oracle, "stock.sold"), 1);
    assert_int_equal(oracle_violations_of(oracle, "stock.order"), 1);
    assert_int_equal(oracle_violation_count(oracle), 2);
    oracle_free(oracle);
    scene_end();
}

static void units_held_for_nobody_are_found(void **state) {
    (void)state;
    play();
    scene_reserve(STR("ord_01ARZ3NDEKTSV4RRFFQ69G5FAW.1"), 1, SCENE_UNITS - 3);
    expect_only("stock.order");
}

/* ---- orders and money -------------------------------------------------------------------------------------------- */

static void a_second_confirmation_is_found(void **state) {
    (void)state;
    play();
    struct event event = {.type = EVENT_ORDER_CONFIRMED, .as.order_confirmed.payment = SCENE_PAYMENT};
    scene_event(SCENE_ORDER, STR(""), event);
    expect("order.life");
}

/* As it is when nothing has answered the order. */
static void play_to(bool is_paying) {
    struct cart_line line = scene_line();
    scene_begin();
    scene_stock();
    scene.checkout = scene_request(scene_check_out(), scene_id("cmd"), "hash of the check-out");
    scene_place(&line);
    if (is_paying) {
        scene_reserve(SCENE_ORDER, 2, SCENE_UNITS - 2);
        scene_request_payment(&line);
    }
    struct outcome outcome = scene_accepted(scene.checkout, SCENE_ORDER, 1);
    scene_decide(scene.checkout, &outcome);
}

static void an_order_that_is_left_on_its_way_is_found(void **state) {
    (void)state;
    play_to(false);
    struct oracle_options options = scene_options();
    assert_false(oracle_is_settled(&options, NULL));
    expect_only("order.unsettled");
}

static void a_provider_that_was_never_heard_is_found(void **state) {
    (void)state;
    play_to(true);
    expect("settled.intent");
}

static void an_order_past_its_deadline_is_found(void **state) {
    (void)state;
    play_to(true);
    struct event event = {.type = EVENT_PAYMENT_FAILED};
    scene_event(SCENE_PAYMENT, STR(""), event);
    event = (struct event){.type = EVENT_ORDER_AWAITING_PAYMENT, .as.order_awaiting_payment.payment = SCENE_PAYMENT};
    scene_event(SCENE_ORDER, STR(""), event);
    expect_only("order.unsettled");
}

static void cancel_unasked(void) {
    struct event event = {.type = EVENT_ORDER_CANCELLED};
    event.as.order_cancelled.by = STR("deadline");
    scene_event(SCENE_ORDER, STR(""), event);
    scene_release(SCENE_ORDER, 2, SCENE_UNITS);
}

static void an_order_that_expires_under_its_payment_is_found(void **state) {
    (void)state;
    play_to(true);
    struct event event = {.type = EVENT_PAYMENT_FAILED};
    scene_event(SCENE_PAYMENT, STR(""), event);
    cancel_unasked();
    expect_only("order.expired");
}

static void a_paid_order_that_expires_is_found(void **state) {
    (void)state;
    play();
    cancel_unasked();
    expect("order.expired");
}

static void expect_nothing(void) {
    struct oracle_options options = scene_options();
    struct oracle *oracle = oracle_judge(&options);
    oracle_report(oracle, stderr);
    assert_int_equal(oracle_violation_count(oracle), 0);
    oracle_free(oracle);
    scene_end();
}

static void an_order_that_waits_may_expire(void **state) {
    (void)state;
    play_to(true);
    struct event event = {.type = EVENT_PAYMENT_FAILED};
    scene_event(SCENE_PAYMENT, STR(""), event);
    event = (struct event){.type = EVENT_ORDER_AWAITING_PAYMENT, .as.order_awaiting_payment.payment = SCENE_PAYMENT};
    scene_event(SCENE_ORDER, STR(""), event);
    cancel_unasked();
    expect_nothing();
}

static void a_second_capture_is_found(void **state) {
    (void)state;
    play();
    scene_capture(1);
    expect("money.capture");
}

static void refund(int32_t number, int64_t amount_minor) {
    struct event event = {.type = EVENT_REFUND_REQUESTED};
    event.as.refund_requested =
        (struct refund_requested){.refund = number, .amount = {amount_minor, STR("EUR")}, .reason = STR("request")};
    scene_event(SCENE_PAYMENT, STR(""), event);
    event = (struct event){.type = EVENT_PAYMENT_REFUNDED};
    event.as.payment_refunded = (struct payment_refunded){.refund = number, .amount = {amount_minor, STR("EUR")}};
    scene_event(SCENE_PAYMENT, STR(""), event);
}

static void a_refund_on_request_is_in_order(void **state) {
    (void)state;
    play();
    refund(1, 300);
    scene.payments[0].refunded_minor = 300;
    expect_nothing();
}

static void more_refunded_than_captured_is_found(void **state) {
    (void)state;
    play();
    refund(1, 600);
    refund(2, 600);
    scene.payments[0].refunded_minor = 1200;
    expect("money.refund");
}

static void dispute(const char *name, int64_t amount_minor, const char *outcome) {
    struct event event = {.type = EVENT_PAYMENT_DISPUTED};
    event.as.payment_disputed =
        (struct payment_disputed){.dispute = str_of_cstr(name), .amount = {amount_minor, STR("EUR")}};
    scene_event(SCENE_PAYMENT, STR(""), event);
    event = (struct event){.type = EVENT_DISPUTE_CLOSED};
    event.as.dispute_closed =
        (struct dispute_closed){str_of_cstr(name), {amount_minor, STR("EUR")}, str_of_cstr(outcome)};
    scene_event(SCENE_PAYMENT, STR(""), event);
}

static void a_dispute_that_was_lost_is_in_order(void **state) {
    (void)state;
    play();
    dispute("dp_1", 300, "lost");
    scene.payments[0].lost_minor = 300;
    expect_nothing();
}

static void a_lost_dispute_that_the_bank_knows_nothing_of_is_found(void **state) {
    (void)state;
    play();
    dispute("dp_1", 300, "lost");
    expect_only("money.ledger");
}

static void a_refund_of_what_a_dispute_took_is_found(void **state) {
    (void)state;
    play();
    dispute("dp_1", 800, "lost");
    refund(1, 300);
    scene.payments[0].lost_minor = 800;
    scene.payments[0].refunded_minor = 300;
    expect_only("money.refund");
}

static void a_dispute_that_ends_twice_is_found(void **state) {
    (void)state;
    play();
    dispute("dp_1", 300, "won");
    dispute("dp_1", 300, "won");
    expect("money.dispute");
}

static void a_ledger_that_says_otherwise_is_found(void **state) {
    (void)state;
    play();
    scene.payments[0].refunded_minor = 1;
    expect_only("money.ledger");
}

static void a_charge_that_the_events_do_not_know_is_found(void **state) {
    (void)state;
    play();
    scene.payments[scene.payment_count++] = (struct oracle_payment){
        .payment = STR("pay_01ARZ3NDEKTSV4RRFFQ69G5FAV.1.2"), .authorized_minor = 5, .captured_minor = 5, .charges = 1};
    expect_only("money.ledger");
}

static void a_charge_that_was_carried_out_twice_is_found(void **state) {
    (void)state;
    play();
    scene.payments[0].charges = 2;
    expect_only("money.charged");
}

static void money_that_is_held_for_nothing_is_found(void **state) {
    (void)state;
    play();
    scene.payments[0].authorized_minor += 500;
    expect_only("money.held");
}

static void a_cancelled_order_that_keeps_its_money_is_found(void **state) {
    (void)state;
    play();
    /* The client cancelled it, so that it may have lost its units. */
    struct command cancel = {.type = COMMAND_CANCEL_ORDER, .meta.stream = SCENE_ORDER};
    struct journal_entry *entry = scene_request(cancel, scene_id("cmd"), "hash of the cancellation");
    struct event event = {.type = EVENT_ORDER_CANCELLED};
    scene_event(SCENE_ORDER, entry->command_id, event);
    scene_release(SCENE_ORDER, 2, SCENE_UNITS);
    struct outcome outcome = scene_accepted(entry, SCENE_ORDER, 4);
    scene_decide(entry, &outcome);
    expect_only("money.kept");
}

static void a_payment_that_still_waits_for_the_shopper_is_found(void **state) {
    (void)state;
    play();
    struct str second = STR("pay_01ARZ3NDEKTSV4RRFFQ69G5FAV.1.2");
    struct event event = {.type = EVENT_ORDER_PAYMENT_STARTED, .as.order_payment_started.payment = second};
    scene_event(SCENE_ORDER, STR(""), event);
    event = (struct event){.type = EVENT_PAYMENT_REQUESTED, .as.payment_requested.order = SCENE_ORDER};
    scene_event(second, STR(""), event);
    event = (struct event){.type = EVENT_PAYMENT_ACTION_REQUIRED};
    scene_event(second, STR(""), event);
    event = (struct event){.type = EVENT_ORDER_CONFIRMED, .as.order_confirmed.payment = SCENE_PAYMENT};
    scene_event(SCENE_ORDER, STR(""), event);
    expect("money.open");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_units_held_than_there_are_is_found),
        cmocka_unit_test(totals_that_do_not_add_up_are_found),
        cmocka_unit_test(a_hold_that_resolves_twice_is_found),
        cmocka_unit_test(units_that_no_client_sent_are_found),
        cmocka_unit_test(a_receipt_that_was_accepted_and_is_not_there_is_found),
        cmocka_unit_test(more_units_sold_than_received_are_found),
        cmocka_unit_test(a_confirmed_order_that_lost_its_units_is_found),
        cmocka_unit_test(units_held_for_nobody_are_found),
        cmocka_unit_test(a_second_confirmation_is_found),
        cmocka_unit_test(an_order_that_is_left_on_its_way_is_found),
        cmocka_unit_test(a_provider_that_was_never_heard_is_found),
        cmocka_unit_test(an_order_past_its_deadline_is_found),
        cmocka_unit_test(an_order_that_expires_under_its_payment_is_found),
        cmocka_unit_test(a_paid_order_that_expires_is_found),
        cmocka_unit_test(an_order_that_waits_may_expire),
        cmocka_unit_test(a_second_capture_is_found),
        cmocka_unit_test(a_refund_on_request_is_in_order),
        cmocka_unit_test(more_refunded_than_captured_is_found),
        cmocka_unit_test(a_dispute_that_was_lost_is_in_order),
        cmocka_unit_test(a_lost_dispute_that_the_bank_knows_nothing_of_is_found),
        cmocka_unit_test(a_refund_of_what_a_dispute_took_is_found),
        cmocka_unit_test(a_dispute_that_ends_twice_is_found),
        cmocka_unit_test(a_ledger_that_says_otherwise_is_found),
        cmocka_unit_test(a_charge_that_the_events_do_not_know_is_found),
        cmocka_unit_test(a_charge_that_was_carried_out_twice_is_found),
        cmocka_unit_test(money_that_is_held_for_nothing_is_found),
        cmocka_unit_test(a_cancelled_order_that_keeps_its_money_is_found),
        cmocka_unit_test(a_payment_that_still_waits_for_the_shopper_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
