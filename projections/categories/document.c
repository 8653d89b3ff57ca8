#include "projections/categories/document.h"

#include "gen/json.h"

void category_document(struct buf *out, struct str stream, int64_t version, const struct category_state *state) {
    (void)stream;
    const struct category_details *category = &state->category;
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    json_field_string(&writer, "slug", category->slug);
    json_field_string(&writer, "status", str_of_cstr(category_status_name(state->status)));
    json_field_string(&writer, "title", category->title);
    if (category->has_description) {
        json_field_string(&writer, "description", category->description);
    }
    if (category->has_parent) {
        json_field_string(&writer, "parent", category->parent);
    }
    json_field_int(&writer, "position", category->position);
    json_field_int(&writer, "version", version);
    json_field_time(&writer, "created_at", category->created_at);
    json_field_time(&writer, "changed_at", state->changed_at);
    json_object_end(&writer);
}
