/* me_changes_test.c: what somebody says of himself, from his request to the command, and from the outcome to what he is
 * answered. */
#include "core/gateway/me.h"

#include "core/gateway/test_people.h"
#include "core/log/record.h"

#define ADDRESS "{\"recipient\":\"Ada\",\"street\":[\"At the mill 1\"],\"city\":\"Kassel\",\"country\":\"DE\"}"

static void begin_as(enum principal_by by, enum http_method method, const char *path) {
    test_request(method, path);
    people.request->principal.id = people.request->principal.identity = STR(TEST_CUSTOMER);
    people.request->principal.session = 7;
    people.request->principal.by = by;
}

static void ask(enum http_method method, const char *path, const char *body) {
    begin_as(BY_TOKEN, method, path);
    test_prepare(body, false);
}

static void assert_is_his(void) {
    assert_true(people.is_prepared);
    assert_string_equal(people.stream, TEST_CUSTOMER);
    assert_string_equal(people.within, "");
    assert_true(str_equal(people.preparation.seal_key_id, people.key.id));
    assert_int_equal(people.preparation.seal_wish, VAULT_FIND);
    assert_int_equal(people.statements, 0); /* nothing needs to be known */
}

/* ---- what he says ------------------------------------------------------------------------------------------------ */

static void a_name_an_address_and_a_consent_are_his_whose_session_it_is(void **state) {
    (void)state;
    ask(HTTP_PATCH_, "/v1/me", "{\"name\":\"Ada\"}");
    assert_is_his();
    assert_true(str_equal(people.intake.command.as.change_profile.name.plaintext, STR("Ada")));
    test_end();
    ask(HTTP_POST_, "/v1/me/addresses", "{\"address\":" ADDRESS "}");
    assert_is_his();
    const struct put_address *put = &people.intake.command.as.put_address;
    assert_true(str_is_empty(put->id)); /* a new one */
    assert_true(str_starts_with(put->address.plaintext, STR("{")));
    test_end();
    ask(HTTP_PUT_, "/v1/me/addresses/3", "{\"address\":" ADDRESS "}");
    assert_is_his();
    assert_true(str_equal(people.intake.command.as.put_address.id, STR("3")));
    test_end();
    ask(HTTP_DELETE_, "/v1/me/addresses/3", "{}");
    assert_is_his();
    assert_true(str_equal(people.intake.command.as.remove_address.id, STR("3")));
    test_end();
    ask(HTTP_PUT_, "/v1/me/consents/newsletter", "{\"granted\":true}");
    assert_is_his();
    assert_true(people.intake.command.as.set_consent.granted);
    assert_true(str_equal(people.intake.command.as.set_consent.purpose, STR("newsletter")));
    test_end();
}

static void if_match_is_kept(void **state) {
    (void)state;
    begin_as(BY_TOKEN, HTTP_PATCH_, "/v1/me");
    test_header("If-Match", STR("\"3\""));
    test_prepare("{\"name\":\"Ada\"}", false);
    assert_true(people.intake.command.meta.has_expected_version);
    assert_int_equal(people.intake.command.meta.expected_version, 3);
    test_end();
}

static void what_no_address_has_is_pointed_at(void **state) {
    (void)state;
    static const struct {
        const char *path, *body, *code, *pointer;
        int status;
    } cases[] = {
        {"/v1/me/addresses/3",
         "{\"address\":{\"recipient\":\"A\",\"street\":[\"B\"],\"city\":\"C\",\"country\":\"DE\","
         "\"planet\":\"D\"}}",
         "unknown_field", "/address/planet", 400},
        {"/v1/me/addresses/3", "{\"address\":{\"recipient\":\"A\",\"street\":[],\"city\":\"C\",\"country\":\"DE\"}}",
         "too_few_items", "/address/street", 400},
        {"/v1/me/addresses/3", "{\"address\":\"at home\"}", "wrong_type", "/address", 400},
        {"/v1/me/addresses/NO", "{\"address\":" ADDRESS "}", "malformed_id", "", 404},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        begin_as(BY_TOKEN, HTTP_PUT_, cases[i].path);
        struct http_exchange *exchange = people.request->exchange;
        test_header("Content-Type", STR("application/json"));
        exchange->body = arena_str_copy(&exchange->arena, str_of_cstr(cases[i].body));
        const struct intake_source source = {.exchange = exchange,
                                             .match = &people.request->match,
                                             .secret = &people.gateway.secret,
                                             .scope = STR(TEST_CUSTOMER),
                                             .actor = STR("customer:" TEST_CUSTOMER)};
        struct problem problem;
        assert_false(intake_command(&source, &people.intake, &problem));
        assert_string_equal(problem.code, cases[i].code);
        assert_int_equal(problem.status, cases[i].status);
        assert_true(str_equal(problem.pointer, str_of_cstr(cases[i].pointer)) || cases[i].status == 404);
        test_end();
    }
}

static void nobody_says_nothing_of_himself(void **state) {
    (void)state;
    test_request(HTTP_PATCH_, "/v1/me"); /* where access is open nobody may be logged in */
    test_prepare("{\"name\":\"Ada\"}", false);
    assert_false(people.is_prepared);
    assert_int_equal(test_answered(401), 1);
}

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

static void one_session_is_ended_by_its_number(void **state) {
    (void)state;
    ask(HTTP_DELETE_, "/v1/me/sessions/5", "{}");
    assert_is_his();
    assert_int_equal(people.intake.command.as.end_session.session, 5);
    assert_false(people.preparation.has_cookie);
    test_end();
    begin_as(BY_COOKIE, HTTP_DELETE_, "/v1/me/sessions/5");
    test_prepare("{}", false);
    assert_false(people.preparation.has_cookie);
    test_end();
    begin_as(BY_COOKIE, HTTP_DELETE_, "/v1/me/sessions/7"); /* his own: his browser is told to forget it */
    test_prepare("{}", false);
    assert_true(people.preparation.has_cookie);
    test_end();
    static const char *const bad[] = {"/v1/me/sessions/0", "/v1/me/sessions/x", "/v1/me/sessions/-1",
                                      "/v1/me/sessions/2147483648"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        ask(HTTP_DELETE_, bad[i], "{}");
        assert_false(people.is_prepared);
        assert_int_equal(test_answered(404), i + 1);
    }
}

static void all_others_are_ended_and_this_one_stays(void **state) {
    (void)state;
    ask(HTTP_DELETE_, "/v1/me/sessions", "{}");
    assert_is_his();
    assert_int_equal(people.intake.command.as.end_sessions.kept, 7);
    test_end();
}

static void one_that_there_never_was_is_not_there_and_ends_nobody(void **state) {
    (void)state;
    ask(HTTP_DELETE_, "/v1/me/sessions/5", "{}");
    const struct outcome refused = {.status = OUTCOME_STATUS_REJECTED,
                                    .rejection = STR("session_ended"),
                                    .command_id = STR("cmd_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                                    .stream = STR(TEST_CUSTOMER)};
    me_answer_session_end(&people.preparation, &refused);
    assert_int_equal(test_answered(404), 1);
    assert_int_equal(test_answered(401), 0);
    ask(HTTP_DELETE_, "/v1/me/sessions/5", "{}");
    const struct outcome accepted = {.status = OUTCOME_STATUS_ACCEPTED,
                                     .command_id = STR("cmd_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                                     .stream = STR(TEST_CUSTOMER)};
    me_answer_session_end(&people.preparation, &accepted);
    assert_int_equal(test_answered(200), 1);
}

/* ---- what he is answered ----------------------------------------------------------------------------------------- */

static struct {
    int calls, status;
    bool has_email, has_password;
    char location[64];
} seen;

static void see(struct my_answer *answer) {
    seen.calls++;
    seen.status = answer->status;
    seen.has_email = str_equal(answer->state.email.plaintext, STR(TEST_EMAIL));
    seen.has_password = !str_is_empty(answer->state.password.plaintext);
    assert_int_equal(answer->version, 9);
    assert_true(str_equal(answer->stream, STR(TEST_CUSTOMER)));
    const struct http_exchange *exchange = people.request->exchange;
    for (size_t i = 0; i < exchange->answer_field_count; i++) {
        if (str_equal(exchange->answer_fields[i].name, STR("Location"))) {
            (void)snprintf(seen.location, sizeof seen.location, "%.*s", STR_ARGS(exchange->answer_fields[i].value));
        }
    }
    request_answer_json(people.request, answer->status, STR("{}"));
}

static struct str here(struct arena *arena, const struct customer_state *state) {
    return arena_printf(arena, "/here/%d", state->password_number);
}

/* What is lent for the call is gone after it. */
static void answer(void (*by)(struct preparation *preparation, const struct outcome *outcome)) {
    struct buf resource;
    buf_init(&resource, 1 << 16);
    frame_write(&resource, CUSTOMER_STATE_SCHEMA_ID);
    customer_state_encode(&resource, &people.state);
    const struct outcome outcome = {.status = OUTCOME_STATUS_ACCEPTED,
                                    .command_id = STR("cmd_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                                    .stream = STR(TEST_CUSTOMER),
                                    .version = 9,
                                    .resource = buf_text(&resource)};
    by(&people.preparation, &outcome);
    memset(resource.data, 0, resource.len);
    buf_release(&resource);
}

static void answer_seen(struct preparation *preparation, const struct outcome *outcome) {
    me_answer_opened(preparation, outcome, here, see);
}

static void his_document_is_opened_but_for_the_verifier(void **state) {
    (void)state;
    memset(&seen, 0, sizeof seen);
    ask(HTTP_POST_, "/v1/me/addresses", "{\"address\":" ADDRESS "}");
    answer(answer_seen);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.status, 201);
    assert_true(seen.has_email);
    assert_false(seen.has_password);
    assert_string_equal(seen.location, "/here/4");
    ask(HTTP_PATCH_, "/v1/me", "{\"name\":\"Ada\"}");
    answer(me_answer_customer);
    assert_int_equal(test_answered(200), 1);
}

static void what_was_changed_is_told_though_it_cannot_be_shown(void **state) {
    (void)state;
    memset(&seen, 0, sizeof seen);
    people.key.id = STR("per_01ARZ3NDEKTSV4RRFFQ69G5FAW"); /* his own is gone */
    ask(HTTP_PATCH_, "/v1/me", "{\"name\":\"Ada\"}");
    answer(answer_seen);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.status, 200);
    assert_false(seen.has_email);
}

static struct {
    struct str parameter;
    pg_result_cb *on_result;
    void *context;
} held;

static void hold(struct pg_pool *pg, const struct pg_statement *statement, const struct str *parameters,
                 pg_result_cb *on_result, void *context) {
    (void)pg;
    (void)statement;
    held.parameter = arena_str_copy(&people.arena, parameters[0]);
    held.on_result = on_result;
    held.context = context;
}

static void what_the_outcome_lent_is_kept_until_the_vault_answers(void **state) {
    (void)state;
    static const struct vault_ports ports = {.query = hold, .now_boot_us = clock_boot_us};
    memset(&seen, 0, sizeof seen);
    vault_close(people.loop.vault);
    people.loop.vault = vault_open_by(&ports, NULL, people.gateway.masters);
    ask(HTTP_PATCH_, "/v1/me", "{\"name\":\"Ada\"}");
    answer(answer_seen);
    assert_int_equal(seen.calls, 0);
    test_ask_vault(NULL, NULL, &held.parameter, held.on_result, held.context);
    assert_int_equal(seen.calls, 1);
    assert_true(seen.has_email);
}

static void a_refusal_is_told_as_one(void **state) {
    (void)state;
    ask(HTTP_DELETE_, "/v1/me/addresses/3", "{}");
    const struct outcome refused = {.status = OUTCOME_STATUS_REJECTED,
                                    .rejection = STR("unknown_address"),
                                    .command_id = STR("cmd_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                                    .stream = STR(TEST_CUSTOMER)};
    me_answer_customer(&people.preparation, &refused);
    assert_int_equal(test_answered(404), 1);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, test_people_start, test_people_stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(a_name_an_address_and_a_consent_are_his_whose_session_it_is),
        WITH(if_match_is_kept),
        WITH(what_no_address_has_is_pointed_at),
        WITH(nobody_says_nothing_of_himself),
        WITH(one_session_is_ended_by_its_number),
        WITH(all_others_are_ended_and_this_one_stays),
        WITH(one_that_there_never_was_is_not_there_and_ends_nobody),
        WITH(his_document_is_opened_but_for_the_verifier),
        WITH(what_was_changed_is_told_though_it_cannot_be_shown),
        WITH(what_the_outcome_lent_is_kept_until_the_vault_answers),
        WITH(a_refusal_is_told_as_one),
    };
    return cmocka_run_group_tests_name("me_changes", tests, NULL, NULL);
}
