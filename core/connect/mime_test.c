/* Given a text in whatever language, what goes over the wire, and is it the same text behind it? */
#include "core/connect/mime.h"

#include "core/connect/test_mime.h"

static void assert_body(const char *text, const char *expected) {
    struct buf out;
    buf_init(&out, 1 << 16);
    mime_write_body(&out, str_of_cstr(text));
    buf_byte(&out, '\0');
    assert_string_equal(out.data, expected);
    buf_release(&out);
}

static void a_body_is_written_as_the_standard_says(void **state) {
    (void)state;
    assert_body("", "");
    assert_body("a b\nc\n", "a b\r\nc\r\n");
    assert_body("1 = 1", "1 =3D 1");
    assert_body("Gr\xc3\xbc\xc3\x9f"
                "e",
                "Gr=C3=BC=C3=9Fe");
    assert_body("space \ntab\t\nend ", "space=20\r\ntab=09\r\nend=20");
    assert_body("a\r\nb", "a=0D\r\nb");
    assert_body(".\n.a\nb.", "=2E\r\n=2Ea\r\nb.");
    assert_body("From here\nFromage", "=46rom here\r\nFromage");
}

/* Lines are broken at every place of a text that has all that is special. */
static void a_long_body_is_broken_and_comes_back_whole(void **state) {
    (void)state;
    static const char *const pieces[] = {"a", ".", " ", "=", "\xe2\x82\xac", "From ", "\n", "\t"};
    for (uint32_t seed = 0; seed < 300; seed++) {
        struct buf text, wire, back;
        buf_init(&text, 1 << 16);
        buf_init(&wire, 1 << 16);
        buf_init(&back, 1 << 16);
        uint32_t random = seed * 2654435761U + 1;
        for (int i = 0; i < 400; i++) {
            random = random * 1664525U + 1013904223U;
            uint32_t piece = (random >> 24) % (ARRAY_LENGTH(pieces) + 8);
            buf_str(&text, str_of_cstr(pieces[piece < ARRAY_LENGTH(pieces) ? piece : 0]));
        }
        buf_byte(&text, '\n');
        mime_write_body(&wire, buf_text(&text));
        test_mime_assert_lines(buf_text(&wire), MIME_LINE_MAX);
        assert_null(memmem(wire.data, wire.len, "\nFrom ", 6));
        test_mime_decode_body(&back, buf_text(&wire));
        if (!str_equal(buf_text(&back), buf_text(&text))) {
            fail_msg("seed %u", seed);
        }
        buf_release(&text);
        buf_release(&wire);
        buf_release(&back);
    }
}

static void assert_text_field(const char *text, const char *expected) {
    struct buf out;
    buf_init(&out, 1 << 16);
    mime_write_text_field(&out, "Subject", str_of_cstr(text));
    buf_byte(&out, '\0');
    assert_string_equal(out.data, expected);
    buf_release(&out);
}

static void a_field_is_plain_where_it_can_be(void **state) {
    (void)state;
    assert_text_field("Your order ord_1.1", "Subject: Your order ord_1.1\r\n");
    assert_text_field("", "Subject: \r\n");
    assert_text_field("=?UTF-8?Q?no?=", "Subject: =?UTF-8?Q?=3D=3FUTF-8=3FQ=3Fno=3F=3D?=\r\n");
    assert_text_field(" a", "Subject: =?UTF-8?Q?_a?=\r\n");
    assert_text_field("Gr\xc3\xbc\xc3\x9f"
                      "e, (you)",
                      "Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe=2C_=28you=29?=\r\n");
}

/* The decoded text of a field's encoded words, each on a line of its own. */
static void decode_words(struct buf *out, struct str field) {
    while (field.len > 0) {
        uint32_t end = str_find(field, '\n');
        struct str line = str_first(field, end - 1);
        const char *begin = memmem(line.data, line.len, "=?UTF-8?Q?", 10);
        assert_non_null(begin);
        struct str word = str_from(line, (uint32_t)(begin - line.data));
        assert_true(word.len <= 75 && word.len > 12 && memcmp(word.data + word.len - 2, "?=", 2) == 0);
        word = str_of(word.data + 10, word.len - 12);
        size_t before = out->len;
        for (uint32_t i = 0; i < word.len; i++) {
            if (word.data[i] == '=') {
                buf_byte(out, test_mime_escaped(str_from(word, i)));
                i += 2;
            } else {
                buf_byte(out, word.data[i] == '_' ? ' ' : word.data[i]);
            }
        }
        assert_true(utf8_is_valid(str_of(out->data + before, out->len - before))); /* no character is cut */
        field = str_from(field, end + 1);
    }
}

static void a_long_field_is_words_that_cut_no_character(void **state) {
    (void)state;
    for (int length = 60; length < 400; length++) {
        struct buf text, field, back;
        buf_init(&text, 1 << 16);
        buf_init(&field, 1 << 16);
        buf_init(&back, 1 << 16);
        for (int i = 0; i < length; i++) {
            buf_str(&text, (i + length) % 7 == 0    ? STR("\xf0\x9f\x93\xa6")
                           : (i + length) % 19 == 0 ? STR(" ")
                                                    : STR("x"));
        }
        mime_write_text_field(&field, "Subject", buf_text(&text));
        test_mime_assert_lines(buf_text(&field), MIME_LINE_MAX);
        decode_words(&back, buf_text(&field));
        assert_true(str_equal(buf_text(&back), buf_text(&text)));
        buf_release(&text);
        buf_release(&field);
        buf_release(&back);
    }
}

static void assert_address_field(const char *name, const char *expected) {
    struct buf out;
    buf_init(&out, 1 << 16);
    mime_write_address_field(&out, "From", str_of_cstr(name), STR("shop@shop.example"));
    buf_byte(&out, '\0');
    assert_string_equal(out.data, expected);
    buf_release(&out);
}

static void a_name_before_an_address_is_no_part_of_it(void **state) {
    (void)state;
    assert_address_field("", "From: shop@shop.example\r\n");
    assert_address_field("The Shop", "From: The Shop <shop@shop.example>\r\n");
    assert_address_field("Tea, Ltd.", "From: \"Tea, Ltd.\" <shop@shop.example>\r\n");
    assert_address_field("a \"b\"", "From: =?UTF-8?Q?a_=22b=22?= <shop@shop.example>\r\n");
    assert_address_field("a <b@c.example>", "From: \"a <b@c.example>\" <shop@shop.example>\r\n");
    assert_address_field("Gr\xc3\xbcntee", "From: =?UTF-8?Q?Gr=C3=BCntee?= <shop@shop.example>\r\n");
    assert_address_field("A name of a shop that is so long that the line has no room left",
                         "From: A name of a shop that is so long that the line has no room left\r\n"
                         " <shop@shop.example>\r\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_written_as_the_standard_says),
        cmocka_unit_test(a_long_body_is_broken_and_comes_back_whole),
        cmocka_unit_test(a_field_is_plain_where_it_can_be),
        cmocka_unit_test(a_long_field_is_words_that_cut_no_character),
        cmocka_unit_test(a_name_before_an_address_is_no_part_of_it),
    };
    return cmocka_run_group_tests_name("mime", tests, NULL, NULL);
}
