#include "core/base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void an_error_says_what_failed(void **state) {
    (void)state;
    struct err_info info;
    assert_int_equal(err_set(&info, ERR_IO, "cannot read %s", "a file"), ERR_IO);
    assert_int_equal(info.code, ERR_IO);
    assert_false(info.retriable);
    assert_string_equal(info.text, "cannot read a file");
    assert_int_equal(err_set_retriable(&info, ERR_KAFKA, "no broker"), ERR_KAFKA);
    assert_true(info.retriable);
}

static void a_caller_who_does_not_ask_gets_the_code_alone(void **state) {
    (void)state;
    assert_int_equal(err_set(NULL, ERR_TIMEOUT, "late"), ERR_TIMEOUT);
}

static void a_long_text_is_cut_and_still_ends(void **state) {
    (void)state;
    struct err_info info;
    char text[2 * sizeof info.text];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(err_set(&info, ERR_IO, "%s", text), ERR_IO);
    assert_int_equal(strlen(info.text), sizeof info.text - 1);
}

static void every_code_has_a_text(void **state) {
    (void)state;
    for (int code = ERR_NONE; code <= ERR_CONFIG; code++) {
        assert_true(strlen(err_text((enum err)code)) > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_says_what_failed),
        cmocka_unit_test(a_caller_who_does_not_ask_gets_the_code_alone),
        cmocka_unit_test(a_long_text_is_cut_and_still_ends),
        cmocka_unit_test(every_code_has_a_text),
    };
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
