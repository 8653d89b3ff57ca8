#include "core/gateway/people.h"

#include "core/gateway/held.h"
#include "core/gateway/test_people.h"
#include "core/log/record.h"

#define CUSTOMER_PATH "/v1/customers/" TEST_CUSTOMER
#define STRANGER_PATH "/v1/customers/" TEST_STRANGER

static struct str token(const char *use, int32_t number) {
    return mail_token_write(&people.arena, &people.gateway.secret, use, STR(TEST_CUSTOMER), number);
}

#define TEST_KEY "a-key-of-22-characters"

static void ask(enum http_method method, const char *path, const char *body) {
    test_request(method, path);
    test_header("Idempotency-Key", STR(TEST_KEY));
    test_prepare(body, false);
}

static void send_token(enum http_method method, const char *path, struct str of_mail, const char *password) {
    ask(method, path,
        arena_printf(&people.arena, "{\"token\":\"%.*s\"%s%s%s}", STR_ARGS(of_mail),
                     password == NULL ? "" : ",\"password\":\"", password == NULL ? "" : password,
                     password == NULL ? "" : "\"")
            .data);
}

/* ---- registering ------------------------------------------------------------------------------------------------- */

static void registering_makes_a_verifier_and_names_keys_and_address(void **state) {
    (void)state;
    ask(HTTP_POST_, "/v1/customers",
        "{\"email\":\"Ada@Example.org\",\"password\":\"a sentence of mine\",\"name\":\"A\"}");
    assert_true(people.is_prepared);
    const struct register_customer *ask = &people.intake.command.as.register_customer;
    bool is_rehashed;
    assert_int_equal(password_verify(ask->password.plaintext, STR("a sentence of mine"), &is_rehashed), PASSWORD_RIGHT);
    assert_true(str_equal(ask->identity, people.state.identity)); /* in whatever case it is written */
    assert_true(
        str_equal(ask->email_key, vault_key_id_of_email(&people.arena, &people.gateway.secret, STR(TEST_EMAIL))));
    struct str stream = people.intake.command.meta.stream;
    assert_true(str_starts_with(stream, STR("cus_")));
    assert_true(str_equal(ask->key_id, vault_key_id_of_customer(&people.arena, &people.gateway.secret, stream)));
    assert_true(str_equal(people.preparation.seal_key_id, ask->key_id));
    assert_int_equal(people.preparation.seal_wish, VAULT_MAKE);
    assert_false(ask->verified);
    assert_int_equal(ask->roles.count, 0);
    assert_int_equal(people.statements, 0); /* nobody is looked for: nothing can tell that there is one */
    test_end();
}

/* However a request ends: what it was made of is not left in memory that the next one gets. */
static void of_a_refused_request_no_password_is_left(void **state) {
    (void)state;
    ask(HTTP_POST_, "/v1/customers", "{\"email\":\"ada@example.org\",\"password\":\"short\"}");
    assert_int_equal(test_answered(422), 1);
    struct str password = people.intake.command.as.register_customer.password.plaintext;
    assert_int_equal(password.len, 5);
    assert_memory_equal(password.data, "\0\0\0\0\0", 5);
}

static void every_request_that_is_prepared_is_wiped(void **state) {
    (void)state;
    json_t *absent_body;
    test_request(HTTP_POST_, "/v1/customers");
    assert_false(people.request->exchange->holds_secrets);
    assert_non_null(preparation_create(people.request, &people.intake, test_on_prepared, NULL, &absent_body));
    assert_true(people.request->exchange->holds_secrets);
    test_end();
    test_request(HTTP_POST_, "/v1/carts");
    assert_null(preparation_create(people.request, &people.intake, test_on_prepared, NULL, &absent_body));
    assert_false(people.request->exchange->holds_secrets);
    test_end();
}

static void a_password_is_sealed_as_its_verifier_alone(void **state) {
    (void)state;
    struct command command = {.type = COMMAND_REGISTER_CUSTOMER};
    command.as.register_customer.password.plaintext = STR("a sentence of mine");
    assert_false(preparation_hides_passwords(&command));
    command.as.register_customer.password.plaintext = STR(TEST_VERIFIER);
    assert_true(preparation_hides_passwords(&command));
    command = (struct command){.type = COMMAND_RESET_PASSWORD};
    command.as.reset_password.password.plaintext = STR("a sentence of mine");
    assert_false(preparation_hides_passwords(&command));
    command = (struct command){.type = COMMAND_CHANGE_PASSWORD};
    command.as.change_password.password.plaintext = STR("a sentence of mine");
    assert_false(preparation_hides_passwords(&command));
    command = (struct command){.type = COMMAND_OPEN_SESSION};
    assert_true(preparation_hides_passwords(&command));
    command.as.open_session.has_rehashed = true;
    command.as.open_session.rehashed.plaintext = STR("a sentence of mine");
    assert_false(preparation_hides_passwords(&command));
    assert_true(preparation_hides_passwords(&(struct command){.type = COMMAND_OPEN_CART}));
}

/* Whoever was erased, and sends his registration once more, is not to try for ever. */
static void a_destroyed_key_is_made_for_no_registration_again(void **state) {
    (void)state;
    ask(HTTP_POST_, "/v1/customers", "{\"email\":\"ada@example.org\",\"password\":\"a sentence of mine\"}");
    preparation_refuse_key(&people.preparation);
    assert_int_equal(test_answered(409), 1);
    send_token(HTTP_PUT_, CUSTOMER_PATH "/password", token("reset", 5), "another sentence");
    preparation_refuse_key(&people.preparation);
    assert_int_equal(test_answered(503), 1);
}

static void a_short_password_and_ones_own_address_are_refused(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "{\"email\":\"ada@example.org\",\"password\":\"short\"}",
        "{\"email\":\"ada.lovelace@example.org\",\"password\":\"ada.lovelace\"}",
        "{\"email\":\"ada.lovelace@example.org\",\"password\":\"ada.lovelace@example.org\"}"};
    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++) {
        ask(HTTP_POST_, "/v1/customers", bodies[i]);
        assert_false(people.is_prepared);
        assert_int_equal(test_answered(422), i + 1);
    }
    assert_int_equal(hashing_count(people.gateway.hashing).done_total, 0);
}

static void who_is_logged_in_registers_another_as_nobody(void **state) {
    (void)state;
    test_request(HTTP_POST_, "/v1/customers");
    people.request->principal.id = people.request->principal.identity = STR(TEST_CUSTOMER);
    test_prepare("{\"email\":\"eve@example.org\",\"password\":\"a sentence of mine\"}", false);
    assert_true(str_equal(people.intake.command.meta.actor, STR("anonymous")));
    test_end();
}

static void register_with(const char *email, const char *password) {
    ask(HTTP_POST_, "/v1/customers",
        arena_printf(&people.arena, "{\"email\":\"%s\",\"password\":\"%s\"}", email, password).data);
}

static bool is_registered(const char *email) {
    register_with(email, "a sentence of mine");
    if (people.is_prepared) {
        test_end();
    }
    return people.is_prepared;
}

/* Each would be sent a mail: that of nobody's address as well as that of somebody's. */
static void an_address_is_registered_so_often_whoever_asks(void **state) {
    (void)state;
    test_limits("mail=1/h:2");
    static const char *const emails[] = {"eve@example.org", TEST_EMAIL};
    uint64_t refused = 0, too_short = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(emails); i++) {
        register_with(emails[i], "short"); /* takes nothing: it would not be mailed */
        assert_int_equal(test_answered(422), ++too_short);
        assert_true(is_registered(emails[i]));
        assert_true(is_registered(i == 0 ? "EVE@example.org" : emails[i]));
        assert_false(is_registered(emails[i]));
        assert_int_equal(test_answered(429), ++refused);
    }
    assert_true(is_registered("mallory@example.org"));
    assert_int_equal(hashing_count(people.gateway.hashing).done_total, 5);
    assert_int_equal(people.loop.metrics.limited[LIMIT_MAIL], 2);
}

/* ---- proving the mailbox ----------------------------------------------------------------------------------------- */

static void token_and_password_prove_the_mailbox(void **state) {
    (void)state;
    people.state.status = CUSTOMER_STATUS_UNVERIFIED;
    send_token(HTTP_POST_, CUSTOMER_PATH "/verification", token("verify", 2), "password");
    assert_true(people.is_prepared);
    const struct verify_customer *ask = &people.intake.command.as.verify_customer;
    assert_int_equal(ask->number, 2);
    assert_true(ask->proved);
    assert_int_equal(ask->password_number, 4);
    assert_int_equal(ask->password.len, 0);
    assert_string_equal(people.within, "proved");
    assert_int_equal(people.intake.key.len, strlen(TEST_KEY));
    test_end();
}

/* Whoever got the mail of somebody else's registration has no password of it. */
static void the_token_alone_proves_nothing(void **state) {
    (void)state;
    people.state.status = CUSTOMER_STATUS_UNVERIFIED;
    send_token(HTTP_POST_, CUSTOMER_PATH "/verification", token("verify", 2), "passwort");
    assert_true(people.is_prepared); /* the decision counts it */
    assert_false(people.intake.command.as.verify_customer.proved);
    assert_int_equal(people.intake.key.len, 0);
    assert_true(str_equal(people.intake.command.meta.actor, STR("anonymous")));
    test_end();
}

/* Also while it is locked, when what was proved is refused all the same: not by a trace, and not as a replay. */
static void a_right_password_that_is_refused_looks_like_a_wrong_one(void **state) {
    (void)state;
    people.state.status = CUSTOMER_STATUS_UNVERIFIED;
    const struct outcome outcome = {.status = OUTCOME_STATUS_REJECTED,
                                    .rejection = STR("invalid_credentials"),
                                    .command_id = STR("cmd_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                                    .stream = STR(TEST_CUSTOMER),
                                    .version = 9,
                                    .replayed = true,
                                    .position = STR("12345678\x09")};
    send_token(HTTP_POST_, CUSTOMER_PATH "/verification", token("verify", 2), "password");
    assert_int_equal(preparation_problem(&people.preparation, &outcome).trace_id.len, 0);
    prepared_command(COMMAND_VERIFY_CUSTOMER)->answer(&people.preparation, &outcome);
    assert_int_equal(test_answered(401), 1);
}

static void a_token_of_another_mail_use_or_person_is_none(void **state) {
    (void)state;
    const struct str bad[] = {token("verify", 1), token("verify", 3), token("reset", 2), STR("x")};
    uint64_t refused = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        send_token(HTTP_POST_, CUSTOMER_PATH "/verification", bad[i], "password");
        assert_false(people.is_prepared);
        assert_int_equal(test_answered(401), ++refused);
    }
    send_token(HTTP_POST_, STRANGER_PATH "/verification", token("verify", 2), "password");
    assert_int_equal(test_answered(401), ++refused);
    send_token(HTTP_PUT_, CUSTOMER_PATH "/password", token("verify", 2), "a sentence of mine");
    assert_int_equal(test_answered(401), ++refused);
    people.state.status = CUSTOMER_STATUS_ERASING;
    send_token(HTTP_PUT_, CUSTOMER_PATH "/password", token("reset", 5), "a sentence of mine");
    assert_int_equal(test_answered(401), ++refused);
    assert_int_equal(hashing_count(people.gateway.hashing).done_total, 0);
}

/* ---- another password -------------------------------------------------------------------------------------------- */

static void a_reset_sets_a_new_verifier_under_the_same_key(void **state) {
    (void)state;
    send_token(HTTP_PUT_, CUSTOMER_PATH "/password", token("reset", 5), "another sentence");
    assert_true(people.is_prepared);
    const struct reset_password *ask = &people.intake.command.as.reset_password;
    bool is_rehashed;
    assert_int_equal(ask->number, 5);
    assert_int_equal(password_verify(ask->password.plaintext, STR("another sentence"), &is_rehashed), PASSWORD_RIGHT);
    assert_true(str_equal(people.preparation.seal_key_id, people.key.id));
    assert_int_equal(people.preparation.seal_wish, VAULT_FIND);
    test_end();
}

static void a_new_password_is_judged_like_the_first(void **state) {
    (void)state;
    people.state.email = test_sealed("ada.lovelace@example.org");
    send_token(HTTP_PUT_, CUSTOMER_PATH "/password", token("reset", 5), "ada.lovelace");
    assert_int_equal(test_answered(422), 1);
}

static void asking_for_a_reset_goes_the_same_way_for_nobody(void **state) {
    (void)state;
    ask(HTTP_POST_, "/v1/customers/password-resets", "{\"email\":\"ADA@example.org\"}");
    assert_true(people.is_prepared);
    assert_string_equal(people.stream, TEST_CUSTOMER);
    assert_int_equal(people.intake.command.as.request_password_reset.email.len, 0);
    int statements = people.statements;
    test_end();
    ask(HTTP_POST_, "/v1/customers/password-resets", "{\"email\":\"eve@example.org\"}");
    assert_true(people.is_prepared);
    assert_string_not_equal(people.stream, TEST_CUSTOMER);
    assert_int_equal(people.statements, statements);
    test_end();
}

/* As is one whom this front cannot read. */
static void of_who_cannot_be_read_a_reset_is_nobodys(void **state) {
    (void)state;
    people.state_schema = 999999;
    ask(HTTP_POST_, "/v1/customers/password-resets", "{\"email\":\"ada@example.org\"}");
    assert_true(people.is_prepared);
    assert_string_not_equal(people.stream, TEST_CUSTOMER);
    test_end();
    send_token(HTTP_PUT_, CUSTOMER_PATH "/password", token("reset", 5), "a sentence of mine");
    assert_int_equal(test_answered(503), 1); /* who has a mail's token is somebody, and may come again */
}

/* A retry finds its command also when other credentials are brought, or none any more. */
static void keys_of_who_proves_something_count_together(void **state) {
    (void)state;
    static const struct {
        enum http_method method;
        const char *path;
        bool has_one_scope;
    } rows[] = {
        {HTTP_POST_, "/v1/customers", true},
        {HTTP_POST_, CUSTOMER_PATH "/verification", true},
        {HTTP_POST_, "/v1/customers/password-resets", true},
        {HTTP_PUT_, CUSTOMER_PATH "/password", true},
        {HTTP_POST_, "/v1/sessions", true},
        {HTTP_POST_, "/v1/sessions/refresh", true},
        {HTTP_POST_, "/v1/me/email-verification", false},
        {HTTP_DELETE_, "/v1/sessions/current", false},
        {HTTP_POST_, "/v1/carts", false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        test_request(rows[i].method, rows[i].path);
        people.request->principal.identity = STR(TEST_STRANGER);
        assert_true(str_equal(preparation_scope(people.request),
                              rows[i].has_one_scope ? STR("anonymous") : STR(TEST_STRANGER)));
        test_end();
    }
}

static void its_answer_says_nothing_and_leaves_at_the_same_time(void **state) {
    (void)state;
    ask(HTTP_POST_, "/v1/customers/password-resets", "{\"email\":\"ada@example.org\"}");
    int64_t received = people.request->exchange->received_at_boot_us = clock_boot_us();
    const struct outcome outcome = {.status = OUTCOME_STATUS_ACCEPTED,
                                    .command_id = STR("cmd_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                                    .stream = STR(TEST_CUSTOMER),
                                    .version = 9,
                                    .position = STR("12345678\x09")};
    prepared_command(COMMAND_REQUEST_PASSWORD_RESET)->answer(&people.preparation, &outcome);
    assert_int_equal(people.request->exchange->answer_field_count, 0);
    held_answers_tick(&people.loop.held_answers, received + RESET_ANSWER_MS * INT64_C(1000) - 1);
    assert_int_equal(test_answered(202), 0);
    held_answers_tick(&people.loop.held_answers, received + RESET_ANSWER_MS * INT64_C(1000));
    assert_int_equal(test_answered(202), 1);
}

/* Nor is "not yet", by which who does not want to wait would be told sooner. */
static void that_it_is_pending_is_told_no_sooner(void **state) {
    (void)state;
    test_request(HTTP_POST_, "/v1/customers/password-resets");
    test_header("Prefer", STR("wait=0"));
    test_prepare("{\"email\":\"ada@example.org\"}", false);
    assert_int_equal(people.intake.wait_ms, people.config.command_wait_ms);
    int64_t received = people.request->exchange->received_at_boot_us = clock_boot_us();
    preparation_answer_pending(&people.preparation);
    held_answers_tick(&people.loop.held_answers, received + DISCREET_ANSWER_MS * INT64_C(1000) - 1);
    assert_int_equal(test_answered(202), 0);
    held_answers_tick(&people.loop.held_answers, received + DISCREET_ANSWER_MS * INT64_C(1000));
    assert_int_equal(test_answered(202), 1);
}

/* What took longer than one span leaves with the next one. */
static void what_took_longer_leaves_at_the_end_of_another_span(void **state) {
    (void)state;
    ask(HTTP_POST_, "/v1/customers/password-resets", "{\"email\":\"ada@example.org\"}");
    int64_t span_us = DISCREET_ANSWER_MS * INT64_C(1000);
    int64_t received = people.request->exchange->received_at_boot_us = clock_boot_us() - span_us - 10000;
    preparation_answer_pending(&people.preparation);
    held_answers_tick(&people.loop.held_answers, received + 2 * span_us - 1);
    assert_int_equal(test_answered(202), 0);
    held_answers_tick(&people.loop.held_answers, received + 2 * span_us);
    assert_int_equal(test_answered(202), 1);
}

static void ask_for_reset(void) {
    ask(HTTP_POST_, "/v1/customers/password-resets", "{\"email\":\"" TEST_EMAIL "\"}");
}

/* Nor does one client alone take what is left to an address: its rate and burst are some clients'. */
static void who_asks_for_resets_of_an_address_keeps_nobody_from_logging_in(void **state) {
    (void)state;
    test_limits("login=1/h:1");
    for (int i = 0; i < REQUEST_NAME_TIMES; i++) {
        ask_for_reset();
        assert_true(people.is_prepared);
        test_end();
    }
    ask_for_reset();
    assert_false(people.is_prepared);
    assert_int_equal(test_answered(429), 1);
    for (int i = 0; i < REQUEST_NAME_TIMES; i++) {
        ask(HTTP_POST_, "/v1/sessions", "{\"email\":\"" TEST_EMAIL "\",\"password\":\"password\"}");
        assert_true(people.is_prepared);
        test_end();
    }
    ask(HTTP_POST_, "/v1/sessions", "{\"email\":\"" TEST_EMAIL "\",\"password\":\"password\"}");
    assert_int_equal(test_answered(429), 2);
    ask(HTTP_POST_, "/v1/sessions", "{\"email\":\"eve@example.org\",\"password\":\"password\"}");
    assert_true(people.is_prepared); /* another address is another name */
    test_end();
    register_with(TEST_EMAIL, "a sentence of mine");
    assert_true(people.is_prepared);
    test_end();
}

/* ---- another address --------------------------------------------------------------------------------------------- */

/* Of a request by this customer. */
static void confirm_email(const char *customer, struct str of_mail) {
    test_request(HTTP_POST_, "/v1/me/email-verification");
    people.request->principal.id = people.request->principal.identity = str_of_cstr(customer);
    test_prepare(arena_printf(&people.arena, "{\"token\":\"%.*s\"}", STR_ARGS(of_mail)).data, false);
}

static void a_token_of_the_new_mailbox_proves_it(void **state) {
    (void)state;
    confirm_email(TEST_CUSTOMER, token("email", 6));
    assert_true(people.is_prepared);
    assert_int_equal(people.intake.command.as.confirm_email.number, 6);
    assert_string_equal(people.stream, TEST_CUSTOMER);
    assert_true(str_equal(people.intake.command.meta.actor, STR("customer:" TEST_CUSTOMER)));
    test_end();
    confirm_email(TEST_CUSTOMER, token("email", 5));
    assert_false(people.is_prepared);
    assert_int_equal(test_answered(401), 1);
}

static void whoever_reads_the_mail_gives_it_to_nobody_else(void **state) {
    (void)state;
    confirm_email(TEST_STRANGER, token("email", 6));
    assert_false(people.is_prepared);
    confirm_email("", token("email", 6)); /* where access is open nobody may be logged in */
    assert_false(people.is_prepared);
    assert_int_equal(test_answered(401), 2);
}

/* ---- erasure by the house ---------------------------------------------------------------------------------------- */

static bool is_erasure_refused(struct str who, bool has_password) {
    test_request(HTTP_DELETE_, CUSTOMER_PATH);
    people.request->principal.id = who;
    struct command erase = {.type = COMMAND_ERASE_CUSTOMER, .meta.stream = STR(TEST_CUSTOMER)};
    erase.as.erase_customer.has_password = has_password;
    bool is_refused = people_refuse_erasure(people.request, &erase);
    if (!is_refused) {
        test_end();
    }
    return is_refused;
}

static void the_house_gives_no_password_and_erases_others_alone(void **state) {
    (void)state;
    assert_false(is_erasure_refused(STR(TEST_STRANGER), false));
    assert_false(is_erasure_refused(STR("key_01ARZ3NDEKTSV4RRFFQ69G5FAV"), false));
    assert_true(is_erasure_refused(STR(TEST_STRANGER), true));
    assert_int_equal(test_answered(400), 1);
    assert_true(is_erasure_refused(STR(TEST_CUSTOMER), false));
    assert_int_equal(test_answered(403), 1);
    test_request(HTTP_DELETE_, CUSTOMER_PATH);
    people.request->principal.id = STR(TEST_CUSTOMER);
    const struct command other = {.type = COMMAND_UNLOCK_CUSTOMER, .meta.stream = STR(TEST_CUSTOMER)};
    assert_false(people_refuse_erasure(people.request, &other));
    test_end();
}

/* ---- requests that get no further -------------------------------------------------------------------------------- */

/* The password of a login that is turned away, wherever that is: what it lay in is what the next request gets. */
static struct str turned_away(void) {
    test_request(HTTP_POST_, "/v1/sessions");
    struct http_exchange *exchange = people.request->exchange;
    exchange->body = arena_str_copy(&exchange->arena, STR("a sentence of mine"));
    struct str password = exchange->body;
    request_received(&people.loop, exchange);
    return password;
}

static void of_a_login_that_comes_too_often_no_password_is_left(void **state) {
    (void)state;
    test_limits("login=1/h:1"); /* of which the test takes all that there is */
    uint8_t nobody[ADDRESS_BYTES] = {0};
    while (limits_take(people.gateway.limits, LIMIT_LOGIN, nobody, clock_boot_us()).passes) {
    }
    struct str password = turned_away();
    assert_int_equal(test_answered(429), 1);
    for (uint32_t i = 0; i < password.len; i++) {
        assert_int_equal(password.data[i], 0);
    }
}

/* ---- tokens that are out ----------------------------------------------------------------------------------------- */

static bool is_revoked(int32_t session) {
    return revocations_has(&people.gateway.revocations, STR(TEST_CUSTOMER), session);
}

static void note(const struct command *command, enum outcome_status status, const char *rejection,
                 const struct customer_state *state) {
    struct buf resource;
    buf_init(&resource, 1 << 16);
    if (state != NULL) {
        frame_write(&resource, CUSTOMER_STATE_SCHEMA_ID);
        customer_state_encode(&resource, state);
    }
    const struct outcome outcome = {.status = status,
                                    .rejection = str_of_cstr(rejection),
                                    .stream = STR(TEST_CUSTOMER),
                                    .resource = buf_text(&resource)};
    people_note_outcome(&people.gateway.revocations, &people.arena, command, &outcome);
    buf_release(&resource);
}

static void a_logout_counts_at_once(void **state) {
    (void)state;
    struct command command = {.type = COMMAND_END_SESSION, .meta.stream = STR(TEST_CUSTOMER)};
    command.as.end_session.session = 7;
    note(&command, OUTCOME_STATUS_REJECTED, "customer_erasing", NULL);
    assert_false(is_revoked(7));
    note(&command, OUTCOME_STATUS_ACCEPTED, "", NULL);
    assert_true(is_revoked(7));
    assert_false(is_revoked(6));
}

static void a_token_that_comes_back_ends_its_session_at_once(void **state) {
    (void)state;
    struct command command = {.type = COMMAND_REFRESH_SESSION, .meta.stream = STR(TEST_CUSTOMER)};
    command.as.refresh_session.session = 7;
    note(&command, OUTCOME_STATUS_ACCEPTED, "", NULL);
    assert_false(is_revoked(7));
    note(&command, OUTCOME_STATUS_REJECTED, "session_ended", NULL);
    assert_true(is_revoked(7));
}

static void another_password_ends_all_others_at_once(void **state) {
    (void)state;
    const struct command command = {.type = COMMAND_RESET_PASSWORD, .meta.stream = STR(TEST_CUSTOMER)};
    struct customer_state customer = people.state;
    customer.sessions_from = 8;
    customer.session_kept = 3;
    note(&command, OUTCOME_STATUS_ACCEPTED, "", &customer);
    assert_true(is_revoked(7));
    assert_false(is_revoked(3));
    assert_false(is_revoked(8));
    const struct command erase = {.type = COMMAND_ERASE_CUSTOMER, .meta.stream = STR(TEST_CUSTOMER)};
    customer.status = CUSTOMER_STATUS_ERASING;
    note(&erase, OUTCOME_STATUS_ACCEPTED, "", &customer);
    assert_true(is_revoked(3));
    assert_true(is_revoked(8));
}

static void what_a_login_replaced_ends_at_once_and_not_what_it_opened(void **state) {
    (void)state;
    struct command command = {.type = COMMAND_OPEN_SESSION, .meta.stream = STR(TEST_CUSTOMER)};
    struct customer_state customer = people.state;
    customer.touched_session = 8;
    command.as.open_session.replaces = 8; /* sent again by a browser that has the new cookie */
    note(&command, OUTCOME_STATUS_ACCEPTED, "", &customer);
    assert_false(is_revoked(8));
    command.as.open_session.replaces = 7;
    note(&command, OUTCOME_STATUS_REJECTED, "invalid_credentials", NULL);
    assert_false(is_revoked(7));
    note(&command, OUTCOME_STATUS_ACCEPTED, "", &customer);
    assert_true(is_revoked(7));
    assert_false(is_revoked(8));
}

static void a_suspension_ends_all_at_once(void **state) {
    (void)state;
    const struct command command = {.type = COMMAND_SUSPEND_CUSTOMER, .meta.stream = STR(TEST_CUSTOMER)};
    struct customer_state customer = people.state;
    customer.status = CUSTOMER_STATUS_SUSPENDED;
    customer.sessions_from = 8;
    customer.session_kept = 0;
    note(&command, OUTCOME_STATUS_REJECTED, "own_account", NULL);
    assert_false(is_revoked(7));
    note(&command, OUTCOME_STATUS_ACCEPTED, "", &customer);
    assert_true(is_revoked(7));
    assert_false(is_revoked(8));
}

/* Of a later release: the view will tell of it, and until then that is counted. */
static void an_end_that_cannot_be_read_is_counted(void **state) {
    (void)state;
    const struct command command = {.type = COMMAND_RESET_PASSWORD, .meta.stream = STR(TEST_CUSTOMER)};
    note(&command, OUTCOME_STATUS_ACCEPTED, "", NULL);
    const struct outcome strange = {
        .status = OUTCOME_STATUS_ACCEPTED, .stream = STR(TEST_CUSTOMER), .resource = STR("no state")};
    people_note_outcome(&people.gateway.revocations, &people.arena, &command, &strange);
    assert_int_equal(revocations_counts(&people.gateway.revocations).unreadable_total, 2);
    assert_false(is_revoked(1));
}

/* Else nobody would be there whom its outcome is told. */
static void what_ends_sessions_is_waited_for(void **state) {
    (void)state;
    static const struct {
        uint16_t type;
        bool is_waited_for;
    } rows[] = {{COMMAND_END_SESSION, true},     {COMMAND_RESET_PASSWORD, true},   {COMMAND_SET_ROLES, true},
                {COMMAND_END_SESSIONS, true},    {COMMAND_SUSPEND_CUSTOMER, true}, {COMMAND_REINSTATE_CUSTOMER, false},
                {COMMAND_ERASE_CUSTOMER, false}, {COMMAND_VERIFY_CUSTOMER, false}, {COMMAND_OPEN_CART, false}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct intake intake = {
            .command.type = rows[i].type, .responds_async = true, .preference_applied = STR("respond-async")};
        people_wait_for_end(&intake);
        assert_int_equal(intake.responds_async, !rows[i].is_waited_for);
        assert_int_equal(intake.preference_applied.len == 0, rows[i].is_waited_for);
    }
}

static void what_ends_no_session_revokes_nothing(void **state) {
    (void)state;
    const struct command command = {.type = COMMAND_VERIFY_CUSTOMER, .meta.stream = STR(TEST_CUSTOMER)};
    struct customer_state customer = people.state;
    customer.sessions_from = 8;
    note(&command, OUTCOME_STATUS_ACCEPTED, "", &customer);
    assert_false(is_revoked(7));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, test_people_start, test_people_stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(registering_makes_a_verifier_and_names_keys_and_address),
        WITH(of_a_refused_request_no_password_is_left),
        WITH(every_request_that_is_prepared_is_wiped),
        WITH(a_password_is_sealed_as_its_verifier_alone),
        WITH(a_destroyed_key_is_made_for_no_registration_again),
        WITH(a_short_password_and_ones_own_address_are_refused),
        WITH(who_is_logged_in_registers_another_as_nobody),
        WITH(an_address_is_registered_so_often_whoever_asks),
        WITH(token_and_password_prove_the_mailbox),
        WITH(the_token_alone_proves_nothing),
        WITH(a_right_password_that_is_refused_looks_like_a_wrong_one),
        WITH(a_token_of_another_mail_use_or_person_is_none),
        WITH(a_reset_sets_a_new_verifier_under_the_same_key),
        WITH(a_new_password_is_judged_like_the_first),
        WITH(asking_for_a_reset_goes_the_same_way_for_nobody),
        WITH(of_who_cannot_be_read_a_reset_is_nobodys),
        WITH(keys_of_who_proves_something_count_together),
        WITH(its_answer_says_nothing_and_leaves_at_the_same_time),
        WITH(that_it_is_pending_is_told_no_sooner),
        WITH(what_took_longer_leaves_at_the_end_of_another_span),
        WITH(who_asks_for_resets_of_an_address_keeps_nobody_from_logging_in),
        WITH(a_token_of_the_new_mailbox_proves_it),
        WITH(whoever_reads_the_mail_gives_it_to_nobody_else),
        WITH(a_logout_counts_at_once),
        WITH(a_token_that_comes_back_ends_its_session_at_once),
        WITH(another_password_ends_all_others_at_once),
        WITH(what_a_login_replaced_ends_at_once_and_not_what_it_opened),
        WITH(a_suspension_ends_all_at_once),
        WITH(an_end_that_cannot_be_read_is_counted),
        WITH(the_house_gives_no_password_and_erases_others_alone),
        WITH(of_a_login_that_comes_too_often_no_password_is_left),
        WITH(what_ends_sessions_is_waited_for),
        WITH(what_ends_no_session_revokes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
