#include "core/domain/roles.h"

#include "core/base/macros.h"

#define ROLE_VENDOR STR("vendor")
#define ROLE_SERVICE STR("service")

static bool is_role(struct str role, enum role_holders holders) {
    static const struct str roles[] = {{"admin", 5}, {"support", 7}, {"analyst", 7}, {"auditor", 7}, {"vendor", 6}};
    for (size_t i = 0; i < ARRAY_LENGTH(roles); i++) {
        if (str_equal(role, roles[i])) {
            return true;
        }
    }
    return holders == ROLES_OF_KEYS && str_equal(role, ROLE_SERVICE);
}

static bool includes(const struct role_grant *roles, uint32_t count, struct str role) {
    for (uint32_t i = 0; i < count; i++) {
        if (str_equal(roles[i].role, role)) {
            return true;
        }
    }
    return false;
}

bool roles_include(const struct role_grant_array *roles, struct str role) {
    return includes(roles->items, roles->count, role);
}

bool roles_are_known(const struct role_grant_array *roles, enum role_holders holders) {
    for (uint32_t i = 0; i < roles->count; i++) {
        const struct role_grant *grant = &roles->items[i];
        bool is_vendor = str_equal(grant->role, ROLE_VENDOR);
        if (!is_role(grant->role, holders) || grant->has_vendor != is_vendor ||
            includes(roles->items, i, grant->role)) {
            return false;
        }
    }
    return true;
}

bool roles_equal(const struct role_grant_array *a, const struct role_grant_array *b) {
    bool equal = a->count == b->count;
    for (uint32_t i = 0; equal && i < a->count; i++) {
        equal = str_equal(a->items[i].role, b->items[i].role) && a->items[i].has_vendor == b->items[i].has_vendor &&
                (!a->items[i].has_vendor || str_equal(a->items[i].vendor, b->items[i].vendor));
    }
    return equal;
}
