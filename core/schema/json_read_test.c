/* Request bodies through the generated readers: one row a way to be wrong. */
#include "core/schema/json_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/macros.h"
#include "gen/json.h"

enum { ARENA_MAX_BYTES = 1024 * 1024 };

struct fixture {
    struct arena arena;
    struct command command;
    struct json_problem problem;
};

static int setup(void **state) {
    static struct fixture fixture;
    memset(&fixture, 0, sizeof fixture);
    arena_init(&fixture.arena, ARENA_MAX_BYTES);
    *state = &fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    arena_release(&fixture->arena);
    return 0;
}

static bool read_body(struct fixture *fixture, uint16_t type, const char *text) {
    json_error_t error;
    json_t *body = text == NULL ? NULL : json_loads(text, 0, &error);
    if (text != NULL && body == NULL) {
        fail_msg("line %d, column %d of the test's JSON: %s", error.line, error.column, error.text);
    }
    memset(&fixture->command, 0, sizeof fixture->command);
    bool ok = command_body_from_json(type, body, &fixture->arena, &fixture->command, &fixture->problem);
    json_decref(body); /* what was read must not need it any more */
    return ok;
}

static void must_read(struct fixture *fixture, uint16_t type, const char *text) {
    if (!read_body(fixture, type, text)) {
        fail_msg("%s at `%.*s`: %.*s", fixture->problem.code, STR_ARGS(fixture->problem.pointer),
                 STR_ARGS(fixture->problem.detail));
    }
}

static void must_refuse(struct fixture *fixture, uint16_t type, const char *text, const char *code,
                        const char *pointer) {
    if (read_body(fixture, type, text)) {
        fail_msg("it was taken: %s", text);
    }
    if (strcmp(fixture->problem.code, code) != 0 || !str_equal(fixture->problem.pointer, str_of_cstr(pointer))) {
        fail_msg("%s at `%.*s` instead of %s at `%s`: %s", fixture->problem.code, STR_ARGS(fixture->problem.pointer),
                 code, pointer, text);
    }
    assert_true(fixture->problem.detail.len > 0);
}

static void assert_text(struct str actual, const char *expected) {
    assert_true(str_equal(actual, str_of_cstr(expected)));
}

/* ---- what is taken ------------------------------------------------------------------------------------------ */

static void a_cart_with_lines_is_read(void **state) {
    struct fixture *fixture = *state;
    must_read(
        fixture, COMMAND_OPEN_CART,
        "{\"currency\":\"EUR\",\"lines\":[{\"sku\":\"MUG\",\"quantity\":2},{\"quantity\":1000000,\"sku\":\"T.1_a-B\"}],"
        "\"reference\":\"basket 7 \\u00e9\"}");
    const struct open_cart *cart = &fixture->command.as.open_cart;
    assert_int_equal(fixture->command.type, COMMAND_OPEN_CART);
    assert_text(cart->currency, "EUR");
    assert_int_equal(cart->lines.count, 2);
    assert_text(cart->lines.items[0].sku, "MUG");
    assert_int_equal(cart->lines.items[0].quantity, 2);
    assert_text(cart->lines.items[1].sku, "T.1_a-B");
    assert_int_equal(cart->lines.items[1].quantity, 1000000);
    assert_true(cart->has_reference);
    assert_text(cart->reference, "basket 7 é");
}

static void optional_fields_and_those_with_defaults_may_be_missing(void **state) {
    struct fixture *fixture = *state;
    must_read(fixture, COMMAND_OPEN_CART, "{\"currency\":\"EUR\"}");
    assert_int_equal(fixture->command.as.open_cart.lines.count, 0);
    assert_false(fixture->command.as.open_cart.has_reference);
}

static void a_command_without_body_fields_takes_no_body_and_an_empty_object(void **state) {
    struct fixture *fixture = *state;
    must_read(fixture, COMMAND_PUBLISH_PRODUCT, NULL);
    must_read(fixture, COMMAND_PUBLISH_PRODUCT, "{}");
    must_read(fixture, COMMAND_VOID_PAYMENT, NULL);
    assert_false(fixture->command.as.void_payment.has_reason);
    must_refuse(fixture, COMMAND_PUBLISH_PRODUCT, "{\"now\":true}", "unknown_field", "/now");
    must_refuse(fixture, COMMAND_OPEN_CART, NULL, "missing_field", "/currency");
}

static void attributes_are_an_object_of_texts(void **state) {
    struct fixture *fixture = *state;
    must_read(fixture, COMMAND_CHANGE_PRODUCT, "{\"attributes\":{\"colour\":\"red\",\"a/b~c\":\"\"}}");
    const struct change_product *change = &fixture->command.as.change_product;
    assert_true(change->has_attributes);
    assert_int_equal(change->attributes.count, 2);
    assert_text(change->attributes.items[0].name, "colour");
    assert_text(change->attributes.items[0].value, "red");
    assert_text(change->attributes.items[1].name, "a/b~c");
    assert_false(change->has_title);
    must_refuse(fixture, COMMAND_CHANGE_PRODUCT, "{\"attributes\":[]}", "wrong_type", "/attributes");
    must_refuse(fixture, COMMAND_CHANGE_PRODUCT, "{\"attributes\":{\"a/b~c\":7}}", "wrong_type", "/attributes/a~1b~0c");
    must_refuse(fixture, COMMAND_CHANGE_PRODUCT, "{\"attributes\":{\"\":\"x\"}}", "too_short", "/attributes/");
    must_refuse(fixture, COMMAND_CHANGE_PRODUCT, "{\"attributes\":{\"a\\u0007\":\"x\"}}", "invalid_format",
                "/attributes/a\a");
}

static void a_sealed_field_is_a_text_that_is_yet_to_be_sealed(void **state) {
    struct fixture *fixture = *state;
    must_read(fixture, COMMAND_CHECK_OUT_CART,
              "{\"email\":\"ada@example.org\",\"payment\":{\"provider\":\"test\",\"method\":\"card\"},"
              "\"expected_total\":{\"amount\":0,\"currency\":\"EUR\"}}");
    const struct check_out_cart *check_out = &fixture->command.as.check_out_cart;
    assert_true(check_out->has_email);
    assert_text(check_out->email.plaintext, "ada@example.org");
    assert_int_equal(check_out->email.ciphertext.len, 0);
    assert_true(check_out->has_expected_total);
    must_refuse(fixture, COMMAND_CHECK_OUT_CART,
                "{\"email\":\"not an address\",\"payment\":{\"provider\":\"test\",\"method\":\"card\"}}",
                "invalid_format", "/email");
    must_refuse(fixture, COMMAND_CHECK_OUT_CART,
                "{\"email\":{\"key_id\":\"mine\"},\"payment\":{\"provider\":\"test\",\"method\":\"card\"}}",
                "wrong_type", "/email");
}

/* ---- what is refused ---------------------------------------------------------------------------------------- */

static void each_way_to_be_wrong_has_its_code_and_pointer(void **state) {
    static const struct {
        uint16_t type;
        const char *body, *code, *pointer;
    } rows[] = {
        {COMMAND_OPEN_CART, "[]", "wrong_type", ""},
        {COMMAND_OPEN_CART, "{}", "missing_field", "/currency"},
        {COMMAND_OPEN_CART, "{\"currency\":null}", "wrong_type", "/currency"},
        {COMMAND_OPEN_CART, "{\"currency\":7}", "wrong_type", "/currency"},
        {COMMAND_OPEN_CART, "{\"currency\":\"EUR\",\"reference\":null}", "wrong_type", "/reference"},
        {COMMAND_CHANGE_PRODUCT, "{\"title\":\"T\",\"vendor\":null}", "wrong_type", "/vendor"},
        {COMMAND_CHANGE_PRODUCT, "{\"categories\":null}", "wrong_type", "/categories"},
        {COMMAND_CHANGE_VARIANT, "{\"title\":\"T\",\"weight_g\":null}", "wrong_type", "/weight_g"},
        {COMMAND_CHANGE_VARIANT, "{\"title\":\"T\",\"price\":null}", "wrong_type", "/price"},
        {COMMAND_OPEN_CART, "{\"currency\":\"eur\"}", "invalid_format", "/currency"},
        {COMMAND_OPEN_CART, "{\"currency\":\"EUR\",\"Lines\":[]}", "unknown_field", "/Lines"},
        {COMMAND_OPEN_CART, "{\"currency\":\"EUR\",\"meta\":{}}", "unknown_field", "/meta"},
        {COMMAND_OPEN_CART, "{\"currency\":\"EUR\",\"price_facts\":[]}", "unknown_field", "/price_facts"},
        {COMMAND_OPEN_CART, "{\"currency\":\"EUR\",\"lines\":null}", "wrong_type", "/lines"},
        {COMMAND_OPEN_CART, "{\"currency\":\"EUR\",\"lines\":{}}", "wrong_type", "/lines"},
        {COMMAND_OPEN_CART, "{\"currency\":\"EUR\",\"lines\":[7]}", "wrong_type", "/lines/0"},
        {COMMAND_OPEN_CART, "{\"currency\":\"EUR\",\"lines\":[{\"sku\":\"A\"}]}", "missing_field", "/lines/0/quantity"},
        {COMMAND_OPEN_CART,
         "{\"currency\":\"EUR\",\"lines\":[{\"sku\":\"A\",\"quantity\":1},{\"sku\":\"A\",\"quantity\":1},"
         "{\"sku\":\"A\",\"quantity\":1},{\"sku\":\"a b\",\"quantity\":1}]}",
         "invalid_format", "/lines/3/sku"},
        {COMMAND_OPEN_CART, "{\"currency\":\"EUR\",\"lines\":[{\"sku\":\"A\",\"quantity\":1,\"price\":0}]}",
         "unknown_field", "/lines/0/price"},
        {COMMAND_OPEN_CART, "{\"currency\":\"EUR\",\"lines\":[{\"sku\":\"A\",\"quantity\":0}]}", "out_of_range",
         "/lines/0/quantity"},
        {COMMAND_OPEN_CART, "{\"currency\":\"EUR\",\"lines\":[{\"sku\":\"A\",\"quantity\":-1}]}", "out_of_range",
         "/lines/0/quantity"},
        {COMMAND_OPEN_CART, "{\"currency\":\"EUR\",\"lines\":[{\"sku\":\"A\",\"quantity\":1000000000000}]}",
         "out_of_range", "/lines/0/quantity"},
        {COMMAND_OPEN_CART, "{\"currency\":\"EUR\",\"lines\":[{\"sku\":\"A\",\"quantity\":1.0}]}", "out_of_range",
         "/lines/0/quantity"},
        {COMMAND_OPEN_CART, "{\"currency\":\"EUR\",\"lines\":[{\"sku\":\"A\",\"quantity\":1e3}]}", "out_of_range",
         "/lines/0/quantity"},
        {COMMAND_OPEN_CART, "{\"currency\":\"EUR\",\"lines\":[{\"sku\":\"A\",\"quantity\":\"1\"}]}", "wrong_type",
         "/lines/0/quantity"},
        {COMMAND_OPEN_CART, "{\"currency\":\"EUR\",\"lines\":[{\"sku\":\"A\",\"quantity\":true}]}", "wrong_type",
         "/lines/0/quantity"},
        {COMMAND_OPEN_CART, "{\"currency\":\"EUR\",\"reference\":\"\"}", "too_short", "/reference"},
        {COMMAND_OPEN_CART, "{\"currency\":\"EUR\",\"reference\":\"a\\nb\"}", "invalid_format", "/reference"},
        {COMMAND_OPEN_CART, "{\"currency\":\"EUR\",\"reference\":\"a\\u007fb\"}", "invalid_format", "/reference"},
        {COMMAND_DEFINE_PRODUCT, "{\"title\":\"T\",\"variants\":[]}", "too_few_items", "/variants"},
        {COMMAND_DEFINE_PRODUCT, "{\"title\":\"T\",\"variants\":[{\"sku\":\"A\",\"price\":{\"amount\":1}}]}",
         "missing_field", "/variants/0/price/currency"},
        {COMMAND_DEFINE_PRODUCT,
         "{\"title\":\"T\",\"variants\":[{\"sku\":\"A\",\"price\":{\"amount\":1,\"currency\":\"euro\"}}]}",
         "invalid_format", "/variants/0/price/currency"},
        {COMMAND_DEFINE_PRODUCT,
         "{\"title\":\"T\",\"variants\":[{\"sku\":\"A\",\"price\":{\"amount\":0,\"currency\":\"EUR\"}}]}",
         "out_of_range", "/variants/0/price/amount"},
        {COMMAND_DEFINE_PRODUCT,
         "{\"title\":\"T\",\"variants\":[{\"sku\":\"A\",\"price\":{\"amount\":1000000000000001,\"currency\":\"EUR\"}}]"
         "}",
         "out_of_range", "/variants/0/price/amount"},
        {COMMAND_DEFINE_PRODUCT, "{\"title\":\"T\",\"variants\":[{\"sku\":\"A\",\"price\":19.99}]}", "wrong_type",
         "/variants/0/price"},
        {COMMAND_DEFINE_PRODUCT,
         "{\"title\":\"T\",\"tags\":[\"x\",\"\"],\"variants\":[{\"sku\":\"A\",\"price\":{\"amount\":1,"
         "\"currency\":\"EUR\"}}]}",
         "too_short", "/tags/1"},
        {COMMAND_DEFINE_PRODUCT, "{\"title\":\"T\",\"categories\":[\"a b\"],\"variants\":[]}", "invalid_format",
         "/categories/0"},
        {COMMAND_DEFINE_PRODUCT, "{\"title\":\"T\",\"images\":[\"ftp://x\"],\"variants\":[]}", "invalid_format",
         "/images/0"},
        {COMMAND_CHANGE_VARIANT, "{\"price\":{\"amount\":0,\"currency\":\"EUR\"}}", "out_of_range", "/price/amount"},
        {COMMAND_CHANGE_VARIANT, "{\"weight_g\":-1}", "out_of_range", "/weight_g"},
        {COMMAND_CHANGE_VARIANT, "{\"weight_g\":9223372036854775807}", "out_of_range", "/weight_g"},
        {COMMAND_SET_CART_LINE, "{\"quantity\":1,\"sku\":\"A\"}", "unknown_field", "/sku"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        must_refuse(fixture, rows[i].type, rows[i].body, rows[i].code, rows[i].pointer);
    }
}

static void line_breaks_are_for_long_texts_only(void **state) {
    struct fixture *fixture = *state;
    must_read(fixture, COMMAND_CHANGE_PRODUCT, "{\"description\":\"one\\n\\ttwo\"}");
    must_refuse(fixture, COMMAND_CHANGE_PRODUCT, "{\"description\":\"one\\rtwo\"}", "invalid_format", "/description");
    must_refuse(fixture, COMMAND_CHANGE_PRODUCT, "{\"title\":\"one\\ntwo\"}", "invalid_format", "/title");
}

static void a_nul_inside_a_text_is_a_control_character(void **state) {
    struct fixture *fixture = *state;
    json_t *body = json_loads("{\"title\":\"a\\u0000b\"}", JSON_ALLOW_NUL, NULL);
    assert_false(
        command_body_from_json(COMMAND_CHANGE_PRODUCT, body, &fixture->arena, &fixture->command, &fixture->problem));
    assert_string_equal(fixture->problem.code, "invalid_format");
    json_decref(body);
}

/* {"<field>": <before><item>, <item> ...<after>} */
static char *repeat(const char *before, const char *item, size_t count, const char *after) {
    struct buf text;
    buf_init(&text, 1024 * 1024);
    buf_str(&text, str_of_cstr(before));
    for (size_t i = 0; i < count; i++) {
        buf_printf(&text, "%s%s", i == 0 || item[0] == 'x' ? "" : ",", item);
    }
    buf_printf(&text, "%s", after);
    buf_byte(&text, '\0');
    assert_true(buf_ok(&text));
    return text.data;
}

static void a_cart_takes_at_most_500_lines(void **state) {
    struct fixture *fixture = *state;
    for (size_t count = 500; count <= 501; count++) {
        char *body = repeat("{\"currency\":\"EUR\",\"lines\":[", "{\"sku\":\"A\",\"quantity\":1}", count, "]}");
        if (count == 500) {
            must_read(fixture, COMMAND_OPEN_CART, body);
            assert_int_equal(fixture->command.as.open_cart.lines.count, 500);
        } else {
            must_refuse(fixture, COMMAND_OPEN_CART, body, "too_many_items", "/lines");
        }
        free(body);
    }
}

static void a_text_has_at_most_its_bytes(void **state) {
    struct fixture *fixture = *state;
    char *fits = repeat("{\"title\":\"", "x", 256, "\"}");
    char *too_long = repeat("{\"title\":\"", "x", 257, "\"}");
    must_read(fixture, COMMAND_CHANGE_PRODUCT, fits);
    must_refuse(fixture, COMMAND_CHANGE_PRODUCT, too_long, "too_long", "/title");
    free(fits);
    free(too_long);
}

static void a_full_arena_is_a_problem_not_a_crash(void **state) {
    struct fixture *fixture = *state;
    json_t *body = json_loads("{\"currency\":\"EUR\",\"lines\":[{\"sku\":\"A\",\"quantity\":1}]}", 0, NULL);
    bool fitted = false;
    for (size_t max_bytes = 0; max_bytes < 4096; max_bytes += 16) {
        struct arena small;
        arena_init(&small, max_bytes);
        memset(&fixture->problem, 0, sizeof fixture->problem);
        fitted = command_body_from_json(COMMAND_OPEN_CART, body, &small, &fixture->command, &fixture->problem);
        assert_true(fitted || fixture->problem.code != NULL);
        arena_release(&small);
    }
    assert_true(fitted);
    json_decref(body);
}

/* ---- fields from the path ----------------------------------------------------------------------------------- */

static void a_field_from_the_path_has_its_rules(void **state) {
    struct fixture *fixture = *state;
    fixture->command.type = COMMAND_SET_CART_LINE;
    assert_true(command_path_field(&fixture->command, &fixture->arena, "sku", STR("MUG-1"), &fixture->problem));
    assert_text(fixture->command.as.set_cart_line.sku, "MUG-1");
    assert_false(command_path_field(&fixture->command, &fixture->arena, "sku", STR("a/b"), &fixture->problem));
    assert_string_equal(fixture->problem.code, "invalid_format");
    assert_int_equal(fixture->problem.pointer.len, 0);
}

/* ---- sealing ------------------------------------------------------------------------------------------------ */

static bool count_and_seal(void *context, struct sealed *sealed) {
    (*(int *)context)++;
    sealed->key_id = STR("key");
    return !str_equal(sealed->plaintext, STR("no"));
}

static void every_sealed_field_that_is_there_is_visited(void **state) {
    struct fixture *fixture = *state;
    int visits = 0;
    fixture->command.type = COMMAND_CHECK_OUT_CART;
    assert_true(command_each_sealed(&fixture->command, count_and_seal, &visits));
    assert_int_equal(visits, 0);
    fixture->command.as.check_out_cart.has_email = true;
    assert_true(command_each_sealed(&fixture->command, count_and_seal, &visits));
    assert_int_equal(visits, 1);
    assert_text(fixture->command.as.check_out_cart.email.key_id, "key");
    fixture->command.as.check_out_cart.email.plaintext = STR("no");
    assert_false(command_each_sealed(&fixture->command, count_and_seal, &visits));
    fixture->command.type = COMMAND_OPEN_CART;
    assert_true(command_each_sealed(&fixture->command, count_and_seal, &visits));
    assert_int_equal(visits, 2);
}

#define ADDRESS "{\"recipient\":\"Ada\",\"street\":[\"1 Low Street\"],\"city\":\"London\",\"country\":\"GB\""

static void an_address_is_an_object_and_sealed_as_a_whole(void **state) {
    struct fixture *fixture = *state;
    must_read(fixture, COMMAND_PUT_ADDRESS, "{\"address\": " ADDRESS ",\"label\":\"home\",\"phone\":\"1\"}}");
    assert_text(fixture->command.as.put_address.address.plaintext, ADDRESS ",\"phone\":\"1\",\"label\":\"home\"}");
    must_refuse(fixture, COMMAND_PUT_ADDRESS, "{\"address\":" ADDRESS "},\"label\":\"home\"}", "unknown_field",
                "/label"); /* what he calls it is sealed with it */
    must_refuse(fixture, COMMAND_PUT_ADDRESS, "{\"address\":" ADDRESS ",\"state\":\"x\"}}", "unknown_field",
                "/address/state");
    must_refuse(fixture, COMMAND_PUT_ADDRESS, "{\"address\":\"London\"}", "wrong_type", "/address");
    must_refuse(fixture, COMMAND_PUT_ADDRESS, "{\"address\":" ADDRESS "},\"id\":\"1\"}", "unknown_field", "/id");
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

static void an_event_is_written_with_meta_first_and_without_what_is_absent(void **state) {
    (void)state;
    struct event event = {
        .type = EVENT_CART_CHECKED_OUT,
        .meta = {.stream = STR("cart_1"), .version = 2, .occurred_at = INT64_C(1700000000123456)},
        .as.cart_checked_out = {
            .order = STR("ord_1.1"),
            .attempt = 1,
            .total = {.amount = 1999, .currency = STR("EUR")},
            .has_email = true,
            .email = {.key_id = STR("k1"), .ciphertext = STR("secret"), .plaintext = STR("ada@example.org")}}};
    struct buf text;
    buf_init(&text, 4096);
    struct json_writer writer = json_writer_of(&text);
    event_write_json(&writer, &event);
    static const char expected[] =
        "{\"meta\":{\"event_id\":\"\",\"stream\":\"cart_1\",\"version\":2,\"occurred_at\":\"2023-11-14T22:13:20."
        "123456Z\","
        "\"command_id\":\"\",\"correlation_id\":\"\",\"causation_id\":\"\",\"actor\":\"\","
        "\"prev_hash\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"},\"order\":\"ord_1.1\",\"attempt\":1,"
        "\"lines\":[],\"total\":{\"amount\":1999,\"currency\":\"EUR\"},\"email\":{\"key_id\":\"k1\"},"
        "\"payment\":{\"provider\":\"\",\"method\":\"\"}}";
    buf_byte(&text, '\0');
    assert_string_equal(text.data, expected);
    buf_release(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_cart_with_lines_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(optional_fields_and_those_with_defaults_may_be_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_command_without_body_fields_takes_no_body_and_an_empty_object, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(attributes_are_an_object_of_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(a_sealed_field_is_a_text_that_is_yet_to_be_sealed, setup, teardown),
        cmocka_unit_test_setup_teardown(each_way_to_be_wrong_has_its_code_and_pointer, setup, teardown),
        cmocka_unit_test_setup_teardown(line_breaks_are_for_long_texts_only, setup, teardown),
        cmocka_unit_test_setup_teardown(a_nul_inside_a_text_is_a_control_character, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cart_takes_at_most_500_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(a_text_has_at_most_its_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_arena_is_a_problem_not_a_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(a_field_from_the_path_has_its_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(every_sealed_field_that_is_there_is_visited, setup, teardown),
        cmocka_unit_test_setup_teardown(an_address_is_an_object_and_sealed_as_a_whole, setup, teardown),
        cmocka_unit_test(an_event_is_written_with_meta_first_and_without_what_is_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
