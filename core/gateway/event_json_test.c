#include "core/gateway/event_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "core/base/text.h"
#include "gen/codec.h"
#include "gen/json.h"

static struct arena arena;
static uint8_t bytes[1 << 20];

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 64 << 20);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

/* The golden bytes of a schema version, as the generator's tests keep them: a record a line. */
static FILE *golden_open(const struct schema *schema) {
    struct str path =
        arena_printf(&arena, "schemas/golden/%s/%s.%d.hex", schema->family, schema->name, schema->version);
    FILE *file = fopen(path.data, "r");
    assert_non_null(file);
    return file;
}

static struct str json_of(const struct event *event) {
    struct buf text;
    buf_init(&text, 1 << 20);
    struct json_writer writer = json_writer_of(&text);
    event_write_json(&writer, event);
    struct str copy = arena_str_copy(&arena, buf_text(&text));
    buf_release(&text);
    return copy;
}

static void come_back(const struct schema *schema, struct str avro) {
    struct event event, again;
    const char *why;
    assert_true(event_decode(&arena, schema->id, avro, &event, &why));
    if (!event_from_json(&arena, str_of_cstr(schema->name), json_of(&event), &again)) {
        fail_msg("%s %.*s", schema->name, STR_ARGS(json_of(&event)));
    }
    assert_true(str_equal(json_of(&event), json_of(&again)));
}

static void every_event_comes_back_from_its_json(void **state) {
    (void)state;
    size_t tried = 0;
    for (size_t i = 0; i < schemas_count; i++) {
        if (event_type_by_name(str_of_cstr(schemas[i].name)) == 0) {
            continue;
        }
        FILE *file = golden_open(&schemas[i]);
        char *line = NULL;
        size_t capacity = 0;
        for (ssize_t len; (len = getline(&line, &capacity, file)) > 0; tried++) {
            struct str hex = str_of(line, (size_t)len - 1);
            assert_true(hex.len / 2 <= sizeof bytes && hex_read(hex, bytes, hex.len / 2));
            come_back(&schemas[i], str_of((const char *)bytes, hex.len / 2));
            arena_reset(&arena);
        }
        free(line);
        assert_int_equal(fclose(file), 0);
    }
    assert_true(tried > 60);
}

static void what_is_no_such_event_is_refused(void **state) {
    (void)state;
    struct event event;
    assert_false(event_from_json(&arena, STR("NoSuchEvent"), STR("{}"), &event));
    assert_false(event_from_json(&arena, STR("OrderPlaced"), STR("{}"), &event));
    assert_false(event_from_json(&arena, STR("OrderPlaced"), STR("not json"), &event));
    assert_false(event_from_json(&arena, STR("OrderPlaced"), STR("[]"), &event));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_comes_back_from_its_json),
        cmocka_unit_test(what_is_no_such_event_is_refused),
    };
    return cmocka_run_group_tests_name("event_json", tests, set_up, tear_down);
}
