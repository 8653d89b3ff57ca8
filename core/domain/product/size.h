/* size.h: how much text a product holds, so that a page of products is bounded.
 *
 * Purpose  each text of a product has a bound of its own, but together they would allow 2 MB; a list shows up to 200
 *          products, and each query reads them whole.
 * Promise  a change that would leave a product with more than PRODUCT_MAX_BYTES is refused, unless it makes it smaller.
 * Thread   pure; any.            May use: generated structs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gen/state.h"

enum { PRODUCT_MAX_BYTES = 128 * 1024 };

/* All texts, as UTF-8, and something for each member; about what the document takes. */
size_t product_details_bytes(const struct product_details *details);
size_t variant_bytes(const struct variant *variant);
size_t variants_bytes(const struct variant_array *variants);
/* Those asked for included. */
size_t product_bytes(const struct product_state *state);

/* Whether a product of `before` bytes that now has `removed` less and `added` more has grown too large. */
bool product_outgrows(size_t before, size_t removed, size_t added);
