#include "core/domain/product/barcode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_gtin_has_the_check_digit_of_its_digits(void **state) {
    (void)state;
    static const char *const codes[] = {
        "96385074",       /* GTIN-8 */
        "036000291452",   /* GTIN-12, UPC-A */
        "4006381333931",  /* GTIN-13, EAN */
        "10012345678902", /* GTIN-14, of a case */
        "00000000",       /* all of nothing adds up, too */
    };
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        assert_true(barcode_can_be(str_of_cstr(codes[i])));
    }
}

/* Weights that differ by an even number would miss 5: 3 and 1 find every digit that is wrong. */
static void any_digit_that_is_wrong_is_found(void **state) {
    (void)state;
    static const char *const codes[] = {"036000291452", "4006381333931", "10012345678902"};
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        struct str right = str_of_cstr(codes[i]);
        for (uint32_t at = 0; at < right.len; at++) {
            char code[16];
            memcpy(code, right.data, right.len);
            for (char digit = '0'; digit <= '9'; digit++) {
                code[at] = digit;
                assert_int_equal(barcode_can_be(str_of(code, right.len)), digit == right.data[at]);
            }
        }
    }
}

/* Each of them with the UPC-A that it stands for, by the four ways of leaving zeros out. */
static void a_upc_e_has_the_check_digit_of_its_upc_a(void **state) {
    (void)state;
    static const struct {
        const char *upc_e, *upc_a;
    } pairs[] = {{"04252614", "042100005264"},
                 {"01234531", "012300000451"},
                 {"01234543", "012340000053"},
                 {"01234565", "012345000065"}};
    for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++) {
        assert_true(barcode_can_be(str_of_cstr(pairs[i].upc_a)));
        assert_true(barcode_can_be(str_of_cstr(pairs[i].upc_e)));
    }
    assert_false(barcode_can_be(STR("04252615")));
    assert_false(barcode_can_be(STR("96385075")));
    assert_false(barcode_can_be(STR("24252618"))); /* number systems are 0 and 1 */
}

static void any_other_code_is_its_owners_business(void **state) {
    (void)state;
    static const char *const codes[] = {
        "", "1", "1234567", "123456789", "4006381333932X", "40063813-3393", "TEA 100", "123456789012345"};
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++) {
        assert_true(barcode_can_be(str_of_cstr(codes[i])));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gtin_has_the_check_digit_of_its_digits),
        cmocka_unit_test(any_digit_that_is_wrong_is_found),
        cmocka_unit_test(a_upc_e_has_the_check_digit_of_its_upc_a),
        cmocka_unit_test(any_other_code_is_its_owners_business),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
