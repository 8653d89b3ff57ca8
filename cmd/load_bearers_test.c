#include "cmd/load_bearers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* A file of so many lines, "<begin><number><end>" all but the last; the test removes it. */
static void write_lines(char path[32], const char *begin, const char *end, const char *last, int count) {
    snprintf(path, 32, "/tmp/load_bearers_test.XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    for (int i = 1; i < count; i++) {
        fprintf(file, "%s%d%s", begin, i, end);
    }
    fputs(last, file);
    assert_int_equal(fclose(file), 0);
}

static enum err read_one(const char *line, struct load_bearers *ret_bearers, struct err_info *info) {
    char path[32];
    *info = (struct err_info){0};
    write_lines(path, "", "\n", line, 1);
    enum err err = load_bearers_read(path, ret_bearers, info);
    unlink(path);
    return err;
}

static void lines_are_taken_in_turn_and_the_same_line_always_the_same(void **state) {
    (void)state;
    struct load_bearers bearers;
    struct err_info info = {0};
    char path[32];
    write_lines(path, "dbk_", "_A-b.c~d+e/f=\r\n\n", "last", 3);
    assert_int_equal(load_bearers_read(path, &bearers, &info), ERR_NONE);
    unlink(path);
    assert_int_equal(bearers.count, 3);
    static const char *const EXPECTED[] = {"Bearer dbk_1_A-b.c~d+e/f=", "Bearer dbk_2_A-b.c~d+e/f=", "Bearer last"};
    for (int64_t line = 1; line < 10; line++) {
        int64_t turn = load_bearers_turn(&bearers, line);
        assert_int_equal(turn, (line - 1) % 3 + 1);
        assert_true(str_equal(load_bearers_of(&bearers, turn), str_of_cstr(EXPECTED[turn - 1])));
    }
    load_bearers_release(&bearers);
    assert_int_equal(load_bearers_turn(&bearers, 5), 0);
    assert_true(str_is_empty(load_bearers_of(&bearers, 0)));
}

static void a_dash_is_a_guest_who_has_his_turn_like_all(void **state) {
    (void)state;
    struct load_bearers bearers;
    struct err_info info;
    char path[32];
    write_lines(path, "dbk_", "\n-\n", "--", 3); /* two dashes may be somebody's token */
    assert_int_equal(load_bearers_read(path, &bearers, &info), ERR_NONE);
    unlink(path);
    assert_int_equal(bearers.count, 5);
    assert_true(str_equal(load_bearers_of(&bearers, 1), STR("Bearer dbk_1")));
    assert_true(str_is_empty(load_bearers_of(&bearers, 2)) && str_is_empty(load_bearers_of(&bearers, 4)));
    assert_true(str_equal(load_bearers_of(&bearers, 5), STR("Bearer --")));
    load_bearers_release(&bearers);
}

static void what_is_no_token_is_named_by_its_line_and_never_shown(void **state) {
    (void)state;
    struct load_bearers bearers = {.count = 7};
    struct err_info info;
    char path[32];
    static const char *const BAD[] = {"Bearer hidden\n", "hidden hidden", "hid\tden",
                                      "hid\x7f",         "h\xc3\xa4",     "hidden,"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        assert_int_equal(read_one(BAD[i], &bearers, &info), ERR_CONFIG);
        assert_non_null(strstr(info.text, "line 1 is no access token or API key"));
        assert_null(strstr(info.text, "hid"));
    }
    write_lines(path, "fine", "\n", "hidden hidden", 3);
    assert_int_equal(load_bearers_read(path, &bearers, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "line 3 is no"));
    unlink(path);
    assert_int_equal(read_one("\n\n", &bearers, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "it is empty"));
    assert_int_equal(load_bearers_read("/nonexistent/bearers", &bearers, &info), ERR_IO);
    assert_int_equal(bearers.count, 7); /* untouched */
}

static void as_much_as_there_may_be_is_taken_and_no_more(void **state) {
    (void)state;
    struct load_bearers bearers;
    struct err_info info;
    char path[32], line[LOAD_BEARER_MAX_BYTES + 2];
    memset(line, 'x', sizeof line);
    line[LOAD_BEARER_MAX_BYTES + 1] = '\0';
    assert_int_equal(read_one(line, &bearers, &info), ERR_CONFIG);
    line[LOAD_BEARER_MAX_BYTES] = '\0';
    assert_int_equal(read_one(line, &bearers, &info), ERR_NONE);
    load_bearers_release(&bearers);
    write_lines(path, "", "\n", "last\n", LOAD_BEARERS_MAX);
    assert_int_equal(load_bearers_read(path, &bearers, &info), ERR_NONE);
    assert_int_equal(bearers.count, LOAD_BEARERS_MAX);
    unlink(path);
    load_bearers_release(&bearers);
    write_lines(path, "", "\n", "more\n", LOAD_BEARERS_MAX + 1);
    assert_int_equal(load_bearers_read(path, &bearers, &info), ERR_CONFIG);
    assert_non_null(strstr(info.text, "more than 10000 lines"));
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_taken_in_turn_and_the_same_line_always_the_same),
        cmocka_unit_test(a_dash_is_a_guest_who_has_his_turn_like_all),
        cmocka_unit_test(what_is_no_token_is_named_by_its_line_and_never_shown),
        cmocka_unit_test(as_much_as_there_may_be_is_taken_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
