#include "core/gateway/access.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "core/base/text.h"
#include "core/gateway/identity.h"

static const struct {
    char letter;
    const char *name;
} capacities[CAPACITY_COUNT] = {
#define CAPACITY_ROW(name_, letter_, text_) [CAPACITY_##name_] = {letter_, text_},
    CAPACITY_TABLE(CAPACITY_ROW)
#undef CAPACITY_ROW
};

/* What a cart's token speaks for: their ids share a ULID. */
static const struct {
    const char *parameter, *prefix, *hidden_code;
} purchases[] = {
    {"cart", "cart_", "unknown_cart"},
    {"order", "ord_", "unknown_order"},
};

static bool takes(const struct route *route, char letter) {
    return strchr(route->may, letter) != NULL;
}

/* The cart of an id with this prefix; false: it is none. */
static bool cart_of(struct arena *arena, struct str id, const char *prefix, struct str *ret_cart) {
    struct str before = str_of_cstr(prefix);
    struct str ulid = str_first(str_from(id, before.len), ULID_TEXT_LEN);
    uint8_t bytes[ULID_BYTES];
    if (!str_starts_with(id, before) || !ulid_read(ulid, bytes)) {
        return false;
    }
    *ret_cart = arena_printf(arena, "cart_%.*s", STR_ARGS(ulid));
    return true;
}

/* False: what the path names cannot be. */
static bool cart_of_path(struct arena *arena, const struct route_match *match, struct str *ret_cart) {
    for (size_t i = 0; i < ARRAY_LENGTH(purchases); i++) {
        struct str id = route_parameter(match, purchases[i].parameter);
        if (!str_is_empty(id)) {
            return cart_of(arena, id, purchases[i].prefix, ret_cart);
        }
    }
    return false;
}

/* False: the stream is no part of a purchase that a token speaks for. */
static bool cart_of_stream(struct arena *arena, struct str stream, struct str *ret_cart) {
    for (size_t i = 0; i < ARRAY_LENGTH(purchases); i++) {
        if (cart_of(arena, stream, purchases[i].prefix, ret_cart)) {
            return true;
        }
    }
    return false;
}

static bool holds_token(struct arena *arena, const struct secret *secret, struct str cart, struct str token) {
    struct str expected = identity_cart_token(arena, secret, cart);
    return token.len == expected.len && sodium_memcmp(token.data, expected.data, expected.len) == 0;
}

static bool has(const struct principal *principal, enum capacity capacity) {
    return (principal->capacities >> capacity & 1) != 0;
}

static struct access grant(struct str actor, bool own_only) {
    return (struct access){.verdict = ACCESS_GRANTED, .own_only = own_only, .actor = actor};
}

static struct str actor_of(struct arena *arena, const struct principal *principal, enum capacity capacity) {
    const char *name = capacities[capacity].name;
    if (capacity == CAPACITY_VENDOR) {
        return arena_printf(arena, "%s:%.*s:%.*s", name, STR_ARGS(principal->id), STR_ARGS(principal->vendor));
    }
    return arena_printf(arena, "%s:%.*s", name, STR_ARGS(principal->id));
}

/* As whom he is let in, from `first` to before `end`; CAPACITY_COUNT: as none of these. */
static enum capacity capacity_taken(const struct route *route, const struct principal *principal, enum capacity first,
                                    enum capacity end) {
    for (enum capacity capacity = first; capacity < end; capacity++) {
        if (has(principal, capacity) && takes(route, capacities[capacity].letter)) {
            return capacity;
        }
    }
    return CAPACITY_COUNT;
}

static struct access refuse(const struct route *route, const struct principal *principal) {
    if (!str_is_empty(principal->id)) {
        return (struct access){.verdict = ACCESS_FORBIDDEN};
    }
    return (struct access){.verdict = takes(route, 'p') ? ACCESS_HIDDEN : ACCESS_UNAUTHENTICATED};
}

/* As anybody: where all may come, who is known is named as what he is. */
static struct access grant_to_anybody(struct arena *arena, const struct principal *principal) {
    for (enum capacity capacity = 0; capacity < CAPACITY_COUNT; capacity++) {
        if (has(principal, capacity)) {
            return grant(actor_of(arena, principal, capacity), false);
        }
    }
    return grant(principal->identity, false);
}

/* The cart's token lets in, whoever brings it: who is known acts as that guest then. */
static bool is_guest_of(struct arena *arena, const struct secret *secret, const struct route_match *match,
                        const struct principal *principal) {
    struct str cart;
    return takes(match->route, 'p') &&
           /* Of what cannot be there is nothing to touch, and the route says so. */
           (!cart_of_path(arena, match, &cart) || holds_token(arena, secret, cart, principal->cart_token));
}

struct access access_judge(struct arena *arena, const struct secret *secret, bool is_open,
                           const struct route_match *match, const struct principal *principal) {
    const struct route *route = match->route;
    if (is_open && str_is_empty(principal->id)) {
        return grant(principal->identity, false);
    }
    enum capacity staff = capacity_taken(route, principal, 0, CAPACITY_VENDOR);
    if (staff != CAPACITY_COUNT) {
        return grant(actor_of(arena, principal, staff), false);
    }
    if (is_guest_of(arena, secret, match, principal)) {
        return grant(identity_principal(arena, secret, principal->cart_token), false);
    }
    enum capacity own = capacity_taken(route, principal, CAPACITY_VENDOR, CAPACITY_COUNT);
    if (own != CAPACITY_COUNT) {
        return grant(actor_of(arena, principal, own), true);
    }
    if (takes(route, 'P')) {
        return grant_to_anybody(arena, principal);
    }
    if (takes(route, 'm') && principal->is_operator) {
        return grant(principal->identity, false);
    }
    return refuse(route, principal);
}

bool access_shows_outcome(struct arena *arena, const struct secret *secret, bool is_open,
                          const struct principal *principal, struct str stream) {
    struct str cart;
    return (is_open && str_is_empty(principal->id)) || has(principal, CAPACITY_ADMIN) ||
           has(principal, CAPACITY_SUPPORT) ||
           (cart_of_stream(arena, stream, &cart) && holds_token(arena, secret, cart, principal->cart_token));
}

const char *access_hidden_code(const struct route_match *match) {
    for (size_t i = 0; i < ARRAY_LENGTH(purchases); i++) {
        if (!str_is_empty(route_parameter(match, purchases[i].parameter))) {
            return purchases[i].hidden_code;
        }
    }
    assert(!"only what is part of a purchase is hidden");
    return "unknown_path";
}
