/* Rows of views as JSON and Avro, from results made here as PostgreSQL sends them. */
#include "cmd/export_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <avro.h>
#include <endian.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/pg/array.h"

#define AT INT64_C(1767225600123456) /* 2026-01-01T00:00:00.123456Z */

static const struct view_table things = {
    .name = "things",
    .columns = {{"id", VIEW_TEXT, .key = true},
                {"number", VIEW_BIGINT},
                {"is_so", VIEW_BOOLEAN},
                {"at", VIEW_TIMESTAMP},
                {"bytes", VIEW_BYTEA, .personal = true},
                {"document", VIEW_JSON},
                {"words", VIEW_TEXT_ARRAY}},
    .column_count = 7,
};
static const struct view view = {.name = "tests", .tables = {{0}}, .table_count = 1};

static PGresult *result;
static struct buf out;
static struct err_info info;

static int set_up(void **state) {
    (void)state;
    static char names[VIEW_COLUMNS_MAX][64];
    PGresAttDesc columns[VIEW_COLUMNS_MAX] = {0};
    for (size_t i = 0; i < things.column_count; i++) {
        snprintf(names[i], sizeof names[i], "%s", things.columns[i].name);
        columns[i].name = names[i];
        columns[i].format = 1;
    }
    buf_init(&out, 1 << 20);
    result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    return result == NULL || PQsetResultAttrs(result, (int)things.column_count, columns) == 0;
}

static int tear_down(void **state) {
    (void)state;
    PQclear(result);
    buf_release(&out);
    return 0;
}

static void set(int row, int column, const void *bytes, size_t size) {
    char copy[4096];
    assert_true(size <= sizeof copy);
    memcpy(copy, bytes, size);
    assert_int_equal(PQsetvalue(result, row, column, copy, (int)size), 1);
}

static void set_int8(int row, int column, int64_t value) {
    uint64_t wire = htobe64((uint64_t)value);
    set(row, column, &wire, sizeof wire);
}

/* An array as PostgreSQL would send it: what it takes, it sends. */
static void set_words(int row, int column, const char *const *words, size_t count) {
    struct pg_array array;
    pg_array_init(&array, 4096);
    pg_array_begin(&array, PG_ELEMENT_TEXT);
    for (size_t i = 0; i < count; i++) {
        pg_array_bytes(&array, str_of_cstr(words[i]));
    }
    struct str bytes = pg_array_end(&array);
    set(row, column, bytes.data, bytes.len);
    pg_array_release(&array);
}

static void set_row(int row) {
    set(row, 0, "thing-1", 7);
    set_int8(row, 1, -42);
    set(row, 2, "\1", 1);
    set_int8(row, 3, AT - PG_EPOCH_US);
    set(row, 4, "\1\x7f", 2);
    set(row, 5, "{\"a\":[1]}", 9);
    set_words(row, 6, (const char *const[]){"one", "two \"2\""}, 2);
}

static void set_nulls(int row) {
    set(row, 0, "thing-2", 7);
    for (int column = 1; column < (int)things.column_count; column++) {
        assert_int_equal(PQsetvalue(result, row, column, NULL, -1), 1);
    }
}

static void assert_out(const char *expected) {
    buf_byte(&out, '\0');
    assert_string_equal(out.data, expected);
}

static void the_columns_are_selected_in_their_order(void **state) {
    (void)state;
    export_rows_select(&out, &view, &things);
    assert_out("SELECT id, number, is_so, at, bytes, document, words FROM tests.things ORDER BY id");
}

static void a_row_becomes_a_line(void **state) {
    (void)state;
    set_row(0);
    assert_int_equal(export_row_json(&out, &things, result, 0, &info), ERR_NONE);
    assert_out("{\"id\":\"thing-1\",\"number\":-42,\"is_so\":true,\"at\":\"2026-01-01T00:00:00.123456Z\","
               "\"bytes\":\"AX8\",\"document\":{\"a\":[1]},\"words\":[\"one\",\"two \\\"2\\\"\"]}");
}

static void what_is_not_there_is_null(void **state) {
    (void)state;
    set_nulls(0);
    assert_int_equal(export_row_json(&out, &things, result, 0, &info), ERR_NONE);
    assert_out("{\"id\":\"thing-2\",\"number\":null,\"is_so\":null,\"at\":null,\"bytes\":null,\"document\":null,"
               "\"words\":null}");
}

static void no_words_are_an_empty_array(void **state) {
    (void)state;
    set_row(0);
    set_words(0, 6, NULL, 0);
    assert_int_equal(export_row_json(&out, &things, result, 0, &info), ERR_NONE);
    assert_non_null(memmem(out.data, out.len, "\"words\":[]", 10));
}

/* The row as avro-c reads it with the schema that was made, and writes it as JSON. */
static void assert_avro(int row, const char *expected) {
    struct buf schema_text;
    avro_schema_t schema;
    avro_value_t value;
    char *json;
    buf_init(&schema_text, 1 << 16);
    export_rows_schema(&schema_text, &view, &things);
    assert_int_equal(avro_schema_from_json_length(schema_text.data, schema_text.len, &schema), 0);
    buf_clear(&out);
    assert_int_equal(export_row_avro(&out, &things, result, row, &info), ERR_NONE);
    avro_value_iface_t *iface = avro_generic_class_from_schema(schema);
    assert_int_equal(avro_generic_value_new(iface, &value), 0);
    avro_reader_t reader = avro_reader_memory(out.data, (int64_t)out.len);
    assert_int_equal(avro_value_read(reader, &value), 0);
    assert_int_not_equal(avro_skip(reader, 1), 0); /* nothing is left */
    assert_int_equal(avro_value_to_json(&value, 1, &json), 0);
    json_t *found = json_loads(json, 0, NULL), *wanted = json_loads(expected, 0, NULL);
    if (!json_equal(found, wanted)) {
        fail_msg("%s, not %s", json, expected);
    }
    json_decref(found);
    json_decref(wanted);
    free(json);
    avro_value_decref(&value);
    avro_value_iface_decref(iface);
    avro_reader_free(reader);
    avro_schema_decref(schema);
    buf_release(&schema_text);
}

static void a_schema_says_which_columns_are_personal(void **state) {
    (void)state;
    export_rows_schema(&out, &view, &things);
    json_t *schema = json_loadb(out.data, out.len, 0, NULL);
    assert_non_null(schema);
    size_t index, said = 0;
    json_t *field;
    json_array_foreach(json_object_get(schema, "fields"), index, field) {
        if (json_object_get(field, "doc") != NULL) {
            assert_string_equal(json_string_value(json_object_get(field, "name")), "bytes");
            said++;
        }
    }
    assert_int_equal(said, 1);
    json_decref(schema);
}

static void a_row_becomes_a_datum_of_the_tables_schema(void **state) {
    (void)state;
    set_row(0);
    set_nulls(1);
    assert_avro(0, "{\"id\":\"thing-1\",\"number\":{\"long\":-42},\"is_so\":{\"boolean\":true},"
                   "\"at\":{\"long\":1767225600123456},\"bytes\":{\"bytes\":\"\\u0001\\u007f\"},"
                   "\"document\":{\"string\":\"{\\\"a\\\":[1]}\"},\"words\":{\"array\":[\"one\",\"two \\\"2\\\"\"]}}");
    assert_avro(1, "{\"id\":\"thing-2\",\"number\":null,\"is_so\":null,\"at\":null,\"bytes\":null,\"document\":null,"
                   "\"words\":null}");
}

static void what_is_no_array_of_texts_is_told(void **state) {
    (void)state;
    set_row(0);
    set(0, 6, "\0\0\0\2", 4); /* two dimensions, and then nothing */
    assert_int_equal(export_row_json(&out, &things, result, 0, &info), ERR_MALFORMED);
    assert_int_equal(export_row_avro(&out, &things, result, 0, &info), ERR_MALFORMED);
    assert_string_equal(info.text, "things.words is no array of texts");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_columns_are_selected_in_their_order),
        TEST(a_row_becomes_a_line),
        TEST(what_is_not_there_is_null),
        TEST(no_words_are_an_empty_array),
        TEST(a_schema_says_which_columns_are_personal),
        TEST(a_row_becomes_a_datum_of_the_tables_schema),
        TEST(what_is_no_array_of_texts_is_told),
    };
    return cmocka_run_group_tests_name("export_rows", tests, NULL, NULL);
}
