#include "projections/customers/list.h"

const struct pg_order customers_orders[] = {
    {"-created_at", "c.created_at", "timestamptz", true},
    {"created_at", "c.created_at", "timestamptz", false},
    {0},
};

void customers_list(struct pg_select *select, struct arena *arena, const struct customers_filter *filter,
                    struct str rows) {
    pg_select_begin(select, "customers_list");
    pg_select_add(select, "SELECT " CUSTOMER_ROW ", ");
    pg_order_column(select, filter->order, "c.id");
    pg_select_add(select, " FROM " CUSTOMER_TABLES " WHERE ");
    pg_order_after(select, filter->order, "c.id", &filter->after);
    pg_select_where(select, filter->status, "c.status = $::text");
    /* Said twice, so that the index of those who have roles serves it. */
    pg_select_where(select, filter->role, "c.roles <> '{}' AND c.roles @> ARRAY[$::text]");
    pg_select_where(select, filter->identity, "c.identity = $::text");
    pg_order_by(select, filter->order, "c.id");
    pg_select_add(select, " LIMIT $%d::bigint", pg_select_value(select, rows));
    pg_select_end(select, arena);
}
