#include "core/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

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

static struct str view(const uint8_t *bytes, size_t size) {
    return str_of((const char *)bytes, size);
}

static void hex_is_two_lower_case_digits_a_byte(void **state) {
    struct buf *buf = *state;
    hex_write(buf, STR("\x00\x7f\xff"));
    assert_true(str_equal(buf_text(buf), STR("007fff")));
    uint8_t bytes[3];
    assert_true(hex_read(STR("007fff"), bytes, 3));
    assert_memory_equal(bytes, "\x00\x7f\xff", 3);
}

static void hex_of_another_case_length_or_alphabet_is_refused(void **state) {
    (void)state;
    uint8_t bytes[2] = {1, 2};
    assert_false(hex_read(STR("00FF"), bytes, 2));
    assert_false(hex_read(STR("00f"), bytes, 2));
    assert_false(hex_read(STR("00ff00"), bytes, 2));
    assert_false(hex_read(STR("00fg"), bytes, 2));
    assert_false(hex_read(STR("00f\0"), bytes, 2));
    assert_memory_equal(bytes, "\x01\x02", 2);
}

static void base64url_gives_the_texts_of_rfc_4648(void **state) {
    static const char *const pairs[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "-__-"}};
    struct buf *buf = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++) {
        buf_clear(buf);
        base64url_write(buf, str_of_cstr(pairs[i][0]));
        assert_true(str_equal(buf_text(buf), str_of_cstr(pairs[i][1])));
        uint8_t bytes[8];
        int size = base64url_read(str_of_cstr(pairs[i][1]), bytes, sizeof bytes);
        assert_int_equal(size, strlen(pairs[i][0]));
        assert_memory_equal(bytes, pairs[i][0], (size_t)size);
    }
}

static void base64url_has_one_text_per_value(void **state) {
    (void)state;
    uint8_t bytes[8];
    assert_int_equal(base64url_read(STR("Zh"), bytes, 8), -1); /* bits that belong to no byte */
    assert_int_equal(base64url_read(STR("Zm9"), bytes, 8), -1);
    assert_int_equal(base64url_read(STR("Zg=="), bytes, 8), -1); /* padding */
    assert_int_equal(base64url_read(STR("Zm9v\n"), bytes, 8), -1);
    assert_int_equal(base64url_read(STR("A"), bytes, 8), -1);
    assert_int_equal(base64url_read(STR("+/+/"), bytes, 8), -1); /* the other alphabet */
    assert_int_equal(base64url_read(STR("Zm9vYmFy"), bytes, 5), -1);
}

static void any_bytes_survive_base64url_and_hex(void **state) {
    struct buf *buf = *state;
    srand(20261123);
    for (size_t size = 0; size < 200; size++) {
        uint8_t bytes[200], back[200];
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t)rand();
        }
        buf_clear(buf);
        base64url_write(buf, view(bytes, size));
        assert_int_equal(base64url_read(buf_text(buf), back, sizeof back), size);
        assert_memory_equal(back, bytes, size);
        buf_clear(buf);
        hex_write(buf, view(bytes, size));
        assert_true(hex_read(buf_text(buf), back, size));
        assert_memory_equal(back, bytes, size);
    }
}

static void a_ulid_is_26_characters_that_sort_as_its_bytes(void **state) {
    (void)state;
    static const uint8_t lowest[ULID_BYTES] = {0};
    static const uint8_t one[ULID_BYTES] = {[15] = 1};
    static const uint8_t high_bit[ULID_BYTES] = {[0] = 0x80};
    uint8_t highest[ULID_BYTES];
    memset(highest, 0xff, sizeof highest);
    char text[ULID_TEXT_LEN];
    ulid_write(lowest, text);
    assert_memory_equal(text, "00000000000000000000000000", ULID_TEXT_LEN);
    ulid_write(one, text);
    assert_memory_equal(text, "00000000000000000000000001", ULID_TEXT_LEN);
    ulid_write(high_bit, text);
    assert_memory_equal(text, "40000000000000000000000000", ULID_TEXT_LEN);
    ulid_write(highest, text);
    assert_memory_equal(text, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", ULID_TEXT_LEN);
}

static void any_ulid_reads_back(void **state) {
    (void)state;
    srand(7);
    for (int round = 0; round < 1000; round++) {
        uint8_t bytes[ULID_BYTES], back[ULID_BYTES];
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)rand();
        }
        char text[ULID_TEXT_LEN];
        ulid_write(bytes, text);
        assert_true(ulid_read(str_of(text, sizeof text), back));
        assert_memory_equal(back, bytes, sizeof bytes);
    }
}

static void another_spelling_of_a_ulid_is_refused(void **state) {
    (void)state;
    uint8_t bytes[ULID_BYTES];
    assert_true(ulid_read(STR("01ARZ3NDEKTSV4RRFFQ69G5FAV"), bytes));
    assert_false(ulid_read(STR("01arz3ndektsv4rrffq69g5fav"), bytes));
    assert_false(ulid_read(STR("01ARZ3NDEKTSV4RRFFQ69G5FA"), bytes));
    assert_false(ulid_read(STR("01ARZ3NDEKTSV4RRFFQ69G5FAVV"), bytes));
    assert_false(ulid_read(STR("01ARZ3NDEKTSV4RRFFQ69G5FAI"), bytes));
    assert_false(ulid_read(STR("01ARZ3NDEKTSV4RRFFQ69G5FAO"), bytes));
    assert_false(ulid_read(STR("01ARZ3NDEKTSV4RRFFQ69G5FAU"), bytes));
    assert_false(ulid_read(STR("80000000000000000000000000"), bytes)); /* 129 bits */
    char text[] = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    for (int byte = 0; byte < 256; byte++) {
        text[7] = (char)byte;
        bool is_digit = byte != 0 && strchr("0123456789ABCDEFGHJKMNPQRSTVWXYZ", byte) != NULL;
        assert_int_equal(ulid_read(str_of(text, ULID_TEXT_LEN), bytes), is_digit);
    }
    assert_false(ulid_read(STR(""), bytes));
}

static void whole_numbers_have_one_text_each(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"7", 7},
                {"-7", -7},
                {"100", 100},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        int64_t value = 99;
        assert_true(int64_read(str_of_cstr(good[i].text), &value));
        assert_int_equal(value, good[i].value);
    }
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      "01",
                                      "-0",
                                      " 1",
                                      "1 ",
                                      "1e3",
                                      "0x10",
                                      "1.0",
                                      "--1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999",
                                      "18446744073709551617"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        int64_t value = 99;
        assert_false(int64_read(str_of_cstr(bad[i]), &value));
        assert_int_equal(value, 99);
    }
}

static void utf8_of_every_length_is_valid(void **state) {
    (void)state;
    assert_true(utf8_is_valid(STR("")));
    assert_true(utf8_is_valid(STR("a long enough run of plain ASCII")));
    assert_true(utf8_is_valid(STR("Bücher für 9 € in Łódź, 日本, 😀")));
    assert_true(utf8_is_valid(STR("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"
                                  "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")));
    assert_int_equal(utf8_first(STR("😀a")), 4);
}

static void what_is_not_utf8_is_refused_wherever_it_stands(void **state) {
    (void)state;
    static const char *const bad[] = {
        "\x80", /* a continuation alone */
        "\xc3", /* cut off */
        "\xe2\x82",
        "\xf0\x9f\x98",
        "\xc0\xaf", /* overlong */
        "\xc1\xbf",
        "\xe0\x9f\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xed\xa0\x80",     /* a surrogate */
        "\xf4\x90\x80\x80", /* past U+10FFFF */
        "\xf5\x80\x80\x80",
        "\xff",
        "\xc3\x41",
        "\xe2\x82\x41",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        for (size_t before = 0; before < 18; before++) {
            char text[32];
            memset(text, 'a', sizeof text);
            memcpy(text + before, bad[i], strlen(bad[i]));
            assert_false(utf8_is_valid(str_of(text, before + strlen(bad[i]))));
        }
    }
}

static void utf8_is_cut_between_two_characters(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint32_t max_bytes;
        const char *cut;
    } rows[] = {
        {"", 0, ""},
        {"abc", 3, "abc"},
        {"abc", 2, "ab"},
        {"abc", 0, ""},
        {"a\u00e9b", 2, "a"},
        {"a\u00e9b", 3, "a\u00e9"},
        {"\u20ac\u20ac", 5, "\u20ac"},
        {"\U0001f600", 3, ""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct str cut = utf8_cut(str_of_cstr(rows[i].text), rows[i].max_bytes);
        assert_true(str_equal(cut, str_of_cstr(rows[i].cut)));
    }
}

static void what_a_terminal_would_obey_is_shown_as_a_number(void **state) {
    (void)state;
    static const struct {
        struct str text, shown;
    } rows[] = {
        {STR(""), STR("")},
        {STR("a\\b \"c\" \u00e9\u20ac\U0001f600"), STR("a\\b \"c\" \u00e9\u20ac\U0001f600")},
        {STR("\x1b[2J\r\n\t"), STR("\\u001b[2J\\u000d\\u000a\\u0009")},
        {STR("a\0b\x7f"), STR("a\\u0000b\\u007f")},
        {STR("\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0"), STR("\\u0080\\u009b\\u009f\xc2\xa0")},
        {STR("\u2027\u2028\u2029\u202a\u202e\u202f"), STR("\u2027\\u2028\\u2029\\u202a\\u202e\u202f")},
        {STR("\u2065\u2066\u2069\u206a"), STR("\u2065\\u2066\\u2069\u206a")},
        {STR("a\xff\xc3"), STR("a\\ufffd\\ufffd")},
    };
    struct buf out;
    buf_init(&out, 1024);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        buf_clear(&out);
        text_write_shown(&out, rows[i].text);
        if (!str_equal(buf_text(&out), rows[i].shown)) {
            fail_msg("%.*s", STR_ARGS(buf_text(&out)));
        }
    }
    buf_release(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hex_is_two_lower_case_digits_a_byte, buf_setup, buf_teardown),
        cmocka_unit_test(hex_of_another_case_length_or_alphabet_is_refused),
        cmocka_unit_test_setup_teardown(base64url_gives_the_texts_of_rfc_4648, buf_setup, buf_teardown),
        cmocka_unit_test(base64url_has_one_text_per_value),
        cmocka_unit_test_setup_teardown(any_bytes_survive_base64url_and_hex, buf_setup, buf_teardown),
        cmocka_unit_test(a_ulid_is_26_characters_that_sort_as_its_bytes),
        cmocka_unit_test(any_ulid_reads_back),
        cmocka_unit_test(another_spelling_of_a_ulid_is_refused),
        cmocka_unit_test(whole_numbers_have_one_text_each),
        cmocka_unit_test(utf8_of_every_length_is_valid),
        cmocka_unit_test(what_is_not_utf8_is_refused_wherever_it_stands),
        cmocka_unit_test(utf8_is_cut_between_two_characters),
        cmocka_unit_test(what_a_terminal_would_obey_is_shown_as_a_number),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
