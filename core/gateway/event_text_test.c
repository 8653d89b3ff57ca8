#include "core/gateway/event_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void assert_written(int64_t version, struct str data, const char *expected) {
    struct buf text;
    buf_init(&text, 1024);
    event_text_write(&text, version, data);
    buf_byte(&text, '\0');
    assert_string_equal(text.data, expected);
    buf_release(&text);
}

static void an_event_is_its_version_and_its_data(void **state) {
    (void)state;
    assert_written(7, STR("{\"status\":\"confirmed\"}"), "id: 7\ndata: {\"status\":\"confirmed\"}\n\n");
    assert_written(INT64_MAX, STR("{}"), "id: 9223372036854775807\ndata: {}\n\n");
}

static void each_line_of_the_data_is_told_to_be_data(void **state) {
    (void)state;
    assert_written(1, STR("a\nid: 9\n\nb"), "id: 1\ndata: a\ndata: id: 9\ndata: \ndata: b\n\n");
    assert_written(1, STR("a\n"), "id: 1\ndata: a\ndata: \n\n");
    assert_written(1, STR(""), "id: 1\ndata: \n\n");
}

static void the_time_to_come_again_is_a_line_of_its_own(void **state) {
    (void)state;
    struct buf text;
    buf_init(&text, 1024);
    event_text_retry(&text, 2500);
    assert_true(str_equal(buf_text(&text), STR("retry: 2500\n\n")));
    buf_release(&text);
}

static void an_id_is_a_version_and_nothing_else(void **state) {
    (void)state;
    static const char *const none[] = {"", "0", "-1", "+1", "01", " 1", "1 ", "1.0", "abc", "9223372036854775808"};
    int64_t version = -7;
    for (size_t i = 0; i < ARRAY_LENGTH(none); i++) {
        assert_false(event_text_read_id(str_of_cstr(none[i]), &version));
        assert_int_equal(version, -7);
    }
    assert_true(event_text_read_id(STR("1"), &version));
    assert_int_equal(version, 1);
    assert_true(event_text_read_id(STR("9223372036854775807"), &version));
    assert_int_equal(version, INT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_its_version_and_its_data),
        cmocka_unit_test(each_line_of_the_data_is_told_to_be_data),
        cmocka_unit_test(the_time_to_come_again_is_a_line_of_its_own),
        cmocka_unit_test(an_id_is_a_version_and_nothing_else),
    };
    return cmocka_run_group_tests_name("event_text", tests, NULL, NULL);
}
