/* The generated codecs against avro-c, which knows nothing of them; and against the golden bytes. */
#include "gen/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <avro.h>
#include <cmocka.h>
#include <sys/random.h>

#include "core/base/macros.h"
#include "core/base/text.h"
#include "gen/json.h"

enum {
    RECORD_MAX_BYTES = 256 * 1024,
    ARENA_MAX_BYTES = 4 * 1024 * 1024,
    ROUNDS = 60, /* random records of each schema */
    TEXT_MAX_BYTES = 40,
    ITEMS_MAX = 5,
};

/* ---- one way to call any record's codec --------------------------------------------------------------------- */

union any_record {
    struct event event;
    struct command command;
#define ROW(snake, camel) struct snake snake;
#include "core/log/codec_records.def"
};

static bool is_event(const struct schema *schema) {
    return schema->type != 0 && event_type_by_name(str_of_cstr(schema->name)) == schema->type;
}

static bool has_codec(const struct schema *schema) {
#define ROW(snake, camel)                                                                                              \
    if (strcmp(schema->name, #camel) == 0) {                                                                           \
        return true;                                                                                                   \
    }
#include "core/log/codec_records.def"
    return schema->type != 0;
}

static bool decode(struct arena *arena, const struct schema *schema, struct str avro, union any_record *ret_record,
                   const char **ret_why) {
    if (is_event(schema)) {
        return event_decode(arena, schema->id, avro, &ret_record->event, ret_why);
    }
    if (schema->type != 0) {
        return command_decode(arena, schema->id, avro, &ret_record->command, ret_why);
    }
#define ROW(snake, camel)                                                                                              \
    if (strcmp(schema->name, #camel) == 0) {                                                                           \
        return snake##_decode_as(arena, schema->id, avro, &ret_record->snake, ret_why);                                \
    }
#include "core/log/codec_records.def"
    return false;
}

static void encode(struct buf *out, const struct schema *schema, const union any_record *record) {
    if (is_event(schema)) {
        event_encode(out, &record->event);
    } else if (schema->type != 0) {
        command_encode(out, &record->command);
    }
#define ROW(snake, camel)                                                                                              \
    if (strcmp(schema->name, #camel) == 0) {                                                                           \
        snake##_encode(out, &record->snake);                                                                           \
    }
#include "core/log/codec_records.def"
}

static json_t *as_json(const struct schema *schema, const union any_record *record) {
    struct buf text;
    buf_init(&text, 4 * RECORD_MAX_BYTES);
    struct json_writer writer = json_writer_of(&text);
    if (is_event(schema)) {
        event_write_json(&writer, &record->event);
    } else if (schema->type != 0) {
        command_write_json(&writer, &record->command);
    }
#define ROW(snake, camel)                                                                                              \
    if (strcmp(schema->name, #camel) == 0) {                                                                           \
        snake##_write_json(&writer, &record->snake);                                                                   \
    }
#include "core/log/codec_records.def"
    assert_true(buf_ok(&text));
    json_error_t error;
    json_t *json = json_loadb(text.data, text.len, 0, &error);
    if (json == NULL) {
        print_error("%s: %s\n%.*s\n", schema->name, error.text, STR_ARGS(buf_text(&text)));
    }
    assert_non_null(json);
    buf_release(&text);
    return json;
}

/* Whether it is the version that is written today. */
static bool is_newest(const struct schema *schema) {
    for (size_t i = 0; i < schemas_count; i++) {
        if (strcmp(schemas[i].subject, schema->subject) == 0 && schemas[i].version > schema->version) {
            return false;
        }
    }
    return true;
}

/* ---- random values, by avro-c's generic interface ----------------------------------------------------------- */

static uint64_t random_state;

static uint64_t next_random(void) {
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t random_below(uint64_t bound) {
    return next_random() % bound;
}

static void fill_text(avro_value_t *value) {
    static const char *const letters[] = {"a",  "Z", "0",    " ", "\n", "\t",   "\"",
                                          "\\", "/", "\x7f", "é", "語", "🧾", "\x01"};
    char text[TEXT_MAX_BYTES * 4 + 1] = ""; /* no letter has more than 4 bytes */
    size_t len = 0;
    for (uint64_t left = random_below(TEXT_MAX_BYTES); left > 0; left--) {
        const char *letter = letters[random_below(ARRAY_LENGTH(letters))];
        memcpy(text + len, letter, strlen(letter));
        len += strlen(letter);
    }
    assert_int_equal(avro_value_set_string(value, text), 0);
}

static void fill_bytes(avro_value_t *value, avro_type_t type) {
    uint8_t bytes[256];
    size_t size = random_below(sizeof bytes);
    if (type == AVRO_FIXED) {
        size = (size_t)avro_schema_fixed_size(avro_value_get_schema(value));
        assert_in_range(size, 1, sizeof bytes);
    }
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)next_random();
    }
    assert_int_equal(
        type == AVRO_FIXED ? avro_value_set_fixed(value, bytes, size) : avro_value_set_bytes(value, bytes, size), 0);
}

static bool ends_with(const char *text, const char *end) {
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* Times are called at, ..._at, ..._by, ..._until, ..._since, and are of the years 1970 to 9999. */
static bool is_time(const char *field) {
    return strcmp(field, "at") == 0 || ends_with(field, "_at") || ends_with(field, "_by") ||
           ends_with(field, "_until") || ends_with(field, "_since");
}

static int64_t random_long(const char *field) {
    static const int64_t edges[] = {0, 1, -1, 63, 64, -64, -65, INT64_MAX, INT64_MIN, INT32_MAX, INT32_MIN};
    if (is_time(field)) {
        return (int64_t)random_below(UINT64_C(253402300800000000));
    }
    return random_below(4) == 0 ? edges[random_below(ARRAY_LENGTH(edges))] : (int64_t)next_random() >> random_below(64);
}

static void fill(avro_value_t *value, const char *field) {
    avro_type_t type = avro_value_get_type(value);
    size_t size = 0;
    avro_value_t inner;
    const char *name;
    switch ((int)type) {
    case AVRO_STRING:
        fill_text(value);
        return;
    case AVRO_BYTES:
    case AVRO_FIXED:
        fill_bytes(value, type);
        return;
    case AVRO_BOOLEAN:
        avro_value_set_boolean(value, (int)random_below(2));
        return;
    case AVRO_INT32:
        avro_value_set_int(value, (int32_t)random_long(""));
        return;
    case AVRO_INT64:
        avro_value_set_long(value, random_long(field));
        return;
    case AVRO_ENUM:
        avro_value_set_enum(
            value, (int)random_below((uint64_t)avro_schema_enum_number_of_symbols(avro_value_get_schema(value))));
        return;
    case AVRO_UNION:
        avro_value_set_branch(value, (int)random_below(2), &inner);
        if (avro_value_get_type(&inner) != AVRO_NULL) {
            fill(&inner, field);
        } else {
            avro_value_set_null(&inner);
        }
        return;
    case AVRO_ARRAY:
        for (uint64_t left = random_below(ITEMS_MAX); left > 0; left--) {
            avro_value_append(value, &inner, NULL);
            fill(&inner, "");
        }
        return;
    case AVRO_RECORD:
        avro_value_get_size(value, &size);
        for (size_t i = 0; i < size; i++) {
            avro_value_get_by_index(value, i, &inner, &name);
            fill(&inner, name);
        }
        return;
    default:
        fail_msg("schemas have no type %d", (int)type);
    }
}

/* ---- the JSON text against avro-c's value ------------------------------------------------------------------- */

static void compare_bytes(const void *bytes, size_t size, const json_t *json) {
    uint8_t decoded[RECORD_MAX_BYTES / 64];
    struct str text = str_of(json_string_value(json), json_string_length(json));
    assert_int_equal(base64url_read(text, decoded, sizeof decoded), size);
    assert_memory_equal(decoded, bytes, size);
}

static void compare(const avro_value_t *value, const json_t *json, const char *field);

static void compare_record(const avro_value_t *value, const json_t *json) {
    size_t size, members = 0;
    avro_value_get_size(value, &size);
    assert_true(json_is_object(json));
    bool sealed = strcmp(avro_schema_name(avro_value_get_schema(value)), "Sealed") == 0;
    for (size_t i = 0; i < size; i++) {
        avro_value_t member;
        const char *name;
        int branch = 1;
        avro_value_get_by_index(value, i, &member, &name);
        if (avro_value_get_type(&member) == AVRO_UNION) {
            avro_value_get_discriminant(&member, &branch);
            avro_value_get_current_branch(&member, &member);
        }
        if (branch == 0 || (sealed && strcmp(name, "key_id") != 0)) {
            assert_null(json_object_get(json, name));
        } else {
            assert_non_null(json_object_get(json, name));
            compare(&member, json_object_get(json, name), name);
            members++;
        }
    }
    assert_int_equal(json_object_size(json), members);
}

static void compare_array(const avro_value_t *value, const json_t *json) {
    size_t size;
    avro_value_get_size(value, &size);
    if (json_is_object(json)) { /* attributes; random names can coincide */
        assert_true(json_object_size(json) <= size);
        return;
    }
    assert_int_equal(json_array_size(json), size);
    for (size_t i = 0; i < size; i++) {
        avro_value_t item;
        avro_value_get_by_index(value, i, &item, NULL);
        compare(&item, json_array_get(json, i), "");
    }
}

static void compare(const avro_value_t *value, const json_t *json, const char *field) {
    const char *text;
    const void *bytes;
    size_t size;
    int number;
    int64_t number64;
    avro_type_t type = avro_value_get_type(value);
    switch ((int)type) {
    case AVRO_STRING:
        avro_value_get_string(value, &text, &size);
        assert_string_equal(json_string_value(json), text);
        return;
    case AVRO_BYTES:
        avro_value_get_bytes(value, &bytes, &size);
        compare_bytes(bytes, size, json);
        return;
    case AVRO_FIXED:
        avro_value_get_fixed(value, &bytes, &size);
        compare_bytes(bytes, size, json);
        return;
    case AVRO_BOOLEAN:
        avro_value_get_boolean(value, &number);
        assert_int_equal(json_is_true(json), number);
        return;
    case AVRO_INT32:
        avro_value_get_int(value, &number);
        assert_int_equal(json_integer_value(json), number);
        return;
    case AVRO_INT64:
        avro_value_get_long(value, &number64);
        assert_true(json_is_integer(json) ? json_integer_value(json) == number64 : is_time(field));
        return;
    case AVRO_ENUM:
        avro_value_get_enum(value, &number);
        assert_string_equal(json_string_value(json), avro_schema_enum_get(avro_value_get_schema(value), number));
        return;
    case AVRO_ARRAY:
        compare_array(value, json);
        return;
    case AVRO_RECORD:
        compare_record(value, json);
        return;
    default:
        fail_msg("schemas have no type %d", (int)type);
    }
}

/* ---- fixture ------------------------------------------------------------------------------------------------ */

struct fixture {
    struct arena arena;
    struct buf ours;
    char *theirs;
    union any_record record;
};

static int setup(void **state) {
    static struct fixture fixture;
    memset(&fixture, 0, sizeof fixture);
    arena_init(&fixture.arena, ARENA_MAX_BYTES);
    buf_init(&fixture.ours, RECORD_MAX_BYTES);
    fixture.theirs = malloc(RECORD_MAX_BYTES);
    *state = &fixture;
    return fixture.theirs == NULL;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    arena_release(&fixture->arena);
    buf_release(&fixture->ours);
    free(fixture->theirs);
    return 0;
}

static avro_schema_t parse_schema(const struct schema *schema) {
    avro_schema_t parsed;
    assert_int_equal(avro_schema_from_json_length(schema->json, strlen(schema->json), &parsed), 0);
    return parsed;
}

/* What is secret is never written, whatever was read: its text is empty, if it is there. */
static void empty_secrets(const struct schema *schema, avro_value_t *value) {
    json_auto_t *json = json_loads(schema->json, 0, NULL);
    size_t index;
    json_t *field;
    json_array_foreach(json_object_get(json, "fields"), index, field) {
        avro_value_t member, branch;
        if (!json_is_true(json_object_get(field, "secret"))) {
            continue;
        }
        avro_value_get_by_index(value, index, &member, NULL);
        if (avro_value_get_type(&member) == AVRO_UNION) {
            avro_value_get_current_branch(&member, &branch);
            member = branch;
        }
        if (avro_value_get_type(&member) == AVRO_STRING) {
            assert_int_equal(avro_value_set_string(&member, ""), 0);
        }
    }
}

/* A random record of the schema, and its bytes as avro-c writes them. */
static struct str write_random(struct fixture *fixture, const struct schema *schema, avro_value_iface_t *class,
                               avro_value_t *ret_value) {
    assert_int_equal(avro_generic_value_new(class, ret_value), 0);
    fill(ret_value, "");
    empty_secrets(schema, ret_value);
    avro_writer_t writer = avro_writer_memory(fixture->theirs, RECORD_MAX_BYTES);
    assert_int_equal(avro_value_write(writer, ret_value), 0);
    struct str avro = str_of(fixture->theirs, (size_t)avro_writer_tell(writer));
    avro_writer_free(writer);
    return avro;
}

static void must_decode(struct fixture *fixture, const struct schema *schema, struct str avro) {
    const char *why = NULL;
    if (!decode(&fixture->arena, schema, avro, &fixture->record, &why)) {
        fail_msg("%s, version %d: %s", schema->name, schema->version, why);
    }
}

/* ---- tests -------------------------------------------------------------------------------------------------- */

static void every_schema_has_a_codec(void **state) {
    (void)state;
    for (size_t i = 0; i < schemas_count; i++) {
        assert_int_equal(schemas[i].id, i + 1);
        assert_ptr_equal(schema_by_id(schemas[i].id), &schemas[i]);
        if (!has_codec(&schemas[i])) {
            fail_msg("%s needs a row in this test's table", schemas[i].name);
        }
    }
    assert_null(schema_by_id(0));
    assert_null(schema_by_id((uint32_t)schemas_count + 1));
}

static void our_bytes_are_those_of_avro_c(void **state) {
    struct fixture *fixture = *state;
    for (size_t i = 0; i < schemas_count; i++) {
        if (!is_newest(&schemas[i])) {
            continue;
        }
        avro_schema_t parsed = parse_schema(&schemas[i]);
        avro_value_iface_t *class = avro_generic_class_from_schema(parsed);
        for (int round = 0; round < ROUNDS; round++) {
            avro_value_t value;
            struct str theirs = write_random(fixture, &schemas[i], class, &value);
            must_decode(fixture, &schemas[i], theirs);
            buf_clear(&fixture->ours);
            encode(&fixture->ours, &schemas[i], &fixture->record);
            assert_true(buf_ok(&fixture->ours));
            assert_int_equal(fixture->ours.len, theirs.len);
            assert_memory_equal(fixture->ours.data, theirs.data, theirs.len);

            json_t *json = as_json(&schemas[i], &fixture->record);
            compare(&value, json, "");
            json_decref(json);
            avro_value_decref(&value);
            arena_reset(&fixture->arena);
        }
        avro_value_iface_decref(class);
        avro_schema_decref(parsed);
    }
}

/* Whatever is cut off, and whatever byte is flipped, is an answer, never a crash: the sanitizers watch. */
static void damaged_bytes_are_refused_or_read_as_something_else(void **state) {
    struct fixture *fixture = *state;
    const char *why;
    for (size_t i = 0; i < schemas_count; i++) {
        avro_schema_t parsed = parse_schema(&schemas[i]);
        avro_value_iface_t *class = avro_generic_class_from_schema(parsed);
        avro_value_t value;
        struct str avro = write_random(fixture, &schemas[i], class, &value);
        for (uint32_t cut = 0; cut < avro.len; cut++) {
            /* In memory of its own, so that a read past the end is seen. */
            char *copy = malloc(cut + 1);
            memcpy(copy, avro.data, cut);
            assert_false(decode(&fixture->arena, &schemas[i], str_of(copy, cut), &fixture->record, &why));
            assert_non_null(why);
            free(copy);
            arena_reset(&fixture->arena);
        }
        for (uint32_t at = 0; at < avro.len; at++) {
            fixture->theirs[at] = (char)(fixture->theirs[at] ^ (1 << random_below(8)));
            (void)!decode(&fixture->arena, &schemas[i], avro, &fixture->record, &why);
            arena_reset(&fixture->arena);
        }
        avro_value_decref(&value);
        avro_value_iface_decref(class);
        avro_schema_decref(parsed);
    }
}

static void bytes_left_over_are_refused(void **state) {
    struct fixture *fixture = *state;
    struct window_entry entry = {.stream = STR("cart_1"), .version = 3}, read = {.version = 77};
    const char *why = NULL;
    window_entry_encode(&fixture->ours, &entry);
    assert_true(window_entry_decode(&fixture->arena, buf_text(&fixture->ours), &read));
    assert_int_equal(read.version, 3);
    buf_byte(&fixture->ours, 0);
    read.version = 77;
    assert_false(
        window_entry_decode_as(&fixture->arena, WINDOW_ENTRY_SCHEMA_ID, buf_text(&fixture->ours), &read, &why));
    assert_string_equal(why, "bytes are left over at the end");
    assert_int_equal(read.version, 77); /* untouched */
}

static void an_id_of_another_kind_is_refused(void **state) {
    struct fixture *fixture = *state;
    const char *why = NULL;
    uint32_t command_id = command_schema_id(COMMAND_OPEN_CART);
    uint32_t event_id = event_info(EVENT_CART_OPENED)->schema_id;
    assert_false(event_decode(&fixture->arena, command_id, STR(""), &fixture->record.event, &why));
    assert_string_equal(why, "the schema id is not of an event");
    assert_false(command_decode(&fixture->arena, event_id, STR(""), &fixture->record.command, &why));
    assert_false(event_decode(&fixture->arena, 0, STR(""), &fixture->record.event, &why));
    assert_false(event_decode(&fixture->arena, UINT32_MAX, STR(""), &fixture->record.event, &why));
}

static void arrays_are_bounded_by_the_arena(void **state) {
    struct fixture *fixture = *state;
    struct order_state order = {
        .lines = {.items = calloc(500, sizeof(struct cart_line)), .count = 500, .capacity = 500}};
    struct order_state read;
    const char *why = NULL;
    order_state_encode(&fixture->ours, &order);
    free(order.lines.items);
    struct arena small;
    arena_init(&small, 500 * sizeof(struct cart_line) - 1);
    assert_false(order_state_decode_as(&small, ORDER_STATE_SCHEMA_ID, buf_text(&fixture->ours), &read, &why));
    assert_string_equal(why, "the arrays take more memory than is allowed");
    arena_release(&small);
    assert_true(order_state_decode(&fixture->arena, buf_text(&fixture->ours), &read));
    assert_int_equal(read.lines.count, 500);
}

static void a_count_beyond_the_bytes_is_refused_before_memory_is_taken(void **state) {
    struct fixture *fixture = *state;
    struct reservation_state read;
    const char *why = NULL;
    /* status, then an array that says it has 2^31 - 1 items and ends. */
    struct str avro = STR("\x00\xfe\xff\xff\xff\x0f");
    assert_false(reservation_state_decode_as(&fixture->arena, RESERVATION_STATE_SCHEMA_ID, avro, &read, &why));
    assert_int_equal(fixture->arena.used_bytes, 0);
}

static void arrays_in_many_blocks_are_read(void **state) {
    struct fixture *fixture = *state;
    struct reservation_state read;
    /* held; a block of one, a block of one with its size in bytes, then the end. */
    struct str avro = STR("\x02\x02\x02"
                          "a\x02\x01\x06\x02"
                          "b\x04\x00");
    assert_true(reservation_state_decode(&fixture->arena, avro, &read));
    assert_int_equal(read.status, RESERVATION_STATUS_HELD);
    assert_int_equal(read.allocations.count, 2);
    assert_int_equal(read.allocations.items[1].quantity, 2);
}

static void symbols_and_branches_beyond_the_last_are_refused(void **state) {
    struct fixture *fixture = *state;
    struct reservation_state reservation;
    struct cart_state cart;
    const char *why = NULL;
    assert_false(
        reservation_state_decode_as(&fixture->arena, RESERVATION_STATE_SCHEMA_ID, STR("\x08\x00"), &reservation, &why));
    assert_string_equal(why, "an enum has no such symbol");
    assert_false(cart_state_decode_as(&fixture->arena, CART_STATE_SCHEMA_ID, STR("\x00\x00\x04"), &cart, &why));
    assert_string_equal(why, "a union has no such branch");
}

static void a_time_that_no_calendar_shows_is_refused(void **state) {
    struct fixture *fixture = *state;
    struct window_entry entry = {.seen_at = -1}, read;
    const char *why = NULL;
    window_entry_encode(&fixture->ours, &entry);
    assert_false(
        window_entry_decode_as(&fixture->arena, WINDOW_ENTRY_SCHEMA_ID, buf_text(&fixture->ours), &read, &why));
    assert_string_equal(why, "a time is not of the years 1970 to 9999");
}

static void types_are_found_by_name(void **state) {
    (void)state;
    assert_int_equal(event_type_by_name(STR("CartOpened")), EVENT_CART_OPENED);
    assert_int_equal(event_type_by_name(STR("OpenCart")), 0);
    assert_int_equal(command_type_by_name(STR("OpenCart")), COMMAND_OPEN_CART);
    assert_int_equal(command_type_by_name(STR("")), 0);
    assert_string_equal(event_info(EVENT_CART_OPENED)->family, "carts");
    assert_null(event_info(0));
    assert_null(event_info(UINT16_MAX));
    assert_string_equal(command_name(COMMAND_OPEN_CART), "OpenCart");
    assert_null(command_name(0));
    assert_int_equal(command_schema_id(UINT16_MAX), 0);
}

/* Written once by avro-c when the schema was registered, and kept: every build reads what earlier ones wrote. */
static void golden_bytes_of_every_version_are_read(void **state) {
    struct fixture *fixture = *state;
    for (size_t i = 0; i < schemas_count; i++) {
        const char *path = arena_printf(&fixture->arena, "schemas/golden/%s/%s.%d.hex", schemas[i].family,
                                        schemas[i].name, schemas[i].version)
                               .data;
        FILE *file = fopen(path, "r");
        if (file == NULL) {
            fail_msg("%s is missing: make registry", path);
        }
        char *line = NULL;
        size_t capacity = 0, lines = 0;
        for (ssize_t len; (len = getline(&line, &capacity, file)) > 0; lines++) {
            struct str hex = str_of(line, (size_t)len - 1);
            assert_true(hex.len / 2 <= RECORD_MAX_BYTES);
            assert_true(hex_read(hex, (uint8_t *)fixture->theirs, hex.len / 2));
            struct str avro = str_of(fixture->theirs, hex.len / 2);
            must_decode(fixture, &schemas[i], avro);
            if (is_newest(&schemas[i])) {
                buf_clear(&fixture->ours);
                encode(&fixture->ours, &schemas[i], &fixture->record);
                assert_true(str_equal(buf_text(&fixture->ours), avro));
            }
            arena_reset(&fixture->arena);
        }
        assert_int_equal(lines, 2);
        free(line);
        fclose(file);
    }
}

int main(void) {
    const char *seed = getenv("SEED");
    if (seed != NULL) {
        random_state = strtoull(seed, NULL, 10);
    } else if (getrandom(&random_state, sizeof random_state, 0) != sizeof random_state) {
        return EXIT_FAILURE;
    }
    printf("SEED=%llu\n", (unsigned long long)random_state);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_schema_has_a_codec),
        cmocka_unit_test_setup_teardown(our_bytes_are_those_of_avro_c, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_bytes_are_refused_or_read_as_something_else, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_left_over_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(an_id_of_another_kind_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(arrays_are_bounded_by_the_arena, setup, teardown),
        cmocka_unit_test_setup_teardown(a_count_beyond_the_bytes_is_refused_before_memory_is_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(arrays_in_many_blocks_are_read, setup, teardown),
        cmocka_unit_test_setup_teardown(symbols_and_branches_beyond_the_last_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_time_that_no_calendar_shows_is_refused, setup, teardown),
        cmocka_unit_test(types_are_found_by_name),
        cmocka_unit_test_setup_teardown(golden_bytes_of_every_version_are_read, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
