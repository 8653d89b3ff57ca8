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

static bool takes(const char *may, char letter) {
    return strchr(may, letter) != NULL;
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
    if (str_is_empty(token)) { /* as of each request of customers and staff: that need not cost a keyed hash */
        return false;
    }
    struct str expected = identity_cart_token(arena, secret, cart);
    return token.len == expected.len && sodium_memcmp(token.data, expected.data, expected.len) == 0;
}

static bool has(const struct principal *principal, enum capacity capacity) {
    return (principal->capacities >> capacity & 1) != 0;
}

static bool is_person(const struct principal *principal) {
    return str_starts_with(principal->id, STR("cus_"));
}

static struct access grant(const struct principal *principal, char by, struct str actor) {
    return (struct access){.verdict = ACCESS_GRANTED,
                           .by = by,
                           .actor = actor,
                           .customer = is_person(principal) ? principal->id : (struct str){0}};
}

static struct str actor_of(struct arena *arena, const struct principal *principal, enum capacity capacity) {
    const char *name = capacities[capacity].name;
    if (capacity == CAPACITY_VENDOR) {
        return arena_printf(arena, "%s:%.*s:%.*s", name, STR_ARGS(principal->id), STR_ARGS(principal->vendor));
    }
    return arena_printf(arena, "%s:%.*s", name, STR_ARGS(principal->id));
}

static struct access grant_as(struct arena *arena, const struct principal *principal, enum capacity capacity) {
    return grant(principal, capacities[capacity].letter, actor_of(arena, principal, capacity));
}

/* As whom he is let in, from `first` to before `end`; CAPACITY_COUNT: as none of these. */
static enum capacity capacity_taken(const char *may, const struct principal *principal, enum capacity first,
                                    enum capacity end) {
    for (enum capacity capacity = first; capacity < end; capacity++) {
        if (has(principal, capacity) && takes(may, capacities[capacity].letter)) {
            return capacity;
        }
    }
    return CAPACITY_COUNT;
}

static struct access refuse(const char *may, const struct principal *principal) {
    if (!str_is_empty(principal->id)) {
        return (struct access){.verdict = ACCESS_FORBIDDEN};
    }
    return (struct access){.verdict = takes(may, 'p') ? ACCESS_HIDDEN : ACCESS_UNAUTHENTICATED};
}

/* As anybody: where all may come, who is known is named as what he is. */
static struct access grant_to_anybody(struct arena *arena, const struct principal *principal) {
    for (enum capacity capacity = 0; capacity < CAPACITY_COUNT; capacity++) {
        if (has(principal, capacity)) {
            return grant(principal, 'P', actor_of(arena, principal, capacity));
        }
    }
    return grant(principal, 'P', principal->identity);
}

/* The cart's token lets in, whoever brings it. */
static bool is_guest_of(struct arena *arena, const struct secret *secret, const struct route_match *match,
                        const struct principal *principal) {
    struct str cart;
    /* Of what cannot be there is nothing to touch, and the route says so. */
    return !cart_of_path(arena, match, &cart) || holds_token(arena, secret, cart, principal->cart_token);
}

/* Who is known acts as that guest then, and is named besides: what he bought so is his. */
static struct access grant_to_guest(struct arena *arena, const struct secret *secret,
                                    const struct principal *principal) {
    struct str guest = identity_principal(arena, secret, principal->cart_token);
    if (is_person(principal) && !str_is_empty(principal->cart_token)) {
        guest = arena_printf(arena, "%.*s:%.*s", STR_ARGS(guest), STR_ARGS(principal->id));
    }
    return grant(principal, 'p', guest);
}

/* Where access is open it is not open to these: who is somebody, and with which key one comes in, is not for whoever
 * happens to reach the front, and what he could change of it would last when access is closed again. */
static bool is_about_people(const char *pattern) {
    static const char *const begin[] = {"/v1/customers", "/v1/me", "/v1/sessions", "/v1/api-keys"};
    for (size_t i = 0; i < ARRAY_LENGTH(begin); i++) {
        if (strncmp(pattern, begin[i], strlen(begin[i])) == 0) {
            return true;
        }
    }
    return false;
}

struct access access_judge_for(struct arena *arena, const struct secret *secret, bool is_open,
                               const struct route_match *match, const struct principal *principal, const char *may) {
    if (is_open && str_is_empty(principal->id) && !is_about_people(match->route->pattern)) {
        return grant(principal, ACCESS_OPEN, principal->identity);
    }
    enum capacity staff = capacity_taken(may, principal, 0, CAPACITY_VENDOR);
    if (staff != CAPACITY_COUNT) {
        return grant_as(arena, principal, staff);
    }
    if (takes(may, 'p') && is_guest_of(arena, secret, match, principal)) {
        return grant_to_guest(arena, secret, principal);
    }
    enum capacity own = capacity_taken(may, principal, CAPACITY_VENDOR, CAPACITY_COUNT);
    if (own != CAPACITY_COUNT) {
        return grant_as(arena, principal, own);
    }
    if (takes(may, 'P')) {
        return grant_to_anybody(arena, principal);
    }
    if (takes(may, 'm') && principal->is_operator) {
        return grant(principal, 'm', principal->identity);
    }
    return refuse(may, principal);
}

struct access access_judge(struct arena *arena, const struct secret *secret, bool is_open,
                           const struct route_match *match, const struct principal *principal) {
    return access_judge_for(arena, secret, is_open, match, principal, match->route->may);
}

/* ---- whose it is ------------------------------------------------------------------------------------------------- */

static bool is_his(const struct principal *principal, struct str owner) {
    return is_person(principal) && str_equal(owner, principal->id);
}

static bool is_his_as_vendor(const struct principal *principal, struct str owner) {
    struct str before = STR(OWNER_VENDOR);
    return has(principal, CAPACITY_VENDOR) && !str_is_empty(principal->vendor) && str_starts_with(owner, before) &&
           str_equal(str_from(owner, before.len), principal->vendor);
}

bool access_shows(const struct access *access, const struct principal *principal, struct str owner) {
    switch (access->by) {
    case 'p':
        return str_is_empty(owner) || str_equal(owner, OWNER_GUEST) || is_his(principal, owner);
    case 'c':
        return str_is_empty(owner) || is_his(principal, owner);
    case 'v':
        return str_is_empty(owner) || is_his(principal, owner) || is_his_as_vendor(principal, owner);
    case 'A':
    case 'H':
    case 'S':
    case 'U':
    case 'N':
    case ACCESS_OPEN:
        return true;
    default: /* anybody */
        return str_is_empty(owner);
    }
}

/* Who may read such things, whosever they are: the capitals of their routes. */
struct readers {
    const char *prefix, *staff;
    bool is_open; /* to everybody, where access is */
};
static const struct readers readers[] = {
    {"cart_", "HA", true},   {"ord_", "HANU", true}, {"pay_", "HANU", true}, {"prod_", "HANU", true},
    {"sku_", "SHANU", true}, {"key_", "A", false},   {"cat_", "HANU", true}, {"cus_", "HA", false},
    {"idn_", "HA", false},   {"", "HA", true}, /* a refusal names no stream */
};

static const struct readers *readers_of(struct str stream) {
    size_t i = 0;
    while (!str_starts_with(stream, str_of_cstr(readers[i].prefix))) {
        i++;
    }
    return &readers[i];
}

bool access_shows_outcome(struct arena *arena, const struct secret *secret, bool is_open,
                          const struct principal *principal, struct str stream, struct str owner) {
    struct str cart;
    const struct readers *by_stream = readers_of(stream);
    if ((is_open && by_stream->is_open && str_is_empty(principal->id)) ||
        capacity_taken(by_stream->staff, principal, 0, CAPACITY_VENDOR) != CAPACITY_COUNT) {
        return true;
    }
    bool is_nobodys = owner.data == NULL || str_equal(owner, OWNER_GUEST);
    return is_his(principal, owner) || is_his_as_vendor(principal, owner) ||
           (is_nobodys && cart_of_stream(arena, stream, &cart) &&
            holds_token(arena, secret, cart, principal->cart_token));
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
