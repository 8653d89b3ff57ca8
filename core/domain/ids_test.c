#include "core/domain/ids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define KEY "01J00000000000000000000001"

static void the_ids_of_a_purchase_derive_from_the_cart(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct str order = order_id(&arena, STR("cart_" KEY), 2);
    assert_true(str_equal(order, STR("ord_" KEY ".2")));
    struct str payment = payment_id(&arena, order, 13);
    assert_true(str_equal(payment, STR("pay_" KEY ".2.13")));
    assert_true(stream_id_is_valid(order));
    assert_true(stream_id_is_valid(payment));
    arena_release(&arena);
}

static void a_sku_and_its_stream_name_each_other(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct str stream = sku_stream(&arena, STR("T-SHIRT_red.XL"));
    assert_true(str_equal(stream, STR("sku_T-SHIRT_red.XL")));
    assert_true(str_equal(sku_of_stream(stream), STR("T-SHIRT_red.XL")));
    assert_true(stream_id_is_valid(stream));
    arena_release(&arena);
}

static void an_id_of_another_form_is_not_valid(void **state) {
    (void)state;
    static const char *const valid[] = {"prod_" KEY,        "cart_" KEY, "ord_" KEY ".1", "ord_" KEY ".2147483647",
                                        "pay_" KEY ".1.20", "sku_A",     "sku_a.b_c-d",   "cus_" KEY,
                                        "idn_" KEY,         "key_" KEY};
    static const char *const invalid[] = {
        "",
        "_",
        "prod",
        "prod_",
        KEY,
        "prod_" KEY ".1",
        "prod_" KEY "0",
        "prod_01j00000000000000000000001",
        "prod_8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
        "cart_" KEY "/x",
        "cart_..",
        "ord_" KEY,
        "ord_" KEY ".",
        "ord_" KEY ".0",
        "ord_" KEY ".01",
        "ord_" KEY ".-1",
        "ord_" KEY ".+1",
        "ord_" KEY ".2147483648",
        "ord_" KEY ".1.1",
        "ord_" KEY ".1x",
        "pay_" KEY ".1",
        "pay_" KEY ".1.",
        "pay_" KEY ".1.1.1",
        "cat_",
        "cat_tree.1",
        "cat_tea",
        "sku_",
        "sku_a b",
        "sku_a/b",
        "usr_" KEY,
        "cus_",
        "cus_" KEY ".1",
        "idn_somebody",
        "key_" KEY "_secret",
        "CART_" KEY,
    };
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++) {
        assert_true(stream_id_is_valid(str_of_cstr(valid[i])));
    }
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
        assert_false(stream_id_is_valid(str_of_cstr(invalid[i])));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ids_of_a_purchase_derive_from_the_cart),
        cmocka_unit_test(a_sku_and_its_stream_name_each_other),
        cmocka_unit_test(an_id_of_another_form_is_not_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
