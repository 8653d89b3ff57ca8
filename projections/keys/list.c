#include "projections/keys/list.h"

const struct pg_order api_keys_orders[] = {
    {"-created_at", "k.created_at", "timestamptz", true},
    {"created_at", "k.created_at", "timestamptz", false},
    {"name", "lower(k.name)", "text", false},
    {"-name", "lower(k.name)", "text", true},
    {0},
};

void api_keys_list(struct pg_select *select, struct arena *arena, const struct api_keys_filter *filter,
                   struct str rows) {
    pg_select_begin(select, "api_keys_list");
    pg_select_add(select, "SELECT k.document, ");
    pg_order_column(select, filter->order, "k.id");
    pg_select_add(select, " FROM keys.keys AS k WHERE ");
    pg_order_after(select, filter->order, "k.id", &filter->after);
    pg_select_where(select, filter->status, "k.status = $::text");
    pg_select_where(select, filter->role, "k.roles @> ARRAY[$::text]");
    pg_order_by(select, filter->order, "k.id");
    pg_select_add(select, " LIMIT $%d::bigint", pg_select_value(select, rows));
    pg_select_end(select, arena);
}
