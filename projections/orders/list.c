#include "projections/orders/list.h"

#include <assert.h>

#include "projections/orders/of_vendor.h"

const struct pg_order orders_orders[] = {
    {"-placed_at", "o.placed_at", "timestamptz", true},
    {"placed_at", "o.placed_at", "timestamptz", false},
    {"total", "o.total_minor", "bigint", false},
    {"-total", "o.total_minor", "bigint", true},
    {0},
};

void orders_list(struct pg_select *select, struct arena *arena, const struct orders_filter *filter, struct str rows) {
    pg_select_begin(select, "orders_list");
    pg_select_add(select, "SELECT o.document, ");
    pg_order_column(select, filter->order, "o.id");
    pg_select_add(select, " FROM orders.orders AS o WHERE ");
    pg_order_after(select, filter->order, "o.id", &filter->after);
    pg_select_where(select, filter->reference, "o.reference = $::text");
    pg_select_where(select, filter->status, "o.status = $::text");
    pg_select_where(select, filter->sku,
                    "EXISTS (SELECT FROM orders.order_lines AS l WHERE l.order_id = o.id AND l.sku = $::text)");
    pg_select_where(select, filter->customer, "o.customer = $::text");
    pg_select_where(select, filter->owner, "o.customer = $::text");
    pg_select_where(select, filter->from, "o.placed_at >= $::timestamptz");
    pg_select_where(select, filter->to, "o.placed_at < $::timestamptz");
    pg_order_by(select, filter->order, "o.id");
    pg_select_add(select, " LIMIT $%d::bigint", pg_select_value(select, rows));
    pg_select_end(select, arena);
}

/* The same order, over another table's column. */
static struct pg_order placed_in(const char *key, const struct orders_filter *filter) {
    return (struct pg_order){.key = key, .type = "timestamptz", .is_descending = filter->order->is_descending};
}

/* A page's worth of orders with lines of the product `p`: by the index order_lines_product, from where the page begins.
 * Returns the number of `rows`. */
static int add_orders_of_product(struct pg_select *select, const struct orders_filter *filter, struct str rows) {
    const struct pg_order placed = placed_in("l.placed_at", filter);
    pg_select_add(select, "SELECT DISTINCT l.placed_at, l.order_id FROM orders.order_lines AS l WHERE l.product = p.id"
                          " AND ");
    pg_order_after(select, &placed, "l.order_id", &filter->after);
    pg_select_where(select, filter->sku, "l.sku = $::text");
    pg_select_where(select, filter->status,
                    "EXISTS (SELECT FROM orders.orders AS o WHERE o.id = l.order_id AND o.status = $::text)");
    pg_select_where(select, filter->from, "l.placed_at >= $::timestamptz");
    pg_select_where(select, filter->to, "l.placed_at < $::timestamptz");
    pg_order_by(select, &placed, "l.order_id");
    int most = pg_select_value(select, rows);
    pg_select_add(select, " LIMIT $%d::bigint", most);
    return most;
}

/* Not by walking through the orders until the page is full: of a vendor with few that would be all of them. What is
 * read is of his products alone, and of each a page. The vendor is the first parameter, so that its number may stand in
 * the texts. */
void orders_list_of_vendor(struct pg_select *select, struct arena *arena, const struct orders_filter *filter,
                           struct str vendor, struct str rows) {
    const struct pg_order placed = placed_in("found.placed_at", filter);
    pg_select_begin(select, "orders_list_of_vendor");
    int first = pg_select_value(select, vendor);
    assert(first == 1);
    pg_select_add(select, "SELECT " ORDER_OF_VENDOR("$1") " AS document, ");
    pg_order_column(select, filter->order, "o.id");
    pg_select_add(select, " FROM (SELECT DISTINCT found.placed_at, found.order_id FROM products.products AS p"
                          " CROSS JOIN LATERAL (");
    int most = add_orders_of_product(select, filter, rows);
    pg_select_add(select, ") AS found WHERE p.vendor = $1::text");
    pg_order_by(select, &placed, "found.order_id");
    pg_select_add(select, " LIMIT $%d::bigint) AS page JOIN orders.orders AS o ON o.id = page.order_id", most);
    pg_order_by(select, filter->order, "o.id");
    pg_select_end(select, arena);
}
