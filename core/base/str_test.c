#include "core/base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void equal_means_the_same_bytes_and_length(void **state) {
    (void)state;
    assert_true(str_equal(STR("a\0b"), STR("a\0b")));
    assert_false(str_equal(STR("a\0b"), STR("a\0c")));
    assert_false(str_equal(STR("a"), STR("ab")));
    assert_true(str_equal(STR(""), (struct str){0}));
}

static void order_is_by_bytes_and_a_prefix_comes_first(void **state) {
    (void)state;
    assert_true(str_compare(STR("a"), STR("b")) < 0);
    assert_true(str_compare(STR("a"), STR("ab")) < 0);
    assert_true(str_compare(STR("\xff"), STR("a")) > 0);
    assert_int_equal(str_compare(STR("same"), STR("same")), 0);
    assert_true(str_compare((struct str){0}, STR("a")) < 0);
}

static void parts_never_pass_the_ends(void **state) {
    (void)state;
    struct str text = STR("cart_X");
    assert_true(str_equal(str_from(text, 5), STR("X")));
    assert_true(str_equal(str_from(text, 6), STR("")));
    assert_true(str_equal(str_from(text, 600), STR("")));
    assert_true(str_equal(str_first(text, 4), STR("cart")));
    assert_true(str_equal(str_first(text, 600), text));
}

static void a_byte_is_found_or_the_length_is_given(void **state) {
    (void)state;
    assert_int_equal(str_find(STR("a=b=c"), '='), 1);
    assert_int_equal(str_find(STR("abc"), '='), 3);
    assert_int_equal(str_find((struct str){0}, '='), 0);
}

static void a_text_starts_with_its_prefixes_only(void **state) {
    (void)state;
    assert_true(str_starts_with(STR("ord_X"), STR("ord_")));
    assert_true(str_starts_with(STR("ord_X"), STR("")));
    assert_false(str_starts_with(STR("ord"), STR("ord_")));
    assert_true(str_starts_with((struct str){0}, (struct str){0}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_means_the_same_bytes_and_length),
        cmocka_unit_test(order_is_by_bytes_and_a_prefix_comes_first),
        cmocka_unit_test(parts_never_pass_the_ends),
        cmocka_unit_test(a_byte_is_found_or_the_length_is_given),
        cmocka_unit_test(a_text_starts_with_its_prefixes_only),
    };
    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
