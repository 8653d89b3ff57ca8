/* load_kinds.h: what one item of each kind is: its requests one after the other, and what their answers mean.
 *
 *   products      POST /v1/products, then .../publish when the line says "publish": true
 *   stock         POST /v1/stock/{sku}/receipts
 *   baskets       POST /v1/carts with all lines, then POST /v1/carts/{id}/checkout with the cart's Daybook-Position;
 *                 when that is refused as cart_changed, up to two more checkouts
 *   carts         POST /v1/carts with all lines of a basket
 *   checkouts     POST /v1/carts/{id}/checkout of a cart that was made before, and again as for baskets
 *   cart-updates  POST /v1/carts once a slot, then PUT .../lines/{sku} again and again
 *   reads         GET of whatever a line names: an id, a path, or an earlier journal's entry
 *
 * Promise  a request of an item has the same Idempotency-Key whenever and by whichever process it is sent (salt, kind,
 *          reference and step decide it), so an item takes effect once however often it is repeated. What concerns a
 *          guest's cart, and the order that came of it, is sent with the token that opening the cart was answered with.
 * Memory   texts of a request live in the item's arena.
 * Thread   one at a time.        May use: base, http, jansson, libsodium.
 */
#pragma once

#include <jansson.h>

#include "cmd/load_options.h"
#include "core/base/arena.h"

/* One line of the file on its way, or one round of a slot that goes round. */
struct load_item {
    const struct load_options *options;
    struct arena arena;
    int64_t line_number;
    json_t *line; /* owned; NULL for a line of `reads` that is no JSON */
    struct str text;
    int step;
    /* Learned from the answers; all in the arena. */
    struct str id; /* of the product, cart or order */
    struct str cart;
    struct str token;    /* of a guest's cart */
    struct str position; /* Daybook-Position to send on */
    struct str order_status;
    json_t *total;   /* owned */
    json_t *skus;    /* owned; those that a problem names */
    struct str code; /* of the problem that ended it */
    int status;      /* of the last answer */
};

enum { LOAD_CART_MAX_BYTES = 63, LOAD_TOKEN_MAX_BYTES = 127 }; /* ids and tokens of carts are shorter */

/* What a slot keeps from item to item (cart-updates). */
struct load_slot_state {
    char cart[LOAD_CART_MAX_BYTES + 1];
    char token[LOAD_TOKEN_MAX_BYTES + 1];
    json_t *line; /* owned: whose SKUs are put into the cart */
    int64_t updates;
};

struct load_request {
    const char *step; /* its name in the report: "cart", "checkout" */
    const char *method;
    struct str path;
    struct str key;   /* Idempotency-Key; empty for none */
    struct str token; /* Daybook-Cart-Token; empty for none */
    struct str position;
    struct str body;      /* empty for none */
    bool answer_has_more; /* than its outcome, which others may ask for too: a cart's token */
};

enum load_verdict { LOAD_GOES_ON, LOAD_ITEM_DONE };

struct load_kind_rules {
    const char *item_name; /* in the report: "basket" */
    bool goes_round;       /* begins the file again at its end */
    bool reads_answers;    /* the body is parsed for `decided` */
    bool takes_entries;    /* a line may be an entry of a journal, whose "bearer" tells who sent it (load_bearers.h) */
    /* Whether the slot needs a line of the file for its next item. NULL: always. */
    bool (*needs_line)(const struct load_slot_state *slot);
    /* The request of item->step; false: the line is not what this kind takes. */
    bool (*next)(struct load_item *item, struct load_slot_state *slot, struct load_request *ret_request);
    /* A final answer to item->step; the item is done, or goes on with the next step. */
    enum load_verdict (*decided)(struct load_item *item, struct load_slot_state *slot, json_t *body);
};

const struct load_kind_rules *load_kind_rules(enum load_kind kind);

/* The item's outcome in a word: "confirmed", "created", "refused:out_of_stock"; in its arena. */
struct str load_item_outcome(struct load_item *item);

/* 32 hexadecimal digits after "load-". */
struct str load_key(struct arena *arena, const struct load_options *options, struct str reference, const char *step);
