#include "core/gateway/sessions.h"

#include <sched.h>

#include "core/gateway/held.h"
#include "core/gateway/test_people.h"
#include "core/vault/totp.h"

#define TEST_KEY "a-key-of-22-characters"
#define LOGIN(email, password) "{\"email\":\"" email "\",\"password\":\"" password "\"}"

static struct open_session *login(const char *body) {
    test_request(HTTP_POST_, "/v1/sessions");
    test_header("User-Agent", STR("Mozilla/5.0"));
    test_header("Idempotency-Key", STR(TEST_KEY));
    test_prepare(body, false);
    return &people.intake.command.as.open_session;
}

/* ---- logging in -------------------------------------------------------------------------------------------------- */

static void who_has_the_password_has_proved_it(void **state) {
    (void)state;
    const struct open_session *ask = login(LOGIN("Ada@Example.org", "password"));
    assert_true(people.is_prepared);
    assert_true(ask->proved);
    assert_int_equal(ask->password_number, 4);
    assert_string_equal(people.stream, TEST_CUSTOMER);
    assert_int_equal(people.intake.key.len, strlen(TEST_KEY));
    assert_true(str_equal(people.intake.command.meta.actor, STR("customer:" TEST_CUSTOMER)));
    test_end();
}

static void from_where_is_sealed_with_his_key(void **state) {
    (void)state;
    const struct open_session *ask = login(LOGIN(TEST_EMAIL, "password"));
    assert_true(ask->has_client);
    assert_true(str_equal(ask->client.plaintext, STR(":: Mozilla/5.0")));
    assert_true(str_equal(people.preparation.seal_key_id, people.key.id));
    assert_int_equal(people.preparation.seal_wish, VAULT_FIND);
    test_end();
}

/* The test's verifier is of another cost than today's. */
static void a_verifier_of_another_cost_is_made_anew(void **state) {
    (void)state;
    const struct open_session *ask = login(LOGIN(TEST_EMAIL, "password"));
    assert_true(ask->has_rehashed);
    assert_true(str_starts_with(ask->rehashed.plaintext, STR("$argon2id$v=19$m=19456,t=2,p=1$")));
    bool is_rehashed;
    assert_int_equal(password_verify(ask->rehashed.plaintext, STR("password"), &is_rehashed), PASSWORD_RIGHT);
    test_end();
}

/* Of "password" and of nothing; the second takes most of a second. */
#define SLOW_VERIFIER                                                                                                  \
    "$argon2id$v=19$m=65536,t=16,p=1$c29tZXNhbHQAAAAAAAAAAA$TCsNUutWgv3lowstIasFJbdiamKiq8qPUdz2wSvQ4rw"

static void ignore_job(struct hashing_job *job) {
    (void)job;
}

/* The thread is at work, and as many wait as may. Ends with the outlet. */
static void fill_hashing(void) {
    static struct hashing_job jobs[HASHINGS_MAX + 1];
    static char password[] = "x";
    for (size_t i = 0; i < ARRAY_LENGTH(jobs); i++) {
        jobs[i] = (struct hashing_job){.password = password, .password_len = 1, .on_done = ignore_job};
        (void)snprintf(jobs[i].verifier, sizeof jobs[i].verifier, "%s", i == 0 ? SLOW_VERIFIER : TEST_VERIFIER);
        assert_true(hashing_submit(&people.loop.hashing_outlet, &jobs[i]));
        while (i == 0 && hashing_count(people.gateway.hashing).waiting > 0) {
            (void)sched_yield();
        }
    }
}

static void start_login(const char *body) {
    test_request(HTTP_POST_, "/v1/sessions");
    test_begin(body, false);
}

/* He is logged in; the verifier is made anew another time. */
static void without_room_for_a_new_verifier_the_old_one_is_good(void **state) {
    (void)state;
    start_login(LOGIN(TEST_EMAIL, "password"));
    while (hashing_count(people.gateway.hashing).done_total < 1) {
        (void)sched_yield(); /* it is compared, and the loop has not run since */
    }
    fill_hashing();
    test_run();
    assert_true(people.is_prepared);
    assert_true(people.intake.command.as.open_session.proved);
    assert_false(people.intake.command.as.open_session.has_rehashed);
    assert_int_equal(people.intake.command.as.open_session.password.len, 0);
    test_end();
}

/* Whoever asks and leaves takes nobody's place. */
static void who_leaves_before_his_turn_is_not_hashed(void **state) {
    (void)state;
    static struct hashing_job slow;
    static char password[] = "x";
    slow =
        (struct hashing_job){.verifier = SLOW_VERIFIER, .password = password, .password_len = 1, .on_done = ignore_job};
    assert_true(hashing_submit(&people.loop.hashing_outlet, &slow));
    while (hashing_count(people.gateway.hashing).waiting > 0) {
        (void)sched_yield();
    }
    start_login(LOGIN(TEST_EMAIL, "password"));
    assert_int_equal(hashing_count(people.gateway.hashing).waiting, 1);
    assert_true(preparation_cancel(&people.preparation));
    assert_int_equal(hashing_count(people.gateway.hashing).waiting, 0);
    assert_false(preparation_cancel(&people.preparation));
    test_end();
}

/* The answer says whether the key had another request: so the first must not have had the same id. */
static void what_else_a_login_asks_for_is_part_of_its_id(void **state) {
    (void)state;
    static const char *const bodies[] = {
        LOGIN(TEST_EMAIL, "password"),
        "{\"email\":\"ada@example.org\",\"password\":\"password\",\"cookie\":true}",
        "{\"email\":\"ada@example.org\",\"password\":\"password\",\"cookie\":false}",
    };
    char within[ARRAY_LENGTH(bodies)][sizeof people.within];
    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++) {
        (void)login(bodies[i]);
        assert_true(strncmp(people.within, "proved ", 7) == 0);
        memcpy(within[i], people.within, sizeof people.within);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(within[k], within[i]);
        }
        test_end();
    }
    (void)login(LOGIN("ADA@example.org", "password")); /* no other request: it is the same person */
    assert_string_equal(people.within, within[0]);
    test_end();
}

static void a_wrong_password_is_sent_as_such(void **state) {
    (void)state;
    const struct open_session *ask = login(LOGIN(TEST_EMAIL, "passwort"));
    assert_true(people.is_prepared);
    assert_false(ask->proved);
    assert_false(ask->has_rehashed);
    assert_string_equal(people.stream, TEST_CUSTOMER);
    assert_int_equal(people.intake.key.len, 0);
    assert_true(str_equal(people.intake.command.meta.actor, STR("anonymous")));
    test_end();
}

/* The same steps are taken: the view, the vault, a hashing, a command to somebody who is not there. */
static void of_an_address_that_is_nobodys_nobody_is_asked(void **state) {
    (void)state;
    (void)login(LOGIN(TEST_EMAIL, "passwort"));
    int statements = people.statements, key_questions = people.key_questions;
    uint64_t hashed = hashing_count(people.gateway.hashing).done_total;
    test_end();
    const struct open_session *ask = login(LOGIN("eve@example.org", "password"));
    assert_true(people.is_prepared);
    assert_false(ask->proved);
    assert_false(ask->has_client);
    assert_int_equal(people.intake.key.len, 0);
    assert_true(str_starts_with(str_of_cstr(people.stream), STR("cus_")));
    assert_string_not_equal(people.stream, TEST_CUSTOMER);
    assert_int_equal(people.statements, statements);
    assert_int_equal(people.key_questions, key_questions);
    assert_int_equal(hashing_count(people.gateway.hashing).done_total, 2 * hashed);
    char first[64];
    memcpy(first, people.stream, sizeof first);
    test_end();
    (void)login(LOGIN("EVE@example.org", "other password"));
    assert_string_equal(people.stream, first); /* the same nobody, and so the same shard */
    test_end();
}

/* Where the vault is away, that his key is remembered shows nothing. */
static void without_the_vault_nobody_is_told_who_is_known(void **state) {
    (void)state;
    (void)login(LOGIN(TEST_EMAIL, "password"));
    test_end();
    people.is_vault_away = true;
    (void)login(LOGIN(TEST_EMAIL, "password"));
    (void)login(LOGIN("eve@example.org", "password"));
    assert_false(people.is_prepared);
    assert_int_equal(test_answered(503), 2);
}

/* Whoever is there, and this front cannot read him or open his key, is nobody here: no failure of his is counted. */
static void who_cannot_be_read_is_nobody(void **state) {
    (void)state;
    (void)login(LOGIN("eve@example.org", "password"));
    int statements = people.statements, key_questions = people.key_questions;
    test_end();
    for (int i = 0; i < 2; i++) {
        people.key_master = i == 0 ? "of another ring" : "";
        people.state_schema = i == 0 ? CUSTOMER_STATE_SCHEMA_ID : 999999;
        const struct open_session *ask = login(LOGIN(TEST_EMAIL, "password"));
        assert_true(people.is_prepared);
        assert_false(ask->proved);
        assert_false(ask->has_client);
        assert_int_equal(people.intake.key.len, 0);
        assert_string_not_equal(people.stream, TEST_CUSTOMER);
        assert_int_equal(people.statements, statements);
        assert_int_equal(people.key_questions, key_questions);
        test_end();
    }
}

/* Whoever guesses nobody's password proves nothing. */
static void a_customer_without_a_password_proves_nothing(void **state) {
    (void)state;
    people.state.has_password = false;
    people.state.password = (struct sealed){0};
    (void)snprintf(people.gateway.nobodys_verifier, PASSWORD_VERIFIER_MAX, "%s", TEST_VERIFIER);
    const struct open_session *ask = login(LOGIN(TEST_EMAIL, "password"));
    assert_false(ask->proved);
    test_end();
    assert_false(login(LOGIN("eve@example.org", "password"))->proved);
    test_end();
}

/* By either it could be told whether there is a customer of that version. */
static void neither_a_version_nor_a_place_to_ask_is_taken(void **state) {
    (void)state;
    test_request(HTTP_POST_, "/v1/sessions");
    test_header("If-Match", STR("\"3\""));
    test_header("Prefer", STR("respond-async"));
    test_prepare(LOGIN(TEST_EMAIL, "passwort"), false);
    assert_false(people.intake.command.meta.has_expected_version);
    assert_false(people.intake.responds_async);
    test_end();
}

static void what_was_sent_is_wiped(void **state) {
    (void)state;
    const struct open_session *ask = login(LOGIN(TEST_EMAIL, "password"));
    assert_int_equal(ask->email.len, 0);
    assert_int_equal(ask->password.len, 0);
    test_end();
}

static struct open_session *login_with_code(struct str code) {
    return login(arena_printf(&people.arena, "{\"email\":\"%s\",\"password\":\"password\",\"code\":\"%.*s\"}",
                              TEST_EMAIL, STR_ARGS(code))
                     .data);
}

static void use_authenticator(void) {
    people.state.totp = TOTP_STATUS_ON;
    people.state.totp_number = 1;
}

static void a_recovery_code_is_told_by_its_number(void **state) {
    (void)state;
    use_authenticator();
    const struct open_session *ask =
        login_with_code(recovery_code_write(&people.arena, &people.gateway.secret, STR(TEST_CUSTOMER), 1, 2));
    assert_int_equal(ask->recovery, 3);
    assert_int_equal(ask->totp_number, 1);
    assert_int_equal(ask->totp_step, 0);
    assert_int_equal(people.intake.key.len, strlen(TEST_KEY));
    test_end();
}

static void a_wrong_code_proves_nothing(void **state) {
    (void)state;
    use_authenticator();
    const struct open_session *ask = login_with_code(STR("00000x"));
    assert_int_equal(ask->recovery, 0);
    assert_int_equal(ask->totp_step, -1);
    assert_int_equal(people.intake.key.len, 0);
    test_end();
    assert_int_equal(login(LOGIN(TEST_EMAIL, "password"))->totp_step, 0); /* none was sent: he is asked for one */
    assert_int_equal(people.intake.key.len, 0);
    test_end();
}

static void without_an_authenticator_a_code_says_nothing(void **state) {
    (void)state;
    const struct open_session *ask = login_with_code(STR("000000"));
    assert_int_equal(ask->totp_step, 0);
    assert_int_equal(people.intake.key.len, strlen(TEST_KEY));
    test_end();
}

static void without_the_database_nobody_is_told_who_is_known(void **state) {
    (void)state;
    people.is_away = true;
    (void)login(LOGIN(TEST_EMAIL, "password"));
    (void)login(LOGIN("eve@example.org", "password"));
    assert_false(people.is_prepared);
    assert_int_equal(test_answered(503), 2);
}

/* ---- its answer -------------------------------------------------------------------------------------------------- */

static struct customer_state opened(void) {
    struct customer_state state = people.state;
    state.touched_session = 7;
    state.touched_generation = 1;
    state.touched_at = authentication_now_us(&people.loop.authentication);
    state.touched_expires_at = state.touched_at + INT64_C(1000000) * MICROS_PER_SECOND;
    return state;
}

static struct session_terms terms_of(bool as_cookies) {
    return (struct session_terms){.signing = people.loop.authentication.signing,
                                  .secret = &people.gateway.secret,
                                  .access_token_s = 600,
                                  .as_cookies = as_cookies};
}

static struct session_answer written(const struct customer_state *state, bool as_cookies) {
    struct session_terms terms = terms_of(as_cookies);
    struct session_answer answer;
    assert_true(session_answer_write(&people.arena, &terms, STR(TEST_CUSTOMER), state, &answer));
    return answer;
}

static bool holds(struct str text, const char *part) {
    return memmem(text.data, text.len, part, strlen(part)) != NULL;
}

static struct str member(struct str body, const char *name) {
    json_error_t error;
    json_t *json = json_loadb(body.data, body.len, 0, &error);
    assert_non_null(json);
    const char *text = json_string_value(json_object_get(json, name));
    struct str copy = text == NULL ? (struct str){0} : arena_str_copy(&people.arena, str_of_cstr(text));
    json_decref(json);
    return copy;
}

static void tokens_say_who_and_which_session(void **state) {
    (void)state;
    struct role_grant grants[] = {{.role = STR("vendor"), .has_vendor = true, .vendor = STR("Röster")},
                                  {.role = STR("support")}};
    struct customer_state customer = opened();
    customer.roles = (struct role_grant_array){.items = grants, .count = 2};
    struct session_answer answer = written(&customer, false);
    struct access_claims claims;
    struct str access = member(answer.body, "access_token");
    assert_int_equal(access_token_read(people.loop.authentication.signing, &people.arena, access,
                                       customer.touched_at / MICROS_PER_SECOND, &claims),
                     TOKEN_FINE);
    assert_true(str_equal(claims.customer, STR(TEST_CUSTOMER)));
    assert_int_equal(claims.session, 7);
    assert_int_equal(claims.roles, TOKEN_ROLE_VENDOR | TOKEN_ROLE_SUPPORT);
    assert_true(str_equal(claims.vendor, STR("Röster")));
    assert_false(claims.is_once);
    assert_int_equal(claims.expires_at_s - claims.issued_at_s, 600);
    struct session_ref ref;
    assert_true(refresh_token_read(&people.gateway.secret, member(answer.body, "refresh_token"), &ref));
    assert_int_equal(ref.session, 7);
    assert_int_equal(ref.generation, 1);
    assert_true(holds(answer.body, "\"password_change_required\":false"));
    assert_true(str_is_empty(answer.access_cookie));
    assert_true(str_equal(answer.body, written(&customer, false).body)); /* byte for byte, again */
}

static void a_password_for_one_use_says_so(void **state) {
    (void)state;
    struct customer_state customer = opened();
    customer.once_until = customer.touched_at + 1;
    assert_true(holds(written(&customer, false).body, "\"password_change_required\":true"));
}

static struct access_claims claims_of(const struct session_answer *answer, const struct customer_state *customer) {
    struct access_claims claims;
    assert_int_equal(access_token_read(people.loop.authentication.signing, &people.arena,
                                       member(answer->body, "access_token"), customer->touched_at / MICROS_PER_SECOND,
                                       &claims),
                     TOKEN_FINE);
    return claims;
}

/* Also after a refresh: the state says by what the session was opened. */
static void a_token_says_whether_its_session_was_opened_by_a_second_factor(void **state) {
    (void)state;
    static const struct {
        enum totp_status totp;
        int32_t sessions_from;
        bool has_factor;
    } rows[] = {{TOTP_STATUS_ON, 7, true},       {TOTP_STATUS_ON, 5, true},   {TOTP_STATUS_ON, 8, false},
                {TOTP_STATUS_PENDING, 5, false}, {TOTP_STATUS_OFF, 5, false}, {TOTP_STATUS_ON, 0, false}};
    struct role_grant support[] = {{.role = STR("support")}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct customer_state customer = opened(); /* session 7 */
        customer.totp = rows[i].totp;
        customer.totp_sessions_from = rows[i].sessions_from;
        customer.roles = (struct role_grant_array){.items = support, .count = 1};
        struct session_terms terms = terms_of(false);
        terms.roles_need_factor = true;
        struct session_answer answer;
        assert_true(session_answer_write(&people.arena, &terms, STR(TEST_CUSTOMER), &customer, &answer));
        assert_int_equal(claims_of(&answer, &customer).was_code_given, rows[i].has_factor);
        assert_true(holds(answer.body,
                          rows[i].has_factor ? "\"second_factor_required\":false" : "\"second_factor_required\":true"));
        customer.roles.count = 0; /* who has no role lacks nothing */
        assert_true(session_answer_write(&people.arena, &terms, STR(TEST_CUSTOMER), &customer, &answer));
        assert_true(holds(answer.body, "\"second_factor_required\":false"));
        customer.roles.count = 1;
        assert_true(
            holds(written(&customer, false).body, "\"second_factor_required\":false")); /* nor where it is optional */
    }
}

static void with_cookies_the_body_has_no_token_but_that_which_goes_with_them(void **state) {
    (void)state;
    struct customer_state customer = opened();
    struct session_answer plain = written(&customer, false), answer = written(&customer, true);
    assert_true(str_is_empty(member(answer.body, "access_token")));
    assert_true(str_is_empty(member(answer.body, "refresh_token")));
    assert_true(
        mail_token_read(&people.gateway.secret, CSRF_USE, STR(TEST_CUSTOMER), 7, member(answer.body, "csrf_token")));
    struct str access = member(plain.body, "access_token"), refresh = member(plain.body, "refresh_token");
    struct str expected = arena_printf(
        &people.arena, "__Host-daybook=%.*s; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Strict", STR_ARGS(access));
    assert_true(str_equal(answer.access_cookie, expected));
    expected = arena_printf(&people.arena,
                            "__Secure-daybook-refresh=%.*s; Path=/v1/sessions; Max-Age=1000000; Secure; HttpOnly; "
                            "SameSite=Strict",
                            STR_ARGS(refresh));
    assert_true(str_equal(answer.refresh_cookie, expected));
}

static void a_customer_without_a_session_gets_no_tokens(void **state) {
    (void)state;
    struct session_terms terms = terms_of(false);
    struct session_answer answer;
    assert_false(session_answer_write(&people.arena, &terms, STR(TEST_CUSTOMER), &people.state, &answer));
}

/* The refusal that both are given. */
static void refuse_login(const char *stream) {
    const struct outcome outcome = {.status = OUTCOME_STATUS_REJECTED,
                                    .rejection = STR("invalid_credentials"),
                                    .command_id = STR("cmd_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                                    .stream = str_of_cstr(stream),
                                    .version = 9,
                                    .position = STR("12345678\x09")};
    prepared_command(COMMAND_OPEN_SESSION)->answer(&people.preparation, &outcome);
}

/* By the trace of the command, were it told, one would see that a password was right that is refused while too many
 * were wrong before: only such a login has the same id again. */
static void a_refusal_has_a_trace_of_the_request_and_not_of_the_command(void **state) {
    (void)state;
    const struct outcome outcome = {.status = OUTCOME_STATUS_REJECTED,
                                    .rejection = STR("invalid_credentials"),
                                    .command_id = STR("cmd_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                                    .stream = STR(TEST_CUSTOMER)};
    (void)login(LOGIN(TEST_EMAIL, "password"));
    assert_int_equal(preparation_problem(&people.preparation, &outcome).trace_id.len, 0);
    test_end();
    test_request(HTTP_DELETE_, "/v1/sessions/current");
    people.preparation = (struct preparation){.row = prepared_command(COMMAND_END_SESSION), .request = people.request};
    struct problem problem = preparation_problem(&people.preparation, &outcome);
    assert_true(str_equal(problem.trace_id, identity_trace(&people.arena, outcome.command_id)));
    test_end();
}

static void a_refusal_leaves_when_neither_could_be_done_yet(void **state) {
    (void)state;
    (void)login(LOGIN(TEST_EMAIL, "passwort"));
    int64_t received = people.request->exchange->received_at_boot_us = clock_boot_us();
    refuse_login(TEST_CUSTOMER);
    for (size_t i = 0; i < people.request->exchange->answer_field_count; i++) {
        assert_false(http_name_equal(people.request->exchange->answer_fields[i].name, "daybook-position"));
    }
    held_answers_tick(&people.loop.held_answers, received + LOGIN_ANSWER_MS * INT64_C(1000) - 1);
    assert_int_equal(test_answered(401), 0);
    held_answers_tick(&people.loop.held_answers, received + LOGIN_ANSWER_MS * INT64_C(1000));
    assert_int_equal(test_answered(401), 1);
    assert_int_equal(people.loop.held_answers.count, 0);
}

static void who_leaves_while_he_is_refused_is_forgotten(void **state) {
    (void)state;
    (void)login(LOGIN(TEST_EMAIL, "passwort"));
    refuse_login(TEST_CUSTOMER);
    assert_int_equal(people.loop.held_answers.count, 1);
    request_lost(&people.loop, people.request->exchange);
    assert_int_equal(people.loop.held_answers.count, 0);
    assert_int_equal(people.server.pool.living_count, 0);
}

/* ---- the next tokens --------------------------------------------------------------------------------------------- */

static struct str refresh_token(uint32_t session, uint32_t generation) {
    struct session_ref ref = {.session = session, .generation = generation};
    assert_true(ulid_read(str_from(STR(TEST_CUSTOMER), 4), ref.customer));
    return refresh_token_write(&people.arena, &people.gateway.secret, &ref);
}

static void refresh(struct str token, bool has_cookie) {
    test_header("Idempotency-Key", STR(TEST_KEY));
    test_prepare(arena_printf(&people.arena, "{\"refresh_token\":\"%.*s\"}", STR_ARGS(token)).data, has_cookie);
}

static void a_refresh_token_says_whose_session_and_which_token_of_it(void **state) {
    (void)state;
    test_request(HTTP_POST_, "/v1/sessions/refresh");
    people.is_away = true; /* nobody is asked */
    refresh(refresh_token(7, 3), false);
    assert_true(people.is_prepared);
    const struct refresh_session *ask = &people.intake.command.as.refresh_session;
    assert_int_equal(ask->session, 7);
    assert_int_equal(ask->generation, 3);
    assert_int_equal(ask->refresh_token.len, 0);
    assert_string_equal(people.stream, TEST_CUSTOMER);
    assert_string_equal(people.within, "7.3");
    assert_int_equal(people.statements, 0);
    test_end();
}

/* ---- the session of before --------------------------------------------------------------------------------------- */

static struct str refresh_cookie_of(const char *customer, uint32_t session) {
    struct session_ref ref = {.session = session, .generation = 1};
    assert_true(ulid_read(str_from(str_of_cstr(customer), 4), ref.customer));
    struct str token = refresh_token_write(&people.arena, &people.gateway.secret, &ref);
    return arena_printf(&people.arena, "a=b; __Secure-daybook-refresh=%.*s", STR_ARGS(token));
}

/* Of a login that brings the cookie, and is that of who came by this session; 0: none. */
static int32_t replaced_by(struct str cookie, const char *who, int32_t session) {
    test_request(HTTP_POST_, "/v1/sessions");
    if (!str_is_empty(cookie)) {
        test_header("Cookie", cookie);
    }
    people.request->principal.id = str_of_cstr(who);
    people.request->principal.session = session;
    test_prepare(LOGIN(TEST_EMAIL, "password"), false);
    assert_true(people.is_prepared);
    int32_t replaced = people.intake.command.as.open_session.replaces;
    test_end();
    return replaced;
}

static void a_login_ends_the_session_that_it_brings_along_if_it_is_of_the_same_person(void **state) {
    (void)state;
    struct str none = {0};
    assert_int_equal(replaced_by(none, "", 0), 0);
    assert_int_equal(replaced_by(refresh_cookie_of(TEST_CUSTOMER, 7), "", 0), 7);
    assert_int_equal(replaced_by(refresh_cookie_of(TEST_STRANGER, 7), "", 0), 0);
    assert_int_equal(replaced_by(STR("__Secure-daybook-refresh=drt_x"), "", 0), 0);
    assert_int_equal(replaced_by(none, TEST_CUSTOMER, 5), 5);
    assert_int_equal(replaced_by(none, TEST_STRANGER, 5), 0);
    assert_int_equal(replaced_by(refresh_cookie_of(TEST_CUSTOMER, 7), "key_01ARZ3NDEKTSV4RRFFQ69G5FAV", 0), 7);
}

static void what_is_no_refresh_token_is_refused(void **state) {
    (void)state;
    struct str good = refresh_token(7, 3);
    const struct str bad[] = {STR("x"),
                              str_first(good, good.len - 1),
                              refresh_token(0, 1),
                              refresh_token(7, 0),
                              refresh_token(0x80000000U, 1),
                              refresh_token(7, 0x80000000U)};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        test_request(HTTP_POST_, "/v1/sessions/refresh");
        refresh(bad[i], false);
        assert_false(people.is_prepared);
        assert_int_equal(test_answered(401), i + 1);
    }
}

static void refresh_with(struct str token) {
    test_request(HTTP_POST_, "/v1/sessions/refresh");
    refresh(token, false);
}

/* Whatever others from his address have tried. */
static void who_has_a_token_of_ours_is_not_held_up_by_those_who_guess(void **state) {
    (void)state;
    test_limits("auth=1/h:2");
    struct str good = refresh_token(7, 3), bad = str_first(good, good.len - 1);
    refresh_with(bad);
    refresh_with(bad);
    assert_int_equal(test_answered(401), 2);
    refresh_with(bad);
    assert_int_equal(test_answered(429), 1);
    refresh_with(good);
    assert_true(people.is_prepared);
    test_end();
}

/* A page whose session has ended goes on asking for a while: it guesses nothing. */
static void a_session_that_has_ended_is_no_guess(void **state) {
    (void)state;
    test_limits("auth=1/h:2");
    const struct outcome ended = {.status = OUTCOME_STATUS_REJECTED,
                                  .rejection = STR("session_ended"),
                                  .command_id = STR("cmd_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                                  .stream = STR(TEST_CUSTOMER)};
    for (uint64_t i = 1; i <= 5; i++) {
        refresh_with(refresh_token(7, 3));
        prepared_command(COMMAND_REFRESH_SESSION)->answer(&people.preparation, &ended);
        assert_int_equal(test_answered(401), i);
    }
    refresh_with(STR("x"));
    refresh_with(STR("x"));
    assert_int_equal(test_answered(401), 7);
    refresh_with(STR("x"));
    assert_int_equal(test_answered(429), 1);
}

static void with_a_cookie_the_sessions_own_token_is_needed(void **state) {
    (void)state;
    test_request(HTTP_POST_, "/v1/sessions/refresh");
    refresh(refresh_token(7, 3), true);
    assert_int_equal(test_answered(403), 1);
    test_request(HTTP_POST_, "/v1/sessions/refresh");
    test_header("Daybook-CSRF",
                mail_token_write(&people.arena, &people.gateway.secret, CSRF_USE, STR(TEST_CUSTOMER), 7));
    refresh(refresh_token(7, 3), true);
    assert_true(people.is_prepared);
    test_end();
}

static void a_cookie_stands_for_the_body(void **state) {
    (void)state;
    test_request(HTTP_POST_, "/v1/sessions/refresh");
    assert_null(sessions_cookie_as_body(people.request));
    test_header("Cookie", STR("a=b; __Secure-daybook-refresh=drt_x"));
    json_t *body = sessions_cookie_as_body(people.request);
    assert_string_equal(json_string_value(json_object_get(body, "refresh_token")), "drt_x");
    json_decref(body);
    test_end();
}

/* ---- logging out ------------------------------------------------------------------------------------------------- */

static void one_ends_the_session_that_one_has(void **state) {
    (void)state;
    test_request(HTTP_DELETE_, "/v1/sessions/current");
    people.request->principal =
        (struct principal){.identity = STR(TEST_CUSTOMER), .id = STR(TEST_CUSTOMER), .session = 7, .by = BY_TOKEN};
    test_prepare("{}", false);
    assert_true(people.is_prepared);
    assert_string_equal(people.stream, TEST_CUSTOMER);
    assert_int_equal(people.intake.command.as.end_session.session, 7);
    test_end();
    test_request(HTTP_DELETE_, "/v1/sessions/current"); /* where access is open nobody may be logged in */
    test_prepare("{}", false);
    assert_false(people.is_prepared);
    assert_int_equal(test_answered(401), 1);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, test_people_start, test_people_stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(who_has_the_password_has_proved_it),
        WITH(from_where_is_sealed_with_his_key),
        WITH(a_verifier_of_another_cost_is_made_anew),
        WITH(without_room_for_a_new_verifier_the_old_one_is_good),
        WITH(who_leaves_before_his_turn_is_not_hashed),
        WITH(what_else_a_login_asks_for_is_part_of_its_id),
        WITH(a_wrong_password_is_sent_as_such),
        WITH(of_an_address_that_is_nobodys_nobody_is_asked),
        WITH(without_the_vault_nobody_is_told_who_is_known),
        WITH(who_cannot_be_read_is_nobody),
        WITH(a_customer_without_a_password_proves_nothing),
        WITH(neither_a_version_nor_a_place_to_ask_is_taken),
        WITH(what_was_sent_is_wiped),
        WITH(a_recovery_code_is_told_by_its_number),
        WITH(a_wrong_code_proves_nothing),
        WITH(without_an_authenticator_a_code_says_nothing),
        WITH(without_the_database_nobody_is_told_who_is_known),
        WITH(tokens_say_who_and_which_session),
        WITH(a_password_for_one_use_says_so),
        WITH(a_token_says_whether_its_session_was_opened_by_a_second_factor),
        WITH(with_cookies_the_body_has_no_token_but_that_which_goes_with_them),
        WITH(a_customer_without_a_session_gets_no_tokens),
        WITH(a_refusal_has_a_trace_of_the_request_and_not_of_the_command),
        WITH(a_refusal_leaves_when_neither_could_be_done_yet),
        WITH(who_leaves_while_he_is_refused_is_forgotten),
        WITH(a_refresh_token_says_whose_session_and_which_token_of_it),
        WITH(a_login_ends_the_session_that_it_brings_along_if_it_is_of_the_same_person),
        WITH(what_is_no_refresh_token_is_refused),
        WITH(who_has_a_token_of_ours_is_not_held_up_by_those_who_guess),
        WITH(a_session_that_has_ended_is_no_guess),
        WITH(with_a_cookie_the_sessions_own_token_is_needed),
        WITH(a_cookie_stands_for_the_body),
        WITH(one_ends_the_session_that_one_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
