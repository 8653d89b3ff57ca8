#include "core/gateway/webhook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sodium.h>

static struct arena arena;
#define SECRET STR("shared secret")
#define BODY STR("{\"intent\":\"i\"}")
#define PAYMENT "pay_01ARZ3NDEKTSV4RRFFQ69G5FAV.1.1"

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 1 << 20);
    return sodium_init() < 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

/* What the provider would send at that time. */
static struct str header(struct str secret, int64_t time_s, struct str body) {
    struct str signed_text = arena_printf(&arena, "%lld.%.*s", (long long)time_s, STR_ARGS(body));
    uint8_t hash[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state hmac;
    crypto_auth_hmacsha256_init(&hmac, (const uint8_t *)secret.data, secret.len);
    crypto_auth_hmacsha256_update(&hmac, (const uint8_t *)signed_text.data, signed_text.len);
    crypto_auth_hmacsha256_final(&hmac, hash);
    char hex[2 * sizeof hash + 1];
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    return arena_printf(&arena, "t=%lld,v1=%s", (long long)time_s, hex);
}

static void the_providers_signature_is_genuine_for_five_minutes(void **state) {
    (void)state;
    struct str signature = header(SECRET, 1000000, BODY);
    assert_int_equal(webhook_check(SECRET, signature, BODY, 1000000), WEBHOOK_GENUINE);
    assert_int_equal(webhook_check(SECRET, signature, BODY, 1000300), WEBHOOK_GENUINE);
    assert_int_equal(webhook_check(SECRET, signature, BODY, 1000301), WEBHOOK_STALE);
    assert_int_equal(webhook_check(SECRET, signature, BODY, 999699), WEBHOOK_STALE);
}

static void anything_changed_is_forged(void **state) {
    (void)state;
    struct str signature = header(SECRET, 1000000, BODY);
    assert_int_equal(webhook_check(SECRET, signature, STR("{\"intent\":\"j\"}"), 1000000), WEBHOOK_FORGED);
    assert_int_equal(webhook_check(STR("another"), signature, BODY, 1000000), WEBHOOK_FORGED);
    assert_int_equal(webhook_check(SECRET, str_first(signature, signature.len - 2), BODY, 1000000), WEBHOOK_FORGED);
    assert_int_equal(webhook_check(SECRET, STR(""), BODY, 1000000), WEBHOOK_FORGED);
    assert_int_equal(webhook_check(SECRET, STR("t=1000000"), BODY, 1000000), WEBHOOK_FORGED);
    assert_int_equal(webhook_check(SECRET, str_from(signature, 10), BODY, 1000000), WEBHOOK_FORGED);
    assert_int_equal(webhook_check(STR(""), header(STR(""), 1000000, BODY), BODY, 1000000), WEBHOOK_FORGED);
    /* The time is signed as well. */
    struct str later = arena_printf(&arena, "t=1000200%.*s", STR_ARGS(str_from(signature, 9)));
    assert_int_equal(webhook_check(SECRET, later, BODY, 1000200), WEBHOOK_FORGED);
}

static void of_several_signatures_one_must_be_genuine(void **state) {
    (void)state;
    struct str good = header(SECRET, 1000000, BODY);
    struct str other = header(STR("older secret"), 1000000, BODY);
    struct str both = arena_printf(&arena, "%.*s,%.*s", STR_ARGS(other), STR_ARGS(str_from(good, 10)));
    assert_int_equal(webhook_check(SECRET, both, BODY, 1000000), WEBHOOK_GENUINE);
}

static void the_body_becomes_the_providers_outcome(void **state) {
    (void)state;
    struct command command;
    struct problem problem;
    assert_true(webhook_command(&arena,
                                STR("{\"intent\":\"" PAYMENT "\",\"payment\":\"" PAYMENT "\",\"result\":\"captured\","
                                    "\"amount\":1999,\"currency\":\"EUR\",\"provider_ref\":\"ch_1\",\"new\":[]}"),
                                &command, &problem));
    const struct record_provider_outcome *outcome = &command.as.record_provider_outcome;
    assert_int_equal(command.type, COMMAND_RECORD_PROVIDER_OUTCOME);
    assert_true(str_equal(command.meta.stream, STR(PAYMENT)));
    assert_true(str_equal(outcome->result, STR("captured")));
    assert_int_equal(outcome->amount.amount, 1999);
    assert_true(str_equal(outcome->provider_ref, STR("ch_1")));
    assert_false(outcome->has_action_url);
}

static void a_dispute_has_a_name_and_maybe_a_time_until_which_to_respond(void **state) {
    (void)state;
    struct command command;
    struct problem problem;
    assert_true(
        webhook_command(&arena,
                        STR("{\"intent\":\"" PAYMENT ".charge\",\"payment\":\"" PAYMENT "\",\"result\":\"disputed\","
                            "\"amount\":400,\"currency\":\"EUR\",\"provider_ref\":\"dp_1\",\"code\":\"fraudulent\","
                            "\"respond_by\":\"1970-01-02T00:00:00Z\"}"),
                        &command, &problem));
    const struct record_provider_outcome *outcome = &command.as.record_provider_outcome;
    assert_true(str_equal(outcome->result, STR("disputed")));
    assert_true(str_equal(outcome->provider_ref, STR("dp_1")));
    assert_true(outcome->has_respond_by);
    assert_int_equal(outcome->respond_by, INT64_C(86400000000));
}

static void a_body_that_says_too_little_is_refused_and_pointed_at(void **state) {
    (void)state;
    static const struct {
        const char *body, *code, *pointer;
    } rows[] = {
        {"{}", "missing_field", "/intent"},
        {"{\"intent\":1}", "wrong_type", "/intent"},
        {"{\"intent\":\"i\"}", "missing_field", "/payment"},
        {"{\"intent\":\"i\",\"payment\":\"x\",\"result\":\"captured\"}", "malformed_id", "/payment"},
        {"{\"intent\":\"i\",\"payment\":\"" PAYMENT "\",\"result\":\"rich\"}", "invalid_format", "/result"},
        {"{\"intent\":\"i\",\"payment\":\"" PAYMENT
         "\",\"result\":\"action_required\",\"action_url\":\"javascript:alert(1)\"}",
         "invalid_format", "/action_url"},
        {"{\"intent\":\"i\",\"payment\":\"" PAYMENT "\",\"result\":\"captured\",\"amount\":-1}", "wrong_type",
         "/amount"},
        {"{\"intent\":\"i\",\"payment\":\"" PAYMENT "\",\"result\":\"captured\",\"amount\":1}", "missing_field",
         "/currency"},
        {"{\"intent\":\"i\",\"payment\":\"" PAYMENT "\",\"result\":\"dispute_won\"}", "missing_field", "/provider_ref"},
        {"{\"intent\":\"i\",\"payment\":\"" PAYMENT "\",\"result\":\"disputed\",\"respond_by\":\"soon\"}",
         "invalid_format", "/respond_by"},
        {"{\"intent\":\"i\",\"intent\":\"j\"}", "duplicate_key", "/intent"},
        {"", "malformed_json", ""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct command command;
        struct problem problem = {0};
        assert_false(webhook_command(&arena, str_of_cstr(rows[i].body), &command, &problem));
        assert_string_equal(problem.code, rows[i].code);
        assert_int_equal(problem.status, 400);
        assert_true(str_equal(problem.pointer, str_of_cstr(rows[i].pointer)));
    }
}

static void nobody_signs_with_the_secret_that_stands_in_the_source(void **state) {
    (void)state;
    struct config config;
    assert_int_equal(config_load(&config, NULL, NULL), ERR_NONE);
    assert_false(webhook_secret_is_usable(&config));
    config.development = true;
    assert_true(webhook_secret_is_usable(&config));
    config.development = false;
    const char *public_secret = config.provider_webhook_secret;
    config.provider_webhook_secret = "another";
    assert_true(webhook_secret_is_usable(&config));
    config.provider_webhook_secret = "";
    assert_false(webhook_secret_is_usable(&config));
    config.provider_webhook_secret = public_secret;
    config_release(&config);
}

static void a_secret_that_could_be_guessed_is_refused(void **state) {
    (void)state;
    struct config config;
    struct err_info info = {0};
    assert_int_equal(config_load(&config, NULL, NULL), ERR_NONE);
    const char *public_secret = config.provider_webhook_secret;
    assert_int_equal(webhook_secret_check(&config, &info), ERR_NONE); /* nothing is taken by it */
    config.provider_webhook_secret = "";
    assert_int_equal(webhook_secret_check(&config, &info), ERR_NONE);
    config.provider_webhook_secret = "0123456789abcdef0123456789abcdef";
    assert_int_equal(webhook_secret_check(&config, &info), ERR_NONE);
    config.provider_webhook_secret = "0123456789abcdef0123456789abcde";
    assert_int_equal(webhook_secret_check(&config, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "provider_webhook_secret has 31 bytes"));
    assert_null(strstr(info.text, "0123"));
    config.development = true; /* for a developer as well: he has the default */
    assert_int_equal(webhook_secret_check(&config, &info), ERR_CONFIG);
    config.provider_webhook_secret = public_secret;
    config_release(&config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_providers_signature_is_genuine_for_five_minutes),
        cmocka_unit_test(anything_changed_is_forged),
        cmocka_unit_test(of_several_signatures_one_must_be_genuine),
        cmocka_unit_test(nobody_signs_with_the_secret_that_stands_in_the_source),
        cmocka_unit_test(a_secret_that_could_be_guessed_is_refused),
        cmocka_unit_test(the_body_becomes_the_providers_outcome),
        cmocka_unit_test(a_dispute_has_a_name_and_maybe_a_time_until_which_to_respond),
        cmocka_unit_test(a_body_that_says_too_little_is_refused_and_pointed_at),
    };
    return cmocka_run_group_tests_name("webhook", tests, set_up, tear_down);
}
