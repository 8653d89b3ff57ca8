#include "projections/orders/query.h"

#include "projections/orders/of_vendor.h"
#include "projections/runtime/standing.h"

#define ORDER_OWNER(order) "coalesce(" order ".customer, 'guest')"
/* Of the order $1, beside its events: nobody's who could ask when there is no row to say it. */
#define OWNER_OF_ORDER                                                                                                 \
    "coalesce((SELECT " ORDER_OWNER("o") " FROM orders.orders AS o WHERE o.id = $1::text), 'vendor:')"

const struct pg_statement order_by_id = {
    .name = "order_by_id",
    .sql = "SELECT document, version, " ORDER_OWNER("o") " FROM orders.orders AS o WHERE id = $1::text",
    .parameter_count = 1,
};

const struct pg_statement order_of_vendor = {
    .name = "order_of_vendor",
    .sql = "SELECT " ORDER_OF_VENDOR(
        "$2") " AS document, o.version FROM orders.orders AS o WHERE o.id = $1::text AND EXISTS"
              " (SELECT" ORDER_LINES_OF_VENDOR("$2") ")",
    .parameter_count = 2,
};

const struct pg_statement orders_of_customer = {
    .name = "orders_of_customer",
    .sql = "SELECT document, id AS cursor FROM orders.orders WHERE customer = $1::text AND id > coalesce($3::text, '')"
           " ORDER BY id LIMIT $2::bigint",
    .parameter_count = 3,
};

const struct pg_statement order_history = {
    .name = "order_history",
    /* Not json_build_object, which writes spaces around its colons: a history is as compact as what it holds. */
    .sql = "SELECT concat('{\"stream\":', to_json(order_id), ',\"version\":', version, ',\"occurred_at\":\"',"
           " to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
           " '\",\"type\":', to_json(type), ',\"actor\":', to_json(CASE WHEN $4::boolean THEN actor ELSE"
           " split_part(actor, ':', 1) END), ',\"command_id\":', to_json(command_id),"
           " ',\"causation_id\":', to_json(causation_id),"
           " ',\"hash\":\"', translate(encode(hash, 'base64'), '+/=', '-_'), '\",\"event\":',"
           /* The first of that name is its meta's: in texts quotes stand behind a backslash. */
           " CASE WHEN $4::boolean THEN event::text ELSE regexp_replace(event::text,"
           " '\"actor\":\"([^\":]*):[^\"]*\"', '\"actor\":\"\\1\"') END, '}') AS document,"
           " version, " HISTORY_TIME ", " OWNER_OF_ORDER " FROM orders.order_history WHERE order_id = $1::text"
           " AND ($2::bigint IS NULL OR version <= $2) AND ($3::timestamptz IS NULL OR occurred_at <= $3)"
           " ORDER BY version",
    .parameter_count = 4,
};

const struct pg_statement order_began = {
    .name = "order_began",
    .sql = "SELECT " HISTORY_TIME ", " OWNER_OF_ORDER " FROM orders.order_history WHERE order_id = $1::text"
           " AND version = 1",
    .parameter_count = 1,
};
