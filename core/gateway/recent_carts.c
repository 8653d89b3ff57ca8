#include "core/gateway/recent_carts.h"

#include <stdlib.h>

#include "core/base/array.h"
#include "core/base/memory.h"

/* The cart's id and its SKUs, each ended by NUL, which neither holds. */
struct recent_cart {
    uint32_t len;
    char text[];
};

void recent_carts_init(struct recent_carts *carts) {
    carts->places = calloc_or_end(RECENT_CARTS, sizeof *carts->places);
    pthread_mutex_init(&carts->lock, NULL);
}

void recent_carts_release(struct recent_carts *carts) {
    for (size_t i = 0; i < RECENT_CARTS; i++) {
        free(carts->places[i]);
    }
    free(carts->places);
    pthread_mutex_destroy(&carts->lock);
}

/* A cart's id ends in a keyed hash or chance, so its characters spread well. */
static struct recent_cart **place_of(const struct recent_carts *carts, struct str cart) {
    uint32_t hash = 2166136261U;
    for (uint32_t i = 0; i < cart.len; i++) {
        hash = (hash ^ (uint8_t)cart.data[i]) * 16777619U;
    }
    return &carts->places[(hash ^ (hash >> 15)) % RECENT_CARTS];
}

static char *put(char *at, struct str text) {
    memcpy(at, text.data, text.len);
    at[text.len] = '\0';
    return at + text.len + 1;
}

/* NULL for a cart too long to remember: its place is left empty, as what stands there may be an older hint of it. */
static struct recent_cart *make_note(struct str cart, const struct cart_line_array *lines) {
    if (lines->count > RECENT_CART_LINES) {
        return NULL;
    }
    size_t size = cart.len + 1;
    for (uint32_t i = 0; i < lines->count; i++) {
        size += lines->items[i].sku.len + 1;
    }
    struct recent_cart *noted = malloc_or_end(sizeof *noted + size);
    noted->len = (uint32_t)size;
    char *at = put(noted->text, cart);
    for (uint32_t i = 0; i < lines->count; i++) {
        at = put(at, lines->items[i].sku);
    }
    return noted;
}

void recent_carts_note(struct recent_carts *carts, struct str cart, const struct cart_line_array *lines) {
    struct recent_cart *noted = make_note(cart, lines);
    pthread_mutex_lock(&carts->lock);
    struct recent_cart **place = place_of(carts, cart);
    struct recent_cart *older = *place;
    *place = noted;
    pthread_mutex_unlock(&carts->lock);
    free(older);
}

bool recent_carts_skus(struct recent_carts *carts, struct arena *arena, struct str cart, struct str_array *ret_skus) {
    struct str text = {0};
    pthread_mutex_lock(&carts->lock);
    const struct recent_cart *noted = *place_of(carts, cart);
    if (noted != NULL && noted->len > cart.len && noted->text[cart.len] == '\0' &&
        memcmp(noted->text, cart.data, cart.len) == 0) {
        text = arena_str_copy(arena, str_of(noted->text, noted->len));
    }
    pthread_mutex_unlock(&carts->lock);
    if (str_is_empty(text)) {
        return false;
    }
    struct str_array skus = {0};
    for (struct str rest = str_from(text, cart.len + 1); !str_is_empty(rest);) {
        struct str sku = str_first(rest, str_find(rest, '\0'));
        *ARRAY_PUSH(arena, &skus) = sku;
        rest = str_from(rest, sku.len + 1);
    }
    *ret_skus = skus;
    return true;
}
