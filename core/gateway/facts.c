#include "core/gateway/facts.h"

#include <stdlib.h>

#include "core/base/array.h"
#include "core/base/memory.h"
#include "core/base/text.h"
#include "core/base/timestamp.h"
#include "projections/carts/query.h"
#include "projections/products/query.h"

enum { COLUMN_SKU, COLUMN_PRODUCT, COLUMN_TITLE, COLUMN_PRICE, COLUMN_CURRENCY };

/* ---- the cache ----------------------------------------------------------------------------------------------------
 */

/* One block of memory: the texts stand behind the struct. */
struct cached_fact {
    uint64_t generation;
    int64_t kept_until_boot_us;
    struct price_fact fact;
    char texts[];
};

struct cached_vendor {
    uint64_t generation;
    int64_t kept_until_boot_us;
    struct str sku, vendor;
    char texts[];
};

void facts_cache_init(struct facts_cache *cache) {
    *cache = (struct facts_cache){.places = calloc_or_end(FACTS_CACHE_PLACES, sizeof *cache->places),
                                  .vendors = calloc_or_end(FACTS_VENDOR_PLACES, sizeof *cache->vendors)};
}

void facts_cache_release(struct facts_cache *cache) {
    for (size_t i = 0; cache->places != NULL && i < FACTS_CACHE_PLACES; i++) {
        free(cache->places[i]);
    }
    free(cache->places);
    cache->places = NULL;
    for (size_t i = 0; cache->vendors != NULL && i < FACTS_VENDOR_PLACES; i++) {
        free(cache->vendors[i]);
    }
    free(cache->vendors);
    cache->vendors = NULL;
}

void facts_cache_expire(struct facts_cache *cache) {
    cache->generation++;
}

/* FNV-1a. A SKU chosen to meet another's place only takes it over: that costs one query. */
static uint32_t hash_of(struct str sku) {
    uint32_t hash = 2166136261U;
    for (uint32_t i = 0; i < sku.len; i++) {
        hash = (hash ^ (uint8_t)sku.data[i]) * 16777619U;
    }
    return hash ^ (hash >> 15);
}

static struct cached_fact **place_of(const struct facts_cache *cache, struct str sku) {
    return &cache->places[hash_of(sku) % FACTS_CACHE_PLACES];
}

static struct str put_text(char **at, struct str text) {
    struct str copy = str_of(*at, text.len);
    if (text.len > 0) {
        memcpy(*at, text.data, text.len);
    }
    *at += text.len;
    return copy;
}

static void remember(struct facts_cache *cache, const struct price_fact *fact, uint64_t generation) {
    size_t size = (size_t)fact->sku.len + fact->product.len + fact->title.len + fact->price.currency.len;
    struct cached_fact *cached = malloc_or_end(sizeof *cached + size);
    char *at = cached->texts;
    cached->generation = generation;
    cached->kept_until_boot_us = clock_boot_us() + (int64_t)FACTS_KEPT_S * MICROS_PER_SECOND;
    cached->fact = (struct price_fact){
        .sku = put_text(&at, fact->sku),
        .product = put_text(&at, fact->product),
        .title = put_text(&at, fact->title),
        .price = {.amount = fact->price.amount, .currency = put_text(&at, fact->price.currency)},
    };
    struct cached_fact **place = place_of(cache, fact->sku);
    free(*place);
    *place = cached;
}

static const struct price_fact *recall(const struct facts_cache *cache, struct str sku, int64_t now_boot_us) {
    const struct cached_fact *cached = *place_of(cache, sku);
    bool is_good = cached != NULL && cached->generation == cache->generation &&
                   cached->kept_until_boot_us > now_boot_us && str_equal(cached->fact.sku, sku);
    return is_good ? &cached->fact : NULL;
}

/* ---- asking -------------------------------------------------------------------------------------------------------
 */

static void copy_fact(struct facts_request *request, const struct price_fact *fact) {
    struct price_fact *copy = ARRAY_PUSH(request->arena, &request->found);
    copy->sku = arena_str_copy(request->arena, fact->sku);
    copy->product = arena_str_copy(request->arena, fact->product);
    copy->title = arena_str_copy(request->arena, fact->title);
    copy->price.amount = fact->price.amount;
    copy->price.currency = arena_str_copy(request->arena, fact->price.currency);
}

static void on_rows(void *context, const PGresult *result, const struct err_info *error) {
    struct facts_request *request = context;
    if (error != NULL) {
        request->on_facts(request->context, NULL);
        return;
    }
    for (int row = 0; row < PQntuples(result) && request->found.count < FACTS_SKUS_MAX; row++) {
        struct price_fact fact = {.sku = pg_value(result, row, COLUMN_SKU),
                                  .product = pg_value(result, row, COLUMN_PRODUCT),
                                  .title = pg_value(result, row, COLUMN_TITLE),
                                  .price = {.currency = pg_value(result, row, COLUMN_CURRENCY)}};
        if (!int64_read(pg_value(result, row, COLUMN_PRICE), &fact.price.amount)) {
            continue; /* NULL: in the cart, but not on sale */
        }
        copy_fact(request, &fact);
        remember(request->cache, &fact, request->generation);
    }
    request->on_facts(request->context, &request->found);
}

void facts_of_skus(struct facts_request *request, const struct str *skus, size_t count, bool are_fresh) {
    request->found = (struct price_fact_array){0};
    request->generation = request->cache->generation;
    int64_t now_boot_us = clock_boot_us();
    /* {"A","B"}: SKUs have no characters that would need escaping. */
    struct buf text;
    buf_init(&text, FACTS_SKUS_MAX * 80);
    buf_byte(&text, '{');
    for (size_t i = 0; i < count; i++) {
        const struct price_fact *known = are_fresh ? NULL : recall(request->cache, skus[i], now_boot_us);
        if (known != NULL) {
            copy_fact(request, known);
        } else {
            buf_printf(&text, "%s\"%.*s\"", text.len > 1 ? "," : "", STR_ARGS(skus[i]));
        }
    }
    bool are_all_known = text.len == 1;
    buf_byte(&text, '}');
    if (are_all_known) {
        request->on_facts(request->context, &request->found);
    } else {
        struct str parameter = buf_text(&text);
        pg_pool_query(request->pg, &price_facts, &parameter, on_rows, request);
    }
    buf_release(&text);
}

void facts_of_cart(struct facts_request *request, struct str cart) {
    request->found = (struct price_fact_array){0};
    request->generation = request->cache->generation;
    pg_pool_query(request->pg, &cart_price_facts, &cart, on_rows, request);
}

/* ---- whose goods ------------------------------------------------------------------------------------------------- */

static struct cached_vendor **vendor_place_of(const struct facts_cache *cache, struct str sku) {
    return &cache->vendors[hash_of(sku) % FACTS_VENDOR_PLACES];
}

static void remember_vendor(struct facts_cache *cache, struct str sku, struct str vendor, uint64_t generation) {
    struct cached_vendor *cached = malloc_or_end(sizeof *cached + sku.len + vendor.len);
    char *at = cached->texts;
    cached->generation = generation;
    cached->kept_until_boot_us = clock_boot_us() + (int64_t)FACTS_KEPT_S * MICROS_PER_SECOND;
    cached->sku = put_text(&at, sku);
    cached->vendor = put_text(&at, vendor);
    struct cached_vendor **place = vendor_place_of(cache, sku);
    free(*place);
    *place = cached;
}

static const struct cached_vendor *recall_vendor(const struct facts_cache *cache, struct str sku) {
    const struct cached_vendor *cached = *vendor_place_of(cache, sku);
    bool is_good = cached != NULL && cached->generation == cache->generation &&
                   cached->kept_until_boot_us > clock_boot_us() && str_equal(cached->sku, sku);
    return is_good ? cached : NULL;
}

static void on_vendor_row(void *context, const PGresult *result, const struct err_info *error) {
    struct vendor_request *request = context;
    struct str vendor = {0};
    if (error == NULL && PQntuples(result) > 0) {
        vendor = pg_value(result, 0, 0); /* NULL is empty */
        remember_vendor(request->cache, request->sku, vendor, request->generation);
    }
    request->on_vendor(request->context, error == NULL, vendor);
}

void facts_vendor_of_sku(struct vendor_request *request, struct str sku, bool is_fresh) {
    const struct cached_vendor *known = is_fresh ? NULL : recall_vendor(request->cache, sku);
    request->sku = sku;
    request->generation = request->cache->generation;
    if (known != NULL) {
        request->on_vendor(request->context, true, known->vendor);
    } else {
        pg_pool_query(request->pg, &vendor_of_sku, &request->sku, on_vendor_row, request);
    }
}
