/* What a view keeps of its streams is read by no other version of the state's schema: a view whose aggregate's state
 * has a new one must be rebuilt, and its format says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/macros.h"
#include "projections/runtime/view.h"

/* What each view's tables hold as of that format: its state's id in schemas/registry.tsv. */
static const struct kept {
    const char *view;
    int format;
    uint32_t state_schema_ids[VIEW_FAMILIES_MAX]; /* of `fold`, then of `also_folds` */
} kept[] = {
    {"products", 5, {19}}, {"stock", 3, {165}},     {"carts", 2, {159}},
    {"orders", 5, {186}},  {"payments", 2, {170}},  {"customers", 3, {175}},
    {"keys", 1, {151}},    {"sales", 1, {186, 19}}, {"categories", 1, {194}},
};

static const struct kept *kept_of(const struct view *view) {
    for (size_t i = 0; i < ARRAY_LENGTH(kept); i++) {
        if (strcmp(kept[i].view, view->name) == 0) {
            return &kept[i];
        }
    }
    fail_msg("view %s needs a row in this test's table", view->name);
    return NULL;
}

/* The number `place` of the aggregates that the view folds, NULL behind the last. */
static const struct aggregate *folded(const struct view *view, size_t place) {
    return place == 0 ? view->fold : view->also_folds[place - 1];
}

static void check_state(const struct view *view, const struct kept *row, size_t place) {
    const struct aggregate *aggregate = folded(view, place);
    uint32_t now = aggregate == NULL ? 0 : aggregate->state_schema_id, then = row->state_schema_ids[place];
    if (then != now && row->format == view->format) {
        fail_msg("tables of view %s hold states of schema %u, and %u cannot be read from them: raise the view's "
                 "format (projections/%s/project.c), then its row in this test",
                 view->name, then, now, view->name);
    }
    if (then != now || row->format != view->format) {
        fail_msg("view %s has format %d now, with states of schema %u: write both into its row in this test",
                 view->name, view->format, now);
    }
}

static void a_new_version_of_a_state_raises_the_format_of_its_view(void **state) {
    (void)state;
    for (size_t i = 0; i < view_count; i++) {
        const struct view *view = views[i];
        if (view->fold == NULL) {
            continue;
        }
        const struct kept *row = kept_of(view);
        for (size_t place = 0; place < VIEW_FAMILIES_MAX; place++) {
            check_state(view, row, place);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_version_of_a_state_raises_the_format_of_its_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
