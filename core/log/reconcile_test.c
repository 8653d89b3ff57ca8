#include "core/log/reconcile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define FIRST STR("pay_01JD0000000000000000000001.1.1")
#define OTHER STR("pay_01JD0000000000000000000002.1.1")
#define EUROS(minor) ((struct money){(minor), STR("EUR")})

static struct reconcile reconcile;
static char told[512];

static int begin(void **state) {
    (void)state;
    reconcile_begin(&reconcile, 1000, 2000);
    told[0] = '\0';
    return 0;
}

static int end(void **state) {
    (void)state;
    reconcile_end(&reconcile);
    return 0;
}

static void row(enum movement movement, struct str payment, struct money amount, int64_t line) {
    assert_true(reconcile_row(&reconcile, movement, payment, amount, line));
}

static struct event at(struct str payment, uint16_t type, int64_t time_us) {
    return (struct event){.type = type, .meta = {.stream = payment, .occurred_at = time_us}};
}

static void capture(struct str payment, struct money amount, int64_t time_us) {
    struct event event = at(payment, EVENT_PAYMENT_CAPTURED, time_us);
    event.as.payment_captured.amount = amount;
    assert_true(reconcile_event(&reconcile, &event));
}

static void refund(struct str payment, struct money amount, int64_t time_us) {
    struct event event = at(payment, EVENT_PAYMENT_REFUNDED, time_us);
    event.as.payment_refunded.amount = amount;
    assert_true(reconcile_event(&reconcile, &event));
}

static void dispute(struct str payment, struct money amount, const char *outcome) {
    struct event event = at(payment, EVENT_PAYMENT_DISPUTED, 1500);
    event.as.payment_disputed.amount = amount;
    assert_true(reconcile_event(&reconcile, &event));
    event = at(payment, EVENT_DISPUTE_CLOSED, 1600);
    event.as.dispute_closed = (struct dispute_closed){.amount = amount, .outcome = str_of_cstr(outcome)};
    assert_true(reconcile_event(&reconcile, &event));
}

static void on_difference(void *context, const struct reconcile_difference *difference) {
    (void)context;
    size_t len = strlen(told);
    snprintf(told + len, sizeof told - len, "%s %.*s %lld/%lld line %lld at %lld;", movement_name(difference->movement),
             STR_ARGS(difference->currency), (long long)difference->sums.file_minor,
             (long long)difference->sums.log_minor, (long long)difference->line, (long long)difference->at_us);
}

static void assert_told(int64_t count, const char *expected) {
    assert_int_equal(reconcile_tell(&reconcile, on_difference, NULL), count);
    assert_string_equal(told, expected);
}

static void what_both_say_is_no_difference(void **state) {
    (void)state;
    row(MOVEMENT_CHARGE, FIRST, EUROS(1000), 2);
    row(MOVEMENT_REFUND, FIRST, EUROS(300), 3);
    row(MOVEMENT_REFUND, FIRST, EUROS(100), 4);
    row(MOVEMENT_DISPUTE, FIRST, EUROS(600), 5);
    row(MOVEMENT_DISPUTE_REVERSAL, FIRST, EUROS(600), 6);
    capture(FIRST, EUROS(1000), 1000);
    refund(FIRST, EUROS(400), 1100); /* cut otherwise */
    dispute(FIRST, EUROS(600), "won");
    assert_told(0, "");
    assert_int_equal(reconcile_total_count(&reconcile), 1);
    assert_int_equal(reconcile_total_at(&reconcile, 0)->sums[MOVEMENT_REFUND].file_minor, 400);
    assert_int_equal(reconcile_total_at(&reconcile, 0)->sums[MOVEMENT_REFUND].log_minor, 400);
}

static void what_one_side_alone_says_is_a_difference(void **state) {
    (void)state;
    row(MOVEMENT_CHARGE, FIRST, EUROS(1000), 7);
    capture(OTHER, EUROS(500), 1200);
    assert_told(2, "charge EUR 1000/0 line 7 at 0;charge EUR 0/500 line 0 at 1200;");
}

static void a_charge_that_was_paid_twice_is_one(void **state) {
    (void)state;
    row(MOVEMENT_CHARGE, FIRST, EUROS(1000), 2);
    row(MOVEMENT_CHARGE, FIRST, EUROS(1000), 9);
    capture(FIRST, EUROS(1000), 1300);
    assert_told(1, "charge EUR 2000/1000 line 9 at 1300;");
}

static void another_currency_is_another_sum(void **state) {
    (void)state;
    row(MOVEMENT_CHARGE, FIRST, (struct money){1000, STR("USD")}, 2);
    capture(FIRST, EUROS(1000), 1300);
    assert_told(2, "charge USD 1000/0 line 2 at 0;charge EUR 0/1000 line 0 at 1300;");
}

static void a_dispute_that_was_lost_comes_back_to_nobody(void **state) {
    (void)state;
    dispute(FIRST, EUROS(600), "lost");
    row(MOVEMENT_DISPUTE, FIRST, EUROS(600), 2);
    assert_told(0, "");
}

static void of_the_log_its_days_alone_count(void **state) {
    (void)state;
    capture(FIRST, EUROS(1), 999);
    capture(FIRST, EUROS(2), 1000);
    capture(FIRST, EUROS(4), 1999);
    capture(FIRST, EUROS(8), 2000);
    row(MOVEMENT_CHARGE, FIRST, EUROS(6), 2);
    assert_told(0, "");
}

static void sums_beyond_64_bits_are_refused(void **state) {
    (void)state;
    row(MOVEMENT_CHARGE, FIRST, EUROS(INT64_MAX), 2);
    assert_false(reconcile_row(&reconcile, MOVEMENT_CHARGE, FIRST, EUROS(1), 3));
    assert_false(reconcile_row(&reconcile, MOVEMENT_CHARGE, OTHER, EUROS(1), 4)); /* the total's */
}

static void a_movement_has_one_name(void **state) {
    (void)state;
    enum movement movement;
    for (uint32_t i = 0; i < MOVEMENT_COUNT; i++) {
        assert_true(movement_named(str_of_cstr(movement_name((enum movement)i)), &movement));
        assert_int_equal(movement, i);
    }
    assert_false(movement_named(STR("Charge"), &movement));
    assert_false(movement_named(STR(""), &movement));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_both_say_is_no_difference),
        TEST(what_one_side_alone_says_is_a_difference),
        TEST(a_charge_that_was_paid_twice_is_one),
        TEST(another_currency_is_another_sum),
        TEST(a_dispute_that_was_lost_comes_back_to_nobody),
        TEST(of_the_log_its_days_alone_count),
        TEST(sums_beyond_64_bits_are_refused),
        cmocka_unit_test(a_movement_has_one_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
