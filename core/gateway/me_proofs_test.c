#include "core/gateway/me_proofs.h"

#include "core/gateway/test_people.h"
#include "core/vault/totp.h"

/* Of the customer, in session 7. */
static void ask(enum http_method method, const char *path, const char *body) {
    test_request(method, path);
    people.request->principal.id = people.request->principal.identity = STR(TEST_CUSTOMER);
    people.request->principal.session = 7;
    people.request->principal.by = BY_TOKEN;
    test_prepare(body, false);
}

static bool is_verifier_of(struct str verifier, const char *password) {
    bool is_rehashed;
    return password_verify(verifier, str_of_cstr(password), &is_rehashed) == PASSWORD_RIGHT;
}

/* ---- another password -------------------------------------------------------------------------------------------- */

#define CHANGE(current, password) "{\"current\":\"" current "\",\"password\":\"" password "\"}"

static void who_has_the_old_password_sets_a_new_one_and_stays_logged_in(void **state) {
    (void)state;
    ask(HTTP_PUT_, "/v1/me/password", CHANGE("password", "another sentence"));
    assert_true(people.is_prepared);
    const struct change_password *change = &people.intake.command.as.change_password;
    assert_true(change->proved);
    assert_int_equal(change->password_number, 4);
    assert_int_equal(change->session, 7);
    assert_int_equal(change->current.len, 0);
    assert_true(is_verifier_of(change->password.plaintext, "another sentence"));
    assert_string_equal(people.stream, TEST_CUSTOMER);
    assert_true(str_equal(people.preparation.seal_key_id, people.key.id));
    assert_int_equal(people.preparation.seal_wish, VAULT_FIND);
    test_end();
}

static void a_wrong_one_is_counted_and_what_is_sealed_is_still_no_password(void **state) {
    (void)state;
    ask(HTTP_PUT_, "/v1/me/password", CHANGE("passwort", "another sentence"));
    assert_true(people.is_prepared); /* the decision counts it */
    const struct change_password *change = &people.intake.command.as.change_password;
    assert_false(change->proved);
    assert_true(is_verifier_of(change->password.plaintext, "another sentence"));
    test_end();
}

static void a_new_one_is_judged_before_anything_is_done_for_it(void **state) {
    (void)state;
    people.state.email = test_sealed("ada.lovelace@example.org");
    static const char *const bodies[] = {CHANGE("password", "short"), CHANGE("password", "ada.lovelace")};
    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++) {
        ask(HTTP_PUT_, "/v1/me/password", bodies[i]);
        assert_false(people.is_prepared);
        assert_int_equal(test_answered(422), i + 1);
    }
    assert_int_equal(hashing_count(people.gateway.hashing).done_total, 0);
}

static void the_same_key_is_the_same_request_whatever_was_proved(void **state) {
    (void)state;
    ask(HTTP_PUT_, "/v1/me/password", CHANGE("password", "another sentence"));
    assert_string_equal(people.within, "");
    test_end();
    ask(HTTP_PUT_, "/v1/me/password", CHANGE("passwort", "another sentence"));
    assert_string_equal(people.within, ""); /* whose first answer got lost has another password by now */
    test_end();
}

/* ---- another address --------------------------------------------------------------------------------------------- */

static void a_new_address_is_named_and_looked_for_nowhere(void **state) {
    (void)state;
    ask(HTTP_PUT_, "/v1/me/email", "{\"email\":\"Eve@Example.org\",\"password\":\"password\"}");
    assert_true(people.is_prepared);
    const struct secret *secret = &people.gateway.secret;
    const struct change_email *change = &people.intake.command.as.change_email;
    assert_true(change->proved);
    assert_int_equal(change->password_number, 4);
    assert_true(str_equal(change->identity, identity_of_email(&people.arena, secret, STR("eve@example.org"))));
    assert_true(str_equal(change->email_key, vault_key_id_of_email(&people.arena, secret, STR("eve@example.org"))));
    assert_true(str_equal(change->email.plaintext, STR("Eve@Example.org")));
    assert_true(str_equal(people.preparation.seal_key_id, people.key.id));
    assert_int_equal(people.statements, 1); /* he himself */
    assert_string_equal(people.asked, TEST_CUSTOMER);
    test_end();
    ask(HTTP_PUT_, "/v1/me/email", "{\"email\":\"eve@example.org\",\"password\":\"passwort\"}");
    assert_true(people.is_prepared);
    assert_false(people.intake.command.as.change_email.proved);
    test_end();
}

/* ---- a second factor --------------------------------------------------------------------------------------------- */

static const char *with_recovery_code(const char *before, int32_t totp_number) {
    struct str code = recovery_code_write(&people.arena, &people.gateway.secret, STR(TEST_CUSTOMER), totp_number, 2);
    return arena_printf(&people.arena, "{%s,\"code\":\"%.*s\"}", before, STR_ARGS(code)).data;
}

#define OF_PASSWORD "\"current\":\"password\",\"password\":\"another sentence\""
#define OF_EMAIL "\"email\":\"eve@example.org\",\"password\":\"password\""

static void a_code_is_compared_with_the_authenticator_and_left_nowhere(void **state) {
    (void)state;
    people.state.totp = TOTP_STATUS_ON;
    people.state.totp_number = 3;
    ask(HTTP_PUT_, "/v1/me/password", with_recovery_code(OF_PASSWORD, 3));
    const struct change_password *password = &people.intake.command.as.change_password;
    assert_true(people.is_prepared && password->proved);
    assert_int_equal(password->totp_number, 3);
    assert_int_equal(password->totp_step, 0);
    assert_int_equal(password->recovery, 3);
    assert_int_equal(password->code.len, 0);
    test_end();
    ask(HTTP_PUT_, "/v1/me/email", with_recovery_code(OF_EMAIL, 3));
    const struct change_email *email = &people.intake.command.as.change_email;
    assert_true(people.is_prepared && email->proved);
    assert_int_equal(email->totp_number, 3);
    assert_int_equal(email->recovery, 3);
    assert_int_equal(email->code.len, 0);
    test_end();
    ask(HTTP_PUT_, "/v1/me/email", with_recovery_code(OF_EMAIL, 2)); /* of the authenticator before */
    assert_int_equal(email->totp_step, -1);
    assert_int_equal(email->recovery, 0);
    test_end();
    ask(HTTP_PUT_, "/v1/me/email", "{" OF_EMAIL "}");
    assert_int_equal(email->totp_step, 0);
    assert_int_equal(email->recovery, 0);
    test_end();
}

static void of_who_has_no_authenticator_no_code_is_looked_at(void **state) {
    (void)state;
    people.state.totp = TOTP_STATUS_PENDING;
    people.state.totp_number = 3;
    ask(HTTP_PUT_, "/v1/me/password", with_recovery_code(OF_PASSWORD, 3));
    const struct change_password *password = &people.intake.command.as.change_password;
    assert_int_equal(password->totp_step, 0);
    assert_int_equal(password->recovery, 0);
    assert_int_equal(password->code.len, 0);
    test_end();
}

/* ---- erasure ----------------------------------------------------------------------------------------------------- */

static void who_has_himself_erased_gives_his_password(void **state) {
    (void)state;
    ask(HTTP_DELETE_, "/v1/me", "{}");
    assert_false(people.is_prepared);
    assert_int_equal(test_answered(400), 1);
    ask(HTTP_DELETE_, "/v1/me", "{\"password\":\"password\"}");
    assert_true(people.is_prepared);
    const struct erase_customer *erase = &people.intake.command.as.erase_customer;
    assert_true(erase->proved);
    assert_int_equal(erase->password_number, 4);
    assert_int_equal(erase->password.len, 0);
    test_end();
    ask(HTTP_DELETE_, "/v1/me", "{\"password\":\"passwort\"}");
    assert_true(people.is_prepared);
    assert_false(people.intake.command.as.erase_customer.proved);
    test_end();
}

/* The house's way needs none, and has no row of its own. */
static void the_house_erases_without_one(void **state) {
    (void)state;
    test_request(HTTP_DELETE_, "/v1/customers/" TEST_CUSTOMER);
    assert_null(prepared_command_of(people.request->match.route));
    test_end();
    test_request(HTTP_DELETE_, "/v1/me");
    assert_non_null(prepared_command_of(people.request->match.route));
    test_end();
}

/* ---- who cannot prove anything ----------------------------------------------------------------------------------- */

static void nobody_has_nothing_to_change(void **state) {
    (void)state;
    static const struct {
        enum http_method method;
        const char *path, *body;
    } cases[] = {{HTTP_PUT_, "/v1/me/password", CHANGE("password", "another sentence")},
                 {HTTP_PUT_, "/v1/me/email", "{\"email\":\"eve@example.org\",\"password\":\"password\"}"},
                 {HTTP_DELETE_, "/v1/me", "{\"password\":\"password\"}"}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        test_request(cases[i].method, cases[i].path); /* where access is open nobody may be logged in */
        test_prepare(cases[i].body, false);
        assert_false(people.is_prepared);
        assert_int_equal(test_answered(401), i + 1);
        assert_int_equal(people.statements, 0);
    }
}

static void one_whom_the_view_has_not_seen_comes_again(void **state) {
    (void)state;
    test_request(HTTP_DELETE_, "/v1/me");
    people.request->principal.id = people.request->principal.identity = STR(TEST_STRANGER);
    test_prepare("{\"password\":\"password\"}", false);
    assert_false(people.is_prepared);
    assert_int_equal(test_answered(503), 1);
    assert_int_equal(hashing_count(people.gateway.hashing).done_total, 0);
}

static void of_one_whose_key_was_destroyed_no_password_is_right(void **state) {
    (void)state;
    people.key.id = STR("per_01ARZ3NDEKTSV4RRFFQ69G5FAW"); /* which is not there under his own name */
    ask(HTTP_DELETE_, "/v1/me", "{\"password\":\"password\"}");
    assert_true(people.is_prepared);
    assert_false(people.intake.command.as.erase_customer.proved);
    test_end();
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, test_people_start, test_people_stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(who_has_the_old_password_sets_a_new_one_and_stays_logged_in),
        WITH(a_wrong_one_is_counted_and_what_is_sealed_is_still_no_password),
        WITH(a_new_one_is_judged_before_anything_is_done_for_it),
        WITH(the_same_key_is_the_same_request_whatever_was_proved),
        WITH(a_new_address_is_named_and_looked_for_nowhere),
        WITH(a_code_is_compared_with_the_authenticator_and_left_nowhere),
        WITH(of_who_has_no_authenticator_no_code_is_looked_at),
        WITH(who_has_himself_erased_gives_his_password),
        WITH(the_house_erases_without_one),
        WITH(nobody_has_nothing_to_change),
        WITH(one_whom_the_view_has_not_seen_comes_again),
        WITH(of_one_whose_key_was_destroyed_no_password_is_right),
    };
    return cmocka_run_group_tests_name("me_proofs", tests, NULL, NULL);
}
