#include "core/base/arena.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/base/array.h"

enum { TEST_MAX_BYTES = 1024 * 1024 };

static int arena_setup(void **state) {
    static struct arena arena;
    arena_init(&arena, TEST_MAX_BYTES);
    *state = &arena;
    return 0;
}

static int arena_teardown(void **state) {
    arena_release(*state);
    return 0;
}

static void pieces_are_zeroed_and_aligned_and_stay_where_they_are(void **state) {
    struct arena *arena = *state;
    char *pieces[1000];
    for (size_t i = 0; i < ARRAY_LENGTH(pieces); i++) {
        pieces[i] = arena_alloc(arena, i % 300 + 1);
        assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        for (size_t k = 0; k < i % 300 + 1; k++) {
            assert_int_equal(pieces[i][k], 0);
        }
        memset(pieces[i], (int)(i % 251), i % 300 + 1);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(pieces); i++) {
        for (size_t k = 0; k < i % 300 + 1; k++) {
            assert_int_equal((uint8_t)pieces[i][k], i % 251);
        }
    }
}

static void a_piece_larger_than_a_block_is_given(void **state) {
    struct arena *arena = *state;
    char *large = arena_try(arena, TEST_MAX_BYTES / 2);
    assert_non_null(large);
    memset(large, 1, TEST_MAX_BYTES / 2);
}

static void nothing_is_given_past_the_maximum(void **state) {
    struct arena *arena = *state;
    assert_null(arena_try(arena, TEST_MAX_BYTES + 1));
    assert_null(arena_try(arena, SIZE_MAX));
    assert_non_null(arena_try(arena, TEST_MAX_BYTES));
    assert_int_equal(arena_left(arena), 0);
    assert_null(arena_try(arena, 1));
}

static void what_a_reset_keeps_is_given_again(void **state) {
    struct arena *arena = *state;
    arena_keep(arena, TEST_MAX_BYTES / 2);
    for (int round = 0; round < 3; round++) {
        while (arena_left(arena) >= 1000) { /* several blocks, each as large as all before it */
            char *piece = arena_alloc(arena, 1000);
            for (size_t i = 0; i < 1000; i++) {
                assert_int_equal(piece[i], 0);
            }
            memset(piece, 1, 1000);
        }
        arena_reset(arena);
        assert_int_equal(arena_left(arena), TEST_MAX_BYTES);
        assert_in_range(arena->spare_bytes, 1, TEST_MAX_BYTES / 2);
    }
}

static void texts_are_joined_and_printed(void **state) {
    struct arena *arena = *state;
    assert_true(str_equal(arena_join(arena, STR("cmd_"), STR("01J")), STR("cmd_01J")));
    assert_true(str_equal(arena_join(arena, (struct str){0}, STR("a")), STR("a")));
    struct str printed = arena_printf(arena, "%s-%d", "a", 7);
    assert_true(str_equal(printed, STR("a-7")));
    assert_int_equal(printed.data[printed.len], '\0');
    for (int len = 250; len < 260; len++) { /* around what is printed once */
        printed = arena_printf(arena, "%*d", len, 7);
        assert_int_equal(printed.len, len);
        assert_int_equal(printed.data[len - 1], '7');
        assert_int_equal(printed.data[len], '\0');
    }
}

static void a_reset_arena_gives_all_of_it_again(void **state) {
    struct arena *arena = *state;
    for (int round = 0; round < 3; round++) {
        size_t taken = 0;
        while (arena_try(arena, 1000) != NULL) {
            taken++;
        }
        assert_int_equal(taken, TEST_MAX_BYTES / 1008);
        arena_reset(arena);
        assert_int_equal(arena_left(arena), TEST_MAX_BYTES);
    }
}

static void reused_memory_is_zeroed_again(void **state) {
    struct arena *arena = *state;
    memset(arena_alloc(arena, 100), 0xff, 100);
    arena_reset(arena);
    const char *again = arena_alloc(arena, 100);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(again[i], 0);
    }
}

static void copies_and_printed_text_hold_what_they_were_made_of(void **state) {
    struct arena *arena = *state;
    char original[] = "with\0a NUL";
    struct str copy = arena_str_copy(arena, str_of(original, sizeof original - 1));
    original[0] = 'X';
    assert_true(str_equal(copy, STR("with\0a NUL")));
    assert_true(str_equal(arena_str_copy(arena, STR("")), STR("")));
    struct str printed = arena_printf(arena, "%s-%d", "sku", 42);
    assert_true(str_equal(printed, STR("sku-42")));
    assert_int_equal(printed.data[printed.len], '\0');
}

static void a_copy_that_does_not_fit_is_refused_and_leaves_the_output_alone(void **state) {
    struct arena *arena = *state;
    assert_non_null(arena_try(arena, TEST_MAX_BYTES - 16));
    struct str copy = STR("before");
    assert_false(arena_str_try(arena, STR("seventeen letters"), &copy));
    assert_true(str_equal(copy, STR("before")));
    assert_true(arena_str_try(arena, STR("sixteen letters!"), &copy));
    assert_true(str_equal(copy, STR("sixteen letters!")));
}

struct item {
    int64_t number;
};

struct item_array {
    struct item *items;
    uint32_t count, capacity;
};

static void a_pushed_item_is_zeroed_and_the_older_ones_keep_their_values(void **state) {
    struct arena *arena = *state;
    struct item_array array = {0};
    for (int64_t i = 0; i < 1000; i++) {
        struct item *item = ARRAY_PUSH(arena, &array);
        assert_int_equal(item->number, 0);
        item->number = i;
    }
    assert_int_equal(array.count, 1000);
    for (int64_t i = 0; i < 1000; i++) {
        assert_int_equal(array.items[i].number, i);
    }
}

static void a_removed_item_leaves_the_others_in_their_order(void **state) {
    struct arena *arena = *state;
    struct item_array array = {0};
    for (int64_t i = 0; i < 5; i++) {
        ARRAY_PUSH(arena, &array)->number = i;
    }
    ARRAY_REMOVE(&array, 1);
    ARRAY_REMOVE(&array, 3); /* the last one */
    ARRAY_REMOVE(&array, 0);
    assert_int_equal(array.count, 2);
    assert_int_equal(array.items[0].number, 2);
    assert_int_equal(array.items[1].number, 3);
}

static void what_is_wiped_is_nowhere_in_its_blocks(void **state) {
    struct arena *arena = *state;
    char *first = arena_alloc(arena, 16);
    char *large = arena_alloc(arena, TEST_MAX_BYTES / 2); /* of a block of its own */
    memset(first, 'x', 16);
    memset(large, 'y', TEST_MAX_BYTES / 2);
    arena_wipe(arena);
    for (size_t i = 0; i < 16; i++) {
        assert_int_equal(first[i], 0);
    }
    for (size_t i = 0; i < TEST_MAX_BYTES / 2; i++) {
        assert_int_equal(large[i], 0);
    }
    assert_true(arena_left(arena) < TEST_MAX_BYTES / 2); /* it is still taken */
}

/* It is tried where it does not fit first. */
static void a_printed_text_is_in_one_place(void **state) {
    struct arena *arena = *state;
    struct str first = arena_printf(arena, "%s", "short");
    size_t left = 64 * 1024 - arena->used_bytes;
    char *before = arena_alloc(arena, left - 32);
    char *room = before + left - 32;
    memset(room, '-', 32);
    struct str printed = arena_printf(arena, "%s", "a sentence that is longer than what is left of the block");
    assert_string_equal(printed.data, "a sentence that is longer than what is left of the block");
    assert_true(printed.data != room);
    for (size_t i = 0; i < 32; i++) {
        assert_int_equal(room[i], 0);
    }
    assert_string_equal(first.data, "short");
    arena_wipe(arena);
    assert_int_equal(first.data[0], 0);
    assert_int_equal(printed.data[0], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_reset_keeps_is_given_again, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(texts_are_joined_and_printed, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(pieces_are_zeroed_and_aligned_and_stay_where_they_are, arena_setup,
                                        arena_teardown),
        cmocka_unit_test_setup_teardown(a_piece_larger_than_a_block_is_given, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(nothing_is_given_past_the_maximum, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(what_is_wiped_is_nowhere_in_its_blocks, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(a_printed_text_is_in_one_place, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(a_reset_arena_gives_all_of_it_again, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(reused_memory_is_zeroed_again, arena_setup, arena_teardown),
        cmocka_unit_test_setup_teardown(copies_and_printed_text_hold_what_they_were_made_of, arena_setup,
                                        arena_teardown),
        cmocka_unit_test_setup_teardown(a_copy_that_does_not_fit_is_refused_and_leaves_the_output_alone, arena_setup,
                                        arena_teardown),
        cmocka_unit_test_setup_teardown(a_pushed_item_is_zeroed_and_the_older_ones_keep_their_values, arena_setup,
                                        arena_teardown),
        cmocka_unit_test_setup_teardown(a_removed_item_leaves_the_others_in_their_order, arena_setup, arena_teardown),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
