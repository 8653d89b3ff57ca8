#include "core/gateway/openapi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>

#include "core/domain/rejection.h"
#include "core/gateway/router.h"
#include "gen/codec.h"
#include "gen/json.h"

static json_t *document;

static int set_up(void **state) {
    (void)state;
    struct buf text;
    buf_init(&text, 8 << 20);
    openapi_write(&text);
    json_error_t error;
    document = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &error);
    if (document == NULL) {
        fprintf(stderr, "%s at %d\n", error.text, error.position);
    }
    buf_release(&text);
    return document == NULL;
}

static int tear_down(void **state) {
    (void)state;
    json_decref(document);
    return 0;
}

static json_t *schema_named(const char *name) {
    return json_object_get(json_object_get(json_object_get(document, "components"), "schemas"), name);
}

/* A question whose words stand in a body, since an address has no place in a query. */
#define LOOKUP "/v1/customers/lookup"
/* A command whose one field is left to whoever has himself erased. */
#define ERASURE_BY_THE_HOUSE "DELETE /v1/customers/{customer}"

static void every_route_is_described(void **state) {
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        json_t *path = json_object_get(json_object_get(document, "paths"), routes[i].pattern);
        assert_non_null(path);
        const char *method = routes[i].method == HTTP_GET_     ? "get"
                             : routes[i].method == HTTP_POST_  ? "post"
                             : routes[i].method == HTTP_PUT_   ? "put"
                             : routes[i].method == HTTP_PATCH_ ? "patch"
                                                               : "delete";
        json_t *operation = json_object_get(path, method);
        assert_non_null(operation);
        assert_string_equal(json_string_value(json_object_get(operation, "x-access")), routes[i].may);
        char line[256];
        (void)snprintf(line, sizeof line, "%s %s", routes[i].method_name, routes[i].pattern);
        bool has_command = routes[i].command_type != 0 && strcmp(line, ERASURE_BY_THE_HOUSE) != 0;
        bool has_body =
            has_command || strstr(routes[i].pattern, "webhooks") != NULL || strcmp(routes[i].pattern, LOOKUP) == 0;
        assert_int_equal(json_object_get(operation, "requestBody") != NULL, has_body);
    }
}

/* What "#/components/schemas/Cart" leads to; NULL: nothing. */
static json_t *at_reference(const char *reference) {
    json_t *at = strncmp(reference, "#/", 2) == 0 ? document : NULL;
    for (struct str rest = str_of_cstr(reference + 2); at != NULL && !str_is_empty(rest);) {
        struct str name = str_first(rest, str_find(rest, '/'));
        rest = str_from(rest, name.len + 1);
        at = json_object_getn(at, name.data, name.len);
    }
    return at;
}

/* Every $ref names something that is there. */
static void check_references(json_t *value) {
    const char *key;
    json_t *inner;
    size_t i;
    json_object_foreach(value, key, inner) {
        if (strcmp(key, "$ref") == 0) {
            assert_non_null(at_reference(json_string_value(inner)));
        }
        check_references(inner);
    }
    json_array_foreach(value, i, inner) {
        check_references(inner);
    }
}

static void every_reference_leads_somewhere(void **state) {
    (void)state;
    check_references(document);
}

/* How often `name` is what a $ref in the value leads to. */
static size_t references_to(json_t *value, const char *name) {
    const char *key;
    json_t *inner;
    size_t i, found = 0;
    json_object_foreach(value, key, inner) {
        const char *reference = strcmp(key, "$ref") == 0 ? json_string_value(inner) : NULL;
        found += reference != NULL && strcmp(strrchr(reference, '/') + 1, name) == 0;
        found += references_to(inner, name);
    }
    json_array_foreach(value, i, inner) {
        found += references_to(inner, name);
    }
    return found;
}

static void nothing_is_described_that_nothing_leads_to(void **state) {
    (void)state;
    const char *kind, *name;
    json_t *components, *component;
    json_object_foreach(json_object_get(document, "components"), kind, components) {
        if (strcmp(kind, "securitySchemes") == 0) { /* which are named, and not referred to */
            continue;
        }
        json_object_foreach(components, name, component) {
            assert_int_not_equal(references_to(document, name), 0);
        }
    }
}

static void a_body_has_what_a_client_may_send_and_nothing_else(void **state) {
    (void)state;
    json_t *cart = schema_named("OpenCart");
    json_t *properties = json_object_get(cart, "properties");
    assert_non_null(json_object_get(properties, "currency"));
    assert_null(json_object_get(properties, "price_facts"));
    assert_null(json_object_get(properties, "meta"));
    assert_true(json_is_false(json_object_get(cart, "additionalProperties")));
    json_t *required = json_object_get(cart, "required");
    assert_int_equal(json_array_size(required), 1);
    assert_string_equal(json_string_value(json_array_get(required, 0)), "currency");
    json_t *lines = json_object_get(properties, "lines");
    assert_int_equal(json_integer_value(json_object_get(lines, "maxItems")), 500);
    json_t *email = json_object_get(json_object_get(schema_named("CheckOutCart"), "properties"), "email");
    assert_string_equal(json_string_value(json_object_get(email, "type")), "string");
    assert_string_equal(json_string_value(json_object_get(email, "format")), "email");
}

static void what_comes_from_inside_is_not_described(void **state) {
    (void)state;
    assert_null(schema_named("ReserveStock"));
    assert_non_null(schema_named("ReceiveStock"));
}

/* Found by what it says of itself, so that none is passed over. */
static void each_operation(void (*look)(const char *path, const char *method, json_t *operation)) {
    const char *path, *method;
    json_t *item, *operation;
    json_object_foreach(json_object_get(document, "paths"), path, item) {
        json_object_foreach(item, method, operation) {
            look(path, method, operation);
        }
    }
}

static bool is_said(json_t *object, const char *name) {
    return json_string_length(json_object_get(object, name)) > 0;
}

static void look_at_words(const char *path, const char *method, json_t *operation) {
    (void)path;
    (void)method;
    assert_true(is_said(operation, "summary"));
    assert_true(is_said(operation, "operationId"));
    assert_int_equal(json_array_size(json_object_get(operation, "tags")), 1);
    size_t i;
    json_t *parameter;
    json_array_foreach(json_object_get(operation, "parameters"), i, parameter) {
        assert_true(is_said(parameter, "description"));
        json_t *schema = json_object_get(parameter, "schema");
        assert_true(json_object_get(schema, "type") != NULL);
        bool is_of_path = strcmp(json_string_value(json_object_get(parameter, "in")), "path") == 0;
        assert_int_equal(is_of_path, json_object_get(parameter, "example") != NULL);
    }
}

static void every_route_and_parameter_is_described(void **state) {
    (void)state;
    each_operation(look_at_words);
}

/* As many parameters as the pattern has braces. */
static void look_at_path(const char *path, const char *method, json_t *operation) {
    (void)method;
    size_t expected = 0, found = 0, i;
    for (const char *at = path; *at != '\0'; at++) {
        expected += *at == '{';
    }
    json_t *parameter;
    json_array_foreach(json_object_get(operation, "parameters"), i, parameter) {
        found += strcmp(json_string_value(json_object_get(parameter, "in")), "path") == 0;
    }
    assert_int_equal(found, expected);
}

static void every_parameter_of_a_path_is_described(void **state) {
    (void)state;
    each_operation(look_at_path);
}

static void look_at_answers(const char *path, const char *method, json_t *operation) {
    (void)path;
    (void)method;
    json_t *answers = json_object_get(operation, "responses");
    assert_non_null(json_object_get(answers, "400"));
    assert_non_null(json_object_get(answers, "503"));
    assert_non_null(json_object_get(answers, "default"));
    const char *status;
    json_t *answer, *content;
    json_object_foreach(answers, status, answer) {
        const char *media_type;
        assert_true(json_object_get(answer, "$ref") != NULL || is_said(answer, "description"));
        json_object_foreach(json_object_get(answer, "content"), media_type, content) {
            assert_non_null(json_object_get(content, "schema"));
        }
        assert_true(status[0] != '2' || json_object_get(answer, "content") != NULL);
    }
}

static void every_answer_is_described(void **state) {
    (void)state;
    each_operation(look_at_answers);
}

/* The codes of an answer, which may be one that others have as well; NULL: there is no such answer. */
static json_t *codes_in(json_t *answer) {
    const char *reference = json_string_value(json_object_get(answer, "$ref"));
    json_t *said = reference == NULL ? answer : at_reference(reference);
    json_t *content = json_object_get(json_object_get(said, "content"), "application/problem+json");
    json_t *narrowed = json_array_get(json_object_get(json_object_get(content, "schema"), "allOf"), 1);
    return json_object_get(json_object_get(json_object_get(narrowed, "properties"), "code"), "enum");
}

static json_t *codes_of(const char *path, const char *method, const char *status) {
    json_t *operation = json_object_get(json_object_get(json_object_get(document, "paths"), path), method);
    return codes_in(json_object_get(json_object_get(operation, "responses"), status));
}

static bool has_text(json_t *array, const char *text) {
    size_t i;
    json_t *item;
    json_array_foreach(array, i, item) {
        if (strcmp(json_string_value(item), text) == 0) {
            return true;
        }
    }
    return false;
}

static struct {
    const struct rejection_info *info;
    bool is_told;
} wanted;

static void look_for_code(const char *path, const char *method, json_t *operation) {
    (void)path;
    (void)method;
    char status[8];
    (void)snprintf(status, sizeof status, "%d", wanted.info->http_status);
    json_t *codes = codes_in(json_object_get(json_object_get(operation, "responses"), status));
    wanted.is_told = wanted.is_told || has_text(codes, wanted.info->code);
}

static void every_code_has_a_meaning_and_an_answer_that_has_it(void **state) {
    (void)state;
    json_t *code = json_object_get(json_object_get(schema_named("Problem"), "properties"), "code");
    json_t *codes = json_object_get(code, "enum");
    assert_int_equal(json_array_size(codes), json_object_size(json_object_get(code, "x-enumDescriptions")));
    for (enum rejection rejection = ACCEPTED + 1; rejection < REJECTION_COUNT; rejection++) {
        wanted.info = rejection_info(rejection);
        wanted.is_told = false;
        assert_true(has_text(codes, wanted.info->code));
        each_operation(look_for_code);
        assert_true(wanted.is_told);
    }
}

static void a_route_tells_the_codes_that_it_can_answer(void **state) {
    (void)state;
    const char *checkout = "/v1/carts/{cart}/checkout", *receipts = "/v1/stock/{sku}/receipts";
    assert_true(has_text(codes_of(checkout, "post", "409"), "out_of_stock"));
    assert_true(has_text(codes_of(checkout, "post", "409"), "cart_not_open"));
    assert_true(has_text(codes_of(checkout, "post", "402"), "payment_declined"));
    assert_false(has_text(codes_of(checkout, "post", "409"), "too_many_refunds"));
    assert_false(has_text(codes_of(receipts, "post", "409"), "out_of_stock"));
    assert_true(has_text(codes_of(receipts, "post", "409"), "too_many_locations"));
    assert_null(codes_of(receipts, "post", "402"));
    assert_true(has_text(codes_of(receipts, "post", "412"), "version_mismatch"));
    assert_true(has_text(codes_of(receipts, "post", "400"), "unknown_field"));
    assert_true(has_text(codes_of(receipts, "post", "400"), "malformed_request"));
    assert_true(has_text(codes_of(receipts, "post", "503"), "overloaded"));
    assert_true(has_text(codes_of("/v1/orders/{order}", "get", "404"), "unknown_order"));
    assert_true(has_text(codes_of("/v1/orders/{order}", "get", "404"), "malformed_id"));
    assert_false(has_text(codes_of("/v1/orders/{order}", "get", "404"), "unknown_cart"));
    assert_true(has_text(codes_of("/v1/orders/{order}/history", "get", "422"), "history_too_large"));
    assert_true(has_text(codes_of("/v1/commands/{command}", "get", "409"), "out_of_stock"));
    assert_true(has_text(codes_of("/v1/webhooks/{provider}", "post", "404"), "unknown_intent"));
    assert_true(has_text(codes_of("/docs/renderer.js", "get", "404"), "unknown_path"));
    assert_true(has_text(codes_of(receipts, "post", "default"), "headers_too_large"));
    assert_false(has_text(codes_of(receipts, "post", "default"), "unknown_field"));
}

static void look_at_example(const char *path, const char *method, json_t *operation) {
    (void)method;
    json_t *body = json_object_get(operation, "requestBody");
    json_t *content = json_object_get(json_object_get(body, "content"), "application/json");
    const char *reference = json_string_value(json_object_get(json_object_get(content, "schema"), "$ref"));
    const char *name = reference == NULL ? "" : strrchr(reference, '/') + 1; /* several routes may send one command */
    uint16_t type = command_type_by_name(str_of_cstr(name));
    json_t *example = json_object_get(content, "example");
    assert_int_equal(type != 0 || strcmp(path, LOOKUP) == 0, example != NULL);
    if (type == 0) {
        return;
    }
    struct arena arena;
    struct command command = {0};
    struct json_problem problem;
    arena_init(&arena, 1 << 20);
    bool is_read = command_body_from_json(type, example, &arena, &command, &problem);
    if (!is_read) {
        fprintf(stderr, "%s: %.*s\n", name, STR_ARGS(problem.detail));
    }
    arena_release(&arena);
    assert_true(is_read);
}

static void every_command_has_an_example_that_is_read(void **state) {
    (void)state;
    each_operation(look_at_example);
}

static json_t *parameter_at(const char *path, const char *method, const char *name) {
    json_t *operation = json_object_get(json_object_get(json_object_get(document, "paths"), path), method);
    size_t i;
    json_t *parameter;
    json_array_foreach(json_object_get(operation, "parameters"), i, parameter) {
        if (strcmp(json_string_value(json_object_get(parameter, "name")), name) == 0) {
            return parameter;
        }
    }
    return NULL;
}

static json_t *parameter_of(const char *path, const char *name) {
    return parameter_at(path, "get", name);
}

static void every_parameter_of_a_query_is_described(void **state) {
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        struct str rest = str_of_cstr(routes[i].query == NULL ? "" : routes[i].query);
        while (!str_is_empty(rest)) {
            struct str name = str_first(rest, str_find(rest, ' '));
            rest = str_from(rest, name.len + 1);
            char text[64];
            snprintf(text, sizeof text, "%.*s", STR_ARGS(name));
            json_t *parameter = parameter_of(routes[i].pattern, text);
            assert_non_null(parameter);
            assert_true(json_string_length(json_object_get(parameter, "description")) > 0);
            assert_non_null(json_object_get(json_object_get(parameter, "schema"), "type"));
        }
    }
}

static json_t *choices_of(const char *path, const char *name) {
    return json_object_get(json_object_get(parameter_of(path, name), "schema"), "enum");
}

static void a_list_names_the_orders_that_it_can_have(void **state) {
    (void)state;
    assert_int_equal(json_array_size(choices_of("/v1/products", "sort")), 7);
    assert_string_equal(json_string_value(json_array_get(choices_of("/v1/products", "sort"), 0)), "relevance");
    assert_int_equal(json_array_size(choices_of("/v1/orders", "sort")), 4);
    assert_string_equal(json_string_value(json_array_get(choices_of("/v1/orders", "sort"), 0)), "-placed_at");
    assert_int_equal(json_array_size(choices_of("/v1/orders", "status")), 6);
}

static void a_command_names_its_headers(void **state) {
    (void)state;
    const char *path = "/v1/carts/{cart}/checkout";
    assert_non_null(parameter_at(path, "post", "Daybook-Cart-Token"));
    assert_non_null(parameter_at(path, "post", "Prefer"));
    json_t *key = parameter_at(path, "post", "Idempotency-Key");
    assert_true(json_is_true(json_object_get(key, "required")));
    /* With a cart's token a key may be short. */
    assert_int_equal(json_integer_value(json_object_get(json_object_get(key, "schema"), "minLength")), 1);
}

static bool has_header(json_t *answer, const char *name) {
    const char *reference = json_string_value(json_object_get(answer, "$ref"));
    json_t *said = reference == NULL ? answer : at_reference(reference);
    return json_object_get(json_object_get(said, "headers"), name) != NULL;
}

static void look_at_limits(const char *path, const char *method, json_t *operation) {
    (void)method;
    json_t *answers = json_object_get(operation, "responses"), *refused = json_object_get(answers, "429");
    bool has_limit = strncmp(path, "/health", 7) != 0 && strcmp(path, "/metrics") != 0;
    bool is_webhook = strncmp(path, "/v1/webhooks", 12) == 0;
    assert_int_equal(refused != NULL, has_limit);
    assert_true(!has_limit || (has_header(refused, "Retry-After") && has_header(refused, "RateLimit")));
    assert_true(!has_limit || has_text(codes_in(refused), "rate_limited"));
    bool is_any = strcmp(path, "/v1/commands/{command}") == 0; /* what it may tell is not narrowed down */
    assert_int_equal(has_text(codes_in(refused), "too_many_streams"), is_any || strstr(path, "/stream") != NULL);
    json_t *accepted = NULL;
    static const char *const statuses[] = {"200", "201", "202"};
    for (size_t i = 0; i < ARRAY_LENGTH(statuses) && accepted == NULL; i++) {
        accepted = json_object_get(answers, statuses[i]);
    }
    assert_int_equal(has_header(accepted, "RateLimit"), has_limit && !is_webhook);
    assert_int_equal(has_header(accepted, "RateLimit-Policy"), has_limit && !is_webhook);
}

static void what_is_limited_tells_of_429_and_how_things_stand(void **state) {
    (void)state;
    each_operation(look_at_limits);
}

static void a_stream_tells_what_its_events_hold(void **state) {
    (void)state;
    const char *path = "/v1/orders/{order}/stream";
    json_t *operation = json_object_get(json_object_get(json_object_get(document, "paths"), path), "get");
    json_t *answer = json_object_get(json_object_get(operation, "responses"), "200");
    json_t *said = json_object_get(json_object_get(answer, "content"), "text/event-stream");
    json_t *data = json_object_get(json_object_get(said, "schema"), "x-event-data");
    assert_string_equal(json_string_value(json_object_get(data, "$ref")), "#/components/schemas/Order");
    assert_null(json_object_get(json_object_get(answer, "content"), "application/json"));
    assert_non_null(parameter_of(path, "Last-Event-ID"));
    assert_non_null(parameter_of(path, "position"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_described),
        cmocka_unit_test(every_reference_leads_somewhere),
        cmocka_unit_test(nothing_is_described_that_nothing_leads_to),
        cmocka_unit_test(every_parameter_of_a_query_is_described),
        cmocka_unit_test(a_list_names_the_orders_that_it_can_have),
        cmocka_unit_test(a_body_has_what_a_client_may_send_and_nothing_else),
        cmocka_unit_test(what_comes_from_inside_is_not_described),
        cmocka_unit_test(every_route_and_parameter_is_described),
        cmocka_unit_test(every_parameter_of_a_path_is_described),
        cmocka_unit_test(every_answer_is_described),
        cmocka_unit_test(every_code_has_a_meaning_and_an_answer_that_has_it),
        cmocka_unit_test(a_route_tells_the_codes_that_it_can_answer),
        cmocka_unit_test(every_command_has_an_example_that_is_read),
        cmocka_unit_test(a_command_names_its_headers),
        cmocka_unit_test(what_is_limited_tells_of_429_and_how_things_stand),
        cmocka_unit_test(a_stream_tells_what_its_events_hold),
    };
    return cmocka_run_group_tests_name("openapi", tests, set_up, tear_down);
}
