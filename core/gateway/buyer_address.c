#include "core/gateway/buyer_address.h"

#include "core/base/logger.h"
#include "projections/customers/query.h"

static void on_rows(void *context, const PGresult *rows, const struct err_info *error) {
    struct buyer_address *address = context;
    struct customer_row customer;
    bool is_unreadable = error == NULL && PQntuples(rows) > 0 && !customer_row_read(address->arena, rows, 0, &customer);
    if (error != NULL || is_unreadable) {
        log_line(LOG_WARN, "gateway", "an order goes without the customer's address, which could not be read",
                 LOG_CSTR("error", error != NULL ? error->text : "the row is not one of this release"));
    } else if (PQntuples(rows) > 0 && customer.state.status == CUSTOMER_STATUS_ACTIVE && customer.state.has_email) {
        address->ask->has_email = true;
        address->ask->email = customer.state.email;
    }
    address->on_done(address->context);
}

void buyer_address_attach(struct buyer_address *address, struct pg_pool *pg, struct str customer) {
    pg_pool_query(pg, &customer_by_id, &customer, on_rows, address);
}
