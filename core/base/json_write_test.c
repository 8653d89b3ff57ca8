#include "core/base/json_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>

static int buf_setup(void **state) {
    static struct buf buf;
    buf_init(&buf, 64 * 1024);
    *state = &buf;
    return 0;
}

static int buf_teardown(void **state) {
    buf_release(*state);
    return 0;
}

static void assert_json(struct buf *buf, const char *expected) {
    assert_true(str_equal(buf_text(buf), str_of_cstr(expected)));
}

static void commas_and_colons_stand_where_they_belong(void **state) {
    struct buf *buf = *state;
    struct json_writer writer = json_writer_of(buf);
    json_object_begin(&writer);
    json_field_string(&writer, "sku", STR("A-1"));
    json_name(&writer, STR("lines"));
    json_array_begin(&writer);
    json_int(&writer, 1);
    json_array_begin(&writer);
    json_array_end(&writer);
    json_object_begin(&writer);
    json_object_end(&writer);
    json_none(&writer);
    json_array_end(&writer);
    json_field_int(&writer, "price", INT64_MIN);
    json_field_bool(&writer, "open", true);
    json_field_bool(&writer, "paid", false);
    json_name(&writer, STR("raw"));
    json_raw(&writer, STR("{\"a\":1}"));
    json_object_end(&writer);
    assert_json(buf, "{\"sku\":\"A-1\",\"lines\":[1,[],{},null],\"price\":-9223372036854775808,\"open\":true,"
                     "\"paid\":false,\"raw\":{\"a\":1}}");
}

static void times_and_bytes_are_text(void **state) {
    struct buf *buf = *state;
    struct json_writer writer = json_writer_of(buf);
    json_array_begin(&writer);
    json_time(&writer, 1);
    json_base64url(&writer, STR("\xfb\xff\xfe"));
    json_array_end(&writer);
    assert_json(buf, "[\"1970-01-01T00:00:00.000001Z\",\"-__-\"]");
}

static void text_is_escaped_only_where_json_asks_for_it(void **state) {
    struct buf *buf = *state;
    struct json_writer writer = json_writer_of(buf);
    json_text(&writer, STR("\"q\" \\ \n\r\t \x01\x1f </script> € \xe2\x80\xa8"));
    assert_json(buf, "\"\\\"q\\\" \\\\ \\n\\r\\t \\u0001\\u001f </script> € \xe2\x80\xa8\"");
}

static void another_reader_gets_back_every_character(void **state) {
    struct buf *buf = *state;
    char all[0x80];
    for (int i = 0; i < 0x80; i++) {
        all[i] = (char)i;
    }
    struct json_writer writer = json_writer_of(buf);
    json_object_begin(&writer);
    json_name(&writer, str_of(all + 1, 0x7f)); /* jansson's names hold no NUL */
    json_text(&writer, str_of(all, 0x80));
    json_object_end(&writer);
    json_t *read = json_loadb(buf->data, buf->len, JSON_ALLOW_NUL, NULL);
    assert_non_null(read);
    char name[0x80] = {0};
    memcpy(name, all + 1, 0x7f);
    const json_t *text = json_object_get(read, name);
    assert_non_null(text);
    assert_int_equal(json_string_length(text), 0x80);
    assert_memory_equal(json_string_value(text), all, 0x80);
    json_decref(read);
}

static void levels_nest_up_to_31_deep(void **state) {
    struct buf *buf = *state;
    struct json_writer writer = json_writer_of(buf);
    for (int i = 0; i < 31; i++) {
        json_array_begin(&writer);
    }
    for (int i = 0; i < 31; i++) {
        json_int(&writer, i);
        json_array_end(&writer);
        if (i < 30) {
            json_bool(&writer, true);
        }
    }
    json_t *read = json_loadb(buf->data, buf->len, 0, NULL);
    assert_non_null(read);
    assert_int_equal(json_array_size(read), 3);
    json_decref(read);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commas_and_colons_stand_where_they_belong, buf_setup, buf_teardown),
        cmocka_unit_test_setup_teardown(times_and_bytes_are_text, buf_setup, buf_teardown),
        cmocka_unit_test_setup_teardown(text_is_escaped_only_where_json_asks_for_it, buf_setup, buf_teardown),
        cmocka_unit_test_setup_teardown(another_reader_gets_back_every_character, buf_setup, buf_teardown),
        cmocka_unit_test_setup_teardown(levels_nest_up_to_31_deep, buf_setup, buf_teardown),
    };
    return cmocka_run_group_tests_name("json_write", tests, NULL, NULL);
}
