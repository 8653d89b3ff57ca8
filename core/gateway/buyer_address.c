#include "core/gateway/buyer_address.h"

#include "core/base/logger.h"
#include "projections/customers/query.h"

/* False: there is no such customer, or what stands there cannot be read, which *ret_why says. */
static bool read_customer(struct buyer_address *address, const PGresult *rows, const struct err_info *error,
                          struct customer_row *ret_customer, const char **ret_why) {
    if (error != NULL) {
        *ret_why = error->text;
        return false;
    }
    if (PQntuples(rows) == 0) {
        return false;
    }
    bool is_read = customer_row_read(address->arena, rows, 0, ret_customer);
    *ret_why = is_read ? NULL : "the row is not one of this release";
    return is_read;
}

static void on_rows(void *context, const PGresult *rows, const struct err_info *error) {
    struct buyer_address *address = context;
    struct customer_row customer;
    const char *why = NULL;
    if (read_customer(address, rows, error, &customer, &why)) {
        bool has_address = customer.state.status == CUSTOMER_STATUS_ACTIVE && customer.state.has_email;
        address->ask->has_email |= has_address;
        address->ask->email = has_address ? customer.state.email : address->ask->email;
    } else if (why != NULL) {
        log_line(LOG_WARN, "gateway", "an order goes without the customer's address, which could not be read",
                 LOG_CSTR("error", why));
    }
    address->on_done(address->context);
}

void buyer_address_attach(struct buyer_address *address, struct pg_pool *pg, struct str customer) {
    pg_pool_query(pg, &customer_by_id, &customer, on_rows, address);
}
