#include "core/gateway/intake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

#include "core/gateway/identity.h"
#include "core/gateway/principal.h"

/* One request, as the server would hand it over. */
static struct http_exchange exchange;
static struct http_field fields[16];
static const struct secret secret = {{7}};
static struct intake intake;
static struct problem problem;

#define KEY "a-key-of-22-characters"

static int set_up(void **state) {
    (void)state;
    exchange = (struct http_exchange){.fields = fields};
    arena_init(&exchange.arena, 16 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_release(&exchange.arena);
    return 0;
}

static void header(const char *name, const char *value) {
    fields[exchange.field_count++] = (struct http_field){str_of_cstr(name), str_of_cstr(value)};
}

static bool take(enum http_method method, const char *path, struct str body) {
    exchange.method = method;
    exchange.path = str_of_cstr(path);
    exchange.body = body;
    struct route_match match;
    assert_int_equal(router_find(&exchange.arena, method, exchange.path, &match), ROUTE_FOUND);
    struct intake_source source = {
        .exchange = &exchange, .match = &match, .secret = &secret, .now_us = 1700000000000000, .wait_default_ms = 5000};
    problem = (struct problem){0};
    struct principal principal;
    if (!principal_read(&exchange, &secret, &principal, &problem)) {
        return false;
    }
    source.scope = source.actor = principal.identity;
    return intake_command(&source, &intake, &problem);
}

/* A request with a good key and media type. */
static bool post(const char *path, const char *body) {
    exchange.field_count = 0;
    header("Idempotency-Key", KEY);
    header("Content-Type", "application/json");
    return take(HTTP_POST_, path, str_of_cstr(body));
}

static void assert_refused(int status, const char *code, const char *pointer) {
    assert_string_equal(problem.code, code);
    assert_int_equal(problem.status, status);
    assert_true(str_equal(problem.pointer, str_of_cstr(pointer)));
    assert_non_null(problem.detail);
}

#define ULID "01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define CART "cart_" ULID

/* ---- what is taken ---- */

/* A route that registers a customer. */
static bool register_customer(const char *body) {
    static const struct route route = {.method = HTTP_POST_,
                                       .method_name = "POST",
                                       .pattern = "/v1/people",
                                       .command_type = COMMAND_REGISTER_CUSTOMER,
                                       .created_prefix = "cus_"};
    const struct route_match match = {.route = &route};
    const struct intake_source source = {.exchange = &exchange,
                                         .match = &match,
                                         .secret = &secret,
                                         .scope = STR("anonymous"),
                                         .actor = STR("anonymous"),
                                         .now_us = 1700000000000000};
    exchange.field_count = 0;
    header("Idempotency-Key", KEY);
    header("Content-Type", "application/json");
    exchange.body = str_of_cstr(body);
    return intake_command(&source, &intake, &problem);
}

static void a_secret_is_taken_and_is_no_part_of_the_requests_hash(void **state) {
    (void)state;
    assert_true(register_customer("{\"email\":\"ada@example.org\",\"password\":\"correct horse\"}"));
    const struct sealed *password = &intake.command.as.register_customer.password;
    assert_true(str_equal(password->plaintext, STR("correct horse")));
    assert_true(str_starts_with(intake.command.meta.stream, STR("cus_")));
    struct str first = intake.command.meta.request_hash;
    assert_true(register_customer("{\"email\":\"ada@example.org\",\"password\":\"battery staple\"}"));
    assert_true(str_equal(intake.command.meta.request_hash, first));
    assert_true(register_customer("{\"email\":\"eve@example.org\",\"password\":\"correct horse\"}"));
    assert_false(str_equal(intake.command.meta.request_hash, first));
}

static struct intake_source source_of(const struct route_match *match, const json_t *absent_body) {
    return (struct intake_source){.exchange = &exchange,
                                  .match = match,
                                  .secret = &secret,
                                  .scope = STR("anonymous"),
                                  .actor = STR("anonymous"),
                                  .now_us = 1700000000000000,
                                  .absent_body = absent_body};
}

static void a_command_whose_stream_is_found_out_is_named_then(void **state) {
    (void)state;
    const char *body = "{\"email\":\"ada@example.org\",\"password\":\"correct horse\"}";
    assert_true(post("/v1/sessions", body));
    assert_int_equal(intake.command.meta.command_id.len, 0);
    assert_true(str_equal(intake.command.meta.actor, STR("anonymous")));
    assert_int_equal(intake.command.meta.reply_partition, -1);
    struct route_match match;
    assert_int_equal(router_find(&exchange.arena, HTTP_POST_, exchange.path, &match), ROUTE_FOUND);
    const struct intake_source source = source_of(&match, NULL);
    intake_name(&source, STR("cus_" ULID), STR("proved"), &intake);
    struct command_meta first = intake.command.meta;
    assert_true(first.client_key);
    assert_true(str_equal(first.stream, STR("cus_" ULID)));
    assert_true(str_equal(first.correlation_id, first.command_id));
    intake_name(&source, STR("cus_" ULID), STR("unproved"), &intake);
    assert_false(str_equal(first.command_id, intake.command.meta.command_id));
    assert_true(str_equal(first.request_hash, intake.command.meta.request_hash));
    intake.key = (struct str){0}; /* without a key each time is another */
    intake_name(&source, STR("cus_" ULID), STR("proved"), &intake);
    struct str fresh = intake.command.meta.command_id;
    assert_false(intake.command.meta.client_key);
    intake_name(&source, STR("cus_" ULID), STR("proved"), &intake);
    assert_false(str_equal(fresh, intake.command.meta.command_id));
}

static void a_body_that_is_absent_can_be_stood_for(void **state) {
    (void)state;
    exchange.field_count = 0;
    header("Idempotency-Key", KEY);
    exchange.body = (struct str){0};
    exchange.path = STR("/v1/sessions/refresh");
    struct route_match match;
    assert_int_equal(router_find(&exchange.arena, HTTP_POST_, exchange.path, &match), ROUTE_FOUND);
    struct intake_source source = source_of(&match, NULL);
    assert_false(intake_command(&source, &intake, &problem));
    assert_refused(400, "missing_field", "/refresh_token");
    json_t *absent = json_pack("{s:s}", "refresh_token", "drt_x");
    source = source_of(&match, absent);
    assert_true(intake_command(&source, &intake, &problem));
    assert_true(str_equal(intake.command.as.refresh_session.refresh_token, STR("drt_x")));
    assert_string_equal(json_string_value(json_object_get(absent, "refresh_token")), "drt_x"); /* it is the caller's */
    exchange.body = STR("{}");
    header("Content-Type", "application/json");
    assert_false(intake_command(&source, &intake, &problem)); /* what was sent counts */
    json_decref(absent);
}

static void a_good_request_becomes_a_whole_command(void **state) {
    (void)state;
    assert_true(post("/v1/carts", "{\"currency\":\"EUR\",\"lines\":[{\"sku\":\"A.1\",\"quantity\":2}]}"));
    const struct command *command = &intake.command;
    assert_int_equal(command->type, COMMAND_OPEN_CART);
    assert_int_equal(command->as.open_cart.lines.items[0].quantity, 2);
    assert_true(str_starts_with(command->meta.stream, STR("cart_")));
    assert_true(str_equal(command->meta.actor, STR("anonymous")));
    assert_true(str_equal(command->meta.correlation_id, command->meta.command_id));
    assert_true(command->meta.client_key);
    assert_int_equal(command->meta.request_hash.len, SECRET_HASH_BYTES);
}

static void the_same_request_is_the_same_command_however_its_json_is_written(void **state) {
    (void)state;
    assert_true(post("/v1/carts", "{\"currency\":\"EUR\",\"reference\":\"r\"}"));
    struct command_meta first = intake.command.meta;
    assert_true(post("/v1/carts", " { \"reference\" : \"\\u0072\", \"currency\": \"EUR\" } "));
    assert_true(str_equal(first.command_id, intake.command.meta.command_id));
    assert_true(str_equal(first.request_hash, intake.command.meta.request_hash));
    assert_true(post("/v1/carts", "{\"currency\":\"EUR\",\"reference\":\"s\"}"));
    assert_true(str_equal(first.command_id, intake.command.meta.command_id));
    assert_false(str_equal(first.request_hash, intake.command.meta.request_hash));
}

static void the_same_address_is_the_same_scope_however_it_is_spelled(void **state) {
    (void)state;
    const char *body = "{\"location\":\"main\",\"quantity\":1}";
    assert_true(post("/v1/stock/A-1/receipts", body));
    struct command_meta first = intake.command.meta;
    assert_true(post("/v1/stock/A%2D1/receipts", body));
    assert_true(str_equal(first.stream, intake.command.meta.stream));
    assert_true(str_equal(first.command_id, intake.command.meta.command_id));
    assert_true(str_equal(first.request_hash, intake.command.meta.request_hash));
    assert_true(post("/v1/stock/A-2/receipts", body));
    assert_false(str_equal(first.command_id, intake.command.meta.command_id));
}

static void without_a_key_each_request_is_another_command(void **state) {
    (void)state;
    header("Content-Type", "application/json; charset=utf-8");
    assert_true(take(HTTP_POST_, "/v1/carts", STR("{\"currency\":\"EUR\"}")));
    struct str first = intake.command.meta.command_id;
    assert_false(intake.command.meta.client_key);
    assert_true(take(HTTP_POST_, "/v1/carts", STR("{\"currency\":\"EUR\"}")));
    assert_false(str_equal(first, intake.command.meta.command_id));
}

static void an_empty_body_is_an_empty_object(void **state) {
    (void)state;
    assert_true(take(HTTP_POST_, "/v1/products/prod_" ULID "/publish", STR("")));
    struct str hash = intake.command.meta.request_hash;
    header("Content-Type", "application/json");
    assert_true(take(HTTP_POST_, "/v1/products/prod_" ULID "/publish", STR("{}")));
    assert_true(str_equal(hash, intake.command.meta.request_hash));
}

static void what_the_path_names_is_part_of_the_command(void **state) {
    (void)state;
    header("Content-Type", "application/json");
    assert_true(take(HTTP_PUT_, "/v1/carts/" CART "/lines/A%2Eb", STR("{\"quantity\":0}")));
    assert_true(str_equal(intake.command.meta.stream, STR(CART)));
    assert_true(str_equal(intake.command.as.set_cart_line.sku, STR("A.b")));
}

static void a_sku_is_its_own_stream(void **state) {
    (void)state;
    assert_true(post("/v1/stock/A_b-c.1/receipts", "{\"location\":\"main\",\"quantity\":1}"));
    assert_true(str_equal(intake.command.meta.stream, STR("sku_A_b-c.1")));
}

static void if_match_is_the_version_to_stand_at(void **state) {
    (void)state;
    header("Content-Type", "application/json");
    header("If-Match", "\"12\"");
    assert_true(take(HTTP_PATCH_, "/v1/products/prod_" ULID, STR("{\"title\":\"T\"}")));
    assert_true(intake.command.meta.has_expected_version);
    assert_int_equal(intake.command.meta.expected_version, 12);
    exchange.field_count = 1;
    header("If-Match", "*");
    assert_true(take(HTTP_PATCH_, "/v1/products/prod_" ULID, STR("{\"title\":\"T\"}")));
    assert_false(intake.command.meta.has_expected_version);
}

static void prefer_says_how_long_to_wait(void **state) {
    (void)state;
    header("Content-Type", "application/json");
    header("Prefer", "foo, wait=3");
    assert_true(take(HTTP_POST_, "/v1/carts", STR("{\"currency\":\"EUR\"}")));
    assert_int_equal(intake.wait_ms, 3000);
    assert_false(intake.responds_async);
    exchange.field_count = 1;
    header("Prefer", "respond-async, wait=1000000");
    assert_true(take(HTTP_POST_, "/v1/carts", STR("{\"currency\":\"EUR\"}")));
    assert_true(intake.responds_async);
    assert_int_equal(intake.wait_ms, PREFER_WAIT_MAX_S * 1000);
    exchange.field_count = 1;
    header("Prefer", "wait=-1");
    assert_true(take(HTTP_POST_, "/v1/carts", STR("{\"currency\":\"EUR\"}")));
    assert_int_equal(intake.wait_ms, 5000);
}

static void an_email_is_kept_apart_to_be_sealed(void **state) {
    (void)state;
    assert_true(post("/v1/carts/" CART "/checkout",
                     "{\"email\":\"a@example.com\",\"payment\":{\"provider\":\"test\",\"method\":\"m\"}}"));
    assert_true(str_equal(intake.command.as.check_out_cart.email.plaintext, STR("a@example.com")));
    assert_int_equal(intake.command.as.check_out_cart.email.ciphertext.len, 0);
}

/* ---- keys ---- */

static void where_stock_or_money_moves_a_key_is_required(void **state) {
    (void)state;
    header("Content-Type", "application/json");
    assert_false(take(HTTP_POST_, "/v1/stock/A/receipts", STR("{\"location\":\"main\",\"quantity\":1}")));
    assert_refused(400, "idempotency_key_required", "");
    assert_false(take(HTTP_POST_, "/v1/carts/" CART "/checkout", STR("{}")));
    assert_refused(400, "idempotency_key_required", "");
}

/* Without one, whoever lost the answer would bring a token back that was used, and so end his session. */
static void for_the_next_tokens_of_a_session_a_key_is_required(void **state) {
    (void)state;
    header("Content-Type", "application/json");
    assert_false(take(HTTP_POST_, "/v1/sessions/refresh", STR("{\"refresh_token\":\"drt_x\"}")));
    assert_refused(400, "idempotency_key_required", "");
    header("Idempotency-Key", KEY);
    assert_true(take(HTTP_POST_, "/v1/sessions/refresh", STR("{\"refresh_token\":\"drt_x\"}")));
}

static void a_key_that_others_may_guess_is_refused_unless_a_token_scopes_it(void **state) {
    (void)state;
    header("Content-Type", "application/json");
    header("Idempotency-Key", "only-21-characters-ab");
    assert_false(take(HTTP_POST_, "/v1/carts", STR("{\"currency\":\"EUR\"}")));
    assert_refused(400, "idempotency_key_too_weak", "");
    header("Daybook-Cart-Token", "0123456789abcdef0123456789ABCD-_");
    assert_true(take(HTTP_POST_, "/v1/carts", STR("{\"currency\":\"EUR\"}")));
    assert_true(str_starts_with(intake.command.meta.actor, STR("guest:")));
}

static void a_key_is_visible_ascii_of_255_at_most(void **state) {
    (void)state;
    char *longest = malloc(257);
    memset(longest, 'k', 256);
    longest[256] = '\0';
    const char *bad[] = {longest, "with a space in between them", "caf\xc3\xa9-caf\xc3\xa9-caf\xc3\xa9-caf\xc3\xa9",
                         "a-tab\tin-the-middle-of-it", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        exchange.field_count = 0;
        header("Content-Type", "application/json");
        header("Idempotency-Key", bad[i]);
        assert_false(take(HTTP_POST_, "/v1/carts", STR("{\"currency\":\"EUR\"}")));
        assert_refused(400, "idempotency_key_invalid", "");
    }
    longest[255] = '\0';
    exchange.field_count = 0;
    header("Content-Type", "application/json");
    header("Idempotency-Key", longest);
    assert_true(take(HTTP_POST_, "/v1/carts", STR("{\"currency\":\"EUR\"}")));
    free(longest);
}

/* ---- bad bodies ---- */

static void malformed_json_is_refused(void **state) {
    (void)state;
    const char *bad[] = {"{",
                         "{\"currency\":}",
                         "{\"currency\":\"EUR\"",
                         "{\"currency\":\"EUR\"}x",
                         "nul",
                         "{'currency':1}",
                         "{\"currency\":\"EUR\",}",
                         "\x01",
                         "{\"a\\",
                         "[}",
                         "{\"currency\":\"\\ud800\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(post("/v1/carts", bad[i]));
        assert_refused(400, "malformed_json", "");
    }
}

static void what_is_no_object_is_refused(void **state) {
    (void)state;
    const char *bad[] = {"[]", "1", "\"text\"", "null", "true"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(post("/v1/carts", bad[i]));
        assert_refused(400, "wrong_type", "");
    }
}

static void a_key_twice_is_refused_and_pointed_at(void **state) {
    (void)state;
    assert_false(post("/v1/carts", "{\"currency\":\"EUR\",\"currency\":\"USD\"}"));
    assert_refused(400, "duplicate_key", "/currency");
    assert_false(post("/v1/carts", "{\"currency\":\"EUR\",\"lines\":[{\"sku\":\"A\",\"quantity\":1},"
                                   "{\"sku\":\"B\",\"quantity\":1,\"sku\":\"C\"}]}"));
    assert_refused(400, "duplicate_key", "/lines/1/sku");
    assert_false(post("/v1/carts", "{\"a/b~\":1,\"a/b~\":2}"));
    assert_refused(400, "duplicate_key", "/a~1b~0");
}

static void unknown_fields_are_refused_and_pointed_at(void **state) {
    (void)state;
    assert_false(post("/v1/carts", "{\"currency\":\"EUR\",\"price\":1}"));
    assert_refused(400, "unknown_field", "/price");
    assert_false(post("/v1/carts", "{\"currency\":\"EUR\",\"price_facts\":[]}"));
    assert_refused(400, "unknown_field", "/price_facts");
    assert_false(post("/v1/carts", "{\"currency\":\"EUR\",\"meta\":{}}"));
    assert_refused(400, "unknown_field", "/meta");
}

static void quantities_of_zero_negative_huge_or_broken_are_refused(void **state) {
    (void)state;
    const char *bad[] = {"0", "-1", "1000000000000", "99999999999999999999", "1e400"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char body[128];
        snprintf(body, sizeof body, "{\"currency\":\"EUR\",\"lines\":[{\"sku\":\"A\",\"quantity\":%s}]}", bad[i]);
        assert_false(post("/v1/carts", body));
        assert_refused(400, "out_of_range", "/lines/0/quantity");
    }
    assert_false(post("/v1/carts", "{\"currency\":\"EUR\",\"lines\":[{\"sku\":\"A\",\"quantity\":\"1\"}]}"));
    assert_refused(400, "wrong_type", "/lines/0/quantity");
}

static void a_cart_of_501_lines_is_refused(void **state) {
    (void)state;
    struct buf body;
    buf_init(&body, 1 << 20);
    buf_str(&body, STR("{\"currency\":\"EUR\",\"lines\":["));
    for (int i = 0; i < 501; i++) {
        buf_printf(&body, "%s{\"sku\":\"S%d\",\"quantity\":1}", i > 0 ? "," : "", i);
    }
    buf_str(&body, STR("]}"));
    buf_byte(&body, '\0');
    assert_false(post("/v1/carts", body.data));
    assert_refused(400, "too_many_items", "/lines");
    buf_release(&body);
}

static void invalid_utf8_and_control_characters_are_refused(void **state) {
    (void)state;
    assert_false(post("/v1/carts", "{\"currency\":\"EUR\",\"reference\":\"\xff\"}"));
    assert_refused(400, "invalid_utf8", "");
    assert_false(post("/v1/carts", "{\"currency\":\"EUR\",\"reference\":\"a\\u0007b\"}"));
    assert_refused(400, "invalid_format", "/reference");
    assert_false(post("/v1/carts", "{\"currency\":\"EUR\",\"reference\":\"a\\u0000b\"}"));
    assert_refused(400, "invalid_format", "/reference");
    assert_false(post("/v1/carts", "{\"currency\":\"EUR\",\"reference\":\"a\nb\"}"));
    assert_refused(400, "malformed_json", "");
}

static void no_currency_of_the_world_is_no_currency(void **state) {
    (void)state;
    const char *bad[] = {"EURO", "eur", "XXX", "", "E R"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char body[64];
        snprintf(body, sizeof body, "{\"currency\":\"%s\"}", bad[i]);
        assert_false(post("/v1/carts", body));
        assert_int_equal(problem.status, 400);
        assert_true(str_equal(problem.pointer, STR("/currency")));
    }
}

static void deep_nesting_is_refused_before_it_is_parsed(void **state) {
    (void)state;
    char body[200];
    memset(body, '[', 100);
    memset(body + 100, ']', 99);
    body[199] = '\0';
    assert_false(post("/v1/carts", body));
    assert_refused(400, "too_deep", "");
}

static void another_media_type_is_refused(void **state) {
    (void)state;
    const char *bad[] = {"text/plain", "application/jsonx", "application/x-www-form-urlencoded", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        exchange.field_count = 0;
        header("Content-Type", bad[i]);
        assert_false(take(HTTP_POST_, "/v1/carts", STR("{\"currency\":\"EUR\"}")));
        assert_refused(415, "unsupported_media_type", "");
    }
}

/* ---- bad ids and headers ---- */

static void an_id_of_another_kind_is_refused_and_a_malformed_one_is_not_found(void **state) {
    (void)state;
    assert_false(post("/v1/carts/ord_" ULID ".1/checkout", "{\"payment\":{\"provider\":\"test\",\"method\":\"m\"}}"));
    assert_refused(422, "wrong_id_kind", "");
    const char *bad[] = {"/v1/products/x/publish", "/v1/products/prod_" ULID "0/publish",
                         "/v1/products/prod_01arz3ndektsv4rrffq69g5fav/publish", "/v1/products/prod_" ULID ".1/publish",
                         "/v1/products/prod_/publish"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(post(bad[i], "{}"));
        assert_refused(404, "malformed_id", "");
    }
    assert_false(post("/v1/stock/A%20B/receipts", "{\"location\":\"main\",\"quantity\":1}"));
    assert_refused(404, "malformed_id", "");
    header("Content-Type", "application/json");
    assert_false(take(HTTP_PUT_, "/v1/carts/" CART "/lines/%2F", STR("{\"quantity\":1}")));
    assert_refused(404, "malformed_id", "");
}

static void if_match_must_be_one_of_our_etags(void **state) {
    (void)state;
    const char *bad[] = {"W/\"3\"", "3", "\"\"", "\"x\"", "\"-1\"", "\"0\"", "\"1\", \"2\"", "\"99999999999999999999\"",
                         ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        exchange.field_count = 0;
        header("Content-Type", "application/json");
        header("If-Match", bad[i]);
        assert_false(take(HTTP_PATCH_, "/v1/products/prod_" ULID, STR("{\"title\":\"T\"}")));
        assert_refused(400, "invalid_if_match", "");
    }
}

static void a_position_or_token_that_is_not_ours_is_refused(void **state) {
    (void)state;
    header("Content-Type", "application/json");
    const char *positions[] = {"???", ""};
    for (size_t i = 0; i < sizeof positions / sizeof *positions; i++) {
        exchange.field_count = 1;
        header("Daybook-Position", positions[i]);
        assert_false(take(HTTP_POST_, "/v1/carts", STR("{\"currency\":\"EUR\"}")));
        assert_refused(400, "invalid_position", "");
    }
    const char *bad[] = {"two words",
                         "a",
                         "0123456789abcdef0123456789ABCD-",
                         "0123456789abcdef0123456789ABCD-_a",
                         "0123456789abcdef0123456789ABCD-.",
                         ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        exchange.field_count = 1;
        header("Daybook-Cart-Token", bad[i]);
        assert_false(take(HTTP_POST_, "/v1/carts", STR("{\"currency\":\"EUR\"}")));
        assert_refused(400, "invalid_cart_token", "");
    }
}

/* ---- categories ---- */

static bool put_category(const char *slug, const char *body) {
    exchange.field_count = 0;
    header("Content-Type", "application/json");
    header("If-Match", "\"7\"");
    return take(HTTP_PUT_, arena_printf(&exchange.arena, "/v1/categories/%s", slug).data, str_of_cstr(body));
}

static void a_category_is_named_by_the_path_and_decided_by_the_tree(void **state) {
    (void)state;
    assert_true(put_category("black", "{\"title\":\"Black tea\",\"parent\":\"tea\"}"));
    assert_true(str_equal(intake.command.meta.stream, STR("cat_tree")));
    assert_true(intake.command.meta.has_expected_version);
    assert_int_equal(intake.command.meta.expected_version, 7);
    const struct put_category *put = &intake.command.as.put_category;
    assert_true(str_equal(put->slug, STR("black")));
    assert_true(str_equal(put->parent, STR("tea")));
    assert_int_equal(put->position, 0);
    exchange.field_count = 0;
    assert_true(take(HTTP_DELETE_, "/v1/categories/black", STR("")));
    assert_true(str_equal(intake.command.meta.stream, STR("cat_tree")));
    assert_true(str_equal(intake.command.as.remove_category.slug, STR("black")));
    static const char *const names[] = {
        "Black", "a%20b", "a..b", "%2e", "tea%0a", "12345678901234567890123456789012345678901234567890123456789012345"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        assert_false(put_category(names[i], "{\"title\":\"Black tea\"}"));
        assert_int_equal(problem.status, 404);
        assert_string_equal(problem.code, "malformed_id");
    }
}

static void what_is_said_of_a_category_has_bounds_and_the_fields_name(void **state) {
    (void)state;
    char *long_title = arena_alloc(&exchange.arena, 258);
    memset(long_title, 'a', 257);
    static const struct {
        const char *body, *code, *pointer;
    } bad[] = {
        {"{}", "missing_field", "/title"},
        {"{\"title\":\"\"}", "too_short", "/title"},
        {"{\"title\":\"a\\u0007b\"}", "invalid_format", "/title"},
        {"{\"title\":\"a\\nb\"}", "invalid_format", "/title"},
        {"{\"title\":\"a\",\"description\":\"a\\u0000\"}", "invalid_format", "/description"},
        {"{\"title\":\"a\",\"parent\":\"Tea\"}", "invalid_format", "/parent"},
        {"{\"title\":\"a\",\"parent\":\"\"}", "invalid_format", "/parent"},
        {"{\"title\":\"a\",\"parent\":[\"tea\"]}", "wrong_type", "/parent"},
        {"{\"title\":\"a\",\"position\":-1}", "out_of_range", "/position"},
        {"{\"title\":\"a\",\"position\":1000001}", "out_of_range", "/position"},
        {"{\"title\":\"a\",\"position\":1.5}", "out_of_range", "/position"},
        {"{\"title\":\"a\",\"slug\":\"b\"}", "unknown_field", "/slug"},
        {"{\"title\":\"a\",\"created_at\":1}", "unknown_field", "/created_at"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        assert_false(put_category("black", bad[i].body));
        assert_refused(400, bad[i].code, bad[i].pointer);
    }
    assert_false(put_category("black", arena_printf(&exchange.arena, "{\"title\":\"%s\"}", long_title).data));
    assert_refused(400, "too_long", "/title");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_command_whose_stream_is_found_out_is_named_then),
        TEST(a_body_that_is_absent_can_be_stood_for),
        TEST(a_good_request_becomes_a_whole_command),
        TEST(a_secret_is_taken_and_is_no_part_of_the_requests_hash),
        TEST(the_same_request_is_the_same_command_however_its_json_is_written),
        TEST(the_same_address_is_the_same_scope_however_it_is_spelled),
        TEST(without_a_key_each_request_is_another_command),
        TEST(an_empty_body_is_an_empty_object),
        TEST(what_the_path_names_is_part_of_the_command),
        TEST(a_sku_is_its_own_stream),
        TEST(if_match_is_the_version_to_stand_at),
        TEST(prefer_says_how_long_to_wait),
        TEST(an_email_is_kept_apart_to_be_sealed),
        TEST(where_stock_or_money_moves_a_key_is_required),
        TEST(for_the_next_tokens_of_a_session_a_key_is_required),
        TEST(a_key_that_others_may_guess_is_refused_unless_a_token_scopes_it),
        TEST(a_key_is_visible_ascii_of_255_at_most),
        TEST(malformed_json_is_refused),
        TEST(what_is_no_object_is_refused),
        TEST(a_key_twice_is_refused_and_pointed_at),
        TEST(unknown_fields_are_refused_and_pointed_at),
        TEST(quantities_of_zero_negative_huge_or_broken_are_refused),
        TEST(a_cart_of_501_lines_is_refused),
        TEST(invalid_utf8_and_control_characters_are_refused),
        TEST(no_currency_of_the_world_is_no_currency),
        TEST(deep_nesting_is_refused_before_it_is_parsed),
        TEST(another_media_type_is_refused),
        TEST(an_id_of_another_kind_is_refused_and_a_malformed_one_is_not_found),
        TEST(if_match_must_be_one_of_our_etags),
        TEST(a_position_or_token_that_is_not_ours_is_refused),
        TEST(a_category_is_named_by_the_path_and_decided_by_the_tree),
        TEST(what_is_said_of_a_category_has_bounds_and_the_fields_name),
    };
    return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}
