/* What the view of categories makes of the events of their tree. */
#include "projections/runtime/test_fold.h"

extern const struct view categories_view;

enum { SLUG, TITLE, PARENT, POSITION, DOCUMENT, VERSION, CREATED_AT, CHANGED_AT };

static int setup(void **state) {
    (void)state;
    test_fold_setup(&categories_view, STR("cat_tree"));
    return 0;
}

static int teardown(void **state) {
    (void)state;
    test_fold_teardown();
    return 0;
}

static struct category_details category(const char *slug, const char *parent) {
    return (struct category_details){.slug = str_of_cstr(slug),
                                     .title = STR("A title"),
                                     .has_parent = parent != NULL,
                                     .parent = parent == NULL ? STR("") : str_of_cstr(parent),
                                     .position = 4,
                                     .created_at = TEST_AT};
}

static void is_defined(const char *slug, const char *parent) {
    struct event event = {.type = EVENT_CATEGORY_DEFINED};
    event.as.category_defined.category = category(slug, parent);
    test_event(event);
}

static void is_moved(const char *slug, const char *parent) {
    struct event event = {.type = EVENT_CATEGORY_MOVED};
    event.as.category_moved.category = category(slug, parent);
    test_event(event);
}

static void is_changed(const char *slug) {
    struct event event = {.type = EVENT_CATEGORY_CHANGED};
    event.as.category_changed.category = category(slug, NULL);
    event.as.category_changed.category.title = STR("Another title");
    test_event(event);
}

static void is_removed(const char *slug) {
    struct event event = {.type = EVENT_CATEGORY_REMOVED};
    event.as.category_removed.slug = str_of_cstr(slug);
    test_event(event);
}

static void each_category_is_a_row_with_the_version_at_which_it_changed(void **state) {
    (void)state;
    is_defined("tea", NULL);
    is_defined("black", "tea");
    test_project();
    assert_int_equal(test_row_count(0), 2);
    const struct view_value *tea = test_row(0, 0), *black = test_row(0, 1);
    test_text(&tea[SLUG], "tea");
    assert_true(tea[PARENT].is_null);
    test_text(&black[SLUG], "black");
    test_text(&black[TITLE], "A title");
    test_text(&black[PARENT], "tea");
    assert_int_equal(black[POSITION].number, 4);
    assert_int_equal(black[VERSION].number, 2);
    assert_int_equal(black[CREATED_AT].number, TEST_AT);
    assert_int_equal(black[CHANGED_AT].number, TEST_AT + 1000000);
    test_text(&black[DOCUMENT], "{\"slug\":\"black\",\"status\":\"active\",\"title\":\"A title\",\"parent\":\"tea\","
                                "\"position\":4,\"version\":2,\"created_at\":\"2026-01-01T00:00:00.123456Z\","
                                "\"changed_at\":\"2026-01-01T00:00:01.123456Z\"}");
}

/* Of the others nothing is written. */
static void a_change_or_a_move_is_a_change_of_its_row_alone(void **state) {
    (void)state;
    is_defined("tea", NULL);
    is_defined("black", "tea");
    test_project();
    is_changed("tea");
    test_project();
    assert_int_equal(test_row_count(0), 1);
    test_text(&test_row(0, 0)[TITLE], "Another title");
    assert_int_equal(test_row(0, 0)[VERSION].number, 3);
    is_moved("black", NULL);
    test_project();
    assert_int_equal(test_row_count(0), 1);
    test_text(&test_row(0, 0)[SLUG], "black");
    assert_true(test_row(0, 0)[PARENT].is_null);
}

static void what_is_removed_has_no_row(void **state) {
    (void)state;
    is_defined("tea", NULL);
    is_defined("black", "tea");
    is_removed("black"); /* in the batch in which it came */
    test_project();
    assert_int_equal(test_row_count(0), 1);
    is_removed("tea");
    test_project();
    assert_int_equal(test_row_count(0), 0);
    assert_int_equal(test_fold.batch.tables[0].deleted_count, 1);
    test_text(&test_fold.batch.tables[0].first->values[SLUG], "tea");
    is_defined("tea", NULL);
    test_project();
    assert_int_equal(test_row(0, 0)[VERSION].number, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(each_category_is_a_row_with_the_version_at_which_it_changed),
        TEST(a_change_or_a_move_is_a_change_of_its_row_alone),
        TEST(what_is_removed_has_no_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
