/* Given an event, which mail is due, and what stands in it? */
#include "core/connect/mails.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/connect/test_orders.h"
#include "core/domain/customer/customer.h"
#include "core/vault/token.h"
#include "gen/commands.h"

/* 2026-11-23T06:22:51Z */
#define NOW_US (INT64_C(1795414971) * MICROS_PER_SECOND)
#define SECONDS(count) ((int64_t)(count)*MICROS_PER_SECOND)

static struct arena arena;
static const struct secret secret = {.bytes = {1, 2, 3}};

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

static struct event now(uint16_t type) {
    struct event event = of_customer(type, STR("evt_1"));
    event.meta.occurred_at = NOW_US;
    return event;
}

static bool has_template(const char *kind) {
    size_t i = 0;
    while (i < mail_kind_count && strcmp(mail_kinds[i].name, kind) != 0) {
        i++;
    }
    return i < mail_kind_count;
}

static struct mail_due due_of(const struct event *event) {
    struct mail_due due;
    assert_true(mail_due_of(event, &due));
    assert_true(str_equal(due.to.key_id, A_KEY));
    assert_int_equal(due.asked_at_us, NOW_US);
    assert_int_equal(due.told_by, COMMAND_RECORD_MAIL);
    assert_true(has_template(due.kind));
    return due;
}

static void expect_token(const struct mail_due *due, const char *kind, const char *use, int64_t lasts_s) {
    assert_string_equal(due->kind, kind);
    assert_string_equal(due->token_use, use);
    assert_int_equal(due->number, 3);
    assert_int_equal(due->time_us, NOW_US + SECONDS(lasts_s));
    assert_int_equal(due->useless_at_us, due->time_us);
}

static void who_is_to_prove_something_is_sent_a_token_as_long_as_it_is_good(void **state) {
    (void)state;
    struct event event = now(EVENT_CUSTOMER_VERIFICATION_REQUESTED);
    event.as.customer_verification_requested =
        (struct customer_verification_requested){.number = 3, .to = sealed_address()};
    struct mail_due due = due_of(&event);
    expect_token(&due, "verify", "verify", CUSTOMER_VERIFY_S);

    event = now(EVENT_CUSTOMER_PASSWORD_RESET_REQUESTED);
    event.as.customer_password_reset_requested =
        (struct customer_password_reset_requested){.number = 3, .to = sealed_address()};
    due = due_of(&event);
    expect_token(&due, "reset", "reset", CUSTOMER_RESET_S);

    event = now(EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED);
    event.as.customer_email_change_requested =
        (struct customer_email_change_requested){.number = 3, .to = sealed_address()};
    due = due_of(&event);
    expect_token(&due, "email_change", "email", CUSTOMER_VERIFY_S);
}

static void expect_notice(const struct event *event, const char *kind, int64_t time_us) {
    struct mail_due due = due_of(event);
    assert_string_equal(due.kind, kind);
    assert_null(due.token_use);
    assert_int_equal(due.time_us, time_us);
    assert_int_equal(due.useless_at_us, NOW_US + SECONDS(MAIL_NOTICE_S));
}

static void what_happened_to_an_account_is_told_when_the_event_says_to_whom(void **state) {
    (void)state;
    struct mail_due none;
    struct event event = now(EVENT_CUSTOMER_EMAIL_CHANGED);
    event.as.customer_email_changed.before = sealed_address();
    assert_false(mail_due_of(&event, &none));
    event.as.customer_email_changed.has_before = true;
    expect_notice(&event, "email_changed", NOW_US);

    event = now(EVENT_CUSTOMER_PASSWORD_CHANGED);
    event.as.customer_password_changed.to = sealed_address();
    assert_false(mail_due_of(&event, &none));
    event.as.customer_password_changed.has_to = true;
    expect_notice(&event, "password_changed", NOW_US);

    event = now(EVENT_SESSION_ENDED);
    event.as.session_ended.to = sealed_address();
    assert_false(mail_due_of(&event, &none));
    event.as.session_ended.has_to = true;
    expect_notice(&event, "reused", NOW_US);

    event = now(EVENT_LOGIN_FAILED);
    event.as.login_failed = (struct login_failed){.to = sealed_address(), .locked_until = NOW_US + SECONDS(60)};
    assert_false(mail_due_of(&event, &none));
    event.as.login_failed.has_to = true;
    expect_notice(&event, "locked", NOW_US + SECONDS(60));
    event.as.login_failed.within = true;
    expect_notice(&event, "locked_within", NOW_US + SECONDS(60));

    event = now(EVENT_CUSTOMER_TOTP_ENABLED);
    event.as.customer_totp_enabled.to = sealed_address();
    assert_false(mail_due_of(&event, &none));
    event.as.customer_totp_enabled.has_to = true;
    expect_notice(&event, "totp_enabled", NOW_US);

    event = now(EVENT_CUSTOMER_TOTP_ENDED);
    event.as.customer_totp_ended.to = sealed_address();
    assert_false(mail_due_of(&event, &none));
    event.as.customer_totp_ended.has_to = true;
    expect_notice(&event, "totp_ended", NOW_US);

    event = now(EVENT_CUSTOMER_SUSPENDED);
    event.as.customer_suspended.to = sealed_address();
    assert_false(mail_due_of(&event, &none));
    event.as.customer_suspended.has_to = true;
    expect_notice(&event, "suspended", NOW_US);

    event = now(EVENT_CUSTOMER_REINSTATED);
    event.as.customer_reinstated.to = sealed_address();
    assert_false(mail_due_of(&event, &none));
    event.as.customer_reinstated.has_to = true;
    expect_notice(&event, "reinstated", NOW_US);
}

static void all_other_events_are_told_to_nobody(void **state) {
    (void)state;
    struct mail_due none;
    for (int type = 0; type <= EVENT_SESSIONS_ENDED; type++) {
        struct event event = now((uint16_t)type); /* all flags are false */
        bool asks = type == EVENT_CUSTOMER_VERIFICATION_REQUESTED || type == EVENT_CUSTOMER_PASSWORD_RESET_REQUESTED ||
                    type == EVENT_CUSTOMER_EMAIL_CHANGE_REQUESTED || type == EVENT_ORDER_CONFIRMATION_REQUESTED;
        assert_int_equal(mail_due_of(&event, &none), asks);
    }
}

static void what_became_of_a_mail_names_its_cause(void **state) {
    (void)state;
    struct str cause;
    struct event event = mailed(STR("evt_2"), STR("evt_1"));
    assert_true(mail_told(&event, &cause));
    assert_true(str_equal(cause, STR("evt_1")));
    event = order_told(STR("evt_2"), STR("evt_1"));
    assert_true(mail_told(&event, &cause));
    assert_true(str_equal(cause, STR("evt_1")));
    event = verification_requested(STR("evt_1"), 1);
    assert_false(mail_told(&event, &cause));
}

static void expect_confirmation(const struct mail_due *due) {
    assert_string_equal(due->kind, "order_confirmed");
    assert_null(due->token_use);
    assert_int_equal(due->told_by, COMMAND_RECORD_ORDER_MAIL);
    assert_int_equal(due->asked_at_us, NOW_US);
    assert_int_equal(due->useless_at_us, NOW_US + SECONDS(MAIL_ORDER_S));
    assert_true(due->ends_quietly);
    assert_true(str_equal(due->to.key_id, A_KEY));
    assert_int_equal(due->line_count, 2);
    assert_int_equal(due->total.amount, 3199);
    assert_true(str_equal(due->reference, STR("R-1")));
}

static void an_order_is_confirmed_by_what_was_placed_and_again_by_what_is_asked_for(void **state) {
    (void)state;
    struct mail_due due, other;
    struct event event = placed(STR("evt_1"));
    assert_true(mail_foreseen(&event, &due));
    assert_false(mail_due_of(&event, &other));
    event = of_order(EVENT_ORDER_CONFIRMED, STR("evt_2"));
    event.meta.occurred_at = NOW_US;
    assert_true(mail_falls_due(&event, &due));
    expect_confirmation(&due);
    event = confirmation_requested(STR("evt_3"));
    event.meta.occurred_at = NOW_US;
    assert_false(mail_foreseen(&event, &other) || mail_falls_due(&event, &other) || mails_are_off(&event));
    assert_true(mail_due_of(&event, &due));
    expect_confirmation(&due);
}

static void an_order_without_an_address_foresees_nothing(void **state) {
    (void)state;
    struct mail_due due;
    struct event event = placed(STR("evt_1"));
    event.as.order_placed.has_email = false;
    assert_false(mail_foreseen(&event, &due));
}

static struct str value_named(const struct mail_value *values, const char *name) {
    for (size_t i = 0; i < MAIL_VALUES_MAX; i++) {
        if (strcmp(values[i].name, name) == 0) {
            return values[i].text;
        }
    }
    fail_msg("there is no %s", name);
    return STR("");
}

static void the_token_is_the_one_that_the_front_will_read(void **state) {
    (void)state;
    struct mail_value values[MAIL_VALUES_MAX];
    const struct mail_due due = {.kind = "reset", .token_use = "reset", .number = 3, .time_us = NOW_US};
    mail_values(&arena, &secret, A_CUSTOMER, &due, values);
    struct str token = value_named(values, "token");
    assert_true(mail_token_read(&secret, "reset", A_CUSTOMER, 3, token));
    assert_false(mail_token_read(&secret, "verify", A_CUSTOMER, 3, token));
    assert_false(mail_token_read(&secret, "reset", A_CUSTOMER, 4, token));
    assert_true(str_equal(value_named(values, "customer"), A_CUSTOMER));
    assert_true(str_equal(value_named(values, "until"), STR("23 November 2026, 06:22 UTC")));
}

static struct str row_value(const struct mail_rows *rows, size_t row, const char *name) {
    for (size_t i = 0; i < rows->value_count; i++) {
        const struct mail_value *value = &rows->values[row * rows->value_count + i];
        if (strcmp(value->name, name) == 0) {
            return value->text;
        }
    }
    fail_msg("there is no %s", name);
    return STR("");
}

static void an_order_s_lines_and_totals_are_for_people(void **state) {
    (void)state;
    static const struct {
        struct money money;
        const char *text;
    } sums[] = {
        {{3199, {"EUR", 3}}, "31.99 EUR"}, {{5, {"EUR", 3}}, "0.05 EUR"},           {{0, {"USD", 3}}, "0.00 USD"},
        {{1500, {"JPY", 3}}, "1500 JPY"},  {{1234567, {"KWD", 3}}, "1234.567 KWD"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(sums); i++) {
        struct mail_value values[MAIL_VALUES_MAX];
        struct cart_line line = {.title = STR("Pot\r\nBcc: x"), .quantity = 3, .total = sums[i].money};
        const struct mail_due due = {
            .kind = "order_confirmed", .lines = &line, .line_count = 1, .total = sums[i].money, .time_us = NOW_US};
        mail_values(&arena, &secret, AN_ORDER, &due, values);
        struct mail_rows rows = mail_rows(&arena, &due);
        assert_true(str_equal(value_named(values, "total"), str_of_cstr(sums[i].text)));
        assert_true(str_equal(value_named(values, "order"), AN_ORDER));
        assert_int_equal(value_named(values, "reference").len, 0);
        assert_int_equal(value_named(values, "more").len, 0);
        assert_int_equal(rows.count, 1);
        assert_true(str_equal(row_value(&rows, 0, "quantity"), STR("3")));
        assert_true(str_equal(row_value(&rows, 0, "title"), STR("Pot  Bcc: x")));
        assert_true(str_equal(row_value(&rows, 0, "sum"), str_of_cstr(sums[i].text)));
    }
}

/* The longest there may be, of what grows most on its way. */
static void an_order_of_500_lines_fits_and_says_how_many_are_left_out(void **state) {
    (void)state;
    static struct cart_line lines[500];
    static char quotes[256], umlauts[256];
    memset(quotes, '"', sizeof quotes);
    for (size_t i = 0; i < sizeof umlauts; i += 2) {
        memcpy(umlauts + i, "\xc3\xbc", 2);
    }
    const struct str titles[] = {str_of(quotes, sizeof quotes), str_of(umlauts, sizeof umlauts)};
    for (size_t t = 0; t < ARRAY_LENGTH(titles); t++) {
        for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
            lines[i] = (struct cart_line){
                .title = titles[t], .quantity = INT64_C(1000000), .total = {INT64_C(1000000000000000), STR("EUR")}};
        }
        struct mail_value values[MAIL_VALUES_MAX];
        const struct mail_due due = {.kind = "order_confirmed",
                                     .lines = lines,
                                     .line_count = ARRAY_LENGTH(lines),
                                     .total = {INT64_C(1000000000000000), STR("EUR")},
                                     .reference = titles[t],
                                     .time_us = NOW_US};
        mail_values(&arena, &secret, AN_ORDER, &due, values);
        assert_true(str_equal(value_named(values, "more"), STR("450")));
        const struct mail mail = {.name = due.kind,
                                  .to = STR("you@example.com"),
                                  .public_url = STR("https://shop.example"),
                                  .message_id = mail_message_id(&arena, STR("evt_1"), STR("shop@shop.example")),
                                  .values = values,
                                  .value_count = MAIL_VALUES_MAX,
                                  .rows = mail_rows(&arena, &due),
                                  .date_us = NOW_US};
        struct buf out;
        const char *why = NULL;
        buf_init(&out, MAIL_MAX_BYTES);
        assert_int_equal(mail.rows.count, MAIL_LINES_MAX);
        assert_true(mail_write(&out, &mail, STR("shop@shop.example"), &why));
        buf_release(&out);
    }
}

static void each_mail_can_be_written_with_these_values(void **state) {
    (void)state;
    for (size_t i = 0; i < mail_kind_count; i++) {
        struct mail_value values[MAIL_VALUES_MAX];
        const struct mail_due due = {.kind = mail_kinds[i].name, .token_use = "verify", .number = 1, .time_us = NOW_US};
        mail_values(&arena, &secret, A_CUSTOMER, &due, values);
        const struct mail mail = {.name = due.kind,
                                  .to = STR("you@example.com"),
                                  .public_url = STR("https://shop.example"),
                                  .message_id = mail_message_id(&arena, STR("evt_1"), STR("shop@shop.example")),
                                  .values = values,
                                  .value_count = MAIL_VALUES_MAX,
                                  .date_us = NOW_US};
        struct buf out;
        const char *why = NULL;
        buf_init(&out, MAIL_MAX_BYTES);
        assert_true(mail_write(&out, &mail, STR("shop@shop.example"), &why));
        buf_release(&out);
    }
}

static void the_message_id_is_the_cause_at_the_senders_domain(void **state) {
    (void)state;
    struct str id = mail_message_id(&arena, STR("evt_1"), STR("no-reply@mail.shop.example"));
    assert_true(str_equal(id, STR("<evt_1@mail.shop.example>")));
}

static void times_are_for_people_and_fit_whatever_they_are(void **state) {
    (void)state;
    char text[MAIL_TIME_MAX];
    mail_time_write(0, text);
    assert_string_equal(text, "1 January 1970, 00:00 UTC");
    mail_time_write(INT64_C(253370764799) * MICROS_PER_SECOND, text);
    assert_string_equal(text, "31 December 9998, 23:59 UTC");
    mail_time_write(INT64_MAX, text);
    assert_true(strlen(text) < sizeof text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_to_prove_something_is_sent_a_token_as_long_as_it_is_good),
        cmocka_unit_test(what_happened_to_an_account_is_told_when_the_event_says_to_whom),
        cmocka_unit_test(all_other_events_are_told_to_nobody),
        cmocka_unit_test(what_became_of_a_mail_names_its_cause),
        cmocka_unit_test(an_order_is_confirmed_by_what_was_placed_and_again_by_what_is_asked_for),
        cmocka_unit_test(an_order_without_an_address_foresees_nothing),
        cmocka_unit_test(an_order_s_lines_and_totals_are_for_people),
        cmocka_unit_test(an_order_of_500_lines_fits_and_says_how_many_are_left_out),
        cmocka_unit_test(the_token_is_the_one_that_the_front_will_read),
        cmocka_unit_test(each_mail_can_be_written_with_these_values),
        cmocka_unit_test(the_message_id_is_the_cause_at_the_senders_domain),
        cmocka_unit_test(times_are_for_people_and_fit_whatever_they_are),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
