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

static void end_list(struct pg_select *select, struct arena *arena, const struct orders_filter *filter,
                     struct str rows) {
    pg_select_where(select, filter->from, "o.placed_at >= $::timestamptz");
    pg_select_where(select, filter->to, "o.placed_at < $::timestamptz");
    pg_order_by(select, filter->order, "o.id");
    pg_select_add(select, " LIMIT $%d::bigint", pg_select_value(select, rows));
    pg_select_end(select, arena);
}

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
    end_list(select, arena, filter, rows);
}

/* The vendor is the first parameter, so that its number may stand in the texts. */
void orders_list_of_vendor(struct pg_select *select, struct arena *arena, const struct orders_filter *filter,
                           struct str vendor, struct str rows) {
    pg_select_begin(select, "orders_list_of_vendor");
    int first = pg_select_value(select, vendor);
    assert(first == 1);
    pg_select_add(select, "SELECT " ORDER_OF_VENDOR("$1") " AS document, ");
    pg_order_column(select, filter->order, "o.id");
    pg_select_add(select, " FROM orders.orders AS o WHERE ");
    pg_order_after(select, filter->order, "o.id", &filter->after);
    pg_select_add(select, " AND EXISTS (SELECT" ORDER_LINES_OF_VENDOR("$1"));
    pg_select_where(select, filter->sku, "l.sku = $::text");
    pg_select_add(select, ")");
    pg_select_where(select, filter->status, "o.status = $::text");
    end_list(select, arena, filter, rows);
}
