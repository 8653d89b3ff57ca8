#include "core/domain/category/category.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/testing/given.h"
#include "gen/codec.h"

static struct str text_of(const char *text) {
    return text == NULL ? STR("") : str_of_cstr(text);
}

/* `parent` NULL: at the top. */
static struct command put(const char *slug, const char *title, const char *parent) {
    return (struct command){.type = COMMAND_PUT_CATEGORY,
                            .as.put_category = {.slug = str_of_cstr(slug),
                                                .title = str_of_cstr(title),
                                                .has_parent = parent != NULL,
                                                .parent = text_of(parent)}};
}

static struct command removal(const char *slug) {
    return (struct command){.type = COMMAND_REMOVE_CATEGORY, .as.remove_category.slug = str_of_cstr(slug)};
}

static const struct category_tree_state *tree_of(const struct given *given) {
    return given->state;
}

static const struct category_state *part(struct given *given, const char *slug) {
    return given_part_state(given, str_of_cstr(slug));
}

static int begin(void **state) {
    struct given *given = malloc(sizeof *given);
    given_begin(given, STR(CATEGORY_TREE_STREAM));
    *state = given;
    return 0;
}

/* tea, in it black and green, in black darjeeling. */
static int planted(void **state) {
    begin(state);
    when(*state, put("tea", "Tea", NULL));
    when(*state, put("black", "Black tea", "tea"));
    when(*state, put("green", "Green tea", "tea"));
    when(*state, put("darjeeling", "Darjeeling", "black"));
    THEN((struct given *)*state, EVENT_CATEGORY_DEFINED);
    return 0;
}

static int end(void **state) {
    given_check_history(*state);
    given_end(*state);
    free(*state);
    return 0;
}

/* ---- it comes ---------------------------------------------------------------------------------------------------- */

static void a_category_is_defined_at_the_top_or_in_another(void **state) {
    struct given *given = *state;
    struct command tea = put("tea", "Tea", NULL);
    tea.as.put_category.has_description = true;
    tea.as.put_category.description = STR("Leaves.");
    tea.as.put_category.position = 7;
    when(given, tea);
    THEN(given, EVENT_CATEGORY_DEFINED);
    assert_str(part(given, "tea")->category.description, "Leaves.");
    assert_int_equal(part(given, "tea")->category.position, 7);
    assert_int_equal(part(given, "tea")->category.created_at, given->now_us);
    when(given, put("black", "Black tea", "tea"));
    THEN(given, EVENT_CATEGORY_DEFINED);
    assert_int_equal(part(given, "black")->status, CATEGORY_STATUS_ACTIVE);
    assert_str(part(given, "black")->category.parent, "tea");
    assert_int_equal(tree_of(given)->count, 2);
    assert_int_equal(tree_of(given)->places.items[1].parent, 0);
}

static void a_parent_that_is_not_there_is_no_parent(void **state) {
    struct given *given = *state;
    when(given, put("black", "Black tea", "tea"));
    THEN_REFUSED(given, REJECT_UNKNOWN_PARENT, "/parent");
    when(given, put("tea", "Tea", NULL));
    when(given, put("tea", "Tea", "coffee"));
    THEN_REFUSED(given, REJECT_UNKNOWN_PARENT, "/parent");
    assert_false(part(given, "tea")->category.has_parent);
}

static void a_name_that_is_none_is_not_taken(void **state) {
    struct given *given = *state;
    static const char *const names[] = {
        "", "Tea", "a b", "a/b", "..", "a\nb", "12345678901234567890123456789012345678901234567890123456789012345"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        when(given, put(names[i], "Tea", NULL));
        THEN_REFUSED(given, REJECT_MALFORMED_COMMAND, "");
        when(given, removal(names[i]));
        THEN_REFUSED(given, REJECT_MALFORMED_COMMAND, "");
    }
    assert_int_equal(given->version, 0);
}

static void there_is_one_tree(void **state) {
    (void)state;
    struct given given;
    given_begin(&given, STR("cat_shrub"));
    when(&given, put("tea", "Tea", NULL));
    THEN_REFUSED(&given, REJECT_MALFORMED_COMMAND, "");
    given_end(&given);
}

/* ---- it changes -------------------------------------------------------------------------------------------------- */

static void what_is_said_of_it_changes_and_it_stays_where_it_is(void **state) {
    struct given *given = *state; /* planted */
    when(given, put("black", "Black teas", "tea"));
    THEN(given, EVENT_CATEGORY_CHANGED);
    assert_str(made(given, 0)->as.category_changed.category.title, "Black teas");
    assert_str(made(given, 0)->as.category_changed.category.parent, "tea");
    assert_int_equal(part(given, "black")->version, 5);
    assert_int_equal(part(given, "black")->changed_at, given->now_us);
    assert_true(part(given, "black")->category.created_at < given->now_us);
    assert_int_equal(part(given, "green")->version, 3); /* another's is as it was */
    struct command described = put("black", "Black teas", "tea");
    described.as.put_category.has_description = true;
    when(given, described); /* an empty description is not none */
    THEN(given, EVENT_CATEGORY_CHANGED);
    when(given, put("black", "Black teas", "tea"));
    THEN(given, EVENT_CATEGORY_CHANGED);
    assert_false(part(given, "black")->category.has_description);
}

static void the_same_again_is_nothing(void **state) {
    struct given *given = *state; /* planted */
    when(given, put("black", "Black tea", "tea"));
    THEN_NOTHING(given);
    when(given, put("tea", "Tea", NULL));
    THEN_NOTHING(given);
}

static void it_moves_and_those_below_it_with_it(void **state) {
    struct given *given = *state; /* planted */
    when(given, put("black", "Black tea", "green"));
    THEN(given, EVENT_CATEGORY_MOVED);
    assert_str(made(given, 0)->as.category_moved.from, "tea");
    assert_true(made(given, 0)->as.category_moved.has_from);
    assert_str(made(given, 0)->as.category_moved.category.parent, "green");
    assert_str(part(given, "darjeeling")->category.parent, "black");
    when(given, put("black", "Black tea", NULL));
    THEN(given, EVENT_CATEGORY_MOVED);
    assert_false(part(given, "black")->category.has_parent);
    assert_int_equal(tree_of(given)->places.items[1].parent, -1);
    struct command third = put("black", "Black tea", NULL);
    third.as.put_category.position = 3;
    when(given, third); /* among those beside it */
    THEN(given, EVENT_CATEGORY_MOVED);
    assert_false(made(given, 0)->as.category_moved.has_from);
    assert_int_equal(made(given, 0)->as.category_moved.from_position, 0);
    assert_int_equal(part(given, "black")->category.position, 3);
}

static void one_put_may_change_and_move_it(void **state) {
    struct given *given = *state; /* planted */
    when(given, put("darjeeling", "First Flush", "green"));
    THEN(given, EVENT_CATEGORY_CHANGED, EVENT_CATEGORY_MOVED);
    assert_str(made(given, 0)->as.category_changed.category.parent, "black"); /* not yet */
    assert_str(made(given, 1)->as.category_moved.category.title, "First Flush");
    assert_int_equal(part(given, "darjeeling")->version, 6);
}

static void nothing_stands_in_itself(void **state) {
    struct given *given = *state; /* planted */
    when(given, put("coffee", "Coffee", "coffee"));
    THEN_REFUSED(given, REJECT_CATEGORY_CIRCLE, "/parent");
    when(given, put("tea", "Tea", "tea"));
    THEN_REFUSED(given, REJECT_CATEGORY_CIRCLE, "/parent");
    when(given, put("tea", "All tea", "darjeeling")); /* and nothing of it is done */
    THEN_REFUSED(given, REJECT_CATEGORY_CIRCLE, "/parent");
    assert_str(part(given, "tea")->category.title, "Tea");
}

/* Two changes that are each right alone. */
static void two_that_are_put_into_each_other_come_one_after_the_other(void **state) {
    struct given *given = *state;
    when(given, put("a", "A", NULL));
    when(given, put("b", "B", NULL));
    when(given, put("a", "A", "b"));
    THEN(given, EVENT_CATEGORY_MOVED);
    when(given, put("b", "B", "a"));
    THEN_REFUSED(given, REJECT_CATEGORY_CIRCLE, "/parent");
}

static void define_eight(struct given *given) {
    static const char *const slugs[] = {"1", "2", "3", "4", "5", "6", "7", "8"};
    for (size_t i = 0; i < ARRAY_LENGTH(slugs); i++) {
        when(given, put(slugs[i], "Level", i == 0 ? NULL : slugs[i - 1]));
        THEN(given, EVENT_CATEGORY_DEFINED);
    }
}

static void none_is_deeper_than_eight_with_all_below_it(void **state) {
    struct given *given = *state;
    define_eight(given);
    when(given, put("9", "Level", "8"));
    THEN_REFUSED(given, REJECT_CATEGORY_TOO_DEEP, "/parent");
    when(given, put("top", "Top", NULL));
    when(given, put("1", "Level", "top"));
    THEN_REFUSED(given, REJECT_CATEGORY_TOO_DEEP, "/parent");
    when(given, put("2", "Level", "top")); /* seven below it, as before */
    THEN(given, EVENT_CATEGORY_MOVED);
    when(given, put("top", "Top", "1"));
    THEN_REFUSED(given, REJECT_CATEGORY_TOO_DEEP, "/parent");
}

/* ---- it goes ----------------------------------------------------------------------------------------------------- */

static void one_in_which_others_stand_is_not_removed(void **state) {
    struct given *given = *state; /* planted */
    when(given, removal("black"));
    THEN_REFUSED(given, REJECT_CATEGORY_HAS_CHILDREN, "");
    when(given, removal("darjeeling"));
    THEN(given, EVENT_CATEGORY_REMOVED);
    when(given, removal("black"));
    THEN(given, EVENT_CATEGORY_REMOVED);
    assert_int_equal(tree_of(given)->count, 2);
}

static void what_is_not_there_is_not_removed(void **state) {
    struct given *given = *state; /* planted */
    when(given, removal("coffee"));
    THEN_REFUSED(given, REJECT_UNKNOWN_CATEGORY, "");
    when(given, removal("green"));
    when(given, removal("green"));
    THEN_REFUSED(given, REJECT_UNKNOWN_CATEGORY, "");
}

static void nothing_is_put_into_what_was_removed(void **state) {
    struct given *given = *state; /* planted */
    when(given, removal("green"));
    when(given, put("sencha", "Sencha", "green"));
    THEN_REFUSED(given, REJECT_UNKNOWN_PARENT, "/parent");
}

/* And its version goes on: who knows one of before does not change the new one by it. */
static void what_comes_again_is_a_new_one_in_the_free_place(void **state) {
    struct given *given = *state; /* planted */
    struct command described = put("green", "Green tea", "tea");
    described.as.put_category.has_description = true;
    described.as.put_category.description = STR("Steamed.");
    when(given, described);
    int64_t created_at = part(given, "green")->category.created_at;
    when(given, removal("green"));
    assert_int_equal(part(given, "green")->status, CATEGORY_STATUS_REMOVED);
    assert_str(part(given, "green")->category.title, "Green tea");
    assert_false(part(given, "green")->category.has_description);
    assert_int_equal(category_aggregate.part_version(part(given, "green")), 0);
    when(given, put("white", "White tea", "tea"));
    assert_int_equal(tree_of(given)->places.count, 4);
    when(given, put("green", "Green again", NULL));
    THEN(given, EVENT_CATEGORY_DEFINED);
    assert_true(part(given, "green")->category.created_at > created_at);
    assert_int_equal(category_aggregate.part_version(part(given, "green")), 8);
    assert_int_equal(tree_of(given)->places.count, 5);
}

/* ---- bounds ------------------------------------------------------------------------------------------------------ */

/* As long as one may be. */
static struct str slug_of_number(struct arena *arena, int number) {
    return arena_printf(arena, "%05d-%s", number, "a-name-that-is-as-long-as-a-name-of-a-category-may-be-x64b");
}

/* By evolve alone: what decide has to look at is then as large as it may become. */
static void fill(struct category_tree_state *tree, struct arena *arena) {
    struct event event = {.type = EVENT_CATEGORY_DEFINED};
    for (int i = 0; i < CATEGORY_MAX; i++) {
        event.as.category_defined.category = (struct category_details){
            .slug = slug_of_number(arena, i), .has_parent = i > 0, .parent = slug_of_number(arena, 0)};
        category_evolve(tree, NULL, &event, arena);
    }
}

static void there_are_ten_thousand_at_most_in_a_state_that_is_bounded(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 256 << 20);
    struct category_tree_state tree = {0};
    const struct category_state absent = {0};
    fill(&tree, &arena);
    assert_int_equal(tree.count, CATEGORY_MAX);
    struct buf bytes;
    buf_init(&bytes, 8 << 20);
    category_tree_state_encode(&bytes, &tree);
    assert_true(buf_ok(&bytes));
    assert_in_range(bytes.len, 640 * 1000, 750 * 1000);
    buf_release(&bytes);

    struct decision decision = {.arena = &arena, .stream = STR(CATEGORY_TREE_STREAM)};
    const struct command more = put("one-more", "One more", NULL);
    assert_int_equal(category_decide(&tree, &absent, &more, &decision), REJECT_TOO_MANY_CATEGORIES);
    struct event gone = {.type = EVENT_CATEGORY_REMOVED};
    gone.as.category_removed.slug = slug_of_number(&arena, 5000);
    category_evolve(&tree, NULL, &gone, &arena);
    assert_int_equal(category_decide(&tree, &absent, &more, &decision), ACCEPTED);
    category_evolve(&tree, NULL, &decision.events.items[0], &arena);
    assert_int_equal(tree.places.count, CATEGORY_MAX);
    assert_true(str_equal(tree.places.items[5000].slug, STR("one-more")));
    arena_release(&arena);
}

/* An event that could not be, as of a history from elsewhere, must not end the process that folds it, nor keep it. */
static void a_history_that_cannot_be_is_folded_to_an_end(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct category_tree_state tree = {0};
    struct category_state one = {.status = CATEGORY_STATUS_ACTIVE, .category = {.slug = STR("a")}};
    const char *const circle[][2] = {{"a", "nothing"}, {"b", "a"}, {"a", "b"}};
    for (size_t i = 0; i < ARRAY_LENGTH(circle); i++) {
        struct event event = {.type = EVENT_CATEGORY_MOVED};
        event.as.category_moved.category = (struct category_details){
            .slug = text_of(circle[i][0]), .has_parent = true, .parent = text_of(circle[i][1])};
        category_evolve(&tree, NULL, &event, &arena);
    }
    struct event gone = {.type = EVENT_CATEGORY_REMOVED};
    gone.as.category_removed.slug = STR("never");
    category_evolve(&tree, NULL, &gone, &arena);
    struct decision decision = {.arena = &arena, .stream = STR(CATEGORY_TREE_STREAM)};
    const struct command command = put("c", "C", "b");
    assert_int_equal(category_decide(&tree, &(struct category_state){0}, &command, &decision),
                     REJECT_CATEGORY_TOO_DEEP);
    const struct command move = put("a", "A", NULL);
    assert_int_equal(category_decide(&tree, &one, &move, &decision), ACCEPTED);
    arena_release(&arena);
}

/* ---- any order of anything --------------------------------------------------------------------------------------- */

enum { SLUGS = 14, NONE = -1, NOT_THERE = SLUGS, STEPS = 400, SEEDS = 40 };

/* The tree once more, as simple as can be: who stands in whom. */
struct model {
    bool is_there[SLUGS];
    int parent[SLUGS];
};

static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static const char *slug_at(int index) {
    static const char *const slugs[SLUGS + 1] = {"a", "b", "c", "d", "e", "f", "g",    "h",
                                                 "i", "j", "k", "l", "m", "n", "never"};
    return slugs[index];
}

/* How many levels stand above it and it; 0: it never comes to the top. */
static int model_depth(const struct model *model, int index) {
    int depth = 0;
    for (; index != NONE && depth <= SLUGS; depth++) {
        index = model->parent[index];
    }
    return depth > SLUGS ? 0 : depth;
}

/* By trying it out: what is left is a tree, or it is not. */
static enum rejection model_put(struct model *model, int index, int parent) {
    if (parent == index) {
        return REJECT_CATEGORY_CIRCLE;
    }
    if (parent == NOT_THERE || (parent != NONE && !model->is_there[parent])) {
        return REJECT_UNKNOWN_PARENT;
    }
    struct model after = *model;
    after.is_there[index] = true;
    after.parent[index] = parent;
    bool is_deep = false;
    for (int i = 0; i < SLUGS; i++) {
        int depth = after.is_there[i] ? model_depth(&after, i) : 1;
        if (depth == 0) {
            return REJECT_CATEGORY_CIRCLE;
        }
        is_deep |= depth > CATEGORY_DEPTH_MAX;
    }
    if (is_deep) {
        return REJECT_CATEGORY_TOO_DEEP;
    }
    *model = after;
    return ACCEPTED;
}

static enum rejection model_remove(struct model *model, int index) {
    if (!model->is_there[index]) {
        return REJECT_UNKNOWN_CATEGORY;
    }
    for (int i = 0; i < SLUGS; i++) {
        if (model->is_there[i] && model->parent[i] == index) {
            return REJECT_CATEGORY_HAS_CHILDREN;
        }
    }
    model->is_there[index] = false;
    model->parent[index] = NONE;
    return ACCEPTED;
}

/* Each place has what the model has, and nothing else is there. */
static void assert_tree(struct given *given, const struct model *model) {
    const struct category_tree_state *tree = tree_of(given);
    int count = 0;
    for (uint32_t i = 0; i < tree->places.count; i++) {
        const struct category_place *place = &tree->places.items[i];
        if (str_is_empty(place->slug)) {
            continue;
        }
        int index = place->slug.data[0] - 'a';
        count++;
        assert_true(model->is_there[index]);
        if (model->parent[index] == NONE) {
            assert_int_equal(place->parent, -1);
        } else {
            assert_in_range(place->parent, 0, tree->places.count - 1);
            assert_str(tree->places.items[place->parent].slug, slug_at(model->parent[index]));
        }
    }
    assert_int_equal(tree->count, count);
    assert_true(tree->places.count <= SLUGS);
    for (int i = 0; i < SLUGS; i++) {
        const struct category_state *of = part(given, slug_at(i));
        assert_int_equal(of->status == CATEGORY_STATUS_ACTIVE, model->is_there[i]);
        count -= model->is_there[i];
        if (model->is_there[i]) {
            assert_str(of->category.parent, model->parent[i] == NONE ? "" : slug_at(model->parent[i]));
        }
    }
    assert_int_equal(count, 0);
}

/* Deep trees are rare by chance alone: often the parent is the one before it. */
static int any_parent(uint64_t *seed, int index) {
    switch (next_random(seed) % 8) {
    case 0:
        return NONE;
    case 1:
        return NOT_THERE;
    case 2:
    case 3:
    case 4:
        return index == 0 ? NONE : index - 1;
    default:
        return (int)(next_random(seed) % SLUGS);
    }
}

static void run_orders(uint64_t seed, uint32_t ret_seen[REJECTION_COUNT]) {
    struct given given;
    given_begin(&given, STR(CATEGORY_TREE_STREAM));
    struct model model = {0};
    for (int i = 0; i < SLUGS; i++) {
        model.parent[i] = NONE;
    }
    uint64_t random = seed * UINT64_C(0x9E3779B97F4A7C15);
    for (int step = 0; step < STEPS; step++) {
        int index = (int)(next_random(&random) % SLUGS);
        int64_t version = given.version;
        enum rejection expected;
        if (next_random(&random) % 4 == 0) {
            expected = model_remove(&model, index);
            when(&given, removal(slug_at(index)));
        } else {
            int parent = any_parent(&random, index);
            expected = model_put(&model, index, parent);
            when(&given, put(slug_at(index), "A category", parent == NONE ? NULL : slug_at(parent)));
        }
        assert_int_equal(given.rejection, expected);
        assert_true(expected == ACCEPTED || given.version == version);
        ret_seen[expected]++;
        assert_tree(&given, &model);
    }
    given_check_history(&given);
    given_end(&given);
}

/* Seeds come from SEED (a run to repeat) or count up from 1; each is printed by whoever fails, as the last line. */
static void no_order_of_changes_makes_a_circle_or_leaves_one_alone(void **state) {
    (void)state;
    const char *only = getenv("SEED");
    uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 1, last = only != NULL ? first : SEEDS;
    uint32_t seen[REJECTION_COUNT] = {0};
    for (uint64_t seed = first; seed <= last; seed++) {
        printf("seed %llu%s", (unsigned long long)seed, seed == last ? "\n" : "\r");
        fflush(stdout);
        run_orders(seed, seen);
    }
    static const enum rejection all[] = {ACCEPTED,
                                         REJECT_UNKNOWN_PARENT,
                                         REJECT_CATEGORY_CIRCLE,
                                         REJECT_CATEGORY_TOO_DEEP,
                                         REJECT_CATEGORY_HAS_CHILDREN,
                                         REJECT_UNKNOWN_CATEGORY};
    for (size_t i = 0; only == NULL && i < ARRAY_LENGTH(all); i++) {
        assert_true(seen[all[i]] > 20); /* or nothing was tried */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define EMPTY(name) cmocka_unit_test_setup_teardown(name, begin, end)
#define PLANTED(name) cmocka_unit_test_setup_teardown(name, planted, end)
        EMPTY(a_category_is_defined_at_the_top_or_in_another),
        EMPTY(a_parent_that_is_not_there_is_no_parent),
        EMPTY(a_name_that_is_none_is_not_taken),
        cmocka_unit_test(there_is_one_tree),
        PLANTED(what_is_said_of_it_changes_and_it_stays_where_it_is),
        PLANTED(the_same_again_is_nothing),
        PLANTED(it_moves_and_those_below_it_with_it),
        PLANTED(one_put_may_change_and_move_it),
        PLANTED(nothing_stands_in_itself),
        EMPTY(two_that_are_put_into_each_other_come_one_after_the_other),
        EMPTY(none_is_deeper_than_eight_with_all_below_it),
        PLANTED(one_in_which_others_stand_is_not_removed),
        PLANTED(what_is_not_there_is_not_removed),
        PLANTED(nothing_is_put_into_what_was_removed),
        PLANTED(what_comes_again_is_a_new_one_in_the_free_place),
        cmocka_unit_test(there_are_ten_thousand_at_most_in_a_state_that_is_bounded),
        cmocka_unit_test(a_history_that_cannot_be_is_folded_to_an_end),
        cmocka_unit_test(no_order_of_changes_makes_a_circle_or_leaves_one_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
