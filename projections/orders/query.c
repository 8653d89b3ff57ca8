#include "projections/orders/query.h"

#include "projections/runtime/standing.h"

const struct pg_statement order_by_id = {
    .name = "order_by_id",
    .sql = "SELECT document, version FROM orders.orders WHERE id = $1::text",
    .parameter_count = 1,
};

const struct pg_statement order_history = {
    .name = "order_history",
    /* Not json_build_object, which writes spaces around its colons: a history is as compact as what it holds. */
    .sql = "SELECT concat('{\"stream\":', to_json(order_id), ',\"version\":', version, ',\"occurred_at\":\"',"
           " to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
           " '\",\"type\":', to_json(type), ',\"actor\":', to_json(actor), ',\"command_id\":', to_json(command_id),"
           " ',\"causation_id\":', to_json(causation_id),"
           " ',\"hash\":\"', translate(encode(hash, 'base64'), '+/=', '-_'), '\",\"event\":', event, '}') AS document,"
           " version, " HISTORY_TIME " FROM orders.order_history WHERE order_id = $1::text"
           " AND ($2::bigint IS NULL OR version <= $2)"
           " AND ($3::timestamptz IS NULL OR occurred_at <= $3)"
           " ORDER BY version",
    .parameter_count = 3,
};

const struct pg_statement order_began = {
    .name = "order_began",
    .sql = "SELECT " HISTORY_TIME " FROM orders.order_history WHERE order_id = $1::text AND version = 1",
    .parameter_count = 1,
};
