#include "projections/products/query.h"

#include "projections/runtime/standing.h"

/* Of a row `p` of products: everybody's when it is `shown`, else its vendor's. */
#define PRODUCT_OWNER(shown) "CASE WHEN " shown " THEN '' ELSE concat('vendor:', p.vendor) END"

const struct pg_statement product_by_id = {
    .name = "product_by_id",
    .sql = "SELECT document, version, " PRODUCT_OWNER(
        "p.status = 'published'") " FROM products.products AS p WHERE id = $1::text",
    .parameter_count = 1,
};

const struct pg_statement product_at_version = {
    .name = "product_at_version",
    .sql = STANDING_AT_VERSION("products.history"),
    .parameter_count = 2,
};

const struct pg_statement product_at_time = {
    .name = "product_at_time",
    .sql = STANDING_AT_TIME("products.history"),
    .parameter_count = 2,
};

const struct pg_statement product_began = {
    .name = "product_began",
    .sql =
        "SELECT " HISTORY_TIME
        ", coalesce((SELECT " PRODUCT_OWNER("false") " FROM products.products AS p WHERE p.id = $1::text), 'vendor:')"
                                                     " FROM products.history WHERE stream = $1::text AND version = 1",
    .parameter_count = 1,
};

/* While a SKU passes from one product to another both rows may be there for a moment: the one on sale counts. */
#define VARIANT_DOCUMENT                                                                                               \
    "SELECT json_strip_nulls(json_build_object('sku', v.sku, 'product', v.product, 'title', v.title,"                  \
    " 'barcode', v.barcode, 'status', CASE WHEN v.on_sale THEN 'on_sale' ELSE 'not_on_sale' END,"                      \
    " 'price', json_build_object('amount', v.price_minor, 'currency', v.currency), 'attributes', v.attributes,"        \
    " 'available', coalesce(s.available, 0), 'version', v.version)) AS document, v.version, " PRODUCT_OWNER(           \
        "v.on_sale") " FROM products.variants AS v LEFT JOIN products.products AS p ON p.id = v.product LEFT JOIN "    \
                     "stock.stock AS s ON s.sku = v.sku"

const struct pg_statement variant_by_sku = {
    .name = "variant_by_sku",
    .sql = VARIANT_DOCUMENT " WHERE v.sku = $1::text ORDER BY v.on_sale DESC, v.product LIMIT 1",
    .parameter_count = 1,
};

const struct pg_statement variant_by_barcode = {
    .name = "variant_by_barcode",
    .sql = VARIANT_DOCUMENT " WHERE v.barcode = $1::text ORDER BY coalesce(p.vendor = $2::text, false) DESC,"
                            " v.on_sale DESC, v.sku, v.product LIMIT 1",
    .parameter_count = 2,
};

const struct pg_statement vendor_of_sku = {
    .name = "vendor_of_sku",
    .sql = "SELECT p.vendor FROM products.variants AS v JOIN products.products AS p ON p.id = v.product"
           " WHERE v.sku = $1::text ORDER BY v.on_sale DESC, v.product LIMIT 1",
    .parameter_count = 1,
};

const struct pg_statement price_facts = {
    .name = "price_facts",
    .sql = "SELECT DISTINCT ON (sku) sku, product, title, price_minor, currency FROM products.variants"
           " WHERE on_sale AND sku = ANY ($1::text[]) ORDER BY sku, product",
    .parameter_count = 1,
};
