#include "projections/runtime/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { COUNTS, LEDGER, NAMES };

static const struct view view = {
    .name = "test",
    .tables = {[COUNTS] = {.name = "counts",
                           .columns = {{"name", VIEW_TEXT, .key = true},
                                       {"place", VIEW_BIGINT, .key = true},
                                       {"title", VIEW_TEXT},
                                       {"units", VIEW_BIGINT, .additive = true}},
                           .column_count = 4},
               [LEDGER] = {.name = "ledger",
                           .columns = {{"name", VIEW_TEXT, .key = true}},
                           .column_count = 1,
                           .append_only = true},
               [NAMES] = {.name = "names",
                          .columns = {{"name", VIEW_TEXT, .key = true}, {"title", VIEW_TEXT}},
                          .column_count = 2}},
    .table_count = 3,
};

static struct arena arena;
static struct view_batch batch;

static int setup(void **state) {
    (void)state;
    arena_init(&arena, 1024 * 1024);
    batch_init(&batch, &view);
    batch_begin(&batch, &arena);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    batch_release(&batch);
    arena_release(&arena);
    return 0;
}

static void put(struct str name, int64_t place, struct str title, int64_t units) {
    view_upsert(&batch, COUNTS,
                (struct view_value[]){view_text(name), view_number(place), view_text(title), view_number(units)});
}

static void drop(struct str name, int64_t place) {
    view_delete(&batch, COUNTS, (struct view_value[]){view_text(name), view_number(place)});
}

static void of_several_changes_to_a_key_the_last_is_kept_and_additive_columns_are_summed(void **state) {
    (void)state;
    put(STR("a"), 1, STR("first"), 3);
    put(STR("b"), 1, STR("other"), 1);
    put(STR("a"), 1, STR("second"), -5);
    const struct table_changes *changes = &batch.tables[COUNTS];
    assert_int_equal(changes->present_count, 2);
    assert_int_equal(changes->deleted_count, 0);
    assert_true(str_equal(changes->first->values[2].text, STR("second")));
    assert_int_equal(changes->first->values[3].number, -2);
    assert_ptr_equal(changes->first->next, changes->last);
    assert_true(str_equal(changes->last->values[2].text, STR("other")));
}

static void keys_of_several_columns_are_not_mixed_up(void **state) {
    (void)state;
    put(STR("a"), 1, STR(""), 0);
    put(STR("a"), 2, STR(""), 0);
    put(STR("a\1"), 1, STR(""), 0);
    put(STR(""), 1, STR(""), 0);
    assert_int_equal(batch.tables[COUNTS].present_count, 4);
}

static void a_row_that_is_set_and_deleted_goes(void **state) {
    (void)state;
    put(STR("a"), 1, STR("x"), 3);
    drop(STR("a"), 1);
    const struct table_changes *changes = &batch.tables[COUNTS];
    assert_int_equal(changes->present_count, 0);
    assert_int_equal(changes->deleted_count, 1);
    assert_true(str_equal(changes->first->values[0].text, STR("a")));
}

static void a_row_that_is_deleted_and_set_again_does_not_add_to_the_old_one(void **state) {
    (void)state;
    put(STR("a"), 1, STR("x"), 3);
    drop(STR("a"), 1);
    drop(STR("a"), 1);
    put(STR("a"), 1, STR("y"), 4);
    const struct table_changes *changes = &batch.tables[COUNTS];
    assert_int_equal(changes->present_count, 1);
    assert_int_equal(changes->deleted_count, 1);
    assert_true(changes->first->deleted);
    assert_true(changes->first->present);
    assert_int_equal(changes->first->values[3].number, 4);
}

static void rows_of_a_ledger_are_all_kept_in_their_order(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        view_upsert(&batch, LEDGER, (struct view_value[]){view_text(i == 1 ? STR("other") : STR("same"))});
    }
    const struct table_changes *changes = &batch.tables[LEDGER];
    assert_int_equal(changes->present_count, 3);
    assert_true(str_equal(changes->first->values[0].text, STR("same")));
    assert_true(str_equal(changes->first->next->values[0].text, STR("other")));
    assert_true(str_equal(changes->last->values[0].text, STR("same")));
}

/* Of a stream that begins no row can be there, unless others have added to it. */
static void a_row_of_a_new_stream_is_new_unless_streams_are_summed_up_in_it(void **state) {
    (void)state;
    batch.stream_is_new = true;
    put(STR("a"), 1, STR("x"), 3);
    view_upsert(&batch, NAMES, (struct view_value[]){view_text(STR("a")), view_text(STR("x"))});
    assert_false(batch.tables[COUNTS].first->is_new);
    assert_int_equal(batch.tables[COUNTS].new_count, 0);
    assert_true(batch.tables[NAMES].first->is_new);
    assert_int_equal(batch.tables[NAMES].new_count, 1);
}

static void a_batch_begun_again_is_empty(void **state) {
    (void)state;
    put(STR("a"), 1, STR("x"), 3);
    arena_reset(&arena);
    batch_begin(&batch, &arena);
    assert_null(batch.tables[COUNTS].first);
    put(STR("a"), 1, STR("x"), 1);
    assert_int_equal(batch.tables[COUNTS].first->values[3].number, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_several_changes_to_a_key_the_last_is_kept_and_additive_columns_are_summed,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(keys_of_several_columns_are_not_mixed_up, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_that_is_set_and_deleted_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_that_is_deleted_and_set_again_does_not_add_to_the_old_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(rows_of_a_ledger_are_all_kept_in_their_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_row_of_a_new_stream_is_new_unless_streams_are_summed_up_in_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_batch_begun_again_is_empty, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
