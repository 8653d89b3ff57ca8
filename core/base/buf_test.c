#include "core/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void what_is_written_stands_in_its_order(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 1024 * 1024);
    buf_byte(&buf, 'a');
    buf_str(&buf, STR("bc"));
    buf_bytes(&buf, "de", 2);
    buf_printf(&buf, "%d", 42);
    assert_true(str_equal(buf_text(&buf), STR("abcde42")));
    assert_true(buf_ok(&buf));
    buf_release(&buf);
}

static void growing_keeps_what_was_written(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 1024 * 1024);
    for (int i = 0; i < 100000; i++) {
        buf_byte(&buf, (char)(i % 251));
    }
    assert_int_equal(buf.len, 100000);
    for (int i = 0; i < 100000; i++) {
        assert_int_equal((uint8_t)buf.data[i], i % 251);
    }
    buf_release(&buf);
}

static void a_write_past_the_maximum_is_dropped_whole_and_nothing_follows_it(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 8);
    buf_str(&buf, STR("seven.."));
    assert_true(buf_ok(&buf));
    buf_str(&buf, STR("two"));
    assert_false(buf_ok(&buf));
    buf_byte(&buf, '!');
    buf_printf(&buf, "%d", 1);
    assert_null(buf_reserve(&buf, 0));
    assert_true(str_equal(buf_text(&buf), STR("seven..")));
    buf_clear(&buf);
    assert_true(buf_ok(&buf));
    buf_str(&buf, STR("8 bytes!"));
    assert_true(buf_ok(&buf));
    buf_release(&buf);
}

static void what_was_secret_is_nowhere_once_it_is_cleared(void **state) {
    (void)state;
    struct buf buf;
    buf_init_wiping(&buf, 1024 * 1024);
    buf_str(&buf, STR("a sentence of mine"));
    for (int i = 0; i < 1000; i++) {
        buf_str(&buf, STR("."));
    }
    assert_true(str_starts_with(buf_text(&buf), STR("a sentence of mine..")));
    size_t len = buf.len;
    buf_clear(&buf);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(buf.data[i], 0);
    }
    buf_str(&buf, STR("another"));
    assert_true(str_equal(buf_text(&buf), STR("another")));
    buf_release(&buf);
    assert_true(buf.wipes);
    buf_clear(&buf); /* of nothing */
}

static void reserved_room_can_be_filled_in_part(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 4096);
    char *room = buf_reserve(&buf, 1000);
    assert_non_null(room);
    memcpy(room, "abc", 3);
    buf.len += 3;
    buf_byte(&buf, 'd');
    assert_true(str_equal(buf_text(&buf), STR("abcd")));
    buf_release(&buf);
}

static void a_released_buf_can_be_written_again(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 16);
    buf_str(&buf, STR("one"));
    buf_release(&buf);
    buf_str(&buf, STR("two"));
    assert_true(str_equal(buf_text(&buf), STR("two")));
    buf_release(&buf);
}

static void reserving_nothing_is_not_past_the_maximum(void **state) {
    (void)state;
    struct buf buf;
    buf_init(&buf, 8);
    assert_non_null(buf_reserve(&buf, 0));
    assert_true(buf_ok(&buf));
    assert_int_equal(buf.len, 0);
    buf_release(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_stands_in_its_order),
        cmocka_unit_test(growing_keeps_what_was_written),
        cmocka_unit_test(a_write_past_the_maximum_is_dropped_whole_and_nothing_follows_it),
        cmocka_unit_test(what_was_secret_is_nowhere_once_it_is_cleared),
        cmocka_unit_test(reserved_room_can_be_filled_in_part),
        cmocka_unit_test(a_released_buf_can_be_written_again),
        cmocka_unit_test(reserving_nothing_is_not_past_the_maximum),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
