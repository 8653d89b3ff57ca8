/* The oracle: what is wrong with categories is found in a run in which just that is wrong. */
#include "core/testing/simulator/oracle_scene.h"

#define TREE STR("cat_tree")

static struct category_details category(const char *slug, const char *parent) {
    return (struct category_details){.slug = str_of_cstr(slug),
                                     .title = STR("A category"),
                                     .has_parent = parent != NULL,
                                     .parent = parent == NULL ? STR("") : str_of_cstr(parent)};
}

static void is_defined(const char *slug, const char *parent) {
    struct event event = {.type = EVENT_CATEGORY_DEFINED};
    event.as.category_defined.category = category(slug, parent);
    scene_event(TREE, STR(""), event);
}

static void moves(const char *slug, const char *from, const char *to) {
    struct event event = {.type = EVENT_CATEGORY_MOVED};
    event.as.category_moved = (struct category_moved){
        .category = category(slug, to), .has_from = from != NULL, .from = from == NULL ? STR("") : str_of_cstr(from)};
    scene_event(TREE, STR(""), event);
}

static void changes(const char *slug) {
    struct event event = {.type = EVENT_CATEGORY_CHANGED};
    event.as.category_changed.category = category(slug, NULL);
    scene_event(TREE, STR(""), event);
}

static void goes(const char *slug) {
    struct event event = {.type = EVENT_CATEGORY_REMOVED};
    event.as.category_removed.slug = str_of_cstr(slug);
    scene_event(TREE, STR(""), event);
}

/* a, in it b, in it c ... */
static void planted(int levels) {
    static const char *const slugs[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
    play();
    for (int i = 0; i < levels; i++) {
        is_defined(slugs[i], i == 0 ? NULL : slugs[i - 1]);
    }
}

static void a_sound_tree_is_sound(void **state) {
    (void)state;
    planted(8);
    moves("h", "g", "a");
    goes("h");
    is_defined("h", NULL);
    changes("h");
    struct oracle_options options = scene_options();
    struct oracle *oracle = oracle_judge(&options);
    oracle_report(oracle, stderr);
    assert_int_equal(oracle_violation_count(oracle), 0);
    oracle_free(oracle);
    scene_end();
}

static void a_circle_is_found(void **state) {
    (void)state;
    planted(3);
    moves("a", NULL, "c");
    expect_only("category.tree");
}

static void one_that_stands_in_what_is_not_there_is_found(void **state) {
    (void)state;
    planted(2);
    goes("a");
    expect_only("category.tree");
}

static void one_that_is_too_deep_is_found(void **state) {
    (void)state;
    planted(9);
    expect_only("category.tree");
}

static void one_that_comes_or_goes_twice_is_found(void **state) {
    (void)state;
    planted(1);
    is_defined("a", NULL);
    expect_only("category.tree");
    planted(1);
    goes("a");
    goes("a");
    expect_only("category.tree");
}

static void one_that_moves_from_elsewhere_or_changes_unborn_is_found(void **state) {
    (void)state;
    planted(2);
    moves("b", NULL, NULL);
    expect_only("category.tree");
    planted(1);
    changes("b");
    expect_only("category.tree");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_tree_is_sound),
        cmocka_unit_test(a_circle_is_found),
        cmocka_unit_test(one_that_stands_in_what_is_not_there_is_found),
        cmocka_unit_test(one_that_is_too_deep_is_found),
        cmocka_unit_test(one_that_comes_or_goes_twice_is_found),
        cmocka_unit_test(one_that_moves_from_elsewhere_or_changes_unborn_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
