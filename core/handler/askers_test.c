#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/handler/askers.h"

static const uint8_t first[ULID_BYTES] = {1}, second[ULID_BYTES] = {2};

static void each_asker_of_a_command_is_told_once(void **state) {
    (void)state;
    struct askers askers = {0};
    askers_add(&askers, first, 1, STR("gw-1"));
    askers_add(&askers, first, 2, STR("gw-2"));
    askers_add(&askers, first, 1, STR("gw-1"));
    askers_add(&askers, second, 1, STR("gw-1"));
    int32_t partition;
    struct str instance;
    int told = 0;
    while (askers_take(&askers, first, &partition, &instance)) {
        told++;
    }
    assert_int_equal(told, 2);
    assert_true(askers_take(&askers, second, &partition, &instance));
    assert_int_equal(partition, 1);
    assert_true(str_equal(instance, STR("gw-1")));
    assert_false(askers_take(&askers, second, &partition, &instance));
    askers_release(&askers);
}

static void the_oldest_gives_way_and_long_names_are_not_kept(void **state) {
    (void)state;
    struct askers askers = {0};
    int32_t partition;
    struct str instance;
    char long_name[REPLY_INSTANCE_MAX + 1] = {0};
    askers_add(&askers, first, 0, str_of(long_name, sizeof long_name));
    assert_false(askers_take(&askers, first, &partition, &instance));
    askers_add(&askers, first, 0, STR("gw"));
    for (int i = 0; i < ASKERS_MAX; i++) {
        askers_add(&askers, second, i, STR("gw"));
    }
    assert_int_equal(askers.count, ASKERS_MAX);
    assert_false(askers_take(&askers, first, &partition, &instance));
    askers_release(&askers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_asker_of_a_command_is_told_once),
        cmocka_unit_test(the_oldest_gives_way_and_long_names_are_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
