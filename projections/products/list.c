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

/* ---- the words -------------------------------------------------------------------------------------------------- */

/* What is looked for, as expressions that PostgreSQL computes once, while it plans. Both empty: there is no `q`. */
struct words {
    struct str exact; /* with the typed word as it is */
    struct str all;   /* with what it begins as well; the same where it begins nothing */
};

static struct words make_words(struct pg_select *select, struct arena *arena, const struct products_filter *filter) {
    const struct products_meaning *meaning = &filter->meaning;
    if (filter->q.text.data == NULL) {
        return (struct words){0};
    }
    const struct str *begun = &meaning->begun;
    if (begun->data != NULL && meaning->typed.data == NULL) { /* of a stop word alone, which is nothing to look for */
        struct str all = arena_printf(arena, "$%d::tsquery", pg_select_value(select, *begun));
        return (struct words){.exact = all, .all = all};
    }
    struct str exact =
        arena_printf(arena, "websearch_to_tsquery('english', $%d::text)", pg_select_value(select, meaning->text));
    struct words words = {.exact = exact, .all = exact};
    if (begun->data != NULL) {
        int typed = pg_select_value(select, meaning->typed);
        words.all = arena_printf(arena, "ts_rewrite(%.*s, $%d::tsquery, $%d::tsquery)", STR_ARGS(exact), typed,
                                 pg_select_value(select, *begun));
    }
    return words;
}

/* Of a product, as good as its words are. ts_rank is 1 at the most. */
static void add_rank(struct pg_select *select, const struct words *words) {
    if (str_equal(words->exact, words->all)) {
        pg_select_add(select, "ts_rank(p.search, %.*s)", STR_ARGS(words->exact));
    } else {
        pg_select_add(select,
                      "(CASE WHEN p.search @@ %.*s THEN 1 + ts_rank(p.search, %.*s) ELSE ts_rank(p.search, %.*s) END)"
                      "::real",
                      STR_ARGS(words->exact), STR_ARGS(words->exact), STR_ARGS(words->all));
    }
}

/* ---- what is found ---------------------------------------------------------------------------------------------- */

/* Of the table as p. */
static void add_conditions(struct pg_select *select, struct arena *arena, const struct products_filter *filter,
                           const struct words *words) {
    pg_select_add(select, " WHERE p.status = 'published'");
    if (!str_is_empty(words->all)) {
        pg_select_add(select, " AND p.search @@ %.*s", STR_ARGS(words->all));
    }
    if (filter->below.data != NULL) {
        pg_select_where(select, filter->below, "p.categories && $::text[]");
    } else {
        pg_select_where(select, filter->category, "p.categories @> ARRAY[$::text]");
    }
    pg_select_where(select, filter->tag, "p.tags @> ARRAY[$::text]");
    pg_select_where(select, filter->vendor, "p.vendor = $::text");
    add_variants(select, arena, filter);
}

/* The newest matches. Materialized, so that finding them is planned for all that there are: for a page alone,
 * PostgreSQL may walk an order's index and test each row for the words, which a rare word makes a walk through the
 * whole catalogue. */
static void add_found(struct pg_select *select, struct arena *arena, const struct products_filter *filter,
                      const struct words *words, bool has_facets) {
    pg_select_add(select, "WITH found AS MATERIALIZED (SELECT p.id");
    if (!str_is_empty(words->all)) {
        pg_select_add(select, ", ");
        if (products_order_is_relevance(filter->order)) {
            add_rank(select, words);
        } else {
            pg_select_add(select, "%s", filter->order->key);
        }
        pg_select_add(select, " AS key");
    }
    pg_select_add(select, "%s FROM products.products AS p", has_facets ? ", p.categories, p.tags, p.vendor" : "");
    add_conditions(select, arena, filter, words);
    pg_select_add(select, " ORDER BY p.created_at DESC, p.id DESC LIMIT %d) ", PRODUCTS_LOOKED_AT);
}

/* ---- the page --------------------------------------------------------------------------------------------------- */

/* The rows of a page in their places, each with how much stands before it. */
static void add_row(struct pg_select *select, const struct pg_order *order, const char *id) {
    pg_select_add(select, "SELECT p.id, p.document, p.document_bytes, ");
    pg_order_column(select, order, id);
    pg_select_add(select, ", row_number() OVER w AS place, sum(p.document_bytes) OVER w AS bytes");
}

static void add_window(struct pg_select *select, const struct pg_order *order, const char *id) {
    pg_select_add(select, " WINDOW w AS (");
    pg_order_by(select, order, id);
    pg_select_add(select, " ROWS UNBOUNDED PRECEDING)");
}

/* Of what was found; the products are looked up for these rows alone. */
static void add_searched(struct pg_select *select, const struct products_filter *filter, struct str rows) {
    struct pg_order order = *filter->order;
    order.key = "f.key";
    add_row(select, &order, "f.id");
    pg_select_add(select, " FROM (SELECT f.id, f.key FROM found AS f WHERE ");
    pg_order_after(select, &order, "f.id", &filter->after);
    pg_order_by(select, &order, "f.id");
    pg_select_add(select, " LIMIT $%d::bigint) AS f JOIN products.products AS p ON p.id = f.id",
                  pg_select_value(select, rows));
    add_window(select, &order, "f.id");
}

static void add_listed(struct pg_select *select, struct arena *arena, const struct products_filter *filter,
                       struct str rows) {
    add_row(select, filter->order, "p.id");
    pg_select_add(select, " FROM (SELECT * FROM products.products AS p");
    add_conditions(select, arena, filter, &(struct words){0});
    pg_select_add(select, " AND ");
    pg_order_after(select, filter->order, "p.id", &filter->after);
    pg_order_by(select, filter->order, "p.id");
    pg_select_add(select, " LIMIT $%d::bigint) AS p", pg_select_value(select, rows));
    add_window(select, filter->order, "p.id");
}

/* "name":[{"value":...,"count":...},...], of the rows (value, count) of a SELECT that `counted` begins, which finds its
 * tables by `with`. */
static void add_counted(struct pg_select *select, const char *name, const char *with, const char *counted) {
    pg_select_add(
        select,
        ", ',\"%s\":[', (%sSELECT string_agg(concat('{\"value\":', to_json(value), ',\"count\":', count, '}'),"
        " ',' ORDER BY count DESC, value) FROM (%s GROUP BY value ORDER BY count DESC, value LIMIT %d)"
        " AS counted), ']'",
        name, with, counted, PRODUCTS_FACET_VALUES);
}

/* Products name few sets of categories: each set is counted, and goes once to each category above one of its own. */
static void add_category_facet(struct pg_select *select) {
    add_counted(select, "category",
                "WITH RECURSIVE sets AS MATERIALIZED (SELECT row_number() OVER () AS number, categories,"
                " count(*) AS products FROM found GROUP BY categories), above (number, products, value) AS"
                " (SELECT number, products, unnest(categories) FROM sets UNION SELECT a.number, a.products, c.parent"
                " FROM above AS a JOIN categories.categories AS c ON c.slug = a.value WHERE c.parent IS NOT NULL) ",
                "SELECT value, sum(products)::bigint AS count FROM above");
}

static void add_facets(struct pg_select *select) {
    pg_select_add(select,
                  "CASE WHEN coalesce(r.place, 1) = 1 THEN (SELECT concat('{\"counted\":', n.count, ',\"complete\":',"
                  " to_json(n.count < %d)",
                  PRODUCTS_LOOKED_AT);
    add_category_facet(select);
    /* Unnested in the select list: half of what it costs in FROM. */
    add_counted(select, "tag", "",
                "SELECT value, count(*) AS count FROM (SELECT unnest(tags) AS value FROM found) AS each");
    add_counted(select, "vendor", "", "SELECT vendor AS value, count(*) AS count FROM found WHERE vendor IS NOT NULL");
    pg_select_add(select, ", '}') FROM (SELECT count(*) FROM found) AS n) END AS facets");
}

void products_list(struct pg_select *select, struct arena *arena, const struct products_filter *filter, struct str rows,
                   bool has_facets) {
    pg_select_begin(select, "products_list");
    struct words words = make_words(select, arena, filter);
    bool is_searched = !str_is_empty(words.all);
    if (is_searched || has_facets) {
        add_found(select, arena, filter, &words, has_facets);
    }
    pg_select_add(select,
                  "SELECT CASE WHEN r.bytes - r.document_bytes < %d THEN r.document END AS document, r.cursor, ",
                  PRODUCTS_PAGE_FULL_BYTES);
    if (has_facets) {
        add_facets(select);
    } else {
        pg_select_add(select, "NULL AS facets");
    }
    pg_select_add(select, " FROM (SELECT) AS one LEFT JOIN (");
    if (is_searched) {
        add_searched(select, filter, rows);
    } else {
        add_listed(select, arena, filter, rows);
    }
    pg_select_add(select, ") AS r ON true ORDER BY r.place");
    pg_select_end(select, arena);
}
