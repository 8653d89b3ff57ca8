#include "projections/products/list.h"

#include "projections/products/found_by.h"

const struct pg_order products_orders[] = {
    {"relevance", NULL, "real", true}, /* see add_searched */
    {"newest", "p.created_at", "timestamptz", true},
    {"-newest", "p.created_at", "timestamptz", false},
    {"title", "lower(p.title)", "text", false},
    {"-title", "lower(p.title)", "text", true},
    {"price", "p.price_least", "bigint", false},
    {"-price", "p.price_least", "bigint", true},
    {0},
};

bool products_order_is_relevance(const struct pg_order *order) {
    return order == &products_orders[0];
}

/* ---- which products ---------------------------------------------------------------------------------------------- */

/* [NOT] EXISTS a variant that meets all that is asked of one. */
static void add_variant(struct pg_select *select, struct arena *arena, const struct products_filter *filter,
                        const char *exists, bool in_stock) {
    pg_select_add(select, " AND %s (SELECT FROM products.variants AS v", exists);
    if (in_stock) {
        pg_select_add(select, " JOIN stock.stock AS s ON s.sku = v.sku AND s.available > 0");
    }
    pg_select_add(select, " WHERE v.product = p.id AND v.on_sale");
    pg_select_where(select, filter->price_min, "v.price_minor >= $::bigint");
    pg_select_where(select, filter->price_max, "v.price_minor <= $::bigint");
    for (size_t i = 0; i < filter->attribute_count; i++) {
        const struct products_attribute *attribute = &filter->attributes[i];
        pg_select_where(select, found_by_text(arena, attribute->name, attribute->value),
                        "v.found_by @> ARRAY[$::text]");
    }
    pg_select_add(select, ")");
}

static void add_variants(struct pg_select *select, struct arena *arena, const struct products_filter *filter) {
    bool has_price = filter->price_min.data != NULL || filter->price_max.data != NULL;
    if (filter->stock == PRODUCTS_IN_STOCK) {
        add_variant(select, arena, filter, "EXISTS", true);
    } else if (has_price || filter->attribute_count > 0) {
        add_variant(select, arena, filter, "EXISTS", false);
    }
    if (filter->stock == PRODUCTS_OUT_OF_STOCK) {
        add_variant(select, arena, filter, "NOT EXISTS", true);
    }
}

/* Of the table as p. `query` is the number of the parameter q. */
static void add_conditions(struct pg_select *select, struct arena *arena, const struct products_filter *filter,
                           int query) {
    pg_select_add(select, " WHERE p.status = 'published'");
    if (query != 0) {
        pg_select_add(select, " AND p.search @@ websearch_to_tsquery('english', $%d::text)", query);
    }
    pg_select_where(select, filter->category, "p.categories @> ARRAY[$::text]");
    pg_select_where(select, filter->tag, "p.tags @> ARRAY[$::text]");
    pg_select_where(select, filter->vendor, "p.vendor = $::text");
    add_variants(select, arena, filter);
}

/* The rest of WITH found AS MATERIALIZED (SELECT ...: the newest matches. Materialized, so that finding them is planned
 * for all that there are: for a page alone, PostgreSQL may walk an order's index and test each row for the words, which
 * a rare word makes a walk through the whole catalogue. */
static void add_newest(struct pg_select *select, struct arena *arena, const struct products_filter *filter, int query) {
    pg_select_add(select, " FROM products.products AS p");
    add_conditions(select, arena, filter, query);
    pg_select_add(select, " ORDER BY p.created_at DESC, p.id DESC LIMIT %d)", PRODUCTS_LOOKED_AT);
}

/* ---- in which order ---------------------------------------------------------------------------------------------- */

/* The documents are fetched last, for the rows of the page alone. */
static void add_searched(struct pg_select *select, struct arena *arena, const struct products_filter *filter,
                         struct str rows) {
    struct pg_order order = *filter->order;
    order.key = "f.key";
    int query = pg_select_value(select, filter->q);
    pg_select_add(select, "WITH found AS MATERIALIZED (SELECT p.id, ");
    if (products_order_is_relevance(filter->order)) {
        pg_select_add(select, "ts_rank(p.search, websearch_to_tsquery('english', $%d::text)) AS key", query);
    } else {
        pg_select_add(select, "%s AS key", filter->order->key);
    }
    add_newest(select, arena, filter, query);
    pg_select_add(select, " SELECT p.document, ");
    pg_order_column(select, &order, "f.id");
    pg_select_add(select, " FROM (SELECT f.id, f.key FROM found AS f WHERE ");
    pg_order_after(select, &order, "f.id", &filter->after);
    pg_order_by(select, &order, "f.id");
    pg_select_add(select, " LIMIT $%d::bigint) AS f JOIN products.products AS p ON p.id = f.id",
                  pg_select_value(select, rows));
    pg_order_by(select, &order, "f.id");
}

void products_list(struct pg_select *select, struct arena *arena, const struct products_filter *filter,
                   struct str rows) {
    pg_select_begin(select, "products_list");
    if (filter->q.data != NULL) {
        add_searched(select, arena, filter, rows);
    } else {
        pg_select_add(select, "SELECT p.document, ");
        pg_order_column(select, filter->order, "p.id");
        pg_select_add(select, " FROM products.products AS p");
        add_conditions(select, arena, filter, 0);
        pg_select_add(select, " AND ");
        pg_order_after(select, filter->order, "p.id", &filter->after);
        pg_order_by(select, filter->order, "p.id");
        pg_select_add(select, " LIMIT $%d::bigint", pg_select_value(select, rows));
    }
    pg_select_end(select, arena);
}

/* ---- facets ------------------------------------------------------------------------------------------------------ */

/* "name":[{"value":...,"count":...},...]. `values` is unnested in the select list: half of what it costs in FROM. */
static void add_facet(struct pg_select *select, const char *name, const char *values) {
    pg_select_add(select,
                  ", ',\"%s\":[', (SELECT string_agg(concat('{\"value\":', to_json(value), ',\"count\":', count, '}'),"
                  " ',' ORDER BY count DESC, value) FROM (SELECT value, count(*) AS count"
                  " FROM (SELECT %s AS value FROM found) AS each WHERE value IS NOT NULL"
                  " GROUP BY value ORDER BY count DESC, value LIMIT %d) AS counted), ']'",
                  name, values, PRODUCTS_FACET_VALUES);
}

void products_facets(struct pg_select *select, struct arena *arena, const struct products_filter *filter) {
    pg_select_begin(select, "products_facets");
    int query = filter->q.data == NULL ? 0 : pg_select_value(select, filter->q);
    pg_select_add(select, "WITH found AS MATERIALIZED (SELECT p.categories, p.tags, p.vendor");
    add_newest(select, arena, filter, query);
    pg_select_add(select, " SELECT concat('{\"counted\":', n.count, ',\"complete\":', to_json(n.count < %d)",
                  PRODUCTS_LOOKED_AT);
    add_facet(select, "category", "unnest(categories)");
    add_facet(select, "tag", "unnest(tags)");
    add_facet(select, "vendor", "vendor");
    pg_select_add(select, ", '}') FROM (SELECT count(*) FROM found) AS n");
    pg_select_end(select, arena);
}
