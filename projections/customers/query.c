#include "projections/customers/query.h"

#include "gen/codec.h"
#include "projections/runtime/row_read.h"
#include "projections/runtime/standing.h"

const struct pg_statement customer_by_id = {
    .name = "customer_by_id",
    .sql = "SELECT " CUSTOMER_ROW " FROM " CUSTOMER_TABLES " WHERE c.id = $1::text",
    .parameter_count = 1,
};

/* Read backwards in the index customers_identity. */
const struct pg_statement customer_by_identity = {
    .name = "customer_by_identity",
    .sql = "SELECT " CUSTOMER_ROW " FROM " CUSTOMER_TABLES " WHERE c.identity = $1::text"
           " ORDER BY (c.status IN ('active', 'suspended')) DESC, c.created_at DESC, c.id DESC LIMIT 1",
    .parameter_count = 1,
};

bool customer_row_read(struct arena *arena, const PGresult *rows, int row, struct customer_row *ret_customer) {
    struct customer_row customer = {.id = pg_value(rows, row, CUSTOMER_COLUMN_ID)};
    int64_t schema_id;
    struct str avro;
    const char *why;
    if (!row_int64(rows, row, CUSTOMER_COLUMN_VERSION, &customer.version) ||
        !row_int64(rows, row, CUSTOMER_COLUMN_SCHEMA, &schema_id) || schema_id < 0 || schema_id > UINT32_MAX ||
        !row_bytes(arena, rows, row, CUSTOMER_COLUMN_STATE, &avro) ||
        !customer_state_decode_as(arena, (uint32_t)schema_id, avro, &customer.state, &why)) {
        return false;
    }
    *ret_customer = customer;
    return true;
}

/* As compact as what it holds: json_build_object would write spaces. */
#define HISTORY(actor)                                                                                                 \
    "SELECT concat('{\"stream\":', to_json(customer), ',\"version\":', version, ',\"occurred_at\":\"',"                \
    " " HISTORY_TIME ", '\",\"type\":', to_json(type), ',\"actor\":', to_json(" actor "), ',\"command_id\":',"         \
    " to_json(command_id), ',\"causation_id\":', to_json(causation_id), ',\"hash\":\"',"                               \
    " translate(encode(hash, 'base64'), '+/=', '-_'), '\",\"event\":', event, '}') AS document,"                       \
    " version AS cursor FROM customers.customer_history WHERE customer = $1::text"                                     \
    " AND version > coalesce($3::bigint, 0) ORDER BY version LIMIT $2::bigint"

const struct pg_statement customer_history = {
    .name = "customer_history",
    .sql = HISTORY("actor"),
    .parameter_count = 3,
};

const struct pg_statement customer_history_of_his = {
    .name = "customer_history_of_his",
    .sql = HISTORY("CASE WHEN split_part(actor, ':', 2) = customer THEN actor ELSE split_part(actor, ':', 1) END"),
    .parameter_count = 3,
};
