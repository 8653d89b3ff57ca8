/* query.h: the statements that read stock. Results and cursors as in projections/products/query.h.
 * Vendor   whose goods a SKU is, the catalogue says: statements that tell it, or are asked for a vendor, read the view
 *          `products` as well.
 * Thread   constants.            May use: pg.
 */
#pragma once

#include "core/pg/pool.h"

/* $1 SKU: document, version, owner: everybody's when it is on sale, else the vendor's whose product has it. */
extern const struct pg_statement stock_by_sku;
/* The same, and of what is on sale too the owner is the vendor. */
extern const struct pg_statement stock_with_vendor;

/* How it stood, as projections/runtime/standing.h has it. $1 stream, $2 version or time; stock_began: $1 stream. */
extern const struct pg_statement stock_at_version, stock_at_time, stock_began;
/* The same for a vendor, $3; of stock_of_vendor_began $2: since the product has the SKU that is his. Before, and when
 * it is not his, there was nothing. */
extern const struct pg_statement stock_of_vendor_at_version, stock_of_vendor_at_time, stock_of_vendor_began;

/* The ledger of one SKU, newest first: every change of on_hand or reserved, one item a location.
 * $1 SKU, $2 rows at most, $3 cursor */
extern const struct pg_statement stock_movements;
/* The same for a vendor, $4: since the product has the SKU that is his, and without who bought or counted: no owner,
 * actor, command or cause. */
extern const struct pg_statement stock_movements_of_vendor;
