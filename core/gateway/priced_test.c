#include "core/gateway/priced.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <jansson.h>
#include <string.h>

#include "gen/codec.h"

static bool schema_has_price_facts(const char *schema_json) {
    json_t *record = json_loads(schema_json, 0, NULL);
    assert_non_null(record);
    bool has = false;
    size_t i;
    json_t *field;
    json_array_foreach(json_object_get(record, "fields"), i, field) {
        has = has || strcmp(json_string_value(json_object_get(field, "name")), "price_facts") == 0;
    }
    json_decref(record);
    return has;
}

/* A command whose facts nobody attaches would be refused as cart_changed for ever. */
static void every_command_that_holds_price_facts_has_a_row(void **state) {
    (void)state;
    int priced = 0;
    for (uint16_t type = 1; command_name(type) != NULL; type++) {
        bool has = schema_has_price_facts(schema_by_id(command_schema_id(type))->json);
        assert_int_equal(has, priced_command(type) != NULL);
        priced += has;
    }
    assert_true(priced > 0);
}

static void a_line_that_is_taken_out_needs_no_price(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    struct command command = {.type = COMMAND_SET_CART_LINE};
    command.as.set_cart_line.sku = STR("A");
    const struct priced_command *priced = priced_command(COMMAND_SET_CART_LINE);
    assert_int_equal(priced->skus(&arena, &command).count, 0);
    command.as.set_cart_line.quantity = 2;
    assert_int_equal(priced->skus(&arena, &command).count, 1);
    assert_ptr_equal(priced->facts(&command), &command.as.set_cart_line.price_facts);
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_that_holds_price_facts_has_a_row),
        cmocka_unit_test(a_line_that_is_taken_out_needs_no_price),
    };
    return cmocka_run_group_tests_name("priced", tests, NULL, NULL);
}
