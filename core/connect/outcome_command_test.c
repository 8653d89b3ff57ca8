/* Given what a provider said, which command is it? */
#include "core/connect/outcome_command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/text.h"
#include "core/log/record.h"

static struct arena arena;
static const struct intent charge = {
    .kind = INTENT_CHARGE, .amount_minor = 1000, .currency = "EUR", .key = "pay_X.1.1.charge", .payment = "pay_X.1.1"};

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

static struct command told(int64_t amount_minor, const char *currency) {
    const struct provider_outcome outcome = {.answer = PROVIDER_DECIDED,
                                             .result = STR("captured"),
                                             .amount_minor = amount_minor,
                                             .currency = str_of_cstr(currency),
                                             .provider_ref = STR("ch_1")};
    return outcome_command(&arena, &charge, &outcome, 1);
}

static void the_same_outcome_is_the_same_command(void **state) {
    (void)state;
    assert_true(str_equal(told(1000, "EUR").meta.command_id, told(1000, "EUR").meta.command_id));
    assert_true(str_equal(told(1000, "EUR").meta.command_id, told(1000, "").meta.command_id));
}

static void another_amount_or_currency_is_another_command(void **state) {
    (void)state;
    assert_false(str_equal(told(1000, "EUR").meta.command_id, told(1001, "EUR").meta.command_id));
    assert_false(str_equal(told(1000, "EUR").meta.command_id, told(1000, "USD").meta.command_id));
}

static void the_providers_currency_is_not_bent_to_the_one_asked_for(void **state) {
    (void)state;
    struct money dollars = told(1000, "USD").as.record_provider_outcome.amount;
    assert_true(str_equal(dollars.currency, STR("USD")));
    struct money unsaid = told(1000, "").as.record_provider_outcome.amount;
    assert_true(str_equal(unsaid.currency, STR("EUR")));
}

static void however_much_the_provider_says_the_command_fits_into_a_record(void **state) {
    (void)state;
    enum { LONG = 1000 * 1000 };
    static char text[LONG];
    for (size_t i = 0; i + 1 < LONG; i += 2) {
        memcpy(text + i, "é", 2);
    }
    struct str words = str_of(text, LONG);
    const struct provider_outcome outcome = {.answer = PROVIDER_DECIDED,
                                             .result = STR("action_required"),
                                             .provider_ref = words,
                                             .code = words,
                                             .message = words,
                                             .action_url = words};
    struct command command = outcome_command(&arena, &charge, &outcome, 1);
    const struct record_provider_outcome *told = &command.as.record_provider_outcome;
    assert_int_equal(told->message.len, OUTCOME_TEXT_MAX);
    assert_true(utf8_is_valid(told->message));
    assert_true(utf8_is_valid(told->code));
    assert_int_equal(told->provider_ref.len, OUTCOME_TEXT_MAX);
    assert_false(told->has_action_url);
    struct buf value;
    buf_init(&value, RECORD_MAX_BYTES);
    command_record_write(&value, &command);
    assert_true(buf_ok(&value));
    buf_release(&value);
}

static void only_an_address_of_the_web_is_one_to_send_shoppers_to(void **state) {
    (void)state;
    static const struct {
        const char *said;
        bool is_passed_on;
    } rows[] = {
        {"https://pay.example/step?id=1", true},
        {"http://127.0.0.1:18090/step", true},
        {"javascript:alert(1)", false},
        {"data:text/html,x", false},
        {"//pay.example/step", false},
        {"https://somebody@pay.example/", false},
        {"https://pay.example/\r\nSet-Cookie: a", false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct provider_outcome outcome = {
            .answer = PROVIDER_DECIDED, .result = STR("action_required"), .action_url = str_of_cstr(rows[i].said)};
        struct command command = outcome_command(&arena, &charge, &outcome, 1);
        assert_int_equal(command.as.record_provider_outcome.has_action_url, rows[i].is_passed_on);
    }
}

static void an_outcomes_id_never_says_that_it_was_decided_with_its_cause(void **state) {
    (void)state;
    for (int64_t amount = 1; amount <= 64; amount++) {
        struct str id = told(amount, "EUR").meta.command_id;
        uint8_t bytes[ULID_BYTES];
        assert_true(ulid_read(str_from(id, 4), bytes));
        assert_int_equal(bytes[0] & COMMAND_AT_ONCE_BIT, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_outcomes_id_never_says_that_it_was_decided_with_its_cause),
        cmocka_unit_test(only_an_address_of_the_web_is_one_to_send_shoppers_to),
        cmocka_unit_test(the_same_outcome_is_the_same_command),
        cmocka_unit_test(another_amount_or_currency_is_another_command),
        cmocka_unit_test(the_providers_currency_is_not_bent_to_the_one_asked_for),
        cmocka_unit_test(however_much_the_provider_says_the_command_fits_into_a_record),
    };
    return cmocka_run_group_tests_name("outcome_command", tests, set_up, tear_down);
}
