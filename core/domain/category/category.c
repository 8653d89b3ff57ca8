#include "core/domain/category/category.h"

#include "core/base/format.h"
#include "gen/codec.h"

enum { AT_TOP = -1, NO_PLACE = -1 };

/* ---- the tree ---------------------------------------------------------------------------------------------------- */

/* Where the category stands among the places; NO_PLACE: it is not there. An empty slug finds a place that is free. */
static int32_t place_of(const struct category_tree_state *tree, struct str slug) {
    for (uint32_t i = 0; i < tree->places.count; i++) {
        if (str_equal(tree->places.items[i].slug, slug)) {
            return (int32_t)i;
        }
    }
    return NO_PLACE;
}

static int32_t parent_of(const struct category_tree_state *tree, int32_t place) {
    int32_t parent = tree->places.items[place].parent;
    return parent >= 0 && (uint32_t)parent < tree->places.count ? parent : AT_TOP;
}

/* How many levels there are from the top down to it, itself included. A history from elsewhere may have a circle, which
 * must not keep us for ever: more than CATEGORY_DEPTH_MAX is not counted. */
static int depth_of(const struct category_tree_state *tree, int32_t place) {
    int depth = 0;
    for (; place != AT_TOP && depth <= CATEGORY_DEPTH_MAX; place = parent_of(tree, place)) {
        depth++;
    }
    return depth;
}

/* How far above `place` stands `above`: 0 itself, 1 its parent; -1: it does not. */
static int steps_up(const struct category_tree_state *tree, int32_t place, int32_t above) {
    for (int steps = 0; place != AT_TOP && steps <= CATEGORY_DEPTH_MAX; steps++) {
        if (place == above) {
            return steps;
        }
        place = parent_of(tree, place);
    }
    return -1;
}

/* How many levels there are from it down to the deepest below it, itself included. */
static int height_of(const struct category_tree_state *tree, int32_t of) {
    int height = 1;
    for (uint32_t i = 0; i < tree->places.count; i++) {
        if (!str_is_empty(tree->places.items[i].slug)) {
            int steps = steps_up(tree, (int32_t)i, of);
            height = steps + 1 > height ? steps + 1 : height;
        }
    }
    return height;
}

static bool has_children(const struct category_tree_state *tree, int32_t of) {
    for (uint32_t i = 0; i < tree->places.count; i++) {
        if (!str_is_empty(tree->places.items[i].slug) && tree->places.items[i].parent == of) {
            return true;
        }
    }
    return false;
}

/* ---- decide ------------------------------------------------------------------------------------------------------ */

/* Whether it may stand there. `place`: of the category, NO_PLACE for a new one. */
static enum rejection judge_parent(const struct category_tree_state *tree, int32_t place, struct str parent_slug,
                                   struct decision *decision) {
    int32_t parent = place_of(tree, parent_slug);
    if (parent == NO_PLACE) {
        return decision_reject(decision, REJECT_UNKNOWN_PARENT, STR("/parent"));
    }
    if (place != NO_PLACE && steps_up(tree, parent, place) >= 0) {
        return decision_reject(decision, REJECT_CATEGORY_CIRCLE, STR("/parent"));
    }
    int height = place == NO_PLACE ? 1 : height_of(tree, place);
    if (depth_of(tree, parent) + height > CATEGORY_DEPTH_MAX) {
        return decision_reject(decision, REJECT_CATEGORY_TOO_DEEP, STR("/parent"));
    }
    return ACCEPTED;
}

static bool texts_equal(bool has_one, struct str one, bool has_other, struct str other) {
    return has_one == has_other && (!has_one || str_equal(one, other));
}

static bool is_said_the_same(const struct category_details *one, const struct category_details *other) {
    return str_equal(one->title, other->title) &&
           texts_equal(one->has_description, one->description, other->has_description, other->description);
}

static bool stands_in_the_same(const struct category_details *one, const struct category_details *other) {
    return texts_equal(one->has_parent, one->parent, other->has_parent, other->parent);
}

static struct category_details as_asked(const struct put_category *ask, int64_t created_at) {
    return (struct category_details){
        .slug = ask->slug,
        .title = ask->title,
        .has_description = ask->has_description,
        .description = ask->description,
        .has_parent = ask->has_parent,
        .parent = ask->parent,
        .position = ask->position,
        .created_at = created_at,
    };
}

static enum rejection define(const struct category_tree_state *tree, const struct put_category *ask,
                             struct decision *decision) {
    if (tree->count >= CATEGORY_MAX) {
        return REJECT_TOO_MANY_CATEGORIES;
    }
    if (ask->has_parent && str_equal(ask->parent, ask->slug)) {
        return decision_reject(decision, REJECT_CATEGORY_CIRCLE, STR("/parent"));
    }
    enum rejection refusal = ask->has_parent ? judge_parent(tree, NO_PLACE, ask->parent, decision) : ACCEPTED;
    if (refusal == ACCEPTED) {
        decision_event(decision, EVENT_CATEGORY_DEFINED)->as.category_defined.category =
            as_asked(ask, decision->now_us);
    }
    return refusal;
}

/* What is said of it is one event, where it stands another; both when both change, and none when nothing does. */
static enum rejection change(const struct category_tree_state *tree, const struct category_details *before,
                             const struct put_category *ask, struct decision *decision) {
    const struct category_details after = as_asked(ask, before->created_at);
    bool goes_elsewhere = !stands_in_the_same(before, &after);
    if (goes_elsewhere && after.has_parent) {
        enum rejection refusal = judge_parent(tree, place_of(tree, ask->slug), after.parent, decision);
        if (refusal != ACCEPTED) {
            return refusal;
        }
    }
    if (!is_said_the_same(before, &after)) {
        struct category_details *changed =
            &decision_event(decision, EVENT_CATEGORY_CHANGED)->as.category_changed.category;
        *changed = after;
        changed->has_parent = before->has_parent;
        changed->parent = before->parent;
        changed->position = before->position;
    }
    if (goes_elsewhere || before->position != after.position) {
        decision_event(decision, EVENT_CATEGORY_MOVED)->as.category_moved = (struct category_moved){
            .category = after,
            .has_from = before->has_parent,
            .from = before->parent,
            .from_position = before->position,
        };
    }
    return ACCEPTED;
}

static enum rejection put_category(const struct category_tree_state *tree, const struct category_state *category,
                                   const struct put_category *ask, struct decision *decision) {
    return category->status == CATEGORY_STATUS_ACTIVE ? change(tree, &category->category, ask, decision)
                                                      : define(tree, ask, decision);
}

static enum rejection remove_category(const struct category_tree_state *tree, const struct category_state *category,
                                      const struct remove_category *ask, struct decision *decision) {
    if (category->status != CATEGORY_STATUS_ACTIVE) {
        return REJECT_UNKNOWN_CATEGORY;
    }
    if (has_children(tree, place_of(tree, ask->slug))) {
        return REJECT_CATEGORY_HAS_CHILDREN;
    }
    decision_event(decision, EVENT_CATEGORY_REMOVED)->as.category_removed.slug = ask->slug;
    return ACCEPTED;
}

static struct str slug_of_command(const struct command *command) {
    switch ((enum categories_command)command->type) {
    case COMMAND_PUT_CATEGORY:
        return command->as.put_category.slug;
    case COMMAND_REMOVE_CATEGORY:
        return command->as.remove_category.slug;
    }
    return STR("");
}

/* That slugs are short is what bounds the state, so it is not left to whoever sends the command. */
/* The empty slug is that of a free place. */
static bool has_odd_parent(const struct command *command) {
    return command->type == COMMAND_PUT_CATEGORY && command->as.put_category.has_parent &&
           !format_matches(FORMAT_SLUG, command->as.put_category.parent);
}

static bool is_malformed(const struct category_state *category, const struct command *command,
                         const struct decision *decision) {
    return category == NULL || !str_equal(decision->stream, STR(CATEGORY_TREE_STREAM)) ||
           !format_matches(FORMAT_SLUG, slug_of_command(command)) || has_odd_parent(command);
}

enum rejection category_decide(const struct category_tree_state *tree, const struct category_state *category,
                               const struct command *command, struct decision *decision) {
    if (is_malformed(category, command, decision)) {
        return REJECT_MALFORMED_COMMAND;
    }
    switch ((enum categories_command)command->type) {
    case COMMAND_PUT_CATEGORY:
        return put_category(tree, category, &command->as.put_category, decision);
    case COMMAND_REMOVE_CATEGORY:
        return remove_category(tree, category, &command->as.remove_category, decision);
    }
    return REJECT_MALFORMED_COMMAND;
}

/* ---- evolve ------------------------------------------------------------------------------------------------------ */

static int32_t place_in(const struct category_tree_state *tree, const struct category_details *category) {
    return category->has_parent ? place_of(tree, category->parent) : AT_TOP;
}

/* In a place that is free, if there is one, so that the state does not grow by what comes and goes. */
static void put_into_tree(struct category_tree_state *tree, const struct category_details *category,
                          struct arena *arena) {
    int32_t place = place_of(tree, category->slug);
    int32_t parent = place_in(tree, category);
    if (place == NO_PLACE) {
        place = tree->count < (int32_t)tree->places.count ? place_of(tree, STR("")) : NO_PLACE;
        tree->count++;
    }
    struct category_place *at = place == NO_PLACE ? ARRAY_PUSH(arena, &tree->places) : &tree->places.items[place];
    *at = (struct category_place){.slug = category->slug, .parent = parent};
}

static void take_out_of_tree(struct category_tree_state *tree, struct str slug) {
    int32_t place = place_of(tree, slug);
    if (place != NO_PLACE) {
        tree->places.items[place] = (struct category_place){.slug = STR(""), .parent = AT_TOP};
        tree->count--;
    }
}

/* What is needed to say what was removed, and no more. */
static void leave_remains(struct category_details *category) {
    category->has_description = false;
    category->description = STR("");
}

static const struct category_details *category_of_event(const struct event *event) {
    switch ((enum categories_event)event->type) {
    case EVENT_CATEGORY_DEFINED:
        return &event->as.category_defined.category;
    case EVENT_CATEGORY_CHANGED:
        return &event->as.category_changed.category;
    case EVENT_CATEGORY_MOVED:
        return &event->as.category_moved.category;
    case EVENT_CATEGORY_REMOVED:
        break;
    }
    return NULL;
}

void category_evolve_part(struct category_state *state, const struct event *event) {
    const struct category_details *now = category_of_event(event);
    if (now != NULL) {
        state->status = CATEGORY_STATUS_ACTIVE;
        state->category = *now;
    } else {
        state->status = CATEGORY_STATUS_REMOVED;
        leave_remains(&state->category);
    }
    state->version = event->meta.version;
    state->changed_at = event->meta.occurred_at;
}

void category_evolve(struct category_tree_state *tree, struct category_state *category, const struct event *event,
                     struct arena *arena) {
    switch ((enum categories_event)event->type) {
    case EVENT_CATEGORY_DEFINED:
    case EVENT_CATEGORY_MOVED:
        put_into_tree(tree, category_of_event(event), arena);
        break;
    case EVENT_CATEGORY_REMOVED:
        take_out_of_tree(tree, event->as.category_removed.slug);
        break;
    case EVENT_CATEGORY_CHANGED:
        break;
    }
    if (category != NULL) {
        category_evolve_part(category, event);
    }
}

/* ---- for the handler --------------------------------------------------------------------------------------------- */

static enum rejection decide(const void *state, const void *sub_state, const struct command *command,
                             struct decision *decision) {
    return category_decide(state, sub_state, command, decision);
}

static void evolve(void *state, void *sub_state, const struct event *event, struct arena *arena) {
    category_evolve(state, sub_state, event, arena);
}

static struct str command_slug(const struct command *command, struct arena *arena) {
    (void)arena;
    return slug_of_command(command);
}

static struct str event_slug(const struct event *event, struct arena *arena) {
    (void)arena;
    const struct category_details *category = category_of_event(event);
    return category != NULL ? category->slug : event->as.category_removed.slug;
}

static int64_t version_of(const void *sub_state) {
    const struct category_state *category = sub_state;
    return category->status == CATEGORY_STATUS_ACTIVE ? category->version : 0;
}

static void encode(struct buf *out, const void *state) {
    category_tree_state_encode(out, state);
}

static bool decode(struct arena *arena, struct str bytes, void *ret_state) {
    return category_tree_state_decode(arena, bytes, ret_state);
}

static void encode_category(struct buf *out, const void *sub_state) {
    category_state_encode(out, sub_state);
}

static bool decode_category(struct arena *arena, struct str bytes, void *ret_sub_state) {
    return category_state_decode(arena, bytes, ret_sub_state);
}

const struct aggregate category_aggregate = {
    .prefix = {"cat_", 4},
    .family = "categories",
    .noun = "tree of categories",
    .state_size = sizeof(struct category_tree_state),
    .sub_state_size = sizeof(struct category_state),
    .decide = decide,
    .evolve = evolve,
    .command_sub_key = command_slug,
    .event_sub_key = event_slug,
    .part_version = version_of,
    .state_encode = encode,
    .state_decode = decode,
    .state_schema_id = CATEGORY_TREE_STATE_SCHEMA_ID,
    .sub_state_encode = encode_category,
    .sub_state_decode = decode_category,
    .part_schema_id = CATEGORY_STATE_SCHEMA_ID,
};
