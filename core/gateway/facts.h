/* facts.h: what the catalogue says of SKUs, attached to commands that price them.
 *
 * Purpose  decide knows no database: the gateway brings price, title and product of each SKU that is on sale, as
 *          the catalogue view has them; a missing one is for decide to refuse.
 * Cache    facts are remembered until the catalogue view tells of a commit, and FACTS_KEPT_S at most; whoever must
 *          see his own change of the catalogue asks for fresh ones. That a SKU is not on sale is never remembered.
 * Vendors  whose goods a SKU is, is the catalogue's as well; a SKU's own stream does not know. Asked for vendors alone.
 * Bounds   FACTS_CACHE_PLACES remembered facts a loop, one for each hash: a newer one takes the place; and
 *          FACTS_VENDOR_PLACES vendors.
 * Thread   the loop's.          May use: pg, projections' statements.
 */
#pragma once

#include "core/base/arena.h"
#include "core/pg/pool.h"
#include "gen/commands.h"

enum { FACTS_SKUS_MAX = 500, FACTS_CACHE_PLACES = 32768, FACTS_VENDOR_PLACES = 4096, FACTS_KEPT_S = 30 };

struct cached_fact;
struct cached_vendor;

struct facts_cache {
    struct cached_fact **places;
    struct cached_vendor **vendors;
    uint64_t generation; /* of the catalogue view, as far as we were told */
};

void facts_cache_init(struct facts_cache *cache);
void facts_cache_release(struct facts_cache *cache);
/* The catalogue view moved, or may have moved unseen. */
void facts_cache_expire(struct facts_cache *cache);

/* `facts` is NULL when the database could not be asked; it lives in the arena. */
typedef void facts_cb(void *context, const struct price_fact_array *facts);

struct facts_request {
    struct facts_cache *cache;
    struct pg_pool *pg;
    struct arena *arena;
    facts_cb *on_facts;
    void *context;
    /* The request's own: */
    struct price_fact_array found;
    uint64_t generation;
};

/* Of the SKUs, at most FACTS_SKUS_MAX. `request` must live until on_facts, which may be called before this returns. */
void facts_of_skus(struct facts_request *request, const struct str *skus, size_t count, bool are_fresh);
/* Of what is in the cart, as the carts view has it. */
void facts_of_cart(struct facts_request *request, struct str cart);

/* `vendor` is empty when the SKU is no vendor's, or no product has it; false: the database could not be asked. */
typedef void vendor_cb(void *context, bool is_known, struct str vendor);

struct vendor_request {
    struct facts_cache *cache;
    struct pg_pool *pg;
    vendor_cb *on_vendor;
    void *context;
    /* The request's own: */
    struct str sku;
    uint64_t generation;
};

/* Whose goods the SKU is. `request` and `sku` must live until on_vendor, which may be called before this returns. */
void facts_vendor_of_sku(struct vendor_request *request, struct str sku, bool is_fresh);
