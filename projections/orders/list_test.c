/* The statements of the lists of orders: what is asked for stands in them, and nothing else. */
#include "projections/orders/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "projections/orders/of_vendor.h"

static struct arena arena;
static struct pg_select select_;

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

static void assert_parameters(const char *const *expected, int count) {
    assert_int_equal(select_.statement.parameter_count, count);
    for (int i = 0; i < count; i++) {
        assert_true(str_equal(select_.parameters[i], str_of_cstr(expected[i])));
    }
}

static const char whole_order[] =
    "SELECT " ORDER_OF_VENDOR("$1") " AS document, concat(o.id, ' ', o.placed_at) AS cursor"
                                    " FROM ";

/* Each product's orders are found by its lines: no order without one is looked at. */
static void a_vendors_orders_are_read_by_his_products(void **state) {
    (void)state;
    const struct orders_filter filter = {.order = pg_order_find(orders_orders, STR("-placed_at"))};
    orders_list_of_vendor(&select_, &arena, &filter, STR("Leaf"), STR("51"));
    assert_memory_equal(select_.statement.sql, whole_order, sizeof whole_order - 1);
    assert_string_equal(
        select_.statement.sql + sizeof whole_order - 1,
        "(SELECT DISTINCT found.placed_at, found.order_id FROM products.products AS p CROSS JOIN LATERAL"
        " (SELECT DISTINCT l.placed_at, l.order_id FROM orders.order_lines AS l WHERE l.product = p.id AND true"
        " ORDER BY l.placed_at DESC, l.order_id DESC LIMIT $2::bigint) AS found WHERE p.vendor = $1::text"
        " ORDER BY found.placed_at DESC, found.order_id DESC LIMIT $2::bigint) AS page"
        " JOIN orders.orders AS o ON o.id = page.order_id ORDER BY o.placed_at DESC, o.id DESC");
    assert_parameters((const char *const[]){"Leaf", "51"}, 2);
}

/* Each condition before the limit, or the page would miss orders. */
static void what_a_vendor_asks_for_is_asked_of_each_product(void **state) {
    (void)state;
    const struct orders_filter filter = {.order = pg_order_find(orders_orders, STR("placed_at")),
                                         .status = STR("confirmed"),
                                         .sku = STR("tea"),
                                         .from = STR("2026-01-01"),
                                         .to = STR("2026-02-01"),
                                         .reference = STR("R-7"), /* of these two none is looked at */
                                         .customer = STR("cus_1"),
                                         .after = {.id = STR("ord_1.1"), .key = STR("2026-01-15")}};
    orders_list_of_vendor(&select_, &arena, &filter, STR("Leaf"), STR("3"));
    assert_string_equal(
        select_.statement.sql + sizeof whole_order - 1,
        "(SELECT DISTINCT found.placed_at, found.order_id FROM products.products AS p CROSS JOIN LATERAL"
        " (SELECT DISTINCT l.placed_at, l.order_id FROM orders.order_lines AS l WHERE l.product = p.id"
        " AND (l.placed_at, l.order_id) > ($2::timestamptz, $3::text) AND l.sku = $4::text"
        " AND EXISTS (SELECT FROM orders.orders AS o WHERE o.id = l.order_id AND o.status = $5::text)"
        " AND l.placed_at >= $6::timestamptz AND l.placed_at < $7::timestamptz"
        " ORDER BY l.placed_at, l.order_id LIMIT $8::bigint) AS found WHERE p.vendor = $1::text"
        " ORDER BY found.placed_at, found.order_id LIMIT $8::bigint) AS page"
        " JOIN orders.orders AS o ON o.id = page.order_id ORDER BY o.placed_at, o.id");
    assert_parameters(
        (const char *const[]){"Leaf", "2026-01-15", "ord_1.1", "tea", "confirmed", "2026-01-01", "2026-02-01", "3"}, 8);
}

static void a_list_of_orders_asks_for_what_it_is_to_be_filtered_by_and_no_more(void **state) {
    (void)state;
    struct orders_filter filter = {.order = pg_order_find(orders_orders, STR("total"))};
    orders_list(&select_, &arena, &filter, STR("51"));
    assert_string_equal(select_.statement.sql, "SELECT o.document, concat(o.id, ' ', o.total_minor) AS cursor"
                                               " FROM orders.orders AS o WHERE true ORDER BY o.total_minor, o.id"
                                               " LIMIT $1::bigint");
    filter.owner = STR("cus_1");
    filter.from = STR("2026-01-01");
    orders_list(&select_, &arena, &filter, STR("51"));
    assert_string_equal(select_.statement.sql, "SELECT o.document, concat(o.id, ' ', o.total_minor) AS cursor"
                                               " FROM orders.orders AS o WHERE true AND o.customer = $1::text"
                                               " AND o.placed_at >= $2::timestamptz ORDER BY o.total_minor, o.id"
                                               " LIMIT $3::bigint");
    assert_parameters((const char *const[]){"cus_1", "2026-01-01", "51"}, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_vendors_orders_are_read_by_his_products),
        TEST(what_a_vendor_asks_for_is_asked_of_each_product),
        TEST(a_list_of_orders_asks_for_what_it_is_to_be_filtered_by_and_no_more),
    };
    return cmocka_run_group_tests_name("orders_list", tests, NULL, NULL);
}
