/* oracle_categories.c: that what staff do to the tree of categories leaves a tree after each event: nothing stands in
 * itself or in what is not there, nothing too deep, and nothing goes in which others stand. */
#include "core/testing/simulator/oracle_parts.h"

enum { DEPTH_MAX = 8 }; /* as docs/http.md says */

/* One category; those that are not there stay with `is_there` false. */
struct category_fold {
    bool is_there;
    struct str parent; /* empty: it stands at the top */
};

static struct category_fold *category_at(struct oracle *oracle, struct map *tree, struct str slug) {
    void **at = map_at(tree, slug);
    if (*at == NULL) {
        *at = arena_alloc(&oracle->arena, sizeof(struct category_fold));
    }
    return *at;
}

static void tell(struct oracle *oracle, const struct seen_event *seen, struct str slug, const char *what) {
    oracle_tell(oracle, "category.tree", "%.*s %s at " PLACE_FORMAT, STR_ARGS(slug), what, PLACE_ARGS(seen->at));
}

/* Every category there is, from itself to the top. */
static void judge_tree(struct oracle *oracle, const struct map *tree, const struct seen_event *seen) {
    for (uint32_t i = 0; i < tree->count; i++) {
        const struct category_fold *category = tree->entries[i].value;
        int depth = 1;
        for (; category->is_there && !str_is_empty(category->parent) && depth <= DEPTH_MAX; depth++) {
            category = map_get(tree, category->parent);
            if (category == NULL || !category->is_there) {
                tell(oracle, seen, tree->entries[i].key, "stands in what is not there");
                return;
            }
        }
        if (depth > DEPTH_MAX) {
            tell(oracle, seen, tree->entries[i].key, "stands in itself, or too deep");
            return;
        }
    }
}

static void stand(struct category_fold *fold, const struct category_details *category) {
    fold->is_there = true;
    fold->parent = category->has_parent ? category->parent : STR("");
}

static void apply(struct oracle *oracle, struct map *tree, const struct seen_event *seen) {
    const struct event *event = &seen->event;
    switch ((enum categories_event)event->type) {
    case EVENT_CATEGORY_DEFINED: {
        const struct category_details *category = &event->as.category_defined.category;
        struct category_fold *fold = category_at(oracle, tree, category->slug);
        if (fold->is_there) {
            tell(oracle, seen, category->slug, "comes twice");
        }
        stand(fold, category);
        break;
    }
    case EVENT_CATEGORY_CHANGED:
        if (!category_at(oracle, tree, event->as.category_changed.category.slug)->is_there) {
            tell(oracle, seen, event->as.category_changed.category.slug, "changes, and is not there");
        }
        break;
    case EVENT_CATEGORY_MOVED: {
        const struct category_details *category = &event->as.category_moved.category;
        struct category_fold *fold = category_at(oracle, tree, category->slug);
        if (!fold->is_there || !str_equal(fold->parent, event->as.category_moved.from)) {
            tell(oracle, seen, category->slug, "moves from where it does not stand");
        }
        stand(fold, category);
        break;
    }
    case EVENT_CATEGORY_REMOVED:
        if (!category_at(oracle, tree, event->as.category_removed.slug)->is_there) {
            tell(oracle, seen, event->as.category_removed.slug, "goes, and is not there");
        }
        category_at(oracle, tree, event->as.category_removed.slug)->is_there = false;
        break;
    }
    judge_tree(oracle, tree, seen);
}

void oracle_judge_categories(struct oracle *oracle) {
    for (uint32_t i = 0; i < oracle->streams.count; i++) {
        const struct seen_stream *stream = oracle->streams.entries[i].value;
        struct map tree;
        map_init(&tree, &oracle->arena);
        for (uint32_t j = 0; str_starts_with(stream->id, STR("cat_")) && j < stream->events.count; j++) {
            apply(oracle, &tree, stream->events.items[j]);
        }
    }
}
