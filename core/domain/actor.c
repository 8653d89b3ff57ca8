#include "core/domain/actor.h"

#include "core/base/macros.h"

static const struct {
    struct str capacity;
    enum actor_kind kind;
} capacities[] = {
    {{"guest", 5}, ACTOR_GUEST},   {{"customer", 8}, ACTOR_CUSTOMER}, {{"vendor", 6}, ACTOR_VENDOR},
    {{"support", 7}, ACTOR_STAFF}, {{"admin", 5}, ACTOR_STAFF},       {{"analyst", 7}, ACTOR_STAFF},
    {{"auditor", 7}, ACTOR_STAFF}, {{"service", 7}, ACTOR_SERVICE},   {{"provider", 8}, ACTOR_PROVIDER},
};

static enum actor_kind kind_of(struct str capacity) {
    for (size_t i = 0; i < ARRAY_LENGTH(capacities); i++) {
        if (str_equal(capacity, capacities[i].capacity)) {
            return capacities[i].kind;
        }
    }
    return ACTOR_OTHER;
}

/* What stands behind the colon; empty where there is none. */
static struct str behind(struct str text, uint32_t colon) {
    return colon < text.len ? str_from(text, colon + 1) : STR("");
}

struct actor actor_of(struct str text) {
    if (str_equal(text, STR("anonymous"))) {
        return (struct actor){.kind = ACTOR_ANONYMOUS};
    }
    if (str_equal(text, STR("system"))) {
        return (struct actor){.kind = ACTOR_SYSTEM};
    }
    uint32_t colon = str_find(text, ':');
    struct actor actor = {.kind = kind_of(str_first(text, colon)), .id = behind(text, colon)};
    if (actor.kind == ACTOR_VENDOR ||
        actor.kind == ACTOR_GUEST) { /* a vendor's name may hold colons; an id never does */
        uint32_t second = str_find(actor.id, ':');
        *(actor.kind == ACTOR_VENDOR ? &actor.vendor : &actor.person) = behind(actor.id, second);
        actor.id = str_first(actor.id, second);
    }
    return str_is_empty(actor.id) ? (struct actor){.kind = ACTOR_OTHER} : actor;
}

bool actor_may_touch_purchase(struct str actor, bool has_customer, struct str customer) {
    struct actor who = actor_of(actor);
    switch (who.kind) {
    case ACTOR_OTHER:
    case ACTOR_VENDOR:
        return false;
    case ACTOR_ANONYMOUS:
        return !has_customer;
    case ACTOR_GUEST:
        return !has_customer || (!str_is_empty(who.person) && str_equal(who.person, customer));
    case ACTOR_CUSTOMER:
        return has_customer && str_equal(who.id, customer);
    case ACTOR_STAFF:
    case ACTOR_SERVICE:
    case ACTOR_PROVIDER:
    case ACTOR_SYSTEM:
        return true;
    }
    return false;
}

bool actor_may_touch_product(struct str actor, bool has_vendor, struct str vendor) {
    struct actor who = actor_of(actor);
    switch (who.kind) {
    case ACTOR_OTHER:
        return false;
    case ACTOR_VENDOR:
        return has_vendor && !str_is_empty(who.vendor) && str_equal(who.vendor, vendor);
    case ACTOR_ANONYMOUS:
    case ACTOR_GUEST:
    case ACTOR_CUSTOMER:
    case ACTOR_STAFF:
    case ACTOR_SERVICE:
    case ACTOR_PROVIDER:
    case ACTOR_SYSTEM:
        return true;
    }
    return false;
}
