#include "projections/categories/query.h"

const struct pg_statement category_by_slug = {
    .name = "category_by_slug",
    .sql = "SELECT document, version FROM categories.categories WHERE slug = $1::text",
    .parameter_count = 1,
};

/* UNION, which comes to an end even if the rows had a circle, as where an event was skipped. */
const struct pg_statement categories_below = {
    .name = "categories_below",
    .sql = "WITH RECURSIVE below (slug) AS (SELECT $1::text UNION SELECT c.slug FROM below AS b"
           " JOIN categories.categories AS c ON c.parent = b.slug)"
           " SELECT array_agg(slug)::text, count(*) FROM below",
    .parameter_count = 1,
};
