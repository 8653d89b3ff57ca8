/* Given events of customers and of orders, what are people still owed? */
#include "core/connect/open_errands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/connect/test_orders.h"

enum { MAILS = 3, ERASURES = 2, FORESEEN = 2 };

static int closed_count;
static struct str keys[] = {STR("per_1"), STR("per_2")};

static void count_closed(struct errand *errand) {
    closed_count++;
    errand_free(errand);
}

static int set_up(void **state) {
    *state = open_errands_create((struct errand_bounds){MAILS, ERASURES, FORESEEN});
    closed_count = 0;
    return 0;
}

static int tear_down(void **state) {
    open_errands_free(*state, NULL);
    return 0;
}

static struct errand *apply(struct open_errands *open, int64_t offset, struct event event) {
    return open_errands_apply(open, offset, &event, STR(""), count_closed);
}

static void an_event_with_a_recipient_opens_a_mail_that_keeps_what_it_needs(void **state) {
    char id[] = "evt_1", trace[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    struct event event = verification_requested(str_of_cstr(id), 7);
    struct errand *errand = open_errands_apply(*state, 5, &event, str_of_cstr(trace), count_closed);
    memset(id, 'x', sizeof id - 1);
    memset(trace, 'x', sizeof trace - 1);
    assert_non_null(errand);
    assert_int_equal(errand->kind, ERRAND_MAIL);
    assert_int_equal(errand->offset, 5);
    assert_true(str_equal(errand->cause, STR("evt_1")));
    assert_true(str_equal(errand->stream, A_CUSTOMER));
    assert_true(str_equal(errand->correlation_id, STR("cmd_1")));
    assert_int_equal(errand->asked_at_us, event.meta.occurred_at);
    assert_true(str_equal(errand->traceparent, STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")));
    assert_string_equal(errand->mail.kind, "verify");
    assert_int_equal(errand->mail.number, 7);
    assert_true(str_equal(errand->mail.to.key_id, A_KEY));
    assert_true(str_equal(errand->mail.to.nonce, STR("a nonce")));
    assert_true(str_equal(errand->mail.to.ciphertext, STR("a ciphertext")));
    assert_int_equal(errand->progress.state, ERRAND_WAITS);
}

static void a_trace_that_is_too_long_is_none(void **state) {
    struct event event = verification_requested(STR("evt_1"), 1);
    char trace[ERRAND_TRACE_MAX + 1];
    memset(trace, '0', sizeof trace);
    assert_int_equal(
        open_errands_apply(*state, 5, &event, str_of(trace, ERRAND_TRACE_MAX), count_closed)->traceparent.len, 0);
}

static void an_event_that_is_told_to_nobody_opens_nothing(void **state) {
    struct event event = of_customer(EVENT_LOGIN_FAILED, STR("evt_1"));
    assert_null(apply(*state, 1, event));
    assert_null(apply(*state, 2, of_customer(EVENT_SESSION_OPENED, STR("evt_2"))));
    assert_int_equal(open_errands_count(*state, ERRAND_MAIL), 0);
    assert_int_equal(open_errands_resume_offset(*state), 3);
}

static void each_mail_is_closed_by_its_own_outcome(void **state) {
    assert_non_null(apply(*state, 1, verification_requested(STR("evt_1"), 1)));
    assert_non_null(apply(*state, 2, verification_requested(STR("evt_2"), 2)));
    struct event other = mailed(STR("evt_3"), STR("evt_1"));
    other.meta.stream = ANOTHER_CUSTOMER;
    apply(*state, 3, other);
    assert_int_equal(closed_count, 0);
    apply(*state, 4, mailed(STR("evt_4"), STR("evt_2")));
    assert_int_equal(closed_count, 1);
    assert_true(str_equal(open_errands_first(*state)->cause, STR("evt_1")));
    assert_int_equal(open_errands_resume_offset(*state), 1);
    apply(*state, 5, mailed(STR("evt_5"), STR("evt_1")));
    assert_int_equal(open_errands_resume_offset(*state), 6);
}

static void an_erasure_names_its_keys_and_is_closed_with_all_mails_of_its_stream(void **state) {
    apply(*state, 1, verification_requested(STR("evt_1"), 1));
    struct event other = verification_requested(STR("evt_2"), 1);
    other.meta.stream = ANOTHER_CUSTOMER;
    apply(*state, 2, other);
    struct errand *erasure = apply(*state, 3, erasure_requested(STR("evt_3"), keys, 2));
    assert_int_equal(erasure->kind, ERRAND_ERASURE);
    assert_int_equal(erasure->key_count, 2);
    assert_true(str_equal(erasure->keys[0], STR("per_1")));
    assert_true(str_equal(erasure->keys[1], STR("per_2")));
    apply(*state, 4, mailed(STR("evt_4"), STR("evt_3"))); /* says nothing of keys, whoever sent it */
    assert_int_equal(closed_count, 0);
    apply(*state, 5, of_customer(EVENT_CUSTOMER_ERASED, STR("evt_5")));
    assert_int_equal(open_errands_count(*state, ERRAND_ERASURE), 0);
    assert_int_equal(open_errands_count(*state, ERRAND_MAIL), 1);
    assert_true(str_equal(open_errands_first(*state)->stream, ANOTHER_CUSTOMER));
    assert_int_equal(open_errands_resume_offset(*state), 2);
}

static void what_was_read_before_changes_nothing(void **state) {
    assert_non_null(apply(*state, 4, verification_requested(STR("evt_1"), 1)));
    assert_null(apply(*state, 4, verification_requested(STR("evt_1"), 1)));
    assert_null(apply(*state, 3, mailed(STR("evt_2"), STR("evt_1"))));
    assert_int_equal(open_errands_count(*state, ERRAND_MAIL), 1);
}

static void fill_with_mails(struct open_errands *open) {
    static const struct str ids[] = {STR("evt_1"), STR("evt_2"), STR("evt_3"), STR("evt_4"), STR("evt_5")};
    for (size_t i = 0; i < ARRAY_LENGTH(ids); i++) {
        struct errand *errand = apply(open, (int64_t)i + 1, verification_requested(ids[i], 1));
        assert_int_equal(errand != NULL, i < MAILS);
    }
}

static void mails_that_wait_hold_up_no_erasure(void **state) {
    fill_with_mails(*state);
    assert_non_null(apply(*state, 6, erasure_requested(STR("evt_6"), keys, 1)));
    assert_true(open_errands_are_more(*state));
    assert_int_equal(open_errands_resume_offset(*state), 1);
}

static void what_found_no_room_is_read_again_when_there_is_some(void **state) {
    int64_t offset = -1;
    fill_with_mails(*state);
    apply(*state, 6, erasure_requested(STR("evt_6"), keys, 1));
    apply(*state, 7, mailed(STR("evt_7"), STR("evt_4"))); /* of one that was passed over */
    assert_false(open_errands_rewind(*state, &offset));
    apply(*state, 8, mailed(STR("evt_8"), STR("evt_1")));
    assert_false(open_errands_rewind(*state, &offset));
    apply(*state, 9, mailed(STR("evt_9"), STR("evt_2")));
    assert_true(open_errands_rewind(*state, &offset));
    assert_int_equal(offset, 4);
    assert_false(open_errands_rewind(*state, &offset));
    /* Again from there: the erasure is known, what was closed since closes now. */
    struct errand *fourth = apply(*state, 4, verification_requested(STR("evt_4"), 1));
    assert_non_null(fourth);
    assert_non_null(apply(*state, 5, verification_requested(STR("evt_5"), 1)));
    assert_null(apply(*state, 6, erasure_requested(STR("evt_6"), keys, 1)));
    assert_int_equal(open_errands_count(*state, ERRAND_ERASURE), 1);
    assert_ptr_equal(open_errands_first(*state)->next, fourth); /* in the order of offsets */
    apply(*state, 7, mailed(STR("evt_7"), STR("evt_4")));
    assert_int_equal(open_errands_count(*state, ERRAND_MAIL), 2);
    apply(*state, 10, mailed(STR("evt_10"), STR("evt_3")));
    assert_int_equal(open_errands_resume_offset(*state), 5);
}

static void whoever_drops_them_takes_them_over(void **state) {
    struct open_errands *open = open_errands_create((struct errand_bounds){MAILS, ERASURES, FORESEEN});
    (void)state;
    apply(open, 1, verification_requested(STR("evt_1"), 1));
    apply(open, 2, erasure_requested(STR("evt_2"), keys, 2));
    open_errands_free(open, count_closed);
    assert_int_equal(closed_count, 2);
}

/* ---- mails that are foreseen ------------------------------------------------------------------------------------- */

static void a_mail_is_due_when_its_order_is_confirmed_and_says_what_was_placed(void **state) {
    char title[] = "Green tea", id[] = "evt_1";
    struct event event = placed(str_of_cstr(id));
    event.as.order_placed.lines.items[0].title = str_of_cstr(title);
    assert_null(apply(*state, 5, event));
    memset(title, 'x', sizeof title - 1);
    memset(id, 'x', sizeof id - 1);
    assert_int_equal(open_errands_count(*state, ERRAND_MAIL), 0);
    assert_int_equal(open_errands_count(*state, ERRAND_FORESEEN), 1);
    struct event confirmed = of_order(EVENT_ORDER_CONFIRMED, STR("evt_2"));
    struct errand *errand = apply(*state, 7, confirmed);
    assert_non_null(errand);
    assert_int_equal(errand->kind, ERRAND_MAIL);
    assert_true(str_equal(errand->cause, STR("evt_2")));
    assert_int_equal(errand->asked_at_us, confirmed.meta.occurred_at);
    assert_int_equal(errand->mail.useless_at_us,
                     confirmed.meta.occurred_at + (int64_t)MAIL_ORDER_S * MICROS_PER_SECOND);
    assert_true(str_equal(errand->mail.to.key_id, A_KEY));
    assert_int_equal(errand->mail.line_count, 2);
    assert_true(str_equal(errand->mail.lines[0].title, STR("Green tea")));
    assert_int_equal(errand->mail.lines[1].total.amount, 2499);
    assert_true(str_equal(errand->mail.lines[1].total.currency, STR("EUR")));
    assert_true(str_equal(errand->mail.reference, STR("R-1")));
    assert_int_equal(errand->mail.total.amount, 3199);
    assert_int_equal(open_errands_count(*state, ERRAND_FORESEEN), 0);
    assert_int_equal(open_errands_resume_offset(*state), 5); /* what it says stands there */
    assert_int_equal(closed_count, 0);
    apply(*state, 8, order_told(STR("evt_3"), STR("evt_2")));
    assert_int_equal(closed_count, 1);
    assert_int_equal(open_errands_resume_offset(*state), 9);
}

static void of_an_order_that_nobody_is_told_of_nothing_is_kept(void **state) {
    struct event event = placed(STR("evt_1"));
    event.as.order_placed.has_email = false;
    assert_null(apply(*state, 1, event));
    assert_null(apply(*state, 2, of_order(EVENT_ORDER_CONFIRMED, STR("evt_2"))));
    assert_int_equal(open_errands_resume_offset(*state), 3);
}

static void an_order_that_is_rejected_or_cancelled_is_told_to_nobody(void **state) {
    apply(*state, 1, placed(STR("evt_1")));
    apply(*state, 2, of_order(EVENT_ORDER_REJECTED, STR("evt_2")));
    assert_int_equal(closed_count, 1);
    apply(*state, 3, placed(STR("evt_3")));
    assert_non_null(apply(*state, 4, of_order(EVENT_ORDER_CONFIRMED, STR("evt_4"))));
    assert_non_null(apply(*state, 5, confirmation_requested(STR("evt_5"))));
    struct event other = confirmation_requested(STR("evt_6"));
    other.meta.stream = ANOTHER_ORDER;
    assert_non_null(apply(*state, 6, other));
    apply(*state, 7, of_order(EVENT_ORDER_CANCELLED, STR("evt_7")));
    assert_int_equal(closed_count, 3);
    assert_true(str_equal(open_errands_first(*state)->stream, ANOTHER_ORDER));
}

static void of_many_lines_the_first_are_kept(void **state) {
    static struct cart_line lines[MAIL_LINES_MAX + 7];
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        lines[i] = (struct cart_line){.title = STR("Green tea"), .quantity = (int64_t)i, .total = {1, STR("EUR")}};
    }
    struct event event = confirmation_requested(STR("evt_1"));
    event.as.order_confirmation_requested.lines =
        (struct cart_line_array){lines, ARRAY_LENGTH(lines), ARRAY_LENGTH(lines)};
    struct errand *errand = apply(*state, 1, event);
    assert_int_equal(errand->mail.line_count, MAIL_LINES_MAX + 7);
    assert_int_equal(errand->mail.lines[MAIL_LINES_MAX - 1].quantity, MAIL_LINES_MAX - 1);
}

static struct event of_number(struct event event, struct str stream) {
    event.meta.stream = stream;
    return event;
}

/* Without room, it is foreseen again when it is read again. */
static void a_mail_that_falls_due_without_room_is_read_again_from_where_it_was_foreseen(void **state) {
    static const struct str orders[] = {STR("ord_1"), STR("ord_2"), STR("ord_3"), STR("ord_4"), STR("ord_5")};
    int64_t offset = -1;
    for (size_t i = 0; i < MAILS; i++) {
        assert_non_null(apply(*state, (int64_t)i + 1, of_number(confirmation_requested(STR("evt_1")), orders[i])));
    }
    apply(*state, 4, of_number(placed(STR("evt_4")), orders[3]));
    apply(*state, 5, of_number(placed(STR("evt_5")), orders[4]));
    assert_null(apply(*state, 6, of_number(of_order(EVENT_ORDER_CONFIRMED, STR("evt_6")), orders[4])));
    assert_null(apply(*state, 7, of_number(of_order(EVENT_ORDER_CONFIRMED, STR("evt_7")), orders[3])));
    assert_int_equal(open_errands_count(*state, ERRAND_FORESEEN), 0);
    assert_int_equal(open_errands_resume_offset(*state), 1);
    apply(*state, 8, of_number(order_told(STR("evt_8"), STR("evt_1")), orders[0]));
    assert_int_equal(open_errands_resume_offset(*state), 2);
    apply(*state, 9, of_number(order_told(STR("evt_9"), STR("evt_1")), orders[1]));
    assert_int_equal(open_errands_resume_offset(*state), 3);
    assert_true(open_errands_rewind(*state, &offset));
    assert_int_equal(offset, 4); /* the older of the two, though it fell due later */
    apply(*state, 4, of_number(placed(STR("evt_4")), orders[3]));
    apply(*state, 5, of_number(placed(STR("evt_5")), orders[4]));
    struct errand *fifth = apply(*state, 6, of_number(of_order(EVENT_ORDER_CONFIRMED, STR("evt_6")), orders[4]));
    struct errand *fourth = apply(*state, 7, of_number(of_order(EVENT_ORDER_CONFIRMED, STR("evt_7")), orders[3]));
    assert_ptr_equal(open_errands_first(*state)->next, fourth); /* in the order of offsets */
    assert_ptr_equal(fourth->next, fifth);
}

static void what_is_read_again_of_a_mail_that_is_due_opens_no_second_one(void **state) {
    struct open_errands *open = *state;
    int64_t offset = -1;
    apply(open, 1, placed(STR("evt_1")));
    for (int64_t i = 2; i <= 4; i++) { /* one that finds no room */
        apply(open, i, of_number(placed(STR("evt_2")), i == 2 ? STR("ord_2") : i == 3 ? STR("ord_3") : STR("ord_4")));
    }
    assert_non_null(apply(open, 5, of_order(EVENT_ORDER_CONFIRMED, STR("evt_5"))));
    assert_true(open_errands_are_more(open));
    apply(open, 6, of_number(of_order(EVENT_ORDER_REJECTED, STR("evt_6")), STR("ord_2")));
    assert_true(open_errands_rewind(open, &offset));
    assert_int_equal(offset, 3);
    apply(open, 3, of_number(placed(STR("evt_3")), STR("ord_3")));
    apply(open, 4, of_number(placed(STR("evt_4")), STR("ord_4")));
    assert_null(apply(open, 5, of_order(EVENT_ORDER_CONFIRMED, STR("evt_5"))));
    assert_int_equal(open_errands_count(open, ERRAND_MAIL), 1);
    assert_int_equal(open_errands_count(open, ERRAND_FORESEEN), 2);
}

static void one_that_ends_without_a_word_is_open_no_more(void **state) {
    struct errand *errand = apply(*state, 1, confirmation_requested(STR("evt_1")));
    struct event other = confirmation_requested(STR("evt_2"));
    assert_non_null(apply(*state, 2, other));
    open_errands_end(*state, errand, count_closed);
    assert_int_equal(closed_count, 1);
    assert_int_equal(open_errands_count(*state, ERRAND_MAIL), 1);
    assert_int_equal(open_errands_resume_offset(*state), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_event_with_a_recipient_opens_a_mail_that_keeps_what_it_needs, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_trace_that_is_too_long_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_event_that_is_told_to_nobody_opens_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_mail_is_closed_by_its_own_outcome, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_erasure_names_its_keys_and_is_closed_with_all_mails_of_its_stream, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_was_read_before_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mails_that_wait_hold_up_no_erasure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_found_no_room_is_read_again_when_there_is_some, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whoever_drops_them_takes_them_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_mail_is_due_when_its_order_is_confirmed_and_says_what_was_placed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(of_an_order_that_nobody_is_told_of_nothing_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_order_that_is_rejected_or_cancelled_is_told_to_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_many_lines_the_first_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_mail_that_falls_due_without_room_is_read_again_from_where_it_was_foreseen,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_read_again_of_a_mail_that_is_due_opens_no_second_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_that_ends_without_a_word_is_open_no_more, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
