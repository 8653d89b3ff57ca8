#include "core/vault/house_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct house_words words_of(const char *text) {
    struct house_words house = {0};
    struct err_info info = {0};
    if (house_words_read(text, &house, &info) != ERR_NONE) {
        fail_msg("%s", info.text);
    }
    return house;
}

static void assert_refused(const char *text, const char *expected_in_text) {
    struct house_words house = {.count = 7};
    struct err_info info = {0};
    assert_int_equal(house_words_read(text, &house, &info), ERR_CONFIG);
    assert_int_equal(house.count, 7);
    if (strstr(info.text, expected_in_text) == NULL) {
        fail_msg("'%s' is not in '%s'", expected_in_text, info.text);
    }
}

static void words_stand_between_spaces(void **state) {
    (void)state;
    assert_int_equal(words_of("").count, 0);
    assert_int_equal(words_of("   ").count, 0);
    struct house_words house = words_of("  daybook heron   tea ");
    assert_int_equal(house.count, 3);
    assert_true(str_equal(house.words[0], STR("daybook")));
    assert_true(str_equal(house.words[2], STR("tea")));
}

static void a_word_and_their_number_have_bounds(void **state) {
    (void)state;
    char text[1024], longest[HOUSE_WORD_MAX_BYTES + 2];
    assert_refused("daybook ab", "'ab'");
    memset(longest, 'x', sizeof longest);
    longest[HOUSE_WORD_MAX_BYTES] = '\0';
    assert_int_equal(words_of(longest).count, 1);
    longest[HOUSE_WORD_MAX_BYTES] = 'x';
    longest[HOUSE_WORD_MAX_BYTES + 1] = '\0';
    assert_refused(longest, "3 to 64 bytes");
    size_t len = 0;
    for (int i = 0; i < HOUSE_WORDS_MAX; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "word%d ", i);
    }
    assert_int_equal(words_of(text).count, HOUSE_WORDS_MAX);
    snprintf(text + len, sizeof text - len, "more");
    assert_refused(text, "more than 64 words");
}

static void what_is_left_is_counted_in_characters(void **state) {
    (void)state;
    static const struct {
        struct str password;
        size_t left;
    } ROWS[] = {
        {STR(""), 0},
        {STR("daybook"), 0},
        {STR("DAYbookDayBook"), 0},
        {STR("daybook2026"), 4},
        {STR("xdaybookx"), 2},
        {STR("daybook\xc3\xbc\xc3\xbc"), 2}, /* two characters of two bytes */
        {STR("daybooks"), 1},
        {STR("books"), 5},          /* a part of a word is none */
        {STR("tea"), 0},            /* of two that begin here the longest */
        {STR("teapots"), 1},        /* teapot, and an s */
        {STR("daydaybookbook"), 7}, /* what comes together when a word was taken out is none */
        {STR("a\0daybook"), 2},
    };
    struct house_words house = words_of("daybook tea teapot");
    for (size_t i = 0; i < ARRAY_LENGTH(ROWS); i++) {
        size_t left = house_words_left(&house, ROWS[i].password);
        if (left != ROWS[i].left) {
            fail_msg("row %zu: %zu are left, not %zu", i, left, ROWS[i].left);
        }
    }
    struct house_words none = {0};
    assert_int_equal(house_words_left(&none, STR("daybook")), 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_stand_between_spaces),
        cmocka_unit_test(a_word_and_their_number_have_bounds),
        cmocka_unit_test(what_is_left_is_counted_in_characters),
    };
    return cmocka_run_group_tests_name("house_words", tests, NULL, NULL);
}
