/* project.c: the categories, from the events of their tree. Each event has the whole of its category. */
#include "core/base/embed.h"
#include "core/domain/category/category.h"
#include "projections/categories/document.h"
#include "projections/runtime/view.h"

EMBED_TEXT(categories_sql, "projections/categories/view.sql");

enum { CATEGORIES, COLUMN_COUNT = 8 };

static void put_category(struct view_batch *batch, struct arena *arena, const struct event *event,
                         const struct category_state *state) {
    const struct category_details *category = &state->category;
    struct buf *document = view_scratch(batch);
    category_document(document, event->meta.stream, state->version, state);
    view_upsert(batch, CATEGORIES,
                (struct view_value[COLUMN_COUNT]){
                    view_text(category->slug),
                    view_text(category->title),
                    view_text_or_null(category->has_parent, category->parent),
                    view_number(category->position),
                    view_text(arena_str_copy(arena, buf_text(document))),
                    view_number(state->version),
                    view_number(category->created_at),
                    view_number(state->changed_at),
                });
}

static void project(struct view_batch *batch, struct arena *arena, const struct event *event, const void *state,
                    bool last) {
    (void)state;
    (void)last;
    struct category_state category = {0};
    category_evolve_part(&category, event);
    if (category.status == CATEGORY_STATUS_ACTIVE) {
        put_category(batch, arena, event, &category);
    } else {
        view_delete(batch, CATEGORIES, (struct view_value[COLUMN_COUNT]){view_text(event->as.category_removed.slug)});
    }
}

const struct view categories_view = {
    .name = "categories",
    .sql = categories_sql,
    .format = 1,
    .families = {"categories"},
    .tables = {[CATEGORIES] = {.name = "categories",
                               .columns = {{"slug", VIEW_TEXT, .key = true},
                                           {"title", VIEW_TEXT},
                                           {"parent", VIEW_TEXT},
                                           {"position", VIEW_BIGINT},
                                           {"document", VIEW_JSON},
                                           {"version", VIEW_BIGINT},
                                           {"created_at", VIEW_TIMESTAMP},
                                           {"changed_at", VIEW_TIMESTAMP}},
                               .column_count = COLUMN_COUNT}},
    .table_count = 1,
    .fold = &category_aggregate,
    .project = project,
};
