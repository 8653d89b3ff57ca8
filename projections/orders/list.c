#include "projections/orders/list.h"

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
    pg_select_where(select, filter->from, "o.placed_at >= $::timestamptz");
    pg_select_where(select, filter->to, "o.placed_at < $::timestamptz");
    pg_order_by(select, filter->order, "o.id");
    pg_select_add(select, " LIMIT $%d::bigint", pg_select_value(select, rows));
    pg_select_end(select, arena);
}
