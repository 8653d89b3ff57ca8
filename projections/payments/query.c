#include "projections/payments/query.h"

const struct pg_statement payment_by_id = {
    .name = "payment_by_id",
    .sql = "SELECT document, version FROM payments.payments WHERE id = $1::text",
    .parameter_count = 1,
};
