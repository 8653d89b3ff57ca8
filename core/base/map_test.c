#include "core/base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void a_value_is_found_under_its_key_and_under_no_other(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 64 * 1024 * 1024);
    struct map map;
    map_init(&map, &arena);
    assert_null(map_get(&map, STR("nothing is there yet")));
    static int values[20000];
    char key[32];
    for (int i = 0; i < 20000; i++) {
        int len = snprintf(key, sizeof key, "key-%d", i);
        void **place = map_at(&map, str_of(key, (size_t)len));
        assert_null(*place);
        *place = &values[i];
    }
    assert_int_equal(map.count, 20000);
    for (int i = 0; i < 20000; i++) {
        int len = snprintf(key, sizeof key, "key-%d", i);
        assert_ptr_equal(map_get(&map, str_of(key, (size_t)len)), &values[i]);
        len = snprintf(key, sizeof key, "kez-%d", i);
        assert_null(map_get(&map, str_of(key, (size_t)len)));
    }
    arena_release(&arena);
}

static void a_key_that_is_there_keeps_its_place(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1024 * 1024);
    struct map map;
    map_init(&map, &arena);
    int value = 1;
    *map_at(&map, STR("sku")) = &value;
    assert_ptr_equal(*map_at(&map, STR("sku")), &value);
    assert_int_equal(map.count, 1);
    arena_release(&arena);
}

static void keys_are_bytes_with_a_length(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1024 * 1024);
    struct map map;
    map_init(&map, &arena);
    int values[4];
    *map_at(&map, STR("")) = &values[0];
    *map_at(&map, STR("\0")) = &values[1];
    *map_at(&map, STR("\0\0")) = &values[2];
    *map_at(&map, STR("eight888\0")) = &values[3];
    assert_ptr_equal(map_get(&map, STR("")), &values[0]);
    assert_ptr_equal(map_get(&map, STR("\0")), &values[1]);
    assert_ptr_equal(map_get(&map, STR("\0\0")), &values[2]);
    assert_null(map_get(&map, STR("eight888")));
    arena_release(&arena);
}

static void the_map_keeps_its_own_copy_of_a_key(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1024 * 1024);
    struct map map;
    map_init(&map, &arena);
    char key[] = "cart";
    int value;
    *map_at(&map, str_of_cstr(key)) = &value;
    key[0] = 'X';
    assert_ptr_equal(map_get(&map, STR("cart")), &value);
    arena_release(&arena);
}

static void entries_stand_in_the_order_of_insertion(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1024 * 1024);
    struct map map;
    map_init(&map, &arena);
    char key[8];
    for (int i = 999; i >= 0; i--) {
        int len = snprintf(key, sizeof key, "%d", i);
        map_at(&map, str_of(key, (size_t)len));
        map_at(&map, STR("999"));
    }
    for (int i = 0; i < 1000; i++) {
        int len = snprintf(key, sizeof key, "%d", 999 - i);
        assert_true(str_equal(map.entries[i].key, str_of(key, (size_t)len)));
    }
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_found_under_its_key_and_under_no_other),
        cmocka_unit_test(a_key_that_is_there_keeps_its_place),
        cmocka_unit_test(keys_are_bytes_with_a_length),
        cmocka_unit_test(the_map_keeps_its_own_copy_of_a_key),
        cmocka_unit_test(entries_stand_in_the_order_of_insertion),
    };
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
