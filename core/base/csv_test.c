#include "core/base/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* What is read of a text: rows as "line:field|field", one behind the other, and then what ended it. */
static char told[1024];

static void tell(const char *format, ...) {
    size_t len = strlen(told);
    va_list args;
    va_start(args, format);
    vsnprintf(told + len, sizeof told - len, format, args);
    va_end(args);
}

static const char *read_bytes(const char *bytes, size_t len) {
    told[0] = '\0';
    FILE *file = fmemopen((void *)bytes, len, "r");
    assert_non_null(file);
    struct csv csv;
    struct csv_row row;
    struct err_info info = {0};
    csv_begin(&csv, file);
    enum err err;
    while ((err = csv_next(&csv, &row, &info)) == ERR_NONE) {
        tell("%lld:", (long long)row.line);
        for (uint32_t i = 0; i < row.count; i++) {
            tell("%s%.*s", i == 0 ? "" : "|", STR_ARGS(row.fields[i]));
        }
        tell(";");
    }
    tell("%s", err == ERR_NOT_FOUND ? "" : info.text);
    csv_end(&csv);
    fclose(file);
    return told;
}

static const char *read_text(const char *text) {
    return read_bytes(text, strlen(text));
}

static void rows_are_read_to_the_end(void **state) {
    (void)state;
    assert_string_equal(read_text("a,b,c\n1,2,3\n"), "1:a|b|c;2:1|2|3;");
    assert_string_equal(read_text("a,b\r\n1,2\r\n"), "1:a|b;2:1|2;");
    assert_string_equal(read_text("a,b\n1,2"), "1:a|b;2:1|2;"); /* the last line need not have an end */
    assert_string_equal(read_text("a\n"), "1:a;");
    assert_string_equal(read_text("\n"), "");
}

static void fields_may_be_empty_but_lines_do_not_count(void **state) {
    (void)state;
    assert_string_equal(read_text(",\n\n,,x\n\r\n\"\",\n"), "1:|;3:||x;5:|;");
    assert_string_equal(read_text("a,"), "1:a|;");
}

static void quotes_are_taken_off_and_hold_what_they_hold(void **state) {
    (void)state;
    assert_string_equal(read_text("\"a,b\",\"c \"\"d\"\"\"\n"), "1:a,b|c \"d\";");
    assert_string_equal(read_text("\"two\nlines\",x\nnext,y\n"), "1:two\nlines|x;3:next|y;");
    assert_string_equal(read_text("\"cr\r\nlf\"\n"), "1:cr\r\nlf;");
}

static void a_byte_order_mark_is_no_part_of_the_first_field(void **state) {
    (void)state;
    assert_string_equal(read_text("\xef\xbb\xbf"
                                  "kind,amount\n"),
                        "1:kind|amount;");
    assert_string_equal(read_text("\xef\xbc\xab,\n"), "1:\xef\xbc\xab|;"); /* begins like one */
    assert_string_equal(read_text("\xef\xbb\xbf"), "");
    assert_string_equal(read_text("\xef\xbb\xbf\"kind\"\n"), "1:kind;");
}

static void what_two_programs_would_read_in_two_ways_is_refused_with_its_line(void **state) {
    (void)state;
    assert_string_equal(read_text("a\nb\"c\n"),
                        "1:a;line 2: a quote stands within a field that does not begin with one");
    assert_string_equal(read_text("\"a\"b\n"), "line 1: text stands behind a closing quote");
    assert_string_equal(read_text("x\n\"a\n\nb"), "1:x;line 2: a quote is never closed");
    assert_string_equal(read_text("a\rb\n"), "line 1: a carriage return stands alone");
    assert_string_equal(read_text("a\r"), "line 1: a carriage return stands alone");
    assert_string_equal(read_text("ok\n\xff\n"), "1:ok;line 2: the text is not UTF-8");
    assert_string_equal(read_bytes("ok\na\0b\n", 7), "1:ok;line 2: the text is not UTF-8");
    assert_string_equal(read_text("caf\xe9,1\n"), "line 1: the text is not UTF-8"); /* Latin-1 */
}

static void a_row_is_bounded(void **state) {
    (void)state;
    char *text = malloc(CSV_ROW_MAX_BYTES + 16);
    memset(text, 'x', CSV_ROW_MAX_BYTES + 1);
    memcpy(text + CSV_ROW_MAX_BYTES + 1, "\n", 2);
    assert_string_equal(read_text(text), "line 1: a row has at most 65536 bytes");
    memset(text, ',', CSV_FIELDS_MAX);
    memcpy(text + CSV_FIELDS_MAX, "\n", 2);
    assert_string_equal(read_text(text), "line 1: a row has at most 256 fields");
    memcpy(text + CSV_FIELDS_MAX - 1, "\n", 2);
    assert_int_equal(strspn(read_text(text) + 2, "|"), CSV_FIELDS_MAX - 1);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_read_to_the_end),
        cmocka_unit_test(fields_may_be_empty_but_lines_do_not_count),
        cmocka_unit_test(quotes_are_taken_off_and_hold_what_they_hold),
        cmocka_unit_test(a_byte_order_mark_is_no_part_of_the_first_field),
        cmocka_unit_test(what_two_programs_would_read_in_two_ways_is_refused_with_its_line),
        cmocka_unit_test(a_row_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
