#include "core/domain/roles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/base/macros.h"

#define ADMIN                                                                                                          \
    { .role = STR("admin") }
#define VENDOR                                                                                                         \
    { .role = STR("vendor"), .has_vendor = true, .vendor = STR("Acme") }

static const struct {
    struct role_grant roles[2];
    uint32_t count;
    bool of_people, of_keys;
} lists[] = {
    {{ADMIN}, 0, true, true},
    {{ADMIN}, 1, true, true},
    {{ADMIN, VENDOR}, 2, true, true},
    {{{.role = STR("support")}, {.role = STR("analyst")}}, 2, true, true},
    {{{.role = STR("auditor")}}, 1, true, true},
    {{{.role = STR("service")}}, 1, false, true},
    {{ADMIN, ADMIN}, 2, false, false},
    {{{.role = STR("vendor")}}, 1, false, false},
    {{{.role = STR("admin"), .has_vendor = true, .vendor = STR("Acme")}}, 1, false, false},
    {{ADMIN, {.role = STR("king")}}, 2, false, false},
    {{{.role = STR("")}}, 1, false, false},
    {{{.role = STR("Admin")}}, 1, false, false},
};

static struct role_grant_array list(size_t i) {
    return (struct role_grant_array){(struct role_grant *)lists[i].roles, lists[i].count, lists[i].count};
}

static void a_list_of_roles_holds_what_there_is_and_nothing_twice(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        struct role_grant_array roles = list(i);
        if (roles_are_known(&roles, ROLES_OF_PEOPLE) != lists[i].of_people ||
            roles_are_known(&roles, ROLES_OF_KEYS) != lists[i].of_keys) {
            fail_msg("row %zu", i);
        }
    }
}

static void lists_are_equal_that_say_the_same(void **state) {
    (void)state;
    struct role_grant other[] = {{.role = STR("vendor"), .has_vendor = true, .vendor = STR("Other")}};
    struct role_grant acme[] = {VENDOR};
    struct role_grant_array a = {acme, 1, 1}, b = {other, 1, 1}, none = {0}, admin = list(1);
    assert_true(roles_equal(&a, &a));
    assert_false(roles_equal(&a, &b));
    assert_false(roles_equal(&a, &none));
    assert_false(roles_equal(&a, &admin));
    assert_true(roles_equal(&none, &none));
    assert_true(roles_include(&admin, ROLE_ADMIN));
    assert_false(roles_include(&a, ROLE_ADMIN));
    assert_false(roles_include(&none, ROLE_ADMIN));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_of_roles_holds_what_there_is_and_nothing_twice),
        cmocka_unit_test(lists_are_equal_that_say_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
