/* What was written with older versions of a schema becomes today's struct; and what is secret or sealed in a command is
 * kept from where it must not go. The versions are in this folder; bytes are written here by hand, in the order of the
 * version's fields. codegen_test.sh generates, compiles and runs this. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/avro_binary.h"
#include "gen/codec.h"
#include "gen/json.h"

enum { THING_MADE_V1 = 3, THING_MADE_V2 = 4, THING_MADE_V3 = 5, THING_STATE_V1 = 6, THING_STATE_V2 = 7 };

struct fixture {
    struct arena arena;
    struct buf avro;
    const char *why;
};

static int setup(void **state) {
    static struct fixture fixture;
    fixture.why = NULL;
    arena_init(&fixture.arena, 1024 * 1024);
    buf_init(&fixture.avro, 64 * 1024);
    *state = &fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    arena_release(&fixture->arena);
    buf_release(&fixture->avro);
    return 0;
}

static void assert_text(struct str actual, const char *expected) {
    assert_true(str_equal(actual, str_of_cstr(expected)));
}

static void write_text(struct fixture *fixture, const char *text) {
    avro_write_bytes(&fixture->avro, str_of_cstr(text));
}

static void write_meta(struct fixture *fixture) {
    write_text(fixture, "thing_1");
    avro_write_long(&fixture->avro, 2);
}

/* An array of one old part, which has a weight and no size. */
static void write_old_parts(struct fixture *fixture) {
    avro_write_long(&fixture->avro, 1);
    write_text(fixture, "wheel");
    avro_write_long(&fixture->avro, 900);
    avro_write_long(&fixture->avro, 0);
}

static void assert_upcast(const struct event *event, int64_t count) {
    assert_int_equal(event->type, EVENT_THING_MADE);
    assert_text(event->meta.stream, "thing_1");
    assert_int_equal(event->meta.version, 2);
    const struct thing_made *made = &event->as.thing_made;
    assert_text(made->name, "cart");
    assert_text(made->label, "plain \"one\"");
    assert_int_equal(made->count, count);
    assert_true(made->useful);
    assert_int_equal(made->made_at, 0);
    assert_int_equal(made->parts.count, 1);
    assert_text(made->parts.items[0].name, "wheel");
    assert_int_equal(made->parts.items[0].size, 5);
    assert_int_equal(made->numbers.count, 0);
    assert_false(made->has_comment);
}

static void version_1_is_read_with_defaults_and_without_what_is_gone(void **state) {
    struct fixture *fixture = *state;
    struct event event;
    write_meta(fixture);
    write_text(fixture, "cart");
    avro_write_long(&fixture->avro, 1); /* note, which is gone */
    write_text(fixture, "a note");
    write_old_parts(fixture);
    avro_write_long(&fixture->avro, 1); /* main, an old part */
    write_text(fixture, "axle");
    avro_write_long(&fixture->avro, -1);
    avro_write_long(&fixture->avro, 1); /* spare, which is gone: text, maybe, list, hash */
    write_text(fixture, "old");
    avro_write_long(&fixture->avro, 1);
    avro_write_long(&fixture->avro, 12);
    avro_write_long(&fixture->avro, 2);
    write_text(fixture, "x");
    write_text(fixture, "y");
    avro_write_long(&fixture->avro, 0);
    avro_write_fixed(&fixture->avro, "\1\2\3\4", 4);
    assert_true(event_decode(&fixture->arena, THING_MADE_V1, buf_text(&fixture->avro), &event, &fixture->why));
    assert_upcast(&event, 7);
    assert_true(event.as.thing_made.has_main);
    assert_text(event.as.thing_made.main.name, "axle");
    assert_int_equal(event.as.thing_made.main.size, 5);
}

static void version_2_keeps_what_it_had(void **state) {
    struct fixture *fixture = *state;
    struct event event;
    write_meta(fixture);
    write_text(fixture, "cart");
    avro_write_long(&fixture->avro, 11);
    write_old_parts(fixture);
    avro_write_long(&fixture->avro, 0);
    assert_true(event_decode(&fixture->arena, THING_MADE_V2, buf_text(&fixture->avro), &event, &fixture->why));
    assert_upcast(&event, 11);
    assert_false(event.as.thing_made.has_main);
}

static void an_old_event_is_not_read_as_a_new_one(void **state) {
    struct fixture *fixture = *state;
    struct event event = {.type = 99};
    write_meta(fixture);
    write_text(fixture, "cart");
    avro_write_long(&fixture->avro, 11);
    write_old_parts(fixture);
    avro_write_long(&fixture->avro, 0);
    assert_false(event_decode(&fixture->arena, THING_MADE_V3, buf_text(&fixture->avro), &event, &fixture->why));
    assert_int_equal(event.type, 99); /* untouched */
}

static void today_s_version_is_written_and_read(void **state) {
    struct fixture *fixture = *state;
    struct part part = {.name = STR("axle"), .size = 3};
    int64_t numbers[] = {1, -1, INT64_MAX};
    struct event read, event = {.type = EVENT_THING_MADE,
                                .as.thing_made = {.name = STR("cart"),
                                                  .made_at = 5,
                                                  .parts = {.items = &part, .count = 1},
                                                  .numbers = {.items = numbers, .count = 3},
                                                  .has_comment = true,
                                                  .comment = STR("new")}};
    assert_int_equal(event_info(EVENT_THING_MADE)->schema_id, THING_MADE_V3);
    event_encode(&fixture->avro, &event);
    assert_true(event_decode(&fixture->arena, THING_MADE_V3, buf_text(&fixture->avro), &read, &fixture->why));
    assert_int_equal(read.as.thing_made.numbers.items[2], INT64_MAX);
    assert_int_equal(read.as.thing_made.parts.items[0].size, 3);
    assert_text(read.as.thing_made.comment, "new");
}

static void an_event_with_nothing_beside_meta_is_written_and_read(void **state) {
    struct fixture *fixture = *state;
    struct event read, event = {.type = EVENT_THING_LOST, .meta.version = 9};
    event_encode(&fixture->avro, &event);
    assert_true(event_decode(&fixture->arena, event_info(EVENT_THING_LOST)->schema_id, buf_text(&fixture->avro), &read,
                             &fixture->why));
    assert_int_equal(read.type, EVENT_THING_LOST);
    assert_int_equal(read.meta.version, 9);
}

static void an_enum_that_got_a_symbol_in_the_middle_is_mapped(void **state) {
    struct fixture *fixture = *state;
    struct thing_state thing;
    avro_write_long(&fixture->avro, 2); /* lost, then */
    write_text(fixture, "what is gone");
    assert_int_equal(THING_STATE_SCHEMA_ID, THING_STATE_V2);
    assert_true(
        thing_state_decode_as(&fixture->arena, THING_STATE_V1, buf_text(&fixture->avro), &thing, &fixture->why));
    assert_int_equal(thing.status, THING_STATUS_LOST);
    assert_int_equal(thing.before, THING_STATUS_PLANNED);
    assert_int_equal(thing.total, -3);
    buf_clear(&fixture->avro);
    avro_write_long(&fixture->avro, 3); /* there was no such symbol in version 1 */
    write_text(fixture, "");
    assert_false(
        thing_state_decode_as(&fixture->arena, THING_STATE_V1, buf_text(&fixture->avro), &thing, &fixture->why));
}

/* Whether the text of ids, with dots between, has this one. */
static bool has_id(const char *ids, uint32_t id) {
    for (const char *at = ids; at != NULL; at = strchr(at, '.')) {
        at += *at == '.';
        if (strtoul(at, NULL, 10) == id) {
            return true;
        }
    }
    return false;
}

static bool is_newest(const struct schema *schema) {
    for (size_t i = 0; i < schemas_count; i++) {
        if (strcmp(schemas[i].subject, schema->subject) == 0 && schemas[i].version > schema->version) {
            return false;
        }
    }
    return true;
}

static void the_newest_ids_of_stored_forms_are_one_text(void **state) {
    (void)state;
    assert_true(has_id(STATE_SCHEMA_IDS, THING_STATE_V2));
    for (size_t i = 0; i < schemas_count; i++) {
        bool is_state = strncmp(schemas[i].subject, "daybook.state-", strlen("daybook.state-")) == 0;
        assert_int_equal(has_id(STATE_SCHEMA_IDS, schemas[i].id), is_state && is_newest(&schemas[i]));
    }
}

static bool read_body_of(uint16_t type, struct fixture *fixture, const char *text, struct command *ret_command,
                         struct json_problem *ret_problem) {
    json_t *body = json_loads(text, 0, NULL);
    assert_non_null(body);
    *ret_command = (struct command){0};
    bool ok = command_body_from_json(type, body, &fixture->arena, ret_command, ret_problem);
    json_decref(body);
    return ok;
}

static bool read_body(struct fixture *fixture, const char *text, struct command *ret_command,
                      struct json_problem *ret_problem) {
    return read_body_of(COMMAND_MAKE_THING, fixture, text, ret_command, ret_problem);
}

static bool count_seals(void *context, struct sealed *sealed) {
    (*(int *)context)++;
    return sealed->plaintext.len > 0;
}

static void a_body_takes_its_defaults_enums_and_nested_sealed_fields(void **state) {
    struct fixture *fixture = *state;
    struct command command;
    struct json_problem problem;
    assert_true(read_body(fixture, "{\"name\":\"x\"}", &command, &problem));
    assert_int_equal(command.as.make_thing.kind, THING_STATUS_MADE);
    assert_int_equal(command.as.make_thing.count, 4);
    assert_true(read_body(fixture,
                          "{\"name\":\"x\",\"kind\":\"lost\",\"count\":0,\"owner\":\"a@example.org\","
                          "\"owners\":[{\"email\":\"one\"},{\"email\":\"two\"}]}",
                          &command, &problem));
    assert_int_equal(command.as.make_thing.kind, THING_STATUS_LOST);
    assert_int_equal(command.as.make_thing.count, 0);
    int seals = 0;
    assert_true(command_each_sealed(&command, count_seals, &seals));
    assert_int_equal(seals, 3);
    assert_false(read_body(fixture, "{\"name\":\"x\",\"kind\":\"found\"}", &command, &problem));
    assert_string_equal(problem.code, "invalid_format");
    assert_text(problem.pointer, "/kind");
}

#define KEEP "\"word\":\"hush\",\"code\":\"123456\",\"pass\":\"hushhush\",\"note\":\"n\""

static bool has_text(struct str bytes, const char *text) {
    return memmem(bytes.data, bytes.len, text, strlen(text)) != NULL;
}

static void a_secret_is_read_and_never_written(void **state) {
    struct fixture *fixture = *state;
    struct command read, command;
    struct json_problem problem;
    assert_true(read_body_of(COMMAND_KEEP_THING, fixture, "{" KEEP "}", &command, &problem));
    assert_text(command.as.keep_thing.word, "hush");
    assert_text(command.as.keep_thing.code, "123456");
    assert_text(command.as.keep_thing.pass.plaintext, "hushhush");
    command.as.keep_thing.pass.ciphertext = STR("sealed");
    command_encode(&fixture->avro, &command);
    assert_false(has_text(buf_text(&fixture->avro), "hush"));
    assert_false(has_text(buf_text(&fixture->avro), "123456"));
    assert_true(command_decode(&fixture->arena, command_schema_id(COMMAND_KEEP_THING), buf_text(&fixture->avro), &read,
                               &fixture->why));
    assert_text(read.as.keep_thing.word, "");
    assert_true(read.as.keep_thing.has_code);
    assert_text(read.as.keep_thing.code, "");
    assert_text(read.as.keep_thing.pass.ciphertext, "sealed"); /* for the vault alone */
    assert_text(read.as.keep_thing.note, "n");
    struct buf text;
    buf_init(&text, 4096);
    struct json_writer writer = json_writer_of(&text);
    command_write_json(&writer, &command);
    assert_true(has_text(buf_text(&text), "\"word\":\"\""));
    assert_false(has_text(buf_text(&text), "hush"));
    assert_false(has_text(buf_text(&text), "123456"));
    buf_release(&text);
    assert_false(read_body_of(COMMAND_KEEP_THING, fixture, "{\"word\":\"\",\"pass\":\"x\"}", &command, &problem));
    assert_string_equal(problem.code, "too_short");
}

static char *without_secrets(uint16_t type, const char *text) {
    json_t *body = json_loads(text, 0, NULL), *without = command_body_without_secrets(type, body);
    char *left = json_dumps(without, JSON_SORT_KEYS | JSON_COMPACT);
    assert_non_null(json_object_get(body, "word")); /* the body itself is whole */
    json_decref(without);
    json_decref(body);
    return left;
}

static void a_secret_is_left_out_of_what_is_hashed(void **state) {
    (void)state;
    char *one = without_secrets(COMMAND_KEEP_THING, "{" KEEP ",\"place\":{\"city\":\"A\"}}");
    char *other = without_secrets(COMMAND_KEEP_THING,
                                  "{\"word\":\"x\",\"pass\":\"y\",\"place\":{\"city\":\"A\"},\"note\":\"n\"}");
    char *of_another = without_secrets(COMMAND_MAKE_THING, "{\"word\":\"x\"}");
    assert_string_equal(one, "{\"note\":\"n\",\"place\":{\"city\":\"A\"}}");
    assert_string_equal(one, other);
    assert_string_equal(of_another, "{\"word\":\"x\"}");
    free(one);
    free(other);
    free(of_another);
    assert_true(command_has_secrets(COMMAND_KEEP_THING));
    assert_false(command_has_secrets(COMMAND_MAKE_THING));
}

static void assert_place_refused(struct fixture *fixture, const char *place, const char *code, const char *pointer) {
    struct command command;
    struct json_problem problem;
    char text[256];
    snprintf(text, sizeof text, "{" KEEP ",\"place\":%s}", place);
    assert_false(read_body_of(COMMAND_KEEP_THING, fixture, text, &command, &problem));
    assert_string_equal(problem.code, code);
    assert_text(problem.pointer, pointer);
}

static void a_sealed_object_is_read_by_its_record_and_written_in_its_order(void **state) {
    struct fixture *fixture = *state;
    struct command command;
    struct json_problem problem;
    assert_true(read_body_of(COMMAND_KEEP_THING, fixture,
                             "{" KEEP ",\"place\": {\"city\": \"B\\u0062\", \"street\": [\"1\", \"2\"]}}", &command,
                             &problem));
    assert_text(command.as.keep_thing.place.plaintext, "{\"street\":[\"1\",\"2\"],\"city\":\"Bb\"}");
    assert_place_refused(fixture, "{\"city\":\"B\",\"street\":[\"1\"],\"state\":\"x\"}", "unknown_field",
                         "/place/state");
    assert_place_refused(fixture, "{\"city\":\"B\",\"street\":[\"1\",2]}", "wrong_type", "/place/street/1");
    assert_place_refused(fixture, "{\"street\":[\"1\"]}", "missing_field", "/place/city");
    assert_place_refused(fixture, "{\"city\":\"123456789012345678901\",\"street\":[\"1\"]}", "too_long", "/place/city");
    assert_place_refused(fixture, "\"B\"", "wrong_type", "/place");
    assert_place_refused(fixture, "null", "wrong_type", "/place");
}

static void every_sealed_of_a_state_is_visited(void **state) {
    (void)state;
    struct owner owners[3] = {{.email.plaintext = STR("1")}, {.email.plaintext = STR("2")}};
    struct kept_state kept = {.owners = {owners, 2, 2}};
    int visits = 0;
    assert_true(kept_state_each_sealed(&kept, count_seals, &visits));
    assert_int_equal(visits, 2);
    kept.has_pass = true;
    kept.pass.plaintext = STR("3");
    kept.owners.count = 3;
    visits = 0;
    assert_false(kept_state_each_sealed(&kept, count_seals, &visits)); /* the last has no text: it stops the visits */
    assert_int_equal(visits, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(version_1_is_read_with_defaults_and_without_what_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(version_2_keeps_what_it_had, setup, teardown),
        cmocka_unit_test_setup_teardown(an_old_event_is_not_read_as_a_new_one, setup, teardown),
        cmocka_unit_test_setup_teardown(today_s_version_is_written_and_read, setup, teardown),
        cmocka_unit_test_setup_teardown(an_event_with_nothing_beside_meta_is_written_and_read, setup, teardown),
        cmocka_unit_test_setup_teardown(an_enum_that_got_a_symbol_in_the_middle_is_mapped, setup, teardown),
        cmocka_unit_test(the_newest_ids_of_stored_forms_are_one_text),
        cmocka_unit_test_setup_teardown(a_body_takes_its_defaults_enums_and_nested_sealed_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(a_secret_is_read_and_never_written, setup, teardown),
        cmocka_unit_test(a_secret_is_left_out_of_what_is_hashed),
        cmocka_unit_test_setup_teardown(a_sealed_object_is_read_by_its_record_and_written_in_its_order, setup,
                                        teardown),
        cmocka_unit_test(every_sealed_of_a_state_is_visited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
