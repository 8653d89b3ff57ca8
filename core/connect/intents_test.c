/* Given payment events, which provider calls are owed? */
#include "core/connect/intents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MAX_OPEN = 3 };

static int closed_count;

static void count_closed(struct intent *intent) {
    (void)intent;
    closed_count++;
}

static int setup(void **state) {
    *state = intents_create(MAX_OPEN);
    closed_count = 0;
    return 0;
}

static int teardown(void **state) {
    intents_free(*state, NULL);
    return 0;
}

static struct event of_payment(uint16_t type, struct str payment) {
    return (struct event){
        .type = type,
        .meta = {.stream = payment, .event_id = STR("evt_1"), .correlation_id = STR("cmd_1"), .occurred_at = 1000}};
}

static struct event requested(struct str payment, struct str key) {
    struct event event = of_payment(EVENT_PAYMENT_REQUESTED, payment);
    event.as.payment_requested = (struct payment_requested){.order = STR("ord_X.1"),
                                                            .amount = {.amount = 1999, .currency = STR("EUR")},
                                                            .provider = STR("test"),
                                                            .method = STR("approve"),
                                                            .intent = key};
    return event;
}

static struct event refund_requested(struct str payment, int32_t refund, struct str key) {
    struct event event = of_payment(EVENT_REFUND_REQUESTED, payment);
    event.as.refund_requested = (struct refund_requested){
        .refund = refund, .amount = {.amount = 500, .currency = STR("EUR")}, .provider = STR("test"), .intent = key};
    return event;
}

static struct intent *apply(struct intents *intents, int64_t offset, const struct event *event) {
    return intents_apply(intents, offset, event, count_closed);
}

static void a_requested_payment_opens_a_charge_with_its_persisted_key(void **state) {
    struct event event = requested(STR("pay_X.1.1"), STR("pay_X.1.1.charge"));
    struct intent *intent = apply(*state, 7, &event);
    assert_non_null(intent);
    assert_int_equal(intent->kind, INTENT_CHARGE);
    assert_string_equal(intent->key, "pay_X.1.1.charge");
    assert_string_equal(intent->provider, "test");
    assert_string_equal(intent->method, "approve");
    assert_int_equal(intent->amount_minor, 1999);
    assert_string_equal(intent->currency, "EUR");
}

static void a_captured_payment_owes_no_call(void **state) {
    struct event event = requested(STR("pay_X.1.1"), STR("k1"));
    apply(*state, 1, &event);
    event = of_payment(EVENT_PAYMENT_CAPTURED, STR("pay_X.1.1"));
    apply(*state, 2, &event);
    assert_int_equal(intents_count(*state), 0);
    assert_int_equal(closed_count, 1);
}

static void another_payments_outcome_closes_nothing(void **state) {
    struct event event = requested(STR("pay_X.1.1"), STR("k1"));
    apply(*state, 1, &event);
    event = of_payment(EVENT_PAYMENT_CAPTURED, STR("pay_X.1.2"));
    apply(*state, 2, &event);
    assert_int_equal(intents_count(*state), 1);
}

static void a_void_ends_the_capture_that_it_overtook(void **state) {
    struct event event = of_payment(EVENT_PAYMENT_CAPTURE_REQUESTED, STR("pay_X.1.1"));
    event.as.payment_capture_requested = (struct payment_capture_requested){
        .amount = {.amount = 1999, .currency = STR("EUR")}, .provider = STR("test"), .intent = STR("c1")};
    apply(*state, 1, &event);
    event = of_payment(EVENT_PAYMENT_VOID_REQUESTED, STR("pay_X.1.1"));
    event.as.payment_void_requested = (struct payment_void_requested){.provider = STR("test"), .intent = STR("v1")};
    apply(*state, 2, &event);
    assert_int_equal(intents_count(*state), 2);
    event = of_payment(EVENT_PAYMENT_VOIDED, STR("pay_X.1.1"));
    apply(*state, 3, &event);
    assert_int_equal(intents_count(*state), 0);
    assert_int_equal(intents_resume_offset(*state), 4);
}

static void each_refund_is_closed_by_its_own_outcome(void **state) {
    struct event event = refund_requested(STR("pay_X.1.1"), 1, STR("r1"));
    apply(*state, 1, &event);
    event = refund_requested(STR("pay_X.1.1"), 2, STR("r2"));
    apply(*state, 2, &event);
    event = of_payment(EVENT_REFUND_FAILED, STR("pay_X.1.1"));
    event.as.refund_failed.refund = 2;
    apply(*state, 3, &event);
    assert_int_equal(intents_count(*state), 1);
    assert_string_equal(intents_first(*state)->key, "r1");
}

static void a_refused_outcome_ends_the_asking_of_that_intent_alone(void **state) {
    struct event event = refund_requested(STR("pay_X.1.1"), 1, STR("r1"));
    apply(*state, 1, &event);
    event = refund_requested(STR("pay_X.1.1"), 2, STR("r2"));
    apply(*state, 2, &event);
    event = of_payment(EVENT_PAYMENT_OUTCOME_REFUSED, STR("pay_X.1.1"));
    event.as.payment_outcome_refused.intent = STR("r1");
    apply(*state, 3, &event);
    assert_int_equal(closed_count, 1);
    assert_int_equal(intents_count(*state), 1);
    assert_string_equal(intents_first(*state)->key, "r2");
    assert_int_equal(intents_resume_offset(*state), 2);
}

static void the_resume_offset_never_passes_an_open_intent(void **state) {
    assert_int_equal(intents_resume_offset(*state), 0);
    struct event event = requested(STR("pay_A.1.1"), STR("a"));
    apply(*state, 10, &event);
    event = requested(STR("pay_B.1.1"), STR("b"));
    apply(*state, 11, &event);
    event = of_payment(EVENT_PAYMENT_CAPTURED, STR("pay_B.1.1"));
    apply(*state, 12, &event);
    assert_int_equal(intents_resume_offset(*state), 10);
    event = of_payment(EVENT_PAYMENT_FAILED, STR("pay_A.1.1"));
    apply(*state, 13, &event);
    assert_int_equal(intents_resume_offset(*state), 14);
}

static void an_event_that_was_applied_is_not_applied_again(void **state) {
    struct event event = requested(STR("pay_A.1.1"), STR("a"));
    apply(*state, 10, &event);
    assert_null(apply(*state, 10, &event));
    assert_int_equal(intents_count(*state), 1);
}

static void what_found_no_room_is_read_again_when_there_is_some(void **state) {
    static const struct str payments[] = {STR("pay_A.1.1"), STR("pay_B.1.1"), STR("pay_C.1.1"), STR("pay_D.1.1")};
    struct event event;
    int64_t offset = 0;
    for (; offset < MAX_OPEN + 1; offset++) {
        event = requested(payments[offset], payments[offset]);
        assert_int_equal(apply(*state, offset, &event) != NULL, offset < MAX_OPEN);
    }
    int64_t from;
    assert_false(intents_rewind(*state, &from));
    for (int i = 0; i < 2; i++) {
        event = of_payment(EVENT_PAYMENT_CAPTURED, payments[i]);
        apply(*state, offset++, &event);
    }
    assert_int_equal(intents_count(*state), 1);
    assert_true(intents_rewind(*state, &from));
    assert_int_equal(from, MAX_OPEN);
    assert_false(intents_rewind(*state, &from));
    event = requested(payments[MAX_OPEN], payments[MAX_OPEN]);
    assert_non_null(apply(*state, MAX_OPEN, &event));
}

static void a_rewind_that_failed_is_due_again_and_loses_nothing(void **state) {
    static const struct str payments[] = {STR("pay_A.1.1"), STR("pay_B.1.1"), STR("pay_C.1.1"), STR("pay_D.1.1")};
    struct event event;
    int64_t offset = 0, from = -1;
    for (; offset < MAX_OPEN + 1; offset++) {
        event = requested(payments[offset], payments[offset]);
        apply(*state, offset, &event);
    }
    for (int i = 0; i < MAX_OPEN; i++) {
        event = of_payment(EVENT_PAYMENT_CAPTURED, payments[i]);
        apply(*state, offset++, &event);
    }
    assert_true(intents_rewind(*state, &from));
    intents_rewind_failed(*state, from);
    event = of_payment(EVENT_PAYMENT_CAPTURED, STR("pay_E.1.1")); /* reading goes on where it was */
    apply(*state, offset, &event);
    assert_int_equal(intents_resume_offset(*state), MAX_OPEN);
    assert_true(intents_rewind(*state, &from));
    assert_int_equal(from, MAX_OPEN);
}

static void the_resume_offset_never_passes_what_found_no_room(void **state) {
    static const struct str payments[] = {STR("pay_A.1.1"), STR("pay_B.1.1"), STR("pay_C.1.1"), STR("pay_D.1.1")};
    struct event event;
    int64_t offset = 0;
    for (; offset < MAX_OPEN + 1; offset++) {
        event = requested(payments[offset], payments[offset]);
        apply(*state, offset, &event);
    }
    for (int i = 0; i < MAX_OPEN; i++) {
        event = of_payment(EVENT_PAYMENT_CAPTURED, payments[i]);
        apply(*state, offset++, &event);
    }
    assert_int_equal(intents_count(*state), 0);
    assert_int_equal(intents_resume_offset(*state), MAX_OPEN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_requested_payment_opens_a_charge_with_its_persisted_key, setup, teardown),
        cmocka_unit_test_setup_teardown(a_captured_payment_owes_no_call, setup, teardown),
        cmocka_unit_test_setup_teardown(another_payments_outcome_closes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_void_ends_the_capture_that_it_overtook, setup, teardown),
        cmocka_unit_test_setup_teardown(each_refund_is_closed_by_its_own_outcome, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refused_outcome_ends_the_asking_of_that_intent_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(the_resume_offset_never_passes_an_open_intent, setup, teardown),
        cmocka_unit_test_setup_teardown(an_event_that_was_applied_is_not_applied_again, setup, teardown),
        cmocka_unit_test_setup_teardown(what_found_no_room_is_read_again_when_there_is_some, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rewind_that_failed_is_due_again_and_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(the_resume_offset_never_passes_what_found_no_room, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
