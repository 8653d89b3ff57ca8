#include "projections/carts/query.h"

const struct pg_statement cart_by_id = {
    .name = "cart_by_id",
    .sql = "SELECT document, version, coalesce(customer, 'guest') FROM carts.carts WHERE id = $1::text",
    .parameter_count = 1,
};

const struct pg_statement carts_of_customer = {
    .name = "carts_of_customer",
    .sql = "SELECT document, id AS cursor FROM carts.carts WHERE customer = $1::text AND id > coalesce($3::text, '')"
           " ORDER BY id LIMIT $2::bigint",
    .parameter_count = 3,
};

const struct pg_statement cart_price_facts = {
    .name = "cart_price_facts",
    .sql = "SELECT line.sku, v.product, v.title, v.price_minor, v.currency, c.version FROM carts.carts AS c"
           " LEFT JOIN LATERAL unnest(c.skus) AS line (sku) ON true"
           " LEFT JOIN LATERAL (SELECT product, title, price_minor, currency FROM products.variants"
           " WHERE variants.sku = line.sku AND on_sale ORDER BY product LIMIT 1) AS v ON true"
           " WHERE c.id = $1::text",
    .parameter_count = 1,
};
