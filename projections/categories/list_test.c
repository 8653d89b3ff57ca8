/* The statement of the list of categories: what is asked for stands in it, and nothing else. */
#include "projections/categories/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct arena arena;
static struct pg_select made;

static int setup(void **state) {
    (void)state;
    arena_init(&arena, 1024 * 1024);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    arena_release(&arena);
    return 0;
}

static void all_of_them_come_by_their_positions(void **state) {
    (void)state;
    const struct categories_filter filter = {.order = &categories_orders[0]};
    categories_list(&made, &arena, &filter, STR("51"));
    assert_string_equal(made.statement.sql, "SELECT c.document, concat(c.slug, ' ', c.position) AS cursor"
                                            " FROM categories.categories AS c WHERE true ORDER BY c.position, c.slug"
                                            " LIMIT $1::bigint");
}

static void those_beside_each_other_are_asked_for_by_the_one_they_stand_in_or_by_none(void **state) {
    (void)state;
    struct categories_filter filter = {.parent = STR("tea"),
                                       .order = pg_order_find(categories_orders, STR("-title")),
                                       .after = {.id = STR("black"), .key = STR("black tea")}};
    categories_list(&made, &arena, &filter, STR("51"));
    assert_string_equal(made.statement.sql, "SELECT c.document, concat(c.slug, ' ', lower(c.title)) AS cursor"
                                            " FROM categories.categories AS c WHERE (lower(c.title), c.slug) <"
                                            " ($1::text, $2::text) AND c.parent = $3::text"
                                            " ORDER BY lower(c.title) DESC, c.slug DESC LIMIT $4::bigint");
    assert_true(str_equal(made.parameters[2], STR("tea")));
    filter = (struct categories_filter){.is_of_top = true, .order = &categories_orders[0]};
    categories_list(&made, &arena, &filter, STR("51"));
    assert_string_equal(made.statement.sql, "SELECT c.document, concat(c.slug, ' ', c.position) AS cursor"
                                            " FROM categories.categories AS c WHERE true AND c.parent IS NULL"
                                            " ORDER BY c.position, c.slug LIMIT $1::bigint");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(all_of_them_come_by_their_positions),
        TEST(those_beside_each_other_are_asked_for_by_the_one_they_stand_in_or_by_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
