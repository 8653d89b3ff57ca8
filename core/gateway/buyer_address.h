/* buyer_address.h: where the confirmation goes of what a customer buys who names no address: to his own.
 *
 * Promise  what is attached are the bytes that the view has of it: sealed with his own key, which ends with him;
 *          nothing is opened here. A check-out is never refused for want of it: without the database, or of one whose
 *          registration the view does not have yet, the order has no address, and its confirmation is sent to nobody.
 * Cost     one read by a primary key, of customers' check-outs without an address alone.
 * Thread   the loop's.          May use: pg, projections' contracts.
 */
#pragma once

#include "core/base/arena.h"
#include "core/pg/pool.h"
#include "gen/commands.h"

struct buyer_address {
    struct arena *arena; /* where the address is put */
    struct check_out_cart *ask;
    void (*on_done)(void *context); /* once, with the address or without */
    void *context;
};

/* Of the customer whose check-out it is. */
void buyer_address_attach(struct buyer_address *address, struct pg_pool *pg, struct str customer);
