#include "projections/stock/query.h"

#include "projections/runtime/standing.h"

const struct pg_statement stock_by_sku = {
    .name = "stock_by_sku",
    .sql = "SELECT document, version FROM stock.stock WHERE sku = $1::text",
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

/* A cursor is version.location; one of another form is NULL, before which there are no rows. */
const struct pg_statement stock_movements = {
    .name = "stock_movements",
    .sql = "SELECT json_strip_nulls(json_build_object('sku', sku, 'version', version, 'location', location,"
           " 'occurred_at', to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
           " 'type', type, 'on_hand_delta', on_hand_delta, 'reserved_delta', reserved_delta, 'owner', owner,"
           " 'reference', reference, 'reason', reason, 'actor', actor, 'command_id', command_id,"
           " 'causation_id', causation_id, 'event_id', event_id)) AS document,"
           " version || '.' || location AS cursor"
           " FROM stock.movements WHERE sku = $1::text"
           " AND ($3::text IS NULL OR (version, location) <"
           " (substring($3 from '^([0-9]{1,18})\\.')::bigint, substring($3 from '^[0-9]{1,18}\\.(.*)$')))"
           " ORDER BY version DESC, location DESC LIMIT $2::bigint",
    .parameter_count = 3,
};
