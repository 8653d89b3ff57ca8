#include "projections/runtime/behind.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_notice_says_what_was_put_into_it(void **state) {
    (void)state;
    struct buf text;
    buf_init(&text, VIEW_NOTICE_MAX_BYTES + 1);
    buf_str(&text, STR("orders"));
    assert_true(view_notice_add(&text, 1));
    assert_true(view_notice_add(&text, INT64_MIN + 17));
    struct view_notice notice = view_notice_read(buf_text(&text));
    assert_true(str_equal(notice.view, STR("orders")));
    int64_t hash;
    assert_true(view_notice_next(&notice, &hash));
    assert_true(hash == 1);
    assert_true(view_notice_next(&notice, &hash));
    assert_true(hash == INT64_MIN + 17);
    assert_false(view_notice_next(&notice, &hash));
    assert_true(str_is_empty(notice.hashes));
    buf_release(&text);
}

static void a_name_alone_names_no_streams(void **state) {
    (void)state;
    struct view_notice notice = view_notice_read(STR("stock"));
    int64_t hash;
    assert_true(str_equal(notice.view, STR("stock")));
    assert_true(str_is_empty(notice.hashes));
    assert_false(view_notice_next(&notice, &hash));
}

static void a_payload_stays_below_what_postgresql_takes(void **state) {
    (void)state;
    struct buf text;
    buf_init(&text, VIEW_NOTICE_MAX_BYTES + 1);
    buf_str(&text, STR("products"));
    int64_t count = 0;
    while (view_notice_add(&text, count)) {
        count++;
    }
    assert_true(buf_ok(&text));
    assert_in_range(text.len, VIEW_NOTICE_MAX_BYTES - 17, VIEW_NOTICE_MAX_BYTES);
    assert_in_range(count, 400, 500);
    buf_release(&text);
}

static void what_is_no_hash_is_left_over(void **state) {
    (void)state;
    static const char *const PAYLOADS[] = {"orders 00000000000000zz", "orders 1", "orders  0000000000000001"};
    for (size_t i = 0; i < ARRAY_LENGTH(PAYLOADS); i++) {
        struct view_notice notice = view_notice_read(str_of_cstr(PAYLOADS[i]));
        int64_t hash;
        assert_false(view_notice_next(&notice, &hash));
        assert_false(str_is_empty(notice.hashes));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_notice_says_what_was_put_into_it),
        cmocka_unit_test(a_name_alone_names_no_streams),
        cmocka_unit_test(a_payload_stays_below_what_postgresql_takes),
        cmocka_unit_test(what_is_no_hash_is_left_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
