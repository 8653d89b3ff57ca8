#include "projections/stock/query.h"

#include "projections/runtime/standing.h"

/* The variant that is a row `s` of stock, and its product. While a SKU passes from one product to another both may be
 * there for a moment: the one on sale counts. */
#define ITS_VARIANT                                                                                                    \
    "FROM products.variants AS v LEFT JOIN products.products AS p ON p.id = v.product WHERE v.sku = s.sku"             \
    " ORDER BY v.on_sale DESC, v.product LIMIT 1"

const struct pg_statement stock_by_sku = {
    .name = "stock_by_sku",
    .sql = "SELECT s.document, s.version, coalesce((SELECT CASE WHEN v.on_sale THEN '' ELSE concat('vendor:', p.vendor)"
           " END " ITS_VARIANT "), 'vendor:') FROM stock.stock AS s WHERE s.sku = $1::text",
    .parameter_count = 1,
};

const struct pg_statement stock_with_vendor = {
    .name = "stock_with_vendor",
    .sql = "SELECT s.document, s.version, coalesce((SELECT concat('vendor:', p.vendor) " ITS_VARIANT "), 'vendor:')"
           " FROM stock.stock AS s WHERE s.sku = $1::text",
    .parameter_count = 1,
};

const struct pg_statement stock_at_version = {
    .name = "stock_at_version",
    .sql = STANDING_AT_VERSION("stock.history"),
    .parameter_count = 2,
};

const struct pg_statement stock_at_time = {
    .name = "stock_at_time",
    .sql = STANDING_AT_TIME("stock.history"),
    .parameter_count = 2,
};

const struct pg_statement stock_began = {
    .name = "stock_began",
    .sql = STANDING_BEGAN("stock.history"),
    .parameter_count = 1,
};

/* From which version on the SKU is the product's that has it, where that is the vendor's; else NULL. Both views must
 * name the same product: one of them may not have heard yet that the SKU has passed on. */
#define HELD_SINCE(sku, vendor)                                                                                        \
    "(SELECT s.held_since FROM stock.stock AS s JOIN products.variants AS v ON v.sku = s.sku AND v.product = "         \
    "s.product"                                                                                                        \
    " JOIN products.products AS p ON p.id = v.product WHERE s.sku = " sku " AND p.vendor = " vendor "::text)"
/* Behind sku_ */
#define SKU_OF_STREAM "substr($1::text, 5)"

const struct pg_statement stock_of_vendor_at_version = {
    .name = "stock_of_vendor_at_version",
    .sql = STANDING_AT_VERSION_IF("stock.history", " AND version >= " HELD_SINCE(SKU_OF_STREAM, "$3")),
    .parameter_count = 3,
};

const struct pg_statement stock_of_vendor_at_time = {
    .name = "stock_of_vendor_at_time",
    .sql = STANDING_AT_TIME_IF("stock.history", " AND version >= " HELD_SINCE(SKU_OF_STREAM, "$3")),
    .parameter_count = 3,
};

const struct pg_statement stock_of_vendor_began = {
    .name = "stock_of_vendor_began",
    .sql = "SELECT " HISTORY_TIME
           " FROM stock.history WHERE stream = $1::text AND version = " HELD_SINCE(SKU_OF_STREAM, "$2"),
    .parameter_count = 2,
};

#define MOVEMENT(members)                                                                                              \
    "SELECT json_strip_nulls(json_build_object('sku', m.sku, 'version', m.version, 'location', m.location,"            \
    " 'occurred_at', to_char(m.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"                  \
    " 'type', m.type, 'on_hand_delta', m.on_hand_delta, 'reserved_delta', m.reserved_delta," members                   \
    " 'event_id', m.event_id)) AS document, m.version || '.' || m.location AS cursor"                                  \
    " FROM stock.movements AS m WHERE m.sku = $1::text"
/* A cursor is version.location; one of another form is NULL, before which there are no rows. */
#define MOVEMENTS_PAGE                                                                                                 \
    " AND ($3::text IS NULL OR (m.version, m.location) <"                                                              \
    " (substring($3 from '^([0-9]{1,18})\\.')::bigint, substring($3 from '^[0-9]{1,18}\\.(.*)$')))"                    \
    " ORDER BY m.version DESC, m.location DESC LIMIT $2::bigint"

const struct pg_statement stock_movements = {
    .name = "stock_movements",
    .sql = MOVEMENT(" 'owner', m.owner, 'reference', m.reference, 'reason', m.reason, 'actor', m.actor,"
                    " 'command_id', m.command_id, 'causation_id', m.causation_id,") MOVEMENTS_PAGE,
    .parameter_count = 3,
};

const struct pg_statement stock_movements_of_vendor = {
    .name = "stock_movements_of_vendor",
    .sql = MOVEMENT(" 'reference', m.reference, 'reason', m.reason,") " AND m.version >= " HELD_SINCE("$1::text", "$4")
        MOVEMENTS_PAGE,
    .parameter_count = 4,
};
