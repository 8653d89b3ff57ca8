#include "cmd/people_words.h"

#include <string.h>

#include "core/base/array.h"
#include "core/base/format.h"
#include "core/base/text.h"
#include "core/domain/roles.h"

/* The schemas' bounds. */
enum { EMAIL_MAX = 254, NAME_MAX_BYTES = 64, VENDOR_MAX = 128, ROLES_MAX = 8 };

static bool fail(const char **ret_why, const char *why) {
    *ret_why = why;
    return false;
}

bool people_email_read(struct arena *arena, const char *text, FILE *in, struct str *ret_email) {
    char line[EMAIL_MAX + 3]; /* with CR, LF and NUL */
    struct str email = str_of_cstr(text);
    if (strcmp(text, "-") == 0) {
        if (fgets(line, sizeof line, in) == NULL) {
            return false;
        }
        email = str_of(line, strcspn(line, "\r\n"));
    }
    if (!format_matches(FORMAT_EMAIL, email)) {
        return false;
    }
    *ret_email = arena_str_copy(arena, email);
    return true;
}

bool people_customer_read(const char *text, struct str *ret_customer) {
    uint8_t ulid[ULID_BYTES];
    struct str customer = str_of_cstr(text);
    bool is_one = str_starts_with(customer, STR("cus_")) && customer.len == 4 + ULID_TEXT_LEN &&
                  ulid_read(str_from(customer, 4), ulid);
    *ret_customer = customer;
    return is_one;
}

static bool is_name(struct str text, uint32_t most) {
    return text.len >= 1 && text.len <= most && utf8_is_valid(text);
}

static void grant(struct arena *arena, struct role_grant_array *roles, struct str role, struct str vendor) {
    *ARRAY_PUSH(arena, roles) = (struct role_grant){.role = role, .has_vendor = vendor.len > 0, .vendor = vendor};
}

bool people_roles_read(struct arena *arena, int count, char **texts, struct role_grant_array *ret_roles,
                       const char **ret_why) {
    struct role_grant_array roles = {0};
    for (int i = 0; i < count; i++) {
        struct str text = str_of_cstr(texts[i]), role = str_first(text, str_find(text, ':'));
        struct str vendor = str_from(text, role.len + 1);
        if (vendor.len > VENDOR_MAX || !utf8_is_valid(vendor)) {
            return fail(ret_why, "a vendor's name has 1 to 128 bytes of UTF-8");
        }
        grant(arena, &roles, role, vendor);
    }
    if (roles.count > ROLES_MAX || !roles_are_known(&roles, ROLES_OF_PEOPLE)) {
        return fail(ret_why, "roles are admin, support, analyst, auditor and vendor:NAME, each once");
    }
    *ret_roles = roles;
    return true;
}

/* The vendor's name belongs to the role vendor, wherever it stands. */
static bool give_vendor(struct role_grant_array *roles, struct str vendor) {
    bool is_given = false;
    for (uint32_t i = 0; i < roles->count; i++) {
        if (str_equal(roles->items[i].role, STR("vendor"))) {
            roles->items[i].has_vendor = vendor.data != NULL;
            roles->items[i].vendor = vendor;
            is_given = true;
        }
    }
    return is_given || vendor.data == NULL;
}

bool people_key_words_read(struct arena *arena, int argc, char **argv, struct people_key_words *ret_words,
                           const char **ret_why) {
    struct people_key_words words = {0};
    struct str vendor = {0};
    for (int i = 0; i < argc; i++) {
        struct str text = str_of_cstr(argv[i]);
        bool is_role = str_equal(text, STR("--role")), is_vendor = str_equal(text, STR("--vendor"));
        if ((is_role || is_vendor) && i + 1 == argc) {
            return fail(ret_why, "--role and --vendor take a word");
        }
        if (is_role) {
            grant(arena, &words.roles, str_of_cstr(argv[++i]), (struct str){0});
        } else if (is_vendor && vendor.data == NULL) {
            vendor = str_of_cstr(argv[++i]);
        } else if (words.name.data == NULL && !str_starts_with(text, STR("--"))) {
            words.name = text;
        } else {
            return fail(ret_why, "key takes one NAME, --role ROLE as often as needed, and --vendor NAME once");
        }
    }
    if (!is_name(words.name, NAME_MAX_BYTES)) {
        return fail(ret_why, "a key has a name of 1 to 64 bytes");
    }
    if (vendor.data != NULL && !is_name(vendor, VENDOR_MAX)) {
        return fail(ret_why, "a vendor's name has 1 to 128 bytes of UTF-8");
    }
    if (words.roles.count < 1 || words.roles.count > ROLES_MAX || !give_vendor(&words.roles, vendor) ||
        !roles_are_known(&words.roles, ROLES_OF_KEYS)) {
        return fail(ret_why, "a key has 1 to 8 of the roles admin, support, analyst, auditor, service and vendor, each "
                             "once, and --vendor NAME with the last one alone");
    }
    *ret_words = words;
    return true;
}
