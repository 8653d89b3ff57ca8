/* ids.h: the ids of streams, and how those of a purchase derive from each other.
 *
 * Purpose  the n-th check-out of cart_X makes ord_X.n, whose m-th payment is pay_X.n.m: a retry names the same stream
 *          again, all of them share the shard key X, and an id tells what it belongs to without a look-up.
 *            prod_<ulid>   cart_<ulid>   sku_<SKU>   ord_<ulid>.<n>   pay_<ulid>.<n>.<m>   cus_<ulid>
 *            key_<ulid>    cat_tree: the one tree of categories
 *            idn_<what an e-mail address is known by: a keyed hash of it, in the form of a ULID>
 * Memory   derived ids live in the arena; the parts of an id point into it.
 * Thread   pure; any.            May use: base.
 */
#pragma once

#include "core/base/arena.h"

/* cart_X and 2 give ord_X.2. */
struct str order_id(struct arena *arena, struct str cart, int32_t attempt);

/* ord_X.2 and 1 give pay_X.2.1. */
struct str payment_id(struct arena *arena, struct str order, int32_t number);

/* The stream of a SKU, and the SKU of a stream. */
struct str sku_stream(struct arena *arena, struct str sku);
struct str sku_of_stream(struct str stream);

/* Whether the id has exactly the form of one of the kinds above: ULIDs in canonical upper case, numbers from 1 on. */
bool stream_id_is_valid(struct str stream);
