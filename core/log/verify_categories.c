/* verify_categories.c: each category of the tree stands at the top or in one that there is, and none in itself; none
 * goes in which others stand. */
#include "core/log/verify_parts.h"

/* The bound of DESIGN's tree, said once more: the auditor does not ask the domain. */
enum { DEPTH_MAX = 8 };

struct category_record {
    bool is_there;
    bool has_parent;
    struct digest parent;
    int32_t children;
};

void category_map_init(struct digest_map *map) {
    digest_map_init(map, sizeof(struct category_record));
}

/* Valid until the next one is asked for. */
static struct category_record *record_at(struct verify *verify, struct digest slug) {
    bool is_new;
    return digest_map_at(&verify->categories, slug, &is_new);
}

static bool is_same(struct digest one, struct digest other) {
    return memcmp(&one, &other, sizeof one) == 0;
}

static bool stands_in(const struct category_record *record, bool has_parent, struct digest parent) {
    return record->has_parent == has_parent && (!has_parent || is_same(record->parent, parent));
}

static struct digest digest_of_slug(struct str slug) {
    return digest_of(STR("category"), slug);
}

/* Upwards from the parent: it meets neither the category itself nor what is not there, and comes to the top in time. */
static void check_above(struct verify *verify, const struct category_details *category) {
    struct digest self = digest_of_slug(category->slug), at = digest_of_slug(category->parent);
    for (int depth = 1; depth <= DEPTH_MAX; depth++) {
        const struct category_record *record = record_at(verify, at);
        if (is_same(at, self)) {
            verify_tell(verify, "tree", "%.*s stands in itself", STR_ARGS(category->slug));
            return;
        }
        if (!record->is_there) {
            verify_tell(verify, "tree", "%.*s stands in what is not there", STR_ARGS(category->slug));
            return;
        }
        if (!record->has_parent) {
            if (depth == DEPTH_MAX) {
                break;
            }
            return;
        }
        at = record->parent;
    }
    verify_tell(verify, "tree", "%.*s stands deeper than %d", STR_ARGS(category->slug), DEPTH_MAX);
}

static void leave_parent(struct verify *verify, const struct category_record *record) {
    if (record->is_there && record->has_parent) {
        record_at(verify, record->parent)->children--;
    }
}

/* What the event says is what counts from here on, whether it may be so or not. */
static void take_place(struct verify *verify, const struct category_details *category) {
    struct digest slug = digest_of_slug(category->slug);
    struct digest parent = digest_of_slug(category->parent);
    struct category_record before = *record_at(verify, slug);
    leave_parent(verify, &before);
    if (category->has_parent) {
        check_above(verify, category);
        record_at(verify, parent)->children++;
    }
    struct category_record *after = record_at(verify, slug);
    after->is_there = true;
    after->has_parent = category->has_parent;
    after->parent = parent;
}

static void defined(struct verify *verify, const struct category_details *category) {
    if (record_at(verify, digest_of_slug(category->slug))->is_there) {
        verify_tell(verify, "tree", "%.*s is defined, and is there already", STR_ARGS(category->slug));
    }
    take_place(verify, category);
}

static void changed(struct verify *verify, const struct category_details *category) {
    const struct category_record *record = record_at(verify, digest_of_slug(category->slug));
    if (!record->is_there || !stands_in(record, category->has_parent, digest_of_slug(category->parent))) {
        verify_tell(verify, "tree", "%.*s is changed, and does not stand where that says", STR_ARGS(category->slug));
    }
}

static void moved(struct verify *verify, const struct category_moved *event) {
    struct str slug = event->category.slug;
    const struct category_record *record = record_at(verify, digest_of_slug(slug));
    if (!record->is_there || !stands_in(record, event->has_from, digest_of_slug(event->from))) {
        verify_tell(verify, "tree", "%.*s is moved from where it does not stand", STR_ARGS(slug));
    }
    take_place(verify, &event->category);
}

static void removed(struct verify *verify, struct str slug) {
    struct category_record record = *record_at(verify, digest_of_slug(slug));
    if (!record.is_there) {
        verify_tell(verify, "tree", "%.*s is removed, and is not there", STR_ARGS(slug));
    } else if (record.children > 0) {
        verify_tell(verify, "tree", "%.*s is removed, and %d stand in it", STR_ARGS(slug), record.children);
    }
    leave_parent(verify, &record);
    struct category_record *left = record_at(verify, digest_of_slug(slug));
    left->is_there = left->has_parent = false;
}

void verify_category(struct verify *verify, const struct event *event) {
    switch ((enum categories_event)event->type) {
    case EVENT_CATEGORY_DEFINED:
        defined(verify, &event->as.category_defined.category);
        break;
    case EVENT_CATEGORY_CHANGED:
        changed(verify, &event->as.category_changed.category);
        break;
    case EVENT_CATEGORY_MOVED:
        moved(verify, &event->as.category_moved);
        break;
    case EVENT_CATEGORY_REMOVED:
        removed(verify, event->as.category_removed.slug);
        break;
    }
}
