#include "core/gateway/me_totp.h"

#include "core/gateway/test_people.h"
#include "core/vault/totp.h"

static void ask(enum http_method method, const char *body) {
    test_request(method, "/v1/me/totp");
    people.request->principal.id = people.request->principal.identity = STR(TEST_CUSTOMER);
    people.request->principal.session = 7;
    test_header("Idempotency-Key", STR("one-of-mine"));
    test_prepare(body, false);
}

/* What the customer's app shows now: it is looked for, since nothing but an app writes codes. */
static struct str code_of_app(int32_t number) {
    uint8_t secret[TOTP_SECRET_BYTES];
    int64_t now_s = clock_wall_us() / MICROS_PER_SECOND, step;
    totp_secret_derive(&people.gateway.secret, STR(TEST_CUSTOMER), number, secret);
    for (int code = 0; code < 1000000; code++) {
        char text[8];
        (void)snprintf(text, sizeof text, "%06d", code);
        if (totp_check(secret, str_of(text, 6), now_s, now_s / TOTP_STEP_S - 1, &step)) {
            return arena_str_copy(&people.arena, str_of(text, 6));
        }
    }
    fail_msg("no code is right");
    return STR("");
}

static const char *with_code(const char *before, struct str code) {
    return arena_printf(&people.arena, "{%s\"code\":\"%.*s\"}", before, STR_ARGS(code)).data;
}

/* ---- begun ------------------------------------------------------------------------------------------------------- */

static void a_secret_is_shown_to_who_has_the_password_and_his_key_brings_it_back(void **state) {
    (void)state;
    ask(HTTP_POST_, "{\"password\":\"password\"}");
    assert_true(people.is_prepared);
    assert_true(people.intake.command.as.begin_totp.proved);
    assert_int_equal(people.intake.command.as.begin_totp.password_number, 4);
    assert_string_equal(people.within, "proved");
    assert_int_equal(people.intake.key.len, strlen("one-of-mine"));
    test_end();
}

static void to_who_has_it_not_a_key_brings_nothing_back(void **state) {
    (void)state;
    ask(HTTP_POST_, "{\"password\":\"passwort\"}");
    assert_true(people.is_prepared);
    assert_false(people.intake.command.as.begin_totp.proved);
    assert_int_equal(people.intake.key.len, 0);
    test_end();
}

/* ---- confirmed --------------------------------------------------------------------------------------------------- */

static void a_code_of_the_app_confirms_it(void **state) {
    (void)state;
    people.state.totp = TOTP_STATUS_PENDING;
    people.state.totp_number = 3;
    struct str code = code_of_app(3);
    ask(HTTP_PUT_, with_code("", code));
    assert_true(people.is_prepared);
    const struct confirm_totp *confirm = &people.intake.command.as.confirm_totp;
    assert_int_equal(confirm->totp_number, 3);
    assert_true(confirm->step > 0);
    assert_int_equal(confirm->code.len, 0);
    char within[64];
    (void)snprintf(within, sizeof within, "%s", people.within);
    assert_true(strlen(within) > 0);
    test_end();
    ask(HTTP_PUT_, with_code("", code)); /* sent again it is the same request */
    assert_string_equal(people.within, within);
    test_end();
    ask(HTTP_PUT_, with_code("", STR("00000x"))); /* and another code is another */
    assert_string_not_equal(people.within, within);
    assert_int_equal(people.intake.command.as.confirm_totp.step, 0);
    test_end();
}

static void neither_a_recovery_code_nor_one_of_another_app_confirms_it(void **state) {
    (void)state;
    people.state.totp = TOTP_STATUS_PENDING;
    people.state.totp_number = 3;
    ask(HTTP_PUT_, with_code("", recovery_code_write(&people.arena, &people.gateway.secret, STR(TEST_CUSTOMER), 3, 0)));
    assert_int_equal(people.intake.command.as.confirm_totp.step, 0);
    test_end();
    ask(HTTP_PUT_, with_code("", code_of_app(2)));
    assert_int_equal(people.intake.command.as.confirm_totp.step, 0);
    test_end();
}

/* ---- ended ------------------------------------------------------------------------------------------------------- */

static void password_and_code_end_it_and_so_does_a_recovery_code(void **state) {
    (void)state;
    people.state.totp = TOTP_STATUS_ON;
    people.state.totp_number = 3;
    ask(HTTP_DELETE_, with_code("\"password\":\"password\",", code_of_app(3)));
    assert_true(people.is_prepared);
    const struct end_totp *end = &people.intake.command.as.end_totp;
    assert_true(end->proved);
    assert_int_equal(end->totp_number, 3);
    assert_true(end->step > 0);
    assert_int_equal(end->recovery, 0);
    assert_int_equal(end->code.len, 0);
    test_end();
    ask(HTTP_DELETE_, with_code("\"password\":\"passwort\",",
                                recovery_code_write(&people.arena, &people.gateway.secret, STR(TEST_CUSTOMER), 3, 2)));
    end = &people.intake.command.as.end_totp;
    assert_false(end->proved);
    assert_int_equal(end->recovery, 3);
    assert_int_equal(end->step, 0);
    test_end();
}

static void nobody_has_no_authenticator(void **state) {
    (void)state;
    test_request(HTTP_POST_, "/v1/me/totp");
    test_prepare("{\"password\":\"password\"}", false);
    assert_false(people.is_prepared);
    assert_int_equal(test_answered(401), 1);
}

/* ---- what the app is told ---------------------------------------------------------------------------------------- */

static void the_issuer_is_the_host_that_people_know(void **state) {
    (void)state;
    static const struct {
        const char *url, *issuer;
    } cases[] = {{"https://shop.example", "shop.example"},
                 {"https://shop.example:8443", "shop.example"},
                 {"https://127.0.0.1:8443", "127.0.0.1"},
                 {"https://[::1]:8443", "[::1]"},
                 {"https://[::1]", "[::1]"}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        assert_true(str_equal(me_totp_issuer(cases[i].url), str_of_cstr(cases[i].issuer)));
    }
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, test_people_start, test_people_stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(a_secret_is_shown_to_who_has_the_password_and_his_key_brings_it_back),
        WITH(to_who_has_it_not_a_key_brings_nothing_back),
        WITH(a_code_of_the_app_confirms_it),
        WITH(neither_a_recovery_code_nor_one_of_another_app_confirms_it),
        WITH(password_and_code_end_it_and_so_does_a_recovery_code),
        WITH(nobody_has_no_authenticator),
        cmocka_unit_test(the_issuer_is_the_host_that_people_know),
    };
    return cmocka_run_group_tests_name("me_totp", tests, NULL, NULL);
}
