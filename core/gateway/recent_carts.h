/* recent_carts.h: which SKUs were last seen in which cart: a hint that spares a checkout the wait for the carts
 * view.
 *
 * Purpose  whoever fills a cart checks it out a moment later, before the view has seen it; the answers that this
 *          front gave meanwhile say what is in it. A hint may be stale: decide compares the facts with the cart
 *          itself, and names what is missing.
 * Bounds   RECENT_CARTS carts of at most RECENT_CART_LINES lines; a newer cart takes the place of an older one.
 * Thread   any; it has a lock.          May use: base.
 */
#pragma once

#include <pthread.h>

#include "core/base/arena.h"
#include "gen/common.h"

enum { RECENT_CARTS = 8192, RECENT_CART_LINES = 200 };

struct recent_cart;

struct recent_carts {
    pthread_mutex_t lock;
    struct recent_cart **places; /* guarded by lock */
};

void recent_carts_init(struct recent_carts *carts);
void recent_carts_release(struct recent_carts *carts);

void recent_carts_note(struct recent_carts *carts, struct str cart, const struct cart_line_array *lines);
/* False when the cart is not known. The texts are copied into the arena. */
bool recent_carts_skus(struct recent_carts *carts, struct arena *arena, struct str cart, struct str_array *ret_skus);
