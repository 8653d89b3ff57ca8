#include "core/pg/select.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct arena arena;
static struct pg_select select_;

static const struct pg_order orders[] = {
    {"age", "t.age", "bigint", false},
    {"-age", "t.age", "bigint", true},
    {0},
};

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 1 << 20);
    pg_select_begin(&select_, "test");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

static void assert_made(const char *sql, int parameters) {
    pg_select_end(&select_, &arena);
    assert_string_equal(select_.statement.sql, sql);
    assert_int_equal(select_.statement.parameter_count, parameters);
    assert_true(select_.statement.once);
}

static void what_is_not_asked_for_is_not_in_the_text(void **state) {
    (void)state;
    pg_select_add(&select_, "SELECT FROM t WHERE true");
    pg_select_where(&select_, (struct str){0}, "t.a = $::text");
    pg_select_where(&select_, STR("x'; DROP TABLE t"), "t.b @> ARRAY[$::text]");
    pg_select_where(&select_, STR(""), "t.c = $::text");
    assert_made("SELECT FROM t WHERE true AND t.b @> ARRAY[$1::text] AND t.c = $2::text", 2);
    assert_true(str_equal(select_.parameters[0], STR("x'; DROP TABLE t")));
}

static void a_first_page_begins_at_the_beginning(void **state) {
    (void)state;
    const struct pg_cursor none = {0};
    pg_select_add(&select_, "SELECT ");
    pg_order_column(&select_, &orders[0], "t.id");
    pg_select_add(&select_, " FROM t WHERE ");
    pg_order_after(&select_, &orders[0], "t.id", &none);
    pg_order_by(&select_, &orders[0], "t.id");
    assert_made("SELECT concat(t.id, ' ', t.age) AS cursor FROM t WHERE true ORDER BY t.age, t.id", 0);
}

static void a_page_goes_on_behind_the_cursor_in_either_direction(void **state) {
    (void)state;
    struct pg_cursor cursor;
    assert_true(pg_cursor_read(STR("id_1 a key"), &cursor));
    pg_order_after(&select_, &orders[0], "t.id", &cursor);
    pg_select_add(&select_, " AND ");
    pg_order_after(&select_, &orders[1], "t.id", &cursor);
    pg_order_by(&select_, &orders[1], "t.id");
    assert_made("(t.age, t.id) > ($1::bigint, $2::text) AND (t.age, t.id) < ($3::bigint, $4::text)"
                " ORDER BY t.age DESC, t.id DESC",
                4);
    assert_true(str_equal(select_.parameters[0], STR("a key")));
    assert_true(str_equal(select_.parameters[1], STR("id_1")));
}

static void a_cursor_without_a_key_is_none(void **state) {
    (void)state;
    struct pg_cursor cursor;
    assert_false(pg_cursor_read(STR("id_1"), &cursor));
    assert_made("", 0);
}

static void an_order_is_found_by_its_whole_name(void **state) {
    (void)state;
    assert_ptr_equal(pg_order_find(orders, STR("-age")), &orders[1]);
    assert_null(pg_order_find(orders, STR("ag")));
    assert_null(pg_order_find(orders, STR("")));
    assert_made("", 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_not_asked_for_is_not_in_the_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_first_page_begins_at_the_beginning, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_page_goes_on_behind_the_cursor_in_either_direction, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cursor_without_a_key_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_order_is_found_by_its_whole_name, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("select", tests, NULL, NULL);
}
