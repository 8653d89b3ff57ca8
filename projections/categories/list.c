#include "projections/categories/list.h"

const struct pg_order categories_orders[] = {
    {"position", "c.position", "bigint", false},
    {"title", "lower(c.title)", "text", false},
    {"-title", "lower(c.title)", "text", true},
    {0},
};

void categories_list(struct pg_select *select, struct arena *arena, const struct categories_filter *filter,
                     struct str rows) {
    pg_select_begin(select, "categories_list");
    pg_select_add(select, "SELECT c.document, ");
    pg_order_column(select, filter->order, "c.slug");
    pg_select_add(select, " FROM categories.categories AS c WHERE ");
    pg_order_after(select, filter->order, "c.slug", &filter->after);
    pg_select_where(select, filter->parent, "c.parent = $::text");
    if (filter->is_of_top) {
        pg_select_add(select, " AND c.parent IS NULL");
    }
    pg_order_by(select, filter->order, "c.slug");
    pg_select_add(select, " LIMIT $%d::bigint", pg_select_value(select, rows));
    pg_select_end(select, arena);
}
