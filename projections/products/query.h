/* query.h: the statements that read the catalogue: products and their variants.
 *
 * Result   by-id statements: columns document, version, and where not everybody may see it the owner, as
 *          core/gateway/access.h has it: '' for everybody, 'guest', 'cus_..' or 'vendor:<name>', without a name
 *          nobody's; no row when there is none. Lists: columns document, cursor, one row an item; ask for one row more
 *          than the page and, when it comes, hand out the cursor of the page's last item. The list of products is in
 *          list.h.
 * Thread   constants.            May use: pg.
 */
#pragma once

#include "core/pg/pool.h"

/* $1 id: with owner: of one that is not published its vendor. */
extern const struct pg_statement product_by_id;

/* How it stood, as projections/runtime/standing.h has it. $1 stream, $2 version or time; product_began: $1 stream,
 * and then the owner. */
extern const struct pg_statement product_at_version, product_at_time, product_began;

/* $1 SKU: the variant with its product, status (on_sale, not_on_sale) and what is available; owner: of one that is
 * not on sale its vendor. */
extern const struct pg_statement variant_by_sku;

/* $1 barcode: the same, of those that have it. $2 a vendor whose own comes first, or NULL: others may have the same
 * one, and he would be shown theirs, or nothing. Then what is on sale. */
extern const struct pg_statement variant_by_barcode;

/* Facts for a command that prices SKUs: columns sku, product, title, price_minor, currency; a row for each SKU that is
 * on sale. $1 text[] of SKUs */
extern const struct pg_statement price_facts;

/* $1 SKU: the vendor of its product, which may be NULL; no row when no product has it. */
extern const struct pg_statement vendor_of_sku;
