#include "core/gateway/openapi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>

#include "core/gateway/router.h"

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
        assert_string_equal(json_string_value(json_object_get(operation, "x-roles")), routes[i].roles);
        assert_int_equal(json_object_get(operation, "requestBody") != NULL, routes[i].command_type != 0);
    }
}

/* Every $ref names something that is there. */
static void check_references(json_t *value) {
    const char *key;
    json_t *inner;
    size_t i;
    json_object_foreach(value, key, inner) {
        if (strcmp(key, "$ref") == 0) {
            const char *prefix = "#/components/schemas/";
            assert_int_equal(strncmp(json_string_value(inner), prefix, strlen(prefix)), 0);
            assert_non_null(schema_named(json_string_value(inner) + strlen(prefix)));
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

/* One that takes or gives JSON says which, for every status that it promises. */
static void every_answer_of_the_api_has_a_schema(void **state) {
    (void)state;
    for (size_t i = 0; i < route_count; i++) {
        bool is_api = strncmp(routes[i].pattern, "/v1/", 4) == 0 && strstr(routes[i].pattern, "webhooks") == NULL;
        assert_true(!is_api || (routes[i].answer_schema != NULL && schema_named(routes[i].answer_schema) != NULL));
    }
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
        cmocka_unit_test(every_parameter_of_a_query_is_described),
        cmocka_unit_test(a_list_names_the_orders_that_it_can_have),
        cmocka_unit_test(a_body_has_what_a_client_may_send_and_nothing_else),
        cmocka_unit_test(what_comes_from_inside_is_not_described),
        cmocka_unit_test(every_answer_of_the_api_has_a_schema),
        cmocka_unit_test(a_command_names_its_headers),
        cmocka_unit_test(a_stream_tells_what_its_events_hold),
    };
    return cmocka_run_group_tests_name("openapi", tests, set_up, tear_down);
}
